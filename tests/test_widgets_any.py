"""The explorers of networks other than LeNet-5, without a browser: what each setting shows."""

import re
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from networks import SmallCnn
from reference_any import maps_of_any
from torch import nn

from helpers.deconvnet import DeconvNet, class_shares, patches, strongest
from helpers.directions import stroke_directions
from helpers.explorers import draw_a_digit, explore_feature_maps, explore_steps, explore_switches, frames
from helpers.explorers import explorer as explorer_module
from helpers.explorers.explorer import number
from helpers.photos import load_photos
from helpers.squeezenet import CATEGORIES, MEAN, load_squeezenet

NORMALISED = {"mean": 0.1307, "std": 0.3081}
CNN_LAYERS = "conv1 bn1 relu max_pool2d conv2 bn2 relu:2 max_pool2d:2 flatten fc".split()


@pytest.fixture(scope="module")
def cnn():
    torch.manual_seed(0)
    return SmallCnn().eval()


@pytest.fixture
def digits(images):
    """Twenty test images as the network takes them."""
    return (images - NORMALISED["mean"]) / NORMALISED["std"]


@pytest.fixture(scope="module")
def squeezenet():
    return load_squeezenet()


@pytest.fixture(scope="module")
def photos():
    return load_photos()[0][:3]


def large(explorer):
    return [picture for picture in explorer._pictures if isinstance(picture, explorer_module.Picture)]


def small(explorer):
    """The labels of what is shown small, and its pixels."""
    (sheet,) = [sheet for sheet in explorer._pictures if isinstance(sheet, explorer_module.Thumbnails)]
    return sheet.words["labels"], [panel.pixels for panel in sheet.panels]


def told(explorer):
    return " ".join(explorer._parts[-1].words["sentences"])


def test_the_layers_are_the_models_own_up_to_the_scores(cnn, digits):
    explorer = explore_feature_maps(cnn, digits, **NORMALISED)
    assert [layer for _, layer in explorer.controls["layer"].options] == CNN_LAYERS


@pytest.mark.parametrize("layer", CNN_LAYERS[:8])
@pytest.mark.parametrize("show", ["whole map", "peak"])
def test_the_strongest_sixteen_are_shown_small_and_all_others_can_be_reached(layer, show, cnn, digits):
    explorer = explore_feature_maps(cnn, digits, **NORMALISED).at(image=3, layer=layer, show=show)
    trace = DeconvNet(cnn).record(digits[3:4])
    activation = trace.activations[layer][0]
    order = activation.amax(dim=(1, 2)).argsort(descending=True).tolist()
    labels, pixels = small(explorer)
    assert labels == [f"{k}" for k in order[:16]]
    select = "peak" if show == "peak" else "map"
    pictures = DeconvNet(cnn).project(trace, layer, select=select)[0, :, 0]
    for k, picture in zip(order, pixels, strict=False):
        torch.testing.assert_close(picture, pictures[k], rtol=1e-4, atol=1e-6)
    for k in (order[15], order[-1]):
        explorer.at(map=k)
        _, feature_map, seen = large(explorer)
        assert feature_map.panels[0].pixels.equal(activation[k])
        torch.testing.assert_close(seen.panels[0].pixels, pictures[k], rtol=1e-4, atol=1e-6)


def test_the_pictures_are_those_of_autograd(cnn, digits):
    explorer = explore_feature_maps(cnn, digits, **NORMALISED).at(image=5, layer="bn2", map=40)
    wanted = maps_of_any(cnn, "bn2", digits[5:6], "deconvnet", [40])[0, 0, 0]
    torch.testing.assert_close(large(explorer)[2].panels[0].pixels, wanted, rtol=1e-4, atol=1e-6)


def test_images_are_shown_as_they_were(cnn, squeezenet, images, digits, photos):
    explorer = explore_feature_maps(cnn, digits, **NORMALISED).at(image=2)
    torch.testing.assert_close(large(explorer)[0].panels[0].pixels, images[2, 0])
    assert "times 0.308, plus 0.131." in told(explorer)
    explorer = explore_feature_maps(squeezenet, photos - MEAN, mean=MEAN).at(image=1)
    torch.testing.assert_close(large(explorer)[0].panels[0].pixels, photos[1])
    assert "times 1, plus (0.485, 0.458, 0.408)." in told(explorer)


def test_a_lenet5_that_takes_normalised_digits_is_shown_digits(model, images, digits):
    explorer = explore_steps(model, digits, torch.arange(20) % 10, **NORMALISED).at(digit=2)
    torch.testing.assert_close(large(explorer)[0].panels[0].pixels, images[2, 0])


def test_what_is_read_is_named_and_a_misreading_too(cnn, squeezenet, digits, photos):
    read = int(cnn(digits[:1]).argmax())
    for label, words in ((read, "image 0, {0}, read as {0}"), (read - 1, "image 0, {1}, misread as {0}")):
        explorer = explore_feature_maps(cnn, digits[:1], torch.tensor([label % 10]), **NORMALISED)
        assert large(explorer)[0].panels[0].label == words.format(read, label % 10)
    explorer = explore_feature_maps(squeezenet, photos - MEAN, names=CATEGORIES, mean=MEAN).at(image=1)
    scores = squeezenet(photos[1:2] - MEAN)[0].detach()
    assert large(explorer)[0].words["label"] == f"image 1, read as {CATEGORIES[int(scores.argmax())]}"
    assert large(explorer)[0].words["text"] == f"with a probability of {float(scores.softmax(0).max()):.0%}"


@pytest.mark.parametrize("class_", [None, 3])
def test_the_maps_that_speak_for_a_class_come_first(class_, cnn, digits):
    settings = {"image": 4, "layer": "relu:2", "order": "class", "class": class_}
    explorer = explore_feature_maps(cnn, digits, **NORMALISED).at(**settings)
    trace = DeconvNet(cnn).record(digits[4:5])
    k = int(trace.activations["fc"].argmax()) if class_ is None else class_
    (score,), (shares,) = class_shares(trace, "relu:2", [k])
    order = shares.argsort(descending=True)[:16].tolist()
    assert small(explorer)[0] == [f"{n}: {shares[n]:+.2f}".replace("-", "−") for n in order]
    explorer.at(map=7)
    words = f"Map 7 of layer relu:2 gives {shares[7]:+.2f} to the score of {k}, which is {score:.2f}; its 64 maps "
    assert f"{words}together give {shares.sum():+.2f}.".replace("-", "−") in told(explorer).replace("-", "−")


def test_what_can_not_be_projected_says_why_and_shows_its_maps():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 6, 3), nn.GELU(), nn.Conv2d(6, 5, 3), nn.Flatten(), nn.Linear(500, 3)).eval()
    images = torch.rand(2, 3, 14, 14)
    explorer = explore_feature_maps(model, images).at(layer="2", map=4)
    assert "This layer can't be projected: gelu in '1' has no way back" in told(explorer)
    activation = DeconvNet(model).record(images[:1]).activations["2"][0]
    assert large(explorer)[1].panels[0].pixels.equal(activation[4])
    assert not large(explorer)[2].panels[0].pixels.any()
    order = activation.amax(dim=(1, 2)).argsort(descending=True).tolist()
    assert all(pixels.equal(activation[k]) for k, pixels in zip(order, small(explorer)[1], strict=True))
    explorer.at(see="nine strongest", layer="0")
    assert "can't be projected" not in told(explorer) and explorer.fault == ""


def test_the_nine_strongest_are_those_of_the_images_that_were_given(cnn, digits):
    explorer = explore_feature_maps(cnn, digits, **NORMALISED).at(layer="relu:2", map=40, see="nine strongest")
    found = strongest(DeconvNet(cnn), digits, "relu:2")
    crops, projections = patches(DeconvNet(cnn), digits, found, [40])
    _, shown, seen = large(explorer)
    assert [panel.label.split()[-1] for panel in shown.panels] == [f"{i}" for i in found.images[40].tolist()]
    for panel, crop in zip(shown.panels, crops[0], strict=True):
        torch.testing.assert_close(panel.pixels, crop[0] * NORMALISED["std"] + NORMALISED["mean"], rtol=0, atol=1e-6)
    for panel, projection in zip(seen.panels, projections[0], strict=True):
        torch.testing.assert_close(panel.pixels, projection[0])


def test_a_map_with_a_direction_tells_it(model, images):
    """LeNet-5's as well."""
    labels = torch.tensor([7, 2, 1, 0, 4, 1, 4, 9, 5, 9, 0, 6, 9, 0, 1, 5, 9, 7, 3, 4])
    explorer = explore_feature_maps(model, images, labels).at(digit=1, layer=1)
    telling = set()
    for k in range(6):
        seen = large(explorer.at(map=k))[2]
        (angle,), (clear,) = stroke_directions(seen.panels[0].pixels[None, None])
        says = f"; strokes at {angle:.0f}°, clear to {clear:.2f}"
        assert seen.words["text"].endswith(says) == ("strokes" in seen.words["text"]) == (clear >= 0.3)
        telling.add(bool(clear >= 0.3))
    assert True in telling


@pytest.mark.parametrize("layer", ["conv1", "relu:2", "max_pool2d:2"])
@pytest.mark.parametrize("rule", ["deconvnet", "gradient"])
def test_the_last_stage_is_the_maps_picture(layer, rule, cnn, digits):
    explorer = explore_steps(cnn, digits, **NORMALISED).at(image=6, layer=layer, map=9, rule=rule)
    explorer.at(stage=len(explorer.controls["stage"].options) - 1)
    net = DeconvNet(cnn, rule=rule)
    wanted = net.project(net.record(digits[6:7]), layer, [9])[0, 0, 0]
    here, pixels = large(explorer)[1:]
    for picture in (here, pixels):
        assert f"{number(wanted.min())} to {number(wanted.max())}, in units of " in picture.words["text"]
        unit = wanted.abs().max() / picture.panels[0].pixels.abs().max()
        torch.testing.assert_close(unit * picture.panels[0].pixels, wanted, rtol=1e-4, atol=1e-6)


def test_stages_in_colour_and_not_in_colour_stand_side_by_side(squeezenet, photos):
    explorer = explore_steps(squeezenet, photos - MEAN, mean=MEAN).at(layer="features.3.squeeze", map=3)
    places = explorer._pictures[-1].drawn["places"]
    assert [place["kind"] for place in places] == ["signed"] * (len(places) - 1) + ["channel"]
    assert [place["channels"] for place in places] == [1] * (len(places) - 1) + [3]
    levels = len(explorer._pictures[-1].drawn["levels"])
    assert levels == sum(place["channels"] * h * w for place in places for h, w in place["shapes"])


def test_the_stages_are_called_by_what_was_undone(cnn, digits):
    explorer = explore_steps(cnn, digits, **NORMALISED).at(layer="max_pool2d:2", map=9)
    names = [label.partition(" ")[2] for label, _ in explorer.controls["stage"].options]
    one = ["unpooled", "rectified", "batch norm undone"]
    assert names == ["pooled", *one, "filtered", *one, "pixels"]
    trace = DeconvNet(cnn).record(digits[:1])
    _, filtered = list(DeconvNet(cnn).walk(trace, "max_pool2d:2", [9]))[3]
    strength = filtered[0, 0].abs().sum(dim=(1, 2))
    shown = [int(panel.label.split()[-1]) for panel in large(explorer.at(stage=4))[1].panels]
    assert shown == sorted(strength.topk(6).indices.tolist())


def test_a_fixed_corner_is_that_of_each_window():
    """Windows of 3×3 that overlap, with a border of padding around."""
    model = nn.Sequential(nn.MaxPool2d(3, 2, padding=1)).eval()
    image = torch.rand(1, 1, 7, 7)
    explorer = explore_steps(model, image).at(stage=1, switches="fixed corner")
    pooled = F.max_pool2d(image, 3, 2, padding=1)[0, 0]
    wanted = torch.zeros(7, 7)
    for i in range(4):
        for j in range(4):
            wanted[max(0, 2 * i - 1), max(0, 2 * j - 1)] += pooled[i, j]
    panel = large(explorer)[1].panels[0].pixels
    torch.testing.assert_close(panel / panel.max(), wanted / wanted.max())


def test_switches_of_any_pooling_follow(squeezenet, photos):
    explorer = explore_switches(squeezenet, photos - MEAN, mean=MEAN)
    assert [layer for _, layer in explorer.controls["layer"].options] == ["features.2", "features.5", "features.8"]
    explorer.at(layer="features.5", map=9, right=4)
    net = DeconvNet(squeezenet)
    before, after = (net.record(one) for one in (photos[:1] - MEAN, F.pad(photos[:1] - MEAN, (4, -4))))
    shifted, whole, pooled, moved = large(explorer)
    torch.testing.assert_close(shifted.panels[0].pixels[:, :, 4:], photos[0, :, :, :-4])
    torch.testing.assert_close(shifted.panels[0].pixels[:, :, :4], MEAN.expand(3, 227, 4))
    assert whole.panels[0].pixels.equal(after.activations["features.4"][0, 9])
    assert pooled.panels[0].pixels.equal(after.activations["features.5"][0, 9])
    values = pooled.panels[0].pixels
    rows, columns = whole.panels[0].dots
    assert whole.panels[0].pixels[rows, columns].equal(values[values > 0.1 * values.max()])
    changed = before.switches["features.5"][0, 9] != after.switches["features.5"][0, 9]
    assert moved.panels[0].pixels.sum() > 0 and not moved.panels[0].pixels[~changed].any()


def test_a_drawing_is_read_as_the_network_takes_it(cnn, images, digits):
    explorer = draw_a_digit(cnn, images[0, 0], **NORMALISED).at(layer="relu:2", map=40)
    read, seen = large(explorer)
    assert read.panels[0].label == f"read as {int(cnn(digits[:1]).argmax())}"
    wanted = DeconvNet(cnn).project(DeconvNet(cnn).record(digits[:1]), "relu:2", [40])[0, 0, 0]
    torch.testing.assert_close(seen.panels[0].pixels, wanted, rtol=1e-3, atol=1e-4)
    sheet = explorer._pictures[-1]
    sheet.receive({"pick": 3}, [])
    assert explorer.controls["map"].value == int(sheet.words["labels"][3])


@pytest.mark.parametrize("size", [(227, 227), (32, 32), (20, 50), (600, 300)])
def test_pictures_of_any_size_fit(size):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2)).eval()
    explorer = explore_feature_maps(model, torch.rand(1, 3, *size))
    side = explorer._pictures[0].page["side"]
    assert 128 < side <= 256
    for picture in large(explorer):
        place = picture.drawn["place"]
        assert all(max(shape) <= side for shape in place["shapes"])
        assert max(side // max(shape) * max(shape) for shape in place["shapes"]) > 0.75 * side
        assert len(picture.drawn["levels"]) == place["channels"] * sum(h * w for h, w in place["shapes"])
    explorer.still()


def test_ten_lines_of_the_page_lead_to_an_explorer(tmp_path, monkeypatch, digits):
    """docs/explorers.md: a network of one's own."""
    page = (Path(__file__).resolve().parents[1] / "docs" / "explorers.md").read_text(encoding="utf-8")
    (code,) = [code for code in re.findall(r"(?ms)^```python\n(.*?)^```", page) if "from my_project import" in code]
    assert len(code.splitlines()) <= 10
    project = types.ModuleType("my_project")
    project.Net, project.images, project.labels = SmallCnn, digits, torch.arange(20) % 10
    project.names = "zero one two three four five six seven eight nine".split()
    monkeypatch.setitem(sys.modules, "my_project", project)
    monkeypatch.chdir(tmp_path)
    torch.save(SmallCnn().state_dict(), "net.pt")
    *lines, call = code.strip().splitlines()
    names = {}
    exec("\n".join(lines), names)
    explorer = eval(call, names)
    # The network is not trained, so whatever it reads is luck.
    assert re.match("image 4, four, (mis)?read as ", large(explorer.at(image=4))[0].panels[0].label)


def test_in_colour_each_channel_has_its_levels():
    values = torch.linspace(-2, 2, 48).view(3, 4, 4)
    panel = explorer_module.Panel(values, kind="signed")
    levels = frames.levels(panel, 2.0, 8)
    np.testing.assert_array_equal(levels, np.round(254 * (values.numpy() + 2) / 4))
    assert frames.scale_of(panel) == "channel" and len(frames.PALETTES["channel"]) == 3 * 255
    grey = frames.levels(explorer_module.Panel((values + 2) / 4), 1, 2)  # a quarter of the room
    np.testing.assert_array_equal(grey, np.round(255 * F.avg_pool2d((values + 2) / 4, 2).numpy()))
