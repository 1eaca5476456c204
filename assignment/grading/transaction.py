"""Writes what a gradebook holds of a submission: all of it in one transaction, and again if the connection is lost."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from time import sleep
from typing import TypeVar

from nbformat.notebooknode import NotebookNode
from nbgrader.api import Gradebook, InvalidEntry
from nbgrader.preprocessors import AssignLatePenalties, SaveAutoGrades
from sqlalchemy.exc import InterfaceError, OperationalError
from traitlets.config import Configurable

T = TypeVar("T")

# Seconds between tries: two minutes in all, for a server that starts anew.
_PAUSES = (0.5, 1, 2, 4, 8, 15, 30, 30, 30)


class Unreachable(Exception):
    """The gradebook can't be used, however often that is tried. The message says why."""


@dataclass(frozen=True)
class Graded:
    """A submission that was graded.

    Attributes:
        name: of the notebook.
        time: when it was handed in, if that is known.
    """

    assignment: str
    student: str
    name: str
    notebook: NotebookNode
    time: datetime | None


def save(graded: Graded, db_url: str, course_id: str, parent: Configurable, new_students: bool = True) -> list[str]:
    """Write the student, the submission, its grades and comments, and what being late takes off: all, or nothing.

    What a person has set by hand stays.

    Args:
        parent: has the configuration of nbgrader's steps.
        new_students: whether a student may be added.

    Returns:
        A line for each part of which the points were set by hand, where the judge gives others.

    Raises:
        MissingEntry: the student is not in the gradebook, and may not be added.
        Unreachable: the gradebook can't be used. Nothing was written.
    """

    def write() -> list[str]:
        with _whole(db_url, course_id) as gradebook:
            if new_students:
                gradebook.update_or_create_student(graded.student)
            time = {"timestamp": graded.time} if graded.time else {}
            gradebook.update_or_create_submission(graded.assignment, graded.student, **time)
            _write_grades(graded, gradebook, parent)
            _write_penalty(graded, gradebook, parent)
            return _set_by_hand(graded, gradebook)

    return patiently(write)


def patiently(do: Callable[[], T]) -> T:
    """What `do` returns. While the gradebook can't be reached, or is held by another, it is called again.

    Raises:
        Unreachable: that is so for two minutes.
    """
    for pause in (*_PAUSES, None):
        try:
            return do()
        except (InvalidEntry, InterfaceError, OperationalError) as error:
            if not _passes(error):
                raise
            if pause is None:
                raise Unreachable(" ".join(str(error).split())[:500]) from error
            sleep(pause)
    raise AssertionError("the last pause is none")


@contextmanager
def _whole(db_url: str, course_id: str) -> Iterator[Gradebook]:
    """A gradebook in which all that is written appears at the end, though nbgrader commits at every step."""
    with Gradebook(db_url, course_id) as gradebook, gradebook.engine.begin() as connection:
        gradebook.db.remove()
        gradebook.db.configure(bind=connection, join_transaction_mode="rollback_only")
        yield gradebook
        gradebook.db.flush()


def _write_grades(graded: Graded, gradebook: Gradebook, parent: Configurable) -> None:
    step = SaveAutoGrades(parent=parent)
    step.gradebook = gradebook
    step.notebook_id, step.assignment_id, step.student_id = graded.name, graded.assignment, graded.student
    for index, cell in enumerate(graded.notebook.cells):
        step.preprocess_cell(cell, {}, index)


def _write_penalty(graded: Graded, gradebook: Gradebook, parent: Configurable) -> None:
    step = AssignLatePenalties(parent=parent)
    # The plugin finds it there.
    step.assignment_id = graded.assignment
    step.init_plugin()
    late = gradebook.find_submission(graded.assignment, graded.student).total_seconds_late
    notebook = gradebook.find_submission_notebook(graded.name, graded.assignment, graded.student)
    penalty = step.plugin_inst.late_submission_penalty(graded.student, notebook.score, late) if late > 0 else None
    notebook.late_submission_penalty = None if penalty is None else step._check_late_penalty(notebook, penalty)


def _set_by_hand(graded: Graded, gradebook: Gradebook) -> list[str]:
    notebook = gradebook.find_submission_notebook(graded.name, graded.assignment, graded.student)
    return [
        f"{grade.name} {grade.manual_score:g}, by the judge {grade.auto_score:g}"
        for grade in notebook.grades
        if None not in (grade.manual_score, grade.auto_score) and grade.manual_score != grade.auto_score
    ]


def _passes(error: BaseException) -> bool:
    """Whether it may go better at another time."""
    # In the place of whatever the database says when something is written.
    cause = error.__context__ if isinstance(error, InvalidEntry) else error
    if not isinstance(cause, (InterfaceError, OperationalError)):
        return False
    # A file is there, or is not; but another process may be writing into it.
    return "locked" in str(cause.orig) if isinstance(cause.orig, sqlite3.Error) else True
