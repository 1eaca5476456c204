"""Explorers: sliders that answer with pictures. The only module that imports ipywidgets."""

import io
from collections.abc import Sequence

import ipywidgets as widgets
import matplotlib.pyplot as plt
import numpy as np
from torch import Tensor

from helpers.deconvnet import DeconvNet
from helpers.lenet5 import LeNet5
from helpers.plotting import SIGNED

_SIDE = 224  # pixels on the screen: eight for each pixel of the image


def explore_feature_maps(model: LeNet5, images: Tensor, digits: Sequence[int]) -> widgets.Widget:
    """A slider for the digit and one for the feature map: the image beside what that map saw in it.

    Both layers' maps share one slider, 0 to 5 for the first layer and 6 to 21 for the second. Within a layer and a
    digit all maps share one scale, the largest magnitude among them, so that a weak map looks weak.

    Args:
        model: in eval mode.
        images: `(N, 1, 28, 28)`.
        digits: the digit that each image shows, for the labels.

    Raises:
        ValueError: there are not as many digits as images.
    """
    if len(images) != len(digits):
        raise ValueError(f"{len(images)} images and {len(digits)} digits; the explorer needs one digit for each image")
    net = DeconvNet(model.features)
    trace = net.record(images)
    layers = [(layer, net.project(trace, layer)[:, :, 0]) for layer in ("pool1", "pool2")]
    places = [(layer, maps, k) for layer, maps in layers for k in range(maps.shape[1])]

    digit = widgets.SelectionSlider(description="digit", options=[(f"{d}", i) for i, d in enumerate(digits)])
    feature_map = widgets.IntSlider(description="feature map", min=0, max=len(places) - 1)
    image, picture = (
        widgets.Image(format="png", width=_SIDE, height=_SIDE, layout={"object_fit": "contain"}) for _ in range(2)
    )
    caption = widgets.HTML()

    def redraw(_: object = None) -> None:
        layer, maps, k = places[feature_map.value]
        limit = float(maps[digit.value].abs().max()) or 1.0
        shown = maps[digit.value, k]
        image.value = _png(images[digit.value, 0], "gray", 0, 1)
        picture.value = _png(shown, SIGNED, -limit, limit)
        caption.value = (
            f"{layer}, map {k}: from {float(shown.min()):.2f} to {float(shown.max()):.2f}; "
            f"grey is 0, the scale of this digit's {layer} maps ends at ±{limit:.2f}"
        )

    for slider in (digit, feature_map):
        slider.observe(redraw, names="value")
    redraw()
    return widgets.VBox([widgets.HBox([digit, feature_map]), widgets.HBox([image, picture]), caption])


def _png(pixels: Tensor, colours: object, low: float, high: float) -> bytes:
    """`pixels` `(H, W)` as a PNG file, each drawn as a block of screen pixels."""
    buffer = io.BytesIO()
    scale = _SIDE // pixels.shape[0]
    plt.imsave(buffer, np.kron(pixels.numpy(), np.ones((scale, scale))), cmap=colours, vmin=low, vmax=high)
    return buffer.getvalue()
