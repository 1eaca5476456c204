"""The command that grades a class: what it prints, what it learns, and what it says of those who were not asked for."""

import os
import re
import subprocess
import sys

import nbformat
import pytest
from course import LIMITS, NAME, Course, can_be_sandboxed
from grading.settings import settings_of
from source_folder import make
from submissions import copy_of_the_course, fill, solution, with_cell

SETTINGS = 'title = "a"\ndigits = [0, 1]\n[points]\nrectify = 3\nkeep_channel = 2\n'
# Two right ones are enough, and a cell has at least as long as the slowest of theirs.
LEARNING = "from grading import learned\nlearned._WAITS_FOR, learned._LEAST = 2, 1\n"
ENDLESS = "while True:\n    pass"


def grading(course, *arguments):
    sandboxed = [] if can_be_sandboxed() else ["--Judge.sandboxed=False"]
    line = [sys.executable, "-W", "ignore", "-m", "grading", NAME, "--workers", "1", *LIMITS, *sandboxed, *arguments]
    return subprocess.run(line, cwd=course.folder, env=os.environ, capture_output=True, text=True)


def report(course) -> str:
    page = (course.folder / "feedback" / f"+report_{NAME}.html").read_text(encoding="utf-8")
    return " ".join(re.sub(r"<[^>]+>", " ", page.partition("<body>")[2]).split())


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """Two hand in what is right, one beside a cell without end, one a text; and all were graded."""
    course = Course(copy_of_the_course(tmp_path_factory.mktemp("a command") / "of mine"))
    (course.folder / "courses" / f"{NAME}.toml").write_text(SETTINGS, encoding="utf-8")
    with open(course.folder / "nbgrader_config.py", "a", encoding="utf-8") as file:
        file.write(LEARNING)
    make(settings_of(NAME, course.folder))
    course.nbgrader("generate_assignment", NAME)
    right = fill(course.template(), solution("transposed", ["rectify", "keep_channel"]))
    notebooks = {"ada": right, "bob": right, "eve": with_cell(right, ENDLESS, at=1)}
    for student, notebook in notebooks.items():
        course.hand_in(student, {f"{NAME}.ipynb": nbformat.writes(notebook)})
    course.hand_in("kim", {"solution.txt": "see attached"})
    course.first = grading(course, "--learn-limit")
    return course


def test_an_endless_loop_costs_no_more_than_right_ones_show_to_be_enough(course):
    said = course.first.stdout
    assert course.first.returncode == 1 and re.match(r"3 graded, 1 not gradable: \d+ s\n    kim: ", said), said
    found = re.search(r"^A cell had (\d+) s at last, as 3 right submissions need less$", said, re.MULTILINE)
    assert found and int(found[1]) < 3000, said
    again = (
        rf"    eve: a cell was stopped before the usual 3000 s\. .* by python -m grading {NAME} .*--force --student eve"
    )
    assert re.search(again, said), said
    assert re.search(r"the cell `while True:` took more than (\d+) s", course.record("eve"))[1] != "3000"
    assert {student: course.points(student) for student in ("ada", "eve")} == dict.fromkeys(
        ("ada", "eve"), {"rectify": (3, 3), "keep_channel": (2, 2)}
    )
    assert "3 graded in this run 0 graded before, unchanged since 1 not gradable" in report(course)
    assert "a cell was stopped sooner than usual" in report(course)


def test_who_was_not_asked_for_stands_in_the_report_as_before(course):
    again = grading(course, "--student", "ada", "--student", "ada", "--force")
    assert again.returncode == 0 and re.match(r"1 graded: \d+ s\n", again.stdout), again.stdout + again.stderr
    # Whoever was stopped is named until that is mended.
    assert "eve: a cell was stopped" in again.stdout and "A cell had" not in again.stdout
    page = report(course)
    assert "1 graded in this run 2 graded before, unchanged since 1 not gradable" in page
    assert "kim there is no notebook" in page and "not in this run" not in page


def test_what_is_new_and_not_asked_for_waits(course):
    course.hand_in("max", {f"{NAME}.ipynb": nbformat.writes(course.template())})
    again = grading(course, "--student", "ada")
    assert again.returncode == 0 and re.match(r"1 as before: \d+ s\n", again.stdout), again.stdout + again.stderr
    assert "0 graded in this run 3 graded before, unchanged since 1 not gradable" in report(course)
    assert "1 not in this run" in report(course) and "max – not in this run" in report(course)


@pytest.mark.parametrize("strange", ["0.5", "nan", "inf", "many"])
def test_a_limit_below_what_right_ones_need_is_refused(course, strange):
    said = grading(course, "--learn-limit", strange)
    assert said.returncode == 2 and "--learn-limit" in said.stderr
