"""Signals, switches and sizes that do not fit one of the paper's steps."""

import pytest
import torch
from torch import nn

from helpers.deconvnet import filter_back, unpool

SIGNAL, SWITCHES = torch.ones(1, 2, 2), torch.zeros(1, 2, 2, dtype=torch.int64)


def filter_it(signal, size=(5, 5), kernel_size=3, **settings):
    return lambda: filter_back(signal, nn.Conv2d(1, 2, kernel_size, **settings), size)


# what goes wrong: (how, the error, a piece of its message)
CASES = {
    "switches that are no integers": (
        lambda: unpool(SIGNAL, SWITCHES.float(), (4, 4)),
        TypeError,
        "switches are torch.float32; unpool needs int64",
    ),
    "switches of another size": (
        lambda: unpool(SIGNAL, torch.zeros(1, 3, 3, dtype=torch.int64), (4, 4)),
        ValueError,
        r"switches of the shape \(1, 3, 3\) can't bring a signal of the shape \(1, 2, 2\) back to 4×4",
    ),
    "switches out of the plane": (lambda: unpool(SIGNAL, SWITCHES + 16, (4, 4)), ValueError, "back to 4×4: index 16"),
    "switches below zero": (lambda: unpool(SIGNAL, SWITCHES - 1, (4, 4)), ValueError, "back to 4×4: index -1"),
    "signal of one dimension": (
        lambda: unpool(torch.ones(3), SWITCHES[0, 0], (4, 4)),
        ValueError,
        r"signal is of the shape \(3,\); unpool needs a tensor \(..., h, w\)",
    ),
    "signal of other channels": (
        filter_it(torch.ones(1, 1, 3, 3)),
        ValueError,
        r"signal is of the shape \(1, 1, 3, 3\); filter_back needs a tensor \(N, 2, h, w\)",
    ),
    "signal without a batch": (
        filter_it(torch.ones(2, 3, 3)),
        ValueError,
        r"filter_back needs a tensor \(N, 2, h, w\)",
    ),
    "uneven padding": (
        filter_it(torch.ones(1, 2, 3, 3), kernel_size=4, padding="same"),
        ValueError,
        "^conv pads more on one side than on the other; use an odd kernel size$",
    ),
    "signal in double precision": (
        filter_it(torch.ones(1, 2, 3, 3).double()),
        TypeError,
        "signal is torch.float64, the filters torch.float32; filter_back needs both to be the same",
    ),
    "signal that is no tensor": (filter_it([1.0]), ValueError, "signal is a list; filter_back needs a tensor"),
    "signal to unpool that is no tensor": (
        lambda: unpool([1.0], SWITCHES, (4, 4)),
        ValueError,
        "signal is a list; unpool needs a tensor",
    ),
    "switches in a list": (lambda: unpool(SIGNAL, [0], (4, 4)), TypeError, "switches are list; unpool needs int64"),
    "no convolution": (
        lambda: filter_back(torch.ones(1, 2, 3, 3), nn.ReLU(), (5, 5)),
        TypeError,
        "conv is a ReLU; filter_back needs a Conv2d",
    ),
    "padding that can't be reversed": (
        filter_it(torch.ones(1, 2, 3, 3), padding=1, padding_mode="reflect"),
        ValueError,
        "conv pads with 'reflect'; filter_back undoes only padding with zeros",
    ),
    "a size of one number": (lambda: unpool(SIGNAL, SWITCHES, 4), ValueError, r"size is 4; it must be \(H, W\)"),
    "a size of three": (lambda: unpool(SIGNAL, SWITCHES, (1, 4, 4)), ValueError, r"size is \(1, 4, 4\); it must be"),
    "a size of zero": (filter_it(torch.ones(1, 2, 3, 3), (0, 5)), ValueError, r"size is \(0, 5\); .* above zero"),
    "a size of halves": (filter_it(torch.ones(1, 2, 3, 3), (5.5, 5)), ValueError, "size is .*two integers"),
    "a size of truth": (lambda: unpool(SIGNAL, SWITCHES, (True, 4)), ValueError, r"size is \(True, 4\); it must be"),
    "a size in a text": (lambda: unpool(SIGNAL, SWITCHES, "44"), ValueError, "size is '44'; it must be"),
    "no size": (filter_it(torch.ones(1, 2, 3, 3), None), ValueError, r"size is None; it must be \(H, W\)"),
    "a size that is not square": (
        filter_it(torch.ones(1, 2, 3, 4), (5, 5)),
        ValueError,
        "signal is 3×4, size 5×5; this convolution makes 3×4 from 5×6",
    ),
    "a size too large": (
        filter_it(torch.ones(1, 2, 3, 3), (6, 5)),
        ValueError,
        "signal is 3×3, size 6×5; this convolution makes 3×3 from 5×5",
    ),
    "a size too small": (filter_it(torch.ones(1, 2, 3, 3), (5, 4)), ValueError, "size 5×4; .* from 5×5"),
    "a size that the stride would have used": (
        filter_it(torch.ones(1, 2, 2, 2), (7, 5), stride=2, dilation=1),
        ValueError,
        "size 7×5; this convolution makes 2×2 from 5×5",
    ),
}


@pytest.mark.parametrize(("run", "error", "message"), CASES.values(), ids=CASES)
def test_bad_input_is_named(run, error, message):
    with pytest.raises(error, match=message):
        run()
