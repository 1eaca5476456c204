"""The explorers of other networks in a real browser: what is on the screen, against what DeconvNet gives."""

import any_network
import numpy as np
import pytest
import torch
from lab import explorer, pictures, pixels, press, readout, rest, sheets
from looks import every_control_is_named_and_can_be_reached, fits_and_can_be_read
from networks import SmallCnn
from test_explorers import activation, limit, see, signed

from helpers.data import load_mnist
from helpers.deconvnet import DeconvNet, class_shares
from helpers.photos import load_photos
from helpers.squeezenet import MEAN, load_squeezenet

DIGITS = load_mnist("test")[0][:10]
LAYERS = "conv1 bn1 relu max_pool2d conv2 bn2 relu:2 max_pool2d:2 flatten fc".split()


@pytest.fixture(scope="module")
def cnn():
    torch.manual_seed(0)
    return SmallCnn().eval()


@pytest.fixture
def page(opened):
    return opened(any_network.NAME)


def colour(values):
    """Of `(3, H, W)` from 0 to 1."""
    return np.round(255 * values.clamp(0, 1).permute(1, 2, 0).numpy()).astype(int)


def signed_colour(values, end):
    return colour((values / end + 1) / 2)


def test_a_cnns_maps_by_keys(page, cnn):
    box = explorer(page, "explore_feature_maps(cnn, ")
    for name in ("image", "layer", "map"):
        press(box, name, "Home")
    press(box, "image", "ArrowRight", 3)
    press(box, "layer", "ArrowRight", LAYERS.index("relu:2"))
    box.get_by_text("map 0 of layer relu:2", exact=True).wait_for()  # until then the slider of maps ends at 31
    press(box, "map", "ArrowRight", 40)
    trace = DeconvNet(cnn).record((DIGITS[3:4] - 0.1307) / 0.3081)
    maps = trace.activations["relu:2"][0].detach()
    order = maps.amax(dim=(1, 2)).argsort(descending=True)[:16].tolist()
    projected = DeconvNet(cnn).project(trace, "relu:2")[0, :, 0]
    end = limit(projected[order])

    def expected():
        screens = [pixels(picture) for picture in pictures(box)]
        wanted = [
            colour(DIGITS[3].expand(3, 28, 28)),
            activation(maps[40], float(maps.max())),
            signed(projected[40], end),
        ]
        places = [box.locator(".thumbnails canvas").nth(k) for k in (0, 15)]
        small = [
            (f"thumbnail {k}", pixels(place), signed(projected[k], end), {"side": 56})
            for k, place in zip((order[0], order[15]), places, strict=True)
        ]
        return [(*one, {}) for one in zip(("image", "map", "what it saw"), screens, wanted, strict=True)] + small

    see(box, expected)
    assert readout(box, "layer") == "relu:2"
    box.get_by_role("button", name="class", exact=True).click()
    rest(box)
    k = int(trace.activations["fc"].argmax())
    shares = class_shares(trace, "relu:2", [k])[1][0]
    first = int(shares.argmax())
    box.get_by_role("button", name=f"{first}: {shares[first]:+.2f}").wait_for()
    box.get_by_role("button", name="strongest", exact=True).click()


def test_the_button_of_the_nine_strongest(page):
    box = explorer(page, "explore_feature_maps(cnn, ")
    box.get_by_role("button", name="nine strongest", exact=True).click()
    box.get_by_text("what it saw in each", exact=True).wait_for()
    grey = pixels(pictures(box)[1])
    assert len(np.unique(grey.reshape(-1, 3), axis=0)) > 20
    box.get_by_role("button", name="this image", exact=True).click()
    box.get_by_text("what it saw", exact=True).wait_for()


def test_photographs_and_what_was_seen_in_them_are_in_colour(page):
    box = explorer(page, "explore_feature_maps(squeezenet, ")
    for name in ("image", "layer", "map"):
        press(box, name, "Home")
    press(box, "image", "ArrowRight", 1)
    press(box, "map", "ArrowRight", 7)
    photo, model = load_photos()[0][1], load_squeezenet()
    trace = DeconvNet(model).record(photo[None] - MEAN)
    maps = trace.activations["features.0"][0]
    order = maps.amax(dim=(1, 2)).argsort(descending=True)[:16].tolist()
    net = DeconvNet(model)
    end = limit(net.project(trace, "features.0", order))
    saw = net.project(trace, "features.0", [7])[0, 0]

    def expected():
        screens = [pixels(picture) for picture in pictures(box)]
        wanted = [colour(photo), signed_colour(saw, end)]
        return [(*one, {"side": 227}) for one in zip(("photo", "what it saw"), screens[::2], wanted, strict=True)]

    see(box, expected)
    assert len(sheets(box)) == 1


@pytest.mark.parametrize("call", any_network.CALLS)
def test_it_fits_and_can_be_read(call, theme, width, page):
    fits_and_can_be_read(page, call, theme, width)


@pytest.mark.parametrize("call", any_network.CALLS)
def test_every_control_is_named_to_a_screen_reader_and_can_be_reached_by_keys(call, page):
    every_control_is_named_and_can_be_reached(explorer(page, call))
