"""Panels as small PNG files, in less than a millisecond: what an explorer shows while a slider moves.

The colours are those of `helpers.plotting`. Until it becomes a file, a picture is an array `(H, W)` of numbers, each of
which stands for one of 256 colours.
"""

import io
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.colors import to_hex
from PIL import Image
from torch import Tensor

from helpers.plotting import COLOURS, Panel, plain

# Besides the colours of a scale. An odd number of these, so that one of them is the middle.
_LEVELS, CLEAR, _BLACK, _WHITE = 253, 253, 254, 255


def _palette(kind: str) -> np.ndarray:
    """The colours `(256, 3)`, 0 to 255. Images have 256 levels of grey, and need no others."""
    levels = COLOURS[kind](np.linspace(0, 1, 256 if kind == "ink" else _LEVELS))[:, :3]
    others = [] if kind == "ink" else [(0, 0, 0), (0, 0, 0), (1, 1, 1)]
    return np.round(255 * np.concatenate([levels, *np.reshape(others, (-1, 1, 3))])).astype(np.uint8)


_PALETTES = {kind: _palette(kind) for kind in COLOURS}


def cell(panel: Panel, end: float, side: int) -> np.ndarray:
    """`panel` in the middle of a square of `side` pixels, each value a block as large as fits.

    If not even one pixel for each value fits, each pixel shows the largest in magnitude of a few.

    Args:
        end: of the scale, above zero: signed values run from `-end` to `end`, activations from 0 to `end`.
        side: in pixels of the screen.
    """
    low, high, last = {"ink": (0, 1, 255), "signed": (-end, end, _LEVELS - 1), "activation": (0, end, _LEVELS - 1)}[
        panel.kind
    ]
    few = -(-max(panel.pixels.shape) // side)
    values = plain(panel.pixels)
    if few > 1:
        values = _strongest(values, few)
    numbers = np.round(last * ((values.numpy() - low) / (high - low)).clip(0, 1)).astype(np.uint8)
    block = side // max(numbers.shape)
    blocks = numbers.repeat(block, axis=0).repeat(block, axis=1)
    if panel.dots is not None:
        for row, column in panel.dots.T.tolist():
            top, left = int(row) * block, int(column) * block
            blocks[top + 1 : top + block - 1, left + 1 : left + block - 1] = _BLACK
            blocks[top + 2 : top + block - 2, left + 2 : left + block - 2] = _WHITE
    return centred(blocks, side)


def _strongest(values: Tensor, few: int) -> Tensor:
    """Of each square of `few` × `few` values, the one largest in magnitude."""
    high, low = (sign * F.max_pool2d(sign * values[None], few, ceil_mode=True)[0] for sign in (1, -1))
    return torch.where(high >= -low, high, low)


def centred(picture: np.ndarray, side: int) -> np.ndarray:
    """`picture` in the middle of a square of `side` pixels, through which the page shows elsewhere."""
    square = np.full((side, side), CLEAR, np.uint8)
    top, left = (side - picture.shape[0]) // 2, (side - picture.shape[1]) // 2
    square[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return square


def grid(cells: Sequence[np.ndarray], columns: int, rows: int, width: int, height: int) -> np.ndarray:
    """Pictures row by row, each in the upper middle of a place of `width` × `height` pixels."""
    whole = np.full((rows * height, columns * width), CLEAR, np.uint8)
    for k, picture in enumerate(cells):
        margin = (width - picture.shape[1]) // 2
        top, left = k // columns * height + margin, k % columns * width + margin
        whole[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return whole


def png(picture: np.ndarray, kind: str) -> bytes:
    """`picture` as a PNG file, in the colours of `kind`."""
    file = io.BytesIO()
    image = Image.fromarray(picture)
    image.putpalette(_PALETTES[kind].tobytes())
    # The fastest compression: the browser waits for it, mostly on the same machine.
    image.save(file, "PNG", compress_level=1, **({} if kind == "ink" else {"transparency": CLEAR}))
    return file.getvalue()


def gradient(kind: str) -> str:
    """The scale of `kind`, from its low end to its high one, in CSS."""
    stops = ", ".join(to_hex(COLOURS[kind](share)) for share in np.linspace(0, 1, 9))
    return f"linear-gradient(to right, {stops})"
