"""Chains that LeNet-5 does not try: overlapping pools, lost rows, padding, dilation, groups, and layers used twice.

The reference is PyTorch's autograd with the three rules written into the ReLU's backward step.
"""

from collections import OrderedDict

import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from reference import maps_by_autograd, relative_difference
from torch import nn

from helpers.deconvnet import RULES, DeconvNet


def relu_twice():
    relu = nn.ReLU()
    return [nn.Conv2d(2, 4, 3), relu, nn.MaxPool2d(2), nn.Conv2d(4, 3, 3), relu]


def conv_twice():
    conv = nn.Conv2d(2, 2, 3)
    return [conv, nn.ReLU(), conv, nn.ReLU()]


# name: (layers, height, width)
CHAINS = {
    "overlapping pools": (
        lambda: [nn.Conv2d(2, 4, 3), nn.ReLU(), nn.MaxPool2d(3, 2), nn.Conv2d(4, 3, 2), nn.ReLU(), nn.MaxPool2d(3, 1)],
        13,
        15,
    ),
    "strides that lose rows": (
        lambda: [nn.Conv2d(2, 4, 3, stride=3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 3, 2, stride=2), nn.ReLU()],
        19,
        23,
    ),
    "padding": (
        lambda: [nn.Conv2d(2, 4, 3, padding=(1, 2)), nn.ReLU(), nn.MaxPool2d(3, 2, padding=1), nn.Conv2d(4, 3, 3)],
        12,
        11,
    ),
    "ceil mode": (
        lambda: [nn.Conv2d(2, 4, 3), nn.ReLU(), nn.MaxPool2d(3, 2, ceil_mode=True), nn.MaxPool2d(2, ceil_mode=True)],
        12,
        16,
    ),
    "dilation": (
        lambda: [nn.Conv2d(2, 4, 3, stride=2, dilation=2), nn.ReLU(), nn.MaxPool2d(2, 1, dilation=2), nn.ReLU()],
        16,
        17,
    ),
    "groups": (lambda: [nn.Conv2d(2, 4, 3, groups=2), nn.ReLU(), nn.Conv2d(4, 6, 3, groups=2), nn.ReLU()], 9, 8),
    "kernels, strides and pools that are not square": (
        lambda: [nn.Conv2d(2, 4, (3, 5), stride=(1, 2), padding=(0, 2)), nn.ReLU(), nn.MaxPool2d((2, 3), (1, 2))],
        12,
        18,
    ),
    "padding by name": (
        lambda: [nn.Conv2d(2, 4, (3, 5), padding="same", dilation=2), nn.ReLU(), nn.Conv2d(4, 3, 3, padding="valid")],
        12,
        11,
    ),
    "the first layers of AlexNet": (
        lambda: [nn.Conv2d(2, 4, 11, stride=4, padding=2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2)],
        40,
        42,
    ),
    "ReLU in place": (lambda: [nn.Conv2d(2, 4, 3), nn.ReLU(inplace=True), nn.Conv2d(4, 3, 3), nn.ReLU(True)], 9, 9),
    "one ReLU that stands twice": (relu_twice, 11, 12),
    "one convolution that stands twice": (conv_twice, 9, 9),
    "layers that do nothing": (
        lambda: [nn.Dropout(), nn.Conv2d(2, 4, 3), nn.Dropout2d(), nn.ReLU(), nn.Identity(), nn.MaxPool2d(2)],
        9,
        9,
    ),
    "no biases": (lambda: [nn.Conv2d(2, 4, 3, bias=False), nn.ReLU(), nn.Conv2d(4, 3, 3, bias=False)], 9, 9),
    "no convolution at the bottom": (lambda: [nn.MaxPool2d(3, 2), nn.ReLU(), nn.Conv2d(2, 3, 3)], 11, 11),
}


def build(name, seed=0):
    layers, height, width = CHAINS[name]
    torch.manual_seed(seed)
    chain = nn.Sequential(*layers()).double().eval()
    # Both signs, so that a ReLU at the bottom has something to do.
    return chain, torch.randn(3, 2, height, width, dtype=torch.float64)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("name", CHAINS)
def test_every_layer_equals_autograd(name, rule):
    chain, images = build(name)
    net = DeconvNet(chain, rule)
    trace = net.record(images)
    for layer in range(len(chain)):
        reference = maps_by_autograd(chain, layer, images, rule)
        # A reference of zeros would agree with too much.
        assert reference.abs().max() > 0
        assert relative_difference(net.project(trace, str(layer)), reference) < 1e-10


@pytest.mark.parametrize("name", CHAINS)
def test_output_has_the_size_of_the_input(name):
    chain, images = build(name)
    net = DeconvNet(chain)
    trace = net.record(images)
    for layer, activation in trace.activations.items():
        assert net.project(trace, layer).shape == (3, activation.shape[1], *images.shape[1:])


@pytest.mark.parametrize("name", CHAINS)
def test_activations_are_those_of_the_chain(name):
    chain, images = build(name)
    trace = DeconvNet(chain).record(images)
    # Dropout and Identity hand on what they are given: they are found, but not listed, unless they stand first.
    does = [i == 0 or not isinstance(layer, nn.Dropout | nn.Dropout2d | nn.Identity) for i, layer in enumerate(chain)]
    assert list(trace.activations) == [str(i) for i in range(len(chain)) if does[i]]
    with torch.no_grad():
        for layer in range(len(chain)):
            # Layer by layer on a copy, as a ReLU in place would write over what stands before it.
            signal = images.clone()
            for module in list(chain)[: layer + 1]:
                signal = module(signal)
            assert trace.activations[str(layer)].equal(signal)


def test_names_and_indices_give_the_same_maps():
    chain, images = build("overlapping pools")
    named = nn.Sequential(OrderedDict((f"layer{i}", module) for i, module in enumerate(chain))).eval()
    net, named_net = DeconvNet(chain), DeconvNet(named)
    trace, named_trace = net.record(images), named_net.record(images)
    assert list(named_trace.activations) == [f"layer{i}" for i in range(6)]
    assert list(named_trace.switches) == ["layer2", "layer5"]
    assert named_net.project(named_trace, "layer5").equal(net.project(trace, "5"))


pairs = lambda low, high: st.tuples(st.integers(low, high), st.integers(low, high))  # noqa: E731


@settings(max_examples=80, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(data=st.data(), rule=st.sampled_from(list(RULES)), size=pairs(6, 14))
def test_any_convolution_and_pool_equal_autograd(data, rule, size):
    groups, kernel, pool = data.draw(st.integers(1, 2)), data.draw(pairs(1, 4)), data.draw(pairs(1, 3))
    torch.manual_seed(0)
    conv = nn.Conv2d(
        2,
        2 * groups,
        kernel,
        stride=data.draw(pairs(1, 3)),
        padding=data.draw(pairs(0, 2)),
        dilation=data.draw(pairs(1, 2)),
        groups=groups,
    )
    max_pool = nn.MaxPool2d(
        pool,
        stride=data.draw(pairs(1, 3)),
        padding=tuple(data.draw(st.integers(0, side // 2)) for side in pool),
        dilation=data.draw(pairs(1, 2)),
        ceil_mode=data.draw(st.booleans()),
    )
    chain = nn.Sequential(conv, nn.ReLU(), max_pool).double().eval()
    images = torch.randn(2, 2, *size, dtype=torch.float64)
    try:
        chain(images)
    except RuntimeError:  # nothing is left of an image this small
        assume(False)
    net = DeconvNet(chain, rule)
    assert relative_difference(net.project(net.record(images), "2"), maps_by_autograd(chain, 2, images, rule)) < 1e-10
