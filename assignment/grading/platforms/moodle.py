"""Moodle: the folders of its download, and its worksheet for grading, whose headings are in the lecturer's language."""

import re
from dataclasses import dataclass
from datetime import datetime

from grading.platforms.dates import moment
from grading.platforms.tables import Table, number_in

# As in: Ada Lovelace_4711_assignsubmission_file. Older ones end with a _, and where a download has no folders, a file's
# name follows. An _ in a name has become a space.
_PLACE = re.compile(r"(?P<name>[^_]*)_(?P<number>\d+)_assignsubmission_(?P<how>[a-z]+)(?:_(?P<file>.*))?", re.DOTALL)
# As in: Last modified (grade).
_CHANGED = re.compile(r"(?P<what>.*\S)\s*\((?P<of>[^()]+)\)")
_NAMES = ("full name", "vollständiger name", "nom complet", "nombre completo", "nome completo", "volledige naam")


@dataclass(frozen=True)
class Place:
    """Where in a download a student's files lie.

    Attributes:
        number: the platform's for the student.
        typed: what it is instead of files, such as a text; nothing, if they were handed in as files.
        back: what the name of a file begins with that is to come back to the student.
        file: the name of the file, where there are no folders.
    """

    number: str
    name: str
    typed: str
    back: str
    file: str


def place_of(name: str) -> Place | None:
    """Whose folder or file it is, by its name; None if Moodle does not write such a name."""
    found = _PLACE.fullmatch(name)
    if found is None:
        return None
    file = found["file"] or ""
    back = f"{name.removesuffix(file)}" if file else f"{name}/"
    typed = {"file": "", "onlinetext": "a text"}.get(found["how"], f"something by Moodle's {found['how']}")
    return Place(found["number"], found["name"], typed, back, file)


@dataclass(frozen=True)
class Worksheet:
    """A worksheet and where in its rows what stands; None where it has no such column."""

    table: Table
    name: int | None
    grade: int
    most: int
    submitted: int | None
    comment: int | None

    def number(self, row: list[str]) -> str | None:
        """The platform's number of the student, which ends the first cell, as in: Participant 4711."""
        found = re.search(r"(\d+)\s*$", row[0]) if len(row) == len(self.table.header) else None
        return found[1] if found else None

    def time(self, row: list[str]) -> datetime | None:
        return None if self.submitted is None else moment(row[self.submitted])


def worksheet(table: Table) -> Worksheet | None:
    """The worksheet in a table; None if it is none.

    Its headings are read by each other, and so in any language: of `Last modified (submission)` and `Last modified
    (grade)` the second names the column `Grade`. Where the language bends that word, the place counts: the grade, the
    highest grade and whether it can be changed stand before them.
    """
    header = table.header
    changed = [(place, found) for place, name in enumerate(header) if (found := _CHANGED.fullmatch(name))]
    wanted = [found["what"] for _, found in changed]
    changed = [one for one in changed if wanted.count(one[1]["what"]) == 2] or changed
    if not changed or not any(row and re.fullmatch(r"\D*\d+\s*", row[0]) for row in table.rows):
        return None
    by_name = [place for place, name in enumerate(header) if name.casefold() == changed[-1][1]["of"].casefold()]
    grade = by_name[0] if len(by_name) == 1 else changed[0][0] - 3
    after = changed[-1][0] + 1
    if not 0 < grade < changed[0][0] - 1:
        return None
    return Worksheet(
        table,
        name=1 if _has_names(table, grade) else None,
        grade=grade,
        most=grade + 1,
        submitted=changed[0][0] if len(changed) == 2 else None,
        comment=after if after < len(header) else None,
    )


def highest(sheet: Worksheet) -> tuple[float | None, str]:
    """The highest grade that the worksheet allows, and how it is written there. No number if it is a scale of words."""
    for row in sheet.table.rows:
        if sheet.number(row):
            return number_in(row[sheet.most]), row[sheet.most]
    return None, ""


def _has_names(table: Table, grade: int) -> bool:
    """Whether the second column has names. Where grading is blind, it has the state of the work, which repeats."""
    if grade < 3:
        return False
    if table.header[1].casefold() in _NAMES:
        return True
    cells = [row[1] for row in table.rows if len(row) > 1]
    return not any("@" in cell for cell in cells) and 2 * len(set(cells)) > len(cells)
