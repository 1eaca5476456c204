"""In the sandbox a submission is graded as outside, and its code reaches neither the course nor the network."""

import os

import nbformat
import pytest
from course import LIMITS, NAME
from grading.sandbox import sandbox
from submissions import PARTS, ROOT, fill, solution, with_cell

# Each line tries one thing, and says whether it went well.
EXPLORING = """
import os, pathlib, socket
def tries(what):
    try:
        return bool(what())
    except OSError:
        return False
course = pathlib.Path.cwd().parents[2]
print("sees the grades:", tries((course / "gradebook.db").exists))
print("sees the source:", tries((course / "source").exists))
print("sees others:", tries(lambda: [path for path in (course / "submitted").iterdir()]))
print("reads the answers:", tries((pathlib.Path(PROJECT) / "helpers" / "deconvnet" / "ways_back.py").read_text))
print("writes into the project:", tries(lambda: (pathlib.Path(PROJECT) / "trace").write_text("I was here")))
print("knows the secret:", "SECRET_OF_THE_LECTURER" in os.environ)
print("sees processes:", len([path for path in pathlib.Path("/proc").iterdir() if path.name.isdigit()]) > 4)
print("has a network:", len(socket.if_nameindex()) > 1)
print("writes beside itself:", tries(lambda: pathlib.Path("mine").write_text("here")))
"""


@pytest.fixture
def possible():
    try:
        sandbox([])
    except RuntimeError as reason:
        pytest.skip(str(reason))


def test_in_the_sandbox(possible, new_course, monkeypatch):
    monkeypatch.setenv("SECRET_OF_THE_LECTURER", "42")
    course = new_course()
    right = solution("transposed")
    steps = fill(course.template(), {part: right[part] for part in PARTS[3:]})
    notebook = with_cell(steps, f"PROJECT = {str(ROOT)!r}\n{EXPLORING}", at=0)
    course.hand_in("explorer", {f"{NAME}.ipynb": nbformat.writes(notebook)})
    said = course.nbgrader("autograde", NAME, "--Judge.sandboxed=True", *LIMITS)
    points = course.points("explorer")
    assert all(points[part][0] == points[part][1] for part in PARTS[3:]), said
    assert course.graded("explorer").cells[1].outputs[0].text.splitlines() == [
        "sees the grades: False",
        "sees the source: False",
        "sees others: False",
        "reads the answers: False",
        "writes into the project: False",
        "knows the secret: False",
        "sees processes: False",
        "has a network: False",
        "writes beside itself: True",
    ]
    assert not os.path.exists(ROOT / "trace")


def test_what_is_missing_for_it_is_named(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(RuntimeError, match="there is no bwrap; install bubblewrap, or set Judge.sandboxed = False"):
        sandbox([])
