"""Which places of a layer's maps are projected: all, the strongest one of each map, or those of a mask."""

from typing import Any

import torch
from torch import Tensor

from helpers.checks import kind_of


def peaks(maps: Tensor) -> Tensor:
    """Where each of `maps` `(N, K, h, w)` is the strongest, counted row by row: `(N, K)`, int64.

    It is the first of several places that are equally strong. A map of one number, `(N, K)`, has its peak at 0.
    """
    # argmax promises the first of equal values.
    return _flat(maps).argmax(dim=-1)


def checked(select: Any, activation: Tensor) -> str | Tensor:
    """`select` as `selected` takes it: its masks are those of each image of `activation` `(N, C, h, w)`.

    Raises:
        TypeError: it is neither a text nor a tensor of bool.
        ValueError: it is another text, or a mask that does not fit the activation.
    """
    if isinstance(select, str):
        if select not in ("map", "peak"):
            raise ValueError(f"select is {select!r}; it must be 'map', 'peak' or a mask")
        return select
    if not isinstance(select, Tensor) or select.dtype != torch.bool:
        wanted = "'map', 'peak', or a mask: a tensor of bool, such as mask > 0"
        raise TypeError(f"select is {kind_of(select)}; it must be {wanted}")
    images, plane = activation.shape[0], tuple(activation.shape[2:])
    if not plane:
        raise ValueError("select is a mask, but this layer has one number a channel, and no places to choose from")
    if tuple(select.shape) not in (plane, (images, *plane)):
        wanted = f"{plane}, its places, or {(images, *plane)}, those of each image"
        raise ValueError(f"select has the shape {tuple(select.shape)}; this layer needs a mask of {wanted}")
    if select.device != activation.device:
        raise ValueError(f"select is on {select.device}, the layer on {activation.device}; move the mask there")
    return select.expand(images, *plane).unsqueeze(1)


def selected(maps: Tensor, select: str | Tensor, images: slice = slice(None)) -> Tensor:
    """`maps` `(N, K, h, w)` of these images, and zero at all places that are not selected."""
    if isinstance(select, Tensor):
        return maps.masked_fill(~select[images], 0)
    if select == "map":
        return maps
    flat, there = _flat(maps), peaks(maps).unsqueeze(-1)
    return torch.zeros_like(flat).scatter(-1, there, flat.gather(-1, there)).view_as(maps)


def _flat(maps: Tensor) -> Tensor:
    return maps.flatten(2) if maps.dim() > 2 else maps.unsqueeze(2)
