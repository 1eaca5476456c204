"""Functions that slide over a plane, such as a convolution: what a position at their output sees of their input."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from torch import Tensor

from helpers.deconvnet.ways_back import pair, settings_of


class Span(NamedTuple):
    """Along one axis: position i sees `size` positions from `offset + i * stride` on, also beyond the borders."""

    offset: int
    stride: int
    size: int

    def through(self, above: "Span") -> "Span":
        """What is seen of the plane below this one, by what sees `above` of this one."""
        offset = self.offset + above.offset * self.stride
        return Span(offset, self.stride * above.stride, self.size + (above.size - 1) * self.stride)

    def joined(self, other: "Span") -> "Span | None":
        """What holds both; None if they move apart."""
        if self.stride != other.stride:
            return None
        offset = min(self.offset, other.offset)
        return Span(offset, self.stride, max(self.offset + self.size, other.offset + other.size) - offset)


class Taps(NamedTuple):
    """How it slides: pairs, for rows and columns. `padding` is what is added before the first."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]

    def span(self, axis: int) -> Span:
        """What is seen along the axis, 0 for rows."""
        return Span(-self.padding[axis], self.stride[axis], self.dilation[axis] * (self.kernel[axis] - 1) + 1)


def _conv2d(input: Tensor, weight: Tensor, *args: Any, **kwargs: Any) -> Taps:
    stride, padding, dilation, _ = settings_of(input, weight, *args, **kwargs)
    kernel = weight.shape[2], weight.shape[3]
    if padding is None:
        # An odd number of rows or columns is added: one more stands at the end.
        padding = dilation[0] * (kernel[0] - 1) // 2, dilation[1] * (kernel[1] - 1) // 2
    return Taps(kernel, stride, padding, dilation)


def _max_pool2d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, *args: Any, **kwargs: Any
) -> Taps:
    return Taps(pair(kernel_size), pair(stride or kernel_size), pair(padding), pair(dilation))


def _avg_pool2d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, *args: Any, **kwargs: Any
) -> Taps:
    return Taps(pair(kernel_size), pair(stride or kernel_size), pair(padding), (1, 1))


# By their names, from what they were called with.
TAPS: Mapping[str, Callable[..., Taps]] = {"conv2d": _conv2d, "max_pool2d": _max_pool2d, "avg_pool2d": _avg_pool2d}


def padding_before(axis: int, pad: Sequence[int]) -> int:
    """What `F.pad`, called with this, adds before the first row (axis 0) or column (axis 1); a crop is below zero."""
    place = 2 * (1 - axis)
    return pad[place] if len(pad) > place else 0
