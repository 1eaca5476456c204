"""What somebody handed in is shown on both pages, and does nothing there: tried in Chromium, with all that is known."""

import base64
import json
import re
import sys
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from urllib.parse import quote

import nbformat
import pytest
from course import NAME
from grading.restore import FAULTS
from nbconvert.filters.markdown_mistune import MarkdownWithMath
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output, new_raw_cell
from nbgrader.api import Gradebook
from payloads import COUNT, PAYLOADS, START, payloads
from submissions import PARTS, ROOT, SETTINGS, cell_named

from helpers.messages import as_data, message

sys.path.append(str(ROOT / "tests" / "browser"))

from chromium import launched  # noqa: E402
from lab import PATIENCE, served, wait_for  # noqa: E402

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="40" height="20"><rect width="40" height="20" fill="red"/></svg>'

# Does by hand what a reader might: the mouse over everything, a click on it, the keys on it.
TOUCH = """which => {
    for (const element of document.querySelectorAll(which)) {
        for (const kind of ['mouseover', 'mouseenter', 'focus', 'click'])
            element.dispatchEvent(new MouseEvent(kind, {bubbles: true, cancelable: true}));
        if (element.focus) element.focus();
    }
}"""


@pytest.fixture(scope="module")
def chromium():
    with launched() as browser:
        yield browser


@dataclass
class Listener:
    """A server beside the pages, which writes down what it is asked for."""

    address: str
    asked: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def listener():
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            there.asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_POST = do_GET

        def log_message(self, *given):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    there = Listener(f"http://127.0.0.1:{server.server_port}")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield there
    server.shutdown()
    server.server_close()


def display(data, **metadata):
    return new_output("display_data", data=data, metadata=metadata)


# Where in a notebook each payload is put: a function that makes a cell of it.
PLACES = {
    "text": new_markdown_cell,
    "text in a paragraph": lambda it: new_markdown_cell(f"Some words {it} and more of them, *and so on*"),
    "text in a table": lambda it: new_markdown_cell(f"| a | b |\n| - | - |\n| {it} | c |"),
    "raw text": lambda it: new_raw_cell(it, metadata={"raw_mimetype": "text/html"}),
    "code": new_code_cell,
    "fenced code": lambda it: new_markdown_cell(f"```{it}\n{it}\n```"),
    "formula": lambda it: new_markdown_cell(f"$$\\text{{{it}}}$$ and $\\href{{javascript:{it}}}{{x}}$"),
    **{
        form: lambda it, form=form: new_code_cell(outputs=[display({form: it})])
        for form in ("text/html", "image/svg+xml", "text/latex", "text/markdown", "text/plain", "image/png")
        + ("application/javascript", "application/vnd.jupyter.widget-view+json", "application/pdf", "text/vnd.mermaid")
    },
    "isolated HTML": lambda it: new_code_cell(
        outputs=[display({"text/html": it}, **{"text/html": {"isolated": True}})]
    ),
    "a type": lambda it: new_code_cell(outputs=[display({it: it})]),
    "data of an output": lambda it: new_code_cell(
        outputs=[display({"image/png": PIXEL}, **{"image/png": {"alt": it, "width": it, "height": it}})]
    ),
    "stream": lambda it: new_code_cell(outputs=[new_output("stream", text=f"\x1b[31m{it}\x1b[38;2;1;2;3m{it}\x1b[0m")]),
    "error": lambda it: new_code_cell(
        outputs=[new_output("error", ename=it, evalue=it, traceback=[f"\x1b[31m{it}\x1b[0m: {it}", it])]
    ),
    "name of an error": lambda it: new_code_cell(outputs=[new_output("error", ename=it, evalue=it, traceback=[])]),
    "metadata": lambda it: (
        new_code_cell("1") | {"metadata": {"tags": [it.replace(",", "")], "name": it, "alt": it, it: it}}
    ),
    "name of an attachment": lambda it: new_markdown_cell(f"![{it}](attachment:{it})", attachments={it: {it: PIXEL}}),
    "type of an attachment": lambda it: new_markdown_cell(
        "![x](attachment:a.png)", attachments={"a.png": {f"image/png{it}": PIXEL}}
    ),
    "attachment": lambda it: new_markdown_cell("![x](attachment:a)", attachments={"a": {"image/svg+xml": it}}),
    "name of a picture": lambda it: new_markdown_cell(f"![{it}]({quote(it)}.png) ![x](<{it}.png>)"),
}


def attacked(address: str) -> list:
    """A cell for each payload in each place."""
    return [
        make(payload) for place, make in enumerate(PLACES.values(), start=1) for payload in payloads(address, place)
    ]


# What has to stay visible, and how to find it.
USEFUL = [
    new_markdown_cell(
        "## Formulas\n\nHere is $\\frac{1}{2}$, **bold**, `code`, a [link](https://example.org/paper) and\n\n$$x^2$$"
    ),
    new_markdown_cell("![attached](attachment:a.png)", attachments={"a.png": {"image/png": PIXEL}}),
    new_markdown_cell("![beside](beside.png)"),
    new_markdown_cell("| name | value |\n| --- | --- |\n| a | 17 |"),
    new_code_cell(
        "def f(x):\n    return x  # a comment",
        execution_count=3,
        outputs=[
            new_output("stream", text="plain and \x1b[31mred\x1b[0m"),
            display(
                {
                    "text/html": '<div><style scoped>td {color: red}</style><table border="1" class="dataframe"><thead>'
                    '<tr style="text-align: right;"><th></th><th>loss</th></tr></thead><tbody><tr><th>0</th><td>0.25'
                    "</td></tr></tbody></table></div>",
                    "text/plain": "the same",
                }
            ),
            display({"image/png": PIXEL, "text/plain": "<Figure>"}, **{"image/png": {"alt": "one pixel"}}),
            display({"image/svg+xml": SVG}),
            display({"text/latex": "$\\displaystyle \\sqrt{7}$"}),
            display({"text/html": "<script>1</script>", "text/plain": "Figure(640x480)"}),
            display({"application/javascript": "1"}),
            new_output(
                "error",
                ename="ValueError",
                evalue="no coffee",
                traceback=["\x1b[31mValueError\x1b[39m: no coffee"],
            ),
        ],
    ),
]


@dataclass
class Shown:
    """A course with graded submissions, its feedback, and its formgrader in a JupyterLab."""

    course: object
    lab: str
    ids: dict[str, str]
    said: str

    def feedback(self, student: str) -> str:
        return (self.course.folder / "feedback" / student / NAME / f"{NAME}.html").as_uri()

    def submission(self, student: str) -> str:
        return f"{self.lab}formgrader/submissions/{self.ids[student]}/"


def rows(address: str) -> dict[str, tuple[str, ...]]:
    """For each part of which something is left to say, what is said of it in the table: three payloads."""
    parts = [part for part in PARTS if SETTINGS.points[part] > 3]
    # What is longer is cut.
    kept = [payload for payload in payloads(address, 91) if len(payload) <= 70]
    return {part: tuple(kept[place :: len(parts)][:3]) for place, part in enumerate(parts)}


# A name is a folder's, so that it holds no slash.
NAMES = [
    "useful",
    "attacks",
    "<img src=x onerror=top.ran.push(1)>",
    '"><svg onload=top.ran.push(2)>',
    "';top.ran.push(3);'",
]


# nbgrader's own business with its database: nbgrader_config.py keeps it from lecturers, too.
pytestmark = pytest.mark.filterwarnings("ignore:Object of type <")


@pytest.fixture(scope="module")
def shown(new_course, listener, tmp_path_factory):
    course = new_course()
    notes = [f"error in the cell `{it}`: {it}" for it in payloads(listener.address, 0)]
    cells = {"useful": USEFUL, "attacks": attacked(listener.address)}
    ids = {}
    with Gradebook(f"sqlite:///{course.folder / 'gradebook.db'}", "inside_lenet5") as gradebook:
        for student in NAMES:
            gradebook.update_or_create_student(student, first_name=f"{student}-", last_name=student)
            submission = gradebook.update_or_create_submission(NAME, student)
            (notebook,) = submission.notebooks
            ids[student] = notebook.id
            for grade in notebook.grades:
                grade.auto_score = 3 if grade.cell.cell_type == "code" else None
                grade.needs_manual_grade = grade.cell.cell_type != "code"
            comment = gradebook.find_comment("unpool_solution", NAME, NAME, student)
            comment.manual_comment = "Well *done*: $x^2$ " + (" ".join(payloads(listener.address, 90)))
            gradebook.db.commit()
            nb = course.template()
            nb.metadata |= {"judged": True, "title": notes[0], "language_info": {"name": notes[0]}}
            nb.cells += [nbformat.from_dict(cell) for cell in cells.get(student, USEFUL)]
            outputs = [new_output("stream", text="\n".join(["3 of 10 points", *notes]))]
            cell_named(nb, "unpool").outputs = outputs
            found = {"parts": {part: {} for part in PARTS}, "troubles": {}}
            for part, (one, other, wanted) in rows(listener.address).items():
                first = {"found": [as_data(message("raised", error=other))]}
                first["wanted"] = as_data(message("raised", error=wanted))
                found["parts"][part] = {"first": first}
                found["troubles"][part] = [as_data(message("raised_at", error=one, line=one))]
            said = ["**Record of the grading**", "", *(f"- {note}" for note in notes)]
            nb.cells.insert(0, new_markdown_cell("\n".join(said), metadata={"record": notes}))
            folder = course.folder / "autograded" / student / NAME
            folder.mkdir(parents=True)
            nbformat.write(nb, folder / f"{NAME}.ipynb")
            (folder / FAULTS).write_text(json.dumps(found), encoding="utf-8")
            (folder / "beside.png").write_bytes(base64.b64decode(PIXEL))
            (folder / "page.html").write_text("<script>1</script>")
    said = course.nbgrader("generate_feedback", NAME)
    assert "ERROR" not in said, said
    with served(course.folder, tmp_path_factory.mktemp("lab")) as lab:
        yield Shown(course, lab, ids, said)


@dataclass
class Watched:
    """A page, and what it asked for and complained of."""

    page: object
    asked: list[str]
    complaints: list[str]


@pytest.fixture
def watched(chromium):
    context = chromium.new_context(viewport={"width": 1200, "height": 1500})
    context.set_default_timeout(1000 * PATIENCE)
    context.add_init_script(START)
    page = context.new_page()
    it = Watched(page, [], [])
    context.on("request", lambda request: it.asked.append(request.url))
    page.on("console", lambda said: it.complaints.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: it.complaints.append(str(error)))
    yield it
    context.close()


# What stands on either page and comes from what was handed in.
OF_A_SUBMISSION = ".shown *, .record *, .overview td *, .verdict *"


def until(page, condition: str) -> None:
    """Wait until it holds. Playwright's own way is a script in the page, which the policy forbids."""
    wait_for(lambda: page.evaluate(condition), condition)


def touch(page) -> None:
    """Use all that the page shows of a submission."""
    page.evaluate(TOUCH, f"{OF_A_SUBMISSION}, summary")
    page.wait_for_timeout(500)


def test_each_payload_does_harm_where_nothing_holds_it(chromium, listener):
    """Each in a frame of its own, as Markdown with formulas comes out of the libraries."""
    from grading.pages.room import Room
    from grading.pages.words import _Renderer

    page = chromium.new_page()
    page.add_init_script(START)
    written = payloads(listener.address, 99)
    listener.asked.clear()
    page.goto(f"{listener.address}/start")
    page.set_content("<p>")
    for payload in written:
        html = MarkdownWithMath(renderer=_Renderer(Room(), None, None)).render(payload)
        page.evaluate(
            """html => {
                const frame = document.createElement('iframe');
                frame.srcdoc = html;
                document.body.append(frame);
            }""",
            html,
        )
    page.wait_for_timeout(2000)
    for frame in page.frames[1:]:
        if frame.parent_frame == page.main_frame:
            frame.evaluate(TOUCH, "*")
    page.wait_for_timeout(2000)
    ran = page.evaluate("window.ran")
    numbers = set(ran) | {int(number) for path in listener.asked for number in re.findall(r"^/(99\d{3})\b", path)}
    idle = [payload for k, payload in enumerate(written) if 99_000 + k not in numbers]
    page.close()
    assert idle == []


def test_there_are_sixty_payloads_of_twelve_classes():
    assert COUNT >= 60 and len(PAYLOADS) >= 12


def test_on_the_feedback_nothing_runs_and_nothing_is_asked_for(shown, listener, watched):
    listener.asked.clear()
    watched.page.goto(shown.feedback("attacks"))
    assert watched.page.locator(".cell").count() > COUNT * len(PLACES)
    touch(watched.page)
    assert watched.page.evaluate("window.ran") == []
    assert (watched.asked, listener.asked) == ([shown.feedback("attacks")], [])


def test_on_the_page_of_a_submission_nothing_of_it_runs_and_nothing_is_asked_for(shown, listener, watched):
    listener.asked.clear()
    watched.page.goto(shown.submission("attacks"))
    assert watched.page.locator(".cell").count() > COUNT * len(PLACES)
    until(watched.page, "formgrader.grades?.loaded")
    before = len(watched.asked)
    touch(watched.page)
    assert watched.page.evaluate("window.ran") == []
    assert listener.asked == [] and watched.asked[before:] == []
    assert {url for url in watched.asked if not url.startswith((f"{shown.lab}formgrader/", "data:"))} == set()


ATTRIBUTES = "all => [...new Set(all.flatMap(one => one.getAttributeNames()))]"


@pytest.mark.parametrize("page", ["feedback", "submission"])
def test_what_is_shown_has_no_tag_or_attribute_that_could_do_anything(shown, watched, page):
    watched.page.goto(getattr(shown, page)("attacks"))
    attributes = set(watched.page.eval_on_selector_all(OF_A_SUBMISSION, ATTRIBUTES))
    assert attributes <= {
        *("class", "style", "href", "src", "alt", "title", "width", "height", "target", "rel", "start"),
        *("display", "mathvariant", "stretchy", "columnalign"),
        "tabindex",  # nbgrader's script sets it on links
    }
    links = watched.page.eval_on_selector_all(".shown a[href]", "all => all.map(a => a.getAttribute('href'))")
    assert [link for link in links if not link.startswith(("https://", "http://", "mailto:"))] == []
    pictures = watched.page.eval_on_selector_all(".shown img[src]", "all => all.map(a => a.getAttribute('src'))")
    assert [source for source in pictures if not source.startswith("data:image/")] == []


@pytest.mark.parametrize("page", ["feedback", "submission"])
def test_what_is_of_use_is_still_there(shown, watched, page):
    """Formulas, pictures, tables, code and its colours, colours of a terminal, and what stands in for a script."""
    there = watched.page
    there.goto(getattr(shown, page)("useful"))
    assert there.locator("math mfrac").count() == 1 and there.locator("math msqrt").count() == 1
    assert there.locator(".shown img").evaluate_all("all => all.map(a => a.naturalWidth)")[-4:] == [1, 1, 1, 40]
    assert there.get_by_alt_text("one pixel").is_visible()
    assert there.locator(".dataframe td").inner_text() == "0.25"
    assert {"a", "17"} <= set(there.locator(".shown table td").all_inner_texts())
    colour = "one => getComputedStyle(one).color"
    black = there.locator("pre", has_text="plain and").evaluate(colour)
    for red in (there.get_by_text("red", exact=True), there.locator(".outputs .ansi-red-fg", has_text="ValueError")):
        assert red.evaluate(colour) not in (black, "")
    assert there.locator(".highlight .k", has_text="def").last.evaluate(colour) != black
    assert there.get_by_text("Figure(640x480)").is_visible()
    assert there.get_by_text("An output of application/javascript is not shown here.").is_visible()
    assert there.get_by_role("link", name="link", exact=True).get_attribute("href") == "https://example.org/paper"
    assert watched.complaints == []


@pytest.mark.parametrize("page", ["feedback", "submission"])
def test_names_messages_and_the_lines_of_the_judge_are_text(shown, watched, listener, page):
    watched.page.goto(getattr(shown, page)("attacks"))
    record = watched.page.locator(".record li").all_inner_texts()
    assert [note.replace("\xa0", " ") for note in record] == [
        f"error in the cell {it}: {it}" for it in payloads(listener.address, 0)
    ]
    words = ".verdict" if page == "feedback" else ".outputs pre:has-text('3 of 10 points')"
    judged = watched.page.locator(words).first.inner_text().replace("\xa0", " ")
    assert all(it in judged for it in payloads(listener.address, 0))


def test_what_stands_in_the_table_is_text(shown, watched, listener):
    watched.page.goto(shown.feedback("attacks"))
    for part, said in rows(listener.address).items():
        row = watched.page.locator(f"#row-{part} .found").inner_text()
        assert len(said) == 3 and [it for it in said if it not in row] == [], part


def test_the_number_that_nbgrader_reads_is_shown_below_no_test():
    from grading.pages.cells import cells_of

    outputs = [new_output("stream", text="3 of 10 points"), new_output("execute_result", data={"text/plain": "3"})]
    data = {"nbgrader": {"grade_id": "unpool", "grade": True, "solution": False}}
    test, own = cells_of(
        new_notebook(cells=[new_code_cell("", metadata=data, outputs=outputs), new_code_cell("", outputs=outputs)]),
        None,
    )
    assert test.outputs == ["<pre>3 of 10 points</pre>"] and own.outputs[1:] == ["<pre>3</pre>"]


def test_the_feedback_has_no_script_and_a_policy_that_allows_none(shown):
    html = shown.course.feedback("attacks")
    assert "<script" not in html and "default-src 'none'" in html.replace("&#39;", "'")


def test_the_feedback_says_what_was_earned_and_the_comment(shown, watched):
    watched.page.goto(shown.feedback("useful"))
    assert watched.page.locator(".total").inner_text() == "39 of 100 points"
    assert watched.page.locator(".waiting").inner_text() == "A person has yet to grade 8 of them."
    assert watched.page.locator("#row-words td").all_inner_texts() == ["– of 8", "waits for a person"]
    watched.page.get_by_role("link", name="2a · Unpool", exact=True).click()
    header = watched.page.locator("#part-unpool header")
    assert header.locator("h2").inner_text() == "2a · Unpool" and "3 of 10 points" in header.inner_text()
    assert watched.page.url.endswith("#part-unpool")
    comment = watched.page.locator("#part-unpool .comment")
    assert comment.locator("em").inner_text() == "done" and comment.locator("msup").count() == 1


def test_points_and_comments_are_given_as_before(shown, watched):
    """And the way to the next submission, with the policy that lets nbgrader's own scripts run and no other."""
    page = watched.page
    # The attacks ask for addresses that are none, of which the browser complains.
    order = sorted(shown.ids, key=shown.ids.__getitem__)
    student, following = next(pair for pair in pairwise(order) if pair[0] != "attacks")
    page.goto(shown.submission(student))
    until(page, "formgrader.grades?.loaded && formgrader.comments?.loaded")
    assert page.locator("#unpool").get_attribute("placeholder") == "3"
    assert page.locator("#unpool_solution-comment").input_value().startswith("Well *done*")
    with page.expect_response("**/api/grade/**"):
        page.locator("#words").fill("")
        page.locator("#words").press_sequentially("5")
        page.locator("#words").press("Tab")
    with page.expect_response("**/api/comment/**"):
        page.locator("#words-comment").fill("")
        page.locator("#words-comment").press_sequentially("Clear & short")
        page.locator("#words-comment").press("Escape")
    page.locator(".glyphicon-eye-open").click()
    assert page.locator("a.name-shown").inner_text() == f"{student}, {student}-"
    page.locator(".help").click()
    page.get_by_text("Move to the next score or comment input").wait_for()
    page.locator(".modal-footer button").click()
    page.locator(".modal").wait_for(state="hidden")
    assert watched.complaints == []
    page.get_by_role("link", name="Next").click()
    page.wait_for_url(f"**/submissions/{shown.ids[following]}/**")
    with Gradebook(f"sqlite:///{shown.course.folder / 'gradebook.db'}") as gradebook:
        assert gradebook.find_grade("words", NAME, NAME, student).manual_score == 5
        assert gradebook.find_comment("words", NAME, NAME, student).comment == "Clear & short"


@pytest.mark.parametrize(
    "where",
    [
        "manage_students",
        f"manage_submissions/{NAME}",
        f"gradebook/{NAME}/{NAME}",
        "gradebook",
        "manage_assignments",
        *(f"manage_students/{{name}}/{NAME}", "manage_students/{name}"),
    ],
)
@pytest.mark.parametrize("name", NAMES[2:])
def test_formgraders_lists_show_names_as_text(shown, watched, where, name):
    watched.page.goto(f"{shown.lab}formgrader/{where.format(name=quote(name, safe=''))}")
    until(watched.page, "models?.loaded")
    watched.page.wait_for_timeout(200)
    if "name" not in where and ("students" in where or "submissions" in where):
        assert name in watched.page.locator("table").inner_text()
    assert watched.page.evaluate("window.ran") == []
    assert watched.complaints == []


@pytest.mark.parametrize("where", ["gradebook/{}", "gradebook/{}/x", "manage_submissions/{}", "manage_students/{}"])
def test_a_link_can_not_put_a_script_into_formgraders_pages(shown, watched, where):
    for name in (
        "</script><script>top.ran.push(4)</script>",
        '";top.ran.push(5);"',
        "<img src=x onerror=top.ran.push(6)>",
        "\\",
    ):
        watched.page.goto(f"{shown.lab}formgrader/{where.format(quote(name, safe=''))}")
        assert watched.page.evaluate("window.ran") == []
        assert name in watched.page.inner_text(".breadcrumb")


def test_formgraders_data_are_no_page(shown, watched):
    answer = watched.page.goto(f"{shown.lab}formgrader/api/students")
    assert answer.headers["content-type"] == "text/plain; charset=UTF-8"
    assert watched.page.evaluate("window.ran") == [] and "onerror" in watched.page.inner_text("body")


def test_nothing_of_a_students_folder_is_served(shown, watched):
    assert watched.page.goto(shown.submission("useful") + "page.html").status == 404
    assert watched.page.goto(shown.submission("useful") + "beside.png").status == 404


def test_a_link_can_not_make_formgrader_run_the_configuration_of_a_student(shown, watched):
    folder = shown.course.folder / "submitted" / "attacks" / NAME
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "nbgrader_config.py").write_text("from pathlib import Path\nPath(__file__).with_name('ran').touch()\n")
    answer = watched.page.goto(f"{shown.lab}formgrader?path={quote(str(folder))}")
    assert (answer.status, (folder / "ran").exists()) == (403, False)
    assert watched.page.goto(f"{shown.lab}formgrader?path={quote(str(shown.course.folder))}").status == 200


def test_a_submission_whose_notebook_is_gone_is_named(shown, watched):
    name = NAMES[2]
    path = shown.course.folder / "autograded" / name / NAME / f"{NAME}.ipynb"
    gone = path.rename(path.with_name("gone"))
    answer = watched.page.goto(shown.submission(name))
    gone.rename(path)
    assert answer.status == 404 and f"is not there: {path}" in watched.page.inner_text("body")
    assert watched.page.evaluate("window.ran") == []


def test_lab_opens_formgrader_from_its_menu(shown, watched):
    page = watched.page
    page.goto(f"{shown.lab}lab?reset")
    page.get_by_text("Nbgrader", exact=True).click()
    page.get_by_text("Formgrader", exact=True).click()
    frame = page.frame_locator("iframe")
    frame.get_by_role("link", name="Manual Grading").click()
    frame.get_by_role("link", name=NAME).click()
    frame.get_by_role("link", name=NAME).last.click()
    frame.get_by_role("link", name="Submission #1").click()
    frame.locator("#words").wait_for()
    assert "default-src 'none'" in page.request.get(shown.submission("useful")).headers["content-security-policy"]
