"""What came out for each student: points and faults of each part, or why there are none."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from nbgrader.api import Gradebook, MissingEntry, SubmittedAssignment

from grading.converter import has_gradebook
from grading.restore import FAULTS
from grading.settings import Settings
from grading.versions import graded_version, version_of
from helpers.messages import Message, from_data

GRADED, NOT_SUBMITTED, NOT_GRADABLE = "graded", "not submitted", "not gradable"
WAITING, NOT_GRADED = "waiting for a hand", "not graded yet"


@dataclass(frozen=True)
class Part:
    """The points of one part; None where the judge, or a person, gave none.

    Attributes:
        faults: what the judge found.
    """

    most: float
    judge: float | None
    hand: float | None
    extra: float = 0
    faults: tuple[Message, ...] = ()

    @property
    def points(self) -> float:
        given = self.judge if self.hand is None else self.hand
        return (given or 0) + self.extra


@dataclass(frozen=True)
class Result:
    """A student's.

    Attributes:
        state: one of the five words.
        why: more about it, for the lecturer.
        penalty: what being late takes off.
    """

    number: str
    name: str
    state: str
    why: str = ""
    parts: Mapping[str, Part] = field(default_factory=dict)
    penalty: float = 0

    @property
    def points(self) -> float | None:
        """All together; None unless everything is graded."""
        if self.state != GRADED:
            return None
        return round(max(0.0, sum(part.points for part in self.parts.values()) - self.penalty), 2)

    @property
    def set_by_hand(self) -> dict[str, Part]:
        """The parts in which a person gave other points than the judge."""
        return {name: part for name, part in self.parts.items() if part.judge not in (None, part.hand, part.points)}


def results_of(
    settings: Settings, db_url: str, names: Mapping[str, str], why_not: Callable[[Path], str]
) -> list[Result]:
    """Those of all students who are named, handed in, or were graded; in the order of their numbers.

    Args:
        names: by the students' numbers.
        why_not: says of a student's folder why it can't be graded, if it can't.
    """
    found = _those_graded(settings, db_url, names, why_not) if has_gradebook(db_url) else {}
    folders = sorted((settings.course / "submitted").glob(f"*/{settings.name}"))
    for folder in folders:
        number = folder.parent.name
        if number not in found:
            why = why_not(folder)
            state = NOT_GRADABLE if why else NOT_GRADED
            found[number] = Result(number, names.get(number, ""), state, why)
    for number, name in names.items():
        found.setdefault(number, Result(number, name, NOT_SUBMITTED))
    return [found[number] for number in sorted(found)]


def _those_graded(
    settings: Settings, db_url: str, names: Mapping[str, str], why_not: Callable[[Path], str]
) -> dict[str, Result]:
    found = {}
    with Gradebook(db_url) as gradebook:
        try:
            submissions = gradebook.find_assignment(settings.name).submissions
        except MissingEntry:
            return {}
        for submission in submissions:
            number = submission.student.id
            found[number] = _graded(settings, submission, names.get(number) or _name(submission), why_not)
    return found


def _graded(settings: Settings, submission: SubmittedAssignment, name: str, why_not: Callable[[Path], str]) -> Result:
    number = submission.student.id
    folders = [settings.course / place / number / settings.name for place in ("submitted", "autograded")]
    faults, parts = _faults(folders[1] / FAULTS), {}
    for notebook in submission.notebooks:
        for grade in notebook.grades:
            given = (grade.auto_score, grade.manual_score, grade.extra_credit or 0)
            parts[grade.name] = Part(grade.max_score, *given, faults=faults.get(grade.name, ()))
    ordered = {part: parts[part] for part in settings.points if part in parts}
    is_waiting = any(part.judge is None and part.hand is None for part in ordered.values())
    why = ""
    if folders[0].exists() and graded_version(folders[1]) not in ("", version_of(folders[0])):
        reason = why_not(folders[0])
        why = f"a later version can't be graded: {reason}" if reason else "a later version is not graded yet"
    penalty = submission.late_submission_penalty or 0
    return Result(number, name, WAITING if is_waiting else GRADED, why, ordered, penalty)


def _faults(path: Path) -> dict[str, tuple[Message, ...]]:
    try:
        parts = json.loads(path.read_text(encoding="utf-8"))["parts"]
    except FileNotFoundError:
        return {}
    return {name: tuple(from_data(fault) for fault in part["faults"]) for name, part in parts.items()}


def _name(submission: SubmittedAssignment) -> str:
    student = submission.student
    return " ".join(word for word in (student.first_name, student.last_name) if word)
