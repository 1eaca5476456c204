"""A sheet of paper on the screen, to draw on with mouse, pen, finger or keys."""

from collections.abc import Callable

import ipywidgets as widgets
import numpy as np
from ipycanvas import MultiCanvas, hold_canvas
from traitlets import Unicode

SIDE = 280  # pixels: ten for each one of an image of MNIST
_PEN = 12  # the pen's radius in pixels: strokes as thick as MNIST's, if the digit fills most of the paper
_STEP = 10  # pixels that an arrow key moves the pen
_ARROWS = {"ArrowLeft": (-1, 0), "ArrowRight": (1, 0), "ArrowUp": (0, -1), "ArrowDown": (0, 1)}


class _Canvas(MultiCanvas):
    """With a description, which ipywidgets looks for when there is a tooltip."""

    description = Unicode("").tag(sync=True)


class Paper(widgets.VBox):
    """A black canvas, on which white ink is drawn, and a button that clears it.

    Attributes:
        ink: `(280, 280)`, float32: what is on it, 0 for paper and 1 for ink.
        changes: how many there have been: pieces of a stroke, and clearings.
        changed: called after each of them.
    """

    def __init__(self, start: np.ndarray | None = None) -> None:
        """Args: start: `(280, 280)`, what is shown until the first stroke."""
        self.changes = 0
        self.changed: Callable[[], None] = lambda: None
        self.ink = np.zeros((SIDE, SIDE), np.float32) if start is None else start.astype(np.float32)
        self._is_example = start is not None
        self._last: tuple[float, float] | None = None  # where the pen was last seen on the paper
        self._pen = (SIDE / 2, SIDE / 2)  # where the keys have moved it
        self._pen_down = False
        self._canvas = _Canvas(
            2,
            width=SIDE,
            height=SIDE,
            layout={"width": "100%", "max_width": f"{SIDE}px", "height": "auto", "margin": "0"},
            tooltip="Draw with mouse, pen or finger; or with the arrow keys, and space to put the pen down or lift it",
        )
        for layer in (0, 1):
            self._canvas[layer].line_cap = "round"
        # A page that is loaded again begins with an empty canvas.
        self._canvas[0].on_client_ready(self._repaint)
        self._canvas.on_mouse_down(lambda x, y: self._touch(x, y))
        self._canvas.on_mouse_move(lambda x, y: self._follow(x, y))
        self._canvas.on_mouse_up(lambda x, y: self._lift())
        self._canvas.on_mouse_out(lambda x, y: self._lift())
        self._canvas.on_touch_start(lambda touches: self._touch(*touches[0]))
        self._canvas.on_touch_move(lambda touches: self._follow(*touches[0]))
        self._canvas.on_touch_end(lambda touches: self._lift())
        self._canvas.on_touch_cancel(lambda touches: self._lift())
        self._canvas.on_key_down(self._press)
        self._clear = widgets.Button(
            description="clear", tooltip="Clear the paper", layout={"width": "100px", "margin": "4px 0"}
        )
        self._clear.on_click(lambda _: self.clear())
        self._repaint()
        # On a dark page the black paper needs an edge.
        framed = widgets.Box([self._canvas], layout={"border": "1px solid #949494", "margin": "0"})
        super().__init__([framed, self._clear], layout={"width": f"{SIDE + 2}px", "max_width": "100%"})

    def clear(self) -> None:
        """Take all ink away."""
        self.ink[:] = 0
        self._is_example, self._last = False, None
        self._repaint()
        self._tell()

    def stroke(self, x0: float, y0: float, x1: float, y1: float) -> None:
        """Draw a straight line, as thick as the pen and with round ends."""
        if self._is_example:
            self.ink[:] = 0
            self._is_example = False
            self._repaint()
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
        self._draw_line(x0, y0, x1, y1)
        self._tell()

    def _tell(self) -> None:
        self.changes += 1
        self.changed()

    def _draw_line(self, x0: float, y0: float, x1: float, y1: float) -> None:
        canvas = self._canvas[0]
        with hold_canvas():
            canvas.stroke_style, canvas.line_width = "white", 2 * _PEN
            # A line without length is not drawn at all.
            canvas.stroke_line(x0, y0, x1 + 0.01 * (x0 == x1 and y0 == y1), y1)

    def _touch(self, x: float, y: float) -> None:
        self._last = (x, y)
        self.stroke(x, y, x, y)

    def _follow(self, x: float, y: float) -> None:
        if self._last is not None:
            before, self._last = self._last, (x, y)
            self.stroke(*before, x, y)

    def _lift(self) -> None:
        self._last = None

    def _press(self, key: str, shift: bool, ctrl: bool, meta: bool) -> None:
        if key in _ARROWS:
            before = self._pen
            x, y = (
                min(max(0.0, at + _STEP * step), float(SIDE)) for at, step in zip(before, _ARROWS[key], strict=True)
            )
            self._pen = (x, y)
            if self._pen_down:
                self.stroke(*before, *self._pen)
        elif key == " ":
            self._pen_down = not self._pen_down
            if self._pen_down:
                self.stroke(*self._pen, *self._pen)
        elif key in ("Delete", "Backspace"):
            self.clear()
        elif key == "Tab":
            # The canvas takes every key for itself; without this there would be no way out.
            self._pen_down = False
            self._canvas.blur() if shift else self._clear.focus()
        else:
            return
        self._show_pen(key != "Tab")

    def _show_pen(self, there: bool) -> None:
        layer = self._canvas[1]
        with hold_canvas():
            layer.clear()
            if there:
                layer.stroke_style, layer.line_width = "#ffee58" if self._pen_down else "#949494", 3
                layer.stroke_circle(*self._pen, _PEN)

    def _repaint(self) -> None:
        canvas = self._canvas[0]
        with hold_canvas():
            # ipycanvas names the layer to a browser only when it changes; a page that was loaded again must be told.
            self._canvas[1].clear()
            canvas.fill_style = "black"
            canvas.fill_rect(0, 0, SIDE, SIDE)
            if self.ink.any():
                canvas.put_image_data(255 * self.ink, 0, 0)
