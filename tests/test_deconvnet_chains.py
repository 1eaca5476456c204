"""Random chains of convolutions, ReLUs and max pools against Captum."""

from functools import cache
from itertools import product

import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from reference import by_walk, chain_for_captum, maps_by_captum, relative_difference
from torch import nn

from helpers.deconvnet import RULES, DeconvNet

BLOCKS = (
    "conv relu pool",
    "conv relu",
    "conv",
    "conv pool relu",
    "conv relu pool pool",
    "conv nothing relu pool",
    "conv relu nothing relu",
    "relu nothing conv",
    "pool conv relu",
)


# Along one side of an image the settings of a layer are (kernel, stride, padding, dilation), as PyTorch orders them.


def side_after(side, fit, ceil_mode=False):
    kernel, stride, padding, dilation = fit
    steps, rest = divmod(side + 2 * padding - dilation * (kernel - 1) - 1, stride)
    if ceil_mode and rest and (steps + 1) * stride < side + padding:  # No window begins past the end.
        steps += 1
    return steps + 1


@cache
def conv_fits(side):
    fits = product(range(1, 8), range(1, 4), range(4), range(1, 4))
    return [fit for fit in fits if side_after(side, fit) > 0]


@cache
def pool_fits(side, ceil_mode):
    """Where a window would hold padding only, there is no maximum to go back to: those are left out."""

    def holds_pixels(start, fit):
        kernel, _, padding, dilation = fit
        return any(0 <= start - padding + i * dilation < side for i in range(kernel))

    fits = [fit for fit in product(range(1, 5), range(1, 4), range(3), range(1, 4)) if fit[2] <= fit[0] // 2]
    return [
        fit
        for fit in fits
        if (windows := side_after(side, fit, ceil_mode)) > 0
        and all(holds_pixels(window * fit[1], fit) for window in range(windows))
    ]


@st.composite
def chains(draw):
    """`(chain, images, layer, channel)`; each setting is drawn from those that fit what comes before it."""
    torch.manual_seed(draw(st.integers(0, 2**16)))
    channels, *sides = draw(st.tuples(st.integers(1, 4), st.integers(6, 28), st.integers(6, 28)))
    images = torch.randn(draw(st.integers(1, 4)), channels, *sides, dtype=torch.float64)
    layers, widths = [], []
    for kind in " ".join(draw(st.lists(st.sampled_from(BLOCKS), min_size=1, max_size=4))).split():
        match kind:
            case "conv":
                fits = [draw(st.sampled_from(conv_fits(side))) for side in sides]
                groups = draw(st.sampled_from([g for g in range(1, channels + 1) if channels % g == 0]))
                width = groups * draw(st.integers(1, 6 // groups))
                layers.append(nn.Conv2d(channels, width, *zip(*fits, strict=True), groups, bias=draw(st.booleans())))
                channels, sides = width, [side_after(side, fit) for side, fit in zip(sides, fits, strict=True)]
            case "relu":
                layers.append(nn.ReLU(inplace=draw(st.booleans())))
            case "pool":
                ceil_mode = draw(st.booleans())
                fits = [draw(st.sampled_from(pool_fits(side, ceil_mode))) for side in sides]
                layers.append(nn.MaxPool2d(*zip(*fits, strict=True), ceil_mode=ceil_mode))
                sides = [side_after(side, fit, ceil_mode) for side, fit in zip(sides, fits, strict=True)]
            case "nothing":
                layers.append(draw(st.sampled_from([nn.Identity, nn.Dropout, nn.Dropout2d]))())
        widths.append(channels)
    layer = draw(st.just(len(layers) - 1) | st.integers(0, len(layers) - 1))
    return nn.Sequential(*layers).double().eval(), images, layer, draw(st.integers(0, widths[layer] - 1))


@settings(
    max_examples=300,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(drawn=chains(), rule=st.sampled_from(list(RULES)))
def test_one_map_and_its_peak_in_any_chain_equal_captum(drawn, rule):
    chain, images, layer, channel = drawn
    net = DeconvNet(chain, rule)
    trace = net.record(images)
    model, top = chain_for_captum(chain, layer)
    for select in ("map", "peak"):
        reference = maps_by_captum(model, top, images, rule, [channel], select)
        assert relative_difference(net.project(trace, str(layer), [channel], select), reference) < 1e-10
        assert relative_difference(net.project(trace, str(layer), select=select)[:, [channel]], reference) < 1e-10
        assert relative_difference(by_walk(net, trace, str(layer), [channel], select), reference) < 1e-10
        # Where both are zero, the example shows little and is not counted.
        assume(reference.any())
