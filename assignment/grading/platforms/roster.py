"""Who is in the course: from Moodle's worksheet, Canvas' gradebook, or a list as nbgrader reads it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from grading.platforms.canvas import gradebook_table
from grading.platforms.moodle import worksheet
from grading.platforms.tables import BadTable, read_table


@dataclass(frozen=True)
class Roster:
    """The students, by the platform's numbers.

    Attributes:
        names: empty for all, where the platform hides them.
        times: when each handed in, without a time zone, where the platform says so.
        unread: what it says instead of a time that can be read.
    """

    names: Mapping[str, str]
    times: Mapping[str, datetime] = field(default_factory=dict)
    unread: Mapping[str, str] = field(default_factory=dict)


def read_roster(path: Path) -> Roster:
    """The roster in a file.

    Raises:
        BadTable: it is none of the three.
    """
    table = read_table(path)
    if sheet := worksheet(table):
        rows = {number: row for row in table.rows if (number := sheet.number(row))}
        times = {number: time for number, row in rows.items() if (time := sheet.time(row))}
        unread = {
            number: row[sheet.submitted]
            for number, row in rows.items()
            if sheet.submitted is not None and number not in times and any(map(str.isdigit, row[sheet.submitted]))
        }
        names = {number: "" if sheet.name is None else row[sheet.name].strip() for number, row in rows.items()}
        return Roster(names, times, unread)
    if book := gradebook_table(table):
        return Roster({number: book.name(row) for row in table.rows if (number := book.number(row))})
    if "id" in table.header:
        people = [dict(zip(table.header, row, strict=False)) for row in table.rows if row]
        return Roster({one["id"].strip(): _name(one) for one in people if one.get("id", "").strip()})
    raise BadTable(
        f"{path} begins with {', '.join(table.header[:4])}: Moodle's worksheet for grading, Canvas' exported "
        "gradebook, or a list that begins with id, first_name, last_name is wanted"
    )


def _name(person: Mapping[str, str]) -> str:
    return " ".join(word for key in ("first_name", "last_name") if (word := person.get(key, "").strip()))
