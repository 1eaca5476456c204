"""nbgrader's autograding, before which each submission is taken in, and after which it is said who was not graded."""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from glob import glob
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NoReturn

import nbformat
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.apps import NbGraderAPI
from nbgrader.converters import Autograde
from nbgrader.converters.base import NbGraderException
from nbgrader.utils import find_all_files, parse_utc, rmtree
from sqlalchemy.exc import OperationalError
from traitlets import Bool, Integer

from grading.handed_in import LeftOut, Limits, files_in, opened
from grading.intake import take_in
from grading.mistakes_task import key_of
from grading.names import one_line
from grading.restore import FAULTS, TAKEN_IN, VERSION, as_released
from grading.roster import typed_in
from grading.sandbox import NoSandbox
from grading.secret import BadSecret
from grading.settings import BadSettings, settings_of
from grading.versions import TIME, graded_version, version_of
from grading.which_notebook import Assignment, NotGraded
from helpers.messages import sentence

_SQLITE = "sqlite:///"
_FORMULA = ("=", "+", "-", "@")


class Stopped(NbGraderException):
    """Nothing more is graded, or there is no more; the message says what was not."""


class TakingIn(Autograde):
    """Grades clean copies of what was handed in, one at a time. Each is deleted when it is graded."""

    most_files = Integer(500, help="what is taken in of one submission, in files").tag(config=True)
    most_mb = Integer(100, help="what is taken in of one submission, in MB").tag(config=True)
    notebook_mb = Integer(20, help="how large a notebook may be, in MB").tag(config=True)
    keep_timestamp = Bool(
        False,
        help="believe the timestamp.txt beside a notebook, which nbgrader's exchange writes, and students can",
    ).tag(config=True)

    def init_notebooks(self) -> None:
        pattern = self._format_source(self.coursedir.assignment_id, self.coursedir.student_id)
        # A student's name may be one that would be read as a pattern.
        found = glob(pattern) or [pattern] * os.path.lexists(pattern)
        if not found:
            self._refuse(f"Nothing was handed in: there is no folder {pattern}")
        self.assignments: dict[str, list[str]] = {folder: [] for folder in sorted(found)}

    def convert_notebooks(self) -> None:
        assignment = self._assignment()
        self._look_at_the_settings()
        reasons = {}
        self._kept: list[str] = []
        for folder in self.assignments:
            student = self._student(folder)
            if not self._is_wanted(student, Path(folder)):
                continue
            shown = one_line(student)
            try:
                if not student.isprintable():
                    raise NotGraded("the name of the student's folder can't be shown in a line; rename the folder")
                if student.startswith(_FORMULA):
                    raise NotGraded(
                        f"the name of the student's folder begins with {student[0]}: a spreadsheet that opens the "
                        "exported grades would take it for a formula; rename the folder"
                    )
                with self._taken_in(Path(folder), student, assignment):
                    self._grade(student)
                continue
            except NotGraded as reason:
                reasons[shown] = str(reason)
            except Stopped:
                raise
            except (NoSandbox, BadSecret) as reason:
                self._refuse(str(reason))
            # Whatever it is, the others are graded.
            except Exception as error:
                self.log.debug("", exc_info=True)
                reasons[shown] = f"{type(error).__name__}: {' '.join(str(error).split())[:500]}"
            self.log.error("Not graded: %s: %s", shown, reasons[shown])
        self._name_who_share_an_address()
        if self._kept:
            lines = ["Points that were set by hand stay, and the judge now gives others:", *self._kept]
            self.log.warning("\n".join([*lines, "Look at them under Manual grading, and change or confirm them"]))
        if reasons:
            lines = [f"{len(reasons)} of {len(self.assignments)} submissions were not graded:"]
            lines += [f"    {student}: {reason}" for student, reason in reasons.items()]
            lines += ["Whoever was graded before keeps the points. Mend these; grade them again with --student=NAME"]
            self._refuse("\n".join(lines))

    def init_single_notebook_resources(self, notebook_filename: str) -> dict:
        resources = super().init_single_notebook_resources(notebook_filename)
        resources["nbgrader"][TAKEN_IN] = self._record
        resources["nbgrader"][VERSION] = self._version
        return resources

    @contextmanager
    def _taken_in(self, folder: Path, student: str, assignment: Assignment) -> Iterator[None]:
        """For as long as this lasts, nbgrader finds the clean copy where it would find what was handed in."""
        limits = Limits(self.most_files, 1_000_000 * self.most_mb, 1_000_000 * self.notebook_mb)
        submitted = self.coursedir.submitted_directory
        with TemporaryDirectory(prefix="taken-in-") as clean, ExitStack() as afterwards:
            self.coursedir.submitted_directory = clean
            afterwards.callback(setattr, self.coursedir, "submitted_directory", submitted)
            copy = Path(self._format_source(self.coursedir.assignment_id, student))
            if folder.parent.is_symlink():
                raise NotGraded("the student's folder is a link")
            self._record = take_in(folder, copy, assignment, limits, self.coursedir.ignore)
            for note in self._record:
                self.log.warning("%s: %s", student, sentence(note, "en"))
            if self.keep_timestamp and (time := written_time(folder)):
                (copy / TIME).write_text(time, encoding="utf-8")
            self.notebooks = [str(copy / f"{assignment.name}.ipynb")]
            yield

    def _grade(self, student: str) -> None:
        """As nbgrader does, but for what it says and leaves if that fails."""
        name = self.coursedir.assignment_id
        # nbgrader would look at the times alone, and pass over a later version without one.
        if self._is_changed and os.path.exists(graded := self._format_dest(name, student)):
            rmtree(graded)
        if not self.init_destination(name, student):
            return
        was_known = self._is_known(student)
        try:
            self.run_pre_convert_hook()
            self.init_assignment(name, student)
            for notebook in self.notebooks:
                self.convert_single_notebook(notebook)
            self.set_permissions(name, student)
            self.run_post_convert_hook()
            self._kept += self._set_by_hand(student)
        except OperationalError as error:
            self._undo(student, was_known=True)
            self.log.debug("", exc_info=True)
            self._refuse(f"The gradebook can't be used ({error.orig}); if nbgrader is new, try nbgrader db upgrade")
        except BaseException:
            self._undo(student, was_known)
            raise

    def _undo(self, student: str, was_known: bool) -> None:
        """Whoever is not graded has no points, rather than none."""
        name = self.coursedir.assignment_id
        if os.path.exists(folder := self._format_dest(name, student)):
            rmtree(folder)
        if not was_known:
            with Gradebook(self.coursedir.db_url, self.coursedir.course_id) as gradebook:
                try:
                    gradebook.remove_submission(name, student)
                except MissingEntry:
                    pass

    def _is_known(self, student: str) -> bool:
        with Gradebook(self.coursedir.db_url, self.coursedir.course_id) as gradebook:
            try:
                gradebook.find_submission(self.coursedir.assignment_id, student)
            except MissingEntry:
                return False
        return True

    def _is_wanted(self, student: str, folder: Path) -> bool:
        self._is_changed = False
        if student in self.coursedir.student_id_exclude.split(","):
            return False
        graded = self._format_dest(self.coursedir.assignment_id, student)
        self._version = version_of(folder)
        if self.force or not os.path.exists(graded):
            return True
        before = graded_version(Path(graded))
        self._is_changed = bool(before and self._version) and before != self._version
        if self._is_changed:
            self.log.warning("%s: handed in anew since it was graded", one_line(student))
        if self._is_changed or self.keep_timestamp:
            return True
        self.log.info("Skipping existing assignment: %s", graded)
        return False

    def _set_by_hand(self, student: str) -> list[str]:
        """The points that were set by hand before, where the judge now gives others."""
        with Gradebook(self.coursedir.db_url, self.coursedir.course_id) as gradebook:
            submission = gradebook.find_submission(self.coursedir.assignment_id, student)
            return [
                f"    {one_line(student)}: {grade.name} {grade.manual_score:g}, by the judge {grade.auto_score:g}"
                for notebook in submission.notebooks
                for grade in notebook.grades
                if None not in (grade.manual_score, grade.auto_score) and grade.manual_score != grade.auto_score
            ]

    def _student(self, folder: str) -> str:
        """Whose folder it is: nbgrader's pattern for a path, read backwards."""
        pattern = self._format_source("(?P<assignment_id>.*)", "(?P<student_id>.*)", escape=True)
        found = re.match(pattern, folder, re.DOTALL)
        if found is None:
            self._refuse(f"{folder} is no folder of a student")
        return found["student_id"]

    def _assignment(self) -> Assignment:
        name = self.coursedir.assignment_id
        source = Path(self.coursedir.format_path(self.coursedir.source_directory, ".", name))
        try:
            return handed_out(self.coursedir.db_url, source, name, self.coursedir.ignore)
        except MissingEntry as error:
            self._refuse(str(error))

    def _name_who_share_an_address(self) -> None:
        """Of all that are graded, now or before. The record of a student does not name others."""
        graded = map(Path, glob(self._format_dest(self.coursedir.assignment_id, "*")))
        for address, students in typed_in(graded).items():
            if len(students) > 1:
                who = ", ".join(map(one_line, students))
                self.log.warning("The same e-mail address, %s, was typed by: %s", address, who)

    def _look_at_the_settings(self) -> None:
        """Write their deadline into the gradebook. Where they have none, the lecturer may have set one there."""
        try:
            settings = settings_of(self.coursedir.assignment_id)
            if "mistakes" in settings.points:
                key_of(settings.course)
        except BadSettings as error:
            self._refuse(str(error))
        if settings.deadline is None:
            return
        with Gradebook(self.coursedir.db_url, self.coursedir.course_id) as gradebook:
            gradebook.update_or_create_assignment(settings.name, duedate=settings.deadline)
        if settings.penalty and not self.keep_timestamp:
            self.log.warning("There is a penalty, and no time of handing in is believed: see TakingIn.keep_timestamp")

    def _refuse(self, why: str) -> NoReturn:
        self.log.error(why)
        raise Stopped(why)


def has_gradebook(db_url: str) -> bool:
    """Whether it is there: nbgrader would make it."""
    return not db_url.startswith(_SQLITE) or Path(db_url.removeprefix(_SQLITE)).exists()


def handed_out(db_url: str, source: Path, name: str, ignore: Sequence[str] = ()) -> Assignment:
    """The assignment as it was handed out: from the gradebook, and from the lecturer's folder `source`.

    Raises:
        MissingEntry: the gradebook does not have it, with one notebook.
    """
    with Gradebook(db_url) as gradebook:
        try:
            (notebook,) = gradebook.find_assignment(name).notebooks
        except (MissingEntry, ValueError) as error:
            raise MissingEntry(
                f"The gradebook has no {name} with one notebook: nbgrader generate_assignment"
            ) from error
        title = notebook.name
        solutions = {cell.name for cell in notebook.solution_cells}
        cells = {cell.name: cell.source for cell in notebook.source_cells}
    given = {text.strip() for cell in cells.values() for text in (cell, as_released(cell))}
    # The gradebook has no cells but its own.
    if (whole := source / f"{title}.ipynb").exists():
        between = nbformat.read(whole, as_version=4).cells
        given |= {cell.source.strip() for cell in between if "nbgrader" not in cell.metadata}
    files = find_all_files(str(source), [*ignore, "*.ipynb"])
    return Assignment(
        name=title,
        gaps={cell: text for cell, text in cells.items() if cell in solutions},
        tests=frozenset(cells.keys() - solutions),
        given=frozenset(given),
        files=frozenset([FAULTS, *(os.path.relpath(file, source) for file in files)]),
    )


def written_time(folder: Path) -> str | None:
    """The time that a timestamp.txt in a folder tells, if it is a plain file and tells one."""
    try:
        with opened(folder) as root:
            files, _ = files_in(root, (), 100_000, lambda why, name: None)
            times = [file.read(100).decode().strip() for file in files if file.path == (TIME,)]
            return times[0] if times and parse_utc(times[0]) else None
    except (LeftOut, ValueError, OverflowError):
        return None


def in_a_sentence(capture_log: Callable[..., dict]) -> Callable[..., dict]:
    """What the formgrader shows of a command: of ours, why it ended, in place of the traceback."""

    def captured(app: object, *arguments, **settings) -> dict:
        result = capture_log(app, *arguments, **settings)
        if isinstance(app, TakingIn) and "error" in result:
            error = result["error"].strip()
            result["error"] = error.partition(f"{Stopped.__name__}: ")[2] or error.splitlines()[-1]
        return result

    return captured


def submitted_timestamp(api: NbGraderAPI, assignment_id: str, student_id: str) -> datetime | None:
    """When something was handed in, as the formgrader shows it."""
    if not TakingIn(parent=api, coursedir=api.coursedir).keep_timestamp:
        return None
    folder = api.coursedir.format_path(api.coursedir.submitted_directory, student_id, assignment_id)
    return parse_utc(written_time(Path(folder)))
