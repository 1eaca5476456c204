"""Up and down: `DeconvNet.record` runs a model and notes what it does, `DeconvNet.project` undoes it for each map.

`DeconvNet.walk` undoes one function after the other, where you can watch. `project` arranges the same for speed.
"""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from math import isfinite
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from helpers.checks import as_integers, check_count, check_images, check_integer, check_layout
from helpers.deconvnet import fast, places, ready, refuse, windows
from helpers.deconvnet.apart import may_be_split
from helpers.deconvnet.arguments import tensors_in
from helpers.deconvnet.modules import Reached
from helpers.deconvnet.parts import parts_of, state_of
from helpers.deconvnet.tape import Note, Tape, Value
from helpers.deconvnet.trace import Trace, trace_of
from helpers.deconvnet.ways_back import RULES, WAYS_BACK, Up

# Bytes of the largest signal that `project` works on at a time, so that it stays in the processor's cache.
CHUNK = 2**24
# Bytes that the trace of a batch may keep if nobody says how large the batch is to be.
KEPT = 2**28
# More images at a time bring no gain.
BATCH = 250


class DeconvNet:
    """Maps the feature maps of a network back to pixels.

    The model is not copied: if its weights change, record again.

    Args:
        model: any module, in eval mode. It is run as it is.
        rule: what happens at a ReLU on the way back: `"deconvnet"`, `"gradient"` or `"guided"`.

    Raises:
        TypeError: `model` is no module, or one that can't be followed.
        ValueError: the rule is unknown.

    Source: Zeiler & Fergus (2013), "Visualizing and Understanding Convolutional Networks", arXiv:1311.2901,
        section 2.1.
    """

    def __init__(self, model: nn.Module, rule: str = "deconvnet") -> None:
        if not isinstance(rule, str) or rule not in RULES:
            raise ValueError(f"rule {rule!r} is not known; choose one of {', '.join(RULES)}")
        self.model = ready.unwrapped(model)
        self.rule = rule

    def record(self, images: Tensor, *further: object, **options: object) -> Trace:
        """Run the model on `images` `(N, C, H, W)` and keep what the way back needs.

        Args:
            further, options: what else the model takes. They are handed on as they are.

        Raises:
            TypeError: `images` is not a tensor of the model's dtype.
            ValueError: `images` has a shape or values that the model can't take, the model is in train mode, or one of
                its layers gives NaN or infinity.
        """
        return recorded(self.model, images, further, options)

    def stream(self, images: Tensor, batch_size: int | None = None, start: int = 0) -> Iterator[tuple[slice, Trace]]:
        """`record` a whole dataset, batch after batch, with a progress bar; no trace is kept.

            for part, trace in net.stream(images):
                ink[part] = net.project(trace, "pool2").clamp(min=0).sum(dim=(2, 3, 4))

        Stop whenever you like; `start=part.stop` goes on where you stopped.

        Args:
            images: `(N, C, H, W)`. They may be more than memory holds, in a tensor that is mapped to a file.
            batch_size: how many images to record at a time. Without it, as many as together keep up to 256 MiB, 250 of
                them at most and one at least. While one trace is made, your loop still holds the one before.
            start: the first image to record, counted from 0.

        Yields:
            which of the images they are, and their trace.

        Raises:
            TypeError: `images` is no tensor of floating-point pixels, or `batch_size` or `start` no integer.
            ValueError: `images` has another shape, `batch_size` is not positive, or `start` not from 0 to N; and as
                `record`, when it comes to that batch.
        """
        check_layout(images, "stream")
        if batch_size is not None:
            batch_size = check_count("batch_size", batch_size)
        start = check_integer("start", start)
        if not 0 <= start <= len(images):
            raise ValueError(f"start is {start}; it must be from 0 to {len(images)}, the number of images")
        return self._stream(images, batch_size, start)

    def _stream(self, images: Tensor, batch_size: int | None, start: int) -> Iterator[tuple[slice, Trace]]:
        # On stdout, as notebooks show stderr as an error.
        with tqdm(total=len(images), initial=start, desc="images", unit="image", file=sys.stdout) as bar:
            if batch_size is None:
                batch_size = fitting(self.record(images[start : start + 1])) if start < len(images) else BATCH
            for first in range(start, len(images), batch_size):
                part = slice(first, min(first + batch_size, len(images)))
                yield part, self.record(images[part])
                bar.update(part.stop - part.start)

    def project(
        self, trace: Trace, layer: str, channels: Sequence[int] | None = None, select: str | Tensor = "map"
    ) -> Tensor:
        """Each chosen feature map of `layer`, alone, back in pixels.

        All other maps of that layer are set to zero, once, at the top; on the way down nothing is. Beside the result it
        needs memory for some signals of 16 MiB each, however many maps and images there are. A signal is larger where
        one map of one image is, or of all images in a network that does not let them be parted.

        Args:
            trace: what `record` returned for the images.
            layer: the name of the layer whose output is projected.
            channels: the numbers of the feature maps, K of them, also as an array or a tensor; None for all.
            select: `"map"` projects the whole map, `"peak"` only its strongest activation, as in the paper's figure 2
                (the first of several that are equal). A mask of bool, `(h, w)` or `(N, h, w)`, projects the map's
                places where it is True.

        Returns:
            `(N, K, C, H, W)`, signed and not rescaled: positive where the filters ask for ink, negative for paper.

        Raises:
            TypeError: `trace` is no Trace, `layer` is no name, `channels` no sequence of integers, or `select` neither
                a text nor a tensor of bool.
            ValueError: the trace is of another model or was recorded before its weights changed; the layer, a channel
                or `select` does not exist; a mask has another shape than the layer, or is on another device; or a
                function between the layer and the pixels has no way back.
        """
        way = self._way(trace, layer)
        activation = maps_of(trace, layer)
        wanted = channels_of(activation, channels)
        selection = places.checked(select, activation)
        count = activation.shape[1] if isinstance(wanted, slice) else len(wanted)
        pixels = activation.new_zeros(activation.shape[0], count, *trace.images.shape[1:])
        with torch.no_grad():
            plan = windows.plan(trace, way, trace.value(layer), count * len(pixels)) if select == "peak" else None
            rest, room = (way[plan.steps :], plan.nbytes) if plan else (way, 0)
            for images, chosen in _portions(trace, rest, count, room):
                numbers = chosen if isinstance(wanted, slice) else wanted[chosen]
                maps = activation[images, numbers]
                signals: Signals = {}
                if plan:
                    descent = windows.Descent(way, plan, trace, RULES[self.rule], fast.WAYS_BACK, images)
                    signals.update(descent.signals(maps, numbers))
                else:
                    maps = places.selected(maps, selection, images).transpose(0, 1)
                    top = fast.Lone(maps.unsqueeze(2), numbers, activation.shape[1])
                    signals[trace.value(layer)] = top
                for note in rest:
                    _undo(signals, note, trace, RULES[self.rule], fast.WAYS_BACK, images)
                reached, part = signals.get(trace.source), pixels[images, chosen].transpose(0, 1)
                if isinstance(reached, windows.Windows):
                    reached.add_to(part)
                elif reached is not None:
                    part.copy_(fast.whole(reached))
        return pixels

    def walk(
        self, trace: Trace, layer: str, channels: Sequence[int] | None = None, select: str | Tensor = "map"
    ) -> Iterator[tuple[str, Tensor]]:
        """The way of `project`, one function at a time, and nothing but the mathematics of `ways_back`.

        Yields:
            the name of the function that was just undone, from `layer` down to the first, and the signal at its input,
            `(N, K, C, h, w)`, once all that used this input are undone. The last signal is what `project` returns,
            but for rounding.

        Raises:
            TypeError, ValueError: as `project`, before the first step.
        """
        way = self._way(trace, layer)
        activation = maps_of(trace, layer)
        wanted = channels_of(activation, channels)
        maps = places.selected(activation[:, wanted], places.checked(select, activation))
        top = fast.Lone(maps.transpose(0, 1).unsqueeze(2), wanted, activation.shape[1])
        return self._walk(fast.whole(top), way, trace, layer)

    def _walk(self, top: Tensor, way: list[Note], trace: Trace, layer: str) -> Iterator[tuple[str, Tensor]]:
        signals: Signals = {trace.value(layer): top}
        last_use = {value: note for note in way for value in note.inputs if value is not None}
        if not way:
            yield layer, top.transpose(0, 1)
        for note in way:
            # Left before each yield: whoever takes the signal may want gradients of their own.
            with torch.no_grad():
                _undo(signals, note, trace, RULES[self.rule], WAYS_BACK)
            for value in dict.fromkeys(value for value in note.inputs if value is not None):
                if last_use[value] is note and value in signals:
                    name = note.outputs[0].names[0] if note.outputs[0].names else note.called
                    yield name, fast.whole(signals[value]).transpose(0, 1)

    def _way(self, trace: Trace, layer: str) -> list[Note]:
        """The notes from `layer` down to the images, last first.

        Raises:
            TypeError, ValueError: as `project`.
        """
        if not isinstance(trace, Trace):
            raise TypeError(f"trace is a {type(trace).__name__}; a DeconvNet needs what record returned")
        if trace.model is not self.model:
            raise ValueError("the trace was recorded with another network; record the images with this one")
        trace.check()
        value = trace.value(layer)
        way = trace.way(value)
        if why := refuse.why_not(value, way, trace.images.shape[0]):
            raise ValueError(f"layer {layer!r} can't be projected: {why}")
        return way


def recorded(
    model: nn.Module,
    images: Tensor,
    further: Sequence[object] = (),
    options: Mapping[str, object] = {},
    until: str = "",
) -> Trace:
    """What `DeconvNet.record` returns. If a module has the path `until`, the model is run no further than that.

    Raises:
        TypeError, ValueError: as `DeconvNet.record`.
    """
    check_layout(images, "record")
    parts = parts_of(model)
    ready.check_model(model, parts.weights, images)
    with torch.inference_mode(False), torch.no_grad():
        # The model may write into its images.
        copy = images.clone()
        tape = Tape(parts.modules, copy, [*parts.weights, *parts.others, *tensors_in((further, options))], until)
        try:
            with tape, suppress(Reached):
                model(copy, *further, **options)
        except Exception as error:
            # What a model says of NaN would lead elsewhere.
            check_images(images, "record")
            if not isinstance(error, RuntimeError):
                raise
            where = f"layer {tape.failed!r}" if tape.failed else "the network"
            raise ValueError(f"images of the shape {tuple(images.shape)} can't pass {where}: {error}") from error
        products = ready.products_on(tape)
        # Some models write into their buffers, so this comes after the run.
        state, sums = state_of(parts, [images, *(tensor for tensor, _, _ in products)])
        # A sum with NaN or infinity in it is not finite either. Without them it may still be too large.
        if not isfinite(sum(sums)):
            check_images(images, "record")
            ready.check_finite(products, parts)
        return trace_of(model, parts, state, tape)


def fitting(trace: Trace) -> int:
    """How many images such as the one of this trace can be recorded at a time."""
    return max(1, min(BATCH, KEPT // trace.nbytes))


Signals = dict[Value, "Tensor | fast.Lone | windows.Windows"]
Rule = Callable[[Tensor, Tensor], Tensor]


def _undo(
    signals: Signals,
    note: Note,
    trace: Trace,
    rule: Rule,
    ways_back: Mapping[str, Callable[..., Any]],
    images: slice = slice(None),
) -> None:
    """Replace the signals at the outputs of `note` by those at its inputs, which add to what is there already."""
    # What was written stands before the results; a function that has both, such as a normalisation with statistics to
    # keep, gives its signal by its result.
    value = note.outputs[len(note.written) if len(note.outputs) > len(note.written) else 0]
    signal: Any = signals.pop(value, None)
    if len(note.outputs) > 1 and note.switches is None and not note.written:
        signal = _complete([signal, *(signals.pop(other, None) for other in note.outputs[1:])], note)
    if signal is None:
        return
    output = _of(trace, trace.activations[value.names[0]], images) if value.names else None
    switches = _of(trace, trace.switches[value.names[0]], images) if note.switches is not None else None
    up = Up(note.run, note.tensors, note.carry, output, switches, rule)
    assert note.name is not None
    back = fast.alone(signal, note.name, up, note.args, note.kwargs) if isinstance(signal, fast.Lone) else None
    if back is None:
        back = ways_back[note.name](fast.whole(signal), up, *note.args, **note.kwargs)
    for below, one in zip(note.inputs, back, strict=False):
        if below is not None and one is not None:
            there = signals.get(below)
            signals[below] = one if there is None else fast.whole(there) + fast.whole(one)


def _complete(signals: list[Any], note: Note) -> tuple[Tensor, ...] | None:
    """Zeros for those of a function's results that no signal came to; None if none came to any."""
    count = next((len(fast.whole(one)) for one in signals if one is not None), None)
    if count is None:
        return None
    complete = []
    for one, value in zip(signals, note.outputs, strict=True):
        assert value.tensor is not None
        complete.append(value.tensor.new_zeros(count, *value.tensor.shape) if one is None else fast.whole(one))
    return tuple(complete)


def _of(trace: Trace, recorded: Tensor, images: slice) -> Tensor:
    """The part of `recorded` that is of these images."""
    if images == slice(None):
        return recorded
    rows = recorded.shape[0] // trace.images.shape[0]
    return recorded[images.start * rows : images.stop * rows]


def _portions(trace: Trace, way: list[Note], channels: int, room: int = 0) -> Iterator[tuple[slice, slice]]:
    """Slices of the images and of so many maps, which together cover all, and whose signals fit the cache.

    Args:
        room: the bytes of one map of one image before it comes to `way`.
    """
    count = trace.images.shape[0]
    passed = [value.tensor.nbytes for note in way for value in note.outputs if value.tensor is not None]
    if way or not room:
        room = max(room, max([trace.images.nbytes, *passed]) // count)
    at_a_time = max(1, CHUNK // room)
    maps_at_a_time = max(1, min(channels, at_a_time))
    images_at_a_time = max(1, at_a_time // maps_at_a_time)
    whole = images_at_a_time < count and not all(may_be_split(note, count) for note in way)
    if whole:
        maps_at_a_time = max(1, min(channels, at_a_time // count))
    if whole or images_at_a_time >= count:
        for first in range(0, channels, maps_at_a_time):
            yield slice(None), slice(first, first + maps_at_a_time)
        return
    for image in range(0, count, images_at_a_time):
        for first in range(0, channels, maps_at_a_time):
            yield slice(image, image + images_at_a_time), slice(first, first + maps_at_a_time)


def maps_of(trace: Trace, layer: str) -> Tensor:
    """The output of `layer`, `(N, C, ...)`.

    Raises:
        ValueError: it is none.
    """
    activation, count = trace.activations[trace.value(layer).names[0]], trace.images.shape[0]
    if activation.dim() < 2 or activation.shape[0] != count:
        raise ValueError(
            f"layer {layer!r} gives the shape {tuple(activation.shape)} for {count} images; project needs (N, C, ...)"
        )
    return activation


def channels_of(activation: Tensor, channels: Sequence[int] | None) -> slice | Tensor:
    """`channels` of `activation` `(N, C, h, w)`, checked, and on its device: later steps then move nothing there."""
    if channels is None:
        return slice(None)  # takes all of them without a copy
    try:
        numbers = as_integers(channels)
    except TypeError as error:
        wanted = "a sequence of integers, such as [3, 7]"
        raise TypeError(f"channels is {channels!r}; project needs {wanted}: {error}") from None
    count = activation.shape[1]
    for channel in numbers:
        if not 0 <= channel < count:
            raise ValueError(f"channel {channel} does not exist; this layer has the feature maps 0 to {count - 1}")
    return torch.tensor(numbers, dtype=torch.int64, device=activation.device)
