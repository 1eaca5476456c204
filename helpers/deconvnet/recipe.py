"""What was recorded of one image as plain data, up to the scores of the classes, to be walked where no PyTorch is.

The functions that bend the signal have a step of their own, and so have convolution, linear layers and additions. Any
other linear function is tried out on numbers, and written as what it does to them: it moves them, scales each, or sums
some of them up.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, NamedTuple

import torch
from torch import Tensor

from helpers.deconvnet import refuse
from helpers.deconvnet.shares import scores_layer
from helpers.deconvnet.sliding import TAPS, Taps
from helpers.deconvnet.tape import Note, Value
from helpers.deconvnet.trace import Trace
from helpers.deconvnet.ways_back import pair, settings_of

# So many pairs of an input's and an output's number are tried out at most, which takes some seconds.
_PAIRS = 2**28


@dataclass(frozen=True)
class Step:
    """One function.

    Attributes:
        function: `conv2d`, `max_pool2d`, `adaptive_max_pool2d`, `relu`, `linear`, `add`, `local_response_norm`; or what
            any other does: `cat`, `reshape`, `take`, `scale`, `matrix`.
        inputs: the values that it takes. The value 0 is the image, the value i what the i-th step gives.
        shape: of what it gives.
        settings: numbers, and lists of them.
        tensors: by their parts in the function; one for each network.
    """

    function: str
    inputs: list[int]
    shape: list[int]
    settings: dict[str, Any]
    tensors: dict[str, list[Tensor]]


@dataclass(frozen=True)
class Recipe:
    """How networks that differ in their weights alone come from an image to the scores of the classes.

    Attributes:
        shape: of the image.
        steps: in their order. What the last one gives are the scores, if there are any.
        layers: the value of each layer by its name, in order. All of them can be projected.
        scores: the name of the layer with the scores; None if the network ends with something else.
    """

    shape: list[int]
    steps: list[Step]
    layers: dict[str, int]
    scores: str | None


def recipe_of(traces: Sequence[Trace]) -> Recipe:
    """The recipe of the networks of these traces, each of one image.

    Raises:
        ValueError: they were not recorded with one image each, they took different ways, or a function on the way to
            the scores has no way back or can't be written. It is named.
    """
    first = traces[0]
    if any(len(trace.images) != 1 for trace in traces):
        raise ValueError("a recipe is of one image; record one at a time")
    for trace in traces[1:]:
        check_same_way(first, trace)
    try:
        scores: str | None = scores_layer(first)
    except ValueError:
        scores = None
    end = scores or list(first.activations)[-1]
    for trace in traces:
        if why := refuse.why_not(trace.value(end), trace.way(trace.value(end)), 1):
            raise ValueError(f"the network can't be written up to layer {end!r}: {why}")
    writer = _Writer(traces)
    wanted = {first.value(end)}
    for note in first.way(first.value(end)):
        wanted.update(value for value in note.inputs if value is not None)
    with torch.no_grad():
        for notes in zip(*(trace.notes for trace in traces), strict=True):
            for place, value in enumerate(notes[0].outputs):
                if value in wanted:
                    writer.write(notes, place)
    shapes = {name: output.shape for name, output in first.activations.items()}
    layers = {
        name: writer.numbers[first.value(name)]
        for name, shape in shapes.items()
        if first.value(name) in writer.numbers and len(shape) in (2, 4) and shape[0] == 1
    }
    return Recipe(list(first.images.shape), writer.steps, layers, scores)


def check_same_way(one: Trace, other: Trace) -> None:
    """Raise unless both have gone through the same functions.

    Raises:
        ValueError: they have not; the first difference is named.
    """
    first, second = (
        [
            (note.called, note.module, [value.tensor.shape for value in note.outputs if value.tensor is not None])
            for note in trace.notes
        ]
        for trace in (one, other)
    )
    if first != second:
        both = zip(first, second, strict=False)
        at = next((i for i, (mine, theirs) in enumerate(both) if mine != theirs), len(first) - 1)
        raise ValueError(
            "the network takes another way for another image, or with other weights, from "
            f"{refuse.where(one.notes[at])} on; only what it does for all of them can be written"
        )


class _Writer:
    """Writes one step after the other. `numbers` are those of the values that have been written."""

    def __init__(self, traces: Sequence[Trace]) -> None:
        self.steps: list[Step] = []
        self.numbers: dict[Value, int] = {trace.source: 0 for trace in traces}

    def write(self, notes: Sequence[Note], place: int) -> None:
        """The output of this place of one function, as each network has called it."""
        note, value = notes[0], notes[0].outputs[place]
        if value.tensor is not None and not value.tensor.is_floating_point():
            return  # the places of a max pooling
        if any(one is not None and not carries for one, carries in zip(note.inputs, note.carry, strict=True)):
            raise _cannot(note, "it takes its places from what came from the image")
        inputs = [[self.numbers[one] for one in each.inputs if one is not None] for each in notes]
        if any(others != inputs[0] for others in inputs):
            raise _cannot(note, "networks with other weights call it with something else")
        known = _KNOWN.get(note.name or "")
        number = known(self, notes, inputs[0]) if known else None
        if number is None:
            number = self._tried(notes, place, inputs[0])
        self.numbers.update((each.outputs[place], number) for each in notes)

    def add(self, function: str, inputs: Sequence[int], shape: Sequence[int], **parts: Any) -> int:
        """The number of what this step gives. A part is a setting, or a list of one tensor for each network."""
        tensors = {name: part for name, part in parts.items() if isinstance(part, list) and isinstance(part[0], Tensor)}
        settings = {name: part for name, part in parts.items() if name not in tensors and part is not None}
        self.steps.append(Step(function, list(inputs), list(shape), settings, tensors))
        return len(self.steps)

    def _tried(self, notes: Sequence[Note], place: int, inputs: list[int]) -> int:
        """A linear function, but for a constant, by what it does to numbers."""
        functions = [_Tried(note, place) for note in notes]
        shape = functions[0].shape
        if (index := _moved(functions)) is not None:
            constant = {"constant": _constants(functions)} if any(one.constant.any() for one in functions) else {}
            if not index.equal(torch.arange(sum(functions[0].sizes))):
                return self.add("take", inputs, shape, index=[index] * len(notes), **constant)
            if not constant:
                return self.add("reshape" if len(inputs) == 1 else "cat", inputs, shape)
        if (factors := _scaled(functions)) is not None:
            shifts = _constants(functions)
            return self.add("scale", inputs, shape, factor=_shortened(factors, shape), shift=_shortened(shifts, shape))
        summed = _summed(functions, notes[0])
        shifts = _shortened(_constants(functions), shape)
        if summed.planes == 1 and len(summed.rows) > summed.outputs * summed.inputs / 2:
            return self.add("linear", inputs, shape, weight=summed.dense(), bias=_constants(functions))
        ends = torch.bincount(summed.rows, minlength=summed.outputs).cumsum(0)
        shared = {"starts": torch.cat([ends.new_zeros(1), ends]), "columns": summed.columns}
        tensors = {name: [one] * len(notes) for name, one in shared.items()} | {"weight": summed.weights}
        return self.add("matrix", inputs, shape, planes=summed.planes, **tensors, shift=shifts)


def _cannot(note: Note, why: str) -> ValueError:
    return ValueError(f"{refuse.where(note)} can't be written: {why}")


# Functions that are written as what they are: the number of what was added, or None if they have to be tried.


def _conv2d(writer: _Writer, notes: Sequence[Note], inputs: list[int]) -> int | None:
    note, shape = notes[0], notes[0].tensors[0].shape
    if len(shape) == 4 and shape[0] != 1:
        return None
    groups = settings_of(*note.args, **note.kwargs).groups
    taps = TAPS["conv2d"](*note.args, **note.kwargs)
    return writer.add("conv2d", inputs, _shape_of(note), groups=groups, **_lists(taps._asdict()), **_weights(notes))


def _weights(notes: Sequence[Note]) -> dict[str, list[Tensor]]:
    """Those of a function that takes an input, a weight and a bias."""
    found = {"weight": [note.given(1, "weight") for note in notes]}
    if notes[0].given(2, "bias") is not None:
        found["bias"] = [note.given(2, "bias") for note in notes]
    return found


def _linear(writer: _Writer, notes: Sequence[Note], inputs: list[int]) -> int | None:
    weight = notes[0].given(1, "weight")
    if weight.dim() != 2 or notes[0].tensors[0].numel() != weight.shape[1]:
        return None
    return writer.add("linear", inputs, _shape_of(notes[0]), **_weights(notes))


def _max_pool2d(writer: _Writer, notes: Sequence[Note], inputs: list[int]) -> int:
    taps = TAPS["max_pool2d"](*notes[0].args, **notes[0].kwargs)
    return writer.add("max_pool2d", inputs, _shape_of(notes[0]), **_lists(taps._asdict()))


def _max_pool1d(writer: _Writer, notes: Sequence[Note], inputs: list[int]) -> int:
    """As in planes of a single row."""
    note = notes[0]
    sides = [note.given(i, name, default) for i, (name, default) in enumerate(_POOL1D, start=1)]
    kernel, stride, padding, dilation = (pair(one)[0] for one in (sides[0], sides[1] or sides[0], *sides[2:]))
    taps = Taps((1, kernel), (1, stride), (0, padding), (1, dilation))
    *before, length = note.tensors[0].shape
    rows = writer.add("reshape", inputs, [*before, 1, length])
    out = _shape_of(note)
    pooled = writer.add("max_pool2d", [rows], [*out[:-1], 1, out[-1]], **_lists(taps._asdict()))
    return writer.add("reshape", [pooled], out)


_POOL1D = (("kernel_size", None), ("stride", None), ("padding", 0), ("dilation", 1))


def _adaptive_max_pool2d(writer: _Writer, notes: Sequence[Note], inputs: list[int]) -> int:
    return writer.add("adaptive_max_pool2d", inputs, _shape_of(notes[0]))


def _fractional_max_pool2d(writer: _Writer, notes: Sequence[Note], inputs: list[int]) -> int:
    raise _cannot(notes[0], "it chooses its windows by chance")


def _relu(writer: _Writer, notes: Sequence[Note], inputs: list[int]) -> int | None:
    note = notes[0]
    if note.tensors[note.carry.index(True)].shape != torch.Size(_shape_of(note)):
        return None
    match note.name:
        case "relu6":
            most: Any = 6
        case "hardtanh":
            most = note.given(2, "max_val", 1)
        case "clamp" | "clip":
            most = note.given(2, "max")
        case _:
            most = None
    return writer.add("relu", inputs, _shape_of(note), max=None if most is None else float(most))


def _local_response_norm(writer: _Writer, notes: Sequence[Note], inputs: list[int]) -> int:
    note = notes[0]
    settings = {"alpha": note.given(2, "alpha", 1e-4), "beta": note.given(3, "beta", 0.75), "k": note.given(4, "k", 1)}
    return writer.add("local_response_norm", inputs, _shape_of(note), size=note.given(1, "size"), **settings)


def _add(writer: _Writer, notes: Sequence[Note], inputs: list[int]) -> int | None:
    note = notes[0]
    if len(inputs) != 2:
        return None
    out = _shape_of(note)
    alpha = float(note.kwargs.get("alpha", 1)) * (1 if note.name == "add" else -1)
    summands = []
    for number, tensor in zip(inputs, note.tensors, strict=True):
        if tensor.shape != torch.Size(out):
            index = torch.arange(tensor.numel()).view(tensor.shape).expand(out).flatten()
            number = writer.add("take", [number], out, index=[index] * len(notes))
        summands.append(number)
    return writer.add("add", summands, out, alpha=alpha)


_KNOWN: Mapping[str, Callable[[_Writer, Sequence[Note], list[int]], int | None]] = {
    "conv2d": _conv2d,
    "linear": _linear,
    "max_pool1d": _max_pool1d,
    "max_pool2d": _max_pool2d,
    "adaptive_max_pool2d": _adaptive_max_pool2d,
    "fractional_max_pool2d": _fractional_max_pool2d,
    "local_response_norm": _local_response_norm,
    **dict.fromkeys("relu relu6 hardtanh clamp clip clamp_min threshold maximum max".split(), _relu),
    **dict.fromkeys("add sub subtract".split(), _add),
}


def _lists(settings: Mapping[str, Any]) -> dict[str, list[int]]:
    return {name: list(one) for name, one in settings.items()}


def _shape_of(note: Note) -> list[int]:
    """Of its first output that is no place."""
    return list(
        note.outputs[0].tensor.shape if note.outputs[0].tensor is not None else note.run(*note.tensors)[0].shape
    )


# Functions that are tried out


class _Tried:
    """A linear function but for a constant, from all numbers that carry the signal, in a row, to those of its output.

    In double precision, so that what it does can be told from rounding.
    """

    def __init__(self, note: Note, place: int) -> None:
        self.note, self.place = note, place
        carrying = [one for one, carries in zip(note.tensors, note.carry, strict=True) if carries]
        self.sizes = [one.numel() for one in carrying]
        self.input = carrying[0].shape
        output = self._run(torch.zeros(sum(self.sizes), dtype=torch.float64))
        self.shape, self.constant = output.shape, output.flatten()

    def __call__(self, numbers: Tensor) -> Tensor:
        """Without its constant."""
        return self._run(numbers).flatten() - self.constant

    def _run(self, numbers: Tensor) -> Tensor:
        parts = iter(numbers.split(self.sizes))
        tensors = [
            next(parts).view(one.shape) if carries else one.double() if one.is_floating_point() else one
            for one, carries in zip(self.note.tensors, self.note.carry, strict=True)
        ]
        outputs = self.note.run(*tensors)
        # Some functions hand on what they are given, if it lies in memory as they want it.
        return (outputs[self.place] if outputs else tensors[self.note.carry.index(True)]).double()

    def some(self) -> Tensor:
        """Numbers to try with."""
        return torch.randn(sum(self.sizes), dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def _constants(functions: Sequence[_Tried]) -> list[Tensor]:
    return [one.constant for one in functions]


def _moved(functions: Sequence[_Tried]) -> Tensor | None:
    """Which of its inputs' numbers each of its output's is, -1 for none; None if it is something else."""
    numbers = functions[0].some()
    found = functions[0](torch.arange(1, len(numbers) + 1, dtype=torch.float64))
    index = found.round()
    if not index.equal(found) or index.min() < 0 or index.max() > len(numbers):
        return None
    moved = torch.cat([numbers.new_zeros(1), numbers])[index.long()]
    if all(one._run(numbers).flatten().equal(moved + one.constant) for one in functions):
        return index.long() - 1
    return None


def _scaled(functions: Sequence[_Tried]) -> list[Tensor] | None:
    """The factor of each number; None if it is something else."""
    numbers = functions[0].some()
    if len(functions[0].constant) != len(numbers):
        return None
    factors = [one(torch.ones_like(numbers)) for one in functions]
    if all(_near(one(numbers), numbers * factor) for one, factor in zip(functions, factors, strict=True)):
        return factors
    return None


class _Summed(NamedTuple):
    """A sparse matrix `(outputs, inputs)` for each network, and how many parts of input and output each go through it.

    The rows and columns of its numbers are those of all networks, in order.
    """

    planes: int
    outputs: int
    inputs: int
    rows: Tensor
    columns: Tensor
    weights: list[Tensor]

    def dense(self) -> list[Tensor]:
        full = [one.new_zeros(self.outputs, self.inputs) for one in self.weights]
        return [one.index_put((self.rows, self.columns), own) for one, own in zip(full, self.weights, strict=True)]


def _summed(functions: Sequence[_Tried], note: Note) -> _Summed:
    """The matrices of the functions. If each map is summed up as the others are, that of a map.

    Raises:
        ValueError: they have none, or it is too large to be found.
    """
    first, numbers = functions[0], functions[0].some()
    maps = first.input[1] if len(first.sizes) == 1 and min(len(first.input), len(first.shape)) > 2 else 1
    # Without weights of its own it is the same in all networks.
    different = functions if len(note.tensors) > len(first.sizes) else functions[:1]
    for planes in (maps, 1) if maps > 1 and maps == first.shape[1] else (1,):
        inputs, outputs = len(numbers) // planes, len(first.constant) // planes
        if inputs * outputs > _PAIRS:
            raise _cannot(note, f"it makes {outputs} numbers of {inputs}, which are too many to try")
        found = [_entries(one, planes, inputs, outputs) for one in different]
        places = torch.cat([places for places, _ in found]).unique()
        rows, columns = places // inputs, places % inputs
        weights = [own.new_zeros(len(places)).scatter(0, torch.searchsorted(places, at), own) for at, own in found]
        for one, own in zip(different, weights, strict=True):
            sums = own.new_zeros(planes, outputs).index_add(1, rows, numbers.view(planes, inputs)[:, columns] * own)
            if not _near(one(numbers), sums.flatten()):
                break
        else:
            return _Summed(planes, outputs, inputs, rows, columns, weights * (len(functions) // len(different)))
    raise _cannot(note, "what it does to numbers is not known")


def _entries(function: _Tried, planes: int, inputs: int, outputs: int) -> tuple[Tensor, Tensor]:
    """Where its matrix is not zero, row by row, and the numbers there. All parts are tried at once."""
    places, values = [], []
    for i in range(inputs):
        one = torch.zeros(planes, inputs, dtype=torch.float64)
        one[:, i] = 1
        column = function(one.flatten())[:outputs]
        rows = column.nonzero().flatten()
        places.append(rows * inputs + i)
        values.append(column[rows])
    return torch.cat(places), torch.cat(values)


def _near(one: Tensor, other: Tensor) -> bool:
    return bool((one - other).abs().max() <= 1e-9 * max(1, float(other.abs().max())))


def _shortened(tensors: list[Tensor], shape: Sequence[int]) -> list[Tensor]:
    """One number for all where they are equal, or one for each map."""
    maps = prod(shape[:2])
    for count in (1, maps):
        rows = [one.view(count, -1) for one in tensors]
        if all((one == one[:, :1]).all() for one in rows):
            return [one[:, 0].contiguous() for one in rows]
    return tensors
