"""Receptive fields: which part of the image each place of a layer sees.

The notes of a record are followed from the images up, the rows of the image apart from its columns. For each function
`_RULES` says which rows of its input reach a row of its output. Where it has no entry, that is found out by trial.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from helpers.checks import check_images
from helpers.deconvnet.net import DeconvNet
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
        seen = {trace.source: _Seen(torch.stack([numbers, numbers + 1], dim=1), dim, _Regular(0, 1, 1))}
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


class _Regular(NamedTuple):
    """Index i sees `size` pixels from `offset + i * stride` on."""

    offset: int
    stride: int
    size: int


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
    regular: _Regular | None = None


# What is at no place stands before nothing, and behind all.
_NOWHERE = 2**40
# A trial may touch so many numbers. A millisecond is enough for a million.
_TRIAL = 2**28


def _holds(regular: _Regular | None, windows: Tensor, side: int) -> bool:
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


def _joined(ways: list[_Regular | None]) -> _Regular | None:
    regular = [one for one in ways if one is not None]
    if len(regular) < len(ways) or len({one.stride for one in regular}) > 1:
        return None
    offset = min(one.offset for one in regular)
    return _Regular(offset, regular[0].stride, max(one.offset + one.size for one in regular) - offset)


# Rules


def _pointwise(note: Note, below: list[_Seen | None], shape: torch.Size) -> _Seen:
    if len(note.tensors) == 1 and note.tensors[0].shape != shape:  # torch.where(mask) lists places
        return _everything(below)
    return _together(below, shape)


def _batch_norm(note: Note, below: list[_Seen | None], shape: torch.Size) -> _Seen:
    training = note.args[5] if len(note.args) > 5 else note.kwargs.get("training", False)
    return _everything(below) if training else _together(below, shape)


def _linear(note: Note, below: list[_Seen | None], shape: torch.Size) -> _Seen:
    """It mixes along the last dimension."""
    return _everything(below) if any(one and one.dim == -1 for one in below) else _together(below, shape)


def _cat(note: Note, below: list[_Seen | None], shape: torch.Size) -> _Seen:
    dim = note.kwargs.get("dim", note.kwargs.get("axis", note.args[1] if len(note.args) > 1 else 0))
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


class _Taps(NamedTuple):
    """What slides over the plane: its numbers of rows and columns, and how it moves."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]


def _conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> _Taps:
    kernel, dilation = (weight.shape[2], weight.shape[3]), pair(dilation)
    if isinstance(padding, str):
        # An odd row more stands at the end.
        same = padding == "same"
        padding = tuple(dilation[i] * (kernel[i] - 1) // 2 if same else 0 for i in (0, 1))
    return _Taps(kernel, pair(stride), pair(padding), dilation)


def _conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> _Taps:
    return _Taps((weight.shape[2], weight.shape[3]), pair(stride), pair(padding), pair(dilation))


def _max_pool2d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, *args: Any, **kwargs: Any
) -> _Taps:
    return _Taps(pair(kernel_size), pair(stride or kernel_size), pair(padding), pair(dilation))


def _avg_pool2d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, *args: Any, **kwargs: Any
) -> _Taps:
    return _Taps(pair(kernel_size), pair(stride or kernel_size), pair(padding), (1, 1))


def _by_taps(taps_of: Callable[..., _Taps]) -> Callable[[Note, list[_Seen | None], torch.Size], _Seen]:
    def rule(note: Note, below: list[_Seen | None], shape: torch.Size) -> _Seen:
        one = below[0]
        if one is None or one.dim not in (-2, -1) or any(below[1:]):
            return _everything(below)
        settings = taps_of(*note.args, **note.kwargs)
        kernel, stride, padding, dilation = (pair[one.dim + 2] for pair in settings)
        return _slid(one, shape[one.dim], kernel, stride, padding, dilation, taps_of is _conv_transpose2d)

    return rule


def _slid(seen: _Seen, side: int, kernel: int, stride: int, padding: int, dilation: int, transposed: bool) -> _Seen:
    """What the `side` positions see of a function with these settings."""
    positions, taps = torch.arange(side)[:, None], torch.arange(kernel) * dilation
    reach = dilation * (kernel - 1)
    if transposed:
        stretched = positions + padding - taps
        sources, there = stretched.div(stride, rounding_mode="floor"), stretched % stride == 0
        step = _Regular(padding - reach, 1, reach + 1) if stride == 1 else None
    else:
        sources = positions * stride - padding + taps
        there, step = torch.ones_like(sources, dtype=torch.bool), _Regular(-padding, stride, reach + 1)
    there &= (sources >= 0) & (sources < len(seen.windows))
    windows = seen.windows[sources.clamp(0, len(seen.windows) - 1)]
    first = windows[..., 0].masked_fill(~there, _NOWHERE).amin(1)
    last = windows[..., 1].masked_fill(~there, -_NOWHERE).amax(1)
    return _Seen(torch.stack([first, last], dim=1), seen.dim, _after(seen.regular, step))


def _after(regular: _Regular | None, step: _Regular | None) -> _Regular | None:
    """What is seen through `step`, whose windows are of what sees by `regular`."""
    if regular is None or step is None:
        return None
    offset, stride, size = regular
    return _Regular(offset + step.offset * stride, step.stride * stride, size + (step.size - 1) * stride)


_RULES: dict[str, Callable[[Note, list[_Seen | None], torch.Size], _Seen]] = {
    "conv2d": _by_taps(_conv2d),
    "conv_transpose2d": _by_taps(_conv_transpose2d),
    "max_pool2d": _by_taps(_max_pool2d),
    "avg_pool2d": _by_taps(_avg_pool2d),
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
    shift = _Regular(-_padded(note, seen.dim), 1, 1) if regular else None
    return [
        _clearest([torch.stack(one) for one in zip(*marks, strict=True)], seen, shift)
        for marks in zip(*reached, strict=True)
    ]


def _along_each_dim(output: Tensor, without: Tensor) -> list[Tensor]:
    """For each dimension, at which of its indices a mark has come out; at all where none could be seen."""
    there = output != without if output.is_floating_point() else torch.ones_like(output, dtype=torch.bool)
    return [there.movedim(dim, 0).flatten(1).any(1) for dim in range(there.dim())]


def _clearest(reached: list[Tensor], seen: _Seen, shift: _Regular | None) -> _Seen:
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
    return _Seen(windows, dim - len(reached), _after(seen.regular, step))


def _step(marks: Tensor) -> _Regular | None:
    """How windows over `n` indices move from each to the next; `marks` is `(n, windows)`."""
    numbers = torch.arange(len(marks))[:, None]
    first = numbers.where(marks, _NOWHERE).amin(0)
    size = numbers.where(marks, -_NOWHERE).amax(0) + 1 - first
    moves = first.diff()
    if not len(moves) or size.ne(size[0]).any() or moves.ne(moves[0]).any() or moves[0] <= 0:
        return None
    return _Regular(int(first[0]), int(moves[0]), int(size[0]))


def _padded(note: Note, dim: int) -> int:
    """How much a padding adds before the first index."""
    pad = note.args[1] if len(note.args) > 1 else note.kwargs["pad"]
    place = 2 * (-dim - 1)
    return pad[place] if len(pad) > place else 0
