"""Whose the e-mail addresses are that students type: what is unusual is for the record, and costs nothing."""

import csv
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

from nbgrader.api import Gradebook, Student

from grading.mistakes_task import address_of
from grading.names import shown
from grading.restore import FAULTS
from helpers.messages import Message, message

# What `nbgrader db student import` reads, if it lies in the folder of the course.
STUDENTS = "students.csv"


def roster_of(db_url: str, course: Path) -> dict[str, str]:
    """The address of each student of whom the course has one: of the gradebook, or else of students.csv."""
    found: dict[str, str | None] = {}
    if (file := course / STUDENTS).exists():
        with open(file, encoding="utf-8-sig", newline="") as lines:
            found = {row["id"]: address_of(row.get("email")) for row in csv.DictReader(lines) if row.get("id")}
    with Gradebook(db_url) as gradebook:
        # Of thousands of students, two columns: this is read for each of them.
        rows = gradebook.db.query(Student.id, Student.email).filter(Student.email.is_not(None))
        found |= {student: address_of(email) for student, email in rows if email}
    return {student: address for student, address in found.items() if address}


def notes_on(address: str, student: str, roster: Mapping[str, str]) -> list[Message]:
    """What is unusual about the address that a student has typed. Where the course has no addresses, any will do.

    Whether others typed it, too, depends on who was graded before: that is said once, of all, by `typed_in`.
    """
    notes = []
    if roster and address not in roster.values():
        notes.append(message("record.address_unknown", address=shown(address)))
    elif student in roster and roster[student] != address:
        notes.append(message("record.address_of_another", address=shown(address)))
    return notes


def typed_in(graded: Iterable[Path]) -> dict[str, list[str]]:
    """For each address that was typed, by which students: of the folders STUDENT/ASSIGNMENT of graded submissions."""
    typed = defaultdict(list)
    for folder in sorted(graded):
        try:
            address = json.loads((folder / FAULTS).read_text(encoding="utf-8")).get("address")
        except (OSError, ValueError):
            continue
        if address:
            typed[address].append(folder.parent.name)
    return dict(typed)
