"""Photographs of a written digit, made from MNIST's: as a telephone takes them, easy ones and hard ones.

A sheet is written on, then turned, lit, covered in part, seen through a lens, and stored: in the order of nature.
"""

import io

import numpy as np
import torch
from PIL import Image
from scipy import ndimage
from torch import Tensor

HEIGHT, WIDTH = 260, 300
# What makes a photograph hard. The first two are of one sheet, and of one pen each.
KINDS = ("lined", "squared", "ballpoint", "turned", "shadow", "thumb", "jpeg", "half", "double")


def photograph(image: Tensor, seed: int, kinds: tuple[str, ...] = (), *, chalk: bool = False) -> Tensor:
    """A digit of MNIST `(1, 28, 28)` on a sheet, or in chalk on a blackboard: a photograph `(3, 260, 300)`, 0 to 1."""
    rng = np.random.default_rng(seed)
    tall = rng.uniform(75, 120)
    if "half" in kinds:
        tall /= 2
    if "double" in kinds:
        tall = min(2 * tall, 205)
    ink = written(image[0].numpy(), tall, rng.uniform(1.6, 2.6) * tall / 90 + 0.6 if "ballpoint" in kinds else None)
    angle = rng.uniform(-15, 15) if "turned" in kinds else rng.uniform(-2, 2)
    ink = ndimage.rotate(ink, angle, order=1)
    ink = ink[np.ix_(ink.max(1) > 0.3, ink.max(0) > 0.3)]
    high, wide = ink.shape
    top, left = (int(rng.integers(6, side - length - 6)) for side, length in ((HEIGHT, high), (WIDTH, wide)))
    box = (top, left, top + high, left + wide)
    whole = np.zeros((HEIGHT, WIDTH))
    whole[top : top + high, left : left + wide] = ink

    sheet, pen = ((0.16, 0.2, 0.18), (0.8, 0.8, 0.76)) if chalk else ((0.93, 0.91, 0.86), (0.14, 0.14, 0.17))
    if "ballpoint" in kinds:
        pen = (0.16, 0.22, 0.5)
    picture = np.ones((HEIGHT, WIDTH, 3)) * sheet
    if "lined" in kinds or "squared" in kinds:
        lines = ruled(rng, angle, both="squared" in kinds)[..., None]
        picture = picture * (1 - lines) + lines * np.array(rng.choice([(0.58, 0.66, 0.8), (0.66, 0.66, 0.7)]))
    picture = picture * (1 - 0.93 * whole[..., None]) + 0.93 * whole[..., None] * pen
    if "thumb" in kinds:
        picture = thumbed(picture, box, rng)
    picture *= light(rng, box if "shadow" in kinds else None)[..., None]
    picture = ndimage.gaussian_filter(picture, (rng.uniform(0.5, 1.0),) * 2 + (0,))
    picture += rng.normal(0, rng.uniform(0.01, 0.03), picture.shape)
    stored = (255 * picture.clip(0, 1)).round().astype(np.uint8)
    if "jpeg" in kinds:
        file = io.BytesIO()
        Image.fromarray(stored).save(file, "JPEG", quality=int(rng.integers(12, 35)))
        stored = np.array(Image.open(file))
    return torch.from_numpy(stored.copy()).permute(2, 0, 1).float() / 255


def easy(images: Tensor, seed: int) -> list[Tensor]:
    """One photograph of each image: any place, slanting light, noise."""
    return [photograph(image, 100_000 * seed + at) for at, image in enumerate(images)]


def hard(images: Tensor, seed: int) -> list[tuple[Tensor, tuple[str, ...]]]:
    """One photograph of each image, with one to three kinds of what makes it hard, and which these are."""
    rng = np.random.default_rng(seed)
    made = []
    for at, image in enumerate(images):
        kinds = [KINDS[at % len(KINDS)], *rng.permutation(KINDS)[: rng.integers(0, 3)].tolist()]
        for one, other in (("lined", "squared"), ("half", "double")):
            if one in kinds and other in kinds:
                kinds.remove(other)
        # Beside a digit that fills the picture no thumb has room.
        if "double" in kinds and "thumb" in kinds:
            kinds = [kind for kind in kinds if kind != "double"]
        chosen = tuple(dict.fromkeys(kinds))
        made.append((photograph(image, 100_000 * seed + at, chosen), chosen))
    return made


def written(digit: np.ndarray, tall: float, pen: float | None) -> np.ndarray:
    """How much of each pixel is inked, the digit `tall` pixels tall: in its own strokes, or those of a pen so wide."""
    rows, columns = np.nonzero(digit > 0.2)
    digit = np.pad(digit[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1], 2)
    # As MNIST's digits were made: the longer side counts.
    large = ndimage.zoom(digit, tall / (max(digit.shape) - 4), order=3)
    large = ndimage.gaussian_filter(large, tall / 60)
    if pen is None:
        return ((large - 0.4) / 0.2).clip(0, 1)
    away = ndimage.distance_transform_edt(~thinned(large > 0.45))
    return (pen / 2 - away + 0.5).clip(0, 1)


def thinned(strokes: np.ndarray) -> np.ndarray:
    """Strokes as lines, one pixel wide (Zhang & Suen, 1984)."""
    strokes = np.pad(strokes, 1)
    around = ((-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1))
    while True:
        before = strokes.sum()
        for one, other in (((0, 2, 4), (2, 4, 6)), ((0, 2, 6), (0, 4, 6))):
            beside = np.stack([np.roll(strokes, (-y, -x), (0, 1)) for y, x in around])
            count, steps = beside.sum(0), (~beside & np.roll(beside, -1, 0)).sum(0)
            gone = (2 <= count) & (count <= 6) & (steps == 1)
            strokes = strokes & ~(gone & ~beside[list(one)].all(0) & ~beside[list(other)].all(0))
        if strokes.sum() == before:
            return strokes[1:-1, 1:-1]


def ruled(rng: np.random.Generator, angle: float, both: bool) -> np.ndarray:
    """How much of each pixel is the ruling of a sheet turned by `angle` degrees; of squared paper if `both`."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    turn = np.deg2rad(angle)
    pitch, width = rng.uniform(16, 24) if both else rng.uniform(24, 40), rng.uniform(1.0, 1.8)
    drawn = np.zeros((HEIGHT, WIDTH))
    for along in (y * np.cos(turn) + x * np.sin(turn), x * np.cos(turn) - y * np.sin(turn))[: 1 + both]:
        away = np.abs((along + rng.uniform(0, pitch)) % pitch - pitch / 2)
        drawn = np.maximum(drawn, (width / 2 - away + 0.5).clip(0, 1))
    return drawn


def light(rng: np.random.Generator, shadow_on: tuple[int, int, int, int] | None) -> np.ndarray:
    """How much light falls on each pixel: it slants, and the edge of a shadow may go across a box."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    turn = rng.uniform(0, 2 * np.pi)
    along = (x - WIDTH / 2) * np.cos(turn) + (y - HEIGHT / 2) * np.sin(turn)
    bright = rng.uniform(0.75, 1.0) - rng.uniform(0.1, 0.4) * (along / np.ptp(along) + 0.5)
    if shadow_on is None:
        return bright
    top, left, bottom, right = shadow_on
    turn = rng.uniform(0, 2 * np.pi)
    through = (rng.uniform(0.35, 0.65) * (bottom - top) + top, rng.uniform(0.35, 0.65) * (right - left) + left)
    side = (y - through[0]) * np.sin(turn) + (x - through[1]) * np.cos(turn)
    return bright * (1 - rng.uniform(0.3, 0.6) / (1 + np.exp(-side / rng.uniform(0.8, 4))))


def thumbed(picture: np.ndarray, box: tuple[int, int, int, int], rng: np.random.Generator) -> np.ndarray:
    """A thumb reaches into the picture from some side, and leaves the digit free."""
    top, left, bottom, right = box
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    free = np.ones((HEIGHT, WIDTH), dtype=bool)
    free[max(0, top - 3) : bottom + 3, max(0, left - 3) : right + 3] = False
    tip = None
    for _ in range(200):
        side, width = rng.integers(4), rng.uniform(26, 42)
        at, deep = rng.uniform(0.1, 0.9), rng.uniform(25, 80)
        # From the tip's middle to the border the thumb is as wide as there.
        across, into = ((x - at * WIDTH, y), (x - at * WIDTH, HEIGHT - 1 - y), (y - at * HEIGHT, x),
                        (y - at * HEIGHT, WIDTH - 1 - x))[side]  # fmt: skip
        lean = across + rng.uniform(-0.5, 0.5) * (into - deep)
        away = np.hypot(lean / width, np.maximum(0, into - deep + width) / width)
        if (free | (away > 1)).all():
            tip = away
            break
    if tip is None:
        return picture
    covered = ((1 - tip) * 20).clip(0, 1)[..., None]
    skin = np.array(rng.choice([(0.86, 0.66, 0.55), (0.62, 0.43, 0.33), (0.4, 0.27, 0.2)]))
    return picture * (1 - covered) + covered * skin * (1 - 0.35 * tip.clip(0, 1) ** 2)[..., None]
