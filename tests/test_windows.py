"""Peaks in their windows against the same in whole planes: equal, but for how a processor rounds."""

from unittest import mock

import pytest
import torch
from graphs import graphs
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from reference import by_walk
from torchvision import models

from helpers.deconvnet import RULES, DeconvNet, fast, ways_back, windows
from helpers.deconvnet import net as net_module
from helpers.lenet5 import LeNet5

# PyTorch says that padding="same" copies where a kernel is even.
pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")


@settings(max_examples=200, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(
    drawn=graphs(local=True),
    rule=st.sampled_from(list(RULES)),
    share=st.sampled_from([0.5, float("inf")]),
    chunk=st.sampled_from([2**13, net_module.CHUNK]),
)
def test_windows_equal_whole_planes(drawn, rule, share, chunk):
    model, images = drawn
    net = DeconvNet(model, rule)
    trace = net.record(images)
    plain = by_walk(net, trace, "top", select="peak")
    way = trace.way(trace.value("top"))
    with (
        # However little there is to gain.
        mock.patch.object(windows, "_SHARE", share),
        mock.patch.object(windows, "_GAIN", 0),
        mock.patch.object(windows, "_NUMBERS", 0),
        mock.patch.object(net_module, "CHUNK", chunk),
        # What makes whole planes faster rounds otherwise.
        mock.patch.object(fast, "WAYS_BACK", ways_back.WAYS_BACK),
    ):
        seen = net.project(trace, "top", select="peak")
        # Some processors round a product of matrices otherwise in another shape, as a window's is: in the last bit.
        torch.testing.assert_close(seen, plain, rtol=0, atol=1e-15 * float(plain.abs().max()))
        plan = windows.plan(trace, way, trace.value("top"), 1)
    # The others show little, and are not counted.
    read = [value for note in way for value in note.inputs if value is not None]
    branches = len(read) > len(set(read))
    assume(plain.any() and branches and plan is not None and plan.steps - plan.lone >= 3)


@pytest.mark.parametrize(("layer", "goes"), [("2", True), ("3", True), ("6", True), ("9", True), ("12", False)])
def test_squeezenet_goes_in_windows_to_the_pixels_where_they_are_much_less_than_planes(layer, goes):
    model = models.squeezenet1_1(weights=None).eval()
    trace = DeconvNet(model).record(torch.rand(1, 3, 227, 227))
    way = trace.way(trace.value(f"features.{layer}"))
    assert trace.why_not(f"features.{layer}") is None
    plan = windows.plan(trace, way, trace.value(f"features.{layer}"), 32)
    assert plan is not None and plan.steps == len(way) if goes else plan is None


def test_few_peaks_of_a_small_network_go_in_planes():
    trace = DeconvNet(LeNet5().eval()).record(torch.rand(1, 1, 28, 28))
    value = trace.value("features.pool2")
    assert trace.why_not("features.pool2") is None
    assert windows.plan(trace, trace.way(value), value, 16) is None
    assert windows.plan(trace, trace.way(value), value, 160) is not None
