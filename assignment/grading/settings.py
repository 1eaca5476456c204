"""What a lecturer decides of an assignment: a file of TOML in assignment/courses, by the assignment's name."""

import json
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import isfinite
from pathlib import Path

# This folder of the project, or of a copy of it.
COURSE = Path(__file__).resolve().parents[1]

LANGUAGES = ("en", "de")
# What a part builds on: whoever leaves out one of these leaves out the part, too.
NEEDS = {
    "look_inside": ("build_cnn",),
    "train": ("build_cnn",),
    "project": ("unpool", "rectify", "filter_back", "keep_channel"),
    "visualise": ("project",),
    "grids": ("choose", "visualise", "to_uint8"),
    "words": ("grids",),
}


class BadSettings(Exception):
    """An assignment can't be made of its settings and the template. The message is a sentence for the lecturer."""


@dataclass(frozen=True)
class Settings:
    """An assignment's.

    Attributes:
        name: nbgrader's for the assignment, and that of its notebook.
        points: of each part, in the order of the notebook.
        digits: those whose images are chosen and visualised.
        language: of texts, checks and feedback, one of `LANGUAGES`.
        deadline: with its time zone.
        penalty: the points that each day takes off which begins after the deadline.
        course: the folder of nbgrader's course.
    """

    name: str
    title: str
    points: Mapping[str, float]
    digits: tuple[int, ...]
    language: str = "en"
    deadline: datetime | None = None
    penalty: float = 0
    course: Path = COURSE

    @property
    def template(self) -> Path:
        """Of what is in this folder, and of the settings, what nbgrader reads is made."""
        return self.course / "template"

    @property
    def translations(self) -> Path:
        """The folder of its texts in its language, where that is not English."""
        return self.course / "translations" / self.language

    @property
    def readme(self) -> Path:
        """What the students' README is made of."""
        return (self.course / "student" if self.language == "en" else self.translations) / "README.md"

    @property
    def source(self) -> Path:
        """The folder that is made, which nbgrader reads."""
        return self.course / "source" / self.name

    def for_students(self) -> str:
        """What the checks must know, as JSON: it lies beside them in what students get."""
        return json.dumps({"digits": self.digits, "language": self.language}) + "\n"


def names(course: Path = COURSE) -> list[str]:
    """The assignments that have settings."""
    return sorted(path.stem for path in (course / "courses").glob("*.toml"))


def settings_of(name: str, course: Path = COURSE) -> Settings:
    """The settings of the assignment `name`.

    Raises:
        BadSettings: there are none, or one of them is not what is wanted.
    """
    path = course / "courses" / f"{name}.toml"
    if name not in names(course):
        raise BadSettings(f"there is no file {path}; the assignments in that folder are {_list(names(course))}")
    if not re.fullmatch(r"\w[\w-]*", name):
        raise BadSettings(f"{path}: an assignment's name has letters, digits, _ and - only")
    try:
        return _checked(name, tomllib.loads(path.read_text(encoding="utf-8")), course)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadSettings(f"{path} is no TOML: {error}") from None
    except BadSettings as error:
        raise BadSettings(f"{path}: {error}") from None


def _parts(course: Path) -> list[str]:
    """The names of the parts that the template has, in its order: of all cells that give points."""
    cells = json.loads((course / "template" / "notebook.ipynb").read_text(encoding="utf-8"))["cells"]
    found = [cell["metadata"].get("nbgrader", {}) for cell in cells]
    return [data["grade_id"] for data in found if data.get("grade")]


def _checked(name: str, given: dict, course: Path) -> Settings:
    known = ("title", "digits", "language", "deadline", "penalty", "points")
    if unknown := [key for key in given if key not in known]:
        raise BadSettings(f"there is no setting {unknown[0]!r}; there are {_list(known)}")
    if missing := [key for key in ("title", "digits", "points") if key not in given]:
        raise BadSettings(f"the setting {missing[0]!r} is missing")
    language = given.get("language", "en")
    if language not in LANGUAGES:
        raise BadSettings(f"language = {_shown(language)}: one of {_list(map(repr, LANGUAGES))} is wanted")
    deadline, penalty = given.get("deadline"), given.get("penalty", 0)
    if deadline is not None and not (isinstance(deadline, datetime) and deadline.tzinfo):
        raise BadSettings(
            f"deadline = {_shown(deadline)}: a day, a time and its distance from UTC are wanted, without quotes, as in "
            "2027-02-01T23:59:00+01:00"
        )
    if not _is_number(penalty):
        raise BadSettings(f"penalty = {_shown(penalty)}: points for each day are wanted, 0 or more")
    if penalty and deadline is None:
        raise BadSettings(f"penalty = {_shown(penalty)}: there is no deadline; one is wanted, too")
    return Settings(
        name,
        _title(given["title"]),
        _points(given["points"], _parts(course)),
        _digits(given["digits"]),
        language,
        deadline,
        penalty,
        course,
    )


def _title(given: object) -> str:
    if not isinstance(given, str) or not given.strip() or not given.isprintable():
        raise BadSettings(f"title = {_shown(given)}: one line of text is wanted")
    return given


def _digits(given: object) -> tuple[int, ...]:
    if not isinstance(given, list) or len(given) < 2:
        raise BadSettings(f"digits = {_shown(given)}: a list of two or more digits is wanted, as in [0, 1, 5, 8]")
    for digit in given:
        if not isinstance(digit, int) or isinstance(digit, bool) or not 0 <= digit <= 9:
            raise BadSettings(f"digits = {_shown(given)}: {_shown(digit)} is no digit; whole numbers 0 to 9 are wanted")
    if len(set(given)) < len(given):
        raise BadSettings(f"digits = {_shown(given)}: each digit is wanted once")
    return tuple(given)


def _points(given: object, known: Sequence[str]) -> dict[str, float]:
    if not isinstance(given, dict):
        raise BadSettings(f"points = {_shown(given)}: a table is wanted, [points], with a line for each part")
    for part, worth in given.items():
        if part not in known:
            raise BadSettings(f"points.{part}: the template has no such part; it has {_list(known)}")
        if not _is_number(worth):
            raise BadSettings(f"points.{part} = {_shown(worth)}: a number is wanted, 0 or more")
        for needed in NEEDS.get(part, ()):
            if needed not in given:
                raise BadSettings(
                    f"points has {part} and no {needed}, on which that builds; leave out both, or none of them"
                )
    if not given:
        raise BadSettings("points has no part at all; at least one is wanted")
    return {part: given[part] for part in known if part in given}


def _is_number(given: object) -> bool:
    return isinstance(given, int | float) and not isinstance(given, bool) and isfinite(given) and given >= 0


def _shown(given: object) -> str:
    """A value as TOML writes it, or nearly."""
    return str(given) if isinstance(given, datetime) else json.dumps(given, ensure_ascii=False, default=str)


def _list(names: Iterable[str]) -> str:
    return ", ".join(names)
