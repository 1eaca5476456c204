"""What layers are called, what a trace says of them, and what walk yields by their names."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from networks import conv, ready, written
from reference import relative_difference
from reference_any import maps_of_any, outputs_of
from torch import nn
from torchvision import models

from helpers.deconvnet import RULES, DeconvNet
from helpers.lenet5 import load_lenet5


@pytest.fixture
def images():
    torch.manual_seed(1)
    return torch.randn(2, 3, 8, 8, dtype=torch.float64)


def names(model, images):
    return list(DeconvNet(model).record(images).activations)


def holds_what_its_names_say(model, images, layers, rules=tuple(RULES)):
    """Each module's activation and projections are those of that module."""
    for rule in rules:
        references = {layer: maps_of_any(model, layer, images, rule) for layer in layers}
        outputs = outputs_of(model, images)
        net = DeconvNet(model, rule)
        trace = net.record(images)
        for path, output in outputs.items():
            assert trace.activations[path].equal(output), path
        for layer, reference in references.items():
            assert relative_difference(net.project(trace, layer), reference) < 1e-10


def test_modules_by_their_paths():
    model = ready(models.ResNet(models.resnet.BasicBlock, [1, 1, 1, 1], num_classes=3))
    layers = names(model, torch.rand(1, 3, 40, 40, dtype=torch.float64))
    assert layers[:10] == [
        "conv1",
        "bn1",
        "relu",
        "maxpool",
        "layer1.0.conv1",
        "layer1.0.bn1",
        "layer1.0.relu",
        "layer1.0.conv2",
        "layer1.0.bn2",
        "layer1.0.add",
    ]
    assert layers[10] == "layer1.0.relu:2" and layers[-3:] == ["avgpool", "flatten", "fc"]


def test_the_same_layers_seen_from_a_part():
    model, images = load_lenet5(), torch.rand(1, 1, 28, 28)
    assert names(model.features, images) == ["conv1", "relu1", "pool1", "conv2", "relu2", "pool2"]
    assert names(model, images)[:6] == [f"features.{name}" for name in names(model.features, images)]


def test_functions_by_where_they_were_called(images):
    def forward(self, x):
        x = F.relu(self.a(x))
        return self.last(torch.cat([F.relu(self.b(x)), x], 1)[:, :8])

    assert names(written(forward), images) == ["a", "relu", "b", "relu:2", "cat", "getitem", "last"]

    class Block(nn.Module):
        def forward(self, x):
            return torch.relu(x) + F.relu(x)

    layers = names(written(lambda self, x: self.last(self.block(self.a(x))), block=Block()), images)
    assert layers == ["a", "block.relu", "block.relu:2", "block", "last"]


@pytest.mark.parametrize("rule", RULES)
def test_a_function_s_name_is_none_of_a_module_s(rule, images):
    """The module's second run, and what is called as it is, both want the same name."""

    def forward(self, x):
        y = self.relu(self.a(x))
        y = F.relu(self.b(y))
        y = self.relu(self.b(y))
        return self.last(F.relu(self.b(y)))

    model = written(forward, relu=nn.ReLU())
    layers = names(model, images)
    assert len(set(layers)) == len(layers) == 9
    holds_what_its_names_say(model, images, ["relu", "last"], [rule])


def test_a_module_whose_name_looks_like_a_second_run(images):
    def forward(self, x):
        x = self.a(x)
        for _ in range(2):
            x = F.relu(self.b(x))
        return self.last(self.get_submodule("b:2")(x))

    model = written(forward)
    model.add_module("b:2", conv(8).double().eval())
    layers = names(model, images)
    assert len(set(layers)) == len(layers) == 7
    net = DeconvNet(model)
    trace = net.record(images)
    assert relative_difference(net.project(trace, "last"), maps_of_any(model, "last", images, "deconvnet")) < 1e-10


def test_a_module_that_runs_twice_has_two_names(images):
    model = written(lambda self, x: self.last(F.relu(self.b(F.relu(self.b(self.a(x)))))))
    net = DeconvNet(model)
    trace = net.record(images)
    assert list(trace.activations) == ["a", "b", "relu", "b:2", "relu:2", "last"]
    for name, run in {"b": 0, "b:2": 1}.items():
        reference = maps_of_any(model, "b", images, "deconvnet", run=run)
        assert relative_difference(net.project(trace, name), reference) < 1e-10


def test_a_relu_that_stands_twice_keeps_its_two_paths(images):
    relu = nn.ReLU()
    model = ready(nn.Sequential(conv(), relu, conv(8), relu, conv(8)))
    assert names(model, images) == ["0", "1", "2", "3", "4"]
    block = nn.Sequential(conv(8), relu)
    model = ready(nn.Sequential(conv(), block, block))
    assert names(model, images) == ["0", "1.0", "1.1", "2.0", "2.1"]


def test_who_hands_on_is_found_but_not_listed(images):
    model = ready(nn.Sequential(nn.Sequential(conv(), nn.ReLU()), nn.Dropout(), nn.Identity(), conv(8)))
    net = DeconvNet(model)
    trace = net.record(images)
    assert list(trace.activations) == ["0.0", "0.1", "3"]
    for alias in ("0", "1", "2"):
        assert alias in trace.activations and trace.activations[alias] is trace.activations["0.1"]
        assert net.project(trace, alias).equal(net.project(trace, "0.1"))


def test_who_hands_on_the_images_projects_to_them(images):
    net = DeconvNet(ready(nn.Sequential(nn.Dropout(), conv(), nn.ReLU())))
    trace = net.record(images)
    alone = net.project(trace, "0")
    assert alone.shape == (2, 3, 3, 8, 8)
    assert alone.equal(torch.diag_embed(images.flatten(2).mT).permute(0, 2, 3, 1).unflatten(-1, (8, 8)))
    assert [signal.equal(alone) for _, signal in net.walk(trace, "0")][-1]


class InParts(nn.Module):
    def forward(self, x):
        return {"half": x[:, :4].relu(), "both": (x * 2, [x - 1])}


def test_parts_of_an_output_are_layers(images):
    def forward(self, x):
        parts = self.parts(self.a(x))
        return parts["both"][0], {"scores": self.last(parts["both"][1][0])}

    net = DeconvNet(written(forward, parts=InParts()))
    trace = net.record(images)
    a = trace.activations["a"]
    assert trace.activations["parts.half"].equal(a[:, :4].relu())
    assert trace.activations["parts.both.0"].equal(a * 2) and trace.activations["parts.both.1.0"].equal(a - 1)
    torch.testing.assert_close(net.project(trace, "parts.both.0"), 2 * net.project(replace_output(trace, a * 2), "a"))


def replace_output(trace, activation):
    return replace(trace, activations={**trace.activations, "a": activation})


class Reversed(nn.Sequential):
    """The outputs of its layers, the last one first: the parts' names would be those of other layers."""

    def forward(self, x):
        outputs = []
        for module in self:
            x = module(x)
            outputs.append(x)
        return outputs[::-1]


def test_parts_take_no_module_s_name(images):
    model = written(lambda self, x: self.last(self.all(x)[0]), all=Reversed(conv(), nn.ReLU(), conv(8)))
    holds_what_its_names_say(model, images, ["all.0", "all.1", "all.2", "last"])


def test_a_hooked_module_whose_forward_is_called_by_hand(images):
    """No hook runs then, so nothing may wait for it."""
    model = written(lambda self, x: self.last(F.relu(self.b(self.a.forward(x)))))
    model.a.register_forward_hook(lambda module, args, output: output * 3)
    net = DeconvNet(model)
    trace = net.record(images)
    for layer in ("b", "last"):
        assert relative_difference(net.project(trace, layer), maps_of_any(model, layer, images, "deconvnet")) < 1e-10
    assert trace.activations["b"].equal(outputs_of(model, images)["b"])
    with torch.no_grad():
        assert "a" not in trace.activations or trace.activations["a"].equal(model.a.forward(images))


class Fails(nn.Module):
    def forward(self, x):
        raise KeyError("no such thing")


def test_a_module_that_fails_in_a_try(images):
    def forward(self, x):
        try:
            x = self.fails(x)
        except KeyError:
            x = self.a(x)
        return self.last(F.relu(x))

    model = written(forward, fails=Fails())
    assert names(model, images) == ["a", "relu", "last"]
    holds_what_its_names_say(model, images, ["a", "last"])


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("features.conv3", r"did you mean .*'features.conv2'.*\? It has features.conv1, "),
        ("conv1", "did you mean .*'features.conv1'"),
        ("features.relu3", "did you mean 'features.relu[12]' or 'features.relu[12]' or '[^']*'[?]"),
        ("classifier.linear", "did you mean .*'classifier.linear1'"),
        ("xyzzy", "layer 'xyzzy' is not in this network; it has features.conv1, features.relu1"),
    ],
)
def test_an_unknown_name_gets_the_nearest_ones(wrong, said):
    model = load_lenet5()
    net = DeconvNet(model)
    with pytest.raises(ValueError, match=said):
        net.project(net.record(torch.rand(1, 1, 28, 28)), wrong)


def test_a_trace_lists_its_layers_with_shapes_and_what_stops_them(images):
    net = DeconvNet(written(lambda self, x: self.last(F.gelu(self.a(x)))))
    lines = str(net.record(images)).splitlines()
    assert [line.split()[0] for line in lines] == ["a", "gelu", "last"]
    assert "(2, 8, 8, 8)" in lines[0] and lines[0].endswith("8)")
    assert all("gelu has no way back: " in line for line in lines[1:])


def test_a_network_that_keeps_tensors_is_not_taken_for_changed(images):
    """Many write down their features in an attribute, or carry a state from run to run."""

    def forward(self, x):
        self.features = F.relu(self.a(x))
        before, self.state = getattr(self, "state", 0), self.features.detach().clone()
        return self.last(self.b(self.features) + 0 * before)

    model = written(forward)
    net = DeconvNet(model)
    for _ in range(2):
        reference = maps_of_any(model, "last", images, "deconvnet")
        trace = net.record(images)
        assert relative_difference(net.project(trace, "last"), reference) < 1e-10
