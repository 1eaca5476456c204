"""The 22 maps of LeNet-5 against Captum, and the known mistakes, each of which that comparison must catch."""

from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from reference import by_walk, maps_by_captum, relative_difference

from helpers.deconvnet import RULES, DeconvNet, fast, ways_back
from helpers.lenet5 import load_lenet5

# Each layer with the number of its maps.
LAYERS = {"pool1": 6, "pool2": 16}
TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-5}


@pytest.mark.parametrize("select", ["map", "peak"])
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize(("layer", "count"), LAYERS.items())
@pytest.mark.parametrize("rule", RULES)
def test_every_map_of_100_images_equals_captum(rule, layer, count, dtype, select, model, test_set):
    model, pixels = model.to(dtype), test_set[0][:100].to(dtype)
    net = DeconvNet(model.features, rule)
    ours = net.project(net.record(pixels), layer, select=select)
    assert ours.shape == (100, count, 1, 28, 28) and ours.dtype == dtype
    theirs = maps_by_captum(model, model.features.get_submodule(layer), pixels, rule, select=select)
    assert relative_difference(ours, theirs) < TOLERANCE[dtype]
    assert relative_difference(by_walk(net, net.record(pixels), layer, select=select), theirs) < TOLERANCE[dtype]


@pytest.fixture(scope="module")
def captum_maps(test_set):
    """`captum_maps(rule, layer)` of the images that the fixture `images` holds, in float64, worked out once each."""
    known = {}

    def maps(rule, layer):
        if (rule, layer) not in known:
            model, pixels = load_lenet5().double(), test_set[0][:20].double()
            known[rule, layer] = maps_by_captum(model, model.features.get_submodule(layer), pixels, rule)
        return known[rule, layer]

    return maps


def test_the_three_rules_differ_from_each_other(captum_maps):
    """Otherwise equality with Captum would not tell one rule from another."""
    maps = [captum_maps(rule, "pool2") for rule in RULES]
    for one, other in [*pairwise(maps), (maps[0], maps[2])]:
        assert relative_difference(one, other) > 0.1


def flat_convolution(weight):
    """A way back that convolves with `weight` of the filters: `(in_channels, out_channels, kernel, kernel)`."""

    def filter_back(signal, filters, size, stride, padding, dilation, groups):
        return F.conv2d(signal, weight(filters), padding=[filters.shape[2] - 1 - padding[0]] * 2)

    return filter_back


def filter_back_without_padding(signal, filters, *settings):
    return F.conv_transpose2d(signal, filters)


def conv2d_with_bias(signal, up, input, weight, bias, *settings, conv2d=ways_back.WAYS_BACK["conv2d"]):
    return conv2d(signal + bias[:, None, None], up, input, weight, bias, *settings)


def filter_back_then_rectify(signal, *settings, filter_back=ways_back.filter_back):
    return filter_back(signal, *settings).clamp(min=0)


def unpool_by_upsampling(signal, switches, size):
    return F.interpolate(signal.flatten(0, 1), size=tuple(size)).unflatten(0, signal.shape[:2])


def unpool_with_the_next_images_switches(signal, switches, size, unpool=ways_back.unpool):
    return unpool(signal, switches.roll(1, dims=0), size)


def unpool_the_strongest_map_only(signal, switches, size, unpool=ways_back.unpool):
    """At the top only one map is left anyway; at the lower layer this sets maps to zero once more."""
    strength = signal.abs().sum((-2, -1), keepdim=True)
    return unpool(torch.where(strength == strength.amax(2, keepdim=True), signal, 0), switches, size)


def all_maps(signal, whole=fast.whole):
    return whole(signal).sum(0).expand(len(signal.maps), -1, -1, -1, -1) if isinstance(signal, fast.Lone) else signal


MISTAKES = {
    "kernel not flipped": {"filter_back": flat_convolution(lambda filters: filters.transpose(0, 1))},
    "kernel transposed": {"filter_back": flat_convolution(lambda filters: filters.transpose(0, 1).transpose(2, 3))},
    "kernel flipped vertically only": {
        "filter_back": flat_convolution(lambda filters: filters.transpose(0, 1).flip(2))
    },
    "padding forgotten": {"filter_back": filter_back_without_padding},
    "biases added": {"conv2d": conv2d_with_bias},
    "not rectified": {"rectify": lambda signal: signal},
    "rectified after filtering": {"rectify": lambda signal: signal, "filter_back": filter_back_then_rectify},
    "upsampled instead of unpooled": {"unpool": unpool_by_upsampling},
    "switches of another image": {"unpool": unpool_with_the_next_images_switches},
    "other maps not set to zero": {"whole": all_maps},
    "set to zero again at the lower layer": {"unpool": unpool_the_strongest_map_only},
}


def test_the_planted_flip_is_the_right_way_back(monkeypatch, model, images, captum_maps):
    """The mistakes in filtering differ from this in one thing only, so that it is that thing which is caught."""
    flipped = flat_convolution(lambda filters: filters.transpose(0, 1).flip(2, 3))
    plant(monkeypatch, "filter_back", flipped)
    assert difference_from_captum(model, images, captum_maps) < 1e-10


def plant(monkeypatch, function, planted):
    if function in ways_back.WAYS_BACK:
        monkeypatch.setitem(ways_back.WAYS_BACK, function, planted)
    else:
        monkeypatch.setattr(fast if function == "whole" else ways_back, function, planted)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_comparison_catches(mistake, monkeypatch, model, images, captum_maps):
    for function, planted in MISTAKES[mistake].items():
        plant(monkeypatch, function, planted)
    # A mistake shows in more than the last digits.
    assert difference_from_captum(model, images, captum_maps) > 0.01


def difference_from_captum(model, images, captum_maps):
    net = DeconvNet(model.double().features)
    trace = net.record(images.double())
    return max(relative_difference(by_walk(net, trace, layer), captum_maps("deconvnet", layer)) for layer in LAYERS)
