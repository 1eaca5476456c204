"""Show which solutions are alike, part by part, on a page. It shows; a person judges.

In the folder of the course: python -m grading.copies inside_lenet5 --earlier ../2026/submitted. What was handed out is
left out of the comparison. The page is exported/inside_lenet5/copies.html.
"""

import argparse
import re
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from nbgrader.api import MissingEntry

from grading.alike import ALIKE, SHORT, Pair, Work, groups_of, pairs_of, work_of
from grading.converter import handed_out, has_gradebook
from grading.gradebooks import NoGradebook, add_option, gradebook_of, said_in_a_sentence
from grading.handed_in import IGNORED
from grading.names import one_line
from grading.pages.feedback import environment, policy, style
from grading.people import known_names
from grading.platforms.collected import read_collected
from grading.platforms.moodle import place_of
from grading.settings import BadSettings, Settings, settings_of
from grading.which_notebook import Assignment
from helpers.files import write_atomically

# Pairs with less in common than two parts that are not short are left to chance.
_LEAST = 2 * SHORT
_MOST_SHOWN = 100
# In the name of the folder itself, or of one of the two above, people write the year.
_NEAR = 3
_YEAR = re.compile(r"(?<!\d)20\d\d(?!\d)")


def works_in(folder: Path, assignment: Assignment) -> list[Work]:
    """The works in a folder of students' folders, such as `submitted`; each is somebody's by the path of theirs."""
    students = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    found = [work_of(str(student), student, assignment, IGNORED) for student in students]
    return [work for work in found if work]


def labels_of(works: Iterable[Work], names: Mapping[str, str], year: str) -> dict[str, str]:
    """What works of one year are shown as: by the student's name and number, and the year, as far as known."""
    labels = {}
    for work in works:
        number = Path(work.who).name
        # As Moodle names it, where a download was unpacked.
        place = place_of(number)
        number, name = (place.number, place.name) if place else (number, names.get(number, ""))
        about = [part for part in (number if name else "", year) if part]
        labels[work.who] = (name or number) + (f" ({', '.join(about)})" if about else "")
    return labels


def year_of(folder: Path) -> str:
    """The year of a folder `submitted`: as its path says, or when most were collected. Nothing if neither does."""
    for part in reversed(folder.parts[-_NEAR:]):
        if found := _YEAR.findall(part):
            return str(found[-1])
    times = [one.time for path in (folder.parent / "collected").glob("*.json") for one in read_collected(path).values()]
    years = Counter(time[:4] for time in times if time)
    return years.most_common(1)[0][0] if years else ""


def page_of(
    settings: Settings, works: Sequence[Work], earlier: Sequence[Work], labels: Mapping[str, str]
) -> tuple[str, list[Pair]]:
    """The page, and the pairs on it.

    Args:
        labels: what to call those who wrote the works.
    """
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
        "labels": labels,
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
    add_option(parser)
    given = parser.parse_args(arguments)
    if missing := [str(folder) for folder in given.earlier if not folder.is_dir()]:
        sys.exit(f"there is no folder {', '.join(missing)}")
    try:
        settings = settings_of(given.assignment)
        db_url = given.db or gradebook_of(settings.course)
        if not has_gradebook(db_url):
            raise MissingEntry(f"There is no gradebook {db_url}: nbgrader generate_assignment {settings.name}")
        with said_in_a_sentence():
            assignment = handed_out(db_url, settings.source, settings.name, IGNORED)
    except (BadSettings, MissingEntry, NoGradebook) as error:
        sys.exit(str(error))
    submitted = settings.course / "submitted"
    works = [
        work
        for folder in sorted(submitted.glob(f"*/{settings.name}"))
        if (work := work_of(str(folder.parent), folder, assignment, IGNORED))
    ]
    year = str(settings.deadline.year) if settings.deadline else year_of(submitted)
    labels, earlier = labels_of(works, known_names(settings.course, db_url), year), []
    for folder in dict.fromkeys(folder.resolve() for folder in given.earlier):
        before = works_in(folder, assignment)
        names = known_names(folder.parent, f"sqlite:///{folder.parent / 'gradebook.db'}")
        labels |= labels_of(before, names, year_of(folder))
        earlier += before
    page, pairs = page_of(settings, works, earlier, labels)
    path = settings.course / "exported" / settings.name / "copies.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, page.encode("utf-8", "replace"))
    said = "1 pair is" if len(pairs) == 1 else f"{len(pairs)} pairs are"
    print(f"{path}: {said} alike, of {len(works)} works and {len(earlier)} earlier ones")
    for group in groups_of(pairs):
        print(f"    {len(group)}: {', '.join(one_line(labels[who]) for who in group)}")


if __name__ == "__main__":
    main()
