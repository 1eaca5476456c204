"""The parts of an assignment on the page of feedback: what each earned, what was found first, and its cells."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from markupsafe import Markup
from nbformat.notebooknode import NotebookNode

from grading.names import one_line
from grading.pages.cells import Cell
from grading.pages.waiting import WAITS
from helpers.messages import Message, from_data, sentence

_HEADING = re.compile(r"^##? +(.+?) *$", re.MULTILINE)
_POINTS = re.compile(r" *\([^()]*\)$")
# What is longer is cut in the table. Below, it is whole.
_LONGEST = 200
# So is what Python says of an error, so that the line at which it was raised still stands behind it.
_LONGEST_VALUES = {"error": 90, "line": 70}


@dataclass(frozen=True)
class Asked:
    """What was handed out.

    Attributes:
        titles: the number and name of each part.
        headings: the part that a cell of text begins.
        given: the text and code of the cells in which nobody answers.
    """

    titles: Mapping[str, str]
    headings: Mapping[str, str]
    given: frozenset[str]


@dataclass(frozen=True)
class Part:
    """A part, as its row in the table shows it.

    Attributes:
        name: nbgrader's.
        title: its number and name.
        score, points: what it earned, and could.
        waits: whether a person has yet to grade it.
        unanswered: whether nothing was written.
        commented: whether the lecturer has written something.
        found: what happened in its cells, and what the judge found first.
        wanted: what was wanted instead.
    """

    name: str
    title: str
    score: float
    points: float
    waits: bool
    unanswered: bool
    commented: bool
    found: list[str]
    wanted: str

    @property
    def state(self) -> str:
        """`"waits"`, `"right"`, `"unanswered"` or `"wrong"`."""
        if self.waits:
            return "waits"
        if self.score >= self.points:
            return "right"
        return "unanswered" if self.unanswered and not self.score else "wrong"


@dataclass
class Section:
    """A part with its cells; or cells of the student's between two of them, which belong to none.

    Attributes:
        said: the judge's lines.
        outputs: what a test of the lecturer's own put out.
        own: the student's cells, and what was given and shows an error or a picture of theirs.
        given: the cells as they were handed out.
    """

    part: Part | None
    said: list[str] = field(default_factory=list)
    outputs: list[Markup] = field(default_factory=list)
    own: list[Cell] = field(default_factory=list)
    given: list[Cell] = field(default_factory=list)


def asked_in(source: Path) -> Asked:
    """What the source notebook of an assignment asks. If it is gone, nothing is known."""
    titles: dict[str, str] = {}
    headings: dict[str, str] = {}
    cells = nbformat.read(source, as_version=4).cells if source.exists() else []
    last: tuple[str, str] | None = None
    for cell in cells:
        data = cell.metadata.get("nbgrader", {})
        if cell.cell_type == "markdown" and not data and (found := _HEADING.findall(cell.source)):
            last = found[-1], cell.source.strip()
        elif data.get("grade") and last:
            titles[data["grade_id"]] = _POINTS.sub("", last[0])
            headings[last[1]] = data["grade_id"]
            last = None
    given = frozenset(cell.source.strip() for cell in cells if "nbgrader" not in cell.metadata)
    return Asked(titles, headings, given)


def sections_of(
    nodes: Sequence[NotebookNode], cells: Sequence[Cell], asked: Asked, found: Mapping, language: str
) -> list[Section]:
    """The parts in the order of the notebook, whose cells are given twice: as it stores them, and as a page shows them.

    What was given between two parts comes to the one below. `found` is what the judge leaves beside the notebook.
    """
    sections: list[Section] = []
    pending, above = Section(None), Section(None)
    for node, cell in zip(nodes, cells, strict=True):
        text = str(node.get("source", "")).strip()
        if text in asked.headings and not cell.name:
            above.own += pending.own
            above.given += pending.given
            pending = Section(None)
        is_test = cell.graded and not cell.answered
        if not is_test and (cell.answered or text not in asked.given or _shows_theirs(node)):
            pending.own.append(cell)
        else:
            pending.given.append(cell)
        if cell.graded:
            if above.own:
                sections.append(Section(None, own=above.own))
            pending.given = above.given + pending.given
            pending.part = _part(node, cell, pending.own, asked, found, language)
            if is_test and cell.name in found.get("parts", {}):
                pending.said = _lines(node)
            elif is_test:
                pending.outputs = cell.outputs
            sections.append(pending)
            pending, above = Section(None), Section(None)
    rest = Section(None, own=above.own + pending.own, given=above.given + pending.given)
    return [*sections, rest] if rest.own or rest.given else sections


def _part(node: NotebookNode, cell: Cell, own: Sequence[Cell], asked: Asked, found: Mapping, language: str) -> Part:
    said = [from_data(trouble) for trouble in found.get("troubles", {}).get(cell.name, [])[:1]]
    first = found.get("parts", {}).get(cell.name, {}).get("first")
    if first:
        said += [from_data(fault) for fault in first["found"][:1]]
    answers = [one for one in own if one.answered]
    return Part(
        name=cell.name,
        title=asked.titles.get(cell.name, cell.name),
        score=cell.score,
        points=cell.points,
        waits=bool(node.metadata.nbgrader.get(WAITS)),
        unanswered=bool(answers) and all(one.unanswered for one in answers),
        commented=any(one.comment for one in answers),
        found=[row(one, language) for one in said],
        wanted=row(from_data(first["wanted"]), language) if first else "",
    )


def _shows_theirs(node: NotebookNode) -> bool:
    """Whether there is an error or a picture below a cell that was given."""
    return any(
        output.get("output_type") == "error" or any(str(form).startswith("image/") for form in output.get("data") or ())
        for output in node.get("outputs", [])
    )


def _lines(node: NotebookNode) -> list[str]:
    """What the judge says of each step, below the points."""
    texts = [str(output.get("text", "")) for output in node.outputs if output.get("output_type") == "stream"]
    return "".join(texts).splitlines()[1:]


def row(said: Message, language: str) -> str:
    values = {
        name: _short(value, _LONGEST_VALUES[name]) if name in _LONGEST_VALUES and isinstance(value, str) else value
        for name, value in said.values.items()
    }
    return _short(sentence(Message(said.code, values), language), _LONGEST)


def _short(text: str, most: int) -> str:
    line = one_line(text)
    if len(line) <= most:
        return line
    head = line[:most]
    return (head[: head.rfind(" ")] if " " in head[most // 2 :] else head) + " …"
