"""What the explorers of `helpers.explorers` are made of: pictures, thumbnails, and the box that lets them answer.

While a slider moves, nothing is drawn by matplotlib: small PNG files are set on `Image` widgets, and only those that
change travel to the browser.
"""

import html
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace

import ipywidgets as widgets
import matplotlib.pyplot as plt
import numpy as np
from IPython.display import display
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor
from traitlets import Unicode

from helpers.explorers import frames
from helpers.explorers.outputs import family, note_shown
from helpers.plotting import STYLE, WIDTH, Panel, as_image, panels

SIDE = 196  # pixels on the screen of a large picture: 7 for each one of an image
_THUMBNAIL = 56
_COLUMNS = 4
_PLACE = (64, 84)  # width and height that a thumbnail and its label take
_ROW = {"flex_flow": "row wrap", "align_items": "flex-start", "grid_gap": "4px 16px"}
_GRADIENTS = {kind: frames.gradient(kind) for kind in ("signed", "activation")}
_TEXT = "line-height: 1.35; color: var(--jp-ui-font-color1, inherit)"


# Around a thumbnail, chosen or not: in a colour that stands out on a light page, on a dark one and from the maps.
_FRAMES = {True: "2px solid #d65400", False: "2px solid transparent"}


class DescribedImage(widgets.Image):
    """An image whose tooltip is its name for those who can't see it.

    ipywidgets' own fails on a tooltip, as it looks for a description first.
    """

    description = Unicode("").tag(sync=True)


class Picture(widgets.VBox):
    """A large picture of one panel, or of a few, with their scale and a caption.

    Attributes:
        panels: what is shown.
        end: of the scale of what is signed, or of activations.
        probabilities: `(n,)`, of the classes, if it was read: a still picture has room for them.
        parts: the widgets that change.
    """

    def __init__(self) -> None:
        self.panels: list[Panel] = []
        self.end = 1.0
        self.probabilities: Tensor | None = None
        self._image = DescribedImage(format="png", layout={"width": f"{SIDE}px", "height": f"{SIDE}px", "margin": "0"})
        self._caption = widgets.HTML(layout={"width": f"{SIDE}px", "min_height": "8em", "margin": "0"})
        self.parts = [self._image, self._caption]
        super().__init__(self.parts, layout={"width": f"{SIDE}px", "flex": "0 0 auto"})

    def show(
        self, label: str, panels: Sequence[Panel], end: float, text: str = "", probabilities: Tensor | None = None
    ) -> None:
        """Show `panels`, all of one kind, on a scale that ends at `end`, with `label` and `text` below."""
        self.end, self.probabilities, kind = end, probabilities, panels[0].kind
        if len(panels) == 1:
            self.panels = [replace(panels[0], label=label)]
        else:
            self.panels = [replace(panel, label=f"{label}, {panel.label}") for panel in panels]
        self._image.value = frames.png(_square(panels, end, SIDE, small=60, gap=5), kind)
        self._image.tooltip = f"{label}. {text}"
        self._caption.value = (
            f'<div style="{_TEXT}">{_scale(kind, end)}<b>{html.escape(label)}</b><br>{html.escape(text)}</div>'
        )


def _square(panels: Sequence[Panel], end: float, side: int, small: int, gap: int) -> np.ndarray:
    """One panel in a square of `side` pixels, or a few in rows of three, each `small` pixels wide."""
    if len(panels) == 1:
        return frames.cell(panels[0], end, side)
    cells = [frames.cell(panel, end, small) for panel in panels]
    return frames.centred(frames.grid(cells, 3, -(-len(cells) // 3), small + gap, small + gap), side)


def _scale(kind: str, end: float) -> str:
    """A colour bar with its ends, and with zero; for an image, whose scale needs no telling, the room for one."""
    if kind == "ink":
        return '<div style="height: 28px"></div>'
    marks = ["0", f"{end:.2f}"] if kind == "activation" else [f"−{end:.2f}", "0", f"{end:.2f}"]
    return (
        f'<div style="height: 8px; margin-top: 4px; background: {_GRADIENTS[kind]}"></div>'
        '<div style="height: 16px; display: flex; justify-content: space-between; font-size: 85%">'
        + "".join(f"<span>{mark}</span>" for mark in marks)
        + "</div>"
    )


class Thumbnails(widgets.GridBox):
    """Small pictures in rows of four, each a button with its label.

    Attributes:
        panels: the first panel of each place that is shown, with its label.
        end: of their common scale.
        parts: the widgets that change.

    Args:
        count: how many places there are.
        pick: called with the number of the place that is clicked.
    """

    def __init__(self, count: int, pick: Callable[[int], None]) -> None:
        self.panels: list[Panel] = []
        self.end = 1.0
        self._rows = -(-count // _COLUMNS)
        self._shown: np.ndarray | None = None
        self._named: tuple | None = None
        width, height = _PLACE
        self._sheet = DescribedImage(
            format="png",
            layout={
                "grid_area": f"1 / 1 / {self._rows + 1} / {_COLUMNS + 1}",
                "width": f"{_COLUMNS * width}px",
                "height": f"{self._rows * height}px",
                "margin": "0",
            },
        )
        self._buttons = []
        style = widgets.ButtonStyle(button_color="transparent", font_size="11px")
        for k in range(count):
            row, column = k // _COLUMNS + 1, k % _COLUMNS + 1
            button = widgets.Button(
                layout={
                    "grid_area": f"{row} / {column} / {row + 1} / {column + 1}",
                    # Small enough that its shadow, when it is touched, does not fall on the next thumbnail.
                    "width": f"{width - 2}px",
                    "height": f"{height - 6}px",
                    "margin": "1px",
                    "padding": f"{_THUMBNAIL - 3}px 0 0",
                    "border": _FRAMES[False],
                },
                style=style,
            )
            button.on_click(lambda _, k=k: pick(k))
            self._buttons.append(button)
        self.parts = [self._sheet, *self._buttons, *(button.layout for button in self._buttons)]
        super().__init__(
            [self._sheet, *self._buttons],
            layout={
                "grid_template_columns": f"repeat({_COLUMNS}, {width}px)",
                "grid_template_rows": f"repeat({self._rows}, {height}px)",
                "width": f"{_COLUMNS * width}px",
                "overflow": "visible",
                "flex": "0 0 auto",
            },
        )

    def show(
        self, labels: Sequence[str], places: Sequence[Sequence[Panel]], end: float, chosen: int | None, name: str
    ) -> None:
        """Show what stands in each place, one panel or a few, with its label below; the places beyond are empty.

        Args:
            end: of the scale of all.
            chosen: the number of the place with a line around it.
            name: what a place is called: `"map"`.
        """
        self.panels = [replace(place[0], label=label) for label, place in zip(labels, places, strict=True)]
        self.end = end
        cells = [_square(place, end, _THUMBNAIL, small=18, gap=0) for place in places]
        sheet = frames.grid(cells, _COLUMNS, self._rows, *_PLACE)
        if self._shown is None or not np.array_equal(sheet, self._shown):
            self._shown = sheet
            self._sheet.value = frames.png(sheet, "signed")
        named = (list(labels), chosen, name)
        if named != self._named:
            self._named = named
            self._name(*named)

    def _name(self, labels: list[str], chosen: int | None, name: str) -> None:
        self._sheet.tooltip = ", ".join(f"{name} {label}" for label in labels)
        for k, button in enumerate(self._buttons):
            there = k < len(labels)
            button.description = labels[k] if there else ""
            button.tooltip = f"{name} {labels[k]}" if there else ""
            button.layout.border = _FRAMES[k == chosen]
            button.layout.visibility = "visible" if there else "hidden"


class Explorer(widgets.VBox):
    """Controls, and the pictures that answer to them.

    Where no kernel runs, a still picture stands in its place. If an answer fails, its error is shown below the
    controls, and the pictures stay as they were. When no output shows it any more, it is closed (`helpers.outputs`),
    and when it is shown again, it opens again.

    Attributes:
        controls: the widgets that choose what is shown, by their names.

    Args:
        title: what to do with it.
        controls: they need a `value`.
        pictures: what `draw` changes.
        draw: shows what the controls ask for.
        beside: what stands before the pictures; `draw` may change it, too.
    """

    def __init__(
        self,
        title: str,
        controls: Mapping[str, widgets.ValueWidget],
        pictures: Sequence[Picture | Thumbnails],
        draw: Callable[[], None],
        beside: Sequence[widgets.Widget] = (),
    ) -> None:
        self.controls = dict(controls)
        self._title, self._pictures, self._draw, self._drawing = title, list(pictures), draw, False
        self._fault = widgets.HTML(layout={"margin": "0"})
        parts = [part for picture in self._pictures for part in picture.parts]
        # A SelectionSlider may not wait: new options without a new index leave the old option's name on the screen.
        waiting = [one for one in self.controls.values() if not isinstance(one, widgets.SelectionSlider)]
        self._parts = [*waiting, *beside, *parts, self._fault]
        super().__init__(
            [
                widgets.Box(list(self.controls.values()), layout=_ROW),
                self._fault,
                widgets.Box([*beside, *self._pictures], layout={**_ROW, "padding": "8px 2px", "overflow": "visible"}),
            ]
        )
        self.add_class("explorer")
        try:
            with self._together():
                draw()
        except Exception:
            self.close()
            raise
        for control in self.controls.values():
            control.observe(self.answer, names="value")

    def answer(self, _: object = None) -> None:
        """Draw what the controls ask for, or say what went wrong."""
        if self._drawing:  # a control that the drawing itself has moved
            return
        with self._together():
            try:
                self._draw()
            except Exception as fault:
                told = html.escape(f"{type(fault).__name__}: {fault}")
                self._fault.value = (
                    f'<div role="alert" style="{_TEXT}; padding: 4px 8px; border: 2px solid #d65400">'
                    f"<b>This could not be drawn.</b> {told}<br>The pictures may be those of an earlier setting.</div>"
                )
            else:
                self._fault.value = ""

    @contextmanager
    def _together(self) -> Iterator[None]:
        """One drawing at a time, whose messages to the browser leave together in the end.

        Sent on the way, they hold up what is still to be drawn, and the pictures would not change at once.
        """
        self._drawing = True
        try:
            with ExitStack() as held:
                for part in reversed(self._parts):
                    held.enter_context(part.hold_sync())
                yield
        finally:
            self._drawing = False

    def at(self, **settings: object) -> "Explorer":
        """The same explorer, with the controls of these names set to these values, in this order.

        It is drawn anew, also if they had these values before: the model may have learnt since.

        Raises:
            ValueError: there is no such control, or it can't take the value.
        """
        for name, value in settings.items():
            if name not in self.controls:
                raise ValueError(f"there is no control {name!r}; this explorer has {', '.join(self.controls)}")
            try:
                self.controls[name].value = value
            except Exception as error:
                raise ValueError(f"{name} can't be {value!r}: {error}") from error
            if self.controls[name].value != value:
                raise ValueError(f"{name} can't be {value!r}; the nearest it can be is {self.controls[name].value!r}")
        self.answer()
        return self

    def still(self) -> Figure:
        """What the explorer shows now, and how its controls stand, as a figure."""
        large = [panel for picture in self._pictures if isinstance(picture, Picture) for panel in picture.panels]
        rows = [large]
        for thumbnails in self._pictures:
            if isinstance(thumbnails, Thumbnails):
                rows += [thumbnails.panels[i : i + 8] for i in range(0, len(thumbnails.panels), 8)]
        ends = [picture.end for picture in self._pictures if any(panel.kind == "signed" for panel in picture.panels)]
        columns = max(map(len, rows))
        wide = 2 if 2 * len(large) < columns else 1  # where there is room, a large picture takes two places
        width = 100 // columns
        rows = [[replace(one, label=textwrap.fill(one.label, width)) for one in row] for row in rows]
        rows[0] = [replace(one, label=textwrap.fill(one.label, wide * width)) for one in large]
        words = [_in_words(name, control) for name, control in self.controls.items()]
        lines = ["      ".join(words[i : i + 3]) for i in range(0, len(words), 3)]
        figure = panels(rows, "\n".join([self._title, *lines]), limit=ends[0] if ends else None)
        if free := figure.axes[len(large) : columns]:
            read = [picture.probabilities for picture in self._pictures if isinstance(picture, Picture)]
            _fill(figure, figure.axes[: len(large)], free, wide, next((one for one in read if one is not None), None))
        return figure

    def show(self, alt: str, name: str | None = None) -> None:
        """Display the explorer; where no kernel runs, its still picture, which is kept as `figures/name.png`.

        Raises:
            ValueError: the model or the images have become such that they can't be drawn; there is no alternative text,
                or the name would leave the folder.
            OSError: the file can't be written; an older one stays.
        """
        data, metadata = self._as_output(alt, name)
        display(data, metadata=metadata, raw=True)

    def _repr_mimebundle_(self, **kwargs: object) -> tuple[dict, dict]:
        return self._as_output(f"{self._title}: a still picture of an explorer, which needs a running kernel.", None)

    def _as_output(self, alt: str, name: str | None) -> tuple[dict, dict]:
        with self._together():
            self._draw()  # the model may have learnt since the last answer
            self._fault.value = ""
        data, metadata = as_image(self.still(), alt, name)._repr_mimebundle_()
        self.open()
        note_shown(self)
        return {**super()._repr_mimebundle_(), "text/plain": alt, **data}, metadata

    def close(self) -> None:
        """Close it with all that it is made of, so that neither the kernel nor a browser keeps any of it."""
        if self.comm is not None:
            for part in [*family(self)][::-1]:
                widgets.Widget.close(part)

    def open(self) -> None:
        """Open it again, as it was, if it has been closed."""
        if self.comm is None:
            for part in family(self):
                widgets.Widget.open(part)
                part.__dict__.pop("_repr_mimebundle_", None)  # which Widget.close has covered by None


def _fill(figure: Figure, large: list[Axes], free: list[Axes], wide: int, probabilities: Tensor | None) -> None:
    """Leave nothing of the first row empty: its pictures take `wide` places each, the probabilities what is left."""
    grid = large[0].get_gridspec()
    assert grid is not None  # as panels makes it
    for k, place in enumerate(large):
        place.set_subplotspec(grid[0, wide * k : wide * (k + 1)])
    for place in free:
        place.remove()
    if wide > 1:
        grid.set_height_ratios([wide, *[1] * (grid.nrows - 1)])
        figure.set_figheight(figure.get_figheight() + (wide - 1) * WIDTH / (grid.ncols + 1))
    if probabilities is None:
        return
    with plt.rc_context(STYLE):
        bars = figure.add_subplot(grid[0, wide * len(large) :])
        bars.set_axis_off()
        bars.set(xlim=(-0.2, 1.4), ylim=(len(probabilities) - 0.4, -1.6))
        bars.text(0, -1, "probability", va="center")
        bars.barh(range(len(probabilities)), probabilities.numpy(), color="black", height=0.6)
        for digit, share in enumerate(probabilities.tolist()):
            bars.text(-0.05, digit, f"{digit}", va="center", ha="right")
            bars.text(share + 0.03, digit, f"{share:.0%}", va="center")


def _in_words(name: str, control: widgets.ValueWidget) -> str:
    """How a control stands: `digit ───●───── 5`."""
    if isinstance(control, widgets.ToggleButtons):
        return "  ".join(f"{'●' if label == control.label else '○'} {label}" for label in control.options)
    if isinstance(control, widgets.SelectionSlider):
        position, last, value = control.index, len(control.options) - 1, control.label
    else:
        position, last, value = control.value - control.min, control.max - control.min, control.value
    before = round(6 * position / max(last, 1))
    return f"{name} {'─' * before}●{'─' * (6 - before)} {value}"
