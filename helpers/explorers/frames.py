"""Panels as levels, a byte for each value, and the colours of these: what an explorer shows while a slider moves.

The colours are those of `helpers.plotting`. A page makes pictures of both, in `helpers/explorers/page/picture.js`.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from helpers.plotting import COLOURS, Panel, plain

# The highest level of each kind of scale. That of signed values has an odd number of them, so that one is the middle.
_LAST = {"ink": 255, "signed": 254, "activation": 255}


def _palette(kind: str) -> bytes:
    colours = COLOURS[kind](np.linspace(0, 1, _LAST[kind] + 1))[:, :3]
    return np.round(255 * colours).astype(np.uint8).tobytes()


PALETTES = {kind: _palette(kind) for kind in COLOURS}
"""For each kind of scale the colours of its levels, three bytes each."""


def levels(panel: Panel, end: float, side: int) -> np.ndarray:
    """The levels `(H, W)` of `panel`, bytes, from which a square of `side` pixels can be drawn.

    If not even one pixel for each value fits, each level is that of the largest in magnitude of a few.

    Args:
        end: of the scale, above zero: signed values run from `-end` to `end`, activations from 0 to `end`.
        side: in pixels of the screen.
    """
    low, high = {"ink": (0, 1), "signed": (-end, end), "activation": (0, end)}[panel.kind]
    few = -(-max(panel.pixels.shape) // side)
    values = plain(panel.pixels)
    if few > 1:
        values = _strongest(values, few)
    return np.round(_LAST[panel.kind] * ((values.numpy() - low) / (high - low)).clip(0, 1)).astype(np.uint8)


def _strongest(values: Tensor, few: int) -> Tensor:
    """Of each square of `few` × `few` values, the one largest in magnitude."""
    high, low = (sign * F.max_pool2d(sign * values[None], few, ceil_mode=True)[0] for sign in (1, -1))
    return torch.where(high >= -low, high, low)
