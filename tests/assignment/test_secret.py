"""The questions come of the submission and of a secret: the same ones again, and none that a student can compute."""

import stat
import subprocess
from multiprocessing.pool import ThreadPool

import nbformat
import pytest
import torch
from course import NAME, can_be_sandboxed
from grading import judge
from grading.marks import Marks
from grading.secret import SECRET, BadSecret, secret_of, seed_of
from nbformat.v4 import new_code_cell, new_notebook
from submissions import ROOT


def notebook(source="a = 1", test="check.rectify(rectify)"):
    test = new_code_cell(test, metadata={"nbgrader": {"grade": True, "solution": False, "grade_id": "t"}})
    return new_notebook(cells=[new_code_cell(source), test])


def test_the_seed_is_of_the_cells_the_student_and_the_secret():
    seed = seed_of(notebook(), "ada", b"s")
    assert seed == seed_of(notebook(), "ada", b"s") == seed_of(notebook(test="3"), "ada", b"s")
    others = [
        seed_of(notebook("a = 2"), "ada", b"s"),
        seed_of(notebook(), "bob", b"s"),
        seed_of(notebook(), "ada", b"t"),
    ]
    assert len({seed, *others}) == 4


def test_outputs_and_marks_of_execution_change_no_question():
    """A notebook that was only run once more is the same."""
    again = notebook()
    again.cells[0].execution_count, again.cells[0].id = 7, "other"
    assert seed_of(again, "ada", b"s") == seed_of(notebook(), "ada", b"s")


def test_the_secret_is_made_once_and_for_its_owner_alone(tmp_path):
    secret = secret_of(tmp_path)
    assert len(secret) == 32 and secret_of(tmp_path) == secret
    assert stat.S_IMODE((tmp_path / SECRET).stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [SECRET]


def test_all_that_begin_at_the_same_time_have_the_same_secret(tmp_path):
    for number in range(20):
        folder = tmp_path / str(number)
        folder.mkdir()
        with ThreadPool(8) as pool:
            assert len(set(pool.map(secret_of, [folder] * 8))) == 1


@pytest.mark.parametrize("content", ["", "abc", "zz" * 32, "ab" * 31])
def test_a_file_that_holds_no_secret_is_named_and_kept(content, tmp_path):
    (tmp_path / SECRET).write_text(content)
    with pytest.raises(BadSecret, match=f"{SECRET} holds {len(content)} characters; 64 hexadecimal digits are wanted"):
        secret_of(tmp_path)
    assert (tmp_path / SECRET).read_text() == content


def test_git_ignores_it():
    assert subprocess.run(["git", "check-ignore", "-q", f"assignment/{SECRET}"], cwd=ROOT).returncode == 0


def test_the_same_submission_meets_the_same_questions_whatever_other_parts_ask(tmp_path, monkeypatch):
    drawn = []

    def asks(numbers):
        def part(student):
            drawn.append(student.draw(numbers))
            return Marks()

        return part

    monkeypatch.setattr(judge, "secret_of", lambda course: b"s")
    resources = {"metadata": {"path": str(tmp_path)}, "nbgrader": {"assignment": NAME, "student": "ada"}}
    data = {"grade": True, "solution": False, "locked": True, "schema_version": 3, "cell_type": "code", "points": 1}
    for first in (3, 5):
        cells = [new_code_cell("1", metadata={"nbgrader": data | {"grade_id": part}}) for part in ("rectify", "unpool")]
        monkeypatch.setattr(judge, "PARTS", {"rectify": asks(first), "unpool": asks(4)})
        judge.Judge(sandboxed=can_be_sandboxed()).preprocess(new_notebook(cells=cells), resources)
    assert drawn[1].equal(drawn[3]) and not drawn[1].equal(drawn[0][:1].expand(4))
    assert not torch.equal(drawn[0], drawn[1][:3])


def test_nothing_is_graded_with_a_file_that_holds_no_secret(new_course):
    course = new_course()
    (course.folder / SECRET).write_text("lost")
    for student in ("ada", "bob"):
        course.hand_in(student, {f"{NAME}.ipynb": nbformat.writes(course.template())})
    said = course.nbgrader("autograde", NAME)
    assert said.count("holds 4 characters; 64 hexadecimal digits are wanted") == 1
    assert not list(course.folder.glob(f"autograded/*/{NAME}/{NAME}.ipynb"))
