"""Receptive fields: which part of the image each place of a layer sees.

The notes of a record are followed from the images up, the rows of the image apart from its columns. For each function
`_RULES` says which rows of its input reach a row of its output. Where it has no entry, that is found out by trial.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from helpers.checks import check_images
from helpers.deconvnet.arguments import joined_along
from helpers.deconvnet.net import DeconvNet
from helpers.deconvnet.sliding import TAPS, Span, padding_before
from helpers.deconvnet.tape import Note
from helpers.deconvnet.ways_back import PRODUCTS, SUMS, pair


@dataclass(frozen=True, eq=False)
class ReceptiveField:
    """What each place of a layer sees of the image, a window that ends where the image ends.

    Where branches with different windows meet, it is the smallest window that holds them all. It is empty where a place
    sees nothing but padding.

    Attributes:
        rows: `(h, 2)`, int64: for each row of the layer the first row of the image that can change it, and one past
            the last.
        columns: `(w, 2)`, the same from left to right.
        size, stride, offset: `(vertical, horizontal)`, where the windows are regular, None where not: if the image went
            on beyond its borders, position i would see `size` pixels from `offset + i * stride` on.
    """

    rows: Tensor
    columns: Tensor
    size: tuple[int, int] | None
    stride: tuple[int, int] | None
    offset: tuple[int, int] | None

    def window(self, row: int, column: int) -> tuple[slice, slice]:
        """The rows and the columns that the place in this row and column sees: `images[..., rows, columns]` crops."""
        top, bottom = self.rows[row].tolist()
        left, right = self.columns[column].tolist()
        return slice(top, bottom), slice(left, right)


def receptive_field(model: nn.Module, layer: str, images: Tensor) -> ReceptiveField:
    """The window of the image that each place of `layer` sees.

    It depends on the network and on the size of the images, not on what they show. Functions that have no way back do
    not matter: what is seen through them is known. A window is never too small. Where nothing can be said of a
    function, each place of its result sees all that the function is given.

    Args:
        model: any module, in eval mode.
        layer: the name of the layer, as in `DeconvNet.record(images).activations`. One without planes, `(N, C)`, has
            one window.
        images: `(N, C, H, W)`. The first is run.

    Raises:
        TypeError, ValueError: as `DeconvNet.record`; or there is no such layer.
    """
    check_images(images, "receptive_field")
    trace = DeconvNet(model).record(images[:1])
    value = trace.value(layer)
    shape = trace.activations[value.names[0]].shape
    way = trace.way(value)[::-1]
    found = []
    for dim in (-2, -1):
        side = trace.images.shape[dim]
        numbers = torch.arange(side)
        seen = {trace.source: _Seen(torch.stack([numbers, numbers + 1], dim=1), dim, Span(0, 1, 1))}
        unknown = _Seen(torch.tensor([[0, side]]))
        for note in way:
            below = [None if one is None else seen.get(one, unknown) for one in note.inputs]
            known = all(one is None or one.known for one in note.inputs) and not note.after_reading
            seen |= zip(note.outputs, _above(note, below) if known else [unknown] * len(note.outputs), strict=True)
        top = seen[value]
        if top.dim != dim or len(shape) != 4:
            top = _everything([top])
        windows = top.windows.expand(shape[dim] if len(shape) == 4 else 1, 2)
        empty = windows[:, :1] >= windows[:, 1:]
        windows = windows.masked_fill(empty, 0)
        found.append((windows, top.regular if _holds(top.regular, windows, side) else None))
    (rows, vertical), (columns, horizontal) = found
    if vertical is None or horizontal is None:
        return ReceptiveField(rows, columns, None, None, None)
    offset, stride, size = zip(vertical, horizontal, strict=True)
    return ReceptiveField(rows, columns, size, stride, offset)


@dataclass(frozen=True, eq=False)
class _Seen:
    """What the numbers of a value see of the image, along one of its axes.

    Attributes:
        windows: `(n, 2)`, the first and one past the last pixel; the first is not below the other where that is none.
        dim: the dimension along which they stand, counted from the last, -1. None where all see the same, `(1, 2)`.
        regular: where they are regular, how, beyond all borders.
    """

    windows: Tensor
    dim: int | None = None
    regular: Span | None = None


# What is at no place stands before nothing, and behind all.
_NOWHERE = 2**40
# A trial may touch so many numbers. A millisecond is enough for a million.
_TRIAL = 2**28


def _holds(regular: Span | None, windows: Tensor, side: int) -> bool:
    """Whether none of the windows reaches beyond what it should be: padding that mirrors may show what is not near."""
    if regular is None:
        return False
    first = regular.offset + torch.arange(len(windows)) * regular.stride
    inside = (first.clamp(min=0) <= windows[:, 0]) & (windows[:, 1] <= (first + regular.size).clamp(max=side))
    return bool((inside | (windows[:, 0] >= windows[:, 1])).all())


def _above(note: Note, below: list[_Seen | None]) -> list[_Seen]:
    """What the values that `note` gives see, if those that it was given see `below`; None is a constant."""
    shapes = _shapes(note)
    name = note.name or note.called
    if name in _RULES:
        return [_RULES[name](note, below, shape) for shape in shapes]
    if name in _TRUSTED and all(
        one is None or tensor.is_floating_point() for tensor, one in zip(note.tensors, below, strict=True)
    ):
        return _by_trial(note, below, shapes)
    return [_everything(below)] * len(shapes)


def _shapes(note: Note) -> list[torch.Size]:
    if all(value.tensor is not None for value in note.outputs):
        return [value.tensor.shape for value in note.outputs if value.tensor is not None]
    with torch.no_grad():
        return [one.shape for one in note.run(*note.tensors)]


def _everything(below: list[_Seen | None]) -> _Seen:
    """All that any of these sees."""
    windows = torch.cat([one.windows for one in below if one is not None])
    return _Seen(torch.stack([windows[:, 0].min(), windows[:, 1].max()])[None])


def _together(below: list[_Seen | None], shape: torch.Size) -> _Seen:
    """Each place sees what these see in the same place."""
    parts = [one for one in below if one is not None]
    dims = {one.dim for one in parts if one.dim is not None}
    if len(dims) != 1 or max(dims) < -len(shape):
        return _everything(below)
    (dim,) = dims
    side = shape[dim]
    if any(len(one.windows) not in (1, side) for one in parts):
        return _everything(below)
    windows = torch.stack([one.windows.expand(side, 2) for one in parts])
    hull = torch.stack([windows[..., 0].amin(0), windows[..., 1].amax(0)], dim=1)
    ways = [one.regular if len(one.windows) == side else None for one in parts]
    return _Seen(hull, dim, _joined(ways))


def _joined(spans: list[Span | None]) -> Span | None:
    joined = spans[0]
    for one in spans[1:]:
        joined = joined.joined(one) if joined and one else None
    return joined


# Rules


def _pointwise(note: Note, below: list[_Seen | None], shape: torch.Size) -> _Seen:
    if len(note.tensors) == 1 and note.tensors[0].shape != shape:  # torch.where(mask) lists places
        return _everything(below)
    return _together(below, shape)


def _batch_norm(note: Note, below: list[_Seen | None], shape: torch.Size) -> _Seen:
    return _everything(below) if note.given(5, "training", False) else _together(below, shape)


def _linear(note: Note, below: list[_Seen | None], shape: torch.Size) -> _Seen:
    """It mixes along the last dimension."""
    return _everything(below) if any(one and one.dim == -1 for one in below) else _together(below, shape)


def _cat(note: Note, below: list[_Seen | None], shape: torch.Size) -> _Seen:
    dim = joined_along(note.args, note.kwargs)
    dim = dim if dim < 0 else dim - len(shape)
    if any(tensor.dim() != len(shape) for tensor in note.tensors):
        return _everything(below)
    if all(one is None or one.dim != dim for one in below):
        return _together(below, shape)
    windows = []
    for tensor, one in zip(note.tensors, below, strict=True):
        if one is not None and one.dim not in (dim, None):
            return _everything(below)
        own = torch.tensor([[_NOWHERE, -_NOWHERE]]) if one is None else one.windows
        windows.append(own.expand(tensor.shape[dim], 2))
    return _Seen(torch.cat(windows), dim)


def _sliding(note: Note, below: list[_Seen | None], shape: torch.Size) -> _Seen:
    """Each position sees a window of the plane."""
    one = below[0]
    if one is None or one.dim not in (-2, -1) or any(below[1:]):
        return _everything(below)
    taps, axis = TAPS[note.name or note.called](*note.args, **note.kwargs), one.dim + 2
    numbers = torch.arange(taps.kernel[axis]) * taps.dilation[axis] - taps.padding[axis]
    sources = torch.arange(shape[one.dim])[:, None] * taps.stride[axis] + numbers
    windows = _hulls(one, sources, (sources >= 0) & (sources < len(one.windows)))
    return _Seen(windows, one.dim, one.regular and one.regular.through(taps.span(axis)))


def _conv_transpose2d(note: Note, below: list[_Seen | None], shape: torch.Size) -> _Seen:
    """Each position of the input reaches a window of the output."""

    def settings(
        input: Tensor,
        weight: Tensor,
        bias: Any = None,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        dilation: Any = 1,
    ) -> list[tuple[int, int]]:
        return [(weight.shape[2], weight.shape[3]), pair(stride), pair(padding), pair(dilation)]

    one = below[0]
    if one is None or one.dim not in (-2, -1) or any(below[1:]):
        return _everything(below)
    kernel, stride, padding, dilation = (both[one.dim + 2] for both in settings(*note.args, **note.kwargs))
    stretched = torch.arange(shape[one.dim])[:, None] + padding - torch.arange(kernel) * dilation
    sources = stretched.div(stride, rounding_mode="floor")
    there = (stretched % stride == 0) & (sources >= 0) & (sources < len(one.windows))
    reach = dilation * (kernel - 1)
    span = one.regular.through(Span(padding - reach, 1, reach + 1)) if one.regular and stride == 1 else None
    return _Seen(_hulls(one, sources, there), one.dim, span)


def _hulls(seen: _Seen, sources: Tensor, there: Tensor) -> Tensor:
    """What each position sees through those of its `sources` that are `there`; both are `(positions, sources)`."""
    windows = seen.windows[sources.clamp(0, len(seen.windows) - 1)]
    first = windows[..., 0].masked_fill(~there, _NOWHERE).amin(1)
    last = windows[..., 1].masked_fill(~there, -_NOWHERE).amax(1)
    return torch.stack([first, last], dim=1)


_RULES: dict[str, Callable[[Note, list[_Seen | None], torch.Size], _Seen]] = {
    **dict.fromkeys(TAPS, _sliding),
    "conv_transpose2d": _conv_transpose2d,
    "batch_norm": _batch_norm,
    "linear": _linear,
    **dict.fromkeys("cat concat concatenate".split(), _cat),
    **dict.fromkeys(
        (
            "relu relu6 hardtanh clamp clip clamp_min threshold leaky_relu rrelu prelu elu selu celu gelu silu mish "
            "hardswish hardsigmoid hardshrink softshrink tanhshrink sigmoid tanh softplus softsign logsigmoid exp log "
            "sqrt rsqrt pow square abs erf sin cos reciprocal sign floor ceil round trunc dropout dropout1d dropout2d "
            "local_response_norm add sub subtract rsub mul multiply div divide true_divide neg negative positive "
            "maximum minimum fmax fmin lerp where masked_fill gt lt ge le eq ne logical_not logical_and logical_or "
            "clone contiguous detach alias to type type_as float double half bfloat16 cpu cuda"
        ).split(),
        _pointwise,
    ),
}


# By trial

# NaN goes through these wherever a number would.
_TRUSTED = {
    *SUMS,
    *PRODUCTS,
    *"flatten reshape unflatten view squeeze unsqueeze ravel".split(),
    *"max amax adaptive_max_pool2d".split(),
    *"softmax log_softmax softmin group_norm instance_norm layer_norm rms_norm normalize".split(),
} - {"conv1d", "conv3d", "bilinear"}
# They treat each channel as any other.
_INTERPOLATE = {"interpolate", "upsample", "upsample_nearest", "upsample_bilinear"}
_BY_PLANE = _INTERPOLATE | {"pad", "constant_pad_nd", "adaptive_avg_pool2d", "adaptive_max_pool2d"}


def _by_trial(note: Note, below: list[_Seen | None], shapes: list[torch.Size]) -> list[_Seen]:
    """NaN in what stands at one index of the input: where does it come out?"""
    touched = sum(shape.numel() for shape in shapes) + sum(tensor.numel() for tensor in note.tensors)
    if sum(len(one.windows) for one in below if one is not None and one.dim is not None) * touched > _TRIAL:
        return [_everything(below)] * len(shapes)
    parts = [
        [_everything([one])] * len(shapes) if one.dim is None else _tried(note, i, one, below)
        for i, one in enumerate(below)
        if one is not None
    ]
    return [_together(list(of_one), shape) for of_one, shape in zip(zip(*parts, strict=True), shapes, strict=True)]


def _tried(note: Note, tensor: int, seen: _Seen, below: list[_Seen | None]) -> list[_Seen]:
    """What each of the outputs sees by this one of the tensors."""
    assert seen.dim is not None
    name = note.name or note.called
    # A half is no special number for any function. Where weights may be zero, NaN would say too much.
    usual, mark = (0.0, 1.0) if name in _INTERPOLATE else (0.5, torch.nan)
    plain = [
        one if carries is None else torch.full_like(one[:1, :1] if name in _BY_PLANE and one.dim() == 4 else one, usual)
        for one, carries in zip(note.tensors, below, strict=True)
    ]
    reached = []
    with torch.no_grad():
        without = note.run(*plain)
        for index in range(len(seen.windows)):
            marked = plain[tensor].clone()
            marked.select(seen.dim, index).fill_(mark)
            outputs = note.run(*plain[:tensor], marked, *plain[tensor + 1 :])
            reached.append([_along_each_dim(one, other) for one, other in zip(outputs, without, strict=True)])
    regular = seen.regular if name in ("pad", "constant_pad_nd") else None
    shift = Span(-padding_before(seen.dim + 2, note.given(1, "pad")), 1, 1) if regular else None
    return [
        _clearest([torch.stack(one) for one in zip(*marks, strict=True)], seen, shift)
        for marks in zip(*reached, strict=True)
    ]


def _along_each_dim(output: Tensor, without: Tensor) -> list[Tensor]:
    """For each dimension, at which of its indices a mark has come out; at all where none could be seen."""
    there = output != without if output.is_floating_point() else torch.ones_like(output, dtype=torch.bool)
    return [there.movedim(dim, 0).flatten(1).any(1).cpu() for dim in range(there.dim())]


def _clearest(reached: list[Tensor], seen: _Seen, shift: Span | None) -> _Seen:
    """By that dimension along which the windows are the smallest; `reached[dim]` is `(n, indices)`."""
    choices = []
    for dim, marks in enumerate(reached):
        starts = seen.windows[:, :1].where(marks, _NOWHERE).amin(0)
        ends = seen.windows[:, 1:].where(marks, -_NOWHERE).amax(0)
        windows = torch.stack([starts, ends], dim=1)
        size = (ends - starts).clamp(min=0).double().mean().item()
        choices.append((size, dim, windows))
    if not choices:
        return _everything([seen])
    size, dim, windows = min(choices, key=lambda one: one[:2])
    all_of_it = _everything([_Seen(windows)])
    if size == (all_of_it.windows[0, 1] - all_of_it.windows[0, 0]).clamp(min=0):
        return all_of_it
    step = shift if dim - len(reached) == seen.dim and shift else _step(reached[dim])
    return _Seen(windows, dim - len(reached), seen.regular.through(step) if seen.regular and step else None)


def _step(marks: Tensor) -> Span | None:
    """How windows over `n` indices move from each to the next; `marks` is `(n, windows)`."""
    numbers = torch.arange(len(marks))[:, None]
    first = numbers.where(marks, _NOWHERE).amin(0)
    size = numbers.where(marks, -_NOWHERE).amax(0) + 1 - first
    moves = first.diff()
    if not len(moves) or size.ne(size[0]).any() or moves.ne(moves[0]).any() or moves[0] <= 0:
        return None
    return Span(int(first[0]), int(moves[0]), int(size[0]))
