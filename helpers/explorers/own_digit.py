"""The explorer of a digit of one's own, drawn by hand or photographed."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from helpers.checks import kind_of, per_channel
from helpers.data import as_mnist
from helpers.deconvnet import Trace
from helpers.explorers.drawing import SIDE, Paper
from helpers.explorers.explorer import Bars, Explorer, Note, Picture, Thumbnails
from helpers.explorers.maps import EveryMap, LayerAndMap
from helpers.explorers.subject import (
    Subject,
    check_model,
    in_pixels,
    range_of,
    remember_last,
    state,
    strongest_first,
)
from helpers.plotting import Panel, signed_limit

_FRAME = 1 / 25  # seconds that pass at least between two answers to a stroke
_SMALL = 16  # maps of a layer that are shown small


def draw_a_digit(
    model: nn.Module,
    start: Tensor | None = None,
    *,
    mean: Tensor | Sequence[float] | float = 0.0,
    std: Tensor | Sequence[float] | float = 1.0,
) -> Explorer:
    """Draw a digit: what the network reads, and what its feature maps saw, follow the stroke.

    The drawing is brought to MNIST's size and place first (`helpers.data.as_mnist`). A button takes a photograph of a
    digit in its place (`helpers.photographed.find_digit`), on a telephone from the camera, too.

    All reconstructions that are shown small share one scale. For a LeNet5 these are its 22 maps, and the control is
    `map` (layer and number, as `(2, 11)`), the one that is shown large; so does a click on a thumbnail. For another
    model they are the strongest sixteen maps of a layer, and the controls are `layer` and `map`.

    Args:
        model: any that reads digits, `(N, 1, 28, 28)` to ten scores, and that `DeconvNet` takes; on the CPU, in eval
            mode.
        start: `(28, 28)`, 0 for paper and 1 for ink: what stands on the paper until the first stroke.
        mean, std: what the model wants to be taken off such an image, and by what it is to be divided then.

    Raises:
        TypeError, ValueError: the model is no module in eval mode, or no such reader; or `start` is no such image.
    """
    subject = _reader(model, mean, std)
    layers = subject.layers(lambda layer: subject.trace.why_not(layer) is None)
    maps = (EveryMap if subject.is_lenet5 else LayerAndMap)(layers, subject.trace)
    if start is None:
        paper = Paper()
    else:
        _check_start(start)
        paper = Paper(_enlarged(start))
    shares = Bars("probability", subject.classes)
    read, seen, note = Picture(), Picture(), Note()
    sheets = layers if subject.is_lenet5 else {None: ""}  # of small maps: those of each layer, or of the chosen one
    counts = {called: len(subject.trace.activations[layer][0]) if layer else _SMALL for called, layer in sheets.items()}
    told: dict[int, str] = {}  # of the photograph, while the paper is as it has left it
    small: dict[object, list[int]] = {}  # the numbers of the maps that each sheet shows

    def pick(called: object, place: int) -> None:
        maps.pick(small[called][place], called)

    thumbnails = {called: Thumbnails(count, partial(pick, called)) for called, count in counts.items()}

    @remember_last
    def look(_: object, changes: int) -> _Look:
        ink = torch.from_numpy(paper.ink)
        if not ink.any():  # what the maps would say to paper alone is nothing that anybody drew
            return _Look(torch.zeros(1, 1, 28, 28), subject.trace, None)
        image = as_mnist(ink)
        trace = subject.net().record(subject.taken_off(image))
        return _Look(image, trace, subject.probabilities(trace))

    @remember_last
    def project(look: _Look, layers: tuple[str, ...]) -> dict[object, Tensor]:
        pictures = {}
        for called, layer in zip(sheets, layers, strict=True):
            first = strongest_first(look.trace.activations[layer][0])[: counts[called]]
            small[called] = sorted(first) if subject.is_lenet5 else first
            pictures[called] = project_some(look, layer, small[called])
        return pictures

    @remember_last
    def project_one(look: _Look, layer: str, k: int) -> Tensor:
        return project_some(look, layer, [k])[0]

    def project_some(look: _Look, layer: str, numbers: list[int]) -> Tensor:
        pictures = subject.net().project(look.trace, layer, numbers)[0]
        return pictures if look.probabilities is not None else torch.zeros_like(pictures)

    def take(photo: Tensor | str) -> None:
        """Put the digit of a photograph on the paper; or what was seen of one that holds none."""
        # By scipy, which takes its time to import, and is needed for photographs alone.
        from helpers.photographed import NoDigit, find_digit

        told.clear()
        said, ink, is_read = "This is the digit of the photograph.", np.zeros((SIDE, SIDE)), True
        try:
            if isinstance(photo, str):
                raise ValueError(f"the file {photo} holds no picture that this browser can read; export it as JPEG")
            found = find_digit(photo)
        except NoDigit as fault:
            said, ink, is_read = f"{fault}. The paper shows what was seen.", _on_paper(fault.seen), False
        except ValueError as fault:
            said = f"{fault}."
        else:
            said, ink = f"{said} {found.note}".rstrip(), _enlarged(found.image[0, 0])
        told[paper.changes + 1] = said[0].upper() + said[1:]
        paper.put(ink, is_read)

    def draw() -> None:
        check_model(model, "draw_a_digit")
        looked = look(state(model), paper.changes)
        maps.fit(looked.trace)
        k, probabilities = maps.number, looked.probabilities
        pictures = project(looked, tuple(layer or maps.layer for layer in sheets.values()))
        mine = next(called for called, layer in sheets.items() if layer in ("", maps.layer))
        place = small[mine].index(k) if k in small[mine] else None
        large = project_one(looked, maps.layer, k) if place is None else pictures[mine][place]
        end = signed_limit(torch.cat(list(pictures.values())))

        shares.show(probabilities)
        digit = "nothing yet" if probabilities is None else f"read as {subject.classes[int(probabilities.argmax())]}"
        read.show(
            digit, [Panel(looked.image[0, 0])], 1, "your drawing, brought to MNIST's size and place", probabilities
        )
        seen.show(f"what map {k} of {maps.called} saw", [in_pixels(large)], end, f"in pixels: {range_of(large)}")
        for called, one in pictures.items():
            names = [f"{called}·{n}" if called else f"{n}" for n in small[called]]
            places = [[in_pixels(pixels)] for pixels in one]
            thumbnails[called].show(names, places, end, place if called == mine else None, "map")
        note.show([told.get(paper.changes, ""), subject.says_what_was_taken_off])

    explorer = Explorer(
        "Draw a digit: what the network reads, and what 22 feature maps saw, follow the stroke"
        if subject.is_lenet5
        else "Draw a digit: what the network reads, and what its feature maps saw, follow the stroke",
        maps.controls,
        [read, seen, *thumbnails.values()],
        draw,
        beside=[paper, shares],
        below=[note],
    )
    paper.changed, paper.photographed = _throttle(_FRAME, explorer.answer), take
    return explorer


@dataclass(frozen=True, eq=False)
class _Look:
    """What is on the paper as the network is to see it, what it made of that, and what it reads; None for nothing."""

    image: Tensor
    trace: Trace
    probabilities: Tensor | None


def _reader(model: nn.Module, mean: Tensor | Sequence[float] | float, std: Tensor | Sequence[float] | float) -> Subject:
    """`model`, looking at an empty sheet.

    Raises:
        TypeError, ValueError: it is no reader of digits.
    """
    check_model(model, "draw_a_digit")
    wanted = "draw_a_digit needs a reader of digits, which gives ten scores for images (N, 1, 28, 28)"
    sheet, labels = torch.zeros(1, 1, 28, 28), torch.zeros(1, dtype=torch.int64)
    sheet = (sheet - per_channel(mean, 1, "mean")) / per_channel(std, 1, "std")
    try:
        subject = Subject(model, sheet, labels, None, mean, std, "draw_a_digit")
    except ValueError as error:
        if "can't pass" not in str(error):
            raise
        raise ValueError(f"{wanted}: {error}") from error
    if len(subject.classes) != 10:
        given = f"{len(subject.classes)} scores" if subject.classes else "no scores of classes"
        raise ValueError(f"the model gives {given}; {wanted}")
    return subject


def _enlarged(image: Tensor) -> np.ndarray:
    """An image of MNIST's size `(28, 28)` as large as the paper."""
    return np.kron(image.detach().cpu().numpy(), np.ones((10, 10)))


def _on_paper(seen: Tensor) -> np.ndarray:
    """What was seen in a photograph, `(H, W)`, as large as the paper has room for."""
    height, width = (max(1, round(SIDE * side / max(seen.shape))) for side in seen.shape)
    small = F.interpolate(seen[None, None], size=(height, width), mode="area")[0, 0]
    ink = np.zeros((SIDE, SIDE))
    ink[(SIDE - height) // 2 :, (SIDE - width) // 2 :][:height, :width] = small.numpy()
    return ink


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
