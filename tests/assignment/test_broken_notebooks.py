"""Whatever stands in the notebook that is handed in: it is graded, or not graded with a reason, and so are all others.

How many are tried stands in BROKEN_NOTEBOOKS: so many through the intake, and so many through the whole of nbgrader.
"""

import json
import os
import re
from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
import pytest
from course import LIMITS, NAME
from grading.converter import handed_out
from grading.intake import take_in
from grading.restore import RestoreCells
from grading.which_notebook import NotGraded
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from submissions import SETTINGS, SOURCE

from helpers.messages import sentence

TRIED, GRADED = map(int, os.environ.get("BROKEN_NOTEBOOKS", "60 3").split())
TEMPLATE: dict = json.loads((SOURCE / f"{NAME}.ipynb").read_bytes())

# Also half of a character, what no printer prints, and numbers that are none.
TEXTS = st.one_of(
    st.text(st.characters(codec=None), max_size=8), st.sampled_from(["\ud800", "\0", "a\r\nb", "build_cnn"])
)
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**30), 10**30),
    st.floats(),
    TEXTS,
    st.lists(TEXTS, max_size=3),
    st.dictionaries(TEXTS, TEXTS, max_size=2),
    st.just([[[[{}]]]]),
    st.sampled_from(["code", "markdown", "raw", "heading", {"nbgrader": {"grade_id": "unpool"}}]),
)


def places(node: object) -> list[tuple[dict | list, object]]:
    """Each dictionary and list in the notebook, with each of its keys."""
    keys = list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else []
    return [place for key in keys for place in [(node, key), *places(node[key])]]


@st.composite
def damaged(draw) -> bytes:
    """A notebook of the assignment, with some parts damaged.

    What is put in is a copy: a part that is put in twice would hold itself, once it is damaged again.
    """
    notebook = json.loads(json.dumps(TEMPLATE))
    for _ in range(draw(st.integers(1, 8))):
        # Near the top there are few places, and they matter more.
        cell = draw(st.sampled_from([notebook, *filter(None, notebook.get("cells") or [])][:40] or [notebook]))
        where, key = draw(st.sampled_from(places(cell) or [(notebook, "cells")]))
        match draw(st.sampled_from(["replace", "replace", "delete", "double", "add"])):
            case "replace":
                where[key] = deepcopy(draw(VALUES))
            case "delete":
                where.pop(key, None) if isinstance(where, dict) else where.pop(key)
            case "double" if isinstance(where, list):
                where.insert(key, deepcopy(where[key]))
            case "add" if isinstance(where, dict):
                names = st.sampled_from(["cells", "worksheets", "attachments", "nbgrader", "id"]) | TEXTS
                where[draw(names)] = deepcopy(draw(VALUES))
        if not isinstance(notebook.get("cells"), list):
            break
    return json.dumps(notebook).encode("utf-8", "surrogatepass")


@st.composite
def damaged_bytes(draw) -> bytes:
    """A notebook of the assignment as a file of which parts were lost, changed or added; or anything."""
    content = bytearray(json.dumps(TEMPLATE, indent=1).encode(draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))))
    for _ in range(draw(st.integers(0, 4))):
        start, length = draw(st.integers(0, len(content))), draw(st.integers(0, 40))
        content[start : start + length] = draw(st.binary(max_size=20))
    if draw(st.booleans()):
        content = content[: draw(st.integers(0, len(content)))]
    return bytes(content)


ANYTHING = damaged() | damaged_bytes() | st.binary(max_size=300)
many = settings(max_examples=TRIED, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def course(new_course):
    return new_course()


@pytest.fixture(scope="module")
def assignment(course):
    return handed_out(f"sqlite:///{course.folder / 'gradebook.db'}", course.folder / "source" / NAME, NAME)


@many
@given(content=ANYTHING)
def test_it_is_taken_in_and_restored_or_not_graded_with_a_reason(course, assignment, content):
    with TemporaryDirectory() as folder:
        handed_in, clean = Path(folder) / "handed in", Path(folder) / "clean"
        handed_in.mkdir()
        (handed_in / f"{NAME}.ipynb").write_bytes(content)
        try:
            record = take_in(handed_in, clean, assignment)
        except NotGraded as reason:
            assert str(reason).startswith("there is no") and str(reason).isprintable() and not clean.exists()
            return
        assert all(sentence(note, "en").isprintable() for note in record)
        notebook = nbformat.read(clean / f"{NAME}.ipynb", as_version=4)
        nbformat.validate(notebook)
        where = {"db_url": f"sqlite:///{course.folder / 'gradebook.db'}", "assignment": NAME, "notebook": NAME}
        RestoreCells().preprocess(notebook, {"nbgrader": where | {"taken in": record}})
    nbformat.validate(nbformat.reads(nbformat.writes(notebook), as_version=4))
    names = [cell.metadata.nbgrader.grade_id for cell in notebook.cells if "nbgrader" in cell.metadata]
    assert len(names) == len(set(names)) and assignment.tests <= set(names) <= assignment.tests | set(assignment.gaps)


def test_through_the_whole_of_nbgrader_each_is_graded_or_not_with_a_reason(course):
    broken: list[bytes] = []

    @settings(max_examples=3 * GRADED, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(content=ANYTHING)
    def make(content):
        broken.append(content)

    make()
    students = {f"student {number}": content for number, content in enumerate(broken[-GRADED:])}
    students["zoe"] = nbformat.writes(course.template()).encode()
    for student, content in students.items():
        course.hand_in(student, {f"{NAME}.ipynb": content})
    said = course.nbgrader("autograde", NAME, *LIMITS)
    assert "Traceback" not in said
    reasons = dict(re.findall(r"^\[AutogradeApp \| ERROR\] Not graded: ([^:]+): (.+)$", said, flags=re.MULTILINE))
    graded = {student for student in students if (course.folder / "autograded" / student / NAME).exists()}
    assert "zoe" in graded
    assert graded | set(reasons) == set(students) and not graded & set(reasons)
    for student in graded:
        assert len(course.points(student)) == len(SETTINGS.points) and "Record of the grading" in course.record(student)
