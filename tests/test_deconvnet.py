"""What helpers.deconvnet promises beside its numbers, which are in test_deconvnet_captum and _geometry."""

import copy
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from reference import maps_by_autograd, relative_difference
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from helpers.deconvnet import RULES, DeconvNet, filter_back, rectify, unpool


def test_unpool_puts_each_value_at_its_switch():
    feature_map = torch.tensor([[1.0, 3, 0, 2], [0, 2, 5, 1], [4, 0, 1, 1], [2, 6, 0, 7]])
    pooled, switches = F.max_pool2d(feature_map[None], 2, return_indices=True)
    expected = torch.tensor([[0.0, 3, 0, 0], [0, 0, 5, 0], [0, 0, 0, 0], [0, 6, 0, 7]])
    assert unpool(pooled, switches, (4, 4)).equal(expected[None])


def test_unpool_takes_a_single_plane():
    assert unpool(torch.tensor([[5.0]]), torch.tensor([[3]]), (2, 2)).tolist() == [[0, 0], [0, 5]]


@pytest.mark.parametrize(
    "size",
    [(4, 6), [4, 6], torch.Size([4, 6]), np.array([4, 6]), torch.tensor([4, 6]), [np.int64(4), torch.tensor(6)]],
    ids=lambda size: f"{type(size).__name__} of {type(size[0]).__name__}",
)
def test_a_size_may_be_any_two_integers(size):
    pixels = unpool(torch.ones(1, 2, 2, 3), torch.zeros(1, 2, 2, 3, dtype=torch.int64), size)
    assert pixels.shape == (1, 2, 4, 6)
    assert filter_back(torch.ones(1, 2, 2, 4), nn.Conv2d(1, 2, 3), size).shape == (1, 1, 4, 6)


def test_unpool_adds_up_where_windows_overlap():
    pooled, switches = F.max_pool2d(torch.tensor([[[1.0, 9, 2]]]), (1, 2), stride=1, return_indices=True)
    assert switches.tolist() == [[[1, 1]]]
    signal = torch.tensor([[[3.0, 4]]])
    assert unpool(signal, switches, (1, 3)).tolist() == [[[0, 7, 0]]]
    # The trap: PyTorch's own unpooling keeps only one of the two.
    overwritten = F.max_unpool2d(signal, switches, (1, 2), stride=1, output_size=(1, 3))
    assert overwritten.tolist() in ([[[0, 3, 0]]], [[[0, 4, 0]]])


def test_unpool_broadcasts_switches_over_maps():
    signal, below = torch.rand(2, 5, 3, 4, 4), torch.rand(2, 3, 8, 8)
    switches = F.max_pool2d(below, 2, return_indices=True)[1]
    together = unpool(signal, switches[:, None], (8, 8))
    one_by_one = torch.stack([unpool(signal[:, k], switches, (8, 8)) for k in range(5)], dim=1)
    assert together.equal(one_by_one)


@pytest.mark.parametrize(("pool", "stride", "padding"), [(2, 2, 0), (3, 2, 0), (3, 1, 1), (2, 3, 0)])
def test_unpool_is_the_transpose_of_pooling_with_fixed_switches(pool, stride, padding):
    torch.manual_seed(0)
    below = torch.randn(2, 3, 11, 10, dtype=torch.float64)
    pooled, switches = F.max_pool2d(below, pool, stride, padding, return_indices=True)
    x, y = torch.randn_like(below), torch.randn_like(pooled)
    x_pooled = x.flatten(2).gather(2, switches.flatten(2)).view_as(pooled)
    torch.testing.assert_close((unpool(y, switches, (11, 10)) * x).sum(), (y * x_pooled).sum(), rtol=1e-12, atol=0)


@pytest.mark.parametrize(
    "settings",
    [
        {"padding": 2},
        {"stride": 2},
        {"stride": (3, 2), "padding": (0, 1)},
        {"dilation": 2, "groups": 2},
        {"padding": "same"},
    ],
    ids=str,
)
def test_filter_back_is_the_transpose_of_the_convolution_without_its_bias(settings):
    torch.manual_seed(0)
    conv = nn.Conv2d(4, 6, 3, **settings).double()
    x = torch.randn(2, 4, 12, 11, dtype=torch.float64)
    with torch.no_grad():
        x_filtered = conv(x) - conv.bias[:, None, None]
        y = torch.randn_like(x_filtered)
        torch.testing.assert_close(
            (filter_back(y, conv, (12, 11)) * x).sum(), (y * x_filtered).sum(), rtol=1e-12, atol=0
        )


def test_filter_back_leaves_rows_that_the_stride_never_reached_at_zero():
    conv = nn.Conv2d(1, 1, 3, stride=3)
    with torch.no_grad():
        pixels = filter_back(torch.ones(1, 1, 2, 2), conv, (8, 7))
    assert pixels.shape == (1, 1, 8, 7)
    assert pixels[..., :6, :6].abs().min() > 0
    assert not pixels[..., 6:, :].any() and not pixels[..., 6:].any()


def test_rectify_keeps_what_is_above_zero():
    assert rectify(torch.tensor([-2.0, 0.0, 3.0])).tolist() == [0, 0, 3]


@pytest.mark.parametrize("rule", RULES)
def test_one_step_through_a_relu(rule):
    """Signals of both signs, where the ReLU was open and where it was shut."""
    signal, activation = torch.tensor([-1.0, 2, -3, 4]), torch.tensor([0.0, 0, 1, 1])
    expected = {"deconvnet": [0, 2, 0, 4], "gradient": [0, 0, -3, 4], "guided": [0, 0, 0, 4]}
    assert RULES[rule](signal, activation).tolist() == expected[rule]


def test_record_keeps_activations_and_switches_by_name(model, images):
    trace = DeconvNet(model.features).record(images)
    assert list(trace.activations) == ["conv1", "relu1", "pool1", "conv2", "relu2", "pool2"]
    assert [tuple(a.shape[1:]) for a in trace.activations.values()] == [
        (6, 28, 28),
        (6, 28, 28),
        (6, 14, 14),
        (16, 10, 10),
        (16, 10, 10),
        (16, 5, 5),
    ]
    assert list(trace.switches) == ["pool1", "pool2"]
    with torch.no_grad():
        assert trace.activations["pool2"].equal(model.features(images))


@pytest.mark.parametrize("pool", ["pool1", "pool2"])
def test_switches_say_where_the_maximum_stood(pool, model, images):
    trace = DeconvNet(model.features).record(images)
    below = trace.activations[pool.replace("pool", "relu")].flatten(2)
    switches = trace.switches[pool]
    assert switches.dtype == torch.int64 and switches.shape == trace.activations[pool].shape
    assert below.gather(2, switches.flatten(2)).equal(trace.activations[pool].flatten(2))


@pytest.mark.parametrize(
    "chain",
    [
        nn.Sequential(nn.ReLU(inplace=True), nn.Conv2d(1, 2, 3)),
        nn.Sequential(nn.Dropout(inplace=True), nn.ReLU(inplace=True)),
        nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(inplace=True)),
    ],
    ids=["ReLU first", "Dropout first", "convolution first"],
)
def test_neither_record_nor_project_changes_images_or_trace(chain):
    net = DeconvNet(chain.eval())
    images = torch.randn(2, 1, 6, 6)
    before = images.clone()
    trace = net.record(images)
    activations = copy.deepcopy(dict(trace.activations))
    for layer in trace.activations:
        net.project(trace, layer)
        net.project(trace, layer, select="peak")
    assert images.equal(before)
    for layer, activation in trace.activations.items():
        assert activation.equal(activations[layer])


def test_a_convolution_whose_weights_are_computed_is_a_convolution():
    """It holds modules of its own, which are no layers of the chain."""
    torch.manual_seed(0)
    chain = nn.Sequential(weight_norm(nn.Conv2d(1, 2, 3)), nn.ReLU(), nn.MaxPool2d(2)).double().eval()
    net = DeconvNet(chain)
    images = torch.randn(2, 1, 8, 8, dtype=torch.float64)
    trace = net.record(images)
    assert list(trace.activations) == ["0", "1", "2"]
    assert relative_difference(net.project(trace, "2"), maps_by_autograd(chain, 2, images, "deconvnet")) < 1e-10


def test_activations_that_are_large_but_finite_are_recorded():
    """Their sum is not."""
    chain = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False)).eval()
    with torch.no_grad():
        chain[0].weight.fill_(3e38)
    images = torch.ones(1, 1, 4, 4)
    assert DeconvNet(chain).record(images).activations["0"].equal(images * 3e38)


def test_no_gradients_are_kept(model, images):
    net = DeconvNet(model.features)
    trace = net.record(images.requires_grad_())
    assert not any(a.requires_grad for a in trace.activations.values())
    assert not net.project(trace, "pool2").requires_grad


def test_a_trace_is_frozen(model, images):
    with pytest.raises(FrozenInstanceError):
        DeconvNet(model.features).record(images).images = None


def test_biases_are_not_used_on_the_way_back(model, images):
    """With other biases, but the activations and switches of before, the pictures are those of before."""
    net = DeconvNet(model.features)
    trace = net.record(images)
    before = net.project(trace, "pool2")
    with torch.no_grad():
        model.features.conv1.bias.normal_()
        model.features.conv2.bias.normal_()
    other = net.record(images)
    assert not net.project(other, "pool2").equal(before)
    as_before = replace(other, activations=trace.activations, switches=trace.switches)
    assert net.project(as_before, "pool2").equal(before)


@pytest.mark.parametrize("select", ["map", "peak"])
@pytest.mark.parametrize("channels", [[3, 7], [7, 3], [5], [2, 2], range(16), (0, 15), []], ids=str)
def test_channels_pick_and_order_the_maps(channels, select, model, images):
    net = DeconvNet(model.double().features)
    trace = net.record(images.double())
    every = net.project(trace, "pool2", select=select)
    some = net.project(trace, "pool2", channels, select)
    assert some.shape == (20, len(channels), 1, 28, 28)
    torch.testing.assert_close(some, every[:, list(channels)], rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    "channels",
    [np.arange(3), list(np.arange(3)), torch.arange(3), list(torch.arange(3)), np.arange(3, dtype=np.uint8), range(3)],
    ids=lambda channels: f"{type(channels).__name__} of {type(channels[0]).__name__}",
)
def test_channels_may_be_of_numpy_or_pytorch(channels, model, images):
    net = DeconvNet(model.features)
    trace = net.record(images)
    assert net.project(trace, "pool2", channels).equal(net.project(trace, "pool2", [0, 1, 2]))


def test_images_do_not_mix_in_a_batch(model, images):
    model.double()
    net = DeconvNet(model.features)
    together = net.project(net.record(images.double()), "pool2")
    alone = net.project(net.record(images[7:8].double()), "pool2")
    torch.testing.assert_close(together[7:8], alone, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("layer", ["pool1", "relu2", "pool2"])
def test_peak_projects_only_the_strongest_activation(layer, rule, model, images):
    net = DeconvNet(model.features, rule)
    trace = net.record(images)
    activation = trace.activations[layer]
    strongest = activation == activation.amax((2, 3), keepdim=True)
    assert (strongest.sum((2, 3)) == 1)[activation.amax((2, 3)) > 0].all(), "no ties among these images"
    only_peaks = replace(trace, activations={**trace.activations, layer: torch.where(strongest, activation, 0)})
    peaks = net.project(trace, layer, select="peak")
    assert peaks.equal(net.project(only_peaks, layer))
    assert not peaks.equal(net.project(trace, layer))


def test_a_map_that_is_zero_gives_zero_pixels():
    chain = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2)).eval()
    with torch.no_grad():
        chain[0].bias.copy_(torch.tensor([-100.0, 100.0]))
    net = DeconvNet(chain)
    trace = net.record(torch.rand(2, 1, 8, 8))
    for select in ("map", "peak"):
        maps = net.project(trace, "2", select=select)
        assert not maps[:, 0].any() and maps[:, 1].any()


@pytest.mark.parametrize("select", ["map", "peak"])
@pytest.mark.parametrize("layer", ["pool2", "conv2", "relu1"])
def test_walk_goes_down_layer_by_layer_to_what_project_returns(layer, select, model, images):
    net = DeconvNet(model.double().features)
    trace = net.record(images[:3].double())
    steps = list(net.walk(trace, layer, [3, 5], select))
    names = list(trace.activations)
    assert [name for name, _ in steps] == names[names.index(layer) :: -1]
    for name, signal in steps:
        below = trace.activations[names[names.index(name) - 1]] if name != names[0] else trace.images
        assert signal.shape == (3, 2, *below.shape[1:])
    assert relative_difference(net.project(trace, layer, [3, 5], select), steps[-1][1]) < 1e-12


def test_each_step_of_walk_undoes_one_layer(model, images):
    net = DeconvNet(model.features)
    trace = net.record(images[:3])
    signals = dict(net.walk(trace, "pool2", [7]))
    assert signals["pool2"].equal(
        unpool(only(trace.activations["pool2"], 7), trace.switches["pool2"][:, None], (10, 10))
    )
    assert signals["relu2"].equal(rectify(signals["pool2"]))
    assert signals["conv2"][:, 0].equal(filter_back(signals["relu2"][:, 0], model.features.conv2, (14, 14)))
    assert signals["pool1"].equal(unpool(signals["conv2"], trace.switches["pool1"][:, None], (28, 28)))


def only(maps, k):
    alone = torch.zeros_like(maps)
    alone[:, k] = maps[:, k]
    return alone[:, None]


def test_whoever_walks_can_still_take_gradients(model, images):
    net = DeconvNet(model.features)
    for _ in net.walk(net.record(images[:1]), "pool2", [0]):
        assert torch.is_grad_enabled()


def test_walk_refuses_at_once_not_at_its_first_step(model, images):
    net = DeconvNet(model.features)
    with pytest.raises(ValueError, match="layer 'pool3' is not in this network"):
        net.walk(net.record(images[:1]), "pool3")
