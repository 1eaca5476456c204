"""Fill in the worksheet that Moodle gave, or the gradebook that Canvas exported, and a plain table of all points.

In the folder of the course: python -m grading.export inside_lenet5 WORKSHEET. It writes into exported/inside_lenet5.
"""

import argparse
import re
import sys
import zipfile
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

import nbformat
from nbgrader.api import MissingEntry

from grading.class_points import comments_of_class
from grading.collect import looking
from grading.converter import has_gradebook
from grading.gradebooks import NoGradebook, add_option, gradebook_of, said_in_a_sentence
from grading.names import one_line
from grading.pages.as_of import as_of, read
from grading.people import known_names, listed
from grading.platforms.canvas import GradebookTable, gradebook_table
from grading.platforms.collected import Collected, path_of, read_collected
from grading.platforms.moodle import Worksheet, highest, worksheet
from grading.platforms.roster import read_roster
from grading.platforms.tables import BadTable, Table, harmless, number_in, read_table, write_table, written_like
from grading.restore import grade_id
from grading.results import GRADED, NOT_GRADABLE, NOT_GRADED, NOT_SUBMITTED, WAITING, Result, results_of
from grading.settings import BadSettings, Settings, settings_of
from helpers.messages import message, sentence, written

_WORDS = {
    NOT_SUBMITTED: message("export.not_submitted"),
    NOT_GRADABLE: message("export.not_gradable"),
    WAITING: message("export.waiting"),
    NOT_GRADED: message("export.not_graded"),
}

# Why a page of feedback is not given back.
_NO_PAGE = "there is no page"
_OLDER = "the page is older than the grade"
_OTHER_POINTS = "the page shows other points or comments than the gradebook by now"


@dataclass
class Report:
    """What was written, and what to look at before it is given back.

    Attributes:
        students: a line for each of whom there is something to say.
    """

    files: list[Path] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    students: list[str] = field(default_factory=list)

    def text(self) -> str:
        first = map(one_line, [*map(str, self.files), *self.lines])
        return "\n".join([*first, *(f"    {one_line(line)}" for line in self.students)])


def export(
    settings: Settings,
    db_url: str,
    sheet: Path | None,
    column: str = "",
    why_not: Callable[[Path], str] = lambda folder: "",
) -> Report:
    """Write into the course's folder `exported` what the platform takes back, and a table for the lecturer.

    Args:
        sheet: Moodle's worksheet or Canvas' gradebook, which is only read.
        column: of Canvas' gradebook, where the assignment has another name there.
        why_not: says of a student's folder why it can't be graded, if it can't.

    Raises:
        BadTable: that is neither, or does not go with the assignment.
    """
    folder, report = settings.course / "exported" / settings.name, Report()
    if sheet and sheet.resolve().parent == folder.resolve():
        raise BadTable(f"{sheet} was written by this command; the file is wanted that the platform gave")
    table = read_table(sheet) if sheet else None
    collected = read_collected(path_of(settings.course, settings.name))
    names = dict(read_roster(sheet).names) if sheet else listed(settings.course, db_url)
    known = known_names(settings.course, db_url) | {number: name for number, name in names.items() if name}
    typed = {number: one.typed for number, one in collected.items() if one.typed}
    of_all = results_of(settings, db_url, known, {*names, *collected}, typed, why_not)
    results = {one.number: one for one in of_all}
    numbers = numbers_of(settings)
    if table and sheet:
        if moodle := worksheet(table):
            _fill_moodle(moodle, results, settings, numbers, report)
        elif canvas := gradebook_table(table):
            _fill_canvas(canvas, results, settings, column, report)
        else:
            raise BadTable(f"{sheet} is neither Moodle's worksheet for grading nor Canvas' exported gradebook")
        write_table(folder / sheet.name, table)
        report.files.append(folder / sheet.name)
        others = [one.number for one in results.values() if one.number not in names and one.state != NOT_SUBMITTED]
        if others:
            report.lines.append(f"In the course, and not in {sheet.name}: {', '.join(others)}")
    write_table(folder / "table.csv", _table(list(results.values()), settings, numbers))
    report.files.append(folder / "table.csv")
    if sheet:
        # Of another year, say, or another group: their pages are not for this platform's course.
        collected = {number: one for number, one in collected.items() if number in names}
    outdated = _outdated(settings, db_url, results)
    if any(one.back for one in collected.values()):
        _zip_feedback(folder / "feedback.zip", settings, results, collected, outdated, report)
    elif outdated := {number: why for number, why in outdated.items() if why != _NO_PAGE}:
        _say_outdated("Pages of feedback that no longer hold", outdated, settings, report)
    _say(list(results.values()), numbers, report)
    return report


def numbers_of(settings: Settings) -> dict[str, str]:
    """What each part is called in the notebook, as in 2c; by its own name, where there is no source notebook yet."""
    path, number, found = settings.source / f"{settings.name}.ipynb", "", {name: name for name in settings.points}
    for cell in nbformat.read(path, as_version=4).cells if path.exists() else []:
        if cell.cell_type == "markdown" and (
            heading := re.search(r"^##? .*?\b(\d+[a-z]?)\b", cell.source, re.MULTILINE)
        ):
            number = heading[1]
        if number and (name := grade_id(cell)) in found:
            found[name] = number
    return found


def comment_on(result: Result, numbers: Mapping[str, str], language: str) -> str:
    """What is said to the student of the points: a line for each part that lost some, or for all with one fault."""
    if result.state != GRADED:
        return sentence(_WORDS[result.state], language)
    lost_by: dict[tuple[str, str], list[str]] = {}
    for name, part in result.parts.items():
        lost = round(part.most - part.points, 2)
        if lost <= 0:
            continue
        faults = "; ".join(sentence(fault, language) for fault in part.faults) if part.hand is None else ""
        # Without a word for why, each stands for itself.
        key = (faults, "" if faults else name)
        lost_by.setdefault(key, []).append(f"{numbers[name]} −{written(lost, 'g', language)}")
    lines = [f"{', '.join(lost)}{f': {faults}' if faults else ''}" for (faults, _), lost in lost_by.items()]
    if result.penalty:
        lines.append(sentence(message("export.late", lost=result.penalty), language))
    return "\n".join(lines)


def _fill_moodle(
    sheet: Worksheet, results: Mapping[str, Result], settings: Settings, numbers: Mapping[str, str], report: Report
) -> None:
    most, example = highest(sheet)
    _check_highest(most, settings, "Maximum grade in the assignment's settings in Moodle")
    replaced = 0
    for row in sheet.table.rows:
        result = results.get(sheet.number(row) or "")
        if result is None:
            continue
        if result.points is not None:
            row[sheet.grade] = written_like(result.points, example)
        if sheet.comment is not None:
            comment = harmless(escape(comment_on(result, numbers, settings.language), quote=False))
            comment = comment.replace("\n", "<br>")
            replaced += row[sheet.comment] not in ("", comment)
            row[sheet.comment] = comment
    if sheet.comment is None:
        report.lines.append(
            "The worksheet has no comments: in Moodle, Feedback types → Feedback comments turns them on"
        )
    if replaced:
        report.lines.append(f"Comments that stood in the worksheet and are others now: {replaced}")


def _fill_canvas(
    book: GradebookTable, results: Mapping[str, Result], settings: Settings, column: str, report: Report
) -> None:
    titles = book.assignments()
    wanted = [column] if column else [settings.title, settings.name]
    places = [place for place, title in titles.items() if title in wanted or book.table.header[place] in wanted]
    if len(places) != 1:
        many = f"{len(places)} columns are" if places else "no column is"
        raise BadTable(
            f"{many} called {' or '.join(wanted)}; say by --column which is meant of: "
            f"{', '.join(titles.values()) or 'none, as no assignment is in it'}"
        )
    example = book.highest(places[0])
    _check_highest(number_in(example), settings, "points of the assignment in Canvas")
    for row in book.table.rows:
        result = results.get(book.number(row) or "")
        if result and result.points is not None:
            row[places[0]] = written_like(result.points, example)
    report.lines.append("Who has no points keeps what stood there; Canvas takes no comments from a file")


def _check_highest(most: float | None, settings: Settings, where: str) -> None:
    total = sum(settings.points.values())
    if most is None:
        raise BadTable(f"the platform grades by words or has no highest grade; {total:g} is wanted: {where}")
    if abs(most - total) > 1e-6:
        raise BadTable(f"the highest grade is {most:g} there and {total:g} here; make them equal: {where}")


def _table(results: Sequence[Result], settings: Settings, numbers: Mapping[str, str]) -> Table:
    """For the lecturer: a row for each student, and a column for each part."""
    parts = list(settings.points)
    names = [f"{numbers[part]} {part}" if numbers[part] != part else part for part in parts]
    header = ["id", "name", "state", "points", "of", "late", *names, "set by hand, and by the judge", "faults", "why"]
    rows = []
    for one in results:
        given = [_plain(one.parts[part].points) if part in one.parts else "" for part in parts]
        hand = "; ".join(
            f"{numbers[name]} {_plain(part.points)}, {_plain(part.judge or 0)}"
            for name, part in one.set_by_hand.items()
        )
        comment = comment_on(one, numbers, settings.language).replace("\n", "; ") if one.state == GRADED else ""
        total = _plain(one.points) if one.points is not None else ""
        late = _plain(one.penalty) if one.penalty else ""
        row = [one.number, one.name, one.state, total, f"{sum(settings.points.values()):g}", late, *given]
        rows.append([harmless(one_line(cell)) for cell in [*row, hand, comment, one.why]])
    return Table(header, rows, encoding="utf-8-sig")


def _zip_feedback(
    path: Path,
    settings: Settings,
    results: Mapping[str, Result],
    collected: Mapping[str, Collected],
    outdated: Mapping[str, str],
    report: Report,
) -> None:
    """The pages of feedback under the names of the folders that Moodle gave, as it wants them back."""
    wanted = {
        number: one.back
        for number, one in collected.items()
        if one.back and number in results and results[number].state in (GRADED, WAITING)
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, back in wanted.items():
            if number not in outdated:
                archive.write(_page(settings, number), f"{back}{settings.name}.html")
    report.files.append(path)
    left = {number: why for number, why in outdated.items() if number in wanted}
    _say_outdated("Not in feedback.zip", left, settings, report)


def _page(settings: Settings, number: str) -> Path:
    return settings.course / "feedback" / number / settings.name / f"{settings.name}.html"


def _outdated(settings: Settings, db_url: str, results: Mapping[str, Result]) -> dict[str, str]:
    """Why a page of feedback is not to be given back as it is, of each graded student's that is not."""
    try:
        comments = comments_of_class(db_url, settings.name) if has_gradebook(db_url) else {}
    except MissingEntry:
        comments = {}
    found = {}
    for number, one in results.items():
        if one.state not in (GRADED, WAITING):
            continue
        page = _page(settings, number)
        graded = settings.course / "autograded" / number / settings.name / f"{settings.name}.ipynb"
        if not page.exists() or not graded.exists():
            found[number] = _NO_PAGE
        # nbgrader keeps the page of an earlier version.
        elif page.stat().st_mtime < graded.stat().st_mtime or (says := read(page)) is None:
            found[number] = _OLDER
        elif not says.is_still_true(
            as_of({name: part.given for name, part in one.parts.items()}, one.penalty, comments.get(number, {}))
        ):
            found[number] = _OTHER_POINTS
    return found


def _say_outdated(what: str, outdated: Mapping[str, str], settings: Settings, report: Report) -> None:
    by_reason = defaultdict(list)
    for number, why in outdated.items():
        by_reason[why].append(number)
    for why, numbers in by_reason.items():
        report.lines.append(f"{what}, as {why}: {', '.join(numbers)}")
    if outdated:
        report.lines.append(f"This writes them anew: nbgrader generate_feedback {settings.name} --force")


def _say(results: Sequence[Result], numbers: Mapping[str, str], report: Report) -> None:
    counts = Counter(one.state for one in results)
    report.lines.append(", ".join(f"{count} {state}" for state, count in counts.items()))
    for one in results:
        if one.state != NOT_SUBMITTED and (one.state != GRADED or one.why):
            why = f": {one.why}" if one.why else ""
            report.students.append(f"{one.number} {one.name}: {one.state}{why}")
        for name, part in one.set_by_hand.items():
            by_whom = f"{_plain(part.points)} by hand, {_plain(part.judge or 0)} by the judge"
            report.students.append(f"{one.number} {one.name}: {numbers[name]} {by_whom}")


def _plain(points: float) -> str:
    return f"{round(points, 2):g}"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m grading.export", description=__doc__.splitlines()[0])
    parser.add_argument("assignment", help="its name, such as inside_lenet5")
    parser.add_argument(
        "sheet", type=Path, nargs="?", help="Moodle's worksheet for grading, or Canvas' exported gradebook"
    )
    parser.add_argument("--column", default="", help="of Canvas' gradebook, if the assignment has another name there")
    add_option(parser)
    given = parser.parse_args(arguments)
    try:
        settings = settings_of(given.assignment)
        db_url = given.db or gradebook_of(settings.course)
        with said_in_a_sentence():
            report = export(settings, db_url, given.sheet, given.column, looking(settings, db_url))
    except (BadSettings, BadTable, NoGradebook) as error:
        sys.exit(str(error))
    print(report.text())


if __name__ == "__main__":
    main()
