"""What the explorers of `helpers.explorers` are made of: pictures, thumbnails, and the whole that lets them answer.

An explorer is one widget. While a slider moves, nothing is drawn by matplotlib: the pictures that change travel to the
page as levels, in one message, and become pictures there (`helpers/explorers/page`).
"""

import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import matplotlib.pyplot as plt
from anywidget import AnyWidget
from IPython.display import display
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor
from traitlets import Dict, Int, Unicode

from helpers.explorers import frames
from helpers.explorers.controls import Control
from helpers.explorers.drawing import Paper
from helpers.explorers.outputs import note_shown
from helpers.explorers.page import CSS, module
from helpers.plotting import STYLE, WIDTH, Panel, as_image, panels

SIDE = 196  # pixels on the screen of a large picture: 7 for each one of an image
_IN_A_ROW = 10  # large panels of a still picture
_GAP = 5  # between a few panels in one picture
_THUMBNAIL = {"side": 56, "small": 18, "gap": 0}


class Picture:
    """A large picture of one panel, or of a few, with their scale and a caption.

    Attributes:
        panels: what is shown.
        end: of the scale of what is signed, or of activations.
        probabilities: `(n,)`, of the classes, if it was read: a still picture has room for them.
        words, drawn: the same for the page.

    Args:
        side: of its square, in pixels of the screen.
    """

    def __init__(self, side: int = SIDE) -> None:
        self._measures = {"side": side, "small": side // 3 - _GAP, "gap": _GAP}
        self.page: dict[str, Any] = {"kind": "picture", **self._measures}
        self.panels: list[Panel] = []
        self.end = 1.0
        self.probabilities: Tensor | None = None
        self.words: dict[str, Any] = {}
        self.drawn: dict[str, Any] = {}

    def show(
        self, label: str, panels: Sequence[Panel], end: float, text: str = "", probabilities: Tensor | None = None
    ) -> None:
        """Show `panels`, all of one kind, on a scale that ends at `end`, with `label` and `text` below."""
        self.end, self.probabilities, kind = end, probabilities, panels[0].kind
        if len(panels) == 1:
            self.panels = [replace(panels[0], label=label)]
        else:
            self.panels = [replace(panel, label=f"{label}, {panel.label}") for panel in panels]
        place, levels = _place(panels, end, **self._measures)
        self.words = {"label": label, "text": text, "marks": _marks(kind, end)}
        self.drawn = {"place": place, "levels": levels}


def _place(panels: Sequence[Panel], end: float, side: int, small: int, gap: int) -> tuple[dict[str, Any], bytes]:
    """What stands in a square of `side` pixels, one panel or a few, each `small` pixels wide; and its levels."""
    maps = [frames.levels(panel, end, side if len(panels) == 1 else small) for panel in panels]
    place: dict[str, Any] = {
        "kind": frames.scale_of(panels[0]),
        "shapes": [levels.shape[-2:] for levels in maps],
        "channels": 3 if maps[0].ndim == 3 else 1,
    }
    if panels[0].dots is not None:
        place["dots"] = panels[0].dots.T.tolist()
    return place, b"".join(levels.tobytes() for levels in maps)


def number(value: float) -> str:
    """As it is read: with two decimals where there is room for them."""
    return (f"{value:.2f}" if abs(value) < 1000 else f"{value:,.0f}").replace("-", "−")


def _marks(kind: str, end: float) -> list[str]:
    """What stands at the ends of a scale, and at zero; none for an image, whose scale needs no telling."""
    return {"ink": [], "activation": ["0", number(end)], "signed": [number(-end), "0", number(end)]}[kind]


class Thumbnails:
    """Small pictures in rows of four, each a button with its label.

    Attributes:
        panels: the first panel of each place that is shown, with its label.
        end: of their common scale.
        words, drawn: the same for the page.

    Args:
        count: how many places there are.
        pick: called with the number of the place that is clicked.
    """

    def __init__(self, count: int, pick: Callable[[int], None]) -> None:
        self.panels: list[Panel] = []
        self.end = 1.0
        self.page = {"kind": "thumbnails", "count": count, **_THUMBNAIL}
        self.words: dict[str, Any] = {}
        self.drawn: dict[str, Any] = {}
        self._pick = pick
        self._places: Sequence[Sequence[Panel]] | None = None

    def show(
        self, labels: Sequence[str], places: Sequence[Sequence[Panel]], end: float, chosen: int | None, name: str
    ) -> None:
        """Show what stands in each place, one panel or a few, with its label below; the places beyond are empty.

        Args:
            places: the same list as before is not drawn again.
            end: of the scale of all.
            chosen: the number of the place with a line around it.
            name: what a place is called: `"map"`.
        """
        self.panels = [replace(place[0], label=label) for label, place in zip(labels, places, strict=True)]
        self.words = {"labels": list(labels), "chosen": chosen, "name": name}
        if places is self._places and end == self.end:
            return
        self._places, self.end = places, end
        drawn = [_place(place, end, **_THUMBNAIL) for place in places]
        self.drawn = {
            "places": [place for place, _ in drawn],
            "levels": b"".join(levels for _, levels in drawn),
        }

    def receive(self, news: dict[str, Any], buffers: Sequence[memoryview]) -> None:
        """What the page tells."""
        self._pick(news["pick"])


class Bars:
    """Shares of a whole as bars.

    Attributes:
        words: the same for the page.

    Args:
        title: what they are shares of.
        names: of what each is the share.
    """

    def __init__(self, title: str, names: Sequence[str]) -> None:
        self.page = {"kind": "bars", "title": title}
        self._names = list(names)
        self.show(None)

    def show(self, shares: Tensor | None) -> None:
        """Show the shares `(len(names),)`; without them, the names alone."""
        self.words = {"names": self._names, "shares": None if shares is None else shares.tolist()}


class Note:
    """Sentences below the pictures.

    Attributes:
        words: the same for the page.
    """

    page: dict[str, Any] = {"kind": "note"}

    def __init__(self) -> None:
        self.show([])

    def show(self, sentences: Sequence[str]) -> None:
        """Show these, each in a line of its own; empty ones are left out."""
        self.words = {"sentences": [sentence for sentence in sentences if sentence]}


class Explorer(AnyWidget):
    """Controls, and the pictures that answer to them.

    Where no kernel runs, a still picture stands in its place. If an answer fails, its error is shown below the
    controls, and the pictures stay as they were. When no output shows it any more, it is closed (`helpers.outputs`),
    and when it is shown again, it opens again.

    The page (`page/explorer.js`) finds in the model: `page`, what there is to be laid out; for each control
    `range_NAME`, where it can stand, and `at_NAME`, where it does; for each part `words_NUMBER` and `drawn_NUMBER`,
    what it says and what is drawn in it; `fault`, what went wrong. It sets `at_NAME`, and tells parts what a hand has
    done to them.

    Attributes:
        controls: those that choose what is shown, by their names.

    Args:
        title: what to do with it.
        controls: they need a `value`.
        pictures: what `draw` changes.
        draw: shows what the controls ask for. It may yield: what it has shown by then goes to the page first.
        beside: what stands before the pictures; `draw` may change it, too.
        further: controls of which a still picture does not tell how they stand.
        below: what stands after the pictures; `draw` may change it, too.
    """

    _esm = module("explorer.js")
    _css = CSS

    page = Dict().tag(sync=True)
    fault = Unicode().tag(sync=True)

    def __init__(
        self,
        title: str,
        controls: Mapping[str, Control],
        pictures: Sequence[Picture | Thumbnails],
        draw: Callable[[], Iterator[None] | None],
        beside: Sequence[Paper | Bars] = (),
        further: Mapping[str, Control] = {},
        below: Sequence[Note] = (),
    ) -> None:
        self._draw = draw
        self._draw_whole()
        self._told = controls
        self.controls = controls = {**controls, **further}
        self._title, self._pictures, self._drawing = title, list(pictures), False
        self._parts = [*beside, *pictures, *below]
        self.add_traits(
            **{f"range_{name}": Dict(control.range).tag(sync=True) for name, control in controls.items()},
            **{f"at_{name}": Int(control.at).tag(sync=True) for name, control in controls.items()},
            **{key: Dict(shown).tag(sync=True) for key, shown in self._shown()},
        )
        super().__init__(
            page={
                "controls": [{"name": name, "kind": control.kind} for name, control in controls.items()],
                "parts": [part.page for part in self._parts],
                "palettes": frames.PALETTES,
            }
        )
        for k, part in enumerate(self._parts):
            if isinstance(part, Paper):
                part.tell = partial(self._tell_part, k)
        self.on_msg(self._receive)
        for name, control in controls.items():
            control.observe(self.answer, names="value")
            self.observe(self._moved, names=f"at_{name}")

    def answer(self, _: object = None) -> None:
        """Draw what the controls ask for, or say what went wrong."""
        if self._drawing:  # a control that the drawing itself has moved
            return
        steps, ended = self._steps(), False
        while not ended:
            with self._together():
                try:
                    ended = next(steps)
                except Exception as fault:
                    self.fault, ended = f"{type(fault).__name__}: {fault}", True
                else:
                    self.fault = ""

    def _steps(self) -> Iterator[bool]:
        """Draw; after each part that goes to the page by itself, whether it was the last."""
        for _ in self._draw() or ():
            yield False
        yield True

    def _draw_whole(self) -> None:
        for _ in self._steps():
            pass

    @contextmanager
    def _together(self) -> Iterator[None]:
        """One drawing at a time. All that changes meanwhile goes to the page in one message, in the end."""
        self._drawing = True
        try:
            with self.hold_sync():
                yield
                for name, control in self.controls.items():
                    self.set_trait(f"range_{name}", control.range)
                    self.set_trait(f"at_{name}", control.at)
                for key, shown in self._shown():
                    self.set_trait(key, shown)
        finally:
            self._drawing = False

    def _shown(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """What the parts show, but for paper, which tells what happens to it by itself."""
        for k, part in enumerate(self._parts):
            if not isinstance(part, Paper):
                yield f"words_{k}", part.words
            if isinstance(part, Picture | Thumbnails):
                yield f"drawn_{k}", part.drawn

    def _moved(self, _: dict[str, Any]) -> None:
        """Hands have moved controls in the page, perhaps to where they can no longer stand.

        While the kernel is busy, a page gathers what is moved in one message. So all controls are moved before anything
        is drawn: an answer to the first alone would send the others back to where they were.
        """
        if self._drawing:
            return
        before = [control.at for control in self.controls.values()]
        self._drawing = True
        try:
            for name, control in self.controls.items():
                control.at = getattr(self, f"at_{name}")
        finally:
            self._drawing = False
        if [control.at for control in self.controls.values()] != before:
            self.answer()
        for name, control in self.controls.items():
            self.set_trait(f"at_{name}", control.at)

    def _receive(self, _: object, news: dict[str, Any], buffers: Sequence[memoryview]) -> None:
        self._parts[news["part"]].receive(news, buffers)

    def _tell_part(self, k: int, news: dict[str, Any], buffers: Sequence[bytes]) -> None:
        self.send({"part": k, **news}, buffers)

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
        rows = [large[i : i + _IN_A_ROW] for i in range(0, len(large), _IN_A_ROW)]
        large = rows[0]
        for thumbnails in self._pictures:
            if isinstance(thumbnails, Thumbnails):
                rows += [thumbnails.panels[i : i + 8] for i in range(0, len(thumbnails.panels), 8)]
        ends = [picture.end for picture in self._pictures if any(panel.kind == "signed" for panel in picture.panels)]
        columns = max(map(len, rows))
        wide = 2 if 2 * len(large) < columns else 1  # where there is room, a large picture takes two places
        width = 100 // columns
        rows = [[replace(one, label=textwrap.fill(one.label, width)) for one in row] for row in rows]
        rows[0] = [replace(one, label=textwrap.fill(one.label, wide * width)) for one in large]
        words = [control.in_words(name) for name, control in self._told.items()]
        lines = ["      ".join(words[i : i + 3]) for i in range(0, len(words), 3)]
        figure = panels(rows, "\n".join([self._title, *lines]), limit=ends[-1] if ends else None)
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
            self._draw_whole()  # the model may have learnt since the last answer
            self.fault = ""
        data, metadata = as_image(self.still(), alt, name)._repr_mimebundle_()
        self.open()
        note_shown(self)
        shown, more = super()._repr_mimebundle_() or ({}, {})
        return {**shown, "text/plain": alt, **data}, {**more, **metadata}

    def close(self) -> None:
        """Close it, so that neither the kernel nor a browser keeps any of it."""
        if self.comm is not None:
            self.layout.close()
            super().close()

    def open(self) -> None:
        """Open it again, as it was, if it has been closed."""
        if self.comm is None:
            self.layout.open()
            super().open()
            self.__dict__.pop("_repr_mimebundle_", None)  # which Widget.close has covered by None


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
