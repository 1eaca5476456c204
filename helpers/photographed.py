"""Finds the digit in a photograph and brings it to MNIST's size and place: `find_digit`.

The page in the browser has the same in `site/live/photographed.js`, and a test compares them: change both.

By scipy: it comes with scikit-learn already, and has all that is needed here. It is imported with this module alone.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor

from helpers.checks import kind_of
from helpers.data import as_mnist

# It is looked at no larger than this: strokes are still some pixels wide, and it takes a fraction of a second.
LONGEST = 320
SHORTEST = 28
# What is smaller at that size is a speck.
SMALLEST = 12
# Contrast is reckoned from paper and boards that are no darker, and no brighter, than this: single levels of grey would
# become strokes.
DARKEST_PAPER, BRIGHTEST_BOARD = 0.15, 0.5


@dataclass(frozen=True)
class FoundDigit:
    """A digit that was found in a photograph of `H` by `W` pixels.

    Attributes:
        image: `(1, 1, 28, 28)`, float32, as MNIST's digits are.
        frame: the digit's top, left, bottom and right in the photograph, in pixels. The last two are the first beyond.
        seen: `(H, W)`, float32, 0 for paper and 1 for ink: all that was taken for ink, other digits and lines too.
        note: what is unusual, in a sentence or several; `""` if nothing is.
    """

    image: Tensor
    frame: tuple[int, int, int, int]
    seen: Tensor
    note: str


class NoDigit(ValueError):
    """No digit was found in a photograph.

    Attributes:
        seen: `(H, W)`, float32, 0 for paper and 1 for ink: all that was taken for ink.
    """

    def __init__(self, message: str, seen: Tensor) -> None:
        super().__init__(message)
        self.seen = seen


def find_digit(photo: Tensor) -> FoundDigit:
    """The digit in a photograph, dark on light or light on dark, as MNIST's digits are.

    Light that slants, the edge of a shadow, the lines of paper and what reaches in from the border are left out. Of
    several digits it is the largest, and `note` says so. Nothing decides whether it is a digit: a letter is found, too.

    Args:
        photo: `(H, W)` or `(1, H, W)` grey, or `(3, H, W)` red, green and blue, floating point, 0 to 1, such as
            `helpers.photos.load_photo` reads; no side shorter than 28 pixels, nor than a tenth of the other.

    Returns:
        the image, where it was found, what was seen, and what is unusual.

    Raises:
        TypeError: `photo` is no tensor of floating-point numbers.
        ValueError: its shape is another, or it holds numbers outside 0 to 1.
        NoDigit: nothing in it looks written. Its `seen` shows what was taken for ink.
    """
    grey = _grey(photo)
    height, width = grey.shape
    small = _reduced(grey)
    ink, light_on_dark = _ink(small)
    regions = _regions(ink)
    seen = _enlarged(ink, height, width)
    brightest = small.max()
    dark = "" if brightest > 0.25 else f"The picture is dark: at its brightest {brightest:.2f} of 1."
    whole = [region for region in regions if not region.cut]
    if regions and not whole and not _regions(_ink(_evenly_lit(small))[0]):
        # What reached the border was no ink, but light that falls off to the sides of empty paper.
        regions = []
    if not regions:
        why = dark or "Nothing stands out from the paper."
        raise NoDigit(f"no digit is in this picture. {why} Write it large, with a thick pen, on plain paper", seen)
    if not whole and not max(regions, key=_size).fills(small.shape):
        raise NoDigit(
            "no digit is in this picture: what stands out reaches its border. Leave some paper around the digit", seen
        )
    chosen = max(whole or regions, key=_size)
    notes = [dark] if dark else []
    if chosen.cut:
        notes.append("The digit reaches the border, and some of it may be missing: take the picture from farther away.")
    others = sum(_size(region) > 0.5 * _size(chosen) for region in whole) - 1
    if others > 0:
        notes.append(f"There are {others + 1} digits: this is the largest.")
    image = as_mnist(torch.from_numpy(_strokes(ink, chosen))).float()
    scale = (height / small.shape[0], width / small.shape[1])
    top, left, bottom, right = chosen.box
    frame = (
        math.floor(top * scale[0]),
        math.floor(left * scale[1]),
        min(height, math.ceil(bottom * scale[0])),
        min(width, math.ceil(right * scale[1])),
    )
    return FoundDigit(image, frame, seen, " ".join(notes))


@dataclass(frozen=True)
class _Region:
    """Ink that belongs together: its mask `(H, W)`, its box, and whether the border cuts it."""

    mask: np.ndarray
    box: tuple[int, int, int, int]
    cut: bool

    def fills(self, shape: tuple[int, ...]) -> bool:
        """Whether it reaches from one border almost to the opposite one."""
        top, left, bottom, right = self.box
        return bottom - top > 0.8 * shape[0] or right - left > 0.8 * shape[1]


def _side(box: tuple[int, int, int, int]) -> int:
    top, left, bottom, right = box
    return max(bottom - top, right - left)


def _size(region: _Region) -> int:
    """The longer side of its box."""
    return _side(region.box)


def _grey(photo: Tensor) -> Tensor:
    """`photo` as `(H, W)`, float64 if it is, otherwise float32.

    Raises:
        TypeError, ValueError: as `find_digit` says.
    """
    if not isinstance(photo, Tensor) or not photo.is_floating_point():
        raise TypeError(
            f"photo is {kind_of(photo)}; find_digit needs a tensor of floating-point pixels, 0 to 1, "
            "as helpers.photos.load_photo reads them"
        )
    shape = tuple(photo.shape)
    if photo.dim() not in (2, 3) or (photo.dim() == 3 and shape[0] not in (1, 3)):
        raise ValueError(f"photo has the shape {shape}; find_digit needs one picture: (H, W), (1, H, W) or (3, H, W)")
    if min(shape[-2:]) < SHORTEST or max(shape[-2:]) > 10 * min(shape[-2:]):
        raise ValueError(
            f"photo is {shape[-2]}×{shape[-1]} pixels large; find_digit needs sides of {SHORTEST} pixels or more, "
            "the longer at most ten times the shorter"
        )
    pixels = photo.detach().cpu()
    pixels = pixels if pixels.dtype == torch.float64 else pixels.float()
    if not ((pixels >= 0) & (pixels <= 1)).all():
        if pixels.isnan().any():
            raise ValueError("photo holds NaN; find_digit needs numbers from 0 to 1")
        bytes_ = ": divide bytes by 255" if pixels.min() >= 0 and pixels.max() <= 255 else ""
        raise ValueError(
            f"photo holds numbers from {pixels.min():.3g} to {pixels.max():.3g}; find_digit needs 0 to 1{bytes_}"
        )
    if pixels.dim() == 2:
        return pixels
    if len(pixels) == 1:
        return pixels[0]
    # As television weights red, green and blue (ITU-R BT.601).
    return 0.299 * pixels[0] + 0.587 * pixels[1] + 0.114 * pixels[2]


def _reduced(grey: Tensor) -> np.ndarray:
    """`grey` with sides of at most `LONGEST`, float64."""
    side = max(grey.shape)
    if side > LONGEST:
        size = [max(1, round(length * LONGEST / side)) for length in grey.shape]
        grey = F.interpolate(grey[None, None], size=size, mode="area")[0, 0]
    return grey.double().numpy()


def _enlarged(ink: np.ndarray, height: int, width: int) -> Tensor:
    return F.interpolate(torch.from_numpy(ink)[None, None].float(), size=(height, width), mode="bilinear")[0, 0].clamp(
        0, 1
    )


def _ink(picture: np.ndarray) -> tuple[np.ndarray, bool]:
    """How much ink each pixel holds, 0 to 1, and whether that is the lighter."""
    smooth = ndimage.gaussian_filter(picture, 1)
    # Strokes are what a median of the surroundings has not: on paper they are darker, on a blackboard lighter.
    away = smooth[::4, ::4] - _surroundings(smooth)
    light_on_dark = bool((away**3).sum() > 0)
    # A closing fills strokes and leaves the edges of shadows where they are.
    element = max(9, min(picture.shape) // 5)
    if light_on_dark:
        ground = ndimage.grey_opening(smooth, element)
        contrast = (smooth - ground) / (1 - np.minimum(ground, BRIGHTEST_BOARD))
    else:
        ground = ndimage.grey_closing(smooth, element)
        contrast = (ground - smooth) / np.maximum(ground, DARKEST_PAPER)
    contrast = _without_lines(_without_lines(contrast).T).T
    noise = 1.4826 * np.median(np.abs(contrast - np.median(contrast)))
    floor = np.median(contrast) + 4 * noise
    low = max(0.08, floor)
    values = contrast[_inside(contrast > low)]
    if len(values) == 0:
        return np.zeros_like(contrast), light_on_dark
    full = np.quantile(values[values >= _otsu(values)], 0.6)
    if full < max(0.12, 1.5 * floor):
        return np.zeros_like(contrast), light_on_dark
    return ((contrast - 0.2 * full) / (0.6 * full)).clip(0, 1), light_on_dark


def _evenly_lit(picture: np.ndarray) -> np.ndarray:
    """`picture` less the light that slants, or falls off to the corners: a surface of second degree."""
    paper = _surroundings(ndimage.gaussian_filter(picture, 1))
    # Where the picture is overexposed, it does not show how the light falls.
    told = paper < 0.99
    if told.mean() < 0.1:
        return picture
    terms = _second_degree(picture.shape)
    factors = np.linalg.lstsq(terms[::4, ::4][told], paper[told], rcond=None)[0]
    level = np.median(paper)
    return (picture * level / (terms @ factors).clip(max(0.25 * level, 0.01), 1)).clip(0, 1)


def _second_degree(shape: tuple[int, ...]) -> np.ndarray:
    """`(H, W, 6)`: 1, y, x, y², xy and x² of each pixel, from -1 to 1 across the picture."""
    y, x = np.meshgrid(*(np.linspace(-1, 1, side) for side in shape), indexing="ij")
    return np.stack([np.ones_like(y), y, x, y * y, x * y, x * x], axis=-1)


def _surroundings(smooth: np.ndarray) -> np.ndarray:
    """The median of what surrounds each fourth pixel of each fourth row."""
    return ndimage.median_filter(smooth[::4, ::4], max(5, min(smooth.shape) // 4 // 4))


def _inside(mask: np.ndarray) -> np.ndarray:
    """`mask` less what reaches the border, such as a thumb, if anything large remains."""
    pieces, count = ndimage.label(mask, np.ones((3, 3)))
    boxes = [(s[0].start, s[1].start, s[0].stop, s[1].stop) for s in ndimage.find_objects(pieces)]
    inside = [at + 1 for at, box in enumerate(boxes) if not _cut(box, mask.shape) and _side(box) >= SMALLEST]
    return np.isin(pieces, inside) if inside else mask


def _without_lines(contrast: np.ndarray) -> np.ndarray:
    """`contrast` less the lines that run through the picture from left to right, level within 17 degrees."""
    height, width = contrast.shape
    across = np.arange(width) - width // 2

    def profile(slope: float, step: int) -> np.ndarray:
        """What each row that slopes so holds in more than half of its pixels."""
        rows = np.arange(height)[:, None] + np.round(slope * across[::step]).astype(int)
        return np.median(contrast[rows.clip(0, height - 1), np.arange(width)[::step]], axis=1)

    def lines(slope: float, step: int) -> float:
        return float((np.diff(profile(slope, step)) ** 2).sum())

    best = max(np.arange(-0.3, 0.301, 0.02), key=lambda slope: lines(slope, 12))
    best = max(np.arange(best - 0.02, best + 0.0201, 0.005), key=lambda slope: lines(slope, 6))
    along = profile(best, 1)
    along = (along - ndimage.median_filter(along, 15)).clip(0)
    # A line that lies between two rows is one of both.
    line = ndimage.grey_dilation(along, 3)
    rows = np.arange(height)[:, None] - np.round(best * across).astype(int)
    under = line[rows.clip(0, height - 1)]
    return np.where((under > 0.03) & (contrast < 1.7 * under), 0, contrast)


def _otsu(values: np.ndarray) -> float:
    """The threshold between the two classes of `values` that lie farthest apart (Otsu, 1979)."""
    if values.min() == values.max():
        return float(values[0])
    counts, edges = np.histogram(values, 64)
    middles = (edges[1:] + edges[:-1]) / 2
    below = counts.cumsum()
    above = below[-1] - below
    sums = (counts * middles).cumsum()
    with np.errstate(invalid="ignore", divide="ignore"):
        between = below * above * (sums / below - (sums[-1] - sums) / above) ** 2
    return float(middles[np.nanargmax(between[:-1])])


def _regions(ink: np.ndarray) -> list[_Region]:
    """What is inked, in pieces: strokes that almost touch are one."""
    inked = ink > 0.4
    pieces, count = ndimage.label(inked, np.ones((3, 3)))
    if count == 0:
        return []
    strong = ndimage.maximum(ink, pieces, np.arange(1, count + 1)) > 0.8
    boxes = [(s[0].start, s[1].start, s[0].stop, s[1].stop) for s in ndimage.find_objects(pieces)]
    sizes = [_side(box) for box in boxes]
    left = {at for at in range(count) if strong[at] and sizes[at] >= 4}
    regions = []
    while left:
        largest = max(left, key=lambda at: (sizes[at], at))
        if sizes[largest] < SMALLEST:
            break
        left.discard(largest)
        mask, box = pieces == largest + 1, boxes[largest]
        while joined := _near(pieces, boxes, left, mask, box):
            left -= joined
            mask = mask | np.isin(pieces, [at + 1 for at in joined])
            tops, lefts, bottoms, rights = zip(box, *(boxes[at] for at in joined), strict=True)
            box = (min(tops), min(lefts), max(bottoms), max(rights))
        regions.append(_Region(mask, box, _cut(box, ink.shape)))
    return regions


def _near(
    pieces: np.ndarray,
    boxes: list[tuple[int, int, int, int]],
    left: set[int],
    mask: np.ndarray,
    box: tuple[int, int, int, int],
) -> set[int]:
    """Those of the pieces that are `left` that belong to what `mask` holds, in its `box`."""
    away = ndimage.distance_transform_edt(~mask)
    near = ndimage.minimum(away, pieces, np.arange(1, len(boxes) + 1))
    found, size = set(), _side(box)
    for at in left:
        # A 5's bar may stand apart, and a stroke may break; another digit is about as large, and stands beside.
        top, _, bottom, _ = boxes[at]
        rows = min(bottom, box[2]) - max(top, box[0])
        beside = _side(boxes[at]) > 0.7 * size and rows > 0.5 * min(bottom - top, box[2] - box[0])
        if near[at] <= (0.1 if beside else 0.25) * size and not _cut(boxes[at], mask.shape):
            found.add(at)
    return found


def _cut(box: tuple[int, int, int, int], shape: tuple[int, ...]) -> bool:
    top, left, bottom, right = box
    return min(top, left, shape[0] - bottom, shape[1] - right) <= 3


def _strokes(ink: np.ndarray, region: _Region) -> np.ndarray:
    """A region's ink, with a margin."""
    top, left, bottom, right = region.box
    margin = _size(region) // 8 + 2
    mask = np.pad(region.mask[top:bottom, left:right], margin)
    return np.pad(ink[top:bottom, left:right], margin) * ndimage.binary_dilation(mask)
