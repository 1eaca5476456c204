"""The page of feedback of a submission with many faults: they fit one screen, and nothing runs out of its box."""

import sys

import nbformat
import pytest
from course import LIMITS, NAME
from submissions import EVERYTHING, PARTS, ROOT, SETTINGS, cell_named, fill, mistaken, solution

sys.path.append(str(ROOT / "tests" / "browser"))

from chromium import launched  # noqa: E402

pytestmark = pytest.mark.skipif(PARTS != EVERYTHING, reason="the submission is of all parts")

STUDENT = "ada"
ROWS = [*PARTS, "words"]
# In the words of the table: the student's own line where PyTorch raises, and where nothing can be read.
OWN_LINES = {"rectify": "return nn.Conv2d(7, 7, 3)(signal)", "keep_channel": "def keep_channel(maps, channel:"}
SAID = {
    "unpool": "each value fills its window",
    "rectify": "RuntimeError: ",
    "filter_back": "the filters come out upside down and mirrored",
    "keep_channel": "SyntaxError: ",
    "to_uint8": "it is 0 in map 0",
    "train": "nothing was written here",
}


@pytest.fixture(scope="module")
def course(new_course):
    """One with the feedback on a submission in which seven parts are wrong and one waits."""
    course = new_course()
    code = solution("transposed")
    for name in ("1 not flipped", "4 cast without scaling", "7 upsampled"):
        _, code = mistaken(code, name)
    code |= {part: f"{line}\n" for part, line in OWN_LINES.items()}
    code["rectify"] = f"def rectify(signal):\n    {code['rectify']}"
    del code["train"]
    notebook = fill(course.template(), code)
    cell_named(notebook, "words").source = "1. The last step is a filtering."
    course.hand_in(STUDENT, {f"{NAME}.ipynb": nbformat.writes(notebook)})
    said = course.nbgrader("autograde", NAME, *LIMITS) + course.nbgrader("generate_feedback", NAME)
    assert "ERROR" not in said, said
    return course


@pytest.fixture(scope="module")
def chromium():
    with launched() as browser:
        yield browser


@pytest.fixture
def page(chromium, course):
    page = chromium.new_page(viewport={"width": 1280, "height": 800})
    page.goto((course.folder / "feedback" / STUDENT / NAME / f"{NAME}.html").as_uri())
    yield page
    page.close()


def test_total_and_table_fit_one_screen(page):
    assert page.locator(".total").bounding_box()["y"] >= 0
    table = page.locator(".overview").bounding_box()
    assert table["y"] + table["height"] <= 800 and page.locator(".overview tbody tr").count() == len(ROWS)


# What is wider than what it stands in, at the width of a window, twice as large, and on a telephone.
TOO_WIDE = """() => [document.documentElement, ...document.querySelectorAll('body *')]
    .filter(one => one.clientWidth && one.scrollWidth > one.clientWidth + 1)
    .map(one => one.outerHTML.slice(0, 200))"""


@pytest.mark.parametrize("width", [1280, 640, 390])
def test_nothing_is_wider_than_its_box(page, width):
    page.set_viewport_size({"width": width, "height": 800})
    for details in page.locator("summary").all():
        details.click()
    assert page.evaluate(TOO_WIDE) == []


def test_the_rows_say_what_the_gradebook_does(page, course):
    points = course.points(STUDENT)
    rows = {part: page.locator(f"#row-{part} .points").inner_text() for part in ROWS}
    said = {part: f"{earned:g} of {most:g}" for part, (earned, most) in points.items()}
    assert rows == said | {"words": f"– of {SETTINGS.points['words']:g}"}
    earned = sum(earned for earned, _ in points.values())
    assert page.locator(".total").inner_text() == f"{earned:g} of {sum(SETTINGS.points.values()):g} points"
    assert 0 < earned < 90


def test_the_table_names_what_was_found_first(page):
    for part, words in SAID.items():
        assert words in page.locator(f"#row-{part} .found").inner_text(), part
    for part, line in OWN_LINES.items():
        assert line in page.locator(f"#row-{part} .found").inner_text()
    assert page.locator("#row-build_cnn .found").inner_text() == "✓"
    assert page.locator("#row-words .found").inner_text() == "waits for a person"


def test_each_link_leads_somewhere_and_has_a_name_of_its_own(page):
    links = page.locator("a[href^='#']").all()
    assert len(links) == 2 * len(ROWS)
    for link in links:
        assert page.locator(f"[id='{link.get_attribute('href')[1:]}']").count() == 1
    names = [link.get_attribute("aria-label") or link.inner_text() for link in links]
    assert len(set(names)) == len(names) and "2a · Unpool" in names


def test_the_students_cells_are_in_view_and_the_task_is_folded(page):
    assert "return nn.Conv2d(7, 7, 3)(signal)" in page.locator("#cell-rectify_solution").inner_text()
    assert page.get_by_text("The last step is a filtering.").is_visible()
    (task,) = [one for one in page.get_by_text("Flatten the two last dimensions").all()]
    assert not task.is_visible()
    page.get_by_text("The task: 2a · Unpool").click()
    assert task.is_visible()
    assert page.locator("script, [onclick]").count() == 0


def test_nbgraders_own_english_is_left_out(course):
    assert "No response." not in course.feedback(STUDENT)


def test_a_course_in_german_has_the_table_in_german(page, course):
    settings = course.folder / "courses" / f"{NAME}.toml"
    english = settings.read_text()
    settings.write_text(english.replace('language = "en"', 'language = "de"'))
    course.nbgrader("generate_feedback", NAME, "--force")
    page.reload()
    settings.write_text(english)
    course.nbgrader("generate_feedback", NAME, "--force")
    assert page.locator("html").get_attribute("lang") == "de"
    rows = page.locator("#row-filter_back .found").inner_text()
    assert "die Filter stehen auf dem Kopf" in rows and "Gefragt: die Filter sind" in rows
    assert page.locator("#row-words .found").inner_text() == "wird noch von Hand bewertet"
    assert page.locator("#row-train .found").inner_text() == "hier wurde nichts geschrieben"
