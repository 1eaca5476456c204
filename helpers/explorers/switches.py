"""The explorer of switches: a digit is shifted, and the pooled map follows."""

import torch
import torch.nn.functional as F
from torch import Tensor

from helpers.deconvnet import DeconvNet
from helpers.explorers.controls import Slider
from helpers.explorers.explorer import Explorer, Picture
from helpers.explorers.subject import check, digits, end_of
from helpers.lenet5 import LeNet5
from helpers.plotting import Panel


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
    check_again = check(model, images, labels, "explore_switches")
    images = images.detach()
    digit, number = digits(labels), Slider(0, 5)
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
        end = end_of(*maps)

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
