"""Grade a class, several submissions at a time: each that is new or changed, with its feedback.

In the folder of the course: python -m grading inside_lenet5. Interrupted and started again, it does what is missing.
"""

import argparse
import logging
import math
import re
import shlex
import sys
import uuid
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic

from distributed import Client
from tqdm import tqdm

from grading import report
from grading.cluster import NoCluster, fitting, workers_here, workers_of
from grading.collect import looking
from grading.converter import Stopped, TakingIn, has_gradebook
from grading.export import export
from grading.judge import Judge
from grading.learned import CellTime, times_of
from grading.names import one_line
from grading.outcomes import Outcome, State
from grading.parallel import grade_all
from grading.sandbox import why_not
from grading.settings import COURSE, BadSettings, settings_of
from grading.worker import Done, Run, application, mark

# How many of those who are being graded the bar names.
_NAMED = 4
_BAR = "{l_bar}{bar}| {n_fmt} of {total_fmt} [{elapsed}, {remaining} to go{postfix}]"
_STATES: tuple[State, ...] = ("graded", "as before", "not gradable", "lost")


class Progress:
    """A bar that names who is being graded and what failed, and the outcomes."""

    def __init__(self, bar: tqdm, kept: list[str], limit: CellTime) -> None:
        self.outcomes: list[Outcome] = []
        self._bar, self._kept, self._limit = bar, kept, limit

    def cell_time(self) -> int:
        return self._limit.seconds

    def running(self, students: Sequence[str]) -> None:
        failed = sum(outcome.state in ("not gradable", "lost") for outcome in self.outcomes)
        first, more = list(map(one_line, students[:_NAMED])), len(students) - _NAMED
        now = ", ".join([*first, *([f"{more} more"] if more > 0 else [])])
        self._bar.set_postfix_str(f"{now}{f'; {failed} not graded' if failed else ''}")

    def ended(self, outcome: Outcome, done: Done | None) -> None:
        self.outcomes.append(outcome)
        self._bar.update()
        if outcome.reason:
            self._bar.write(f"Not graded: {one_line(outcome.student)}: {outcome.reason}", file=sys.stderr)
        if done is not None:
            self._kept += done.kept
            self._limit.learn(outcome.student, done.times)
            for line in done.errors:
                self._bar.write(line, file=sys.stderr)


def main(arguments: Sequence[str] | None = None) -> None:
    began = monotonic()
    given, run = _read(arguments)
    app = application(run)
    app.coursedir.assignment_id = run.assignment
    # They are raised, too.
    app.log.addFilter(lambda record: record.levelno < logging.ERROR)
    converter = TakingIn(coursedir=app.coursedir, parent=app, force=run.force)
    try:
        settings = settings_of(run.assignment)
        if not has_gradebook(app.coursedir.db_url):
            raise Stopped(f"There is no gradebook yet: nbgrader generate_assignment {run.assignment}")
        students = _students(converter, given.student)
        # Tables that are missing are made here, by one process.
        converter.begin()
        asked = dict.fromkeys(given.student or students)
        wanted = [student for student in asked if _is_missing(converter, student, students[student])]
        judge = Judge(parent=app)
        limit = CellTime(judge.timeout, given.learn_limit)
        for student in students.keys() - set(wanted):
            limit.learn(student, times_of(converter.place(student)))
        with tqdm(total=len(wanted), desc=run.assignment, bar_format=_BAR, disable=not wanted) as bar:
            progress = Progress(bar, converter.kept, limit)
            if wanted:
                with _workers(given, judge, len(wanted)) as client:
                    grade_all(client, run, wanted, progress)
    except (BadSettings, NoCluster, Stopped) as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit("Interrupted. What was graded is whole; start again for what is missing")
    for outcome in progress.outcomes:
        if outcome.state == "lost":
            converter.clear(outcome.student)
    converter.end()
    looks = looking(settings, app.coursedir.db_url)
    files = export(settings, app.coursedir.db_url, None, why_not=looks).files
    outcomes = [*progress.outcomes, *_others(converter, students, {one.student for one in progress.outcomes}, looks)]
    outcomes.sort(key=lambda outcome: outcome.student)
    seconds = monotonic() - began
    files.append(report.write(settings.course, settings.name, outcomes, seconds, app.coursedir.db_url, limit.stopped))
    of_run = [one for one in outcomes if one.student in asked]
    command = f"python -m grading {shlex.join([run.assignment, *run.arguments])} --force --student"
    print(_summary(of_run, seconds), *limit.said(command), *files, sep="\n")
    if any(outcome.reason for outcome in of_run):
        sys.exit(1)


def _read(arguments: Sequence[str] | None) -> tuple[argparse.Namespace, Run]:
    first, *_, last = __doc__.splitlines()
    parser = argparse.ArgumentParser(
        prog="python -m grading",
        description=f"{first} {last}",
        epilog="Settings of nbgrader's are taken as by its commands: --TakingIn.keep_timestamp=True",
        allow_abbrev=False,
    )
    parser.add_argument("assignment", help="its name, such as inside_lenet5")
    parser.add_argument("--student", action="append", help="grade this one alone; may be given several times")
    parser.add_argument("--force", action="store_true", help="grade again what has not changed")
    parser.add_argument(
        "--learn-limit",
        metavar="K",
        type=_factor,
        nargs="?",
        const=5,
        help="when ten submissions are right, let a cell run for K times the slowest of theirs, 60 s at least and the "
        "usual time at most; K is 5 if you leave it out",
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--workers", type=int, help="how many grade at a time; as many as cores and memory allow")
    where.add_argument("--scheduler", metavar="ADDRESS", help="use the cluster with this scheduler of Dask's")
    given, others = parser.parse_known_args(arguments)
    if strange := [word for word in others if not re.match(r"--\w+\.\w+=", word)]:
        parser.error(f"there is no {strange[0]}")
    if given.workers is not None and given.workers < 1:
        parser.error(f"--workers {given.workers}: 1 or more are wanted")
    return given, Run(COURSE, given.assignment, tuple(others), given.force, uuid.uuid4().hex)


def _students(converter: TakingIn, wanted: Sequence[str] | None) -> dict[str, Path]:
    converter.init_notebooks()
    students = converter.submissions()
    if missing := [student for student in wanted or () if student not in students]:
        raise Stopped(f"--student {missing[0]}: nothing was handed in by that name")
    return students


def _factor(text: str) -> float:
    with suppress(ValueError):
        if 1 <= (factor := float(text)) < math.inf:
            return factor
    raise argparse.ArgumentTypeError(f"{text}: a number is wanted, 1 or more")


def _is_missing(converter: TakingIn, student: str, folder: Path) -> bool:
    return converter.is_wanted(student, folder) or not mark(converter, student).exists()


def _others(
    converter: TakingIn, students: Mapping[str, Path], in_run: Collection[str], looks: Callable[[Path], str]
) -> Iterator[Outcome]:
    """What there is of those who were not graded in this run. Of who still waits for it there is nothing."""
    converter.force = False
    for student, folder in students.items():
        if student in in_run:
            continue
        if not _is_missing(converter, student, folder):
            yield Outcome(student, "as before", "", 0, 0)
        elif reason := looks(folder):
            yield Outcome(student, "not gradable", reason, 0, 0)


@contextmanager
def _workers(given: argparse.Namespace, judge: Judge, count: int) -> Iterator[Client]:
    """Those that were asked for.

    Raises:
        NoCluster: there are none, or one of them has no sandbox, where that is wanted.
    """
    withheld = tuple(judge.withheld)
    if given.scheduler:
        with workers_of(given.scheduler) as client:
            for address, reason in client.run(why_not, withheld).items() if judge.sandboxed else ():
                if reason:
                    raise NoCluster(f"{address}: {reason}")
            yield client
    else:
        if judge.sandboxed and (reason := why_not(withheld)):
            raise NoCluster(reason)
        with workers_here(given.workers or min(fitting(judge), count)) as client:
            yield client


def _summary(outcomes: Sequence[Outcome], seconds: float) -> str:
    counts = Counter(outcome.state for outcome in outcomes)
    again = sum(outcome.tries > 1 for outcome in outcomes)
    lines = [", ".join(f"{counts[state]} {state}" for state in _STATES if counts[state])]
    lines[0] += f"{f'; {again} of them more than once, as a worker ended' if again else ''}: {seconds:.0f} s"
    lines += [f"    {one_line(one.student)}: {one.reason}" for one in outcomes if one.reason]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
