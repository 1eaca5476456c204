"""The feature chains of AlexNet and VGG, at their full size and with random weights, against Captum."""

import pytest
import torch
from reference import chain_for_captum, maps_by_captum, relative_difference
from torch import nn
from torchvision import models

from helpers.deconvnet import RULES, DeconvNet

# name: (how many images, a layer in the middle, the last layer, what to compute in, the largest relative difference)
NETWORKS = {
    "alexnet": (2, 7, 12, torch.float64, 1e-10),
    "vgg11": (1, 10, 20, torch.float32, 1e-5),
    "vgg16": (1, 15, 30, torch.float32, 1e-5),
}


def random_features(name, dtype):
    with torch.device("meta"):  # The classifiers, which hold most of the weights, get no memory.
        features = getattr(models, name)(weights=None).features
    features = features.to(dtype).to_empty(device="cpu").eval()
    torch.manual_seed(0)
    for module in features:
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            nn.init.normal_(module.bias, std=0.1)
    return features


@pytest.fixture(scope="module", params=NETWORKS)
def recorded(request):
    """A network's chain, its trace, the layers to compare, and the largest relative difference."""
    count, middle, last, dtype, tolerance = NETWORKS[request.param]
    features = random_features(request.param, dtype)
    trace = DeconvNet(features).record(torch.randn(count, 3, 224, 224, dtype=dtype))
    return features, trace, (middle, last), tolerance


@pytest.mark.parametrize("rule", RULES)
def test_maps_and_peaks_equal_captum(recorded, rule):
    """Of two maps one goes back whole, of the other the peak; at the next layer the other way round."""
    features, trace, layers, tolerance = recorded
    net = DeconvNet(features, rule)
    for layer, selects in zip(layers, (("map", "peak"), ("peak", "map")), strict=True):
        model, top = chain_for_captum(features, layer)
        # The two maps that are strongest in every image: others may be zero.
        channels = trace.activations[str(layer)].amax((2, 3)).amin(0).topk(2).indices.tolist()
        for channel, select in zip(channels, selects, strict=True):
            reference = maps_by_captum(model, top, trace.images, rule, [channel], select)
            assert reference.abs().amax((1, 2, 3, 4)).min() > 0, "a reference of zeros would agree with too much"
            assert relative_difference(net.project(trace, str(layer), [channel], select), reference) < tolerance
