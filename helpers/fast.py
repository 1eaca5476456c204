"""Two cases of the transposed convolution, sooner than by `torch.nn.functional.conv_transpose2d`.

Both are ordinary convolutions: with stride 1, the transposed one is that with flipped filters. Where it is not,
`applies` says so.
"""

from math import isqrt

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# A processor makes that many channels at once, and needs as long for a single one.
_LANES = 16
# Of more channels than this, blocks of pixels bring no gain.
FEW = 4


def applies(conv: nn.Conv2d, padding: tuple[int, int]) -> bool:
    """Whether `conv`, which pads by `padding`, can be reversed by the functions of this module."""
    return (
        conv.groups == 1
        and (*conv.stride, *conv.dilation) == (1, 1, 1, 1)
        and all(padding[i] < conv.kernel_size[i] for i in (0, 1))
    )


def of_single_channels(signal: Tensor, weight: Tensor, padding: tuple[int, int]) -> Tensor:
    """Each channel of `signal`, alone, through the transposed convolution.

    `F.conv_transpose2d` would filter all the other channels too, which are zero.

    Args:
        signal: `(N, K, h, w)`.
        weight: `(K, C, kernel height, kernel width)`, the filters of these K channels.
        padding: rows and columns, as the convolution on the way up adds them.

    Returns:
        `(N, K, C, H, W)`.
    """
    flipped = weight.flip(2, 3).reshape(-1, 1, *weight.shape[2:])
    # Channels last, since PyTorch's grouped convolution is several times slower in the usual order.
    signal = signal.contiguous(memory_format=torch.channels_last)
    filtered = F.conv2d(signal, flipped, padding=_around(weight, padding), groups=len(weight)).contiguous()
    return filtered.unflatten(1, weight.shape[:2])


def to_few_channels(signal: Tensor, weight: Tensor, padding: tuple[int, int]) -> Tensor:
    """`F.conv_transpose2d(signal, weight, padding=padding)`, where the result has at most `FEW` channels.

    The pixels of a block, 4×4 of them for one channel, are made as if they were channels, and put in their places at
    the end. The filter of each is the same one, at another place in a larger one.

    Args:
        signal: `(N, K, h, w)`.
        weight: `(K, C, kernel height, kernel width)`.
        padding: rows and columns, as the convolution on the way up adds them.

    Returns:
        `(N, C, H, W)`.
    """
    side = isqrt(_LANES // weight.shape[1])
    height, width = (signal.shape[2 + i] + weight.shape[2 + i] - 1 - 2 * padding[i] for i in (0, 1))
    reach = side - 1
    larger = F.pad(weight, (reach, reach, reach, reach))
    for dim in (2, 3):
        larger = larger.unfold(dim, weight.shape[dim] + reach, 1)
    # (K, C, row in the block, column in the block, kernel height + reach, kernel width + reach), to (C · block, K, ...)
    larger = larger.flip(4, 5).permute(1, 2, 3, 0, 4, 5).flatten(0, 2)
    rest = -height % side, -width % side
    if any(rest):
        signal = F.pad(signal, (0, rest[1], 0, rest[0]))
    blocks = F.conv2d(signal, larger, stride=side, padding=_around(weight, padding))
    return F.pixel_shuffle(blocks, side)[..., :height, :width]


def _around(weight: Tensor, padding: tuple[int, int]) -> tuple[int, int]:
    """The padding of the convolution that reverses one with this padding."""
    return weight.shape[2] - 1 - padding[0], weight.shape[3] - 1 - padding[1]
