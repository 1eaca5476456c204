"""Canvas: the names of the files in its download, and its gradebook as it exports it."""

import re
from dataclasses import dataclass

from grading.platforms.tables import Table

# As in: obriensiobhan_LATE_12347_6791_inside_lenet5-1.ipynb. The numbers are the student's and the file's.
_FILE = re.compile(
    r"(?P<name>.+?)(?P<late>_LATE)?_(?P<number>\d+)_((?P<id>\d+)_(?P<file>.+)|(?P<typed>text|link)\.html)", re.DOTALL
)
# Where names are hidden.
_HIDDEN = re.compile(
    r"(?P<late>LATE_)?(?P<number>anon_[^_]+)_((?P<id>\d+)_(?P<file>.+)|(?P<typed>text|link)\.html)", re.DOTALL
)
_ASSIGNMENT = re.compile(r"(?P<title>.+) \(\d+\)")
# The lecturer's own view as a student.
_TEST = "Student, Test"


@dataclass(frozen=True)
class Place:
    """Whose file it is, by its name.

    Attributes:
        number: the platform's for the student.
        late: it was handed in late, as Canvas counts.
        id: the file's number; a later file has a higher one.
        file: the name that the student gave it; empty where there is none.
        typed: what it is instead of a file, a text or a link.
    """

    number: str
    name: str
    late: bool
    id: str
    file: str
    typed: str


def place_of(name: str) -> Place | None:
    """Whose file it is, by its name; None if Canvas does not write such a name."""
    found = _HIDDEN.fullmatch(name) or _FILE.fullmatch(name)
    if found is None:
        return None
    whose = found.groupdict().get("name") or ""
    typed = f"a {found['typed']}" if found["typed"] else ""
    return Place(found["number"], whose, bool(found["late"]), found["id"] or "", found["file"] or "", typed)


@dataclass(frozen=True)
class GradebookTable:
    """A gradebook and where in its rows what stands."""

    table: Table
    id: int
    names: tuple[int, ...]

    def number(self, row: list[str]) -> str | None:
        """The platform's number of the student; None in the rows that are no student's."""
        if len(row) <= self.id or not re.fullmatch(r"\d+", row[self.id].strip()) or self.name(row) == _TEST:
            return None
        return row[self.id].strip()

    def name(self, row: list[str]) -> str:
        return ", ".join(row[place].strip() for place in self.names)

    def assignments(self) -> dict[int, str]:
        """The columns of assignments, with their titles."""
        found = {place: _ASSIGNMENT.fullmatch(name) for place, name in enumerate(self.table.header)}
        return {place: one["title"] for place, one in found.items() if one}

    def highest(self, column: int) -> str:
        """The points possible of an assignment, as they are written there."""
        rows = [row for row in self.table.rows if row and row[0].strip() == "Points Possible" and len(row) > column]
        return rows[0][column].strip() if rows else ""


def gradebook_table(table: Table) -> GradebookTable | None:
    """The gradebook in a table; None if it is none. Its first headings are in English in every language."""
    header = table.header
    whole, parts = ["Student"], ["LastName", "FirstName"]
    names = whole if header[:1] == whole else parts if header[:2] == parts else []
    if not names or "ID" not in header or "Section" not in header:
        return None
    return GradebookTable(table, header.index("ID"), tuple(map(header.index, names)))
