"""What goes back to the platform: Moodle's worksheet and Canvas' gradebook filled in, feedback, and a plain table."""

import csv
import json
import os
import shutil
import subprocess
import warnings
import zipfile
from dataclasses import replace
from html import escape
from pathlib import Path

import nbformat
import pytest
from database import Server, programs
from downloads import WORKSHEETS, gradebook, table, unzipped, worksheet, zipped
from grading import export as command
from grading.collect import collect
from grading.export import comment_on, export, main, numbers_of
from grading.pages.as_of import as_of, read
from grading.platforms.tables import BadTable, read_table
from grading.restore import FAULTS, VERSION
from grading.results import Part, Result
from grading.settings import Settings
from grading.versions import version_of
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from nbgrader.api import Base, Gradebook
from sqlalchemy import create_engine
from submissions import ROOT

from helpers.messages import as_data, message, sentence

# As nbgrader_config.py passes it over.
pytestmark = pytest.mark.filterwarnings("ignore:Object of type <")

NAME = "work"
STUDENTS = {
    "4711": "Ada Lovelace",
    "4712": "Jörg Müller",
    "4713": "Siobhán O'Brien",
    "4714": "Kurt Gödel",
    "4715": "Emmy Noether",
    "4716": "=1+1",
}
POINTS = {"unpool": 40, "filter_back": 52, "words": 8}
NOT_FLIPPED = message("filter_back.not_flipped")
# For each student the points of the judge and by hand, of each part. The others have none.
GRADES = {
    "4711": {"unpool": (40, None), "filter_back": (52, None), "words": (None, 8)},
    "4712": {"unpool": (40, 37.5), "filter_back": (46, None), "words": (0, None)},
    "4713": {"unpool": (40, None), "filter_back": (0, None), "words": (None, None)},
    "4716": {"unpool": (0, None), "filter_back": (0, None), "words": (0, None)},
}


def settings_in(course: Path) -> Settings:
    return Settings(NAME, "A title", POINTS, (0, 1), course=course)


@pytest.fixture
def settings(tmp_path, graded):
    return settings_in(shutil.copytree(graded, tmp_path / "course"))


@pytest.fixture
def url(settings):
    return f"sqlite:///{settings.course / 'gradebook.db'}"


@pytest.fixture(scope="module")
def graded(tmp_path_factory) -> Path:
    """A course with a gradebook that has the grades of the class, and the folders that nbgrader leaves."""
    settings = settings_in(tmp_path_factory.mktemp("graded"))
    with warnings.catch_warnings(action="ignore"):
        fill(settings, f"sqlite:///{settings.course / 'gradebook.db'}")
    return settings.course


def fill(settings: Settings, url: str) -> None:
    # Where the tables are there already, nbgrader does not start alembic, which takes seconds.
    engine = create_engine(url)
    Base.metadata.create_all(engine)
    engine.dispose()
    with Gradebook(url) as book:
        book.add_assignment(NAME)
        # A part of another assignment has the same name.
        for other in ("another", "a third"):
            book.add_assignment(other)
            book.add_notebook("n", other)
            book.add_grade_cell("unpool", "n", other, max_score=1, cell_type="code")
            book.add_solution_cell("words", "n", other)
        book.add_notebook(NAME, NAME)
        for name, points in POINTS.items():
            book.add_grade_cell(name, NAME, NAME, max_score=points, cell_type="code")
        book.add_solution_cell("words", NAME, NAME)
        for number, grades in GRADES.items():
            book.add_student(number)
            add_another(book, number, "another")
            (notebook,) = book.add_submission(NAME, number).notebooks
            notebook.late_submission_penalty = 5 if number == "4712" else None
            for name, (judge, hand) in grades.items():
                grade = book.find_grade(name, NAME, NAME, number)
                grade.auto_score, grade.manual_score, grade.needs_manual_grade = judge, hand, judge is None
            add_another(book, number, "a third")
            folder = settings.course / "submitted" / number / NAME
            unzipped(folder, {f"{NAME}.ipynb": "{}"})
            graded = new_notebook(metadata={VERSION: version_of(folder)})
            # What the judge found where a person gave the points is not said.
            found = {"faults": [as_data(NOT_FLIPPED)] if number == "4712" else []}
            files = {f"{NAME}.ipynb": nbformat.writes(graded)}
            if number != "4716":
                files[FAULTS] = json.dumps({"parts": {"filter_back": found, "unpool": found}})
            unzipped(settings.course / "autograded" / number / NAME, files)
        book.db.commit()
    unzipped(settings.course / "submitted" / "4714" / NAME, {"x.pdf": "x"})
    headings = {"unpool": "## 2a · Unpool (40 points)", "filter_back": "## 2c · Filter", "words": "## 3e · Words"}
    cells = []
    for name, heading in headings.items():
        cells += [new_markdown_cell(heading), new_code_cell(metadata={"nbgrader": {"grade_id": name}})]
    unzipped(settings.source, {f"{NAME}.ipynb": nbformat.writes(new_notebook(cells=cells))})


def add_another(book: Gradebook, number: str, assignment: str) -> None:
    book.add_submission(assignment, number)
    book.find_comment("words", "n", assignment, number).manual_comment = "of another"


def why_not(folder: Path) -> str:
    return "there is no notebook" if (folder / "x.pdf").exists() else ""


def page_of(settings: Settings, number: str, parts: dict[str, float | None], late: float = 0, **comments: str) -> Path:
    """A page of feedback that shows these points and comments."""
    says = escape(as_of(parts, late, {"words": ""} | comments).text())
    page = f'<html><head><meta name="points" content="{says}"></head><meta name="points" content="{{}}">{number}</html>'
    unzipped(settings.course / "feedback" / number / NAME, {f"{NAME}.html": page})
    return settings.course / "feedback" / number / NAME / f"{NAME}.html"


def by_hand(url: str, number: str, part: str, points: float | None = None, comment: str | None = None) -> None:
    """What a person gives in the formgrader."""
    with Gradebook(url) as book:
        if points is not None:
            book.find_grade(part, NAME, NAME, number).manual_score = points
        if comment is not None:
            book.find_comment(part, NAME, NAME, number).manual_comment = comment
        book.db.commit()


# What the pages of those who are graded show.
SHOWN = {
    "4711": ({"unpool": 40, "filter_back": 52, "words": 8}, 0),
    "4712": ({"unpool": 37.5, "filter_back": 46, "words": 0}, 5),
    "4713": ({"unpool": 40, "filter_back": 0, "words": None}, 0),
}


@pytest.fixture
def pages(settings, url, tmp_path):
    """Gives whose pages of feedback the export packs, and what it says of the others."""
    folders = {number: f"{STUDENTS[number]}_{number}_assignsubmission_file" for number in SHOWN}
    collect(settings, zipped(tmp_path / "all.zip", {f"{one}/{NAME}.ipynb": "{}" for one in folders.values()}))
    for number, shown in SHOWN.items():
        page_of(settings, number, *shown)

    def exported():
        report = export(settings, url, worksheet(tmp_path / "s.csv", "en", STUDENTS), why_not=why_not)
        with zipfile.ZipFile(settings.course / "exported" / NAME / "feedback.zip") as archive:
            there = [number for number, one in folders.items() if f"{one}/{NAME}.html" in archive.namelist()]
            assert len(there) == len(archive.namelist())
            assert all(number.encode() in archive.read(f"{folders[number]}/{NAME}.html") for number in there)
        return there, [line for line in report.lines if "Not in feedback.zip" in line or "anew" in line]

    return exported


def rows(path: Path, delimiter: str = ",") -> dict[str, list[str]]:
    """The rows by what ends their first cell."""
    return {row[0][-4:]: row for row in all_rows(path, delimiter)}


def all_rows(path: Path, delimiter: str = ",") -> list[list[str]]:
    with open(path, encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file, delimiter=delimiter))


@pytest.mark.parametrize("language", WORKSHEETS)
def test_moodles_worksheet_is_filled_in_whatever_its_language(settings, url, tmp_path, language):
    path = worksheet(tmp_path / "Grades-4.csv", language, STUDENTS)
    before = rows(path)
    export(settings, url, path, why_not=why_not)
    filled = rows(settings.course / "exported" / NAME / "Grades-4.csv")
    point = "." if language == "en" else ","
    wanted = {
        "4711": (f"100{point}00", ""),
        "4712": (
            f"78{point}50",
            f"2a −2.5<br>2c −6: {sentence(NOT_FLIPPED, 'en')}<br>3e −8<br>late: −5",
        ),
        "4713": ("", "waiting for a hand"),
        "4714": ("", "not gradable"),
        "4715": ("", "not submitted"),
        "4716": (f"0{point}00", "2a −40<br>2c −52<br>3e −8"),
    }
    found = {number: (row[4], row[9]) for number, row in filled.items() if number in STUDENTS}
    assert found == wanted
    assert {number: row[:4] + row[5:9] for number, row in filled.items()} == {
        number: row[:4] + row[5:9] for number, row in before.items()
    }
    assert read_table(path).header == read_table(settings.course / "exported" / NAME / "Grades-4.csv").header


def test_comments_are_in_the_language_of_the_course(settings, url, tmp_path):
    german = Settings(NAME, "a", POINTS, (0, 1), "de", course=settings.course)
    export(german, url, worksheet(tmp_path / "s.csv", "de", STUDENTS), why_not=why_not)
    found = rows(settings.course / "exported" / NAME / "s.csv")
    assert [found[number][9] for number in ("4713", "4714", "4715")] == [
        "noch nicht von Hand bewertet",
        "nicht bewertbar",
        "nicht abgegeben",
    ]
    assert found["4712"][9].startswith("2a −2,5<br>2c −6: ")


def test_the_table_has_a_column_for_each_part_and_a_word_for_who_has_no_points(settings, url, tmp_path):
    report = export(settings, url, worksheet(tmp_path / "s.csv", "en", STUDENTS), why_not=why_not)
    header, *found = all_rows(settings.course / "exported" / NAME / "table.csv")
    by_number = {row[0]: dict(zip(header, row, strict=True)) for row in found}
    assert [row[0] for row in found] == sorted(STUDENTS)
    assert {number: row["state"] for number, row in by_number.items()} == {
        "4711": "graded",
        "4712": "graded",
        "4713": "waiting for a hand",
        "4714": "not gradable",
        "4715": "not submitted",
        "4716": "graded",
    }
    assert [
        by_number["4712"][name] for name in ("points", "of", "late", "2a unpool", "2c filter_back", "3e words")
    ] == [
        *("78.5", "100", "5", "37.5", "46", "0"),
    ]
    assert by_number["4711"]["late"] == "" and by_number["4715"]["2a unpool"] == ""
    assert (settings.course / "exported" / NAME / "table.csv").read_bytes().startswith(b"\xef\xbb\xbfid,")
    assert by_number["4712"]["set by hand, and by the judge"] == "2a 37.5, 40"
    assert by_number["4714"]["why"] == "there is no notebook" and by_number["4714"]["points"] == ""
    assert by_number["4716"]["name"] == "'=1+1" and by_number["4716"]["points"] == "0"
    said = report.text()
    assert "    4712 Jörg Müller: 2a 37.5 by hand, 40 by the judge" in said
    assert "    4711 Ada Lovelace" not in said
    assert "    4714 Kurt Gödel: not gradable: there is no notebook" in said
    assert by_number["4715"]["why"] == "nothing was handed in" and "Emmy Noether" not in said
    assert "3 graded, 1 waiting for a hand, 1 not gradable, 1 not submitted" in said


@pytest.mark.parametrize("comma", [False, True])
def test_canvas_gradebook_is_filled_in_and_who_has_no_points_keeps_what_stood_there(settings, url, tmp_path, comma):
    path = gradebook(tmp_path / "book.csv", STUDENTS, "Other (54)", "A title (55)", comma=comma)
    delimiter = ";" if comma else ","
    export(settings, url, path, why_not=why_not)
    before, after = (
        {row[1]: row for row in all_rows(file, delimiter)}
        for file in (path, settings.course / "exported" / NAME / "book.csv")
    )
    point = "," if comma else "."
    assert {number: row[6] for number, row in after.items() if number in STUDENTS} == {
        **{"4711": f"100{point}00", "4712": f"78{point}50", "4716": f"0{point}00"},
        **{"4713": "", "4714": "", "4715": ""},
    }
    for row in after.values():
        row[6] = before[row[1]][6]
    assert after == before


def test_points_are_those_by_hand_and_extra_ones_and_never_less_than_none():
    changed, same = Part(10, judge=4, hand=6, extra=0.5), Part(10, judge=4, hand=4)
    assert [part.points for part in (changed, same, Part(10, 4, None), Part(10, None, None))] == [6.5, 4, 4, 0]
    result = Result("1", "", "graded", parts={"a": changed, "b": same}, penalty=3)
    assert result.points == 7.5 and replace(result, penalty=11).points == 0
    assert replace(result, state="waiting for a hand").points is None
    assert result.set_by_hand == {"a": changed}
    extra = {"a": Part(10, judge=4, hand=4, extra=0.5), "b": Part(10, judge=4, hand=None, extra=0.5)}
    assert replace(result, parts=extra).set_by_hand == extra
    assert replace(result, parts={"a": Part(10, judge=None, hand=4), "b": Part(10, 4, 3, 1)}).set_by_hand == {}


def test_a_worksheet_without_comments_and_comments_that_were_there_are_said(settings, url, tmp_path):
    path = worksheet(tmp_path / "s.csv", "en", STUDENTS)
    table(path, [row[:-1] for row in all_rows(path)])
    assert "The worksheet has no comments: in Moodle, Feedback types" in export(settings, url, path).text()
    path = worksheet(tmp_path / "s.csv", "en", STUDENTS)
    header, *students = all_rows(path)
    table(path, [header, *([*row[:-1], "well done"] if row[0].endswith("4712") else row for row in students)])
    assert "Comments that stood in the worksheet and are others now: 1" in export(settings, url, path).text()


def test_the_column_of_canvas_must_be_sure(settings, url, tmp_path):
    path = gradebook(tmp_path / "two.csv", STUDENTS, "work (53)", "A title (54)", "A title (55)")
    with pytest.raises(BadTable, match="3 columns are called A title or work"):
        export(settings, url, path)
    export(settings, url, path, column="A title (55)")
    found = rows(settings.course / "exported" / NAME / "two.csv")
    assert [row[5:8] for row in found.values() if row[1] == "4711"] == [["", "", "100.00"]]
    path = gradebook(tmp_path / "book.csv", STUDENTS, "Lab 1 (54)", "Lab 2 (55)")
    with pytest.raises(BadTable, match=r"^no column is called A title or work; say by --column .*: Lab 1, Lab 2"):
        export(settings, url, path)
    export(settings, url, path, column="Lab 2")
    found = rows(settings.course / "exported" / NAME / "book.csv")
    assert [row[6] for row in found.values() if row[1] == "4711"] == ["100.00"]


@pytest.mark.parametrize(
    ("most", "why"), [("10.00", "is 10 there and 100 here"), ("1000.00", "is 1000 there"), ("good bad", "by words")]
)
def test_another_highest_grade_is_refused(settings, url, tmp_path, most, why):
    path = worksheet(tmp_path / "s.csv", "en", STUDENTS)
    path.write_text(path.read_text(encoding="utf-8").replace("100.00", most), encoding="utf-8")
    with pytest.raises(BadTable, match=why):
        export(settings, url, path)
    assert not (settings.course / "exported").exists()


def test_what_is_no_worksheet_is_refused(settings, url, tmp_path):
    with pytest.raises(BadTable, match="neither Moodle's worksheet for grading nor Canvas' exported gradebook"):
        export(settings, url, table(tmp_path / "x.csv", [["id", "first_name"], ["4711", "Ada"]]))
    path = worksheet(tmp_path / "s.csv", "en", STUDENTS)
    export(settings, url, path)
    with pytest.raises(BadTable, match="was written by this command"):
        export(settings, url, settings.course / "exported" / NAME / "s.csv")


def test_markup_in_a_comment_is_text(settings, url, tmp_path):
    faults = settings.course / "autograded" / "4712" / NAME / FAULTS
    said = as_data(message("raised", error='<b>TypeError</b> & "more"'))
    faults.write_text(json.dumps({"parts": {"filter_back": {"faults": [said]}}}))
    export(settings, url, worksheet(tmp_path / "s.csv", "en", STUDENTS))
    comment = rows(settings.course / "exported" / NAME / "s.csv")["4712"][9]
    assert '2c −6: &lt;b&gt;TypeError&lt;/b&gt; &amp; "more"<br>' in comment


def test_no_comment_is_a_formula(settings, url, tmp_path, monkeypatch):
    monkeypatch.setattr(command, "comment_on", lambda *given: "=1+1")
    export(settings, url, worksheet(tmp_path / "s.csv", "en", STUDENTS))
    assert rows(settings.course / "exported" / NAME / "s.csv")["4712"][9] == "'=1+1"


ANEW = f"This writes them anew: nbgrader generate_feedback {NAME} --force"
OTHER = "Not in feedback.zip, as the page shows other points or comments than the gradebook by now: "


class TestPages:
    """A page of feedback goes back as long as it shows what the gradebook holds."""

    def test_they_go_back_in_moodles_folders(self, pages):
        assert pages() == (["4711", "4712", "4713"], [])

    def test_none_goes_back_that_is_missing_or_older_than_the_grade(self, pages, settings):
        os.utime(settings.course / "feedback" / "4712" / NAME / f"{NAME}.html", (1, 1))
        (settings.course / "feedback" / "4713" / NAME / f"{NAME}.html").unlink()
        assert pages() == (
            ["4711"],
            [
                "Not in feedback.zip, as the page is older than the grade: 4712",
                "Not in feedback.zip, as there is no page: 4713",
                ANEW,
            ],
        )

    def test_one_as_old_as_the_grade_goes_back_and_none_of_which_the_graded_notebook_is_gone(self, pages, settings):
        graded = [settings.course / "autograded" / number / NAME / f"{NAME}.ipynb" for number in ("4711", "4712")]
        about = graded[0].stat()
        page = settings.course / "feedback" / "4711" / NAME / f"{NAME}.html"
        os.utime(page, ns=(about.st_mtime_ns, about.st_mtime_ns))
        graded[1].unlink()
        assert pages() == (["4711", "4713"], ["Not in feedback.zip, as there is no page: 4712", ANEW])

    def test_of_who_could_not_be_graded_none_is_missed(self, pages, settings, tmp_path):
        folder = f"{STUDENTS['4714']}_4714_assignsubmission_file"
        collect(settings, zipped(tmp_path / "more.zip", {f"{folder}/x.pdf": "x"}))
        assert pages() == (["4711", "4712", "4713"], [])

    def test_none_goes_back_that_does_not_say_which_points_it_shows(self, pages, settings):
        page = settings.course / "feedback" / "4711" / NAME / f"{NAME}.html"
        page.write_text("<html><head></head>" + " " * 20_000 + page.read_text())
        assert read(page) is None
        assert pages() == (["4712", "4713"], ["Not in feedback.zip, as the page is older than the grade: 4711", ANEW])

    @pytest.mark.parametrize(
        ("number", "part", "points"),
        # Another sum; the same for a part that waited; what a comment alone changes.
        [("4712", "unpool", 38), ("4713", "words", 0), ("4711", "words", 7.99)],
    )
    def test_none_goes_back_that_is_older_than_points_by_hand(self, pages, url, number, part, points):
        by_hand(url, number, part, points)
        assert pages() == ([one for one in SHOWN if one != number], [f"{OTHER}{number}", ANEW])

    def test_nor_one_of_another_part_of_the_same_sum(self, pages, url):
        by_hand(url, "4712", "unpool", 36.5)
        by_hand(url, "4712", "words", 1)
        assert pages() == (["4711", "4713"], [f"{OTHER}4712", ANEW])

    def test_nor_one_that_is_older_than_a_comment_or_the_penalty(self, pages, settings, url):
        by_hand(url, "4711", "words", comment="Well said.")
        with Gradebook(url) as book:
            book.find_submission_notebook(NAME, NAME, "4712").late_submission_penalty = 10
            book.db.commit()
        assert pages() == (["4713"], [f"{OTHER}4711, 4712", ANEW])
        page_of(settings, "4711", *SHOWN["4711"], words="Well said.")
        page_of(settings, "4712", SHOWN["4712"][0], 10)
        assert pages() == (["4711", "4712", "4713"], [])

    def test_a_comment_on_a_cell_that_is_not_on_the_page_is_not_missed(self, pages, settings, url):
        """The student has deleted the cell in a later version, and writing the page anew would change nothing."""
        by_hand(url, "4711", "words", comment="Well said.")
        says = as_of(SHOWN["4711"][0], 0, {}).text()
        page = settings.course / "feedback" / "4711" / NAME / f"{NAME}.html"
        page.write_text(f'<meta name="points" content="{escape(says)}"> 4711')
        assert pages() == (["4711", "4712", "4713"], [])

    def test_where_nothing_is_packed_it_is_said_all_the_same(self, settings, url):
        for number, shown in SHOWN.items():
            page_of(settings, number, *shown)
        by_hand(url, "4712", "unpool", 38)
        (settings.course / "feedback" / "4711" / NAME / f"{NAME}.html").unlink()
        lines = export(settings, url, None).lines
        why = "the page shows other points or comments than the gradebook by now"
        assert f"Pages of feedback that no longer hold, as {why}: 4712" in lines and ANEW in lines
        assert not [line for line in lines if "4711" in line]
        page_of(settings, "4712", {**SHOWN["4712"][0], "unpool": 38}, 5)
        assert not [line for line in export(settings, url, None).lines if "anew" in line]


def test_no_page_of_who_is_not_in_the_worksheet_goes_back(settings, url, tmp_path):
    """Such as last year's."""
    folders = [f"{STUDENTS[number]}_{number}_assignsubmission_file" for number in ("4711", "4712")]
    collect(settings, zipped(tmp_path / "all.zip", {f"{folder}/{NAME}.ipynb": "{}" for folder in folders}))
    for number in ("4711", "4712"):
        page_of(settings, number, *SHOWN[number])
    export(settings, url, worksheet(tmp_path / "s.csv", "en", {"4711": STUDENTS["4711"]}), why_not=why_not)
    with zipfile.ZipFile(settings.course / "exported" / NAME / "feedback.zip") as archive:
        assert archive.namelist() == [f"{folders[0]}/{NAME}.html"]


def test_a_later_version_that_is_not_graded_is_named(settings, url, tmp_path):
    unzipped(settings.course / "submitted" / "4711" / NAME, {f"{NAME}.ipynb": "later"})
    unzipped(settings.course / "submitted" / "4712" / NAME, {"x.pdf": "later"})
    report = export(settings, url, worksheet(tmp_path / "s.csv", "en", STUDENTS), why_not=why_not)
    assert "    4711 Ada Lovelace: graded: a later version is not graded yet" in report.text()
    assert "    4712 Jörg Müller: graded: a later version can't be graded: there is no notebook" in report.text()


def test_no_later_version_is_seen_where_none_can_be(settings, url):
    """What was handed in is gone, or the graded notebook is from before it said which version it is of."""
    shutil.rmtree(settings.course / "submitted" / "4711")
    graded = settings.course / "autograded" / "4712" / NAME / f"{NAME}.ipynb"
    graded.write_text(nbformat.writes(new_notebook()))
    assert not [line for line in export(settings, url, None, why_not=why_not).students if "later version" in line]


def test_a_gradebook_without_the_assignment_has_no_grades(settings, url):
    unzipped(settings.course / "submitted" / "4711" / "unknown", {"x.ipynb": "{}"})
    export(replace(settings, name="unknown"), url, None)
    found = all_rows(settings.course / "exported" / "unknown" / "table.csv")[1:]
    assert {row[0]: row[2] for row in found} == dict.fromkeys(GRADES, "not submitted") | {"4711": "not graded yet"}


def test_who_is_not_in_the_worksheet_is_named(settings, url, tmp_path):
    collect(settings, zipped(tmp_path / "all.zip", {"Alan Turing_4799_assignsubmission_file/x.ipynb": ""}))
    export(settings, url, None)
    names = {row[0]: row[1] for row in all_rows(settings.course / "exported" / NAME / "table.csv")}
    assert names["4799"] == "Alan Turing"
    shutil.rmtree(settings.course / "submitted" / "4799")
    report = export(settings, url, worksheet(tmp_path / "s.csv", "en", {"4711": "Ada Lovelace"}))
    assert "In the course, and not in s.csv: 4712, 4713, 4714, 4716" in report.lines
    states = {row[0]: row[2] for row in all_rows(settings.course / "exported" / NAME / "table.csv")}
    assert states["4799"] == "not submitted"


class TestNames:
    """Without a worksheet, those who should have handed in are known from nbgrader's list of students."""

    @pytest.fixture
    def table_of(self, settings, url):
        def exported() -> dict[str, list[str]]:
            export(settings, url, None, why_not=why_not)
            header, *found = all_rows(settings.course / "exported" / NAME / "table.csv")
            assert (header[:3], header[-1]) == (["id", "name", "state"], "why")
            return {row[0]: [*row[1:3], row[-1]] for row in found}

        return exported

    def test_without_any_list_there_are_those_who_handed_in(self, table_of):
        assert {number: row[0] for number, row in table_of().items()} == dict.fromkeys(
            ("4711", "4712", "4713", "4714", "4716"), ""
        )

    def test_students_csv_names_who_could_not_be_graded_and_who_never_handed_in(self, settings, table_of):
        people = [[number, *name.split(" ")] for number, name in STUDENTS.items() if number != "4716"]
        table(settings.course / "students.csv", [["id", "first_name", "last_name"], *people])
        found = table_of()
        assert found["4714"] == ["Kurt Gödel", "not gradable", "there is no notebook"]
        assert found["4715"] == ["Emmy Noether", "not submitted", "nothing was handed in"]
        assert found["4711"][:2] == ["Ada Lovelace", "graded"] and found["4716"][:2] == ["", "graded"]

    def test_so_does_the_gradebooks_table_of_students(self, settings, url, table_of):
        table(settings.course / "students.csv", [["id", "first_name"], ["4714", "K."], ["4799", "Alan"]])
        with Gradebook(url) as book:
            for number in ("4711", "4714", "4715"):
                first, last = STUDENTS[number].split(" ")
                book.update_or_create_student(number, first_name=first, last_name=last)
        found = table_of()
        assert {number: row[0] for number, row in found.items()} == {
            **{number: STUDENTS[number] for number in ("4711", "4714", "4715")},
            **{"4712": "", "4713": "", "4716": "", "4799": "Alan"},
        }
        assert found["4715"][1:] == found["4799"][1:] == ["not submitted", "nothing was handed in"]

    def test_the_worksheet_says_who_is_in_this_course(self, settings, url, tmp_path, table_of):
        """The other students of the gradebook are in another group; but a name that it knows is one."""
        with Gradebook(url) as book:
            book.update_or_create_student("4712", first_name="Jörg", last_name="Müller")
            book.update_or_create_student("4799", first_name="Alan")
        report = export(settings, url, worksheet(tmp_path / "s.csv", "en", {"4711": "Ada Lovelace"}), why_not=why_not)
        header, *found = all_rows(settings.course / "exported" / NAME / "table.csv")
        assert {row[0]: row[1] for row in found} == {
            **{"4711": "Ada Lovelace", "4712": "Jörg Müller"},
            **{"4713": "", "4714": "", "4716": ""},
        }
        assert "In the course, and not in s.csv: 4712, 4713, 4714, 4716" in report.lines

    def test_who_has_only_typed_a_text_is_not_gradable(self, settings, url, tmp_path, table_of):
        text = {"Emmy Noether_4715_assignsubmission_onlinetext_onlinetext.html": "<p>see attached</p>"}
        collect(settings, zipped(tmp_path / "all.zip", text))
        why = "a text was typed on the platform, and there is no file"
        assert table_of()["4715"] == ["Emmy Noether", "not gradable", why]
        report = export(settings, url, worksheet(tmp_path / "s.csv", "en", STUDENTS), why_not=why_not)
        assert rows(settings.course / "exported" / NAME / "s.csv")["4715"][9] == "not gradable"
        assert f"4715 Emmy Noether: not gradable: {why}" in report.students

    def test_a_list_without_a_name_takes_none_away(self, settings, tmp_path, table_of):
        collect(settings, zipped(tmp_path / "all.zip", {"Alan Turing_4799_assignsubmission_file/x.ipynb": ""}))
        table(settings.course / "students.csv", [["id", "first_name"], ["4799", ""], ["4798", " Kurt\n Gödel "]])
        found = table_of()
        assert (found["4799"][0], found["4798"][0]) == ("Alan Turing", "Kurt Gödel")

    def test_a_list_of_another_form_is_no_list(self, settings, table_of):
        table(settings.course / "students.csv", [["name"], ["Ada"]])
        assert set(table_of()) == {"4711", "4712", "4713", "4714", "4716"}


def test_a_fault_of_several_parts_is_said_once():
    not_written, other = message("not_written"), message("filter_back.not_flipped")
    parts = {
        "a": Part(8, 0, None, faults=(not_written,)),
        "b": Part(4, 4, None),
        "c": Part(6, 2.5, None, faults=(other,)),
        "d": Part(3, 0, None, faults=(not_written,)),
        "e": Part(2, 0, None),
        "f": Part(5, 0, 1, faults=(not_written,)),
        # Of numbers that are no binary ones, a sum may be a hair less.
        "g": Part(0.8, None, 0.7, extra=0.1),
    }
    numbers = {name: f"1{name}" for name in parts}
    lines = comment_on(Result("1", "", "graded", parts=parts, penalty=2), numbers, "de").split("\n")
    assert lines == [
        f"1a −8, 1d −3: {sentence(not_written, 'de')}",
        f"1c −3,5: {sentence(other, 'de')}",
        "1e −2",
        "1f −4",
        "verspätet: −2",
    ]


def test_a_part_has_the_number_of_its_heading_or_its_name(settings, url):
    numbers = {"unpool": "2a", "filter_back": "2c", "words": "3e"}
    assert numbers_of(settings) == numbers
    notebook = nbformat.read(settings.source / f"{NAME}.ipynb", as_version=4)
    # What is below a part's heading, or is no heading, gives no number.
    notebook.cells[1:1] = [new_markdown_cell("### 3 hints"), new_code_cell("## 4"), new_markdown_cell("9 lines")]
    nbformat.write(notebook, settings.source / f"{NAME}.ipynb")
    assert numbers_of(settings) == numbers
    (settings.source / f"{NAME}.ipynb").unlink()
    assert numbers_of(settings) == {name: name for name in POINTS}


def test_the_command_says_in_a_sentence_what_is_wrong(tmp_path):
    with pytest.raises(SystemExit, match="can't be read: No such file"):
        main(["inside_lenet5", str(tmp_path / "nothing.csv"), "--db", f"sqlite:///{tmp_path / 'g.db'}"])
    with pytest.raises(SystemExit, match="there is no file .*nothing.toml"):
        main(["nothing"])


@pytest.fixture
def configured(settings, monkeypatch):
    """The course of the command, with a gradebook where nbgrader's configuration says."""

    def at(url: str) -> None:
        monkeypatch.setattr(command, "settings_of", lambda name: settings)
        path = settings.course / "nbgrader_config.py"
        path.write_text(f"c = get_config()\nc.CourseDirectory.db_url = {url!r}\n")

    return at


@pytest.mark.parametrize("place", ["elsewhere/grades.db", "{}/elsewhere/grades.db"])
def test_the_gradebook_is_where_nbgraders_configuration_says(settings, configured, tmp_path, monkeypatch, place):
    (settings.course / "elsewhere").mkdir()
    (settings.course / "gradebook.db").rename(settings.course / "elsewhere" / "grades.db")
    configured(f"sqlite:///{place.format(settings.course)}")
    # Of the paths that the command is given, none is meant from the course.
    monkeypatch.chdir(tmp_path)
    worksheet(tmp_path / "s.csv", "en", STUDENTS)
    main([NAME, "s.csv"])
    assert rows(settings.course / "exported" / NAME / "s.csv")["4711"][4] == "100.00"
    main([NAME, "s.csv", "--db", f"sqlite:///{tmp_path / 'another.db'}"])
    assert rows(settings.course / "exported" / NAME / "s.csv")["4711"][4:10:5] == ["", "not graded yet"]


def test_a_gradebook_of_postgresql_is_read(settings, url, configured, tmp_path):
    found = programs()
    if found is None:
        pytest.skip("PostgreSQL's initdb is not there (Debian: apt-get install postgresql)")
    sheet = worksheet(tmp_path / "s.csv", "en", STUDENTS)
    configured(url)
    main([NAME, str(sheet)])
    wanted = rows(settings.course / "exported" / NAME / "s.csv")
    server = Server.make(found)
    try:
        fill(settings, server.url)
        configured(server.url)
        main([NAME, str(sheet)])
        assert rows(settings.course / "exported" / NAME / "s.csv") == wanted and wanted["4711"][4] == "100.00"
        server.stop()
        with pytest.raises(SystemExit, match="^The gradebook can't be used .*connection"):
            main([NAME, str(sheet)])
        server.start()
    finally:
        server.delete()


@pytest.mark.parametrize("name", ["students.csv", "students of 2027.csv", "collected/x.json", "exported/x/table.csv"])
def test_git_ignores_what_names_students(name):
    assert subprocess.run(["git", "check-ignore", "-q", f"assignment/{name}"], cwd=ROOT).returncode == 0
