"""The report for the lecturer: one page on a run of the grading, and on what the class has by then.

It holds everybody's names, points and addresses. It lies beside the folders of feedback, and not in any student's.
"""

import os
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from pathlib import Path
from urllib.parse import quote

from grading.class_faults import faults_of_class, unanswered_in_class
from grading.class_points import ClassPoints, points_of_class
from grading.names import one_line, whole
from grading.outcomes import Outcome
from grading.pages.feedback import environment, policy, style, words_in
from grading.pages.parts import asked_in, row
from grading.roster import typed_in
from grading.settings import settings_of
from helpers.files import write_atomically
from helpers.messages import message, sentence, written

# No student's folder has such a name: the intake refuses what a spreadsheet would take for a formula.
_NAME = "feedback/+report_{}.html"
# How many faults stand in view, and how many of those who are not graded. The others are folded.
_IN_VIEW = 20

_STATES = {
    "graded": message("report.graded"),
    "as before": message("report.as_before"),
    "not gradable": message("report.not_gradable"),
    "lost": message("report.lost"),
}


@dataclass(frozen=True)
class Person:
    """A student on the page.

    Attributes:
        student: the name of their folder, to be shown.
        name: last and first, or nothing.
        link: to their page of feedback, or nothing.
    """

    student: str
    name: str
    link: str


@dataclass(frozen=True)
class Bar:
    """What the class earned in one part.

    Attributes:
        most: the points that the part gives.
        mean: of those that are given; None if there are none yet.
        counts: how many have `"all"`, `"some"` or `"none"` of its points, have no points as they wrote nothing
            (`"unanswered"`), or wait for them (`"waits"`).
    """

    title: str
    most: float
    mean: float | None
    counts: Mapping[str, int]

    def pieces(self) -> list[tuple[str, float, float]]:
        """The pieces of the bar, without the empty ones: what each shows, where it begins and how wide it is, in %."""
        pieces, start, total = [], 0.0, sum(self.counts.values())
        for kind, count in self.counts.items():
            if count:
                pieces.append((kind, start, 100 * count / total))
                start += 100 * count / total
        return pieces


def write(
    course: Path,
    assignment: str,
    outcomes: Sequence[Outcome],
    seconds: float,
    db_url: str | None = None,
    stopped: Sequence[str] = (),
) -> Path:
    """Write the report, and give back where it lies. It links the pages of feedback that are there by now.

    Args:
        course: nbgrader's folder of the course.
        outcomes: those of the run and of who was graded before, one for each student.
        seconds: that the run took.
        db_url: the gradebook's; without it, nbgrader's usual one in the folder of the course.
        stopped: the students of whom a cell was stopped sooner than usual.

    Raises:
        BadSettings: those of the assignment are missing or wrong.
        MissingEntry: the gradebook does not have the assignment.
    """
    path = course / _NAME.format(assignment)
    db_url = db_url or f"sqlite:///{course / 'gradebook.db'}"
    page = page_of(course, assignment, outcomes, seconds, db_url, stopped)
    path.parent.mkdir(exist_ok=True)
    write_atomically(path, whole(page).encode())
    return path


def page_of(
    course: Path, assignment: str, outcomes: Sequence[Outcome], seconds: float, db_url: str, stopped: Sequence[str] = ()
) -> str:
    """The report as a page."""
    settings = settings_of(assignment, course)
    language = settings.language
    titles = asked_in(settings.source / f"{assignment}.ipynb").titles
    known, of_run = points_of_class(db_url, assignment), {one.student: one for one in outcomes}
    graded = list((course / "autograded").glob(f"*/{assignment}"))
    typed = {address: students for address, students in typed_in(graded).items() if len(students) > 1}
    handed_in = [folder.parent.name for folder in (course / "submitted").glob(f"*/{assignment}")]
    everybody = {*known.students, *of_run, *handed_in, *stopped, *chain(*typed.values())}
    people = _people(course, assignment, known, everybody)
    failed = {one.student for one in outcomes if one.state in ("not gradable", "lost")}
    states = {student: sentence(_STATES[one.state], language) for student, one in of_run.items()}
    others = sentence(message("report.not_in_the_run"), language)
    worked = [one for one in outcomes if one.state == "graded"]
    done = {one.student for one in worked}
    slowest = max(worked, key=lambda one: one.seconds, default=None)
    sheet = style("report.css")
    values = {
        "title": settings.title,
        "assignment": assignment,
        "written": datetime.now().astimezone().isoformat(" ", "minutes"),
        "states": _counted(outcomes, len(people.keys() - of_run.keys()), others, language),
        "ungraded": [
            (person, one_line(of_run[student].reason), of_run[student].tries)
            for student, person in people.items()
            if student in failed
        ],
        "in_view": _IN_VIEW,
        "bars": _bars(known, settings.points, titles, unanswered_in_class(graded)),
        "by_hand": sum(one.by_hand for one in known.students.values()),
        "faults": [(titles.get(one.part, one.part), row(one.said, language), one) for one in faults_of_class(graded)],
        "typed": [
            (one_line(address), [people[student] for student in typed[address]])
            for address in sorted(typed, key=lambda one: (-len(typed[one]), one))
        ],
        "run": lasted(seconds),
        "mean": lasted(sum(one.seconds for one in worked) / len(worked)) if worked else "",
        "slowest": people[slowest.student] if slowest else None,
        "longest": lasted(slowest.seconds) if slowest else "",
        "stopped": [people[student] for student in sorted(stopped)],
        "again": sum(one.tries > 1 for one in outcomes),
        "students": [
            # Of those who were graded in this run, nothing need be said.
            (person, known.students.get(one), of_run.get(one), "" if one in done else states.get(one, others))
            for one, person in people.items()
        ],
        "most": sum(known.most.values()),
        "waiting": sum(None in one.parts.values() for one in known.students.values()),
        "lasted": lasted,
        "number": lambda value: written(value, ",", language),
        "style": sheet,
        "policy": policy(sheet),
        **words_in(language),
    }
    return environment().get_template("report.html.j2").render(values)


def _people(course: Path, assignment: str, known: ClassPoints, students: set[str]) -> dict[str, Person]:
    """Those students, by the names of their folders and in the order of the names that are shown."""
    people = {}
    for student in students:
        name = one_line(known.students[student].name) if student in known.students else ""
        people[student] = Person(one_line(student), name, _link(course, student, assignment))
    return dict(sorted(people.items(), key=lambda one: ((one[1].name or one[1].student).casefold(), one[0])))


def lasted(seconds: float) -> str:
    """A time as people say it, in units that are the same in all languages."""
    whole_seconds = round(seconds)
    hours, minutes = whole_seconds // 3600, whole_seconds // 60 % 60
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {whole_seconds % 60} s" if minutes else f"{whole_seconds} s"


def _link(course: Path, student: str, assignment: str) -> str:
    """From the report to a student's page, if there is one. The name of a folder may look like an address."""
    if not (course / "feedback" / student / assignment / f"{assignment}.html").exists():
        return ""
    return f"./{quote(os.fsencode(student), safe='')}/{assignment}/{assignment}.html"


def _counted(outcomes: Sequence[Outcome], others: int, of_others: str, language: str) -> list[tuple[int, str]]:
    """How many students are in which state."""
    counts: Counter[str] = Counter(one.state for one in outcomes)
    found = [(counts[state], sentence(said, language)) for state, said in _STATES.items()]
    return [*found, (others, of_others)] if others else found


def _bars(
    known: ClassPoints,
    order: Mapping[str, float],
    titles: Mapping[str, str],
    unanswered: Mapping[str, Collection[str]],
) -> list[Bar]:
    """One for each part, in the order of the notebook."""
    bars = []
    for part in [*(part for part in order if part in known.most), *(part for part in known.most if part not in order)]:
        most = known.most[part]
        counts = dict.fromkeys(("all", "some", "none", "unanswered", "waits"), 0)
        points = {student: one.parts[part] for student, one in known.students.items() if part in one.parts}
        given = [one for one in points.values() if one is not None]
        for student, one in points.items():
            if one is None:
                counts["waits"] += 1
            elif one >= most:
                counts["all"] += 1
            elif one > 0:
                counts["some"] += 1
            else:
                counts["unanswered" if part in unanswered.get(student, ()) else "none"] += 1
        bars.append(Bar(titles.get(part, part), most, sum(given) / len(given) if given else None, counts))
    return bars
