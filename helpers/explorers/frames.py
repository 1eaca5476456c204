"""Panels as levels, a byte for each value, and the colours of these: what an explorer shows while a slider moves.

The colours are those of `helpers.plotting`. A page makes pictures of both, in `helpers/explorers/page/picture.js`.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from helpers.plotting import CHANNEL, COLOURS, Panel, plain

# The highest level of each scale. That of signed values has an odd number of them, so that one is the middle.
_LAST = {"ink": 255, "signed": 254, "activation": 255, "channel": 254}
_COLOURS = {**COLOURS, "channel": CHANNEL}


def _palette(scale: str) -> bytes:
    colours = _COLOURS[scale](np.linspace(0, 1, _LAST[scale] + 1))[:, :3]
    return np.round(255 * colours).astype(np.uint8).tobytes()


PALETTES = {scale: _palette(scale) for scale in _COLOURS}
"""For each scale the colours of its levels, three bytes each. "channel" is that of one channel of what is signed."""


def scale_of(panel: Panel) -> str:
    """In which of the `PALETTES` the levels of `panel` are; for a panel in colour, in which each of its channels is."""
    return "channel" if panel.kind == "signed" and panel.pixels.dim() == 3 else panel.kind


def levels(panel: Panel, end: float, side: int) -> np.ndarray:
    """The levels of `panel`, bytes, from which a square of `side` pixels can be drawn: `(H, W)`, in colour `(3, H, W)`.

    If not even one pixel for each value fits, each level is the mean of a few of an image, and else that of the largest
    in magnitude of a few.

    Args:
        end: of the scale, above zero: signed values run from `-end` to `end`, activations from 0 to `end`.
        side: in pixels of the screen.
    """
    low, high = {"ink": (0, 1), "signed": (-end, end), "activation": (0, end)}[panel.kind]
    few = -(-max(panel.pixels.shape[-2:]) // side)
    values = plain(panel.pixels)
    if few > 1:
        values = _mean(values, few) if panel.kind == "ink" else _strongest(values, few)
    last = _LAST[scale_of(panel)]
    return np.round(last * ((values.numpy() - low) / (high - low)).clip(0, 1)).astype(np.uint8)


def _mean(values: Tensor, few: int) -> Tensor:
    """The mean of each square of `few` × `few` values, and of what is left of one at a border."""
    planes = values[None] if values.dim() == 2 else values
    pooled = F.avg_pool2d(planes, few, ceil_mode=True, count_include_pad=False)
    return pooled[0] if values.dim() == 2 else pooled


def _strongest(values: Tensor, few: int) -> Tensor:
    """Of each square of `few` × `few` values, the one largest in magnitude."""
    planes = values[None] if values.dim() == 2 else values
    high, low = (sign * F.max_pool2d(sign * planes, few, ceil_mode=True) for sign in (1, -1))
    strongest = torch.where(high >= -low, high, low)
    return strongest[0] if values.dim() == 2 else strongest
