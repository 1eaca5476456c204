"""helpers.deconvnet.shares: which maps speak for a class, against Captum, autograd and what must add up."""

import pytest
import torch
import torch.nn.functional as F
from captum.attr import LayerGradientXActivation
from networks import CifarTutorial, MnistExample, PreActivation, conv, ready
from torch import nn

from helpers.deconvnet import DeconvNet, class_shares, scores_layer
from helpers.lenet5 import load_lenet5

TOLERANCE = 1e-10


class Scores(nn.Module):
    """The scores of a classifier alone: Captum's gradient is to be of these, not of what a softmax makes of them."""

    def __init__(self, model, last):
        super().__init__()
        self.model, self.last = model, last

    def forward(self, images):
        kept = []
        handle = self.last.register_forward_hook(lambda layer, given, output: kept.append(output))
        self.model(images)
        handle.remove()
        return kept[0]


def by_captum(model, last, layer, images, classes):
    given = LayerGradientXActivation(Scores(model, last), layer).attribute(images, target=classes)
    return given.flatten(2).sum(dim=2) if given.dim() > 2 else given


def small():
    """Batch normalisation, ReLUs in place, a maximum over overlapping windows, and colour."""
    layers = [conv(), nn.BatchNorm2d(8), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2), PreActivation(), nn.ReLU()]
    return ready(nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, 5), nn.LogSoftmax(dim=1)))


NETWORKS = {
    "LeNet-5": (
        lambda: load_lenet5().double(),
        (1, 28, 28),
        "classifier.linear3",
        ["features.conv1", "features.relu1", "features.pool1", "features.conv2", "features.pool2", "classifier.relu4"],
    ),
    "batch normalisation and a residual block": (small, (3, 17, 17), "8", ["1", "3", "4", "4.conv1", "5", "6", "8"]),
    "a gate and a normalisation that have no way back": (
        lambda: ready(
            nn.Sequential(conv(), nn.GroupNorm(2, 8), nn.GELU(), conv(8), nn.Sigmoid(), nn.Flatten(), nn.Linear(392, 3))
        ),
        (3, 7, 7),
        "6",
        ["0", "1", "2", "3", "4"],
    ),
}


@pytest.mark.parametrize(("make", "shape", "last", "layers"), NETWORKS.values(), ids=NETWORKS)
def test_shares_are_those_of_captum(make, shape, last, layers):
    torch.manual_seed(0)
    model = make()
    images = torch.rand(4, *shape, dtype=torch.float64)
    trace = DeconvNet(model).record(images)
    assert scores_layer(trace) == last
    classes = torch.tensor([0, 2, 1, 0])
    for layer in layers:
        scores, shares = class_shares(trace, layer, classes)
        wanted = by_captum(model, model.get_submodule(last), model.get_submodule(layer), images, classes)
        torch.testing.assert_close(shares, wanted, rtol=TOLERANCE, atol=TOLERANCE)
        assert scores.equal(trace.activations[last][range(4), classes])
        assert shares.count_nonzero() > 0


def test_the_rule_of_the_deconvnet_does_not_matter():
    model, images = small(), torch.rand(2, 3, 17, 17, dtype=torch.float64)
    one, other = (
        class_shares(DeconvNet(model, rule=rule).record(images), "3", torch.tensor([1, 2]))[1]
        for rule in ("deconvnet", "guided")
    )
    assert one.equal(other)


@pytest.mark.parametrize("make", [MnistExample, CifarTutorial])
def test_layers_that_are_functions_have_shares(make):
    """Captum sees modules alone. A share is how fast the score grows as its map is scaled."""
    torch.manual_seed(0)
    model = ready(make())
    images = torch.rand(1, *((1, 28, 28) if make is MnistExample else (3, 32, 32)), dtype=torch.float64)
    trace = DeconvNet(model).record(images)
    shares = class_shares(trace, "relu", torch.tensor([1]))[1]
    scores = {}
    for k in (0, 5):
        for factor in (1 - 1e-6, 1 + 1e-6):
            scores[factor] = scaled_scores(model, images, k, factor)[0, 1]
        slope = (scores[1 + 1e-6] - scores[1 - 1e-6]) / 2e-6
        assert shares[0, k] == pytest.approx(slope.item(), rel=1e-6, abs=1e-8)


def scaled_scores(model, images, k, factor):
    """The scores, with map `k` of the first ReLU made `factor` times as large."""
    relu, seen = F.relu, []

    def first_scaled(x, *args, **kwargs):
        x = relu(x, *args, **kwargs)
        if not seen:
            seen.append(x)
            x = torch.cat([x[:, :k], factor * x[:, k : k + 1], x[:, k + 1 :]], dim=1)
        return x

    last = [layer for layer in model.children() if isinstance(layer, nn.Linear)][-1]
    kept = []
    handle = last.register_forward_hook(lambda layer, given, output: kept.append(output))
    try:
        F.relu = first_scaled
        with torch.no_grad():
            model(images)
    finally:
        F.relu = relu
        handle.remove()
    return kept[0]


def test_without_biases_the_shares_of_each_layer_add_up_to_the_score():
    torch.manual_seed(0)
    layers = [nn.Conv2d(1, 4, 3, bias=False), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()]
    model = nn.Sequential(*layers, nn.Linear(36, 3, bias=False)).double().eval()
    trace = DeconvNet(model).record(torch.rand(3, 1, 8, 8, dtype=torch.float64))
    for layer in trace.activations:
        scores, shares = class_shares(trace, layer, torch.tensor([0, 1, 2]))
        torch.testing.assert_close(shares.sum(dim=1), scores, rtol=TOLERANCE, atol=TOLERANCE)


def test_gradients_that_are_switched_off_stay_off():
    model, images = small(), torch.rand(1, 3, 17, 17, dtype=torch.float64)
    wanted = class_shares(DeconvNet(model).record(images), "3", torch.tensor([1]))
    with torch.inference_mode():
        given = class_shares(DeconvNet(model).record(images), "3", torch.tensor([1]))
    assert all(one.equal(other) and not one.requires_grad for one, other in zip(given, wanted, strict=True))
    assert all(weight.grad is None for weight in model.parameters())


CASES = {
    "a class that does not exist": ("3", [9], ValueError, "classes hold .9.; this network has the classes 0 to 4"),
    "a class below zero": ("3", [-1], ValueError, "has the classes 0 to 4"),
    "too many classes": ("3", [1, 2], ValueError, "2 classes for 1 images"),
    "a class in words": ("3", ["cat"], TypeError, "needs one integer for each image"),
    "no such layer": ("conv9", [1], ValueError, "layer 'conv9' is not in this network"),
    "a layer behind the scores": ("9", [1], ValueError, "layer '9' does not lead to the scores of layer '8'"),
}


@pytest.mark.parametrize(("layer", "classes", "error", "message"), CASES.values(), ids=CASES)
def test_bad_input_is_named(layer, classes, error, message):
    trace = DeconvNet(small()).record(torch.rand(1, 3, 17, 17, dtype=torch.float64))
    with pytest.raises(error, match=message):
        class_shares(trace, layer, classes)


def test_a_network_without_scores_is_named():
    trace = DeconvNet(load_lenet5().features).record(torch.rand(2, 1, 28, 28))
    with pytest.raises(
        ValueError, match=r"ends with layer 'pool2' of the shape \(2, 16, 5, 5\); scores of classes are"
    ):
        class_shares(trace, "pool1", [1, 2])


def test_a_trace_of_other_weights_is_named():
    model = small()
    trace = DeconvNet(model).record(torch.rand(1, 3, 17, 17, dtype=torch.float64))
    model[0].weight.data.mul_(2)
    with pytest.raises(ValueError, match="the network has changed since"):
        class_shares(trace, "3", [1])
