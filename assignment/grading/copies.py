"""Show which solutions are alike, part by part, on a page. It shows; a person judges.

In the folder of the course: python -m grading.copies inside_lenet5 --earlier ../2026/submitted. What was handed out is
left out of the comparison. The page is exported/inside_lenet5/copies.html.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from nbgrader.api import MissingEntry

from grading.alike import ALIKE, SHORT, Pair, Work, groups_of, pairs_of, work_of
from grading.converter import handed_out, has_gradebook
from grading.handed_in import IGNORED
from grading.pages.feedback import environment, policy, style
from grading.settings import COURSE, BadSettings, Settings, settings_of
from grading.which_notebook import Assignment
from helpers.files import write_atomically

# Pairs with less in common than two parts that are not short are left to chance.
_LEAST = 2 * SHORT
_MOST_SHOWN = 100


def works_in(folder: Path, assignment: Assignment, before: str = "") -> list[Work]:
    """The works in a folder of students' folders, such as `submitted`."""
    students = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    found = [work_of(f"{before}{student.name}", student, assignment, IGNORED) for student in students]
    return [work for work in found if work]


def page_of(settings: Settings, works: Sequence[Work], earlier: Sequence[Work]) -> tuple[str, list[Pair]]:
    """The page, and the pairs on it."""
    everything = pairs_of(works, earlier)
    shown = [pair for pair in everything if pair.tokens >= _LEAST]
    count = len(works) * (len(works) - 1) // 2 + len(works) * len(earlier)
    names = {name: 0 for work in works for name in work.parts}
    for pair in everything:
        for part in pair.parts:
            names[part.name] += 1
    sheet = style("sheet.css")
    values = {
        "title": f"{settings.name}: solutions that are alike",
        "works": len(works),
        "earlier": len(earlier),
        "often": {name: 100 * often / count for name, often in names.items()} if count else {},
        "groups": groups_of(shown),
        "pairs": shown[:_MOST_SHOWN],
        "more": max(0, len(shown) - _MOST_SHOWN),
        "alike": f"{ALIKE:.0%}",
        "short": SHORT,
        "least": _LEAST,
        "style": sheet,
        "policy": policy(sheet),
    }
    return environment().get_template("copies.html.j2").render(values), shown


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m grading.copies", description=__doc__.splitlines()[0])
    parser.add_argument("assignment", help="its name, such as inside_lenet5")
    parser.add_argument(
        "--earlier", type=Path, nargs="*", default=[], help="folders of students' folders of other years"
    )
    parser.add_argument(
        "--db", default=f"sqlite:///{COURSE / 'gradebook.db'}", help="nbgrader's CourseDirectory.db_url"
    )
    given = parser.parse_args(arguments)
    if missing := [str(folder) for folder in given.earlier if not folder.is_dir()]:
        sys.exit(f"there is no folder {', '.join(missing)}")
    try:
        settings = settings_of(given.assignment)
        if not has_gradebook(given.db):
            raise MissingEntry(f"There is no gradebook {given.db}: nbgrader generate_assignment {settings.name}")
        assignment = handed_out(given.db, settings.source, settings.name, IGNORED)
    except (BadSettings, MissingEntry) as error:
        sys.exit(str(error))
    submitted = settings.course / "submitted"
    works = [
        work
        for folder in sorted(submitted.glob(f"*/{settings.name}"))
        if (work := work_of(folder.parent.name, folder, assignment, IGNORED))
    ]
    earlier = [
        work
        for folder in given.earlier
        for work in works_in(folder, assignment, f"{folder.resolve().parent.name}/{folder.name}/")
    ]
    page, pairs = page_of(settings, works, earlier)
    path = settings.course / "exported" / settings.name / "copies.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, page.encode("utf-8", "replace"))
    print(f"{path}: {len(pairs)} pairs are alike, of {len(works)} works and {len(earlier)} earlier ones")
    for group in groups_of(pairs):
        print(f"    {len(group)}: {', '.join(group)}")


if __name__ == "__main__":
    main()
