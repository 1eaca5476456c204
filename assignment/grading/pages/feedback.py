"""The page of feedback that a student gets: `nbgrader generate_feedback` writes it."""

import base64
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from jinja2 import BaseLoader, ChoiceLoader, Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from nbconvert.exporters import Exporter
from nbformat.notebooknode import NotebookNode
from pygments.formatters import HtmlFormatter

from grading.pages.as_of import AsOf, as_of
from grading.pages.cells import cells_of
from grading.pages.parts import Part, asked_in, sections_of
from grading.restore import FAULTS, RECORD
from grading.settings import settings_of
from helpers.messages import Message, Value, sentence

TEMPLATES = Path(__file__).with_name("templates")


def rounded(number: float) -> float:
    """Points have at most two digits after the point."""
    return round(float(number), 2)


def points(number: float) -> str:
    """Points as people write them."""
    return f"{rounded(number):g}"


def environment(*others: BaseLoader) -> Environment:
    """The templates here, and then the `others`. In all of them, what is not said to be markup is text."""
    loader = ChoiceLoader([FileSystemLoader(TEMPLATES), *others])
    made = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    made.filters |= {"points": points, "rounded": rounded}
    return made


def words_in(language: str) -> dict[str, object]:
    """What the templates of both pages need to speak in this language."""

    def say(code: str, **values: Value) -> str:
        return sentence(Message(code, values), language)

    return {"language": language, "say": say}


def style(*names: str) -> Markup:
    """The style sheets of these names."""
    return Markup("\n".join((TEMPLATES / name).read_text(encoding="utf-8") for name in names))


def style_of_cells(*names: str) -> Markup:
    """The style sheets of these names, and those of cells and of the colours of their code."""
    return Markup("\n".join([style("cells.css", *names), HtmlFormatter().get_style_defs(".highlight")]))


def policy(sheet: str) -> str:
    """What the page may do: show pictures that it brings along, in this style. It may run and load nothing."""
    digest = base64.b64encode(hashlib.sha256(sheet.encode()).digest()).decode()
    return (
        "default-src 'none'; img-src data:; "
        f"style-src 'sha256-{digest}'; style-src-elem 'sha256-{digest}'; style-src-attr 'unsafe-inline'; "
        "base-uri 'none'; form-action 'none'"
    )


def take_record(nb: NotebookNode) -> list[str] | None:
    """The judge's notes, which stand in the first cell; that cell is taken out. None where the judge was not called."""
    notes = nb.cells[0].metadata.get(RECORD) if nb.cells else None
    if not isinstance(notes, list):
        return None
    del nb.cells[0]
    return [str(note) for note in notes]


def _found(path: Path) -> dict:
    """What the judge has left as data. Nothing, of what was graded before it left any."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def _as_of(nb: NotebookNode, parts: Sequence[Part], late: float) -> AsOf:
    """What the page shows of what the gradebook holds, with the comments as nbgrader's step has put them in."""
    about = [cell.metadata.get("nbgrader", {}) for cell in nb.cells]
    comments = {one["grade_id"]: str(one["comment"] or "") for one in about if "comment" in one}
    return as_of({part.name: None if part.waits else part.score for part in parts}, late, comments)


class FeedbackPage(Exporter):
    """Makes the page of a notebook with its scores and comments, as nbgrader's own steps have put them in."""

    file_extension = ".html"
    output_mimetype = "text/html"

    def from_notebook_node(  # type: ignore[override]  # as nbconvert's own exporters to HTML
        self, nb: NotebookNode, resources: dict | None = None, **settings: object
    ) -> tuple[str, dict]:
        nb, resources = super().from_notebook_node(nb, resources, **settings)  # takes nbgrader's steps
        about = resources["nbgrader"]
        sheet = style_of_cells("feedback.css")
        course, folder = settings_of(about["assignment"]), Path(resources["metadata"]["path"])
        language, notes = course.language, take_record(nb)
        asked = asked_in(course.source / f"{about['notebook']}.ipynb")
        cells = cells_of(nb, folder, language)
        sections = sections_of(nb.cells, cells, asked, _found(folder / FAULTS), language)
        parts = [section.part for section in sections if section.part]
        values = {
            "notebook": about["notebook"],
            "score": about["score"],
            "most": about["max_score"],
            "late": about["late_penalty"],
            "waiting": sum(part.points for part in parts if part.waits),
            "as_of": _as_of(nb, parts, about["late_penalty"]).text(),
            "notes": notes,
            "sections": sections,
            "style": sheet,
            "policy": policy(sheet),
            **words_in(language),
        }
        return environment().get_template("feedback.html.j2").render(values), resources
