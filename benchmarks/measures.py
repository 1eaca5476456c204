"""What a benchmark gives: numbers with their target, measured in turn with what they are compared with."""

import statistics
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import psutil


@dataclass(frozen=True)
class Measure:
    """One line of the table.

    Attributes:
        name: what was measured.
        unit: `"×"` for ratios, else of the values.
        values: one a round.
        at_least, at_most: the target, if there is one.
    """

    name: str
    unit: str
    values: Sequence[float]
    at_least: float | None = None
    at_most: float | None = None

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def margin(self) -> float | None:
        """How many times better than the target; below 1 it is missed. None without a target."""
        if self.at_least is not None:
            return self.median / self.at_least
        if self.at_most is not None:
            # What costs nothing, or less than what it is compared with, is as good as a thousandth of the target.
            return self.at_most / max(self.median, self.at_most / 1000)
        return None

    @property
    def met(self) -> bool | None:
        return None if self.margin is None else self.margin >= 1


def seconds(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def in_turn(rounds: int, *functions: Callable[[], object]) -> list[list[float]]:
    """Seconds of each function in each of the rounds, in which they take turns: what slows one down slows them all."""
    taken = [[seconds(function) for function in functions] for _ in range(rounds)]
    return [list(times) for times in zip(*taken, strict=True)]


def ratios(theirs: Sequence[float], ours: Sequence[float], scale: float = 1) -> list[float]:
    """How many times less time ours takes, round by round; `scale` if theirs did only a part of the work."""
    return [scale * one / other for one, other in zip(theirs, ours, strict=True)]


def peak_memory(function: Callable[[], object]) -> tuple[float, float]:
    """MB that this process holds in memory before `function` runs, and the most while it runs."""
    process = psutil.Process()
    before = highest = process.memory_info().rss
    done = threading.Event()

    def watch() -> None:
        nonlocal highest
        while not done.wait(0.01):
            highest = max(highest, process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        function()
    finally:
        done.set()
        watcher.join()
    return before / 1e6, highest / 1e6
