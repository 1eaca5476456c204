"""Take in a download of Moodle's or Canvas', or a plain folder, and say who is missing or doubtful.

In the folder of the course: python -m grading.collect inside_lenet5 DOWNLOAD --roster WORKSHEET. It writes into
submitted/, and touches nothing that was graded. What changed is graded again by nbgrader autograde.
"""

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from nbgrader.api import MissingEntry

from grading.converter import handed_out, has_gradebook
from grading.gradebooks import NoGradebook, add_option, gradebook_of, said_in_a_sentence
from grading.handed_in import IGNORED, USUAL
from grading.intake import take_in
from grading.names import one_line
from grading.platforms.collected import Collected, path_of, read_collected, write_collected
from grading.platforms.deposit import digest_of_all, put, read, there, write_time
from grading.platforms.downloads import BadDownload, HandedIn, read_download
from grading.platforms.names import same_name
from grading.platforms.roster import Roster, read_roster
from grading.platforms.tables import BadTable
from grading.roster import STUDENTS
from grading.settings import COURSE, BadSettings, Settings, settings_of
from grading.which_notebook import Assignment, NotGraded
from helpers.messages import sentence

NEW, CHANGED, BEFORE, LEFT = "new", "changed", "as before", "left as it was"
TYPED, MISSING = "only typed", "missing"
# The states of which each student is named.
_NAMED = (CHANGED, LEFT, TYPED, MISSING)


@dataclass
class Line:
    """What there is to say of one student.

    Attributes:
        typed: what was typed on the platform, beside files or alone; or nothing.
    """

    number: str
    name: str
    state: str
    doubts: list[str] = field(default_factory=list)
    late: bool = False
    typed: str = ""

    @property
    def whose(self) -> str:
        return one_line(f"{self.number} {self.name}").strip()


@dataclass
class Report:
    """What was collected."""

    platform: str
    lines: list[Line] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    has_roster: bool = True

    def text(self) -> str:
        counts = Counter(line.state for line in self.lines)
        doubtful = [line for line in self.lines if line.doubts]
        said = ", ".join(
            f"{counts[state]} {state}" for state in (NEW, CHANGED, BEFORE, LEFT, TYPED, MISSING) if counts[state]
        )
        lines = [f"{f'From {self.platform}: ' if self.platform else ''}{said or 'nothing'}; {len(doubtful)} doubtful"]
        for line in self.lines:
            if line.state in _NAMED or line.doubts:
                why = "; ".join(map(one_line, line.doubts))
                lines.append(f"    {line.state:<14}  {line.whose}{f'  doubtful: {why}' if why else ''}")
        if late := [line.whose for line in self.lines if line.late]:
            lines.append(f"Marked as late by {self.platform}, without a time: {', '.join(late)}")
        if typed := [f"{line.whose} ({line.typed})" for line in self.lines if line.typed and line.state != TYPED]:
            lines.append(f"Typed something on {self.platform} as well, which is not taken in: {', '.join(typed)}")
        if not self.has_roster:
            lines.append("Without --roster nobody can be missing, and no name is checked.")
        lines += [f"Not looked at, as its name is not one of {self.platform}'s: {one_line(x)}" for x in self.strangers]
        lines += [f"Left out: {one_line(note)}" for note in self.left_out]
        if counts[NEW] + counts[CHANGED]:
            lines.append(
                "What is new or changed, nbgrader autograde grades, or python -m grading, for a large class; what was "
                "graded stays until then."
            )
        return "\n".join(lines)


def collect(
    settings: Settings,
    download: Path,
    roster: Roster | None = None,
    zone: tzinfo | None = None,
    why_not: Callable[[Path], str] = lambda folder: "",
) -> Report:
    """Put what lies in the download into the course's folder `submitted`. No student's files stop those of others.

    Args:
        zone: of the times in the roster; without it, that of the deadline, or else this computer's.
        why_not: says of a student's folder why it can't be graded, if it can't.

    Raises:
        BadDownload: it can't be read at all.
    """
    collected = read_collected(path_of(settings.course, settings.name))
    known = roster.names if roster else {}
    with ExitStack() as open_files:
        left_out: list[str] = []
        found = read_download(
            download, open_files, lambda why, name: left_out.append(f"{name}, as it {sentence(why, 'en')}"), known
        )
        report = Report(found.platform, strangers=found.strangers, left_out=left_out, has_roster=roster is not None)
        zone = zone or (settings.deadline.tzinfo if settings.deadline else None)
        for number, student in sorted(found.students.items()):
            name, doubts = known.get(number) or student.name, _strange(student, roster)
            line = Line(number, name, LEFT, doubts, student.late, student.typed)
            time = _time(number, roster, zone)
            try:
                _take(settings, student, time, collected, line, why_not)
            # Whatever it is, the others are taken in.
            except Exception as error:
                line.doubts.append(f"{type(error).__name__}: {error}")
            report.lines.append(line)
    for number, name in sorted(known.items()):
        has_typed = number in collected and bool(collected[number].typed)
        is_there = (settings.course / "submitted" / number / settings.name).exists()
        if number not in found.students and not has_typed and not is_there:
            report.lines.append(Line(number, name, MISSING))
    write_collected(path_of(settings.course, settings.name), collected)
    return report


def _strange(student: HandedIn, roster: Roster | None) -> list[str]:
    """What does not go with the roster."""
    if roster is None:
        return []
    if student.number not in roster.names:
        return ["not in the roster"]
    doubts = []
    name = roster.names[student.number]
    if name and student.name and not same_name(name, student.name):
        doubts.append(f"the download calls {student.number} {student.name}")
    if student.number in roster.unread:
        doubts.append(f"the time of handing in can't be read: {roster.unread[student.number]}")
    return doubts


def _time(number: str, roster: Roster | None, zone: tzinfo | None) -> str:
    """When it was handed in, in UTC; nothing where that is not known."""
    moment = roster.times.get(number) if roster else None
    if moment is None:
        return ""
    local = moment.replace(tzinfo=zone) if zone else moment.astimezone()
    return f"{local.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _take(
    settings: Settings,
    student: HandedIn,
    time: str,
    collected: dict[str, Collected],
    line: Line,
    why_not: Callable[[Path], str],
) -> None:
    if Path(student.number).name != student.number or student.number.startswith("."):
        line.doubts.append("no name for a folder")
        return
    folder = settings.course / "submitted" / student.number / settings.name
    contents, left_out = read(student.files)
    line.doubts += [f"left out, as it {sentence(why, 'en')}: {name}" for name, why in left_out.items()]
    before, lies_there = collected.get(student.number), there(folder)
    if not contents:
        typed_alone = f"{student.typed} was typed on the platform, and there is no file"
        line.doubts.append(typed_alone if student.typed else "no file was handed in")
        if student.typed and lies_there is None:
            line.state = TYPED
            collected[student.number] = Collected(student.name, student.back, "", time, student.typed)
        return
    new, there_now = digest_of_all(contents), None if lies_there is None else digest_of_all(lies_there)
    time = time or (before.time if before and before.digest == new else "")
    if there_now == new or before and before.digest == new and lies_there:
        line.state = BEFORE
        write_time(folder, time)
    elif lies_there is not None and (before is None or before.digest != there_now):
        line.doubts.append(
            f"submitted/{student.number}/{settings.name} is not as it was collected; delete it to have what is new"
        )
        return
    elif before and before.time and time and time < before.time and lies_there is not None:
        line.doubts.append(f"older ({time}) than what was collected before ({before.time})")
        return
    else:
        put(folder, contents, {path: file.time for path, file in student.files.items()}, time)
        line.state = NEW if lies_there is None else CHANGED
    if why := why_not(folder):
        line.doubts.append(f"can't be graded: {why}")
    collected[student.number] = Collected(student.name, student.back, new, time)


def unfit(assignment: Assignment, ignore: Sequence[str] = ()) -> Callable[[Path], str]:
    """Says of a student's folder why it can't be graded, if it can't."""

    def why_not(folder: Path) -> str:
        with tempfile.TemporaryDirectory(prefix="looked-at-") as clean:
            try:
                take_in(folder, Path(clean) / "clean", assignment, USUAL, ignore)
            except NotGraded as reason:
                return str(reason)
        return ""

    return why_not


def looking(settings: Settings, db_url: str) -> Callable[[Path], str]:
    """Says why something can't be graded, if nbgrader knows the assignment already."""
    try:
        if has_gradebook(db_url):
            return unfit(handed_out(db_url, settings.source, settings.name, IGNORED), IGNORED)
    except MissingEntry:
        pass
    print(f"nbgrader does not know {settings.name} yet, so it is not said who can't be graded: generate_assignment")
    return lambda folder: ""


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m grading.collect", description=__doc__.splitlines()[0])
    parser.add_argument("assignment", help="its name, such as inside_lenet5")
    parser.add_argument("download", type=Path, help="the zip that the platform gave, or a folder")
    parser.add_argument(
        "--roster",
        type=Path,
        help="Moodle's worksheet for grading, Canvas' exported gradebook, or a list that begins with id,first_name; "
        "students.csv in the course's folder, if it is there",
    )
    parser.add_argument("--zone", help="of the times in Moodle's worksheet, as in Europe/Berlin; else the deadline's")
    add_option(parser)
    given = parser.parse_args(arguments)
    usual = COURSE / STUDENTS
    try:
        settings = settings_of(given.assignment)
        path = given.roster or (usual if usual.exists() else None)
        roster = read_roster(path) if path else None
        zone = ZoneInfo(given.zone) if given.zone else None
        with said_in_a_sentence():
            why_not = looking(settings, given.db or gradebook_of(settings.course))
        report = collect(settings, given.download, roster, zone, why_not)
    except (BadSettings, BadTable, BadDownload, NoGradebook) as error:
        sys.exit(str(error))
    except (ZoneInfoNotFoundError, ValueError):
        sys.exit(f"--zone {given.zone}: there is no such time zone; a name such as Europe/Berlin is wanted")
    print(report.text())


if __name__ == "__main__":
    main()
