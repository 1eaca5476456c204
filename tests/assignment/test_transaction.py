"""What is written of a submission is written whole or not at all; and nobody else grades it meanwhile."""

import os
import shutil
import sqlite3
import sysconfig
import threading
from contextlib import ExitStack
from datetime import datetime
from types import SimpleNamespace

import pytest
from grading import late, transaction
from grading.alone import alone
from grading.transaction import Graded, Unreachable, patiently, save
from nbformat.v4 import new_code_cell, new_notebook, new_output
from nbgrader.api import Gradebook, InvalidEntry, MissingEntry, Student
from nbgrader.preprocessors import SaveAutoGrades
from sqlalchemy.exc import OperationalError
from traitlets.config import Config, Configurable

# nbgrader's own business, which its configuration here keeps quiet.
pytestmark = pytest.mark.filterwarnings("ignore:Object of type <")
PARTS = ("unpool", "rectify")


@pytest.fixture(scope="module")
def gradebook_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("gradebook") / "gradebook.db"
    with pytest.MonkeyPatch.context() as patched, ExitStack() as opened:
        # nbgrader calls alembic by its name.
        patched.setenv("PATH", os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]]))
        gradebook = opened.enter_context(Gradebook(f"sqlite:///{path}", "course"))
        gradebook.add_assignment("ps", duedate=datetime(2027, 2, 1))
        gradebook.add_notebook("ps", "ps")
        for part in PARTS:
            gradebook.add_grade_cell(part, "ps", "ps", max_score=10, cell_type="code")
    return path


@pytest.fixture
def database(gradebook_file, tmp_path):
    """A gradebook in which an assignment is due, of which two parts give 10 points each."""
    return f"sqlite:///{shutil.copy(gradebook_file, tmp_path)}"


def graded(points, time=None) -> Graded:
    cells = []
    for part in PARTS:
        data = {"grade": True, "solution": False, "task": False, "locked": True, "grade_id": part, "points": 10}
        cell = new_code_cell("", metadata={"nbgrader": {**data, "schema_version": 3, "cell_type": "code"}})
        cell.outputs = [new_output("execute_result", data={"text/plain": str(points)})]
        cells.append(cell)
    return Graded("ps", "ada", "ps", new_notebook(cells=cells), time)


def written(url):
    with Gradebook(url, "course") as gradebook:
        (notebook,) = gradebook.find_submission("ps", "ada").notebooks
        return [grade.auto_score for grade in notebook.grades], notebook.late_submission_penalty


@pytest.fixture
def fails_in_the_middle(monkeypatch):
    """From now on, the second grade of a submission can't be written."""
    write = SaveAutoGrades._add_score

    def fail(self, cell, resources):
        if cell.metadata.nbgrader.grade_id == PARTS[1]:
            raise KeyboardInterrupt
        write(self, cell, resources)

    return lambda: monkeypatch.setattr(SaveAutoGrades, "_add_score", fail)


def test_all_is_written_or_nothing(database, fails_in_the_middle):
    with pytest.raises(MissingEntry):
        save(graded(7), database, "course", Configurable(), new_students=False)
    assert save(graded(7), database, "course", Configurable()) == []
    assert written(database) == ([7, 7], None)
    fails_in_the_middle()
    with pytest.raises(KeyboardInterrupt):
        save(graded(9), database, "course", Configurable())
    assert written(database) == ([7, 7], None)


def test_what_nobody_has_asked_for_since_is_written_too(database):
    with transaction._whole(database, "course") as gradebook:
        gradebook.db.add(Student(id="bob"))
    with Gradebook(database, "course") as gradebook:
        assert [student.id for student in gradebook.students] == ["bob"]


def test_of_a_new_student_nothing_is_left_either(database, fails_in_the_middle):
    fails_in_the_middle()
    with pytest.raises(KeyboardInterrupt):
        save(graded(9), database, "course", Configurable())
    with Gradebook(database, "course") as gradebook:
        assert gradebook.students == []


def test_what_is_late_loses_its_penalty_in_the_same_transaction(database, monkeypatch):
    monkeypatch.setattr(late, "settings_of", lambda name: SimpleNamespace(penalty=2))
    parent = Configurable(config=Config({"AssignLatePenalties": {"plugin_class": late.DailyPenalty}}))
    save(graded(7, datetime(2027, 2, 2, 12)), database, "course", parent)
    assert written(database) == ([7, 7], 4)
    save(graded(7, datetime(2027, 2, 1)), database, "course", parent)
    assert written(database) == ([7, 7], None)


def test_points_by_hand_stay_and_are_named(database):
    save(graded(7), database, "course", Configurable())
    with Gradebook(database, "course") as gradebook:
        gradebook.find_grade("unpool", "ps", "ps", "ada").manual_score = 8
        gradebook.db.commit()
    assert save(graded(9), database, "course", Configurable()) == ["unpool 8, by the judge 9"]
    with Gradebook(database, "course") as gradebook:
        grade = gradebook.find_grade("unpool", "ps", "ps", "ada")
        assert (grade.score, grade.auto_score, grade.needs_manual_grade) == (8, 9, True)
    assert save(graded(8), database, "course", Configurable()) == []


LOST = OperationalError("", {}, ConnectionError("the server ends the connection"))
LOCKED = OperationalError("", {}, sqlite3.OperationalError("database is locked"))
NEWER = OperationalError("", {}, sqlite3.OperationalError("no such column: grade.new"))


def hidden():
    """As nbgrader says that something could not be written, whatever the reason."""
    try:
        raise LOST
    except OperationalError:
        raise InvalidEntry("rolled back") from None


@pytest.mark.parametrize("failure", [LOST, LOCKED, hidden])
def test_a_connection_that_is_lost_is_tried_again(monkeypatch, failure):
    pauses, failing = [], 3
    monkeypatch.setattr(transaction, "sleep", pauses.append)

    def do():
        if len(pauses) < failing:
            failure() if callable(failure) else raise_it(failure)
        return "done"

    assert patiently(do) == "done" and len(pauses) == 3
    failing = 1000
    with pytest.raises(Unreachable):
        patiently(do)
    assert sum(pauses[3:]) > 100


def test_what_would_fail_again_is_not_tried_again(monkeypatch):
    monkeypatch.setattr(transaction, "sleep", lambda pause: pytest.fail("it waits"))
    for failure in (NEWER, InvalidEntry("two of a name"), ValueError()):
        with pytest.raises(type(failure)):
            patiently(lambda failure=failure: raise_it(failure))


def raise_it(failure):
    raise failure


def test_whoever_comes_second_waits(tmp_path):
    path, seen, inside = tmp_path / "graded" / "ada" / "ps.lock", [], threading.Event()

    def second():
        inside.wait()
        with alone(path):
            seen.append("second")

    thread = threading.Thread(target=second)
    thread.start()
    with alone(path):
        inside.set()
        # It could be done ten times over.
        thread.join(0.2)
        seen.append("first")
    thread.join()
    assert seen == ["first", "second"] and list(tmp_path.iterdir()) == []
