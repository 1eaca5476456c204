"""What the students of a course are called: from nbgrader's list of students, and from what was collected."""

from contextlib import suppress
from pathlib import Path

from nbgrader.api import Student
from sqlalchemy import create_engine, select
from sqlalchemy.exc import SQLAlchemyError

from grading.converter import has_gradebook
from grading.platforms.collected import read_collected
from grading.platforms.roster import read_roster
from grading.platforms.tables import BadTable
from grading.roster import STUDENTS


def listed(course: Path, db_url: str) -> dict[str, str]:
    """All who are in students.csv or in the gradebook's table of students, by their numbers. A name may be missing."""
    found: dict[str, str] = {}
    # Whoever has one of another form has it for something else.
    with suppress(BadTable):
        found |= read_roster(course / STUDENTS).names
    for number, name in (_in_gradebook(db_url) if has_gradebook(db_url) else {}).items():
        found[number] = name or found.get(number, "")
    return found


def collected_names(course: Path) -> dict[str, str]:
    """Those of all whose files were collected, for whatever assignment, as the platform's download had them."""
    names: dict[str, str] = {}
    for path in sorted((course / "collected").glob("*.json")):
        names |= {number: one.name for number, one in read_collected(path).items() if one.name}
    return names


def known_names(course: Path, db_url: str) -> dict[str, str]:
    """By the students' numbers, of all whose name the course has."""
    return collected_names(course) | {number: name for number, name in listed(course, db_url).items() if name}


def _in_gradebook(db_url: str) -> dict[str, str]:
    # nbgrader's own way in would make tables that are missing, and another year's gradebook is only read.
    engine = create_engine(db_url)
    try:
        with engine.connect() as connection:
            rows = connection.execute(select(Student.id, Student.first_name, Student.last_name)).all()
    except SQLAlchemyError:
        return {}
    finally:
        engine.dispose()
    return {number: " ".join(filter(None, (first, last))) for number, first, last in rows}
