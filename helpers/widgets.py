"""Explorers: sliders that answer with pictures. The only module that imports ipywidgets."""

import io
from collections.abc import Sequence

import ipywidgets as widgets
import matplotlib.pyplot as plt
import numpy as np
from torch import Tensor

from helpers.deconvnet import DeconvNet
from helpers.lenet5 import LeNet5
from helpers.plotting import SIGNED, signed_limit

_SIDE = 224  # pixels on the screen: eight for each pixel of the image


def explore_feature_maps(model: LeNet5, images: Tensor, digits: Sequence[int]) -> widgets.Widget:
    """A slider for the digit and one for the feature map: the image beside what that map saw in it.

    Both layers' maps share one slider, 1·0 to 1·5 for the first layer and 2·0 to 2·15 for the second. All maps of a
    layer share one scale for each digit, in which 99.5 % of their pixels lie, so that a weak map looks weak.

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
    layers = {layer: net.project(trace, f"pool{layer}")[:, :, 0] for layer in (1, 2)}
    names = [(f"{layer}·{k}", (layer, k)) for layer, maps in layers.items() for k in range(maps.shape[1])]

    digit = widgets.SelectionSlider(description="digit", options=[(f"{d}", i) for i, d in enumerate(digits)])
    feature_map = widgets.SelectionSlider(description="feature map", options=names)
    image, picture = (
        widgets.Image(format="png", width=_SIDE, height=_SIDE, layout={"object_fit": "contain"}) for _ in range(2)
    )
    caption = widgets.HTML()

    def redraw(_: object = None) -> None:
        layer, k = feature_map.value
        maps = layers[layer][digit.value]
        limit = signed_limit(maps)
        shown = maps[k]
        image.value = _png(images[digit.value, 0], "gray", 0, 1)
        picture.value = _png(shown, SIGNED, -limit, limit)
        caption.value = (
            f"layer {layer}, map {k}: from {float(shown.min()):.2f} to {float(shown.max()):.2f}. "
            f"Grey is 0; the scale ends at ±{limit:.2f}"
        )

    digit.observe(redraw, names="value")
    feature_map.observe(redraw, names="value")
    redraw()
    return widgets.VBox([widgets.HBox([digit, feature_map]), widgets.HBox([image, picture]), caption])


def _png(pixels: Tensor, colours: object, low: float, high: float) -> bytes:
    """`pixels` `(H, W)` as a PNG file, each drawn as a block of screen pixels."""
    buffer = io.BytesIO()
    scale = _SIDE // pixels.shape[0]
    plt.imsave(buffer, np.kron(pixels.numpy(), np.ones((scale, scale))), cmap=colours, vmin=low, vmax=high)
    return buffer.getvalue()
