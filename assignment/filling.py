"""Fills in the template of the assignment: settings in its fields `{{ … }}`, and no parts but those with points."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from string import ascii_lowercase

import nbformat
import torch
from grading.answers import NoAnswer
from grading.judge import PARTS
from grading.marks import Student
from grading.mistakes_task import answers_to
from grading.settings import BadSettings, Settings
from jinja2 import Environment, StrictUndefined, TemplateError
from nbformat.notebooknode import NotebookNode

from helpers.messages import message, sentence, written

# The heading of a task or a part names it by its number. Any other heading, or a line, ends the part before it.
_NUMBERED = re.compile(r"^(##?) .*?\{\{ *number\.(\w+) *\}\}", re.MULTILINE)
_ENDS_A_PART = re.compile(r"^(##? |---$)", re.MULTILINE)


@dataclass
class _Section:
    """A task, or a part of one: what stands from its heading to the next.

    Attributes:
        name: as the heading names it.
        task: the one in which a part is; of a task, none.
        graded: the cells in it that give points.
    """

    name: str
    task: "_Section | None"
    graded: list[str] = field(default_factory=list)


def notebook_of(settings: Settings) -> NotebookNode:
    """The source notebook of an assignment, as nbgrader wants it.

    Raises:
        BadSettings: the template does not go with these settings.
    """
    notebook = nbformat.read(settings.template / "notebook.ipynb", as_version=4)
    translated = texts(settings)
    for cell in notebook.cells:
        cell.source = translated.get(cell.id, cell.source)
    placed, kept = _sections(notebook.cells), []
    values = _values(settings, [section for section in placed if section])
    for cell, section in zip(notebook.cells, placed, strict=True):
        if section and not _worth(settings, section):
            continue
        name = cell.metadata.get("nbgrader", {}).get("grade_id")
        cell.source = _render(cell.source, values, f"the cell {name or cell.id} of the template")
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        if cell.metadata.get("nbgrader", {}).get("grade"):
            if name not in settings.points:
                raise BadSettings(f"the cell {name} of the template gives points, and [points] has no line for it")
            cell.metadata.nbgrader["points"] = settings.points[name]
        kept.append(cell)
    notebook.cells = kept
    return notebook


def texts(settings: Settings) -> dict[str, str]:
    """The cells of text in the language of the assignment, by their ids; none in that of the template, English."""
    file = settings.translations / "notebook.md"
    if settings.language == "en":
        return {}
    _, *pieces = re.split(r"^<!-- (\S+) -->\n", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(pieces[::2], map(str.rstrip, pieces[1::2]), strict=True))


def untranslated(settings: Settings) -> list[str]:
    """The ids of the template's cells of text that are not there in the language of the assignment."""
    if settings.language == "en":
        return []
    cells, there = nbformat.read(settings.template / "notebook.ipynb", as_version=4).cells, texts(settings)
    return [cell.id for cell in cells if cell.cell_type == "markdown" and cell.id not in there]


def text_of(text: str, settings: Settings, where: str) -> str:
    """A text with the name, the title, the digits and the deadline in the places of its fields."""
    return _render(text, _general(settings), where)


def _sections(cells: Sequence[NotebookNode]) -> list[_Section | None]:
    """For each cell, the part or task in which it stands."""
    task: _Section | None = None
    part: _Section | None = None
    placed = []
    for cell in cells:
        if cell.cell_type == "markdown" and (found := _NUMBERED.search(cell.source)):
            level, name = found.groups()
            if level == "#":
                task, part = _Section(name, None), None
            else:
                part = _Section(name, task)
        elif cell.cell_type == "markdown" and (found := _ENDS_A_PART.search(cell.source)):
            part = None
            task = task if found[1] == "## " else None
        if cell.metadata.get("nbgrader", {}).get("grade"):
            for section in {id(one): one for one in (part, task) if one}.values():
                section.graded.append(cell.metadata.nbgrader["grade_id"])
        placed.append(part or task)
    return placed


def _worth(settings: Settings, section: _Section) -> float | None:
    """The points of a task or part; None if it is left out."""
    points = [settings.points[name] for name in section.graded if name in settings.points]
    return sum(points) if points else None


def _values(settings: Settings, placed: Sequence[_Section]) -> dict[str, object]:
    """What fields may name: beside the general, number, points and steps, each by the name of a part or task."""
    numbers: dict[str, str] = {}
    points: dict[str, float] = dict(settings.points)
    letters: dict[str, int] = {}
    for section in placed:
        if section.name in numbers or (worth := _worth(settings, section)) is None:
            continue
        points[section.name] = worth
        if section.task is None:
            numbers[section.name] = str(1 + sum(number.isdigit() for number in numbers.values()))
        else:
            task = section.task.name
            letters[task] = letters.get(task, -1) + 1
            numbers[section.name] = numbers[task] + ascii_lowercase[letters[task]]
    steps = {name: _steps(settings, name) for name in settings.points if name in PARTS}
    return _general(settings) | {"number": numbers, "points": points, "steps": steps}


def _steps(settings: Settings, part: str) -> list[float]:
    """What the judge gives for each step of a part. It is asked with a student who never answers."""

    def silent(*question, **how) -> None:
        raise NoAnswer(message("not_looked_at"))

    marks = PARTS[part](Student(silent, torch.Generator().manual_seed(0), {}, settings.digits))
    worths = [worth for worth, *_ in marks.steps]
    return [settings.points[part] * worth / sum(worths) for worth in worths]


def _general(settings: Settings) -> dict[str, object]:
    deadline = "[DEADLINE]" if settings.deadline is None else f"{settings.deadline:%Y-%m-%d %H:%M, %Z}"
    return {
        "name": settings.name,
        "title": settings.title,
        "digits": settings.digits,
        "deadline": deadline,
        "language": settings.language,
        # For the reference, which students don't get.
        "answers": partial(answers_to, course=settings.course),
    }


def _listed(digits: Sequence[int], language: str) -> str:
    """In words, as in: 0, 1 and 5."""
    *first, last = digits
    return sentence(message("digits", first=first, last=last), language)


def _plain(value: object, language: str) -> object:
    """A number of points as people write it."""
    return written(round(value, 2), "g", language) if isinstance(value, float) else value


def _render(text: str, values: dict[str, object], where: str) -> str:
    plain = partial(_plain, language=str(values["language"]))
    environment = Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=plain)
    environment.filters["listed"] = partial(_listed, language=str(values["language"]))
    try:
        return environment.from_string(text).render(values)
    except TemplateError as error:
        raise BadSettings(
            f"{where} can't be filled in ({error}): does it name a part that is left out, without asking "
            '{% if "THE_PART" in points %}?'
        ) from None
