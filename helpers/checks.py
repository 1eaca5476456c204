"""What the functions ask of the images, labels and numbers that they are given."""

from math import isfinite

import torch
from torch import Tensor


def kind_of(thing: object) -> str:
    """What a message calls `thing`: the dtype of a tensor, the type of anything else."""
    return f"{thing.dtype}" if isinstance(thing, Tensor) else type(thing).__name__


def check_images(images: Tensor, wanted_by: str) -> None:
    """Raise unless `images` is a tensor of finite floating-point numbers, `(N, C, H, W)` with none of them 0.

    Raises:
        TypeError: it is no tensor, or one of another kind of numbers.
        ValueError: its shape or its values are wrong.
    """
    if not isinstance(images, Tensor) or not images.is_floating_point():
        raise TypeError(f"images are {kind_of(images)}; {wanted_by} needs a tensor of floating-point pixels")
    if images.dim() != 4 or 0 in images.shape:
        raise ValueError(
            f"images have the shape {tuple(images.shape)}; {wanted_by} needs (N, C, H, W), with none of them 0"
        )
    # The one pass that makes no copy of all images. NaN is passed on by aminmax.
    if not all(isfinite(extreme) for extreme in images.detach().aminmax()):
        raise ValueError(f"images hold NaN or infinity; {wanted_by} needs finite pixels")


def check_labels(labels: Tensor, images: Tensor, wanted_by: str) -> None:
    """Raise unless `labels` is a tensor of int64, `(N,)`, one for each of `images` `(N, ...)`, none below zero.

    Raises:
        TypeError: it is no tensor, or not of int64.
        ValueError: its shape or its values are wrong.
    """
    if not isinstance(labels, Tensor) or labels.dtype != torch.int64:
        raise TypeError(
            f"labels are {kind_of(labels)}; {wanted_by} needs a tensor of int64, the numbers of the classes"
        )
    if labels.shape != images.shape[:1]:
        raise ValueError(
            f"labels have the shape {tuple(labels.shape)}; {wanted_by} needs one label for each of {len(images)} images"
        )
    if labels.min() < 0:
        raise ValueError(f"labels hold {int(labels.min())}; {wanted_by} needs the numbers of the classes, from 0")


def check_count(name: str, count: int) -> None:
    """Raise unless `count` is an integer above zero.

    Raises:
        TypeError: it is no integer.
        ValueError: it is zero or less.
    """
    if not isinstance(count, int):
        raise TypeError(f"{name} is {count!r}; it must be an integer")
    if count <= 0:
        raise ValueError(f"{name} is {count}; it must be above zero")


def check_ink(images: Tensor, wanted_by: str) -> None:
    """Raise unless all pixels of `images`, of any shape, lie between 0 for paper and 1 for ink.

    Raises:
        ValueError: some lie outside.
    """
    low, high = (float(extreme) for extreme in images.detach().aminmax())
    if not 0 <= low <= high <= 1:
        raise ValueError(
            f"images hold pixels from {low:g} to {high:g}; {wanted_by} needs 0 for paper to 1 for ink: "
            "divide bytes by 255, undo a normalisation"
        )
