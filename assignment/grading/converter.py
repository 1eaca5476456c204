"""nbgrader's autograding, before which each submission is taken in, and after which it is said who was not graded."""

import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from glob import glob
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, NoReturn

import nbformat
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.apps import NbGraderAPI
from nbgrader.converters import Autograde
from nbgrader.converters.base import BaseConverter, NbGraderException
from nbgrader.utils import find_all_files, parse_utc, rmtree
from sqlalchemy.exc import OperationalError
from traitlets import Bool, Integer, List, Unicode

from grading.alone import alone
from grading.handed_in import TIME, LeftOut, Limits, files_in, opened
from grading.intake import take_in
from grading.mistakes_task import key_of
from grading.names import FORMULA, one_line
from grading.platforms.collected import path_of, read_collected
from grading.restore import FAULTS, TAKEN_IN, VERSION, as_released
from grading.roster import typed_in
from grading.sandbox import NoSandbox
from grading.secret import BadSecret
from grading.settings import BadSettings, settings_of
from grading.transaction import Graded, Unreachable, patiently, save
from grading.versions import graded_version, version_of
from grading.which_notebook import Assignment, NotGraded
from helpers.messages import sentence

_SQLITE = "sqlite:///"
# Beside the graded submissions, so that one can be moved there whole.
_BEING_GRADED = ".being_graded"
# How many students a warning names.
_NAMED = 10


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

    kept = List(Unicode(), help="a line for each part with points by hand where the judge gave others")

    def init_notebooks(self) -> None:
        pattern = self._format_source(self.coursedir.assignment_id, self.coursedir.student_id)
        # A student's name may be one that would be read as a pattern.
        found = glob(pattern) or [pattern] * os.path.lexists(pattern)
        if not found:
            self._refuse(f"Nothing was handed in: there is no folder {pattern}")
        self.assignments: dict[str, list[str]] = {folder: [] for folder in sorted(found)}

    def convert_notebooks(self) -> None:
        self.begin()
        reasons = {}
        for student, folder in self.submissions().items():
            state, reason = self.grade(student, folder)
            if state == "not gradable":
                reasons[one_line(student)] = reason
        self.end()
        if reasons:
            lines = [f"{len(reasons)} of {len(self.assignments)} submissions were not graded:"]
            lines += [f"    {student}: {reason}" for student, reason in reasons.items()]
            lines += ["Whoever was graded before keeps the points. Mend these; grade them again with --student=NAME"]
            self._refuse("\n".join(lines))

    def submissions(self) -> dict[str, Path]:
        """The folders that were handed in, by the students' names, but for those that are to be left out."""
        folders = {self._student(folder): Path(folder) for folder in self.assignments}
        left_out = self.coursedir.student_id_exclude.split(",")
        return {student: folder for student, folder in folders.items() if student not in left_out}

    def begin(self) -> None:
        """What comes before all submissions: the assignment is looked at, its deadline written into the gradebook.

        Raises:
            Stopped: none of them can be graded.
        """
        with self._a_gradebook():
            patiently(self._assignment)
            patiently(self._look_at_the_settings)

    def grade(self, student: str, folder: Path) -> tuple[Literal["graded", "as before", "not gradable"], str]:
        """Grade what lies in the folder, if it is new or changed, and say why that can't be, if it can't.

        Until it is whole, nothing of it is in the gradebook or among the graded. Whoever grades the same student's
        at the same time waits.

        Raises:
            Stopped: there is no point in grading others.
        """
        try:
            being_graded = self._being_graded(student)
            with alone(_lock(being_graded)):
                if not self.is_wanted(student, folder):
                    return "as before", ""
                try:
                    with self._a_gradebook():
                        patiently(lambda: self._grade(student, folder, being_graded))
                finally:
                    if being_graded.exists():
                        rmtree(being_graded)
            return "graded", ""
        except NotGraded as error:
            reason = str(error)
        except Stopped:
            raise
        except (NoSandbox, BadSecret) as error:
            self._refuse(str(error))
        # Whatever it is, the others are graded.
        except Exception as error:
            self.log.debug("", exc_info=True)
            reason = f"{type(error).__name__}: {' '.join(str(error).split())[:500]}"
        self.log.error("Not graded: %s: %s", one_line(student), reason)
        return "not gradable", reason

    def end(self) -> None:
        """What is said after all submissions."""
        self._name_who_share_an_address()
        if self.kept:
            lines = ["Points that were set by hand stay, and the judge now gives others:", *self.kept]
            self.log.warning("\n".join([*lines, "Look at them under Manual grading, and change or confirm them"]))

    def clear(self, student: str) -> None:
        """Delete what a grading has left that was killed and is not tried again."""
        being_graded = self._being_graded(student)
        with alone(_lock(being_graded)):
            for left in (being_graded, _before(being_graded)):
                if left.exists():
                    rmtree(left)

    def is_wanted(self, student: str, folder: Path) -> bool:
        """Whether there is something to grade: what was not graded, or is another version, or all by `force`."""
        graded = self.place(student)
        self._version = version_of(folder)
        if self.force or not graded.exists():
            return True
        before = graded_version(graded)
        if before and self._version and before != self._version:
            self.log.warning("%s: handed in anew since it was graded", one_line(student))
            return True
        if self.keep_timestamp and (time := written_time(folder)):
            earlier = self.coursedir.get_existing_timestamp(str(graded))
            if earlier and parse_utc(time) > earlier:
                self.log.warning("%s: handed in at another time since it was graded", one_line(student))
                return True
        self.log.info("Skipping existing assignment: %s", graded)
        return False

    def place(self, student: str) -> Path:
        """Where the student's submission lies when it is graded."""
        return Path(self._format_dest(self.coursedir.assignment_id, student))

    def init_assignment(self, assignment_id: str, student_id: str) -> None:
        """Lay out the files. What nbgrader writes into the gradebook here is written with the grades."""
        BaseConverter.init_assignment(self, assignment_id, student_id)
        source = self.coursedir.format_path(self.coursedir.source_directory, ".", assignment_id)
        graded = self._format_dest(assignment_id, student_id)
        of_students = {os.path.join(source, name) for name in self.exclude_overwriting.get(assignment_id, [])}
        for file in find_all_files(source, [*self.coursedir.ignore, "*.ipynb"]):
            if file not in of_students:
                copy = Path(graded, os.path.relpath(file, source))
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.unlink(missing_ok=True)
                shutil.copy(file, copy)

    def init_single_notebook_resources(self, notebook_filename: str) -> dict:
        resources = super().init_single_notebook_resources(notebook_filename)
        resources["nbgrader"][TAKEN_IN] = self._record
        resources["nbgrader"][VERSION] = self._version
        return resources

    @contextmanager
    def _taken_in(self, folder: Path, student: str) -> Iterator[None]:
        """For as long as this lasts, nbgrader finds the clean copy where it would find what was handed in."""
        if not student.isprintable():
            raise NotGraded("the name of the student's folder can't be shown in a line; rename the folder")
        if student.startswith(FORMULA):
            raise NotGraded(
                f"the name of the student's folder begins with {student[0]}: a spreadsheet that opens the exported "
                "grades would take it for a formula; rename the folder"
            )
        assignment = self._assignment()
        limits = Limits(self.most_files, 1_000_000 * self.most_mb, 1_000_000 * self.notebook_mb)
        submitted = self.coursedir.submitted_directory
        with TemporaryDirectory(prefix="taken-in-") as clean, ExitStack() as afterwards:
            self.coursedir.submitted_directory = clean
            afterwards.callback(setattr, self.coursedir, "submitted_directory", submitted)
            copy = Path(self._format_source(self.coursedir.assignment_id, student))
            if folder.parent.is_symlink():
                raise NotGraded("the student's folder is a link")
            time = written_time(folder)
            is_known = time is not None and (self.keep_timestamp or time == self._times_of_the_platform().get(student))
            self._record = take_in(folder, copy, assignment, limits, self.coursedir.ignore, is_known)
            for note in self._record:
                self.log.warning("%s: %s", student, sentence(note, "en"))
            if self.keep_timestamp and time:
                (copy / TIME).write_text(time, encoding="utf-8")
            self.notebooks = [str(copy / f"{assignment.name}.ipynb")]
            yield

    @contextmanager
    def _a_gradebook(self) -> Iterator[None]:
        """Where there is none that can be used, nothing is graded."""
        try:
            yield
        except (OperationalError, Unreachable) as error:
            self.log.debug("", exc_info=True)
            why = getattr(error, "orig", error)
            self._refuse(f"The gradebook can't be used ({why}); if nbgrader is new, try nbgrader db upgrade")

    @contextmanager
    def _in_a_folder_of_its_own(self) -> Iterator[None]:
        """For as long as this lasts, nbgrader's place for a graded submission is one that only this grading knows."""
        graded = self.coursedir.autograded_directory
        self.coursedir.autograded_directory = os.path.join(graded, _BEING_GRADED)
        try:
            yield
        finally:
            self.coursedir.autograded_directory = graded

    def _being_graded(self, student: str) -> Path:
        with self._in_a_folder_of_its_own():
            return self.place(student)

    def _grade(self, student: str, folder: Path, being_graded: Path) -> None:
        """As nbgrader does, but nothing appears before it is whole: first in the gradebook, then among the graded."""
        name = self.coursedir.assignment_id
        # Whoever was killed has left it.
        if being_graded.exists():
            rmtree(being_graded)
        with self._taken_in(folder, student), self._in_a_folder_of_its_own():
            self.run_pre_convert_hook()
            self.init_assignment(name, student)
            for notebook in self.notebooks:
                self.convert_single_notebook(notebook)
            time = self.coursedir.get_existing_timestamp(self._format_source(name, student))
            self.set_permissions(name, student)
        path = being_graded / os.path.basename(self.notebooks[0])
        graded = Graded(name, student, path.stem, nbformat.read(path, as_version=4), time)
        self._put_in_place(being_graded, graded)
        if self.coursedir.groupshared:
            self.set_permissions(name, student)
        self.run_post_convert_hook()

    def _put_in_place(self, being_graded: Path, graded: Graded) -> None:
        """Write the grades, and move the folder to the others, where no earlier one lies by then.

        So a folder never lies beside grades that are not its own, whenever this is killed.
        """
        place = self.place(graded.student)
        before = _before(being_graded)
        if before.exists():
            rmtree(before)
        if place.exists():
            place.rename(before)
        try:
            kept = save(graded, self.coursedir.db_url, self.coursedir.course_id, self, self.create_student)
            place.parent.mkdir(parents=True, exist_ok=True)
            being_graded.rename(place)
        except BaseException:
            if before.exists():
                before.rename(place)
            raise
        if before.exists():
            rmtree(before)
        self.kept += [f"    {one_line(graded.student)}: {line}" for line in kept]

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
        elif settings.penalty and (own := self._times_of_others()):
            self.log.warning(
                "There is a penalty, and times count that grading.collect has not written, so that a student may have: "
                "the timestamp.txt of %s%s",
                ", ".join(map(one_line, own[:_NAMED])),
                f" and {len(own) - _NAMED} more" if len(own) > _NAMED else "",
            )

    def _times_of_the_platform(self) -> dict[str, str]:
        """When each student handed in, as the platform says it and `grading.collect` has written it down."""
        collected = read_collected(path_of(Path(self.coursedir.root), self.coursedir.assignment_id))
        return {student: one.time for student, one in collected.items() if one.time}

    def _times_of_others(self) -> list[str]:
        """The students in whose folder there is another time."""
        known = self._times_of_the_platform()
        times = {student: written_time(folder) for student, folder in self.submissions().items()}
        return [student for student, time in times.items() if time is not None and time != known.get(student)]

    def _refuse(self, why: str) -> NoReturn:
        self.log.error(why)
        raise Stopped(why)


def _lock(being_graded: Path) -> Path:
    return being_graded.with_name(f"{being_graded.name}.lock")


def _before(being_graded: Path) -> Path:
    """Where an earlier version of what is being graded waits until the new one is in its place."""
    return being_graded.with_name(f"{being_graded.name}.before")


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
