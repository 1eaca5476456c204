"""Random networks with branches against autograd with the rule in the place of each ReLU's backward."""

from unittest import mock

import pytest
import torch
from graphs import RECTIFIERS, graphs
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from reference import by_walk, relative_difference
from reference_any import maps_of_any, outputs_of
from torch import nn

from helpers.deconvnet import RULES, DeconvNet
from helpers.deconvnet import net as net_module

# PyTorch says that padding="same" copies where a kernel is even.
pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")

sizes_of_portions = st.sampled_from([1, 2**11, net_module.CHUNK])


@settings(max_examples=200, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(
    drawn=graphs(),
    rule=st.sampled_from(list(RULES)),
    select=st.sampled_from(["map", "peak", "mask"]),
    chunk=sizes_of_portions,
)
def test_any_graph_equals_autograd(drawn, rule, select, chunk):
    model, images = drawn
    net = DeconvNet(model, rule)
    trace = net.record(images)
    for path, output in outputs_of(model, images).items():
        assert trace.activations[path].equal(output), path
    if select == "mask":
        top = trace.activations["top"]
        select = torch.rand(len(top), *top.shape[2:], generator=torch.Generator().manual_seed(0)) > 0.5
    reference = maps_of_any(model, "top", images, rule, select=select)
    with mock.patch.object(net_module, "CHUNK", chunk):
        assert relative_difference(net.project(trace, "top", select=select), reference) < 1e-10
    assert relative_difference(by_walk(net, trace, "top", select=select), reference) < 1e-10
    last = reference.shape[1] - 1
    assert relative_difference(net.project(trace, "top", [last], select), reference[:, [last]]) < 1e-10
    # Where both are zero, the example shows little and is not counted.
    assume(reference.any())


@settings(max_examples=60, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(drawn=graphs())
def test_the_reference_itself_is_autograd_where_the_rule_is_the_gradient(drawn):
    model, images = drawn
    theirs = maps_of_any(model, "top", images, None)
    assert relative_difference(maps_of_any(model, "top", images, "gradient"), theirs) < 1e-10
    assume(theirs.any())


class Rectifier(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


@pytest.mark.parametrize("name", RECTIFIERS)
def test_each_rectifier_has_the_rule_in_the_reference_and_here(name):
    torch.manual_seed(0)
    images = torch.randn(2, 3, 6, 6, dtype=torch.float64)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), Rectifier(RECTIFIERS[name]), nn.Conv2d(4, 3, 2)).double().eval()
    references = {rule: maps_of_any(model, "2", images, rule) for rule in RULES}
    for rule, reference in references.items():
        net = DeconvNet(model, rule)
        assert relative_difference(net.project(net.record(images), "2"), reference) < 1e-10
        assert all(relative_difference(reference, other) > 0.1 for key, other in references.items() if key != rule)
