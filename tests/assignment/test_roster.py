"""Whose addresses students type: what is unusual is on record, and takes nothing off."""

import csv
import os
import sysconfig

import nbformat
import pytest
from course import LIMITS, NAME
from grading.mistakes_task import KEY
from grading.roster import notes_on, roster_of, typed_in
from grading.settings import settings_of
from nbgrader.api import Gradebook
from source_folder import make
from submissions import ADDRESS, PARTS, answered, fill

from helpers.messages import message

ROSTER = {"ada": "ada@example.org", "bob": "bob@example.org"}


@pytest.mark.parametrize(
    ("address", "student", "roster", "codes"),
    [
        ("ada@example.org", "ada", ROSTER, []),
        ("eve@example.org", "ada", ROSTER, ["record.address_unknown"]),
        ("bob@example.org", "ada", ROSTER, ["record.address_of_another"]),
        ("bob@example.org", "eve", ROSTER, []),
        ("eve@example.org", "eve", {}, []),
    ],
)
def test_what_is_unusual_about_an_address(address, student, roster, codes):
    notes = notes_on(address, student, roster)
    assert [note.code for note in notes] == codes
    assert all(note == message(note.code, address=f"`{address}`") for note in notes)


def test_the_roster_is_that_of_the_gradebook_and_of_the_table(tmp_path, monkeypatch):
    # nbgrader calls alembic by its name.
    monkeypatch.setenv("PATH", os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]]))
    database = f"sqlite:///{tmp_path / 'gradebook.db'}"
    with Gradebook(database) as gradebook:
        gradebook.add_student("ada", email=" Ada@Example.org")
        gradebook.add_student("eve")
    assert roster_of(database, tmp_path) == {"ada": "ada@example.org"}
    with open(tmp_path / "students.csv", "w", encoding="utf-8-sig", newline="") as file:
        rows = [["id", "first_name", "last_name", "email"], ["bob", "B", "C", "bob@example.org"]]
        csv.writer(file).writerows(
            [*rows, ["ada", "A", "L", "old@example.org"], ["dan", "", "", ""], ["", "", "", "x@y.z"]]
        )
    assert roster_of(database, tmp_path) == {"ada": "ada@example.org", "bob": "bob@example.org"}


def test_who_typed_what_is_read_of_what_was_graded(tmp_path):
    contents = {"ada": '{"address": "a@b.de"}', "bob": '{"address": "a@b.de"}', "eve": "{}", "dan": "oops"}
    for student, content in contents.items():
        (tmp_path / student / NAME).mkdir(parents=True)
        (tmp_path / student / NAME / "faults.json").write_text(content)
    (tmp_path / "zoe" / NAME).mkdir(parents=True)
    assert typed_in(tmp_path.glob(f"*/{NAME}")) == {"a@b.de": ["ada", "bob"]}


@pytest.mark.skipif("mistakes" not in PARTS, reason="these settings leave out mistakes")
def test_nbgrader_records_addresses_and_takes_nothing_off(new_course):
    course = new_course()
    (course.folder / "courses" / f"{NAME}.toml").write_text(
        'title = "a"\ndigits = [0, 1]\n[points]\nrectify = 1\nmistakes = 6\n', encoding="utf-8"
    )
    make(settings_of(NAME, course.folder))
    course.nbgrader("generate_assignment", NAME, "--force")
    (course.folder / "students.csv").write_text(f"id,first_name,last_name,email\nada,A,L,{ADDRESS}\n")
    course.nbgrader("db student import", "students.csv")
    for student, address in {"ada": ADDRESS, "bob": ADDRESS, "eve": "eve@example.org"}.items():
        notebook = fill(course.template(), {"mistakes": answered(address)})
        next(cell for cell in notebook.cells if cell.source.startswith('email = ""')).source = f"email = '{address}'"
        course.hand_in(student, {f"{NAME}.ipynb": nbformat.writes(notebook)})
    said = course.nbgrader("autograde", NAME, *LIMITS)
    assert {student: course.points(student)["mistakes"] for student in ("ada", "bob", "eve")} == dict.fromkeys(
        ("ada", "bob", "eve"), (6, 6)
    ), said
    assert "e-mail" not in course.record("ada")
    # The log says that of both, the record of neither: it would depend on who was graded first.
    assert "e-mail" not in course.record("bob")
    assert "the e-mail address `eve@example.org` is none that the course has." in course.record("eve")
    assert f"The same e-mail address, {ADDRESS}, was typed by: ada, bob" in said
    shown = [output for cell in course.graded("eve").cells for output in cell.get("outputs", ()) if "data" in output]
    assert [output for output in shown if "image/png" in output.data]
    # Without its key, nothing is graded.
    (course.folder / KEY).unlink()
    said = course.nbgrader("autograde", NAME, "--force", *LIMITS)
    assert f"{KEY} can't be read" in said and course.points("ada")["mistakes"] == (6, 6)
