"""A film for Chromium's made camera: ten digits on paper, one after the other, come from the right and go to the left.

In the lower left corner, too small to be taken for ink, two squares of grey say what there is to be seen.
"""

import io
from pathlib import Path

import numpy as np
from photographs import written
from PIL import Image
from torch import Tensor

HEIGHT, WIDTH = 480, 640
RATE = 30  # frames a second: what Chromium takes a file of JPEG pictures for
EMPTY, COMING, HELD = 10, 8, 26  # frames without a digit, of its way in and out, and at rest
TALL = 210
SQUARE = 8  # its side: a block of JPEG
LEVELS = {"empty": 200, "moving": 130, "held": 60}


def write_film(path: Path, digits: Tensor) -> None:
    """A film of as many digits `(N, 1, 28, 28)` as there are, as JPEG pictures in a file."""
    rng = np.random.default_rng(7)
    noises = [rng.normal(0, 4, (HEIGHT, WIDTH)) for _ in range(3)]
    y, x = np.mgrid[-1 : 1 : HEIGHT * 1j, -1 : 1 : WIDTH * 1j]
    paper = 225 * (0.88 - 0.1 * x - 0.06 * y - 0.05 * (x**2 + y**2))
    pictures: list[bytes] = []

    def frame(ink: np.ndarray | None, left: int, state: str, number: int, noise: int) -> bytes:
        lit = paper.copy()
        if ink is not None:
            top = (HEIGHT - ink.shape[0]) // 2
            first, last = max(0, -left), min(ink.shape[1], WIDTH - left)
            if last > first:
                lit[top : top + len(ink), left + first : left + last] *= 1 - 0.85 * ink[:, first:last]
        lit += noises[noise]
        for place, level in enumerate((LEVELS[state], 60 + 14 * number)):
            lit[-SQUARE:, 2 * place * SQUARE : (2 * place + 1) * SQUARE] = level
        file = io.BytesIO()
        Image.fromarray(lit.clip(0, 255).astype(np.uint8)).convert("RGB").save(file, "JPEG", quality=85)
        return file.getvalue()

    for number, digit in enumerate(digits):
        ink = written(digit[0].numpy(), TALL, None)
        middle = (WIDTH - ink.shape[1]) // 2
        empty = [frame(None, 0, "empty", number, noise) for noise in range(3)]
        held = [frame(ink, middle, "held", number, noise) for noise in range(3)]
        ways = ((WIDTH, middle), (middle, -ink.shape[1]))
        coming, going = (
            [frame(ink, int(left), "moving", number, k % 3) for k, left in enumerate(np.linspace(*way, COMING))]
            for way in ways
        )
        pictures += [empty[k % 3] for k in range(EMPTY)] + coming + [held[k % 3] for k in range(HELD)] + going
    path.write_bytes(b"".join(pictures))


def told(levels: list[float]) -> tuple[str, int]:
    """What there is to be seen, and the number of the digit, from the two squares."""
    # Chromium takes a JPEG's full range of grey for that of television, from 16 to 235.
    levels = [16 + level * 219 / 255 for level in levels]
    state = min(LEVELS, key=lambda name: abs(LEVELS[name] - levels[0]))
    return state, round((levels[1] - 60) / 14)
