"""What the functions ask of the images, labels and numbers that they are given."""

import operator
from collections.abc import Sequence
from math import isfinite
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

_ROUNDING = 1e-3  # what a normalisation that is undone may leave beyond 0 and 1


def kind_of(thing: object) -> str:
    """What a message calls `thing`: the dtype of a tensor, the type of anything else."""
    return f"{thing.dtype}" if isinstance(thing, Tensor) else type(thing).__name__


def check_layout(images: Tensor, wanted_by: str) -> None:
    """Raise unless `images` is a tensor of floating-point numbers, `(N, C, H, W)` with none of them 0.

    Its values are not looked at: they may be many, and in a file.

    Raises:
        TypeError: it is no tensor, or one of another kind of numbers.
        ValueError: its shape is wrong.
    """
    if not isinstance(images, Tensor) or not images.is_floating_point():
        wanted = f"a tensor of floating-point pixels{_how_to_get_one(images)}"
        raise TypeError(f"images are {kind_of(images)}; {wanted_by} needs {wanted}")
    if images.dim() != 4 or 0 in images.shape:
        raise ValueError(
            f"images have the shape {tuple(images.shape)}; {wanted_by} needs (N, C, H, W), with none of them 0"
        )


def check_images(images: Tensor, wanted_by: str) -> None:
    """Raise unless `images` is a tensor of finite floating-point numbers, `(N, C, H, W)` with none of them 0.

    Raises:
        TypeError: it is no tensor, or one of another kind of numbers.
        ValueError: its shape or its values are wrong.
    """
    check_layout(images, wanted_by)
    # The one pass that makes no copy of all images. NaN is passed on by aminmax.
    if not all(isfinite(extreme) for extreme in images.detach().aminmax()):
        raise ValueError(f"images hold NaN or infinity; {wanted_by} needs finite pixels")


def _how_to_get_one(images: object) -> str:
    """How a tensor of pixels comes from what one may have in its place, as the end of a message."""
    match images:
        case list() | tuple():
            return ": torch.stack(images) makes one"
        case np.ndarray():
            return ": torch.from_numpy(images).float() makes one"
        case DataLoader():
            return ": take its batches, `for images, labels in loader`"
        case Tensor(dtype=torch.uint8):
            return ": images.float() / 255 makes them of bytes"
    return ""


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


def check_integer(name: str, value: object) -> int:
    """`value` as Python's int, also if it is an integer of NumPy or PyTorch.

    Raises:
        TypeError: it is no integer. True and False are none, although Python counts with them.
    """
    try:
        return _as_int(value)
    except TypeError:
        raise TypeError(f"{name} is {value!r}; it must be an integer") from None


def check_count(name: str, count: object) -> int:
    """`count` as Python's int, which is above zero.

    Raises:
        TypeError: it is no integer.
        ValueError: it is zero or less.
    """
    count = check_integer(name, count)
    if count <= 0:
        raise ValueError(f"{name} is {count}; it must be above zero")
    return count


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


def per_channel(values: Tensor | Sequence[float] | float, channels: int, name: str) -> Tensor:
    """A number, or one for each channel, as `(C, 1, 1)`.

    Raises:
        ValueError: they are neither.
    """
    given = torch.as_tensor(values).float().flatten()
    if len(given) not in (1, channels) or not given.isfinite().all():
        raise ValueError(f"{name} is {values!r}; it must be a finite number, or one for each of {channels} channels")
    return given.expand(channels)[:, None, None]


def check_shown(images: Tensor, mean: Tensor, std: Tensor, wanted_by: str) -> None:
    """Raise unless `images` `(..., C, H, W)`, times `std` and plus `mean`, `(C, 1, 1)` each, are pixels from 0 to 1.

    Raises:
        ValueError: they are not.
    """
    low, high = (float(extreme) for extreme in (images.detach() * std + mean).aminmax())
    if not -_ROUNDING <= low <= high <= 1 + _ROUNDING:
        raise ValueError(
            f"images, times std and plus mean, hold pixels from {low:g} to {high:g}; {wanted_by} needs "
            "0 to 1: divide bytes by 255, or give the mean and std that were taken off"
        )


def as_integers(values: object) -> list[int]:
    """What a sequence, or an array or a tensor of one dimension, holds, as Python's integers.

    Raises:
        TypeError: it is none of these (a text and bytes are none), or holds anything else, which the message names.
    """
    if isinstance(values, (np.ndarray, Tensor)) and values.ndim == 1:
        values = values.tolist()
    if not isinstance(values, Sequence) or isinstance(values, (str, bytes)):
        raise TypeError(f"{type(values).__name__} is none, or has not one dimension")
    return [_as_int(value) for value in values]


def _as_int(value: Any) -> int:
    if isinstance(value, (bool, np.bool_)) or (isinstance(value, Tensor) and value.dtype == torch.bool):
        raise TypeError(f"{value!r} is none; those of a mask are in mask.nonzero().flatten()")
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(f"{value!r} is none") from None
