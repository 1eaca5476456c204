"""What a worker does with a submission: it grades it, makes the page of feedback, and writes last that all is done."""

import ctypes
import glob
import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from time import monotonic
from typing import Literal

from nbgrader.apps.baseapp import NbGrader
from nbgrader.converters import GenerateFeedback
from nbgrader.utils import rmtree
from traitlets.config import Config

from grading.converter import Stopped, TakingIn
from grading.learned import Times, times_of
from grading.names import one_line
from grading.restore import DONE
from grading.steps import OnlyTakenIn, Refusal
from grading.transaction import Unreachable, patiently
from helpers.files import write_atomically

# nbgrader changes the working directory, and the environment.
_ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True)
class Run:
    """What is the same for all submissions of a run.

    Attributes:
        course: the folder of the course, for all workers the same.
        arguments: settings of nbgrader's, as they are given to its commands.
        force: whether to grade again what has not changed.
        number: of this run, so that no worker takes the settings of another.
    """

    course: Path
    assignment: str
    arguments: tuple[str, ...]
    force: bool
    number: str


@dataclass(frozen=True)
class Done:
    """What came out.

    Attributes:
        seconds: that it took, from the start of the worker's to its end.
        kept: a line for each part with points by hand where the judge gave others.
        errors: lines for the lecturer's eye.
        times: of what was graded, if the judge has left them.
    """

    state: Literal["graded", "as before", "not gradable"]
    reason: str
    seconds: float
    kept: tuple[str, ...]
    errors: tuple[str, ...]
    times: Times | None


class Feedback(GenerateFeedback):
    """Makes the page of one student anew, whatever lies there."""

    def init_notebooks(self) -> None:
        """As nbgrader does, which would read the student's name as a pattern."""
        (folder,) = glob.glob(self._format_source(self.coursedir.assignment_id, self.coursedir.student_id))
        self.assignments = {folder: [str(notebook) for notebook in Path(folder).glob("*.ipynb")]}

    def convert_notebooks(self) -> None:
        (notebooks,) = self.assignments.values()
        self.notebooks = notebooks
        assignment, student = self.coursedir.assignment_id, Path(notebooks[0]).parents[1].name
        if os.path.exists(place := self._format_dest(assignment, student)):
            rmtree(place)
        self.run_pre_convert_hook()
        self.init_assignment(assignment, student)
        for notebook in notebooks:
            self.convert_single_notebook(notebook)
        self.set_permissions(assignment, student)
        self.run_post_convert_hook()


def grade(run: Run, student: str, cell_time: int) -> Done:
    """Grade the student's submission, if it is new or changed, and make its feedback, if that is missing.

    Each cell has so many seconds.

    Raises:
        Stopped: there is no point in grading others.
    """
    began = monotonic()
    with _ONE_AT_A_TIME, _errors_of(app := application(run)) as errors:
        app.coursedir.assignment_id = run.assignment
        # A student's name may be one that would be read as a pattern.
        app.coursedir.student_id = glob.escape(student)
        converter = _OneOfMany(coursedir=app.coursedir, parent=app)
        converter.update_config(Config({"Judge": {"timeout": cell_time}}))
        if run.force:
            converter.force = True
        converter.start()
        state, reason = converter.outcome
        if state != "not gradable" and not mark(converter, student).exists():
            try:
                patiently(Feedback(coursedir=app.coursedir, parent=app).start)
                write_atomically(mark(converter, student), b"")
            except Unreachable as error:
                raise Stopped(f"The gradebook can't be used ({error})") from error
            except Exception as error:
                errors.append(f"no feedback: {type(error).__name__}: {error}")
    _give_memory_back()
    seconds = monotonic() - began
    lines = tuple(f"{one_line(student)}: {line}" for line in errors)
    times = times_of(converter.place(student)) if state == "graded" else None
    return Done(state, reason, seconds, tuple(converter.kept), lines, times)


def mark(converter: TakingIn, student: str) -> Path:
    """The file that is written last, when nothing is missing. It goes with its folder when that is graded again."""
    return converter.place(student) / DONE


@lru_cache(maxsize=1)
def application(run: Run) -> NbGrader:
    """nbgrader with the configuration of the course.

    Raises:
        Refusal: it has none, so nothing would be judged.
    """
    os.chdir(run.course)
    app = NbGrader()
    app.initialize(list(run.arguments))
    app.log_level = logging.WARNING
    if OnlyTakenIn not in TakingIn(coursedir=app.coursedir, parent=app).sanitize_preprocessors:
        raise Refusal(f"{run.course} has no nbgrader_config.py of this course, so nothing would be judged")
    return app


def _give_memory_back() -> None:
    """To the system, where the C library would keep it: a worker grows by a few MB with each submission otherwise."""
    # Of glibc alone; not of macOS, nor of musl.
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)


class _OneOfMany(TakingIn):
    """Grades one submission. What concerns all of them is done by whoever has sent it."""

    def convert_notebooks(self) -> None:
        ((student, folder),) = self.submissions().items()
        self.outcome = self.grade(student, folder)


@contextmanager
def _errors_of(app: NbGrader) -> Iterator[list[str]]:
    """What is logged as an error, as lines; nothing of it goes to the screen, on which others write, too."""
    errors: list[str] = []

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.levelno >= logging.ERROR and not record.getMessage().startswith("Not graded: "):
                errors.append(record.getMessage())

    handlers, app.log.handlers[:] = list(app.log.handlers), [Kept()]
    try:
        yield errors
    finally:
        app.log.handlers[:] = handlers
