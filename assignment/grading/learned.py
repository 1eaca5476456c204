"""The time for a cell, learned from submissions in which nothing is wrong, so that an endless loop costs less."""

import json
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from shlex import quote

from grading.names import one_line
from grading.restore import FAULTS

# So many right submissions are waited for, and so many seconds a cell has in any case.
_WAITS_FOR, _LEAST = 10, 60


@dataclass(frozen=True)
class Times:
    """Of a graded submission.

    Attributes:
        right: whether it has all points that the judge gives.
        slowest: seconds of its slowest cell, of those that came to an end.
        stopped: whether another one was stopped.
        limit: the seconds that each of them had.
    """

    right: bool
    slowest: float
    stopped: bool
    limit: int


def times_of(graded: Path) -> Times | None:
    """Those that the judge has left in the folder of a graded submission, if it has left any."""
    try:
        found = json.loads((graded / FAULTS).read_text(encoding="utf-8"))
        parts, cells = found["parts"].values(), found["cells"]
        # What is earned is rounded.
        right = bool(parts) and all(part["earned"] >= round(part["points"], 2) for part in parts)
        return Times(right, cells["slowest"], cells["stopped"], cells["limit"])
    except (OSError, ValueError, KeyError):
        return None


class CellTime:
    """The seconds for a cell: as usual, until ten right submissions have shown that less is enough.

    Args:
        usual: the seconds that students were promised, and that are never exceeded.
        factor: so many times the slowest cell of all right submissions; None, and nothing is learned.

    Attributes:
        stopped: the students of whom a cell was stopped sooner than usual.
    """

    def __init__(self, usual: int, factor: float | None) -> None:
        self.usual, self._factor = usual, factor
        self._right: list[float] = []
        self.stopped: list[str] = []

    @property
    def seconds(self) -> int:
        if self._factor is None or len(self._right) < _WAITS_FOR:
            return self.usual
        return min(self.usual, max(_LEAST, ceil(self._factor * max(self._right))))

    def learn(self, student: str, times: Times | None) -> None:
        """Take in what was seen of a submission."""
        if times is not None and times.right:
            self._right.append(times.slowest)
        if times is not None and times.stopped and times.limit < self.usual:
            self.stopped.append(student)

    def said(self, command: str) -> list[str]:
        """Lines for the lecturer, with the `command` that grades somebody in the usual time."""
        lines = []
        if self.seconds < self.usual:
            lines.append(f"A cell had {self.seconds} s at last, as {len(self._right)} right submissions need less")
        for student in map(one_line, self.stopped):
            again = f"{command} {quote(student)}"
            lines.append(f"    {student}: a cell was stopped before the usual {self.usual} s. Give it these by {again}")
        return lines
