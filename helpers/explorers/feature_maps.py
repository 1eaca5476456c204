"""The explorer of feature maps: what a map saw in an image, among the maps of its layer."""

import io
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from helpers.deconvnet import Strongest, Trace, class_shares, patches, strongest
from helpers.directions import stroke_directions
from helpers.explorers.controls import Control, Selection, Slider
from helpers.explorers.explorer import Explorer, Note, Picture, Thumbnails
from helpers.explorers.maps import LayerAndMap
from helpers.explorers.subject import (
    Subject,
    as_map,
    choice,
    end_of,
    in_pixels,
    range_of,
    remember_last,
    strongest_first,
)
from helpers.plotting import Panel, signed_limit

_SMALL = 16  # maps that are shown small
_FEW = 10  # classes whose probabilities a still picture has room for
_AT_ONCE = 10_000  # numbers in an image up to which the way back is no longer than a blink
_CLEAR = 0.3  # from which on a direction is told

_WHAT_A_SHARE_IS = (
    "A share is the map's activation times the gradient of the score, before any softmax, summed over the map. It says "
    "how the score follows small changes of the map; it does not say what the score would be without it."
)


def explore_feature_maps(
    model: nn.Module,
    images: Tensor,
    labels: Tensor | None = None,
    *,
    names: Sequence[str] | None = None,
    mean: Tensor | Sequence[float] | float = 0.0,
    std: Tensor | Sequence[float] | float = 1.0,
) -> Explorer:
    """Choose an image and a feature map: what the network reads, the map, and what it saw, among the maps of its layer.

    Controls:
        `image`: its number, from 0. For a LeNet5 `digit`, 0 to 9, and `example`, which of its images, from 0.
        `layer`: up to the scores of the classes. For a LeNet5 1 or 2.
        `map`; and `show`: `"whole map"` or `"peak"`.
        `order`: which maps are shown small, sixteen at most, and which comes first: by `"number"`, the `"strongest"`
            of this image, or those that speak for the `"class"`, with their shares (`helpers.deconvnet.class_shares`).
        `class`: for which these shares are; None for the one that the network reads.
        `see`: `"this image"`, or `"nine strongest"`: the patches of all images that excite the map most, and what it
            saw in each (`helpers.deconvnet.patches`).

    The reconstructions of a layer share one scale, in which 99.5 % of the pixels lie that are shown small. A click on
    one of them chooses its map. A layer that can't be projected shows its maps, and says why.

    Args, Raises: as `explore_switches`; but no max pooling is needed.
    """
    subject = Subject(model, images, labels, names, mean, std, "explore_feature_maps")
    chosen = _ByDigit(subject) if subject.is_lenet5 else _ByNumber(subject)
    maps, part = LayerAndMap(subject.layers(), subject.trace), choice(["whole map", "peak"])
    order, see = (
        choice(["number", "strongest", *(["class"] * bool(subject.scores))]),
        choice(["this image", "nine strongest"]),
    )
    if not subject.is_lenet5:
        order.value = "strongest"
    of_class = Selection([("as read", None), *((name, k) for k, name in enumerate(subject.classes))])
    image, feature_map, seen = (Picture(subject.side) for _ in range(3))
    small: list[int] = []  # the numbers of the maps that are shown small
    thumbnails, note = Thumbnails(_SMALL, lambda k: maps.pick(small[k])), Note()

    @remember_last
    def record(_: object, i: int) -> _Look:
        trace = subject.net().record(subject.images[i : i + 1])
        return _Look(trace, subject.probabilities(trace))

    @remember_last
    def share(look: _Look, layer: str, k: int) -> tuple[float, Tensor]:
        scores, shares = class_shares(look.trace, layer, [k])
        return float(scores), shares[0]

    @remember_last  # to look at another map of the same layer is no reason to project or draw them all again
    def project(look: _Look, layer: str, select: str, numbers: tuple[int, ...]) -> _Small:
        pictures = subject.net().project(look.trace, layer, numbers, select)[0]
        return _Small(pictures, signed_limit(pictures), [[in_pixels(one)] for one in pictures])

    @remember_last
    def project_one(look: _Look, layer: str, select: str, k: int) -> Tensor:
        return subject.net().project(look.trace, layer, [k], select)[0, 0]

    @remember_last
    def excite(_: object, layer: str) -> Strongest:
        with redirect_stdout(io.StringIO()):
            return strongest(subject.net(), subject.images, layer, min(9, len(subject.images)))

    @remember_last
    def cut_out(found: Strongest, layer: str, k: int) -> tuple[Tensor, Tensor]:
        with redirect_stdout(io.StringIO()):
            crops, projections = patches(subject.net(), subject.images, found, [k])
        return crops[0], projections[0]

    def show_image(i: int, probabilities: Tensor | None) -> None:
        label, text = subject.title(i), ""
        if probabilities is not None:
            read = int(probabilities.argmax())
            label += f", {'misread' if subject.is_misread(i, read) else 'read'} as {subject.classes[read]}"
            text = f"with a probability of {probabilities[read]:.0%}"
        few = probabilities if len(subject.classes) <= _FEW else None
        image.show(label, [subject.panel(subject.images[i])], 1, text, few)

    def show_nine(layer: str, k: int) -> None:
        found = excite(subject.state_of_all(), layer)
        crops, projections = cut_out(found, layer, k)
        numbers = [f"{i}" for i in found.images[k].tolist()]
        shown = [replace(subject.panel(one), label=f"image {i}") for one, i in zip(crops, numbers, strict=True)]
        feature_map.show(f"excites map {k} most", shown, 1, f"in the images {', '.join(numbers)}")
        shown = [replace(in_pixels(one), label=f"image {i}") for one, i in zip(projections, numbers, strict=True)]
        seen.show("what it saw in each", shown, signed_limit(projections), f"in pixels: {range_of(projections)}")

    def draw() -> Iterator[None]:
        nonlocal small
        i = chosen.number()
        subject.check_again(i)
        look = record(subject.state(i), i)
        maps.fit(look.trace)
        layer, k = maps.layer, maps.number
        activation = look.trace.activations[look.trace.value(layer).names[0]][0]
        why, select = look.trace.why_not(layer), "peak" if part.value == "peak" else "map"
        score, shares, told = 0.0, None, ""
        if look.probabilities is not None and order.value == "class":
            class_ = int(look.probabilities.argmax()) if of_class.value is None else of_class.value
            try:
                score, shares = share(look, layer, class_)
            except ValueError as fault:  # a layer on a way that does not lead to the scores
                told = f"{fault}."
            else:
                told = (
                    f"Map {k} of {maps.called} gives {shares[k]:+.2f} to the score of {subject.classes[class_]}, which "
                    f"is {score:.2f}; its {len(shares)} maps together give {float(shares.sum()):+.2f}."
                ).replace("-", "−")
        small = _ordered(activation, order.value, shares)[:_SMALL]

        show_image(i, look.probabilities)
        signed = bool((activation < 0).any())
        size = "×".join(f"{side}" for side in activation.shape[1:])
        if see.value == "nine strongest" and why is None:
            show_nine(layer, k)
        else:
            label, text = f"map {k} of {maps.called}", range_of(activation[k])
            text = f"{size}: {text}" if size else f"one number: {float(activation[k]):.2f}".replace("-", "−")
            feature_map.show(label, [as_map(activation[k], signed)], end_of(activation), text)
        if subject.images[i].numel() > _AT_ONCE:
            yield
        if why is None:
            shown = project(look, layer, select, tuple(small))
            if see.value == "this image":
                large = shown.pictures[small.index(k)] if k in small else project_one(look, layer, select, k)
                what = "it" if part.value == "whole map" else "its peak"
                text = f"in pixels: {range_of(large)}{_direction(large)}"
                seen.show(f"what {what} saw", [in_pixels(large)], shown.end, text)
            end, places = shown.end, shown.places
        else:
            nothing = torch.zeros_like(subject.images[i])
            seen.show("no way back to pixels", [in_pixels(nothing)], 1, "the maps themselves are shown small")
            end, places = end_of(activation), [[as_map(activation[n], signed)] for n in small]
        names = [f"{n}" if shares is None else f"{n}: {shares[n]:+.2f}".replace("-", "−") for n in small]
        thumbnails.show(names, places, end, small.index(k) if k in small else None, "map")
        note.show(
            [
                f"This layer can't be projected: {why}." if why else "",
                told,
                _WHAT_A_SHARE_IS if shares is not None else "",
                subject.says_what_was_taken_off,
            ]
        )

    return Explorer(
        "Choose a digit and a feature map: what did it see?"
        if subject.is_lenet5
        else "Choose an image and a feature map: what did it see?",
        {**chosen.controls, **maps.controls, "show": part},
        [image, feature_map, seen, thumbnails],
        draw,
        further={"order": order, **({"class": of_class} if subject.scores else {}), "see": see},
        below=[note],
    )


@dataclass(frozen=True, eq=False)
class _Look:
    """What an answer about one image begins with: its trace, and the probabilities of the classes."""

    trace: Trace
    probabilities: Tensor | None


@dataclass(frozen=True, eq=False)
class _Small:
    """The reconstructions `(n, C, H, W)` that are shown small, where their scale ends, and what is in each place."""

    pictures: Tensor
    end: float
    places: list[list[Panel]]


class _ByNumber:
    """One slider for all images."""

    def __init__(self, subject: Subject) -> None:
        self.controls = subject.image_control()

    def number(self) -> int:
        (image,) = self.controls.values()
        return image.value


class _ByDigit:
    """Which digit, and which of its images."""

    def __init__(self, subject: Subject) -> None:
        self._of_digit = subject.by_digit()
        self._digit, self._example = Selection([(f"{d}", d) for d in self._of_digit]), Slider(0, 0)
        self.controls: dict[str, Control] = {"digit": self._digit, "example": self._example}

    def number(self) -> int:
        there = self._of_digit[self._digit.value]
        self._example.max = len(there) - 1
        return there[self._example.value]


def _ordered(activation: Tensor, order: str, shares: Tensor | None) -> list[int]:
    """The numbers of the maps, in that order."""
    if order == "number":
        return list(range(len(activation)))
    if shares is not None:
        return shares.argsort(descending=True, stable=True).tolist()
    return strongest_first(activation)


def _direction(pixels: Tensor) -> str:
    """In which direction the strokes of `(C, H, W)` run, and how clearly, if they do."""
    if min(pixels.shape[1:]) < 3:
        return ""
    (angle,), (clear,) = stroke_directions(pixels[:, None])
    return f"; strokes at {angle:.0f}°, clear to {clear:.2f}" if clear >= _CLEAR else ""
