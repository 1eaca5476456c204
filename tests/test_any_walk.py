"""What walk yields, and project gives: of layers with one number a channel, and with what was exchanged in a trace."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from networks import conv, ready, written
from reference import relative_difference
from reference_any import maps_of_any
from torch import nn

from helpers.deconvnet import DeconvNet
from helpers.lenet5 import load_lenet5


@pytest.fixture
def images():
    torch.manual_seed(1)
    return torch.randn(2, 3, 8, 8, dtype=torch.float64)


def test_one_number_a_channel():
    net = DeconvNet(load_lenet5())
    trace = net.record(torch.rand(3, 1, 28, 28))
    assert trace.activations["classifier.linear3"].shape == (3, 10)
    maps = net.project(trace, "classifier.linear3", channels=[5, 2])
    assert maps.shape == (3, 2, 1, 28, 28)
    assert net.project(trace, "classifier.linear3", channels=[5, 2], select="peak").equal(maps)
    steps = dict(net.walk(trace, "classifier.linear3", [5, 2]))
    assert steps["classifier.linear3"].shape == (3, 2, 84) and steps["classifier.flatten"].shape == (3, 2, 16, 5, 5)


@pytest.mark.parametrize("channels", [[], [1, 1, 0]])
@pytest.mark.parametrize("select", ["map", "peak"])
def test_channels_of_numbers(channels, select):
    net = DeconvNet(ready(nn.Sequential(conv(), nn.Flatten(), nn.Linear(512, 6), nn.BatchNorm1d(6))))
    trace = net.record(torch.rand(2, 3, 8, 8, dtype=torch.float64))
    maps = net.project(trace, "3", channels, select)
    assert maps.shape == (2, len(channels), 3, 8, 8)
    reference = maps_of_any(net.model, "3", trace.images, "deconvnet")[:, channels]
    torch.testing.assert_close(maps, reference, rtol=0, atol=1e-12)


def test_walk_yields_a_signal_once_all_that_used_it_are_undone(images):
    """At the input of `b` and of the addition stands one tensor: its signal is that of both."""

    def forward(self, x):
        y = self.a(x)
        return self.last(F.relu(y + self.b(y)))

    model = written(forward)
    net = DeconvNet(model, "gradient")
    trace = net.record(images)
    steps = list(net.walk(trace, "last", [2]))
    assert [name for name, _ in steps] == ["last", "relu", "add", "b", "a"]
    signals = dict(steps)
    with torch.no_grad():
        back = F.conv_transpose2d(signals["add"][:, 0], model.b.weight, padding=1)
    torch.testing.assert_close(signals["b"][:, 0], signals["add"][:, 0] + back)
    assert relative_difference(signals["a"], net.project(trace, "last", [2])) < 1e-12


@pytest.mark.parametrize("layer", ["pool", "last", "alias"])
def test_the_way_back_reads_activations_and_switches_from_the_trace(layer, images):
    """Explorers exchange them: the pictures of one image with the switches, or the activations, of another."""
    parts = {"pool": nn.MaxPool2d(2), "alias": nn.Identity(), "relu": nn.ReLU()}
    model = written(lambda self, x: self.alias(self.last(self.b(self.relu(self.pool(self.relu(self.a(x))))))), **parts)
    net = DeconvNet(model, "guided")
    trace, other = (net.record(one) for one in (images, images.flip(2, 3)))
    for given in (
        {"activations": {**other.activations}, "switches": {**other.switches}},
        {"activations": {**trace.activations, "last": other.activations["last"]}},
        {"activations": {**trace.activations, "relu": other.activations["relu"]}},
        {"switches": {**other.switches}},
    ):
        mixed = replace(trace, **given)
        maps = net.project(mixed, layer)
        assert not maps.equal(net.project(trace, layer)) or (layer == "pool" and list(given) == ["activations"])
        if len(given) == 2:
            assert relative_difference(maps, net.project(other, layer)) < 1e-12
