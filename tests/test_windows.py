"""Peaks in their windows against the same in whole planes: equal to the last bit."""

from unittest import mock

import pytest
from graphs import graphs
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from reference import by_walk

from helpers.deconvnet import RULES, DeconvNet, fast, ways_back, windows
from helpers.deconvnet import net as net_module

# PyTorch says that padding="same" copies where a kernel is even.
pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")


@settings(max_examples=200, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(
    drawn=graphs(local=True),
    rule=st.sampled_from(list(RULES)),
    share=st.sampled_from([0.5, float("inf")]),
    chunk=st.sampled_from([2**13, net_module.CHUNK]),
)
def test_windows_equal_whole_planes_to_the_last_bit(drawn, rule, share, chunk):
    model, images = drawn
    net = DeconvNet(model, rule)
    trace = net.record(images)
    plain = by_walk(net, trace, "top", select="peak")
    way = trace.way(trace.value("top"))
    with (
        # However little there is to gain.
        mock.patch.object(windows, "_SHARE", share),
        mock.patch.object(windows, "_NUMBERS", 0),
        mock.patch.object(net_module, "CHUNK", chunk),
        # What makes whole planes faster rounds otherwise.
        mock.patch.object(fast, "WAYS_BACK", ways_back.WAYS_BACK),
    ):
        assert net.project(trace, "top", select="peak").equal(plain)
        plan = windows.plan(trace, way, trace.value("top"), 1)
    # The others show little, and are not counted.
    read = [value for note in way for value in note.inputs if value is not None]
    branches = len(read) > len(set(read))
    assume(plain.any() and branches and plan is not None and plan.steps - plan.lone >= 3)
