"""The report for the lecturer: what it counts, that it does nothing, and how it looks in Chromium."""

import json
import re
import shutil
import sys
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

import pytest
from grading.class_faults import faults_of_class
from grading.class_points import points_of_class
from grading.names import FORMULA
from grading.outcomes import Outcome
from grading.report import lasted, write
from nbgrader.api import Base, Gradebook, MissingEntry
from payloads import START, payloads
from sqlalchemy import create_engine
from submissions import NAME, ROOT, SOURCE

from helpers.messages import as_data, message

sys.path.append(str(ROOT / "tests" / "browser"))

from chromium import launched  # noqa: E402

# nbgrader's own business with its database: nbgrader_config.py keeps it from lecturers, too.
pytestmark = pytest.mark.filterwarnings("ignore:Object of type <")

POINTS = {"rectify": 2.0, "filter_back": 13.0, "mistakes": 8.0}
SETTINGS = """
title = "What does a <b>feature map</b> see?"
digits = [0, 1]
language = "{}"
[points]
rectify = 2
filter_back = 13
mistakes = 8
"""
NOT_FLIPPED = message("filter_back.not_flipped")
TOO_LARGE = message("filter_back.wrong_size", found="32×32", wanted="28×28")
TOO_SMALL = message("filter_back.wrong_size", found="24×24", wanted="28×28")
EVERY_HARM = payloads("https://example.org", 1)
# A student's name is a folder's.
LIKE_AN_ADDRESS = "C# at 100%? yes"
HARMFUL = [payload for payload in EVERY_HARM if "/" not in payload]
ALONE, BY_THREE = "ada@example.org", "zoe@example.org"
ADDRESS = "<img src=x onerror=top.ran.push(7)>@example.org"

# Who: the machine's points, a person's, the penalty for being late, faults in filter_back, the address.
CLASS = {
    "ada": ({"rectify": 2, "filter_back": 13, "mistakes": None}, {"mistakes": 7.5}, 0, [], ALONE),
    "bob": ({"rectify": 0, "filter_back": 3, "mistakes": None}, {}, 5, [NOT_FLIPPED, TOO_LARGE], ADDRESS),
    "eve": (
        {"rectify": 2, "filter_back": 7, "mistakes": 0},
        {"filter_back": 12},
        0,
        [TOO_LARGE, TOO_LARGE, TOO_SMALL],
        "",
    ),
    "zoe": ({"rectify": 2, "filter_back": 0, "mistakes": 0}, {}, 40, [NOT_FLIPPED, TOO_SMALL], ADDRESS),
    **{
        name: ({"rectify": 1, "filter_back": 0, "mistakes": 0}, {}, 0, [message("raised", error=name)], "")
        for name in HARMFUL
    },
    "javascript:top.ran.push(8)": ({"rectify": 1, "filter_back": 0, "mistakes": 0}, {}, 0, [NOT_FLIPPED], BY_THREE),
    LIKE_AN_ADDRESS: ({"rectify": 1, "filter_back": 0, "mistakes": 0}, {}, 0, [], BY_THREE),
    "may": ({"rectify": 2, "filter_back": 0, "mistakes": 0}, {}, 0, [message("not_written")], BY_THREE),
}
# Who has written nothing for which parts. For one of these, eve's points are a person's.
UNANSWERED = {"may": ["filter_back", "mistakes"], "eve": ["filter_back"]}
ANSWERED = len(CLASS) - 1
OUTCOMES = [
    Outcome("ada", "graded", "", 20.4, 1),
    Outcome("bob", "graded", "", 3671, 2),
    Outcome("zoe", "as before", "", 0, 0),
    Outcome("dan", "not gradable", "there is no notebook of this assignment;\n`a.ipynb` is another", 0.5, 1),
    Outcome("kim", "lost", "the worker died <script>top.ran.push(9)</script>", 900, 3),
    *(Outcome(name, "not gradable", " ".join(EVERY_HARM), 1, 1) for name in HARMFUL),
]


def put(course, student, data):
    folder = course / "autograded" / student / NAME
    folder.mkdir(parents=True)
    (folder / "faults.json").write_text(data if isinstance(data, str) else json.dumps(data), encoding="utf-8")


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A course at a path with a space, and in it a gradebook, what the judge found, and some pages of feedback."""
    course = tmp_path_factory.mktemp("a course")
    for folder in ("courses", "template", f"source/{NAME}"):
        (course / folder).mkdir(parents=True)
    (course / "courses" / f"{NAME}.toml").write_text(SETTINGS.format("en"), encoding="utf-8")
    shutil.copy(ROOT / "assignment" / "template" / "notebook.ipynb", course / "template")
    shutil.copy(SOURCE / f"{NAME}.ipynb", course / "source" / NAME)
    database = f"sqlite:///{course / 'gradebook.db'}"
    # Where the tables are there already, nbgrader does not start alembic, which takes seconds.
    engine = create_engine(database)
    Base.metadata.create_all(engine)
    engine.dispose()
    with Gradebook(database) as gradebook:
        gradebook.add_assignment(NAME)
        gradebook.add_notebook(NAME, NAME)
        for part, most in POINTS.items():
            kind = "markdown" if part == "mistakes" else "code"
            gradebook.add_grade_cell(part, NAME, NAME, max_score=most, cell_type=kind)
        gradebook.add_student("ada", first_name="Ada", last_name="Lovelace")
        gradebook.add_student("max")
        for student, (machine, hand, late, faults, address) in CLASS.items():
            gradebook.update_or_create_student(student)
            (notebook,) = gradebook.add_submission(NAME, student).notebooks
            notebook.late_submission_penalty = late
            for grade in notebook.grades:
                grade.auto_score, grade.manual_score = machine[grade.name], hand.get(grade.name)
            part = {"points": 13, "earned": machine["filter_back"], "faults": [as_data(fault) for fault in faults]}
            data = {"parts": {"filter_back": part}, "address": address, "unanswered": UNANSWERED.get(student, [])}
            put(course, student, data)
        gradebook.db.commit()
    put(course, "broken", "{")
    (course / "submitted" / "amy" / NAME).mkdir(parents=True)
    for student in ("ada", LIKE_AN_ADDRESS, "javascript:top.ran.push(8)", *HARMFUL):
        (course / "feedback" / student / NAME).mkdir(parents=True)
        (course / "feedback" / student / NAME / f"{NAME}.html").write_text("feedback")
    return course


@pytest.fixture(scope="module")
def report(course):
    return write(course, NAME, OUTCOMES, 4000, stopped=["eve"])


class Shown(HTMLParser):
    """The tags of a page with their attributes, and its text."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text = " ".join([*self.text.split(), *data.split()])


@pytest.fixture(scope="module")
def page(report):
    return Shown(report.read_text(encoding="utf-8"))


def test_no_student_can_have_its_name(report, course):
    assert report.parent == course / "feedback" and report.name == f"+report_{NAME}.html"
    assert report.name.startswith(FORMULA)


def test_a_persons_points_count_and_those_that_nobody_gave_do_not(course):
    known = points_of_class(f"sqlite:///{course / 'gradebook.db'}", NAME)
    assert known.most == POINTS and known.students.keys() == CLASS.keys()
    ada, bob, eve, zoe = (known.students[name] for name in ("ada", "bob", "eve", "zoe"))
    assert ada.parts == {"rectify": 2, "filter_back": 13, "mistakes": 7.5} and ada.name == "Lovelace, Ada"
    assert bob.parts == {"rectify": 0, "filter_back": 3, "mistakes": None}
    assert (ada.points, bob.points, eve.points, zoe.points) == (22.5, 0, 14, 0)
    assert [one.by_hand for one in (ada, bob, eve)] == [1, 0, 1]
    with pytest.raises(MissingEntry):
        points_of_class(f"sqlite:///{course / 'gradebook.db'}", "another")


def test_a_submission_counts_once_for_a_fault(course):
    common = faults_of_class((course / "autograded").glob(f"*/{NAME}"))
    assert [(one.said, one.found, one.so, one.judged) for one in common] == [
        (message("raised", error=min(HARMFUL)), len(HARMFUL), 1, ANSWERED),
        (NOT_FLIPPED, 3, 3, ANSWERED),
        (TOO_LARGE, 3, 2, ANSWERED),
    ]


def test_it_says_how_many_were_graded_and_who_was_not_and_why(page):
    others = len(CLASS) - 3 - len(HARMFUL) + 1
    assert f"2 graded in this run 1 graded before, unchanged since {1 + len(HARMFUL)} not gradable" in page.text
    assert f"1 given up after several tries {others} not in this run" in page.text
    assert "dan there is no notebook of this assignment; a.ipynb is another" in page.text
    assert "kim the worker died <script>top.ran.push(9)</script> (3 tries)" in page.text


def test_it_shows_points_by_part_as_bars_and_as_a_table(page):
    everybody, rest = len(CLASS), len(CLASS) - 5
    assert "where a person has given some, these count. 2 grades were given by hand." in page.text
    assert f"2c · Filter: all points 1, some 2, none {rest + 1}, nothing written 1, waiting for a person 0" in page.text
    filter_back, mistakes = (13 + 3 + 12) / everybody, 7.5 / (everybody - 1)
    assert f"2c · Filter {filter_back:.1f} of 13 1 2 {rest + 1} 1 0" in page.text
    assert re.search(rf"3e · .+? {mistakes:.1f} of 8 0 1 {rest + 2} 1 1", page.text)
    bars = [given for tag, given in page.tags if tag == "rect" and "x" in given]
    widths = [float(given["width"].removesuffix("%")) for given in bars]
    assert sum(widths) == pytest.approx(100 * len(POINTS), abs=0.1) and {given["class"] for given in bars} == {
        *("all", "some", "none", "unanswered", "waits")
    }


def test_it_names_faults_in_words_and_who_typed_the_same_address(page):
    said = "2c · Filter the filters come out upside down and mirrored (not flipped, or flipped twice)"
    assert f"{said} filter_back.not_flipped 3 of {ANSWERED}" in page.text
    said = "it is 32×32, the input 28×28 filter_back.wrong_size ; 2 of them with these values"
    assert f"{said} 3 of {ANSWERED}" in page.text and "Only submissions in which something was written" in page.text
    assert f"{ADDRESS} bob · zoe" in page.text and ALONE not in page.text
    assert page.text.index(BY_THREE) < page.text.index(ADDRESS)


def test_it_says_how_long_it_took(page):
    assert "The run took 1 h 6 min. A submission took 30 min 46 s on average, the longest 1 h 1 min: bob ." in page.text
    assert "bob . 2 submissions were tried more than once." in page.text
    assert "as the grading has learned how long the right ones take: eve" in page.text
    assert [lasted(seconds) for seconds in (0.4, 59.6, 61, 3599.7, 7260)] == [
        "0 s",
        "1 min 0 s",
        "1 min 1 s",
        "1 h 0 min",
        "2 h 1 min",
    ]


def test_its_links_lead_to_the_feedback_that_is_there(page, report, course):
    links = [given["href"] for tag, given in page.tags if tag == "a"]
    paths = [report.parent / unquote(urlsplit(link).path) for link in links]
    assert all(link.startswith("./") for link in links) and all(path.exists() for path in paths)
    assert len(set(links)) == len(list((course / "feedback").glob("*/*/*.html")))


def test_what_others_wrote_is_text_and_nothing_can_run_or_load(page, report):
    used = {tag for tag, _ in page.tags}
    assert not used & {"script", "img", "iframe", "base", "link", "form", "object", "embed", "video", "audio"}
    names = {name for _, given in page.tags for name in given}
    assert not [name for name in names if name.startswith("on") or name in ("src", "srcset", "action", "background")]
    (policy,) = [given["content"] for _, given in page.tags if given.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith("default-src 'none';") and "script" not in policy
    assert "What does a <b>feature map</b> see?" in page.text and "<b>feature" not in report.read_text("utf-8")
    assert len(HARMFUL) > 4 and all(" ".join(harm.split()) in page.text for harm in EVERY_HARM if "`" not in harm)


def test_a_report_is_in_the_language_of_the_course(course, tmp_path):
    shutil.copytree(course, tmp_path / "of mine")
    settings = tmp_path / "of mine" / "courses" / f"{NAME}.toml"
    settings.write_text(SETTINGS.format("de"), encoding="utf-8")
    for folder in ("source", "autograded", "feedback"):
        shutil.rmtree(tmp_path / "of mine" / folder)
    path = write(tmp_path / "of mine", NAME, [], 61, f"sqlite:///{course / 'gradebook.db'}")
    page = Shown(path.read_text(encoding="utf-8"))
    assert ("html", {"lang": "de"}) in page.tags
    mean = f"{(13 + 3 + 12) / len(CLASS):.1f}".replace(".", ",")
    assert f"filter_back {mean} von 13" in page.text and "Es wurde kein Fehler gefunden." in page.text
    assert "Alle Abgaben dieses Laufs konnten bewertet werden." in page.text


# What is wider than what it stands in.
TOO_WIDE = """() => [document.documentElement, ...document.querySelectorAll('body *')]
    .filter(one => one.clientWidth && one.scrollWidth > one.clientWidth + 1)
    .map(one => one.outerHTML.slice(0, 200))"""
BY_PLACE = """() => [...document.querySelectorAll('.students li')]
    .sort((one, other) => one.getBoundingClientRect().top - other.getBoundingClientRect().top)
    .map(one => one.querySelector('.who').innerText)"""


def test_in_chromium_it_sorts_fits_and_does_nothing(report, page):
    with launched() as browser:
        context = browser.new_context()
        context.add_init_script(START)
        shown, asked, complaints = context.new_page(), [], []
        context.on("request", lambda request: asked.append(request.url))
        shown.on("console", lambda said: complaints.append(said.text))
        shown.on("pageerror", lambda error: complaints.append(str(error)))
        shown.goto(report.as_uri())
        names = shown.evaluate(BY_PLACE)
        assert names == sorted(names, key=str.casefold) and "Lovelace, Ada ada" in names
        shown.get_by_label("by points").check()
        order = shown.evaluate(BY_PLACE)
        assert order[-2:] == ["eve", "Lovelace, Ada ada"] and set(order[:3]) == {"amy", "dan", "kim"}
        shown.get_by_label("by time").check()
        assert shown.evaluate(BY_PLACE)[:3] == ["bob", "kim", "Lovelace, Ada ada"]
        for width in (1280, 640, 390):
            shown.set_viewport_size({"width": width, "height": 800})
            assert shown.evaluate(TOO_WIDE) == []
        stripes = shown.locator("rect.waits").first
        assert "stripes" in stripes.evaluate("one => getComputedStyle(one).fill")
        assert shown.evaluate("window.ran") == []
        assert (asked, complaints) == ([report.as_uri()], [])
