"""The same mathematics, sooner: single feature maps go alone, few channels are filtered in blocks or by columns.

A feature map that is projected is the only one of its layer that is not zero, down to the first convolution: `Lone`
holds it without the zeros. Two cases of the transposed convolution are ordinary convolutions: with stride 1, it is that
with flipped filters. Where it is not, `reversible` says so.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isqrt
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from helpers.deconvnet import ways_back
from helpers.deconvnet.ways_back import Settings, Signals, Up
from helpers.deconvnet.windows import Windows

# A processor makes that many channels at once, and needs as long for a single one.
_SIMD_WIDTH = 16
# Of more channels than this, neither blocks of pixels nor columns bring a gain;
FEW = 4
# and from more channels than this, columns are quicker than blocks.
_FEW_ABOVE = 32


@dataclass(frozen=True, eq=False)
class Lone:
    """A signal that has one channel for each of K maps: all others are zero.

    Attributes:
        maps: `(K, N, 1, ...)`.
        channels: which one each of them is, K of them, or a slice of so many.
        count: the number of channels.
    """

    maps: Tensor
    channels: Tensor | slice
    count: int


def whole(signal: Any) -> Any:
    """The signal with all that is zero, `(K, N, C, ...)`; what is none stays as it is."""
    if isinstance(signal, Windows):
        return signal.whole()
    if not isinstance(signal, Lone):
        return signal
    maps = signal.maps
    among_zeros = maps.new_zeros(*maps.shape[:2], signal.count, *maps.shape[3:])
    channels = signal.channels
    if isinstance(channels, slice):
        channels = torch.arange(signal.count, device=maps.device)[channels]
    among_zeros[torch.arange(len(maps), device=maps.device), :, channels] = maps[:, :, 0]
    return among_zeros


def alone(signal: Lone, name: str, up: Up, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...] | None:
    """What goes back through this function, which was noted as `up`, without the zeros; None if they are needed."""
    if name == "relu":
        back = up.rule(signal.maps, _own(up.output, signal.channels))
        return (Lone(back, signal.channels, signal.count),)
    if name == "max_pool2d" and signal.maps.dim() == 5:
        back = ways_back.unpool(signal.maps, _own(up.switches, signal.channels), up.tensors[0].shape[-2:])
        return (Lone(back, signal.channels, signal.count),)
    if name == "batch_norm":
        ones = [1] * (signal.maps.dim() - 3)
        factors: Any
        (factors,) = ways_back.WAYS_BACK[name](signal.maps.new_ones(1, 1, signal.count, *ones), up, *args, **kwargs)
        factor = factors[0, 0, signal.channels].view(-1, 1, 1, *ones)
        return (Lone(signal.maps * factor, signal.channels, signal.count),)
    if name == "conv2d":
        weight, settings = up.tensors[1], ways_back.settings_of(*args, **kwargs)
        if signal.maps.dim() == 5 and reversible(weight, settings) and settings.padding is not None:
            maps = signal.maps[:, :, 0].transpose(0, 1)
            return (of_single_channels(maps, weight[signal.channels], settings.padding),)
    return None


def _own(recorded: Tensor, channels: Tensor | slice) -> Tensor:
    """`recorded` `(N, C, ...)` of these channels: `(K, N, 1, ...)`."""
    return recorded[:, channels].transpose(0, 1).unsqueeze(2)


def reversible(weight: Tensor, settings: Settings) -> bool:
    """Whether this convolution is reversed by an ordinary one with flipped filters."""
    stride, padding, dilation, groups = settings
    simple = groups == 1 and stride == dilation == (1, 1)
    return simple and padding is not None and padding[0] < weight.shape[2] and padding[1] < weight.shape[3]


def _conv2d(signal: Tensor, up: Up, *args: Any, **kwargs: Any) -> Signals:
    (input, weight), settings = up.tensors[:2], ways_back.settings_of(*args, **kwargs)
    stride, padding, dilation, groups = settings
    few, skips = weight.shape[1] <= FEW, weight.shape[2:] == (1, 1) and stride != (1, 1)
    if padding is None or groups > 1 or not (few or skips):
        return ways_back.WAYS_BACK["conv2d"](signal, up, *args, **kwargs)
    maps = signal.flatten(0, -4)
    if few and len(weight) <= _FEW_ABOVE and reversible(weight, settings):
        back = to_few_channels(maps, weight, padding)
    else:
        back = by_columns(maps, weight, input.shape[-2:], stride, padding, dilation)
    return (back.unflatten(0, signal.shape[:-3]),)


WAYS_BACK: Mapping[str, Callable[..., Signals]] = {**ways_back.WAYS_BACK, "conv2d": _conv2d}


def of_single_channels(signal: Tensor, weight: Tensor, padding: tuple[int, int]) -> Tensor:
    """Each channel of `signal`, alone, through the transposed convolution.

    `F.conv_transpose2d` would filter all the other channels too, which are zero.

    Args:
        signal: `(N, K, h, w)`.
        weight: `(K, C, kernel height, kernel width)`, the filters of these K channels.
        padding: rows and columns, as the convolution on the way up adds them.

    Returns:
        `(K, N, C, H, W)`.
    """
    flipped = weight.flip(2, 3).reshape(-1, 1, *weight.shape[2:])
    # Channels last, since PyTorch's grouped convolution is several times slower in the usual order.
    signal = signal.contiguous(memory_format=torch.channels_last)
    filtered = F.conv2d(signal, flipped, padding=_around(weight, padding), groups=len(weight)).contiguous()
    return filtered.unflatten(1, weight.shape[:2]).transpose(0, 1)


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
    side = isqrt(_SIMD_WIDTH // weight.shape[1])
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


def by_columns(
    signal: Tensor,
    weight: Tensor,
    size: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
) -> Tensor:
    """`ways_back.filter_back`, where the result has few channels, or the filters are single pixels that a stride parts.

    A product of matrices says what each value gives to each pixel that it reaches: a column of them. Then they are
    summed where they meet. `F.conv_transpose2d` takes about twice as long.
    """
    # In one piece, and one map after the other: products of whole batches, and their columns, take as long as was won.
    filters, kernel = weight.flatten(1).t().contiguous(), weight.shape[2:]
    height, width = size
    settings = tuple(dilation), tuple(padding), tuple(stride)
    return torch.stack([F.fold(filters @ one, (height, width), kernel, *settings) for one in signal.flatten(2)])


def _around(weight: Tensor, padding: tuple[int, int]) -> tuple[int, int]:
    """The padding of the convolution that reverses one with this padding."""
    return weight.shape[2] - 1 - padding[0], weight.shape[3] - 1 - padding[1]
