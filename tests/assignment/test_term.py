"""A term with its own commands, from Moodle's download to what Moodle wants back, with a late hand-in between."""

import csv
import os
import subprocess
import sys
import zipfile

import nbformat
import pytest
from course import NAME, WITHOUT_A_KERNEL, Course
from downloads import worksheet, zipped
from nbgrader.api import Gradebook
from submissions import cell_named, fill

STUDENTS = {"4711": "Ada Lovelace", "4712": "Jörg Müller", "4713": "Siobhán O'Brien", "4714": "Jörg Müller"}
FOLDERS = {
    "4711": "Ada Lovelace_4711_assignsubmission_file",
    "4712": "Jörg Müller_4712_assignsubmission_file",
    "4713": "Siobhán OBrien_4713_assignsubmission_file",
}
WORDS = "The filters are signed, so they ask for paper in some places."


@pytest.fixture(scope="module")
def course(new_course) -> Course:
    return new_course(WITHOUT_A_KERNEL)


def commands(course: Course, *lines: tuple[object, ...]) -> str:
    """What commands of the lecturer print, in the course's folder. One process has them all, as each starts slowly."""
    words = [[f"grading.{name}", NAME, *map(str, arguments)] for name, *arguments in lines]
    run = "import runpy, sys\nfor sys.argv in {}: runpy.run_module(sys.argv[0], run_name='__main__')"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", run.format(words)],
        cwd=course.folder,
        env=os.environ | {"PYTHONPATH": str(course.folder)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def with_words(notebook: nbformat.NotebookNode) -> bytes:
    """What is handed in, with an answer in words."""
    cell_named(notebook, "words").source = WORDS
    return nbformat.writes(notebook).encode()


def test_a_term(course, tmp_path):
    template = course.template()
    first = nbformat.writes(fill(template, {"rectify": "def rectify(signal):\n    return signal"})).encode()
    sheet = worksheet(tmp_path / "Grades-1.csv", "de", STUDENTS)
    files = {
        f"{FOLDERS['4711']}/work.ipynb": first,
        f"{FOLDERS['4712']}/{NAME}.ipynb": with_words(template),
        f"{FOLDERS['4713']}/essay.txt": "see attached",
    }
    said = commands(course, ("collect", zipped(tmp_path / "all.zip", files), "--roster", sheet))
    assert "From Moodle: 3 new, 1 missing; 1 doubtful" in said
    assert "4713 Siobhán O'Brien  doubtful: can't be graded: there is no notebook, only `essay.txt`" in said
    course.nbgrader("autograde", NAME)
    with Gradebook(f"sqlite:///{course.folder / 'gradebook.db'}") as gradebook:
        gradebook.find_grade("words", NAME, NAME, "4712").manual_score = 6
        gradebook.find_comment("words", NAME, NAME, "4712").manual_comment = "Signed: how?"
        gradebook.db.commit()

    later = fill(course.template(), {"rectify": "def rectify(signal):\n    return signal.relu()"})
    files[f"{FOLDERS['4711']}/work.ipynb"] = with_words(later)
    said = commands(course, ("collect", zipped(tmp_path / "all.zip", files), "--roster", sheet))
    assert "    changed         4711 Ada Lovelace\n" in said and "1 changed, 2 as before, 1 missing" in said
    said = course.nbgrader("autograde", NAME)
    assert "4711: handed in anew since it was graded" in said and "4712: handed in anew" not in said
    assert "signal.relu()" in "".join(cell.source for cell in course.graded("4711").cells)

    course.nbgrader("generate_feedback", NAME, "--force")
    said = commands(course, ("export", sheet), ("copies",), ("sheet",))
    assert "1 waiting for a hand, 1 graded, 1 not gradable, 1 not submitted" in said
    assert "0 pairs are alike, of 2 works" in said and "sheet.html" in said
    exported = course.folder / "exported" / NAME
    with open(exported / sheet.name, encoding="utf-8-sig", newline="") as file:
        grades = {row[0].removeprefix("Teilnehmer/in"): (row[4], row[9]) for row in csv.reader(file)}
    assert {number: grades[number] for number in ("4711", "4713", "4714")} == {
        "4711": ("", "waiting for a hand"),
        "4713": ("", "not gradable"),
        "4714": ("", "not submitted"),
    }
    assert grades["4712"][0] == "6,00"
    with zipfile.ZipFile(exported / "feedback.zip") as archive:
        assert archive.namelist() == [f"{FOLDERS[number]}/{NAME}.html" for number in ("4711", "4712")]

    # What a person gives after that, the pages don't show.
    with Gradebook(f"sqlite:///{course.folder / 'gradebook.db'}") as gradebook:
        gradebook.find_grade("words", NAME, NAME, "4711").manual_score = 0
        gradebook.find_comment("words", NAME, NAME, "4712").manual_comment = "Which are signed?"
        gradebook.db.commit()
    said = commands(course, ("export", sheet))
    assert "as the page shows other points or comments than the gradebook by now: 4711, 4712\n" in said
    with zipfile.ZipFile(exported / "feedback.zip") as archive:
        assert archive.namelist() == []
