"""The way back of peaks, computed only in the windows that they reach.

A peak is one number, and it spreads no further down than what it has seen: all else is zero. It goes as one number
through ReLUs and max poolings, whose switches say where. Below these, each signal is held in windows, `(K, N, C, h, w)`
for K maps of N images, and a `Span` says where they stand. The mathematics is that of `ways_back`, in smaller planes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from helpers.deconvnet.arguments import joined_along
from helpers.deconvnet.places import peaks
from helpers.deconvnet.sliding import TAPS, Span, Taps, padding_before
from helpers.deconvnet.tape import Note, Value
from helpers.deconvnet.trace import Trace
from helpers.deconvnet.ways_back import RULES, Up, settings_of, unpool

Spans = tuple[Span, Span]

_RECTIFIERS = {"relu", "relu6", "hardtanh", "clamp", "clip", "clamp_min", "threshold", "maximum", "max"}
# What changes each number by itself,
_BY_NUMBER = _RECTIFIERS | {"batch_norm", "clone", "contiguous", "local_response_norm"}
_CAT = {"cat", "concat", "concatenate"}
_PAD = {"pad", "constant_pad_nd"}
# and what takes several from the same place.
_IN_PLACE = _BY_NUMBER | _CAT | {"add", "sub", "subtract"}

# Up to this share of a plane, a window is less work.
_SHARE = 0.5
# And it has to spare this share of all numbers on the way, as what is gained high up is lost among what comes below.
_GAIN = 0.25
# As long as for so many numbers, Python takes to find out where a function's windows stand.
_NUMBERS = 2**16


# Where the windows stand


@dataclass(frozen=True)
class Plan:
    """How far down windows go.

    Attributes:
        lone: through so many notes of the way, from the top, each peak goes as one number,
        steps: and through so many in all before its windows become whole planes.
        start: the value at which it ceases to be one number.
        spans: for each value on the way from there, what its windows hold, vertically and horizontally: those that
            belong to a peak which stands at the position i of `start`.
        nbytes: of one map of one image, in the largest window.
    """

    lone: int
    steps: int
    start: Value
    spans: Mapping[Value, Spans]
    nbytes: int


def plan(trace: Trace, way: list[Note], value: Value, peaks: int) -> Plan | None:
    """How far down so many peaks of `value` go in windows before whole planes are less work; None if not at all."""
    lone = saved = largest = 0
    while lone < len(way) and _is_lone(way[lone], trace):
        value = next(one for one in way[lone].inputs if one is not None)
        lone, saved = lone + 1, saved + _recorded(value, trace)[0].numel()
    if not _has_planes(value, trace):
        return None
    spans = {value: (Span(0, 1, 1), Span(0, 1, 1))}
    steps = lone
    for note in way[lone:]:
        if note.outputs[0] in spans:
            below = _spans_below(note, spans, trace)
            if below is None:
                break
            spans |= below
        steps += 1
    for one, (vertical, horizontal) in spans.items():
        if one is not value:
            _, channels, height, width = _recorded(one, trace).shape
            numbers = channels * vertical.size * horizontal.size
            largest, saved = max(largest, numbers), saved + channels * height * width - numbers
    passed = {one for note in way for one in note.inputs if one is not None and _has_planes(one, trace)}
    numbers = sum(_recorded(one, trace)[0].numel() for one in passed)
    if steps == lone or saved < _GAIN * numbers or peaks * saved < (steps - lone) * _NUMBERS:
        return None
    return Plan(lone, steps, value, spans, largest * trace.images.element_size())


def _is_lone(note: Note, trace: Trace) -> bool:
    """Whether one number goes back through `note` as one number."""
    values = [one for one in note.inputs if one is not None]
    return (
        note.name in _BY_NUMBER | {"max_pool2d"}
        and len(values) == 1
        and all(_has_planes(one, trace) for one in (note.outputs[0], *values))
        and (len(note.outputs) == 1 or note.switches is not None)
    )


def _recorded(value: Value, trace: Trace) -> Tensor:
    return trace.images if value is trace.source else trace.activations[value.names[0]]


def _has_planes(value: Value, trace: Trace) -> bool:
    """Whether it is `(N, C, h, w)`. One that was written over is not known any more."""
    if value is not trace.source and not value.names:
        return False
    shape = _recorded(value, trace).shape
    return len(shape) == 4 and shape[0] == trace.images.shape[0]


def _spans_below(note: Note, spans: Mapping[Value, Spans], trace: Trace) -> dict[Value, Spans] | None:
    """Where the windows of what `note` was given stand, with those that stand there already; None if they can't."""
    carrying = [one for one, carries in zip(note.inputs, note.carry, strict=True) if carries and one is not None]
    several = len(note.outputs) > 1 and note.switches is None
    if several or not all(_has_planes(one, trace) for one in (note.outputs[0], *carrying)):
        return None
    found: dict[Value, Spans] = {}
    own = _own_spans(note, spans[note.outputs[0]], trace)
    for one in carrying:
        there = found.get(one, spans.get(one))
        if own is None:
            return None
        vertical, horizontal = own if there is None else (own[0].joined(there[0]), own[1].joined(there[1]))
        if vertical is None or horizontal is None:
            return None
        height, width = _recorded(one, trace).shape[2:]
        if vertical.size * horizontal.size > _SHARE * height * width:
            return None
        found[one] = vertical, horizontal
    return found


def _own_spans(note: Note, spans: Spans, trace: Trace) -> Spans | None:
    """Where what comes back through `note` stands, at whatever it was given; None if it can't be had in windows."""
    vertical, horizontal = spans
    if (
        note.name is not None
        and note.name in TAPS
        and note.carry[0]
        and (note.name != "max_pool2d" or note.switches is not None)
    ):
        taps = TAPS[note.name](*note.args, **note.kwargs)
        return taps.span(0).through(vertical), taps.span(1).through(horizontal)
    if note.name in _CAT:
        dim = joined_along(note.args, note.kwargs)
        return spans if dim in (1, -3) and all(one.dim() == 4 for one in note.tensors) else None
    if note.name in _IN_PLACE:
        shape = _recorded(note.outputs[0], trace).shape
        carrying = zip(note.tensors, note.carry, strict=True)
        return spans if all(one.shape == shape for one, carries in carrying if carries) else None
    if note.name in _PAD:
        pad = note.given(1, "pad")
        # In constant_pad_nd what stands third is the value.
        if any(pad[4:]) or note.name == "pad" and note.given(2, "mode", "constant") != "constant":
            return None
        top, left = (padding_before(axis, pad) for axis in (0, 1))
        return Span(-top, 1, 1).through(vertical), Span(-left, 1, 1).through(horizontal)
    return None


@dataclass(frozen=True, eq=False)
class Frame:
    """The windows of one value.

    Attributes:
        rows, columns: the first of each, `(K, N)`. They may stand before the plane, and end behind it.
        size: `(h, w)`, of the windows.
        plane: `(H, W)`.
    """

    rows: Tensor
    columns: Tensor
    size: tuple[int, int]
    plane: tuple[int, int]

    def positions(self) -> Tensor:
        """Of each number in the windows the position in the plane, counted row by row: `(K, N, h · w)`. What stands
        outside is given the nearest one.
        """
        rows, columns = (
            (first[..., None] + torch.arange(size, device=first.device)).clamp(0, side - 1)
            for first, size, side in zip((self.rows, self.columns), self.size, self.plane, strict=True)
        )
        return (rows[..., None] * self.plane[1] + columns[..., None, :]).flatten(2)

    def cut(self, planes: Tensor) -> Tensor:
        """The windows of `(N, C, H, W)`."""
        index = self.positions()[:, :, None].expand(-1, -1, planes.shape[1], -1)
        return planes.flatten(2).expand(len(index), -1, -1, -1).gather(3, index).unflatten(3, self.size)

    def inside(self, windows: Tensor) -> Tensor:
        """The same, but zero outside the plane."""
        for dim, first in enumerate((self.rows, self.columns)):
            size, side = self.size[dim], self.plane[dim]
            # Elsewhere Python would wait for these numbers.
            if first.is_cpu and int(first.amin()) >= 0 and int(first.amax()) + size <= side:
                continue
            numbers = first[..., None] + torch.arange(size, device=first.device)
            there = ((numbers >= 0) & (numbers < side))[:, :, None]
            windows = windows * (there[..., None] if dim == 0 else there[..., None, :])
        return windows


@dataclass(frozen=True, eq=False)
class Windows:
    """A signal that is zero outside its windows, `(K, N, C, h, w)`."""

    values: Tensor
    frame: Frame

    def add_to(self, planes: Tensor) -> Tensor:
        """`planes` `(K, N, C, H, W)`, to which the windows are added in place."""
        index = self.frame.positions()[:, :, None].expand(-1, -1, planes.shape[2], -1)
        planes.view(*planes.shape[:3], -1).scatter_add_(3, index, self.values.flatten(3))
        return planes

    def whole(self) -> Tensor:
        """`(K, N, C, H, W)`."""
        return self.add_to(self.values.new_zeros(*self.values.shape[:3], *self.frame.plane))


# The way down


class Descent:
    """The way of peaks down through windows.

    Args:
        images: the images, of the trace's, whose peaks they are.
        ways_back: the mathematics, such as `WAYS_BACK`.
    """

    def __init__(
        self,
        way: list[Note],
        plan: Plan,
        trace: Trace,
        rule: Callable[[Tensor, Tensor], Tensor],
        ways_back: Mapping[str, Callable[..., Any]],
        images: slice = slice(None),
    ) -> None:
        self._way, self._plan, self._trace, self._images = way, plan, trace, images
        self._rule, self._ways_back = rule, ways_back

    def signals(self, maps: Tensor, channels: Tensor | slice) -> dict[Value, Windows]:
        """What is left where the windows end, for the peaks of `maps` `(N, K, h, w)`, of these channels."""
        places = peaks(maps).T
        values = maps.flatten(2).transpose(0, 1).gather(2, places[..., None])[..., 0]
        rows, columns = places // maps.shape[3], places % maps.shape[3]
        if isinstance(channels, slice):
            channels = (channels.start or 0) + torch.arange(maps.shape[1], device=maps.device)
        own = torch.arange(len(maps), device=maps.device), channels[:, None]
        for note in self._way[: self._plan.lone]:
            if note.name == "max_pool2d":
                width = note.tensors[0].shape[-1]
                places = self._of_images(self._trace.switches[note.outputs[0].names[0]])[*own, rows, columns]
                rows, columns = places // width, places % width
            else:
                values = self._number(note, values, own, rows, columns)
        self._rows, self._columns = rows, columns
        return self._in_windows(values, channels)

    def _number(self, note: Note, values: Tensor, own: tuple[Tensor, Tensor], rows: Tensor, columns: Tensor) -> Tensor:
        """What comes back of one number of each map, `(K, N)`, through what changes each number by itself."""
        assert note.name is not None
        recorded = self._of_images(_recorded(note.outputs[0], self._trace))
        if note.name == "batch_norm":
            one = values.new_ones(1, 1, recorded.shape[1], 1, 1)
            (factors,) = self._ways_back[note.name](one, self._up(note, note.tensors), *note.args, **note.kwargs)
            return values * factors.flatten()[own[1]]
        shape = torch.empty(values.shape[1], 1, 1, 1, device="meta")
        up = self._up(note, [shape if carries else one for one, carries in zip(note.tensors, note.carry, strict=True)])
        up = up._replace(output=recorded[*own, rows, columns][..., None, None, None])
        back = self._ways_back[note.name](values[..., None, None, None], up, *note.args, **note.kwargs)
        return next(one for one, carries in zip(back, note.carry, strict=False) if carries)[..., 0, 0, 0]

    def _in_windows(self, values: Tensor, channels: Tensor) -> dict[Value, Windows]:
        plan, trace = self._plan, self._trace
        signals: dict[Value, Tensor] = {}
        for note in self._way[plan.lone : plan.steps]:
            value = note.outputs[0]
            own = _own_spans(note, plan.spans[value], trace)
            assert own is not None
            if value is plan.start and note.name == "conv2d" and settings_of(*note.args, **note.kwargs).groups == 1:
                back: Any = (self._filtered(note, values, channels, own),)
            else:
                if value is plan.start:
                    signal = values.new_zeros(*values.shape, _recorded(value, trace).shape[1], 1, 1)
                    signal[torch.arange(len(channels), device=values.device), :, channels, 0, 0] = values
                elif value in signals:
                    signal = signals.pop(value)
                else:
                    continue
                back = self._undone(note, signal, own)
            for below, one in zip(note.inputs, back, strict=False):
                if below is not None and one is not None:
                    around = [
                        number
                        for span, both in zip(own[::-1], plan.spans[below][::-1], strict=True)
                        for number in (span.offset - both.offset, both.offset + both.size - span.offset - span.size)
                    ]
                    one = F.pad(one, around) if any(around) else one
                    signals[below] = signals[below] + one if below in signals else one
        return {value: Windows(one, self._frame(value, plan.spans[value])) for value, one in signals.items()}

    def _frame(self, value: Value, spans: Spans) -> Frame:
        vertical, horizontal = spans
        height, width = _recorded(value, self._trace).shape[2:]
        rows = vertical.offset + vertical.stride * self._rows
        columns = horizontal.offset + horizontal.stride * self._columns
        return Frame(rows, columns, (vertical.size, horizontal.size), (height, width))

    def _of_images(self, recorded: Tensor) -> Tensor:
        return recorded[self._images]

    def _up(self, note: Note, tensors: list[Tensor]) -> Up:
        return Up(note.run, tensors, note.carry, None, None, self._rule)

    def _filtered(self, note: Note, values: Tensor, channels: Tensor, own: Spans) -> Tensor:
        """One number of one channel: it gives the filter of this channel, so many times."""
        filters = note.tensors[1][channels]
        taps = TAPS["conv2d"](*note.args, **note.kwargs)
        back = values.new_zeros(*values.shape, filters.shape[1], own[0].size, own[1].size)
        torch.mul(
            values[..., None, None, None],
            filters[:, None],
            out=back[..., :: taps.dilation[0], :: taps.dilation[1]],
        )
        below = note.inputs[0]
        assert below is not None
        return self._frame(below, own).inside(back)

    def _undone(self, note: Note, signal: Tensor, own: Spans) -> Any:
        """What goes back through `note`, for each of its tensors, in windows that stand at `own`."""
        value, trace = note.outputs[0], self._trace
        spans = self._plan.spans[value]
        out = self._frame(value, spans)
        if note.name is not None and note.name in _IN_PLACE:
            reads = note.name in _RECTIFIERS and self._rule is not RULES["deconvnet"]
            tensors = [
                torch.empty(signal.shape[1], one.shape[1], *out.size, device="meta") if carries else one
                for one, carries in zip(note.tensors, note.carry, strict=True)
            ]
            output = out.cut(self._of_images(_recorded(value, trace))) if reads else signal[0]
            up = self._up(note, tensors)._replace(output=output)
            return self._ways_back[note.name](signal, up, *note.args, **note.kwargs)
        below = note.inputs[0]
        assert below is not None
        frame = self._frame(below, own)
        if note.name == "max_pool2d":
            return (self._unpooled(signal, self._of_images(trace.switches[value.names[0]]), out, frame),)
        if note.name == "conv2d":
            weight, settings = note.tensors[1], settings_of(*note.args, **note.kwargs)
            input = torch.empty(1, 1, *frame.size, device="meta")
            given = input, weight, None, settings.stride, 0, settings.dilation, settings.groups
            (signal,) = self._ways_back["conv2d"](signal, self._up(note, [input, weight]), *given)
        elif note.name == "avg_pool2d":
            signal = self._spread(note, signal, out, frame)
        return (frame.inside(signal),)

    def _unpooled(self, signal: Tensor, switches: Tensor, out: Frame, frame: Frame) -> Tensor:
        height, width = frame.size
        # Counted row by row through planes that are as wide as the windows, but stand as before.
        narrow = switches - switches.div(frame.plane[1], rounding_mode="floor") * (frame.plane[1] - width)
        first = frame.rows * width + frame.columns
        relative = out.cut(narrow) - first[..., None, None, None]
        # Outside the plane there is no switch, and no signal.
        return unpool(signal, relative.clamp_(0, height * width - 1), (height, width))

    def _spread(self, note: Note, signal: Tensor, out: Frame, frame: Frame) -> Tensor:
        """What an average pooling has averaged gets its share, each divided as it was on the way up."""
        taps = TAPS["avg_pool2d"](*note.args, **note.kwargs)
        vertical, horizontal = (
            _divisors(first, size, taps, axis, frame.plane[axis], note)
            for axis, (first, size) in enumerate(zip((out.rows, out.columns), out.size, strict=True))
        )
        shares = signal / (vertical[:, :, None, :, None] * horizontal[:, :, None, None, :])
        sum_up = partial(F.avg_pool2d, kernel_size=taps.kernel, stride=taps.stride, divisor_override=1)
        planes = signal.new_zeros(shares[:, :, 0, 0, 0].numel(), signal.shape[2], *frame.size)
        up = self._up(note, [planes])._replace(run=lambda one: (sum_up(one),))
        (back,) = self._ways_back["avg_pool2d"](shares.flatten(0, 1)[None], up)
        return back[0].unflatten(0, signal.shape[:2])


def _divisors(first: Tensor, size: int, taps: Taps, axis: int, side: int, note: Note) -> Tensor:
    """By how much an average pooling has divided along this axis: `(K, N, size)`, from these first positions on."""

    def settings(
        input: Tensor,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> tuple[bool, int | None]:
        return count_include_pad, divisor_override

    with_padding, override = settings(*note.args, **note.kwargs)
    if override is not None:
        return torch.full((*first.shape, size), override if axis == 0 else 1, device=first.device)
    start = (first[..., None] + torch.arange(size, device=first.device)) * taps.stride[axis] - taps.padding[axis]
    end = (start + taps.kernel[axis]).clamp(max=side + taps.padding[axis])
    if not with_padding:
        start, end = start.clamp(min=0), end.clamp(max=side)
    # Outside the plane there is nothing to divide.
    return (end - start).clamp(min=1)
