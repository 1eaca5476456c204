"""What came out for each student: points and faults of each part, or why there are none."""

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from nbgrader.api import MissingEntry

from grading.class_points import Graded, Points, points_of_class
from grading.converter import has_gradebook
from grading.restore import FAULTS
from grading.settings import Settings
from grading.versions import graded_version, version_of
from helpers.messages import Message, from_data

GRADED, NOT_SUBMITTED, NOT_GRADABLE = "graded", "not submitted", "not gradable"
WAITING, NOT_GRADED = "waiting for a hand", "not graded yet"


@dataclass(frozen=True)
class Part(Points):
    """The points of one part.

    Attributes:
        faults: what the judge found.
    """

    faults: tuple[Message, ...] = ()


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
        return {name: part for name, part in self.parts.items() if part.judge not in (None, part.points)}


def results_of(
    settings: Settings,
    db_url: str,
    names: Mapping[str, str],
    expected: Collection[str],
    typed: Mapping[str, str],
    why_not: Callable[[Path], str],
) -> list[Result]:
    """Those of all students who are expected, handed in, or were graded; in the order of their numbers.

    Args:
        names: by the students' numbers, as far as they are known.
        expected: who should have handed in.
        typed: who of them has only typed something on the platform, and what.
        why_not: says of a student's folder why it can't be graded, if it can't.
    """
    found = _those_graded(settings, db_url, names, why_not) if has_gradebook(db_url) else {}
    for folder in (settings.course / "submitted").glob(f"*/{settings.name}"):
        number = folder.parent.name
        if number not in found:
            why = why_not(folder)
            found[number] = Result(number, names.get(number, ""), NOT_GRADABLE if why else NOT_GRADED, why)
    for number in set(expected).difference(found):
        state, why = NOT_SUBMITTED, "nothing was handed in"
        if number in typed:
            state, why = NOT_GRADABLE, f"{typed[number]} was typed on the platform, and there is no file"
        found[number] = Result(number, names.get(number, ""), state, why)
    return [found[number] for number in sorted(found)]


def _those_graded(
    settings: Settings, db_url: str, names: Mapping[str, str], why_not: Callable[[Path], str]
) -> dict[str, Result]:
    try:
        students = points_of_class(db_url, settings.name).students
    except MissingEntry:
        return {}
    return {
        number: _graded(settings, number, names.get(number, ""), graded, why_not) for number, graded in students.items()
    }


def _graded(settings: Settings, number: str, name: str, graded: Graded, why_not: Callable[[Path], str]) -> Result:
    submitted, autograded = (settings.course / place / number / settings.name for place in ("submitted", "autograded"))
    faults = _faults(autograded / FAULTS)
    parts = {
        part: Part(**asdict(graded.points_of[part]), faults=faults.get(part, ()))
        for part in settings.points
        if part in graded.points_of
    }
    is_waiting = any(part.given is None for part in parts.values())
    why = ""
    if submitted.exists() and graded_version(autograded) not in ("", version_of(submitted)):
        reason = why_not(submitted)
        why = f"a later version can't be graded: {reason}" if reason else "a later version is not graded yet"
    return Result(number, name, WAITING if is_waiting else GRADED, why, parts, graded.late)


def _faults(path: Path) -> dict[str, tuple[Message, ...]]:
    try:
        parts = json.loads(path.read_text(encoding="utf-8"))["parts"]
    except FileNotFoundError:
        return {}
    return {name: tuple(from_data(fault) for fault in part["faults"]) for name, part in parts.items()}
