"""What became of one submission in a run of the grading."""

from dataclasses import dataclass
from typing import Literal

State = Literal["graded", "as before", "not gradable", "lost"]


@dataclass(frozen=True)
class Outcome:
    """What became of a student's submission.

    Attributes:
        state: `"as before"` if nothing had changed since it was graded; `"not gradable"` if its points can't be
            decided, whoever tries; `"lost"` if those who tried did not live to the end.
        reason: why there are no points of this run; nothing if there are.
        seconds: that the grading took, of all tries.
        tries: how many there were.
    """

    student: str
    state: State
    reason: str
    seconds: float
    tries: int
