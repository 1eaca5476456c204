"""A sheet to print for those who help with the course: what is wanted of each part, and what goes wrong in it.

In the folder of the course: python -m grading.sheet inside_lenet5. It is made of the source notebook, the catalogue of
sentences and, where something was graded, of how often each fault was found: exported/inside_lenet5/sheet.html.
"""

import argparse
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import dedent

import nbformat
from babel.messages.pofile import read_po

from grading.class_faults import faults_of_class
from grading.export import numbers_of
from grading.pages.feedback import environment, policy, style
from grading.restore import FAULTS, grade_id
from grading.settings import COURSE, BadSettings, Settings, settings_of
from helpers.files import write_atomically
from helpers.messages import SENTENCES

_SOLUTION = re.compile(r"^ *### BEGIN SOLUTION\n(.*?)^ *### END SOLUTION", re.MULTILINE | re.DOTALL)
# The codes of a part begin with its name; those of the cell in which 3a chooses, with another.
_MORE = {"choose": ("chosen",)}


@dataclass(frozen=True)
class Fault:
    """One that the judge knows.

    Attributes:
        count: in how many of the graded works it was found.
        said: the judge's sentence, with … where it names what was found.
    """

    count: int
    said: str


@dataclass(frozen=True)
class Section:
    """What the sheet says of one part.

    Attributes:
        wants: what each step is given for.
        solution: of the source notebook; of a part that a person grades, what to give points for.
        is_by_hand: a person grades it.
    """

    number: str
    name: str
    points: float
    wants: Sequence[str]
    solution: str
    faults: Sequence[Fault]
    is_by_hand: bool


def sections_of(settings: Settings) -> tuple[list[Section], int]:
    """The sheet's sections, and the number of works that were graded.

    Raises:
        BadSettings: there is no source notebook yet.
    """
    path = settings.source / f"{settings.name}.ipynb"
    if not path.exists():
        raise BadSettings(f"there is no {path}: make assignment")
    cells = {grade_id(cell): cell for cell in nbformat.read(path, as_version=4).cells}
    numbers, sentences = numbers_of(settings), _sentences(settings.language)
    works = [file.parent for file in (settings.course / "autograded").glob(f"*/{settings.name}/{FAULTS}")]
    counts = {(one.part, one.said.code): one.found for one in faults_of_class(works)}
    found = []
    for name, points in settings.points.items():
        is_by_hand = bool(cells[name].metadata.nbgrader.get("solution")) if name in cells else False
        source = cells[name if is_by_hand else f"{name}_solution"].source
        known = {code: said for code, said in sentences.items() if code.split(".")[0] in (name, *_MORE.get(name, ()))}
        wants = [said for code, said in known.items() if ".wants" in code]
        faults = [Fault(counts.get((name, code), 0), said) for code, said in known.items() if ".wants" not in code]
        faults.sort(key=lambda fault: -fault.count)
        solution = dedent("".join(_SOLUTION.findall(source)) or source).strip()
        found.append(Section(numbers[name], name, points, wants, solution, faults, is_by_hand))
    return found, len(works)


def page_of(settings: Settings) -> str:
    """The sheet as a page."""
    sections, works = sections_of(settings)
    sheet = style("sheet.css")
    values = {"title": settings.title, "name": settings.name, "language": settings.language, "works": works}
    values |= {"sections": sections, "style": sheet, "policy": policy(sheet)}
    return environment().get_template("sheet.html.j2").render(values)


def _sentences(language: str) -> dict[str, str]:
    """What the judge says for each code, with … for the values."""
    with open(SENTENCES / f"{language}.po", encoding="utf-8") as file:
        entries = [entry for entry in read_po(file) if entry.id and not entry.context]
    plain = {}
    for entry in entries:
        code = entry.id if isinstance(entry.id, str) else entry.id[0]
        said = entry.string if isinstance(entry.string, str) else (entry.string or [""])[-1]
        plain[code] = re.sub(r"\{[^}]*\}", "…", said)
    return plain


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m grading.sheet", description=__doc__.splitlines()[0])
    parser.add_argument("assignment", help="its name, such as inside_lenet5")
    given = parser.parse_args(arguments)
    try:
        settings = settings_of(given.assignment)
        page = page_of(settings)
    except BadSettings as error:
        sys.exit(str(error))
    path = COURSE / "exported" / settings.name / "sheet.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, page.encode())
    print(path)


if __name__ == "__main__":
    main()
