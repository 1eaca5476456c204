"""The explorer of switches: an image is shifted, and a pooled map follows."""

from collections.abc import Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from helpers.deconvnet import Trace
from helpers.explorers.controls import Slider
from helpers.explorers.explorer import Explorer, Note, Picture
from helpers.explorers.maps import LayerAndMap
from helpers.explorers.subject import Subject, as_map, end_of
from helpers.plotting import Panel


def explore_switches(
    model: nn.Module,
    images: Tensor,
    labels: Tensor | None = None,
    *,
    names: Sequence[str] | None = None,
    mean: Tensor | Sequence[float] | float = 0.0,
    std: Tensor | Sequence[float] | float = 1.0,
) -> Explorer:
    """Shift an image, and see how the switches of a map, and its pooled map, follow.

    Controls: `image` (its number, from 0; for a LeNet5 it is called `digit`), `layer` (one of the max poolings, if
    there are a few; for a LeNet5 it is the first), `map`, `right` and `down` (−4 to 4 pixels; what is shifted out of
    the image is lost, and what comes in is zero for the model: paper, or the mean that was taken off).

    Args:
        model: a LeNet5, or any other module that `DeconvNet` takes, on the CPU, in eval mode. It may learn on: each
            answer is of the weights as they are then.
        images: `(N, C, H, W)`, as the model takes them, grey or in colour. For a LeNet5 `(N, 1, 28, 28)`, 0 for paper
            and 1 for ink.
        labels: `(N,)`, int64, the class that each image shows. A LeNet5 needs them: 0 to 9.
        names: what each class is called.
        mean, std: what was taken off the pixels, which were from 0 to 1, and by what they were divided then: a number,
            or one for each channel. So images are shown as they were.

    Raises:
        TypeError, ValueError: the model is no module in eval mode, or has no max pooling; the images, labels and names
            are none, or do not fit; or the pixels, with `mean` and `std` undone, are not from 0 to 1.
    """
    subject = Subject(model, images, labels, names, mean, std, "explore_switches")
    layers = _poolings(subject)
    chosen, maps = subject.image_control(), LayerAndMap(layers, subject.trace)
    (image,) = chosen.values()
    right, down = Slider(-4, 4), Slider(-4, 4)
    shifted, whole, pooled, moved = (Picture(subject.side) for _ in range(4))
    note = Note()

    def draw() -> None:
        i = image.value
        subject.check_again(i)
        given, net = subject.images[i : i + 1], subject.net()
        before = net.record(given)
        after = net.record(F.pad(given, (right.value, -right.value, down.value, -down.value)))
        maps.fit(after)
        layer, k = maps.layer, maps.number
        of_layer = [trace.activations[layer][0, k] for trace in (before, after)]
        places = [trace.switches[layer][0, k] for trace in (before, after)]
        strong = [one > 0.1 * one.max() for one in of_layer]
        either = strong[0] | strong[1]
        changed = (places[0] != places[1]) & either
        full = _before_pooling(after, layer)[0, k]
        signed = any(bool((one < 0).any()) for one in (full, *of_layer))
        dots = torch.stack([places[1] // full.shape[1], places[1] % full.shape[1]])[:, strong[1]]
        end = end_of(*of_layer)

        shifted.show(subject.title(i), [subject.panel(after.images[0])], 1, _way(right.value, down.value))
        whole.show(
            f"map {k}, with its winners",
            [replace(as_map(full, signed), dots=dots)],
            end,
            "a dot in each window that holds more than a tenth of the maximum",
        )
        pooled.show("pooled", [as_map(of_layer[1], signed)], end, "the winners, without their places")
        moved.show(
            "white: the winner has moved",
            [Panel(changed.float())],
            1,
            f"in {int(changed.sum())} of {int(either.sum())} strong windows",
        )
        note.show([subject.says_what_was_taken_off])

    return Explorer(
        "Shift a digit: its switches and the pooled map follow"
        if subject.is_lenet5
        else "Shift an image: the switches and the pooled map follow",
        {**chosen, **maps.controls, "right": right, "down": down},
        [shifted, whole, pooled, moved],
        draw,
        below=[note],
    )


def _poolings(subject: Subject) -> dict[object, str]:
    """The max poolings of planes.

    Raises:
        ValueError: there is none.
    """
    switches = subject.trace.switches
    layers = subject.layers(lambda layer: layer in switches and switches[layer].dim() == 4)
    if not layers:
        raise ValueError("the model has no max pooling, so no switches; explore_switches needs one")
    return dict([*layers.items()][:1]) if subject.is_lenet5 else layers


def _before_pooling(trace: Trace, layer: str) -> Tensor:
    """What a pooling was given, `(N, C, h, w)`."""
    maker = trace.value(layer).maker
    assert maker is not None
    (value, *_) = trace.notes[maker].inputs
    assert value is not None and value.tensor is not None
    return value.tensor


def _way(right: int, down: int) -> str:
    """Where the image has gone: `moved 2 left, 1 down`."""
    parts = [f"{abs(right)} {'right' if right > 0 else 'left'}"] if right else []
    parts += [f"{abs(down)} {'down' if down > 0 else 'up'}"] if down else []
    return f"moved {', '.join(parts)}" if parts else "not moved"
