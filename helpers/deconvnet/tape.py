"""The way up: a model is run as it is, and each function that the images go through is noted.

Modules call functions, so functions are what a tape holds: `nn.Conv2d`, `F.conv2d` and `torch.conv2d` are one. Notes
lead from value to value. A tensor that is written in place stands for several values, one after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from helpers.deconvnet.arguments import in_order, looked_through, rebuilt, same, tensors_in
from helpers.deconvnet.functions import (
    CARRIES_NUMBERS,
    MAKES_NEW,
    NAMES,
    OPENS,
    POOLS,
    QUERIES,
    READS_NUMBERS,
    TAKES_SHAPE,
    pool,
)
from helpers.deconvnet.modules import Modules


@dataclass(eq=False, slots=True)
class Value:
    """What a tensor held, from when it was made until it was written over.

    Attributes:
        tensor: that; None where a write that could not be foreseen has destroyed it.
        maker: the number of the note of the function that made it; None for the images, and for what came from nowhere.
        known: whether it is the images, or has come from them in ways that were noted.
        names: of the modules that handed it on, the innermost first; or of the function that made it.
        owners: which image each of its numbers came from, -1 for none; None if each image owns as many as the others,
            in a row; once `refuse` has been asked.
    """

    tensor: Tensor | None
    # Not the note itself: notes hold values, and a circle would keep them in memory for long.
    maker: int | None
    known: bool = True
    names: tuple[str, ...] = ()
    owners: Tensor | None = None


@dataclass(eq=False, slots=True)
class Note:
    """One call of a function, to which the images had come.

    Attributes:
        function: what was called, with `args` and `kwargs`.
        name: its entry in `WAYS_BACK`; None if it has none.
        called: what one calls it.
        module: the path of the module that called it.
        tensors: all tensors among its arguments, in their order.
        inputs: the value of each of them; None for a constant.
        versions: of each of them, when it was called.
        after_reading: whether the model had read numbers out of the images' tensors before.
        switches: where the maxima stood, of a max pooling.
        written: the numbers of those tensors that were written in place.
        outputs: the values of what was written, and of the other tensors among its results.
        carry: for each of the tensors, whether a signal goes back to it; once `refuse` has been asked.
        why_not: why none can go back through the note, None if it can; once `refuse` has been asked.
    """

    function: Callable[..., Any]
    name: str | None
    called: str
    module: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    tensors: list[Tensor]
    inputs: list[Value | None]
    versions: list[int]
    after_reading: bool
    switches: Tensor | None = None
    written: tuple[int, ...] = ()
    outputs: list[Value] = field(default_factory=list)
    carry: tuple[bool, ...] = ()
    why_not: str | None = ""

    def given(self, position: int, name: str, default: Any = None) -> Any:
        """The argument of this name, which stands at this position if it was given without it."""
        return self.args[position] if len(self.args) > position else self.kwargs.get(name, default)

    def replace(self, others: dict[int, Tensor]) -> None:
        """Go on with other tensors in the place of those that have these `id`s."""
        self.tensors = [others.get(id(one), one) for one in self.tensors]
        self.versions = [
            one._version if id(one) in map(id, others.values()) else version
            for one, version in zip(self.tensors, self.versions, strict=True)
        ]
        self.args = rebuilt(self.args, lambda one: others.get(id(one), one))
        self.kwargs = rebuilt(self.kwargs, lambda one: others.get(id(one), one))

    def run(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """The tensors of `outputs`, had the function been given these. They are not written."""
        own = [one.clone() if i in self.written else one for i, one in enumerate(tensors)]
        left = iter(own)
        args = rebuilt(self.args, lambda _: next(left))
        kwargs = rebuilt(self.kwargs, lambda _: next(left))
        results = tensors_in(self.function(*args, **kwargs))
        given = {id(one) for one in own}
        return (*(own[i] for i in self.written), *(one for one in results if id(one) not in given))


@dataclass(eq=False, slots=True)
class _Write:
    """That the tensor `into`, written in place, became `value`; its storage's version went from `before` to `after`."""

    before: int
    after: int
    into: Tensor
    value: Value


class Tape(TorchFunctionMode):
    """Notes what happens to `images` while it is entered.

    Attributes:
        notes: the calls, in order.
        images: the value of the images.
    """

    def __init__(
        self,
        modules: Sequence[tuple[nn.Module, list[str]]],
        images: Tensor,
        constants: Sequence[Tensor],
        until: str = "",
    ) -> None:
        super().__init__()
        self.notes: list[Note] = []
        self.images = Value(images, None)
        self.values = [self.images]
        self._constants = {id(one): one for one in constants}
        self._current: dict[int, tuple[Tensor, Value, int]] = {}
        self._sharing: dict[int, list[Tensor]] = {}
        self._unsorted: list[Tensor] = []
        self._writes: dict[int, list[_Write]] = {}
        self._has_read = False
        self._opened: set[int] = set()
        self._modules = Modules(modules, until)
        self._hold(images, self.images)

    def __enter__(self) -> Tape:
        self._modules.watch(self.value_of)
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        self._modules.leave()

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        # The way back takes for granted which tensor stands first.
        kwargs = in_order(kwargs) if kwargs else {}
        if function in QUERIES:
            return function(*args, **kwargs)
        tensors, may_change, may_write = looked_through(args, kwargs)
        inputs = [self.value_of(tensor) for tensor in tensors]
        if function in MAKES_NEW or not any(inputs) or inputs[0] is None and function in TAKES_SHAPE:
            return self._constant(function, args, kwargs)

        # What follows a dot is an overload, such as that of `relu_.default`.
        called: str = getattr(function, "__name__", "function").partition(".")[0]
        if may_write or (called[-1] == "_" and called[-2:] != "__") or called == "__setitem__":
            self._save_what_shares(tensors)
        if may_change:
            args, kwargs = rebuilt(args, same), rebuilt(kwargs, same)
        name, versions = NAMES.get(function), [tensor._version for tensor in tensors]
        called, path = name or called.strip("_"), self._modules.path
        note = Note(function, name, called, path, args, kwargs, tensors, inputs, versions, self._has_read)
        given = tuple(tensors)
        if self._opened:
            self._keep_copies(self._opened, [note])
        if name in POOLS:
            result, note.switches = pool(name, function, args, kwargs)
        else:
            result = function(*args, **kwargs)
        if [tensor._version for tensor in given] != versions:
            self._note_writes(note)
        for tensor in (result,) if isinstance(result, Tensor) else tensors_in(result):
            # Some functions hand on what they were given.
            if function is Tensor.detach_ or not any([tensor is one for one in given]):
                self._add(tensor, note)
        if note.outputs:
            self.notes.append(note)
        elif function in READS_NUMBERS or _are_numbers(result):
            self._has_read = self._has_read or any([one.is_floating_point() for one in given])
        if function in OPENS:
            self._forget_what_shares(given)
        return result

    def _constant(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What the function gives, into which no image has gone; unless by numbers that were read before."""
        if function in OPENS:
            self._keep_copies({_storage(tensor) for tensor in tensors_in(args)})
        result = function(*args, **kwargs)
        for tensor in tensors_in((args, result)) if self._has_read else tensors_in(result):
            if self._has_read and (function in CARRIES_NUMBERS or any(type(one) is float for one in args)):
                self._constants.pop(id(tensor), None)
            elif id(tensor) not in self._current:
                self._constants[id(tensor)] = tensor
        return result

    @property
    def failed(self) -> str:
        """The path of the module in which the run has failed."""
        return self._modules.failed

    def value_of(self, tensor: Tensor) -> Value | None:
        """What `tensor` holds now; None for a constant."""
        held = self._current.get(id(tensor))
        if held is not None and held[2] == tensor._version:
            return held[1]
        if held is None and id(tensor) in self._constants and not self._writes:
            return None
        return self._followed(tensor, held)

    def _followed(self, tensor: Tensor, held: tuple[Tensor, Value, int] | None) -> Value | None:
        """The value of a tensor that may have been written under another name: through what shares its storage."""
        writes = self._writes.get(_storage(tensor), [])
        constant = held is None and id(tensor) in self._constants
        if held is None and not constant or held is not None and not writes:
            return self._unknown(tensor)
        if not writes:
            return None
        value, version = (held[1], held[2]) if held is not None else (None, writes[0].before)
        for write in writes:
            if write.after <= version:
                continue
            if write.before != version:
                break
            function = _overwritten(tensor, write.into)
            both, values = [tensor, write.into], [value, write.value]
            versions = [one._version for one in both]
            path, name = self._modules.path, "overwritten"
            note = Note(function, name, name, path, tuple(both), {}, both, values, versions, self._has_read)
            value = Value(None, len(self.notes))
            note.outputs = [value]
            self.notes.append(note)
            self.values.append(value)
            version = write.after
        if version != tensor._version:
            return self._unknown(tensor)
        assert value is not None
        value.tensor = tensor
        return self._hold(tensor, value)

    def _hold(self, tensor: Tensor, value: Value) -> Value:
        if id(tensor) not in self._current:
            if not torch._C._has_storage(tensor):
                raise ValueError(f"{_NOT_FOLLOWED}, such as sparse ones")
            self._unsorted.append(tensor)
        self._current[id(tensor)] = (tensor, value, tensor._version)
        return value

    def _that_share(self, storage: int) -> Sequence[Tensor]:
        """The tensors with this storage. They are sorted by it once something is written, which is rare."""
        for tensor in self._unsorted:
            self._sharing.setdefault(_storage(tensor), []).append(tensor)
        self._unsorted.clear()
        return self._sharing.get(storage, ())

    def _unknown(self, tensor: Tensor) -> Value:
        value = self._hold(tensor, Value(tensor, None, known=False))
        self.values.append(value)
        return value

    def _add(self, tensor: Tensor, note: Note) -> Value:
        value = self._hold(tensor, Value(tensor, len(self.notes)))
        note.outputs.append(value)
        self.values.append(value)
        return value

    def _save_what_shares(self, tensors: list[Tensor]) -> None:
        """Keep what may be written over: the values of all tensors that share a storage with these."""
        for storage in {_storage(tensor) for tensor in tensors}:
            for sharing in self._that_share(storage):
                value = self._current[id(sharing)][1]
                if value.tensor is sharing:
                    value.tensor = sharing.clone()

    def _forget_what_shares(self, tensors: Sequence[Tensor]) -> None:
        """What has been opened to others may be written where nobody sees it."""
        shared = [one for storage in {_storage(tensor) for tensor in tensors} for one in self._that_share(storage)]
        for tensor in (*tensors, *shared):
            self._unknown(tensor)

    def _note_writes(self, note: Note) -> None:
        # What is written is called `out`, or stands first. Others that share its storage only seem to be written.
        out = note.kwargs.get("out")
        order = sorted(range(len(note.tensors)), key=lambda i: note.tensors[i] is not out)
        storages: dict[int, int] = {}
        for i in order:
            if note.tensors[i]._version != note.versions[i]:
                storages.setdefault(_storage(note.tensors[i]), i)
        note.written = tuple(storages.values())
        for storage, i in storages.items():
            tensor, saved = note.tensors[i], None
            for sharing in self._that_share(storage):
                value = self._current[id(sharing)][1]
                if value.tensor is sharing:
                    value.tensor = None
                if sharing is tensor:
                    saved = value.tensor
            if saved is not None and saved.shape != tensor.shape:
                self._reshaped(tensor, saved, note)
            value = self._add(tensor, note)
            self._writes.setdefault(storage, []).append(_Write(note.versions[i], tensor._version, tensor, value))
        if isinstance(out, Tensor) and note.written:
            # As if it had not been there: the function gives the same without.
            note.kwargs = {name: one for name, one in note.kwargs.items() if name != "out"}
            last = max(i for i, tensor in enumerate(note.tensors) if tensor is out)
            for one in (note.tensors, note.inputs, note.versions):
                del one[last]
            note.written = ()

    def _reshaped(self, tensor: Tensor, saved: Tensor, note: Note) -> None:
        """`tensor` has taken another shape in place: notes go on with what it was."""
        for one in (*self.notes, note):
            if any(other is tensor for other in one.tensors):
                one.replace({id(tensor): saved})

    def _keep_copies(self, opened: set[int], notes: Sequence[Note] | None = None) -> None:
        """Constants in these storages may be written where nobody sees it: notes go on with what they are now."""
        self._opened |= opened
        for note in self.notes if notes is None else notes:
            constants = [one for one, value in zip(note.tensors, note.inputs, strict=True) if value is None]
            copies = {id(one): one.detach().clone() for one in constants if _storage(one) in opened}
            if copies:
                note.replace(copies)


def _overwritten(old: Tensor, into: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
    """`(old, new) -> old`, with what it shares with the tensor `into` replaced by `new`."""
    ends = [
        one.storage_offset() + sum((side - 1) * step for side, step in zip(one.shape, one.stride(), strict=True))
        for one in (old, into)
    ]
    numbers = torch.arange(max(ends) + 1, device=old.device)
    of_old, of_new = (
        numbers.as_strided(one.shape, one.stride(), one.storage_offset()).flatten() for one in (old, into)
    )

    def function(old: Tensor, new: Tensor) -> Tensor:
        storage = old.new_zeros(len(numbers)).index_copy(0, of_old, old.flatten()).index_copy(0, of_new, new.flatten())
        return storage[of_old].view(old.shape)

    return function


def _are_numbers(result: Any) -> bool:
    return isinstance(result, (int, float, complex, list)) and not isinstance(result, bool)


_NOT_FOLLOWED = "the network works on tensors that can't be followed"


def _storage(tensor: Tensor) -> int:
    try:
        return tensor.untyped_storage()._cdata
    except NotImplementedError as error:
        raise ValueError(f"{_NOT_FOLLOWED}, such as torch.func's: {error}") from error
