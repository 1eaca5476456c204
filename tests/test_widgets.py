"""helpers.widgets: the pictures behind the sliders are the maps of DeconvNet on the scale that the caption names."""

import io

import matplotlib.pyplot as plt
import numpy as np
import pytest
from reference import maps_by_captum

from helpers.plotting import SIGNED
from helpers.widgets import explore_feature_maps


@pytest.mark.parametrize(("i", "layer", "k"), [(0, 1, 0), (2, 1, 5), (1, 2, 0), (0, 2, 15)])
def test_each_position_of_the_sliders_shows_its_map(i, layer, k, model, images):
    box = explore_feature_maps(model, images[:3], [7, 2, 1])
    (digit, feature_map), (image, picture), caption = (
        box.children[0].children,
        box.children[1].children,
        box.children[2],
    )
    digit.value, feature_map.value = i, (layer, k)
    maps = maps_by_captum(model, model.features.get_submodule(f"pool{layer}"), images[i : i + 1], "deconvnet")[0, :, 0]
    limit = np.quantile(np.abs(maps.numpy()), 0.995)
    np.testing.assert_allclose(cells(image), plt.get_cmap("gray")(images[i, 0].numpy()), atol=1 / 255)
    np.testing.assert_allclose(cells(picture), SIGNED((maps[k].numpy() / limit + 1) / 2), atol=3 / 255)
    assert caption.value == (
        f"layer {layer}, map {k}: from {float(maps[k].min()):.2f} to {float(maps[k].max()):.2f}. "
        f"Grey is 0; the scale ends at ±{limit:.2f}"
    )


def cells(image):
    """The colour in the middle of each of the 28×28 blocks of an Image widget."""
    return plt.imread(io.BytesIO(image.value))[4::8, 4::8]


def test_the_sliders_name_each_digit_and_each_of_22_maps(model, images):
    sliders = explore_feature_maps(model, images[:3], [7, 2, 1]).children[0].children
    digits, maps = ([name for name, _ in slider.options] for slider in sliders)
    assert digits == ["7", "2", "1"]
    assert maps == [f"{layer}·{k}" for layer, count in ((1, 6), (2, 16)) for k in range(count)]
