"""A sheet of paper, on which a page draws with mouse, pen, finger or keys, or lays a photograph."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

SIDE = 280  # pixels: ten for each one of an image of MNIST
_PEN = 12  # the pen's radius in pixels: strokes as thick as MNIST's, if the digit fills most of the paper


class Paper:
    """White ink on black, and who is told of it: the sheets of a page that show it (`page/paper.js`).

    Attributes:
        ink: `(280, 280)`, float32: what is on it, 0 for paper and 1 for ink.
        changes: how many there have been: pieces of a stroke, clearings, and what was put on it.
        changed: called after each of them.
        photographed: called with a photograph, `(3, H, W)`, float32, 0 to 1; or with the name of a file that is none.
        tell: called with the news, and with buffers, for the sheets.
    """

    page = {"kind": "paper"}

    def __init__(self, start: np.ndarray | None = None) -> None:
        """Args: start: `(280, 280)`, what is shown until the first stroke."""
        self.changes = 0
        self.changed: Callable[[], None] = lambda: None
        self.photographed: Callable[[Tensor | str], None] = lambda photo: None
        self.tell: Callable[[dict[str, Any], Sequence[bytes]], None] = lambda news, buffers: None
        self.ink = np.zeros((SIDE, SIDE), np.float32) if start is None else start.astype(np.float32)
        self._is_example = start is not None

    def clear(self, by: str = "") -> None:
        """Take all ink away. `by` names the sheet on which it is gone already."""
        self.ink[:] = 0
        self._is_example = False
        self._changed({"by": by, "clear": True})

    def stroke(self, *points: float, by: str = "") -> None:
        """Draw a line through the points x, y, x, y, …, as thick as the pen and with round ends.

        `by` names the sheet on which it is drawn already.
        """
        if self._is_example:
            self.ink[:] = 0
            self._is_example = False
        for k in range(0, len(points) - 2, 2):
            self._draw_line(*points[k : k + 4])
        self._changed({"by": by, "stroke": points})

    def put(self, ink: np.ndarray, is_read: bool = True) -> None:
        """Show `ink` `(280, 280)` until the next stroke. If it is not read, it is shown, but not on the paper."""
        self.ink[:] = ink if is_read else 0
        self._is_example = True
        self._changed({"by": "", "example": True}, [_levels(ink)])

    def receive(self, news: dict[str, Any], buffers: Sequence[memoryview]) -> None:
        """What a sheet tells."""
        if "photo" in news:
            height, width = news["photo"]
            pixels = torch.frombuffer(bytearray(buffers[0]), dtype=torch.uint8).view(height, width, 4)
            self.photographed(pixels[..., :3].permute(2, 0, 1).float() / 255)
        elif "unreadable" in news:
            self.photographed(news["unreadable"])
        elif "stroke" in news:
            self.stroke(*news["stroke"], by=news["by"])
        elif "clear" in news:
            self.clear(news["by"])
        else:  # one that has just been laid out
            self.tell({"example": self._is_example}, [_levels(self.ink)])

    def _changed(self, news: dict[str, Any], buffers: Sequence[bytes] = ()) -> None:
        self.tell(news, buffers)
        self.changes += 1
        self.changed()

    def _draw_line(self, x0: float, y0: float, x1: float, y1: float) -> None:
        reach = _PEN + 1
        top, bottom = (min(max(0, int(y)), SIDE) for y in (min(y0, y1) - reach, max(y0, y1) + reach + 1))
        left, right = (min(max(0, int(x)), SIDE) for x in (min(x0, x1) - reach, max(x0, x1) + reach + 1))
        rows, columns = np.mgrid[top:bottom, left:right] + 0.5
        length = (x1 - x0) ** 2 + (y1 - y0) ** 2
        along = ((columns - x0) * (x1 - x0) + (rows - y0) * (y1 - y0)) / length if length else 0
        along = np.clip(along, 0, 1)
        away = np.hypot(columns - x0 - along * (x1 - x0), rows - y0 - along * (y1 - y0))
        window = self.ink[top:bottom, left:right]
        np.maximum(window, np.clip(_PEN + 0.5 - away, 0, 1), out=window)


def _levels(ink: np.ndarray) -> bytes:
    return np.round(255 * ink).astype(np.uint8).tobytes()
