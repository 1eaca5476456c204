"""What is handed in after the deadline of the settings loses their penalty for each day that has begun."""

import re
from types import SimpleNamespace

import nbformat
import pytest
from course import NAME
from grading import late
from grading.platforms.collected import Collected, path_of, write_collected
from grading.settings import settings_of
from nbgrader.api import Gradebook
from nbgrader.preprocessors import AssignLatePenalties
from source_folder import make
from submissions import fill, solution

SETTINGS = """title = "a"
digits = [0, 1]
deadline = 2027-02-01T23:59:00+01:00
penalty = 2
[points]
rectify = 3
unpool = 10
"""
# When each hands in, and what that costs. Nobody loses more than there is.
STUDENTS = {
    "in time": ("2027-02-01 22:59:00 UTC", None),
    "a day and a bit": ("2027-02-02 23:00:00 UTC", 4),
    "a month": ("2027-03-01 12:00:00 UTC", 13),
}


@pytest.fixture(scope="module")
def course(new_course):
    course = new_course()
    (course.folder / "courses" / f"{NAME}.toml").write_text(SETTINGS, encoding="utf-8")
    make(settings_of(NAME, course.folder))
    course.nbgrader("generate_assignment", NAME, "--force")
    notebook = nbformat.writes(fill(course.template(), solution("transposed", ["rectify", "unpool"])))
    for student, (time, _) in STUDENTS.items():
        course.hand_in(student, {f"{NAME}.ipynb": notebook, "timestamp.txt": time})
    half = fill(course.template(), solution("transposed", ["rectify"]))
    course.hand_in("twice", {f"{NAME}.ipynb": nbformat.writes(half)})
    course.said = course.nbgrader("autograde", NAME, "--TakingIn.keep_timestamp=True")
    return course


def penalty(course, student):
    with Gradebook(f"sqlite:///{course.folder / 'gradebook.db'}") as gradebook:
        (notebook,) = gradebook.find_submission(NAME, student).notebooks
        assert notebook.score == 13, course.said
        return notebook.late_submission_penalty


@pytest.mark.parametrize("student", STUDENTS)
def test_each_day_that_begins_costs_its_penalty(course, student):
    assert penalty(course, student) == STUDENTS[student][1]


def test_where_a_students_own_time_would_count_it_is_said(course):
    said = "There is a penalty, and times count that grading.collect has not written, so that a student may have: the"
    assert f"{said} timestamp.txt of a day and a bit, a month, in time\n" in course.said
    # It is believed, so the record does not say that it is not.
    assert "timestamp" not in course.record("a month")
    collected = {name: Collected("", "", "", time) for name, (time, _) in STUDENTS.items() if name != "a month"}
    write_collected(path_of(course.folder, NAME), collected)
    assert f"{said} timestamp.txt of a month\n" in course.nbgrader("autograde", NAME, "--TakingIn.keep_timestamp=True")
    collected["a month"] = Collected("", "", "", STUDENTS["a month"][0])
    write_collected(path_of(course.folder, NAME), collected)
    assert "There is a penalty" not in course.nbgrader("autograde", NAME, "--TakingIn.keep_timestamp=True")


def test_a_later_version_is_graded_again_and_what_was_set_by_hand_stays_and_is_shown(course):
    url = f"sqlite:///{course.folder / 'gradebook.db'}"
    assert course.points("twice") == {"rectify": (3, 3), "unpool": (0, 10)}
    with Gradebook(url) as gradebook:
        gradebook.find_grade("unpool", NAME, NAME, "twice").manual_score = 4
        gradebook.db.commit()
    submitted = course.folder / "submitted"
    later = fill(course.template(), solution("transposed", ["rectify", "unpool"]))
    (submitted / "twice" / NAME / f"{NAME}.ipynb").write_text(nbformat.writes(later), encoding="utf-8")
    (submitted / "a month" / NAME / f"{NAME}.ipynb").write_text("rubbish", encoding="utf-8")
    said = course.nbgrader("autograde", NAME)
    assert "twice: handed in anew since it was graded" in said and "in time: handed in anew" not in said
    assert re.search(r"set by hand stay, and the judge now gives others:\n +twice: unpool 4, by the judge 10\n", said)
    assert course.points("twice") == {"rectify": (3, 3), "unpool": (4, 10)}
    with Gradebook(url) as gradebook:
        grade = gradebook.find_grade("unpool", NAME, NAME, "twice")
        assert (grade.manual_score, grade.auto_score, grade.needs_manual_grade) == (4, 10, True)
    # A later version that can't be graded leaves the points of the earlier.
    assert "a month: handed in anew" in said and "1 of 4 submissions were not graded" in said
    assert penalty(course, "a month") == STUDENTS["a month"][1] and course.record("a month")


def test_where_no_time_is_believed_nobody_is_late_and_it_is_said(course):
    notebook = nbformat.writes(fill(course.template(), solution("transposed", ["rectify", "unpool"])))
    for student in ("says nothing", "collected"):
        course.hand_in(student, {f"{NAME}.ipynb": notebook, "timestamp.txt": STUDENTS["a month"][0]})
    write_collected(path_of(course.folder, NAME), {"collected": Collected("", "", "", STUDENTS["a month"][0])})
    said = course.nbgrader("autograde", NAME)
    assert "There is a penalty, and no time of handing in is believed: see TakingIn.keep_timestamp" in said
    assert penalty(course, "says nothing") is None
    # What the platform says is on nobody's record.
    assert "`timestamp.txt` tells is not believed" in course.record("says nothing")
    assert "timestamp" not in course.record("collected")


def test_without_a_penalty_nbgraders_own_setting_holds(monkeypatch):
    monkeypatch.setattr(late, "settings_of", lambda name: SimpleNamespace(penalty=0))
    for method, wanted in (("none", None), ("zero", 13)):
        assert plugin(penalty_method=method).late_submission_penalty("a", 13, 60) == wanted


@pytest.mark.parametrize(("seconds", "wanted"), [(1, 2.5), (86_400, 2.5), (86_401, 5)])
def test_a_day_counts_when_it_begins(monkeypatch, seconds, wanted):
    monkeypatch.setattr(late, "settings_of", lambda name: SimpleNamespace(penalty=2.5))
    assert plugin().late_submission_penalty("a", 13, seconds) == wanted


def plugin(**settings):
    step = AssignLatePenalties()
    step.assignment_id = NAME
    return late.DailyPenalty(parent=step, **settings)
