"""The command that grades a class: what it prints, what it learns, and what it says of those who were not asked for."""

import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from course import LIMITS, NAME, Course, can_be_sandboxed
from grading.__main__ import main
from grading.settings import settings_of
from source_folder import make
from submissions import copy_of_the_course, fill, solution, with_cell

SETTINGS = 'title = "a"\ndigits = [0, 1]\n[points]\nrectify = 3\nkeep_channel = 2\n'
# Two right ones are enough, and a cell has no time at least. A page can't be made, as long as there is a file.
CONFIGURATION = """
from grading import learned, worker
learned._WAITS_FOR, learned._LEAST = 2, 1
usual = worker.Feedback.convert_single_notebook

def convert(feedback, notebook):
    if "/bob " in notebook and (HERE / "no page").exists():
        raise ValueError("no page")
    usual(feedback, notebook)

worker.Feedback.convert_single_notebook = convert
"""
# As a pattern, it would not be its own name.
BOB = "bob [2]"
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
        file.write(CONFIGURATION)
    make(settings_of(NAME, course.folder))
    course.nbgrader("generate_assignment", NAME)
    right = fill(course.template(), solution("transposed", ["rectify", "keep_channel"]))
    notebooks = {"ada": right, BOB: right, "eve": with_cell(right, ENDLESS, at=1)}
    for student, notebook in notebooks.items():
        course.hand_in(student, {f"{NAME}.ipynb": nbformat.writes(notebook)})
    course.hand_in("kim", {"solution.txt": "see attached"})
    (course.folder / "no page").touch()
    course.first = grading(course, "--learn-limit")
    return course


def mark(course, student) -> Path:
    return course.folder / "autograded" / student / NAME / "done.mark"


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


def test_each_trouble_is_named_once_and_a_page_that_is_missing_keeps_nobody_from_their_points(course):
    troubles = [line.strip() for line in course.first.stderr.splitlines() if "kim" in line or "no feedback" in line]
    troubles = [line.rpartition("\r")[2].rpartition("\x1b[A")[2] for line in troubles if "%|" not in line]
    assert len(troubles) == 2 and troubles[0] == f"{BOB}: no feedback: ValueError: no page", troubles
    assert troubles[1].startswith("Not graded: kim: there is no notebook")
    assert course.points(BOB) == course.points("ada")
    assert mark(course, "ada").exists() and not mark(course, BOB).exists()


def test_who_was_not_asked_for_stands_in_the_report_as_before(course):
    stale = course.folder / "feedback" / "ada" / NAME / "stale"
    stale.touch()
    again = grading(course, "--student", "ada", "--student", "ada", "--force")
    assert not stale.exists() and "points" in course.feedback("ada")
    assert again.returncode == 0 and re.match(r"1 graded: \d+ s\n", again.stdout), again.stdout + again.stderr
    # Whoever was stopped is named until that is mended.
    assert "eve: a cell was stopped" in again.stdout and "A cell had" not in again.stdout
    page = report(course)
    assert (
        "1 graded in this run 1 graded before, unchanged since 1 not gradable 0 given up after several tries 1 not in"
        in page
    )
    assert "kim there is no notebook" in page


def test_what_is_missing_is_made_and_what_is_new_and_not_asked_for_waits(course):
    (course.folder / "no page").unlink()
    before = course.graded(BOB)
    course.hand_in("max", {f"{NAME}.ipynb": nbformat.writes(course.template())})
    again = grading(course, "--student", "ada", "--student", BOB)
    assert again.returncode == 0 and re.match(r"2 as before: \d+ s\n", again.stdout), again.stdout + again.stderr
    assert "0 graded in this run 3 graded before, unchanged since 1 not gradable" in report(course)
    assert mark(course, BOB).exists() and "points" in course.feedback(BOB) and course.graded(BOB) == before
    assert "1 not in this run" in report(course) and "max – not in this run" in report(course)


@pytest.mark.parametrize("strange", ["0.5", "nan", "inf", "many"])
def test_a_limit_below_what_right_ones_need_is_refused(strange, capsys):
    with pytest.raises(SystemExit) as ended:
        main([NAME, "--learn-limit", strange])
    said = capsys.readouterr().err
    assert ended.value.code == 2 and f"--learn-limit: {strange}: a number is wanted, 1 or more" in said
