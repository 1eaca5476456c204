"""The explorer of a digit that is drawn by hand."""

import asyncio
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor

from helpers.checks import kind_of
from helpers.data import as_mnist
from helpers.deconvnet import DeconvNet
from helpers.explorers.drawing import Paper
from helpers.explorers.explorer import Bars, Explorer, Picture, Thumbnails
from helpers.explorers.subject import COUNTS, check_model, every_map, range_of, remember_last, state
from helpers.lenet5 import LeNet5
from helpers.plotting import Panel, signed_limit
from helpers.training import predict

_FRAME = 1 / 25  # seconds that pass at least between two answers to a stroke


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
    check_model(model, "draw_a_digit")
    number = every_map()
    if start is None:
        paper = Paper()
    else:
        _check_start(start)
        paper = Paper(np.kron(start.detach().cpu().numpy(), np.ones((10, 10))))
    shares = Bars("probability", [f"{digit}" for digit in range(10)])
    read, seen = Picture(), Picture()

    def pick(layer: int, k: int) -> None:
        number.set_trait("value", (layer, k))

    thumbnails = {layer: Thumbnails(count, partial(pick, layer)) for layer, count in COUNTS.items()}

    @remember_last
    def look(_: object, changes: int) -> tuple[Tensor, Tensor | None, dict[int, Tensor]]:
        ink = torch.from_numpy(paper.ink)
        if not ink.any():  # what the maps would say to paper alone is nothing that anybody drew
            return torch.zeros(28, 28), None, {layer: torch.zeros(count, 28, 28) for layer, count in COUNTS.items()}
        image = as_mnist(ink)
        net = DeconvNet(model.features)
        trace = net.record(image)
        pictures = {layer: net.project(trace, f"pool{layer}")[0, :, 0] for layer in COUNTS}
        return image[0, 0], predict(model, image)[0].exp(), pictures

    def draw() -> None:
        check_model(model, "draw_a_digit")
        layer, k = number.value
        image, probabilities, pictures = look(state(model), paper.changes)
        end = signed_limit(torch.cat(list(pictures.values())))

        shares.show(probabilities)
        digit = "nothing yet" if probabilities is None else f"read as {int(probabilities.argmax())}"
        read.show(digit, [Panel(image)], 1, "your drawing, brought to MNIST's size and place", probabilities)
        large = pictures[layer][k]
        seen.show(
            f"what map {k} of layer {layer} saw", [Panel(large, kind="signed")], end, f"in pixels: {range_of(large)}"
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


def _check_start(start: Tensor) -> None:
    if not isinstance(start, Tensor) or not start.is_floating_point():
        raise TypeError(f"start is {kind_of(start)}; draw_a_digit needs a tensor of floating-point pixels")
    if start.shape != (28, 28) or not ((start >= 0) & (start <= 1)).all():
        raise ValueError(
            f"start has the shape {tuple(start.shape)} and values from {float(start.min()):g} to "
            f"{float(start.max()):g}; draw_a_digit needs (28, 28), 0 for paper and 1 for ink"
        )


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
