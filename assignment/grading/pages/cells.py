"""The cells of a notebook, as the templates of both pages show them."""

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup
from nbconvert.filters import ansi2html
from nbformat.notebooknode import NotebookNode
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name

from grading.pages.drawing import can_be_drawn
from grading.pages.harmless import decoded, harmless, preformatted
from grading.pages.room import Room
from grading.pages.words import words
from helpers.messages import Message, message, sentence

# Beyond so many characters, code has no colours. A terminal's text has none beyond so many steps, of which reading it
# takes its length for each change of colour.
_LONGEST_CODE, _MOST_STEPS = 100_000, 500_000_000
_CODES = re.compile(r"\x1b\[[\d;]{0,100}[A-Za-z]")
# The comment that nbgrader gives by itself.
_UNANSWERED = "No response."
_PYTHON, _HTML = get_lexer_by_name("ipython3"), HtmlFormatter()


@dataclass(frozen=True)
class Cell:
    """One cell.

    Attributes:
        kind: `"words"`, `"code"` or `"raw"`.
        shown: its text, or its code.
        outputs: what it puts out.
        count: the number of its execution, or nothing.
        name: nbgrader's name for it; empty for a student's own.
        answered: whether students answer in it.
        graded: whether it has points.
        score, points: what it earned, and could. In the feedback alone: formgrader asks for them later.
        comment: the lecturer's.
        unanswered: whether nothing was written where an answer is asked for. In the feedback alone.
    """

    kind: str
    shown: Markup
    outputs: list[Markup]
    count: str
    name: str
    answered: bool
    graded: bool
    score: float
    points: float
    comment: Markup | None
    unanswered: bool


def cells_of(nb: NotebookNode, folder: Path | None, language: str = "en") -> list[Cell]:
    """All cells of the notebook, which lies in `folder`, if it lies anywhere."""
    room = Room()
    return [_cell(cell, folder, room, language) for cell in nb.cells]


def _cell(cell: NotebookNode, folder: Path | None, room: Room, language: str) -> Cell:
    kind = {"markdown": "words", "code": "code"}.get(cell.cell_type, "raw")
    source = _text(cell.get("source", ""))
    if kind == "words":
        shown = words(source, room, cell.get("attachments"), folder)
    elif kind == "code" and len(source) <= _LONGEST_CODE and room.is_left:
        shown = harmless(highlight(source, _PYTHON, _HTML), source)
    else:
        shown = preformatted(source)
    data = cell.metadata.get("nbgrader")
    data = data if isinstance(data, Mapping) else {}
    count = cell.get("execution_count")
    answered, graded = bool(data.get("solution") or data.get("task")), bool(data.get("grade") or data.get("task"))
    outputs = cell.get("outputs", []) if kind == "code" else []
    if graded and not answered:
        # A number, for nbgrader, which stands above as the points.
        outputs = [output for output in outputs if output.get("output_type") != "execute_result"]
    unanswered = data.get("comment") == _UNANSWERED
    return Cell(
        kind=kind,
        shown=shown,
        outputs=[output_of(output, room, language) for output in outputs],
        count=str(count) if isinstance(count, int) else "",
        name=str(data.get("grade_id", "")),
        answered=answered,
        graded=graded,
        score=float(data.get("score") or 0),
        points=float(data.get("points") or 0),
        comment=words(str(data["comment"]), Room()) if data.get("comment") and not unanswered else None,
        unanswered=unanswered,
    )


def output_of(output: NotebookNode, room: Room, language: str) -> Markup:
    """What an output shows: of all its forms the richest of which something is left, or which forms there are."""
    if room.is_left and room.take(len(shown := _shown(output, room, language))):
        return shown
    return _left_out(message("page.too_much"), language)


def _shown(output: NotebookNode, room: Room, language: str) -> Markup:
    if output.get("output_type") == "stream":
        return _coloured(_text(output.get("text", "")))
    if output.get("output_type") == "error":
        lines = output.get("traceback")
        lines = lines if isinstance(lines, list) and lines else [f"{output.get('ename')}: {output.get('evalue')}"]
        return _coloured("\n".join(map(str, lines)))
    data = output.get("data")
    data = data if isinstance(data, Mapping) else {}
    for form, show in _FORMS.items():
        if form in data and _shows(shown := show(form, _text(data[form]), output.get("metadata"), room)):
            return shown
    forms = [str(form) for form in data] or message("page.no_form")
    return _left_out(message("page.not_shown", forms=forms), language)


def _left_out(why: Message, language: str) -> Markup:
    return Markup('<p class="left-out">{}</p>').format(sentence(why, language))


def _shows(markup: Markup) -> bool:
    return bool(markup.striptags().strip()) or "<img src=" in markup


def _coloured(text: str) -> Markup:
    plain = _CODES.sub("", text)
    if len(text) * (text.count("\x1b") + text.count(";")) > _MOST_STEPS:
        return preformatted(plain)
    return harmless(f"<pre>{ansi2html(text)}</pre>", plain)


def _picture(form: str, data: str, metadata: object, room: Room) -> Markup:
    picture = data.encode(errors="replace") if form == "image/svg+xml" else decoded(data)
    if not can_be_drawn(form, picture):
        return Markup("")
    about = metadata.get(form) if isinstance(metadata, Mapping) else None
    about = about if isinstance(about, Mapping) else {}
    code = base64.b64encode(picture).decode()
    shown = Markup('<img src="data:{};base64,{}" alt="{}"').format(form, code, about.get("alt", ""))
    for side in ("width", "height"):
        if isinstance(about.get(side), int):
            shown += Markup(' {}="{}"').format(side, about[side])
    return shown + Markup(">")


# The richest first.
_FORMS = {
    "text/html": lambda form, data, metadata, room: harmless(data),
    "text/markdown": lambda form, data, metadata, room: words(data, room),
    "image/svg+xml": _picture,
    "image/png": _picture,
    "image/jpeg": _picture,
    "image/gif": _picture,
    "text/latex": lambda form, data, metadata, room: words(data, room),
    "text/plain": lambda form, data, metadata, room: _coloured(data),
}


def _text(value: object) -> str:
    """A notebook's text may be cut into lines; and where there should be some, a notebook may hold anything."""
    if isinstance(value, list):
        return "".join(map(str, value))
    return value if isinstance(value, str) else json.dumps(value, default=str)
