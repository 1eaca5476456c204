"""Networks as people write them, against autograd with the rule in the place of each ReLU's backward."""

import ast
import inspect

import pytest
import torch
import torch.nn.functional as F
from networks import Backwards, CifarTutorial, Dense, MnistExample, PreActivation, Standardised, TwoReLUs, conv, ready
from reference import by_walk, relative_difference
from reference_any import maps_of_any, outputs_of
from torch import nn
from torchvision import models

from helpers.deconvnet import RULES, DeconvNet, ways_back
from helpers.deconvnet.net import recorded
from helpers.lenet5 import load_lenet5


def hooked():
    model = nn.Sequential(conv(), nn.ReLU(), conv(8))
    model[0].register_forward_hook(lambda module, args, output: output * 3 - 1)
    return model


def with_auxiliary_outputs():
    """In the style of GoogLeNet: branches by F.relu, joined by torch.cat; the output is a tuple."""

    class Inception(nn.Module):
        def __init__(self):
            super().__init__()
            self.branches = nn.ModuleList([nn.Conv2d(8, 4, 1), conv(8, 4), nn.Conv2d(8, 4, 5, padding=2)])
            self.stem, self.fc = conv(), nn.Linear(12, 5)

        def forward(self, x):
            x = F.max_pool2d(F.relu(self.stem(x)), 2)
            joined = torch.cat([F.relu(branch(x), inplace=True) for branch in self.branches], 1)
            return self.fc(F.adaptive_avg_pool2d(joined, 1).flatten(1)), joined

    return Inception()


# name: (how to build it, the shape of its images, layers)
NETWORKS = {
    "the MNIST example": (MnistExample, (1, 28, 28), ["conv2", "fc1", "fc2"]),
    "the CIFAR tutorial": (CifarTutorial, (3, 32, 32), ["pool", "conv2", "fc3"]),
    "batch normalisation": (lambda: models.vgg11_bn(num_classes=1).features[:15], (3, 24, 24), ["1", "9", "14"]),
    "blocks": (
        lambda: nn.Sequential(nn.Sequential(conv(), nn.ReLU()), nn.Sequential(nn.Sequential(conv(8)), nn.MaxPool2d(2))),
        (3, 9, 8),
        ["0", "1.0", "1"],
    ),
    "average pooling": (
        lambda: nn.Sequential(conv(), nn.ReLU(), nn.AvgPool2d(3, 2, 1), conv(8)),
        (3, 9, 8),
        ["2", "3"],
    ),
    "padding": (lambda: nn.Sequential(nn.ZeroPad2d((1, 2, 0, 3)), conv(), nn.ReLU(), conv(8)), (3, 7, 8), ["0", "3"]),
    "LeNet-5 to its scores": (load_lenet5, (1, 28, 28), ["features", "classifier.linear3"]),
    "additions": (
        lambda: models.ResNet(models.resnet.BasicBlock, [1, 1, 1, 1], num_classes=3),
        (3, 40, 40),
        ["layer1.0.conv2", "layer2.0", "fc"],
    ),
    "the ReLU before the addition": (
        lambda: nn.Sequential(conv(), PreActivation(), PreActivation()),
        (3, 8, 8),
        ["1", "2.relu1", "2"],
    ),
    "two ReLUs that read one map": (lambda: nn.Sequential(TwoReLUs(), nn.ReLU(), conv(8)), (3, 8, 8), ["0", "2"]),
    "a Sequential with a forward of its own": (lambda: Backwards(conv(), nn.ReLU(), conv(8)), (3, 8, 8), ["1", "2"]),
    "in a network": (lambda: nn.Sequential(Backwards(conv(), nn.ReLU()), conv(8)), (3, 8, 8), ["0", "1"]),
    "standardised weights": (
        lambda: nn.Sequential(Standardised(3, 8, 3, padding=1), nn.ReLU(), Standardised(8, 4, 3)),
        (3, 8, 8),
        ["0", "2"],
    ),
    "a hook that changes an output": (hooked, (3, 8, 8), ["0", "2"]),
    "branches": (with_auxiliary_outputs, (3, 10, 10), ["stem", "branches.1", "fc"]),
    "a dense block": (lambda: nn.Sequential(conv(), Dense(), nn.ReLU(), conv(20)), (3, 8, 8), ["1.convs.2", "1", "3"]),
    "transposed convolution": (
        lambda: nn.Sequential(conv(), nn.ReLU(), nn.ConvTranspose2d(8, 4, 3, 2, 1, 1), nn.ReLU(), conv(4)),
        (3, 6, 7),
        ["2", "4"],
    ),
    "segmentation": (
        lambda: nn.Sequential(conv(), nn.MaxPool2d(2), nn.ReLU(), nn.Conv2d(8, 5, 1), nn.Upsample(scale_factor=2)),
        (3, 8, 6),
        ["3", "4"],
    ),
    "normalisation by neighbours": (
        lambda: nn.Sequential(conv(), nn.ReLU(), nn.LocalResponseNorm(5), nn.MaxPool2d(2), conv(8)),
        (3, 8, 8),
        ["2", "4"],
    ),
}


def build(name):
    torch.manual_seed(0)
    make, shape, layers = NETWORKS[name]
    return ready(make()), torch.randn(3, *shape, dtype=torch.float64), layers


@pytest.mark.parametrize("select", ["map", "peak"])
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("name", NETWORKS)
def test_layers_equal_autograd(name, rule, select):
    model, images, layers = build(name)
    net = DeconvNet(model, rule)
    trace = net.record(images)
    for layer in layers:
        channels = list(range(min(4, trace.activations[layer].shape[1])))
        reference = maps_of_any(model, layer, images, rule, channels, select)
        assert reference.any(), "a reference of zeros would agree with too much"
        assert relative_difference(net.project(trace, layer, channels, select), reference) < 1e-10
        assert relative_difference(by_walk(net, trace, layer, channels, select), reference) < 1e-10


@pytest.mark.parametrize("name", NETWORKS)
def test_activations_are_those_of_a_plain_run(name):
    model, images, _ = build(name)
    trace = DeconvNet(model).record(images)
    for path, output in outputs_of(model, images).items():
        assert trace.activations[path].equal(output), path


@pytest.mark.parametrize("name", NETWORKS)
def test_each_image_projects_as_if_it_were_recorded_alone(name):
    model, images, layers = build(name)
    net = DeconvNet(model)
    trace = net.record(images)
    for layer in layers:
        together = net.project(trace, layer, [0, 1])
        alone = torch.cat([net.project(net.record(image), layer, [0, 1]) for image in images.split(1)])
        assert relative_difference(together, alone) < 1e-10


@pytest.mark.parametrize("name", NETWORKS)
def test_a_run_may_end_at_a_layer(name):
    """What it has come by is as in a whole run, and the model is left as it was."""
    model, images, layers = build(name)
    net = DeconvNet(model)
    whole = net.record(images)
    before = [dict(vars(module)) for module in model.modules()]
    for layer in layers:
        trace = recorded(model, images, until=layer)
        assert list(trace.activations)[-1] == whole.value(layer).names[0]
        assert all(output.equal(whole.activations[key]) for key, output in trace.activations.items())
        assert net.project(trace, layer, [0]).equal(net.project(whole, layer, [0]))
        assert [dict(vars(module)) for module in model.modules()] == before


def test_what_spoke_for_a_class():
    """The linear layer's own row of weights, times its score, is what goes into the ReLU before it."""
    model = load_lenet5().double()
    images = torch.rand(2, 1, 28, 28, dtype=torch.float64)
    net = DeconvNet(model)
    trace = net.record(images)
    assert trace.activations["classifier.linear3"].shape == (2, 10)
    signals = dict(net.walk(trace, "classifier.linear3", [5]))
    score = trace.activations["classifier.linear3"][:, 5]
    expected = score[:, None] * model.classifier.linear3.weight[5]
    torch.testing.assert_close(signals["classifier.linear3"][:, 0], expected.detach())


@pytest.mark.parametrize("rule", RULES)
def test_the_network_is_not_the_one_without_its_relus(rule):
    """The way back of LeNet-5's scores goes through the classifier's ReLUs, too."""
    model = load_lenet5().double()
    images = torch.rand(2, 1, 28, 28, dtype=torch.float64)
    net = DeconvNet(model, rule)
    names = [name for name, _ in net.walk(net.record(images), "classifier.linear3", [5])]
    assert [name for name in names if "relu" in name] == [
        "classifier.relu4",
        "classifier.relu3",
        "features.relu2",
        "features.relu1",
    ]


def test_no_entry_of_the_table_is_written_over_by_another():
    """The later of two would win without a word."""
    *_, table = (node for node in ast.parse(inspect.getsource(ways_back)).body if isinstance(node, ast.AnnAssign))
    assert ast.unparse(table.target) == "WAYS_BACK" and isinstance(table.value, ast.Dict)
    names = []
    for key, value in zip(table.value.keys, table.value.values, strict=True):
        entry = ast.unparse(value if key is None else key)  # a name, or names for which there is one function
        names += eval(entry, vars(ways_back)) if key is None else [ast.literal_eval(entry)]
    assert len(names) == len(set(names)) == len(ways_back.WAYS_BACK)
