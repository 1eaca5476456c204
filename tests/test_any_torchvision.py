"""torchvision's classification models, whole, with random weights and statistics, against autograd with the rule."""

from functools import cache

import pytest
import torch
from reference import relative_difference
from reference_any import maps_of_any, outputs_of
from torch import nn
from torchvision import models

from helpers.deconvnet import RULES, DeconvNet

# Large ones have one block a stage, which takes nothing away from what is tested.
ONE_BLOCK = {"block": models.resnet.Bottleneck, "layers": [1, 1, 1, 1]}
SMALLER = {
    "resnext50": lambda **options: models.ResNet(**ONE_BLOCK, groups=32, width_per_group=4, **options),
    "wide_resnet50": lambda **options: models.ResNet(**ONE_BLOCK, width_per_group=128, **options),
    "vision_transformer": lambda **options: models.VisionTransformer(32, 16, 1, 2, 32, 32, **options),
    "densenet": lambda **options: models.DenseNet(block_config=(2, 3, 3, 2), **options),
}

# name: (the side of its images, a layer in the middle, the layer with the classes' scores)
FOLLOWED = {
    "alexnet": (64, "features.7", "classifier.6"),
    "vgg11_bn": (32, "features.17", "classifier.6"),
    "squeezenet1_1": (48, "features.6.expand3x3_activation", "classifier.1"),
    "resnet18": (48, "layer2.0.bn2", "fc"),
    "resnext50": (48, "layer2.0.conv2", "fc"),
    "wide_resnet50": (48, "layer2.0.downsample", "fc"),
    "googlenet": (48, "inception4a.branch3", "fc"),
    "inception_v3": (80, "Mixed_6a.branch3x3dbl_3", "fc"),
    "densenet": (48, "features.denseblock2.denselayer3", "classifier"),
    "mnasnet0_5": (48, "layers.9", "classifier.1"),
    "mobilenet_v2": (48, "features.7", "classifier.1"),
    "regnet_x_400mf": (48, "trunk_output.block2", "fc"),
    "shufflenet_v2_x0_5": (48, "stage3.1", "fc"),
}

# name: (the side of its images, what stops the way back from the scores, and the layer with these; a layer below)
REFUSED = {
    "efficientnet_b0": (48, "silu in 'features.0.2'", "classifier.1", "features.0.1"),
    "mobilenet_v3_small": (48, "hardswish in 'features.0.2'", "classifier.3", "features.0.1"),
    "regnet_y_400mf": (48, "sigmoid in 'trunk_output.block1.*.se.scale_activation'", "fc", "stem"),
    "convnext_tiny": (32, "layer_norm in 'features.0.1'", "classifier.2", "features.0.0"),
    "vision_transformer": (32, "layer_norm in 'encoder.layers.*'", "heads.head", "conv_proj"),
    "swin_t": (32, "layer_norm in 'features.0.2'", "head", "features.0.0"),
}


@cache
def built(name):
    """The model in float64, and two images. Weights and statistics are random, and large enough for signals to live."""
    options = {"num_classes": 4}
    if name in ("googlenet", "inception_v3"):
        options |= {"init_weights": False, "aux_logits": True}
    # The classifiers of these two hold most of their weights, and get no memory.
    large = name in ("alexnet", "vgg11_bn")
    with torch.device("meta" if large else "cpu"):
        model = SMALLER[name](**options) if name in SMALLER else getattr(models, name)(weights=None, **options)
    if large:
        first = next(module for module in model.classifier if isinstance(module, nn.Linear))
        small = iter([nn.Linear(first.in_features, 32), nn.Linear(32, 32), nn.Linear(32, 4)])
        model.classifier = nn.Sequential(
            *[next(small) if isinstance(module, nn.Linear) else module for module in model.classifier]
        )
        model = model.to_empty(device="cpu")
    model = model.double().eval()
    torch.manual_seed(0)
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_uniform_(module.weight, nonlinearity="relu")
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.uniform_(module.weight, 0.5, 1.5)
        if getattr(module, "bias", None) is not None:
            nn.init.normal_(module.bias, std=0.1)
    side = {**FOLLOWED, **REFUSED}[name][0]
    return model, torch.randn(2, 3, side, side, dtype=torch.float64)


@pytest.fixture(params=FOLLOWED, scope="module")
def followed(request):
    yield request.param, *built(request.param)
    built.cache_clear()


@pytest.mark.parametrize("rule", RULES)
def test_classes_and_maps_equal_autograd(followed, rule):
    name, model, images = followed
    net = DeconvNet(model, rule)
    trace = net.record(images)
    for layer in FOLLOWED[name][1:]:
        reference = maps_of_any(model, layer, images, rule, [0, 1])
        assert reference.abs().amax((1, 2, 3, 4)).min() > 0, "a reference of zeros would agree with too much"
        assert relative_difference(net.project(trace, layer, [0, 1]), reference) < 1e-10


def test_every_activation_is_that_of_a_plain_run(followed):
    name, model, images = followed
    trace = DeconvNet(model).record(images)
    outputs = outputs_of(model, images)
    assert len(outputs) > 10
    for path, output in outputs.items():
        assert trace.activations[path].equal(output), path


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_way_back_is_named_and_a_layer_below_it_is_projected(name):
    side, function, scores, below = REFUSED[name]
    model, images = built(name)
    net = DeconvNet(model)
    trace = net.record(images)
    with pytest.raises(ValueError, match=f"layer '{scores}' can't be projected: {function} has no way back"):
        net.project(trace, scores, [0])
    reference = maps_of_any(model, below, images, "deconvnet", [0])
    assert reference.any() and relative_difference(net.project(trace, below, [0]), reference) < 1e-10


def test_all_of_alexnet_to_its_thousand_scores():
    """As torchvision builds it, with the classifier at its full size, which the tests above make smaller."""
    torch.manual_seed(0)
    model = models.alexnet(weights=None).double().eval()
    assert sum(weights.numel() for weights in model.parameters()) == 61_100_840
    images = torch.randn(1, 3, 64, 64, dtype=torch.float64)
    net = DeconvNet(model)
    reference = maps_of_any(model, "classifier.6", images, "deconvnet", [7, 999])
    assert reference.abs().amax((1, 2, 3, 4)).min() > 0, "a reference of zeros would agree with too much"
    assert relative_difference(net.project(net.record(images), "classifier.6", [7, 999]), reference) < 1e-10
