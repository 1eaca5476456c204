"""The explorer of steps: one feature map goes down to the pixels."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from helpers.deconvnet import RULES, Trace
from helpers.deconvnet.tape import Note as Noted
from helpers.deconvnet.ways_back import pair
from helpers.explorers.controls import Selection
from helpers.explorers.explorer import Explorer, Note, Picture, Thumbnails, number
from helpers.explorers.maps import EveryMap, LayerAndMap
from helpers.explorers.subject import Subject, choice, in_pixels, range_of, remember_last
from helpers.plotting import Panel, signed_limit

_FEW = 6  # signals that are shown at one stage
_MOST = 16  # stages that are shown small

# What undoing a function leaves.
_LEFT = {"max_pool2d": "unpooled", "relu": "rectified", "conv2d": "filtered"}


def explore_steps(
    model: nn.Module,
    images: Tensor,
    labels: Tensor | None = None,
    *,
    names: Sequence[str] | None = None,
    mean: Tensor | Sequence[float] | float = 0.0,
    std: Tensor | Sequence[float] | float = 1.0,
) -> Explorer:
    """Walk one feature map down to the pixels, step by step.

    Controls: `image` (its number, from 0; for a LeNet5 it is called `digit`), `layer` and `map` (for a LeNet5 both
    together, as `map`, such as `(2, 11)`), `stage` (0 for the map, then one for each step), `rule` (`"deconvnet"`,
    `"gradient"`, `"guided"`) and `switches` (`"recorded"`, or `"fixed corner"`: each value returns to the upper left of
    its window). For a LeNet5 all stages share one scale, else each has its own. Of more than six signals at a stage the
    strongest six are shown.

    Args, Raises: as `explore_switches`; but the model needs a layer that can be projected, and no max pooling.
    """
    subject = Subject(model, images, labels, names, mean, std, "explore_steps")
    layers = subject.layers(lambda layer: subject.trace.why_not(layer) is None)
    if not layers:
        raise ValueError("no layer of the model can be projected; print(DeconvNet(model).record(images)) says why")
    chosen = subject.image_control()
    (chosen_image,) = chosen.values()
    maps = (EveryMap if subject.is_lenet5 else LayerAndMap)(layers, subject.trace)
    stage = Selection([("0 pooled", 0)])
    rule, switches = choice(list(RULES)), choice(["recorded", "fixed corner"])
    image, here, pixels = (Picture(subject.side) for _ in range(3))
    first = 0  # of the stages that are shown small
    longest = max(len(subject.trace.way(subject.trace.value(layer))) for layer in layers.values())
    stages = Thumbnails(min(longest + 1, _MOST), lambda k: stage.set_trait("value", first + k))
    note = Note()

    @remember_last  # to move on by a stage is no reason to go all the way again
    def way(_: object, i: int, layer: str, k: int, rule: str, switches: str) -> tuple[list[_Stop], float]:
        """The stages, and the end of the scale of all; 1 if each has its own."""
        net = subject.net(rule)
        trace = net.record(subject.images[i : i + 1])
        if switches == "fixed corner":
            trace = _with_fixed_corners(trace)
        stops = _stops(trace, layer, k, list(net.walk(trace, layer, [k])))
        ends = [signed_limit(torch.cat([one.pixels.flatten() for one in panels])) for _, panels, _ in stops]
        if subject.is_lenet5:
            return stops, max(ends)
        return [_on_its_own_scale(stop, end) for stop, end in zip(stops, ends, strict=True)], 1.0

    def draw() -> None:
        nonlocal first
        i = chosen_image.value
        subject.check_again(i)
        maps.fit(subject.trace)
        k = maps.number
        stops, end = way(subject.state(i), i, maps.layer, k, rule.value, switches.value)

        at = min(stage.value, len(stops) - 1)
        name, panels, where = stops[at]
        image.show(subject.title(i), [subject.panel(subject.images[i])], 1, f"its map {k} of {maps.called} goes down")
        here.show(f"{at} {name}", panels, end, where)
        _, last, reached = stops[-1]
        pixels.show("at the end: pixels", last, end, f"{rule.value}, {switches.value} switches, {reached}")
        first = max(0, min(at - _MOST // 2, len(stops) - _MOST))
        some = stops[first : first + _MOST]
        stages.show([name for name, _, _ in some], [panels for _, panels, _ in some], end, at - first, "stage")
        note.show([subject.says_what_was_taken_off])
        options = [(f"{n} {name}", n) for n, (name, _, _) in enumerate(stops)]
        if stage.options != options:
            stage.options = options
            stage.value = at

    return Explorer(
        "Walk a feature map down to the pixels, step by step",
        {**chosen, **maps.controls, "stage": stage, "rule": rule, "switches": switches},
        [image, here, pixels, stages],
        draw,
        below=[note],
    )


# What a stage is called, its signals, and what they are, in words.
_Stop = tuple[str, list[Panel], str]


def _stops(trace: Trace, layer: str, k: int, steps: list[tuple[str, Tensor]]) -> list[_Stop]:
    """The stages of the way of map `k` of `layer`, from what `walk` gives for it."""
    top = trace.activations[layer][0]
    alone = torch.zeros_like(top)
    alone[k] = top[k]
    signals = [("pooled" if layer in trace.switches else "the map", alone)]
    signals += [(_left_by(trace, name), signal[0, 0]) for name, signal in steps]
    if len(steps) == 0 or signals[-1][1].shape != trace.images.shape[1:]:
        raise ValueError(f"layer {layer!r} does not lead to the pixels")
    stops: list[_Stop] = []
    own = True  # as long as no function has mixed the maps, all others are zero
    for name, signal in signals[:-1]:
        own = own and len(signal) == len(top) and not signal.index_fill(0, torch.tensor(k), 0).any()
        shown = [k] if own else _strongest(signal)
        planes = signal if signal.dim() == 3 else signal.reshape(len(signal), 1, -1)
        size = f"{planes.shape[1]}×{planes.shape[2]}"
        what = f"{len(shown)} signals of {size}, one for each map of the layer below"
        if len(shown) < len(signal):
            what = f"the {len(shown)} strongest of {len(signal)} signals of {size}"
        panels = [Panel(planes[n], f"map {n}", "signed") for n in shown]
        values = range_of(torch.stack([panel.pixels for panel in panels]))
        stops.append((name, panels, f"{size if len(shown) == 1 else what}: {values}"))
    pixels = signals[-1][1]
    where = f"{pixels.shape[1]}×{pixels.shape[2]}: {range_of(pixels)}"
    return [*stops, ("pixels", [replace(in_pixels(pixels), label="pixels")], where)]


def _on_its_own_scale(stop: _Stop, end: float) -> _Stop:
    """The stage in units of `end`: weights may make each step a hundred times as large as the one before."""
    name, panels, what = stop
    return name, [replace(panel, pixels=panel.pixels / end) for panel in panels], f"{what}, in units of {number(end)}"


def _strongest(signal: Tensor) -> list[int]:
    """The numbers of the strongest few, in order."""
    strength = signal.abs().flatten(1).sum(dim=1) if signal.dim() > 1 else signal.abs()
    return sorted(strength.topk(min(_FEW, len(strength))).indices.tolist())


def _left_by(trace: Trace, layer: str) -> str:
    """What undoing that layer, or function, has left: `filtered`."""
    note = _note(trace, layer)
    called = layer if note is None else note.called
    return _LEFT.get(called, f"{called.replace('_', ' ')} undone")


def _note(trace: Trace, layer: str) -> Noted | None:
    """Of the function that gave the layer's output; None for the name of no layer."""
    value = trace.values.get(layer)
    return None if value is None or value.maker is None else trace.notes[value.maker]


def _with_fixed_corners(trace: Trace) -> Trace:
    """The trace, with switches that all name the upper left of their window."""
    corners = {}
    for name, places in trace.switches.items():
        note = _note(trace, name)
        assert note is not None
        *_, height, width = note.tensors[0].shape
        if places.dim() != 4:
            corners[name] = places
            continue
        if note.name == "max_pool2d":
            kernel, stride = note.given(1, "kernel_size"), note.given(2, "stride")
            steps, padding = pair(stride or kernel), pair(note.given(3, "padding", 0))
            rows, columns = ((torch.arange(places.shape[2 + d]) * steps[d] - padding[d]).clamp(min=0) for d in (0, 1))
        else:  # windows that cover the plane evenly
            rows, columns = (
                torch.arange(n) * side // n for n, side in zip(places.shape[2:], (height, width), strict=True)
            )
        corners[name] = (width * rows[:, None] + columns).expand_as(places)
    return replace(trace, switches=corners)
