"""DeconvNet.stream: a dataset in batches, stopped and gone on with."""

import gc
import math
import weakref

import numpy as np
import pytest
import torch
from torch import nn

from helpers.deconvnet import DeconvNet
from helpers.deconvnet import net as net_module


@pytest.fixture
def net(model):
    return DeconvNet(model.features)


@pytest.mark.parametrize("batch_size", [1, 7, 20, 50])
def test_the_batches_together_are_the_dataset(batch_size, net, images):
    whole = net.record(images)
    parts = []
    for part, trace in net.stream(images, batch_size):
        parts.append(part)
        assert trace.images.equal(images[part])
        torch.testing.assert_close(trace.activations["pool2"], whole.activations["pool2"][part])
        assert net.project(trace, "pool2").shape == (len(trace.images), 16, 1, 28, 28)
    assert [k for part in parts for k in range(20)[part]] == list(range(20))
    assert all(part.stop - part.start == batch_size for part in parts[:-1])


def test_a_stopped_stream_goes_on_where_it_stopped(net, images):
    seen = []
    for part, trace in net.stream(images, 6):
        seen.append(trace.images)
        if part.stop == 12:
            break
    seen += [trace.images for _, trace in net.stream(images, 5, start=part.stop)]
    assert torch.cat(seen).equal(images)


def test_counts_may_be_of_numpy_or_pytorch(net, images):
    parts = [part for part, _ in net.stream(images, np.int64(8), torch.tensor(4))]
    assert parts == [slice(4, 12), slice(12, 20)]
    assert all(type(end) is int for part in parts for end in (part.start, part.stop))


def test_a_finished_stream_goes_on_with_nothing(net, images):
    assert list(net.stream(images, start=20)) == []


def test_the_stream_itself_keeps_no_trace(net, images, monkeypatch):
    """When it records the next one, those before are gone, if its caller has let them go."""
    traces, record = [], net.record

    def noting(images):
        gc.collect()
        assert [known() for known in traces] == [None] * len(traces)
        trace = record(images)
        traces.append(weakref.ref(trace))
        return trace

    monkeypatch.setattr(net, "record", noting)
    for _, trace in net.stream(images, 5):
        del trace
    assert len(traces) == 4


def test_images_may_stay_in_a_file(net, images, tmp_path):
    images.numpy().tofile(tmp_path / "images")
    mapped = torch.from_file(str(tmp_path / "images"), size=images.numel()).view_as(images)
    in_file = [net.project(trace, "pool1") for _, trace in net.stream(mapped, 8)]
    in_memory = [net.project(trace, "pool1") for _, trace in net.stream(images, 8)]
    assert all(one.equal(other) for one, other in zip(in_file, in_memory, strict=True))


def test_a_bar_shows_how_far_it_is(net, images, capsys):
    for _ in net.stream(images, 5, start=10):
        pass
    shown = capsys.readouterr()
    assert "images:  50%" in shown.out and "20/20" in shown.out and "image/s]" in shown.out and not shown.err


def test_250_images_are_a_batch_if_nothing_else_is_said(net):
    parts = [part for part, _ in net.stream(torch.zeros(251, 1, 28, 28))]
    assert parts == [slice(0, 250), slice(250, 251)]


def test_large_images_are_recorded_a_few_at_a_time(net, images, monkeypatch):
    """As many as keep what is allowed, and one if that is too much."""
    one = net.record(images[:1]).nbytes
    for allowed, size in ((7 * one, 7), (8 * one - 1, 7), (one - 1, 1), (1000 * one, 20)):
        monkeypatch.setattr(net_module, "KEPT", allowed)
        traces = [trace.nbytes for _, trace in net.stream(images)]
        assert len(traces) == math.ceil(20 / size)
        assert traces[0] == size * one
    assert [part for part, _ in net.stream(images, 20)] == [slice(0, 20)]
    monkeypatch.setattr(net_module, "KEPT", 7 * one)
    assert [part for part, _ in net.stream(images, start=11)] == [slice(11, 18), slice(18, 20)]


def test_a_trace_knows_how_much_it_keeps(images):
    """What is handed on, or written in place, is counted once; the model's own is not."""
    layers = nn.Conv2d(1, 2, 5), nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(288, 3)
    trace = DeconvNet(nn.Sequential(*layers).eval()).record(images)
    numbers = {"images": 28 * 28, "conv": 2 * 24 * 24, "relu": 2 * 24 * 24, "pool": 2 * 12 * 12, "linear": 3}
    assert trace.nbytes == 20 * (4 * sum(numbers.values()) + 8 * numbers["pool"])


def test_what_came_before_a_bad_image_is_not_lost(net, images):
    images[13, 0, 5, 5] = float("nan")
    seen = []
    with pytest.raises(ValueError, match="images hold NaN or infinity"):
        for part, _ in net.stream(images, 5):
            seen.append(part.stop)
    assert seen == [5, 10]


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"batch_size": 0}, ValueError, "batch_size is 0; it must be above zero"),
        ({"batch_size": 2.5}, TypeError, "batch_size is 2.5; it must be an integer"),
        ({"batch_size": True}, TypeError, "batch_size is True; it must be an integer"),
        ({"batch_size": np.int64(-1)}, ValueError, "batch_size is -1; it must be above zero"),
        ({"start": True}, TypeError, "start is True; it must be an integer"),
        ({"start": 20.0}, TypeError, "start is 20.0; it must be an integer"),
        ({"start": -1}, ValueError, "start is -1; it must be from 0 to 20, the number of images"),
        ({"start": 21}, ValueError, "start is 21; it must be from 0 to 20"),
        ({"start": "5"}, TypeError, "start is '5'; it must be an integer"),
    ],
)
def test_bad_settings_are_refused_at_once(settings, error, message, net, images):
    with pytest.raises(error, match=message):
        net.stream(images, **settings)
