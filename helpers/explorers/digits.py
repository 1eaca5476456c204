"""The explorers: each takes a model, and images where it needs them, and returns a widget that answers in pictures."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from helpers.checks import check_images, check_ink, check_labels, kind_of
from helpers.data import as_mnist
from helpers.deconvnet import RULES, DeconvNet, Trace
from helpers.explorers.controls import Choice, Selection, Slider
from helpers.explorers.drawing import Paper
from helpers.explorers.explorer import Bars, Explorer, Picture, Thumbnails
from helpers.lenet5 import LeNet5
from helpers.plotting import Panel, signed_limit
from helpers.training import predict

_COUNTS = {1: 6, 2: 16}  # feature maps a layer
_FRAME = 1 / 25  # seconds that pass at least between two answers to a stroke


def explore_switches(model: LeNet5, images: Tensor, labels: Tensor) -> Explorer:
    """Shift a digit, and see how the switches of a first-layer map, and its pooled map, follow.

    Controls: `digit` (which image, from 0), `map` (0 to 5), `right` and `down` (−4 to 4 pixels; what is shifted out of
    the image is lost, and paper comes in).

    Args:
        model: on the CPU, in eval mode. It may learn on: each answer is of the weights as they are then.
        images: `(N, 1, 28, 28)`, 0 for paper and 1 for ink.
        labels: `(N,)`, int64: the digit that each image shows, 0 to 9.

    Raises:
        TypeError, ValueError: the model is no LeNet5 in eval mode, or the images and labels are none, or do not fit.
    """
    check_again = _check(model, images, labels, "explore_switches")
    images = images.detach()
    digit, number = _digits(labels), Slider(0, 5)
    right, down = Slider(-4, 4), Slider(-4, 4)
    shifted, whole, pooled, moved = (Picture() for _ in range(4))

    def draw() -> None:
        check_again(digit.value)
        k, image = number.value, images[digit.value : digit.value + 1]
        net = DeconvNet(model.features)
        before = net.record(image)
        after = net.record(F.pad(image, (right.value, -right.value, down.value, -down.value)))
        maps = [trace.activations["pool1"][0, k] for trace in (before, after)]
        places = [trace.switches["pool1"][0, k] for trace in (before, after)]
        strong = [one > 0.1 * one.max() for one in maps]
        either = strong[0] | strong[1]
        changed = (places[0] != places[1]) & either
        dots = torch.stack([places[1] // 28, places[1] % 28])[:, strong[1]]
        end = _end(*maps)

        shifted.show(f"a {labels[digit.value]}", [Panel(after.images[0, 0])], 1, _way(right.value, down.value))
        whole.show(
            f"map {k}, with its winners",
            [Panel(after.activations["relu1"][0, k], kind="activation", dots=dots)],
            end,
            "a dot in each window that holds more than a tenth of the maximum",
        )
        pooled.show("pooled", [Panel(maps[1], kind="activation")], end, "the winners, without their places")
        moved.show(
            "white: the winner has moved",
            [Panel(changed.float())],
            1,
            f"in {int(changed.sum())} of {int(either.sum())} strong windows",
        )

    return Explorer(
        "Shift a digit: its switches and the pooled map follow",
        {"digit": digit, "map": number, "right": right, "down": down},
        [shifted, whole, pooled, moved],
        draw,
    )


def _way(right: int, down: int) -> str:
    """Where the digit has gone: `moved 2 left, 1 down`."""
    parts = [f"{abs(right)} {'right' if right > 0 else 'left'}"] if right else []
    parts += [f"{abs(down)} {'down' if down > 0 else 'up'}"] if down else []
    return f"moved {', '.join(parts)}" if parts else "not moved"


def explore_steps(model: LeNet5, images: Tensor, labels: Tensor) -> Explorer:
    """Walk one feature map down to the pixels, step by step.

    Controls: `digit` (which image, from 0), `map` (layer and number, as `(2, 11)`), `stage` (0 for the pooled map, then
    one for each step), `rule` (`"deconvnet"`, `"gradient"`, `"guided"`) and `switches` (`"recorded"`, or
    `"fixed corner"`: each value returns to the upper left of its window). All stages share one scale.

    Args, Raises: as `explore_switches`.
    """
    check_again = _check(model, images, labels, "explore_steps")
    images = images.detach()
    digit, number, stage = _digits(labels), _every_map(), Selection([("0 pooled", 0)])
    rule, switches = _choice(list(RULES)), _choice(["recorded", "fixed corner"])
    image, here, pixels = (Picture() for _ in range(3))
    stages = Thumbnails(7, lambda k: stage.set_trait("value", k))

    @_remember_last  # to move on by a stage is no reason to go all the way again
    def way(_: object, i: int, layer: int, k: int, rule: str, switches: str) -> tuple[list[tuple[str, Tensor]], float]:
        net = DeconvNet(model.features, rule=rule)
        trace = net.record(images[i : i + 1])
        if switches == "fixed corner":
            trace = _with_fixed_corners(trace)
        stops = [("pooled", trace.activations[f"pool{layer}"][0, [k]])]
        for name, signal in net.walk(trace, f"pool{layer}", [k]):
            # As long as the signal is in its own layer, all other maps are zero.
            shown = [k] if name in (f"pool{layer}", f"relu{layer}") else slice(None)
            stops.append((_STEPS.get(name, name), signal[0, 0, shown]))
        return stops, max(signed_limit(signal) for _, signal in stops)

    def draw() -> None:
        check_again(digit.value)
        layer, k = number.value
        stops, end = way(_state(model, images[digit.value]), digit.value, layer, k, rule.value, switches.value)
        places = [[Panel(one, f"map {i}", "signed") for i, one in enumerate(signal)] for _, signal in stops]

        at = min(stage.value, len(stops) - 1)
        (name, signal), (_, reached) = stops[at], stops[-1]
        size = f"{signal.shape[1]}×{signal.shape[2]}"
        where = size if len(signal) == 1 else f"6 signals of {size}, one for each map of layer 1"
        image.show(
            f"a {labels[digit.value]}", [Panel(images[digit.value, 0])], 1, f"its map {k} of layer {layer} goes down"
        )
        here.show(f"{at} {name}", places[at], end, f"{where}: {_range(signal)}")
        pixels.show(
            "at the end: pixels", places[-1], end, f"{rule.value}, {switches.value} switches: {_range(reached)}"
        )
        stages.show([name for name, _ in stops], places, end, at, "stage")
        if len(stage.options) != len(stops):
            stage.options = [(f"{i} {name}", i) for i, (name, _) in enumerate(stops)]
            stage.value = at

    return Explorer(
        "Walk a feature map down to the pixels, step by step",
        {"digit": digit, "map": number, "stage": stage, "rule": rule, "switches": switches},
        [image, here, pixels, stages],
        draw,
    )


# What undoing a layer leaves.
_STEPS = {
    "pool2": "unpooled",
    "relu2": "rectified",
    "conv2": "filtered",
    "pool1": "unpooled",
    "relu1": "rectified",
    "conv1": "pixels",
}


def _with_fixed_corners(trace: Trace) -> Trace:
    """The trace, with switches that all name the upper left of their window of 2×2."""
    corners = {}
    for name, places in trace.switches.items():
        height, width = places.shape[2:]
        before = trace.activations[name.replace("pool", "relu")].shape[3]
        corner = 2 * torch.arange(height)[:, None] * before + 2 * torch.arange(width)
        corners[name] = corner.expand_as(places)
    return replace(trace, switches=corners)


def explore_feature_maps(model: LeNet5, images: Tensor, labels: Tensor) -> Explorer:
    """Choose a digit and a feature map: what the network reads, the map, and what it saw, among all maps of its layer.

    Controls: `digit` (0 to 9), `example` (which of its images, from 0), `layer` (1 or 2), `map`, and `show`
    (`"whole map"` or `"peak"`). The reconstructions of a layer share one scale, in which 99.5 % of their pixels lie. A
    click on one of them chooses its map.

    Args, Raises: as `explore_switches`.
    """
    check_again = _check(model, images, labels, "explore_feature_maps")
    images = images.detach()
    of_digit = {d: (labels == d).nonzero()[:, 0].tolist() for d in labels.unique().tolist()}
    digit, example = Selection([(f"{d}", d) for d in of_digit]), Slider(0, 0)
    layer, number, part = Slider(1, 2), Slider(0, 5), _choice(["whole map", "peak"])
    image, feature_map, seen = (Picture() for _ in range(3))
    thumbnails = Thumbnails(16, lambda k: number.set_trait("value", k))

    @_remember_last  # to look at another map of the same layer is no reason to project them all again
    def look(_: object, i: int, pool: str, select: str) -> tuple[Tensor, Tensor, Tensor, float]:
        net = DeconvNet(model.features)
        trace = net.record(images[i : i + 1])
        pictures = net.project(trace, pool, select=select)[0, :, 0]
        probabilities = predict(model, images[i : i + 1])[0].exp()
        return probabilities, trace.activations[pool][0], pictures, signed_limit(pictures)

    def draw() -> None:
        example.max = len(of_digit[digit.value]) - 1
        number.max = _COUNTS[layer.value] - 1
        i, k = of_digit[digit.value][example.value], number.value
        check_again(i)
        select = "peak" if part.value == "peak" else "map"
        probabilities, maps, pictures, end = look(_state(model, images[i]), i, f"pool{layer.value}", select)
        read = int(probabilities.argmax())

        misread = "" if read == digit.value else ": misread"
        image.show(
            f"a {digit.value}, read as {read}{misread}",
            [Panel(images[i, 0])],
            1,
            f"with a probability of {probabilities[read]:.0%}",
            probabilities,
        )
        feature_map.show(
            f"map {k} of layer {layer.value}",
            [Panel(maps[k], kind="activation")],
            _end(maps),
            f"{maps.shape[1]}×{maps.shape[2]}: {_range(maps[k])}",
        )
        what = "it" if part.value == "whole map" else "its peak"
        seen.show(f"what {what} saw", [Panel(pictures[k], kind="signed")], end, f"in pixels: {_range(pictures[k])}")
        places = [[Panel(one, kind="signed")] for one in pictures]
        thumbnails.show([f"{n}" for n in range(len(places))], places, end, k, "map")

    return Explorer(
        "Choose a digit and a feature map: what did it see?",
        {"digit": digit, "example": example, "layer": layer, "map": number, "show": part},
        [image, feature_map, seen, thumbnails],
        draw,
    )


def draw_a_digit(model: LeNet5, start: Tensor | None = None) -> Explorer:
    """Draw a digit: what the network reads, and what all 22 feature maps saw, follow the stroke.

    The drawing is brought to MNIST's size and place first (`helpers.data.as_mnist`). All 22 reconstructions share one
    scale. Control: `map` (layer and number, as `(2, 11)`), the one that is shown large; so does a click on a thumbnail.

    Args:
        model: in eval mode.
        start: `(28, 28)`, 0 for paper and 1 for ink: what stands on the paper until the first stroke.

    Raises:
        TypeError, ValueError: the model is no LeNet5 in eval mode, or `start` is no such image.
    """
    _check_model(model, "draw_a_digit")
    number = _every_map()
    if start is None:
        paper = Paper()
    else:
        _check_start(start)
        paper = Paper(np.kron(start.detach().cpu().numpy(), np.ones((10, 10))))
    shares = Bars("probability", [f"{digit}" for digit in range(10)])
    read, seen = Picture(), Picture()

    def pick(layer: int, k: int) -> None:
        number.set_trait("value", (layer, k))

    thumbnails = {layer: Thumbnails(count, partial(pick, layer)) for layer, count in _COUNTS.items()}

    @_remember_last
    def look(_: object, changes: int) -> tuple[Tensor, Tensor | None, dict[int, Tensor]]:
        ink = torch.from_numpy(paper.ink)
        if not ink.any():  # what the maps would say to paper alone is nothing that anybody drew
            return torch.zeros(28, 28), None, {layer: torch.zeros(count, 28, 28) for layer, count in _COUNTS.items()}
        image = as_mnist(ink)
        net = DeconvNet(model.features)
        trace = net.record(image)
        pictures = {layer: net.project(trace, f"pool{layer}")[0, :, 0] for layer in _COUNTS}
        return image[0, 0], predict(model, image)[0].exp(), pictures

    def draw() -> None:
        _check_model(model, "draw_a_digit")
        layer, k = number.value
        image, probabilities, pictures = look(_state(model), paper.changes)
        end = signed_limit(torch.cat(list(pictures.values())))

        shares.show(probabilities)
        digit = "nothing yet" if probabilities is None else f"read as {int(probabilities.argmax())}"
        read.show(digit, [Panel(image)], 1, "your drawing, brought to MNIST's size and place", probabilities)
        large = pictures[layer][k]
        seen.show(
            f"what map {k} of layer {layer} saw", [Panel(large, kind="signed")], end, f"in pixels: {_range(large)}"
        )
        for one, maps in pictures.items():
            names = [f"{one}·{n}" for n in range(len(maps))]
            places = [[Panel(pixels, kind="signed")] for pixels in maps]
            thumbnails[one].show(names, places, end, k if one == layer else None, "map")

    explorer = Explorer(
        "Draw a digit: what the network reads, and what 22 feature maps saw, follow the stroke",
        {"map": number},
        [read, seen, *thumbnails.values()],
        draw,
        beside=[paper, shares],
    )
    paper.changed = _throttle(_FRAME, explorer.answer)
    return explorer


def _throttle(seconds: float, function: Callable[[], None]) -> Callable[[], None]:
    """`function`, called at once if it has not been for so long; if it has, once at the end of that time.

    So a queue of events can't become a queue of answers, and the last event is always answered. Outside an event loop,
    where nobody would call later, each is answered at once.
    """
    last, waiting = -seconds, False

    def now() -> None:
        nonlocal last, waiting
        waiting = False
        function()
        last = time.monotonic()

    def soon() -> None:
        nonlocal waiting
        left = last + seconds - time.monotonic()
        if waiting:
            return
        if left <= 0:
            now()
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            now()
            return
        waiting = True
        loop.call_later(left, now)

    return soon


def _remember_last(function: Callable) -> Callable:
    """`function`, which gives its last answer again if it is asked the same again."""
    last: tuple | None = None

    def remembered(*arguments: object) -> object:
        nonlocal last
        if last is None or last[0] != arguments:
            last = arguments, function(*arguments)
        return last[1]

    return remembered


def _state(model: nn.Module, *images: Tensor) -> object:
    """All that an answer about `images` hangs on. It equals an earlier one only if nothing has changed in between.

    That are the layers with their settings, the weights, and the pixels, byte by byte: PyTorch's own count of changes
    misses fused optimizers and `weight.data`. What hooks do can't be seen, so a model that has some is never the same.
    """
    if any(layer._forward_hooks or layer._forward_pre_hooks for layer in model.modules()):
        return object()
    tensors = (*model.parameters(), *model.buffers(), *images)
    # Traces ask `parts.state_of` instead, which keeps no copy of a large network, in half to a fifth of the time.
    # It goes by the sum of the magnitudes: that of a shifted digit, or of weights with another sign, is the same.
    # In 0.1 ms. Not by torch.equal, which may wait for other threads, and holds NaN for unlike itself.
    return repr(model), [tensor.detach().cpu().numpy().tobytes() for tensor in tensors]


def _check_model(model: LeNet5, wanted_by: str) -> None:
    if not isinstance(model, LeNet5):
        raise TypeError(f"model is a {type(model).__name__}; {wanted_by} needs a LeNet5")
    if model.training:
        raise ValueError(f"the model is in train mode; call model.eval() before {wanted_by}")
    for weights in model.parameters():
        if weights.device.type != "cpu":
            raise ValueError(f"the model is on {weights.device}; {wanted_by} needs it on the CPU: call model.cpu()")


def _check(model: LeNet5, images: Tensor, labels: Tensor, wanted_by: str) -> Callable[[int], None]:
    """Raise unless an explorer can be made of these.

    Returns:
        what raises unless the image of that number can still be shown: all three may change while it stands there.
    """
    _check_model(model, wanted_by)
    check_images(images, wanted_by)
    if images.shape[1:] != (1, 28, 28):
        raise ValueError(f"images have the shape {tuple(images.shape)}; {wanted_by} needs (N, 1, 28, 28)")
    check_ink(images, wanted_by)
    check_labels(labels, images, wanted_by)
    if labels.max() > 9:
        raise ValueError(f"labels hold {int(labels.max())}; {wanted_by} needs the digits 0 to 9")
    named = labels.clone()

    def check_again(i: int) -> None:
        _check_model(model, wanted_by)
        check_ink(images[i], wanted_by)
        if not labels.equal(named):
            raise ValueError(f"the labels have changed, and the controls name the old ones; call {wanted_by} again")

    return check_again


def _check_start(start: Tensor) -> None:
    if not isinstance(start, Tensor) or not start.is_floating_point():
        raise TypeError(f"start is {kind_of(start)}; draw_a_digit needs a tensor of floating-point pixels")
    if start.shape != (28, 28) or not ((start >= 0) & (start <= 1)).all():
        raise ValueError(
            f"start has the shape {tuple(start.shape)} and values from {float(start.min()):g} to "
            f"{float(start.max()):g}; draw_a_digit needs (28, 28), 0 for paper and 1 for ink"
        )


def _end(*maps: Tensor) -> float:
    """The end of a scale for these activations. Never zero."""
    return max(float(one.max()) for one in maps) or 1.0


def _range(values: Tensor) -> str:
    return f"from {float(values.min()):.2f} to {float(values.max()):.2f}".replace("-", "−")


def _digits(labels: Tensor) -> Selection:
    return Selection([(f"{digit}", i) for i, digit in enumerate(labels.tolist())])


def _every_map() -> Selection:
    return Selection([(f"{layer}·{k}", (layer, k)) for layer, count in _COUNTS.items() for k in range(count)])


def _choice(options: Sequence[str]) -> Choice:
    return Choice([(option, option) for option in options])
