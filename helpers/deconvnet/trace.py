"""What one run of a model leaves for the way back, under the names of its layers."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

import torch
from torch import Tensor, nn

from helpers.deconvnet import refuse
from helpers.deconvnet.parts import Parts, State, state_of
from helpers.deconvnet.tape import Note, Tape, Value


class Layers(Mapping[str, Tensor]):
    """The outputs of the layers by name, in order. A layer that hands on what another made is found, but not listed."""

    def __init__(self, outputs: dict[str, Tensor], aliases: dict[str, str]) -> None:
        self._outputs = outputs
        self.aliases = aliases

    def __getitem__(self, name: str) -> Tensor:
        return self._outputs[self.aliases.get(name, name)]

    def __iter__(self) -> Iterator[str]:
        return iter(self._outputs)

    def __len__(self) -> int:
        return len(self._outputs)

    def __contains__(self, name: object) -> bool:
        return name in self._outputs or name in self.aliases


@dataclass(frozen=True)
class Trace:
    """What one forward pass leaves for the way back.

    Attributes:
        model: what was run.
        images: `(N, C, H, W)`, its input.
        activations: the output of each layer by its name, in order, `(N, C, h, w)`; `(N, C)` where it has one number a
            channel.
        switches: for each max pooling by its name, `(N, C, h, w)`, int64: where in the plane before pooling each
            maximum stood, counted row by row.
        parts, state: what the model consisted of, and what tells whether its weights have changed.
        source: what the images are in the notes.
        notes: what the model did.
        values: what each layer's name stands for; also of those whose output is of unknown origin.
    """

    model: nn.Module
    images: Tensor
    activations: Mapping[str, Tensor]
    switches: Mapping[str, Tensor]
    parts: Parts
    state: State
    source: Value
    notes: list[Note]
    values: Mapping[str, Value]

    @property
    def nbytes(self) -> int:
        """How many bytes it keeps, beyond the model's own."""
        kept = [self.images]
        for note in self.notes:
            kept += [*note.tensors, *(value.tensor for value in note.outputs if value.tensor is not None)]
            if note.switches is not None:
                kept.append(note.switches)
        storages = {_storage(one): one.untyped_storage().nbytes() for one in kept}
        own = {_storage(one) for one in (*self.parts.weights, *self.parts.others)}
        return sum(count for storage, count in storages.items() if storage not in own)

    def value(self, layer: str) -> Value:
        """What the output of `layer` is in the notes.

        Raises:
            TypeError: it is no name.
            ValueError: there is no such layer.
        """
        if not isinstance(layer, str):
            raise TypeError(f"layer is {layer!r}; it must be a name, one of {', '.join(map(repr, self.activations))}")
        if layer not in self.values:
            ending = [name for name in self.activations if name.endswith(f".{layer}")]
            near = ending[:3] or get_close_matches(layer, self.values, n=3)
            have = f"did you mean {' or '.join(map(repr, near))}? It has" if near else "it has"
            raise ValueError(f"layer {layer!r} is not in this network; {have} {', '.join(self.activations)}")
        return self.values[layer]

    def why_not(self, layer: str) -> str | None:
        """Why `layer` can't be projected; None if it can.

        Raises:
            ValueError: there is no such layer.
        """
        value = self.value(layer)
        return refuse.why_not(value, self.way(value), self.images.shape[0])

    def __str__(self) -> str:
        """A line for each layer, in order: its name, the shape of its output, and why it can't be projected if so."""
        shapes = {name: str(tuple(output.shape)) for name, output in self.activations.items()}
        wide, shaped = (max(map(len, texts), default=0) for texts in (shapes, shapes.values()))
        rows = [f"{name:{wide}}  {shape:{shaped}}  {self.why_not(name) or ''}" for name, shape in shapes.items()]
        return "\n".join(row.rstrip() for row in rows)

    def way(self, value: Value) -> list[Note]:
        """What leads from the images to `value`, last first."""
        wanted, way = {value}, []
        for note in reversed(self.notes):
            if not wanted.isdisjoint(note.outputs):
                way.append(note)
                wanted.update([one for one in note.inputs if one is not None])
        return way

    def check(self) -> None:
        """Raise unless the model is as it was recorded.

        Raises:
            ValueError: a layer was replaced, or its weights have changed.
        """
        with torch.no_grad():
            same = self.parts.are_there() and state_of(self.parts)[0] == self.state
        if not same:
            raise ValueError("the network has changed since this trace was recorded; record the images again")


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata


def trace_of(model: nn.Module, parts: Parts, state: State, tape: Tape) -> Trace:
    """What `tape` has noted of a run of `model`, whose parts were left in this state, with a name for each value."""
    taken = {path for _, some in parts.modules for path in some}
    taken.update(name for value in tape.values for name in value.names)
    values: dict[str, Value] = {}
    aliases: dict[str, str] = {}
    outputs: dict[str, Tensor] = {}
    switches: dict[str, Tensor] = {}
    for value in tape.values:
        if value.tensor is None or not value.tensor.is_floating_point():
            continue
        if not value.known:
            # Nobody knows what is written into it, so it is no activation; but it can be said of the layer.
            values.update(dict.fromkeys(value.names, value))
            continue
        if not value.names:
            if value.maker is None:
                continue
            value.names = (_name_of(value, tape.notes[value.maker], taken),)
        name, *others = dict.fromkeys(value.names)
        values[name], outputs[name] = value, value.tensor
        for other in others:
            values[other], aliases[other] = value, name
        if value.maker is not None and (places := tape.notes[value.maker].switches) is not None:
            switches[name] = places
    assert tape.images.tensor is not None
    return Trace(
        model=model,
        images=tape.images.tensor,
        activations=Layers(outputs, aliases),
        switches=Layers(switches, aliases),
        parts=parts,
        state=state,
        source=tape.images,
        notes=tape.notes,
        values=values,
    )


def _name_of(value: Value, note: Note, taken: set[str]) -> str:
    """The function's name, below the path of the module that called it; with a number if that is taken."""
    path = f"{note.module}.{note.called}" if note.module else note.called
    if len(note.outputs) > 1:
        path = f"{path}.{note.outputs.index(value)}"
    name, count = path, 1
    while name in taken:
        count += 1
        name = f"{path}:{count}"
    taken.add(name)
    return name
