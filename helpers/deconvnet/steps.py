"""The paper's steps, to be called by hand: what `ways_back` does, for modules, with what is given looked at first."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from helpers.checks import as_integers, kind_of
from helpers.deconvnet import ways_back


def unpool(signal: Tensor, switches: Tensor, size: Sequence[int]) -> Tensor:
    """Put each value back where its switch says the maximum stood; all else is zero.

    Where pooling windows overlap, one position can win several of them: the values add up. (`torch.nn.MaxUnpool2d`
    keeps only one of them.)

    Args:
        signal: `(..., h, w)`, one value a pooling window.
        switches: `(..., h, w)`, int64, broadcast to `signal`: positions counted row by row through the `(H, W)` plane,
            as `torch.nn.MaxPool2d(return_indices=True)` gives them.
        size: `(H, W)` before pooling.

    Returns:
        `(..., H, W)`.

    Raises:
        TypeError: the switches are not int64.
        ValueError: they do not fit the signal, or lead out of the plane.

    Source: Zeiler & Fergus (2013), section 2.1, "Unpooling".
    """
    height, width = _plane(size)
    if not isinstance(switches, Tensor) or switches.dtype != torch.int64:
        raise TypeError(
            f"switches are {kind_of(switches)}; unpool needs int64, as max pooling with return_indices=True gives"
        )
    if not isinstance(signal, Tensor) or signal.dim() < 2:
        raise ValueError(f"signal is {_given(signal)}; unpool needs a tensor (..., h, w)")
    try:
        return ways_back.unpool(signal, switches, (height, width))
    except RuntimeError as error:
        raise ValueError(
            f"switches of the shape {tuple(switches.shape)} can't bring a signal of the shape {tuple(signal.shape)} "
            f"back to {height}×{width}: {error}"
        ) from error


def filter_back(signal: Tensor, conv: nn.Conv2d, size: Sequence[int]) -> Tensor:
    """The transposed convolution: each filter flipped vertically and horizontally, input and output channels exchanged.

    The bias is not used: what it added carries no trace of the image.

    Args:
        signal: `(N, conv.out_channels, h, w)`.
        conv: the layer that was applied on the way up.
        size: `(H, W)` of what `conv` was applied to. Rows that its stride never reached come back as zeros.

    Returns:
        `(N, conv.in_channels, H, W)`.

    Raises:
        TypeError: `conv` is no convolution, or its filters have another dtype than the signal.
        ValueError: it pads with anything but as many zeros on each side, or never gives such a signal, or not from
            planes of this size.

    Source: Zeiler & Fergus (2013), section 2.1, "Filtering".
    """
    if not isinstance(conv, nn.Conv2d):
        raise TypeError(f"conv is a {type(conv).__name__}; filter_back needs a Conv2d")
    if conv.padding_mode != "zeros":
        raise ValueError(f"conv pads with {conv.padding_mode!r}; filter_back undoes only padding with zeros")
    padding = ways_back.padding_of(conv.padding, conv.weight, ways_back.pair(conv.dilation))
    if padding is None:
        raise ValueError("conv pads more on one side than on the other; use an odd kernel size")
    height, width = _plane(size)
    if not isinstance(signal, Tensor) or signal.dim() != 4 or signal.shape[1] != conv.out_channels:
        raise ValueError(f"signal is {_given(signal)}; filter_back needs a tensor (N, {conv.out_channels}, h, w)")
    if signal.dtype != conv.weight.dtype:
        raise TypeError(
            f"signal is {signal.dtype}, the filters {conv.weight.dtype}; filter_back needs both to be the same"
        )
    reached = [
        (signal.shape[2 + i] - 1) * conv.stride[i] - 2 * padding[i] + conv.dilation[i] * (conv.kernel_size[i] - 1) + 1
        for i in (0, 1)
    ]
    if not (0 <= height - reached[0] < conv.stride[0] and 0 <= width - reached[1] < conv.stride[1]):
        given = f"{signal.shape[2]}×{signal.shape[3]}"
        raise ValueError(
            f"signal is {given}, size {height}×{width}; this convolution makes {given} from {reached[0]}×{reached[1]}"
        )
    settings = conv.stride, padding, conv.dilation, conv.groups
    return ways_back.filter_back(signal, conv.weight, (height, width), *settings)


def _plane(size: Sequence[int]) -> tuple[int, int]:
    try:
        sides = as_integers(size)
    except TypeError:
        sides = []
    if len(sides) != 2 or min(sides) <= 0:
        raise ValueError(f"size is {size!r}; it must be (H, W), two integers above zero")
    return sides[0], sides[1]


def _given(signal: object) -> str:
    return f"of the shape {tuple(signal.shape)}" if isinstance(signal, Tensor) else f"a {type(signal).__name__}"
