"""The trained network that students are given, as their own `given.py` loads it."""

import runpy
from functools import cache

from torch import nn

from grading.settings import COURSE

# The side of its pooling windows, their distance, and the padding. They overlap, and lead to the sizes of 2×2.
WINDOWS = (3, 2, 1)


@cache
def given_network() -> nn.Sequential:
    """It is shared: whoever changes it changes it for all."""
    return runpy.run_path(str(COURSE / "template" / "given.py"))["given_network"]()


def given_convs() -> list[dict]:
    """Its two convolutions, each with the windows of its pooling, in the form of `remote.decode`."""
    layers = list(given_network().get_submodule("features").children())
    convs = [layer for layer in layers if isinstance(layer, nn.Conv2d)]
    poolings = [layer for layer in layers if isinstance(layer, nn.MaxPool2d)]
    windows = [(pooling.kernel_size, pooling.stride, pooling.padding) for pooling in poolings]
    states = [conv.state_dict() for conv in convs]
    return [
        {"@conv": state["weight"], "bias": state["bias"], "padding": conv.padding[0], "pool": pool}
        for conv, state, pool in zip(convs, states, windows, strict=True)
    ]
