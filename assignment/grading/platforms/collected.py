"""What was collected of each student, as a file: so that a new version is seen, and the way back is known."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from helpers.files import write_atomically


@dataclass(frozen=True)
class Collected:
    """What came of one student.

    Attributes:
        name: as the download had it.
        back: what the name of a file begins with that Moodle is to give back.
        digest: of the files, as they came.
        time: when they were handed in, in UTC, as nbgrader writes it; or nothing.
        typed: what was typed on the platform, if there is no file at all; or nothing.
    """

    name: str
    back: str
    digest: str
    time: str
    typed: str = ""


def path_of(course: Path, assignment: str) -> Path:
    return course / "collected" / f"{assignment}.json"


def read_collected(path: Path) -> dict[str, Collected]:
    """By the students' numbers; empty if nothing was collected."""
    if not path.exists():
        return {}
    return {number: Collected(**one) for number, one in json.loads(path.read_text(encoding="utf-8")).items()}


def write_collected(path: Path, collected: dict[str, Collected]) -> None:
    path.parent.mkdir(exist_ok=True)
    plain = {number: asdict(one) for number, one in sorted(collected.items())}
    write_atomically(path, json.dumps(plain, indent=1).encode())
