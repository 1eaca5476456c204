"""A task of the lecturer's own, with nbgrader's asserts: it is run as nbgrader would, where the student's code runs."""

import nbformat
import pytest
from course import NAME
from grading.judge import Judge
from grading.settings import settings_of
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from nbgrader.utils import determine_grade
from source_folder import make
from submissions import cell_named

DATA = {"schema_version": 3, "locked": False, "solution": False, "grade": False, "task": False}
WRITTEN = """def contrast(maps):
    ### BEGIN SOLUTION
    return float(maps.max() - maps.min())
    ### END SOLUTION"""
TEST = """assert contrast(torch.tensor([1.0, 2.0])) == 1
### BEGIN HIDDEN TESTS
assert contrast(torch.tensor([-1.0, 2.0])) == 3
### END HIDDEN TESTS"""
PARTLY = """contrast(torch.zeros(1))
### BEGIN HIDDEN TESTS
3 * (contrast(torch.tensor([1.0, 2.0])) == 1) + (contrast(torch.tensor([-1.0, 2.0])) == 3)
### END HIDDEN TESTS"""


def cell(name, source, **data):
    return new_code_cell(source, metadata={"nbgrader": DATA | {"grade_id": name} | data})


TASK = [
    new_markdown_cell("---\n# Task {{ number.ours }} · Ours\n"),
    new_markdown_cell("## {{ number.contrast }} · Contrast ({{ points.contrast }} points)"),
    cell("contrast_solution", WRITTEN, solution=True),
    cell("contrast", TEST, grade=True, locked=True, points=0),
    cell("partly", PARTLY, grade=True, locked=True, points=0),
]
SETTINGS = 'title = "a"\ndigits = [0, 1]\n[points]\nrectify = 3\ncontrast = 5\npartly = 4\n'

RIGHT = "def contrast(maps):\n    return (maps.max() - maps.min()).item()"
# What each hands in, and gets for the asserts and for the part.
STUDENTS = {
    "right": (RIGHT, 5, 4),
    "half right": ("def contrast(maps):\n    return abs(maps[-1] - maps.abs()[0]).item()", 0, 3),
    "raises": ("def contrast(maps):\n    raise ValueError('no idea')", 0, 0),
}


@pytest.fixture(scope="module")
def course(new_course):
    course = new_course()
    path = course.folder / "template" / "notebook.ipynb"
    template = nbformat.read(path, as_version=4)
    template.cells[-1:-1] = TASK
    nbformat.write(template, path)
    (course.folder / "courses" / f"{NAME}.toml").write_text(SETTINGS, encoding="utf-8")
    make(settings_of(NAME, course.folder))
    course.nbgrader("generate_assignment", NAME, "--force")
    for student, (code, *_) in STUDENTS.items():
        notebook = course.template()
        cell_named(notebook, "contrast_solution").source = code
        course.hand_in(student, {f"{NAME}.ipynb": nbformat.writes(notebook)})
    notebook = course.template()
    cell_named(notebook, "contrast").source = cell_named(notebook, "partly").source = "4"
    course.hand_in("changes tests", {f"{NAME}.ipynb": nbformat.writes(notebook)})
    course.said = course.nbgrader("autograde", NAME)
    course.nbgrader("generate_feedback", NAME)
    return course


@pytest.mark.parametrize("student", STUDENTS)
def test_it_gives_points_as_nbgrader_does(course, student):
    _, asserts, partly = STUDENTS[student]
    assert course.points(student) == {"rectify": (0, 3), "contrast": (asserts, 5), "partly": (partly, 4)}, course.said


def test_students_get_no_word_of_how_it_was_made(course):
    assert (course.folder / "source" / NAME / "made.json").exists()
    assert not (course.folder / "release" / NAME / "made.json").exists()


def test_the_hidden_asserts_come_from_the_source(course):
    assert "HIDDEN" not in course.template().cells[-2].source
    points = course.points("changes tests")
    assert (points["contrast"][0], points["partly"][0]) == (0, 0)
    assert "the cell `contrast` had been changed; it was put back" in course.record("changes tests")


def test_what_went_wrong_is_on_record_and_the_hidden_part_is_not(course):
    assert "ValueError in the cell `assert contrast(torch.tensor([1.0, 2.0])) == 1`: no idea" in course.record("raises")
    assert "HIDDEN" not in course.feedback("right")
    assert "could not be judged" not in course.feedback("right")


def test_a_test_that_was_not_run_gives_nothing(tmp_path):
    """Where nothing went wrong, nbgrader gives all points: of the cell that was not run, nothing did."""

    class Spent(Judge):
        ended = True

    notebook = new_notebook(cells=[cell("contrast", "assert True", grade=True, locked=True, points=5)])
    about = {"nbgrader": {"assignment": NAME, "student": "somebody"}, "metadata": {"path": str(tmp_path)}}
    judged, _ = Spent(sandboxed=False).preprocess(notebook, about)
    assert determine_grade(cell_named(judged, "contrast")) == (0, 5)
