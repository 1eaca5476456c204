"""Has submissions graded by workers, one each at a time; what dies is replaced, and what it had is tried elsewhere."""

from collections import Counter, defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Protocol

from distributed import Client, Future, KilledWorker, wait

from grading import worker
from grading.outcomes import Outcome, State

# How often a submission is tried in all.
_TRIES = 3
# Seconds after which it is looked whether more workers have come.
_LOOKS_EVERY = 1


class Watcher(Protocol):
    """Is told what happens, and says how it goes on."""

    def cell_time(self) -> int:
        """The seconds that each cell of the next submission has."""

    def running(self, students: Sequence[str]) -> None:
        """These are being graded now."""

    def ended(self, outcome: Outcome, done: worker.Done | None) -> None:
        """One is not graded any more; by `done`, if a worker has lived to say it."""


@dataclass
class _Tried:
    """How often, and how long so far."""

    times: Counter[str] = field(default_factory=Counter)
    seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))


def grade_all(client: Client, run: worker.Run, students: Sequence[str], watcher: Watcher) -> None:
    """Grade the submissions of all of them.

    A worker may die with a submission, of lack of memory or with its machine. It is tried three times in all.

    Raises:
        Stopped: there is no point in going on. What was done is done.
    """
    waiting, tried = deque(students), _Tried()
    running: dict[Future, tuple[str, float]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < max(1, len(client.nthreads())):
                student = waiting.popleft()
                tried.times[student] += 1
                future = client.submit(worker.grade, run, student, watcher.cell_time(), pure=False)
                running[future] = (student, monotonic())
            watcher.running([student for student, _ in running.values()])
            for future in _ended(list(running)):
                student, began = running.pop(future)
                _take(future, student, monotonic() - began, tried, waiting, watcher)
    finally:
        client.cancel(list(running))


def _ended(running: list[Future]) -> list[Future]:
    try:
        return list(wait(running, timeout=_LOOKS_EVERY, return_when="FIRST_COMPLETED").done)
    except TimeoutError:
        return []


def _take(future: Future, student: str, seconds: float, tried: _Tried, waiting: deque[str], watcher: Watcher) -> None:
    """What came out; or what died is tried again, when the others had their turn."""
    try:
        done = future.result()
    except KilledWorker:
        tried.seconds[student] += seconds
        if tried.times[student] < _TRIES:
            waiting.append(student)
        else:
            reason = f"{_TRIES} workers ended while they graded it, as happens when memory is short"
            outcome = Outcome(student, "lost", reason, tried.seconds[student], _TRIES)
            watcher.ended(outcome, None)
        return
    seconds, times = tried.seconds[student] + done.seconds, tried.times[student]
    # A worker may have graded it, and ended before it could say so.
    state: State = "graded" if times > 1 and done.state == "as before" else done.state
    watcher.ended(Outcome(student, state, done.reason, seconds, times), done)
