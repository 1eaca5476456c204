"""Whether two pictures show the same, whatever the fonts and the processor drew.

A picture is a PNG file with the description that `helpers.pictures.png` writes into it. Three things are compared:

1. What the description says: every text, every line's points, each panel's shape, scale, range of values and dots, and
   roughly where each of them stands.
2. The panels, colour bars among them, cell by cell: each value's colour is read back from the middle of its cell.
3. All else, such as frames and arrows: each pixel must have its like near by in the other picture.

Of an animation the description tells of the first picture. The others must have the same arrangement: their panels and
all else are compared in the same way.
"""

import base64
import io
import json
from functools import reduce
from pathlib import Path

import numpy as np
from PIL import Image, ImageSequence

NUMBERS = 2e-3  # numbers of a panel may differ by this share of the largest of them
COLOUR = 8  # of 255 levels: a colour that differs by less is one that another processor rounds differently
PLACE = 15  # pixels: how far other fonts may move the middle of a panel or a text
REACH = 5  # pixels: how far other fonts may push what is beside them
LIKE = 64  # of 255 levels: what counts as the like of a pixel, whose edge may be smoothed differently


def pictures_of(outputs: list[dict]) -> list[tuple[bytes, str | None]]:
    """The PNG files among the `outputs` of a notebook's cell, each with its alternative text."""
    shown = [output for output in outputs if "image/png" in output.get("data", {})]
    return [
        (base64.b64decode(output["data"]["image/png"]), output["metadata"].get("image/png", {}).get("alt"))
        for output in shown
    ]


def differences(expected: bytes, actual: bytes) -> list[str]:
    """What `actual` shows otherwise than `expected`, a line each; empty if they show the same."""
    (one, *later), (other, *newer) = _frames(expected), _frames(actual)
    if one.size != other.size:
        return [f"the size is {other.size}, not {one.size} pixels"]
    told, tells = _description(one), _description(other)
    if told is None or tells is None:
        return [f"the {'stored' if told is None else 'new'} picture has no description of itself"]
    grey, new_grey = (np.asarray(picture.convert("L"), dtype=int) for picture in (one, other))
    found = _texts(grey, told["texts"], new_grey, tells["texts"]) + _lines(told["lines"], tells["lines"])
    if len(told["panels"]) != len(tells["panels"]):
        return [*found, f"there are {len(tells['panels'])} panels, not {len(told['panels'])}"]
    before, after = (np.asarray(picture, dtype=np.int16) for picture in (one, other))
    for k, (panel, new) in enumerate(zip(told["panels"], tells["panels"], strict=True)):
        found += [f"panel {k}: {line}" for line in _panel(before, panel, after, new)]
    return found + _rest(before, told, after, tells) + _later(later, told, newer, tells)


def leave(folder: Path, name: str, expected: bytes, actual: bytes) -> None:
    """Write `name-expected.png`, `name-actual.png` and `name-difference.png`, white where they differ, to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}-expected.png").write_bytes(expected)
    (folder / f"{name}-actual.png").write_bytes(actual)
    before, after = _frames(expected)[0], _frames(actual)[0]
    size = (max(before.width, after.width), max(before.height, after.height))
    one, other = (np.asarray(_padded(picture, size), dtype=int) for picture in (before, after))
    distance = np.abs(one - other).max(axis=2)
    Image.fromarray((255 * (distance > COLOUR)).astype("uint8")).save(folder / f"{name}-difference.png")


def _frames(png: bytes) -> list[Image.Image]:
    """The pictures of an animation, or the one that is none; the first has what the file says of itself."""
    opened = Image.open(io.BytesIO(png))
    said = dict(opened.info)
    frames = [frame.convert("RGB") for frame in ImageSequence.Iterator(opened)]
    frames[0].info = said
    return frames


def _later(expected: list[Image.Image], told: dict, actual: list[Image.Image], tells: dict) -> list[str]:
    """The differences of all pictures of an animation but the first."""
    if len(expected) != len(actual):
        return [f"there are {1 + len(actual)} pictures in turn, not {1 + len(expected)}"]
    found = []
    for k, pictures in enumerate(zip(expected, actual, strict=True), start=1):
        before, after = (np.asarray(picture, dtype=np.int16) for picture in pictures)
        for panel, (one, other) in enumerate(zip(told["panels"], tells["panels"], strict=True)):
            found += [f"picture {k} in turn, panel {panel}: {line}" for line in _colours(before, one, after, other)]
        found += [f"picture {k} in turn: {line}" for line in _rest(before, told, after, tells)]
    return found


def _padded(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    whole = Image.new("RGB", size, "magenta")
    whole.paste(picture)
    return whole


def _description(picture: Image.Image) -> dict | None:
    return json.loads(picture.info["Description"]) if "Description" in picture.info else None


def _texts(before: np.ndarray, expected: list[dict], after: np.ndarray, actual: list[dict]) -> list[str]:
    one, other = ([line["text"] for line in lines] for lines in (expected, actual))
    if len(one) != len(other):
        return [f"the texts are {other}, not {one}"]
    found = [f"a text is {b!r}, not {a!r}" for a, b in zip(one, other, strict=True) if a != b]
    for a, b in zip(expected, actual, strict=True):
        found += [f"the text {a['text']!r} {line}" for line in _place(a["box"], b["box"])]
        if abs(_contrast(before, a["box"]) - _contrast(after, b["box"])) > 2 * LIKE:
            found.append(f"the text {a['text']!r} stands out more or less than it did")
    return found


def _place(expected: list[float], actual: list[float]) -> list[str]:
    one, other = (((left + right) / 2, (top + bottom) / 2) for left, top, right, bottom in (expected, actual))
    moved = max(abs(a - b) for a, b in zip(one, other, strict=True)) > PLACE
    return [f"is centred at {other}, not {one}"] if moved else []


def _contrast(grey: np.ndarray, box: list[float]) -> int:
    left, top, right, bottom = (round(side) for side in box)
    pixels = grey[max(0, top) : bottom, max(0, left) : right]
    return int(pixels.max() - pixels.min()) if pixels.size else 0


def _lines(expected: list[dict], actual: list[dict]) -> list[str]:
    if len(expected) != len(actual):
        return [f"there are {len(actual)} lines, not {len(expected)}"]
    found = []
    for k, (one, other) in enumerate(zip(expected, actual, strict=True)):
        for axis in ("x", "y"):
            if len(one[axis]) != len(other[axis]) or not _close(one[axis], other[axis]):
                found.append(f"line {k} goes through {axis} = {other[axis]}, not {one[axis]}")
    return found


def _close(one: list[float], other: list[float]) -> bool:
    return bool(np.allclose(one, other, rtol=0, atol=NUMBERS * max(map(abs, one), default=0)))


def _panel(before: np.ndarray, one: dict, after: np.ndarray, other: dict) -> list[str]:
    if one["shape"] != other["shape"]:
        return [f"the shape is {other['shape']}, not {one['shape']}"]
    found = _place(one["box"], other["box"])
    if one["dots"] != other["dots"]:
        found.append(f"the dots (row, column) are at {other['dots']}, not at {one['dots']}")
    for what in ("scale", "values"):
        if not _close(one[what], other[what]):
            names = "from, to" if what == "scale" else "smallest, largest, mean"
            found.append(f"the {what} ({names}) are {other[what]}, not {one[what]}")
    return found + _colours(before, one, after, other)


def _colours(before: np.ndarray, one: dict, after: np.ndarray, other: dict) -> list[str]:
    cells, others = _cells(before, one), _cells(after, other)
    tolerance = np.full(cells.shape[:2], COLOUR)
    for row, column in one["dots"]:
        # A dot is smaller than its cell, and its edge is smoothed.
        tolerance[round(row), round(column)] = LIKE
    wrong = np.argwhere(np.abs(cells - others).max(axis=2) > tolerance)
    if not len(wrong):
        return []
    row, column = wrong[0]
    return [
        f"{len(wrong)} of {cells.shape[0] * cells.shape[1]} values have another colour, the first at row {row}, "
        f"column {column}: {others[row, column].tolist()}, not {cells[row, column].tolist()}"
    ]


def _cells(pixels: np.ndarray, panel: dict) -> np.ndarray:
    """The colours `(H, W, 3)` of a panel's values: medians over the middles of cells, as a text may cover some."""
    (rows, columns), (left, top, right, bottom) = panel["shape"], panel["box"]
    y, x = _middles(top, bottom, rows), _middles(left, right, columns)
    middles = pixels[y[:, None, :, None], x[None, :, None, :]]
    return np.median(middles, axis=(2, 3)).astype(int)


def _middles(low: float, high: float, count: int) -> np.ndarray:
    """The pixels `(count, n)` in the middle half of each of `count` cells that share the pixels from low to high."""
    side = (high - low) / count
    n = max(1, round(side / 2))
    first = low + (np.arange(count) + 0.5) * side - n / 2
    return np.round(first).astype(int)[:, None] + np.arange(n)


def _rest(before: np.ndarray, told: dict, after: np.ndarray, tells: dict) -> list[str]:
    differ = (np.abs(before - after) > LIKE).any(axis=2)
    for description in (told, tells):
        for item in (*description["panels"], *description["texts"]):
            left, top, right, bottom = (round(side) for side in item["box"])
            differ[max(0, top - REACH) : bottom + REACH, max(0, left - REACH) : right + REACH] = False
    if not differ.any():
        return []
    # Looked for only where there is need, as this takes most of the time.
    (top, left), (bottom, right) = _ends(differ)
    part = slice(max(0, top - REACH), bottom + REACH + 1), slice(max(0, left - REACH), right + REACH + 1)
    differ[part] &= _without_like(before[part], after[part]) | _without_like(after[part], before[part])
    if not differ.any():
        return []
    (top, left), (bottom, right) = _ends(differ)
    return [f"{differ.sum()} pixels outside the panels differ, from ({left}, {top}) to ({right}, {bottom})"]


def _ends(marked: np.ndarray) -> np.ndarray:
    """The first and the last row and column in which something is marked: `[[top, left], [bottom, right]]`."""
    places = np.argwhere(marked)
    return np.stack([places.min(axis=0), places.max(axis=0)])


def _without_like(pixels: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Where none of `others` within reach has a colour like that of `pixels`, channel by channel: `(H, W)`."""
    low, high = _nearby(others, np.minimum), _nearby(others, np.maximum)
    return ((pixels < low - LIKE) | (pixels > high + LIKE)).any(axis=2)


def _nearby(pixels: np.ndarray, extreme: np.ufunc) -> np.ndarray:
    """The extreme of all `pixels` `(H, W, 3)` within reach of each one, channel by channel."""
    for _ in ("rows", "columns"):
        padded = np.pad(pixels, [(REACH, REACH), (0, 0), (0, 0)], mode="edge")
        shifted = (padded[k : k + len(pixels)] for k in range(2 * REACH + 1))
        pixels = reduce(extreme, shifted).swapaxes(0, 1)
    return pixels
