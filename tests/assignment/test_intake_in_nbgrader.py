"""nbgrader's own commands take in what was handed in, before they copy any of it."""

import csv
import os
import re
import socket
import zipfile
from datetime import datetime

import nbformat
import pytest
from course import NAME, WITHOUT_A_KERNEL, Course
from grading import converter
from grading.converter import TakingIn
from grading.kernel import StudentKernel
from grading.restore import FAULTS
from grading.steps import put_in_the_intake, put_in_the_judge
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.apps import NbGraderAPI
from source_folder import MADE
from submissions import cell_named, fill
from traitlets.config import Config

MINE = "def rectify(signal):\n    return 'this is mine'"
SECRET = "nobody else must read this"


@pytest.fixture(scope="module")
def course(new_course) -> Course:
    return new_course(WITHOUT_A_KERNEL)


@pytest.fixture(scope="module")
def handed_in(course, tmp_path_factory) -> dict[str, bool]:
    """A graded class: for each student, whether there is something to grade."""
    template = course.template()
    mine = nbformat.writes(fill(template, {"rectify": MINE})).encode()
    private = tmp_path_factory.mktemp("private")
    (private / "letter.txt").write_text(SECRET)
    (private / f"{NAME}.ipynb").write_bytes(mine)
    graded = {}

    def hand_in(student: str, files: dict, is_graded: bool = True):
        graded[student] = is_graded
        course.hand_in(student, files)
        return course.folder / "submitted" / student / NAME

    hand_in("as it should be", {f"{NAME}.ipynb": mine, "own.txt": "notes"})
    folder = hand_in("links", {f"{NAME}.ipynb": mine})
    (folder / "a.db").symlink_to(course.folder / "gradebook.db")
    (folder / "b.txt").symlink_to(private / "letter.txt")
    (folder / "c").symlink_to(course.folder / "source")
    hand_in("is a link", {}, is_graded=False).joinpath(f"{NAME}.ipynb").symlink_to(private / f"{NAME}.ipynb")
    (course.folder / "submitted" / "folder is a link").mkdir()
    (course.folder / "submitted" / "folder is a link" / NAME).symlink_to(private)
    (course.folder / "submitted" / "student is a link").symlink_to(course.folder / "submitted" / "links")
    graded["folder is a link"] = graded["student is a link"] = False
    folder = hand_in("pipes", {f"{NAME}.ipynb": mine})
    os.mkfifo(folder / "pipe.txt")
    with socket.socket(socket.AF_UNIX) as unix:
        # The path of a socket must be short.
        directory = os.open(folder, os.O_RDONLY)
        unix.bind(f"/proc/self/fd/{directory}/socket.txt")
        os.close(directory)
    for name in ("timestamp.txt", "check.py", "page.html"):
        folder = hand_in(f"folder {name}", {f"{NAME}.ipynb": mine})
        (folder / name).mkdir()
        (folder / name / "inside.txt").write_text("inside")
    hand_in("1999", {f"{NAME}.ipynb": mine, "timestamp.txt": "1999-12-31 00:00:00 UTC"})
    hand_in("junk time", {f"{NAME}.ipynb": mine, "timestamp.txt": "half past nine, I think"})
    page = "<script>alert(1)</script>"
    hand_in("page", {f"{NAME}.ipynb": mine, f"{NAME}.html": page, "Page.HTM": page, "other": page, "x.svg": "<svg/>"})
    for name, start in {"bom": b"\xef\xbb\xbf", "blank lines": b"\n\n "}.items():
        hand_in(name, {f"{NAME}.ipynb": start + mine})
    hand_in("utf-16", {f"{NAME}.ipynb": mine.decode().encode("utf-16")})
    names = [f"{NAME} (1).ipynb", f"{NAME}.ipynb.txt", f"{NAME}.json", "Дом 作業 ✓.ipynb", "INSIDE_LENET5.IPYNB", "x"]
    for name in names:
        hand_in(f"as {name}", {name: mine})
    folder = hand_in("in a subfolder", {})
    (folder / "my work" / "deep").mkdir(parents=True)
    (folder / "my work" / "deep" / f"{NAME}.ipynb").write_bytes(mine)
    folder = hand_in("in a zip", {})
    with zipfile.ZipFile(folder / "all.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{NAME}/{NAME}.ipynb", mine)
        archive.writestr(f"{NAME}/own.txt", "notes")
    hand_in("text", {"solution.txt": "see attached"}, is_graded=False)
    hand_in("rubbish", {f"{NAME}.ipynb": "{'cells': oops"}, is_graded=False)
    hand_in("another", {f"{NAME}.ipynb": nbformat.writes(nbformat.v4.new_notebook())}, is_graded=False)
    hand_in("nothing", {}, is_graded=False)
    hand_in("two\nlines", {f"{NAME}.ipynb": mine}, is_graded=False)
    hand_in("=1+1", {f"{NAME}.ipynb": mine}, is_graded=False)
    course.said = course.nbgrader("autograde", NAME)
    course.nbgrader("generate_feedback", NAME)
    return graded


def test_who_handed_in_a_notebook_is_graded_whatever_it_is_called(course, handed_in):
    graded = {student: (course.folder / "autograded" / student / NAME).exists() for student in handed_in}
    assert graded == handed_in
    for student in (name for name, is_graded in handed_in.items() if is_graded):
        assert cell_named(course.graded(student), "rectify_solution").source == MINE, student


def test_who_was_not_graded_is_named_with_a_reason_and_without_a_traceback(course, handed_in):
    assert "Traceback" not in course.said
    summary = course.said.rpartition("submissions were not graded:")[2]
    reasons = dict(re.findall(r"^ +([^:]+): (.+)$", summary, flags=re.MULTILINE))
    none = "there is no notebook of this assignment"
    assert reasons == {
        "is a link": f"{none} in it. left out, as it is a link: `{NAME}.ipynb`",
        "folder is a link": "what was handed in is a link",
        "student is a link": "the student's folder is a link",
        "text": "there is no notebook, only `solution.txt`",
        "rubbish": f"{none}. `{NAME}.ipynb`: it is no JSON; there is a fault in line 1",
        "another": f"{none}. `{NAME}.ipynb`: none of its cells is one of this assignment",
        "nothing": "there is nothing in the folder",
        "two lines": "the name of the student's folder can't be shown in a line; rename the folder",
        "=1+1": "the name of the student's folder begins with =: a spreadsheet that opens the exported grades would "
        "take it for a formula; rename the folder",
    }


def test_who_was_not_graded_has_no_points_rather_than_none(course, handed_in):
    course.nbgrader("export", "--to=grades.csv")
    with open(course.folder / "grades.csv", newline="", encoding="utf-8") as file:
        exported = {row["student_id"]: row for row in csv.DictReader(file)}
    assert set(exported) == {student for student, is_graded in handed_in.items() if is_graded}
    assert {row["timestamp"] for row in exported.values()} == {""}


def test_the_record_says_what_was_left_out(course, handed_in):
    lines = {
        "links": "left out, as it is a link: `a.db`, `b.txt`, `c`.",
        "pipes": "left out, as it is a pipe: `pipe.txt`.",
        "folder check.py": "left out, as it lies in a folder that is named like a file: `check.py/inside.txt`.",
        "1999": "the time of handing in that `timestamp.txt` tells is not believed: nbgrader's exchange writes such a",
        "junk time": "the time of handing in that `timestamp.txt` tells is not believed",
        "page": f"left out, as it is a page for a browser: `Page.HTM`, `{NAME}.html`, `other` and 1 more.",
        f"as {NAME} (1).ipynb": f"the notebook was handed in as `{NAME} (1).ipynb`.",
        "as Дом 作業 ✓.ipynb": "the notebook was handed in as `Дом 作業 ?.ipynb`.",
        "in a zip": f"the notebook was handed in as `all.zip/{NAME}/{NAME}.ipynb`.",
    }
    for student, line in lines.items():
        assert line in course.record(student), student
        assert f"{student}: {line}" in course.said
    for student in ("as it should be", "bom", "blank lines", "utf-16"):
        assert "as it" not in course.record(student).partition("\n")[2]


def test_beside_the_graded_notebook_lies_what_the_student_has_made(course, handed_in):
    files = {path.name for path in (course.folder / "source" / NAME).iterdir()} - {MADE} | {FAULTS}
    extra = {"as it should be": {"own.txt"}, "in a zip": {"own.txt"}}
    for student in (name for name, is_graded in handed_in.items() if is_graded):
        there = {path.name for path in (course.folder / "autograded" / student / NAME).rglob("*")}
        assert there == files | extra.get(student, set()), student


def test_nothing_private_is_copied_and_no_page_lies_beside_the_feedback(course, handed_in):
    for folder in ("autograded", "feedback"):
        paths = list((course.folder / folder).rglob("*"))
        assert not any(path.is_symlink() for path in paths)
        assert not any(SECRET in path.read_text(encoding="utf-8", errors="replace") for path in paths if path.is_file())
    files = {path.relative_to(course.folder / "feedback").parts[2:] for path in paths if path.is_file()}
    given = (".py", ".pt", ".json", ".npz", "own.txt")
    assert {path for path in files if not path[-1].endswith(given)} == {(f"{NAME}.html",)}


def test_what_was_handed_in_is_not_changed(course, handed_in):
    submitted = course.folder / "submitted"
    assert sorted(os.listdir(submitted / "links" / NAME)) == ["a.db", "b.txt", "c", f"{NAME}.ipynb"]
    assert os.listdir(submitted / "in a zip" / NAME) == ["all.zip"]
    assert (submitted / "bom" / NAME / f"{NAME}.ipynb").read_bytes().startswith(b"\xef\xbb\xbf")


# As nbgrader_config.py passes it over.
@pytest.mark.filterwarnings("ignore:Object of type <")
class TestFormgrader:
    """As it grades: one submission, in its own process, and what it shows of that."""

    @pytest.fixture
    def api(self, course, handed_in, monkeypatch):
        put_in_the_intake()
        config = Config()
        config.CourseDirectory.root = str(course.folder)
        config.CourseDirectory.course_id = NAME
        put_in_the_judge(config)
        monkeypatch.setattr(StudentKernel, "_start", lambda kernel: None)
        config.Judge.total_timeout = 0
        return lambda **settings: NbGraderAPI(config=Config(config | {"TakingIn": Config(settings)}))

    def test_it_says_why_in_a_sentence(self, api):
        result = api().autograde(NAME, "rubbish", force=True)
        assert not result["success"]
        assert "Traceback" not in result["error"] + result["log"]
        assert result["error"].startswith("1 of 1 submissions were not graded:") and "it is no JSON" in result["error"]

    @pytest.mark.parametrize(("where", "name"), [(TakingIn, "set_permissions"), (converter, "take_in")])
    def test_whatever_fails_is_said_in_a_sentence_and_leaves_nothing(self, api, course, monkeypatch, where, name):
        monkeypatch.setattr(where, name, lambda *given: 1 / 0)
        student = f"unlucky [1] {name}"
        course.hand_in(student, {f"{NAME}.ipynb": nbformat.writes(course.template())})
        result = api().autograde(NAME, student, force=True)
        assert f"    {student}: ZeroDivisionError: division by zero\n" in result["error"]
        assert "Traceback" not in result["error"] + result["log"]
        assert not (course.folder / "autograded" / student / NAME).exists()
        with pytest.raises(MissingEntry):
            course.points(student)

    def test_whoever_was_graded_before_keeps_that(self, api, course):
        before = course.points("bom")
        notebook = course.folder / "submitted" / "bom" / NAME / f"{NAME}.ipynb"
        content = notebook.read_bytes()
        notebook.write_text("no longer a notebook")
        assert not api().autograde(NAME, "bom", force=True)["success"]
        notebook.write_bytes(content)
        assert course.points("bom") == before and course.record("bom")

    def test_a_time_is_believed_only_if_the_lecturer_says_so(self, api):
        for student in ("1999", "junk time", "as it should be"):
            assert api().get_submitted_timestamp(NAME, student) is None
        assert api(keep_timestamp=True).get_submitted_timestamp(NAME, "1999") == datetime(1999, 12, 31)
        assert api(keep_timestamp=True).get_submitted_timestamp(NAME, "junk time") is None

    def test_a_time_that_is_believed_is_that_of_the_submission(self, api, course):
        for student in ("1999", "junk time"):
            assert api(keep_timestamp=True).autograde(NAME, student, force=True)["success"]
        with Gradebook(f"sqlite:///{course.folder / 'gradebook.db'}") as gradebook:
            assert gradebook.find_submission(NAME, "1999").timestamp == datetime(1999, 12, 31)
            assert gradebook.find_submission(NAME, "junk time").timestamp is None
