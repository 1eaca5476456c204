"""The pages in a browser: links and pictures, no other host, widths, the search, and what notebooks become."""

import json
import re
from urllib.parse import urljoin

import pytest
from built import PAGES, ROOT, SITE, is_foreign

# What the live page adds.
LIVE = {"live.html"} if not (SITE / "live.html").exists() else set()

# Of a page: what its links and pictures lead to, its ids, and pictures that did not come or say nothing.
WHAT_IS_THERE = """() => {
  const all = (selector, read) => [...document.querySelectorAll(selector)].map(read);
  return {
    links: all("a[href]", (a) => a.href),
    files: [
      ...all("img", (picture) => picture.src),
      ...all("script[src]", (script) => script.src),
      ...all("link[href]", (link) => link.href),
    ],
    ids: all("[id]", (element) => element.id),
    broken: all("img", (picture) => picture).filter((p) => p.naturalWidth === 0).map((p) => p.src),
    mute: all("img", (picture) => picture).filter((p) => !p.alt).map((p) => p.src),
  };
}"""


def test_there_are_the_pages_that_are_asked_for():
    stored = {path.relative_to(ROOT).with_suffix(".html").as_posix() for path in ROOT.glob("notebooks/**/[!.]*.ipynb")}
    docs = {path.relative_to(ROOT).with_suffix(".html").as_posix() for path in ROOT.glob("docs/*.md")}
    stored = {name for name in stored if ".ipynb_checkpoints" not in name}
    assert len(stored) >= 18 and len(docs) >= 10
    assert stored | docs | {"index.html", "search.html"} <= set(PAGES)


def test_the_site_is_small_and_holds_nothing_that_no_page_needs():
    files = [path for path in SITE.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 40e6
    kinds = {path.suffix for path in files}
    assert not kinds & {".doctree", ".pickle", ".map", ".ipynb", ".md", ".inv", ".py"}
    assert not (SITE / "_sources").exists()


def test_links_and_pictures_lead_somewhere(page, address):
    """Every link to a page, to a heading, and every picture, script and style, on all pages."""
    seen, broken, mute = {}, [], []
    for name in PAGES:
        page.goto(address + name)
        page.wait_for_load_state("load")
        seen[address + name] = found = page.evaluate(WHAT_IS_THERE)
        broken += found["broken"]
        mute += found["mute"]
    assert broken == []
    assert mute == []
    assert sum(len(found["links"]) for found in seen.values()) > 1000
    dead = set()
    for url, found in seen.items():
        for link in found["links"]:
            target, _, fragment = link.partition("#")
            target = target.partition("?")[0]
            if not target.startswith(address):
                # Links to other hosts are for readers who click on them. None leads to a file beside the site.
                if not target.startswith(("https://", "mailto:")):
                    dead.add((url, link))
            elif target.removeprefix(address) not in LIVE:
                there = seen.get(target) or seen.get(target + "index.html")
                if there is None or (fragment and fragment not in there["ids"]):
                    dead.add((url, link))
        for file in found["files"]:
            path = file.partition("?")[0].partition("#")[0].removeprefix(address)
            if not file.startswith("data:") and not (SITE / path).is_file():
                dead.add((url, file))
    assert dead == set()


def test_a_request_to_another_host_is_noticed(chromium, server):
    """What the other tests rely on: a page that asks another host for something is found out."""
    context = chromium.new_context()
    asked = []
    context.on("request", lambda request: asked.append(request.url))
    page = context.new_page()
    page.route("https://cdn.example.org/*", lambda route: route.abort())
    page.goto(server + "index.html")
    page.evaluate("document.body.append(Object.assign(new Image(), {src: 'https://cdn.example.org/a.png'}))")
    page.wait_for_timeout(200)
    context.close()
    assert [url for url in asked if is_foreign(url)] == ["https://cdn.example.org/a.png"]


def test_no_page_is_wider_than_a_phone(page, server):
    page.set_viewport_size({"width": 360, "height": 740})
    wide = {}
    for name in PAGES:
        page.goto(server + name)
        page.evaluate("document.querySelectorAll('details').forEach((details) => { details.open = true; })")
        width = page.evaluate("document.documentElement.scrollWidth")
        cut = page.evaluate(CUT)
        if width > 360 or cut:
            wide[name] = width, cut
    assert wide == {}


# What stands outside of the page and of every box that scrolls.
CUT = """() => [...document.querySelectorAll("article *")].filter((element) => {
  if (element.closest("pre, .table-wrapper, .formula, .headerlink, math")) return false;
  const { right, width } = element.getBoundingClientRect();
  return width > 0 && right > innerWidth + 1;
}).map((element) => element.outerHTML.slice(0, 100))"""


@pytest.mark.parametrize("words", ["switch", "transposed convolution"])
def test_the_search_finds_something(page, address, words):
    page.goto(address + "index.html")
    page.get_by_role("textbox", name="Search").first.fill(words)
    page.keyboard.press("Enter")
    first = page.locator("#search-results li a").first
    first.wait_for()
    page.get_by_text(re.compile(r"Search finished, found \d+ pages?")).wait_for()
    assert page.locator("#search-results li").count() >= 3
    first.click()
    page.wait_for_url(re.compile(r"(notebooks|docs)/"))
    assert words.split()[0] in page.inner_text("article").lower()


def test_previous_and_next_lead_through_the_notebooks(page, server):
    page.goto(server + "index.html")
    names = []
    while (link := page.locator("a.next-page")).count() and len(names) < len(PAGES):
        page.goto(urljoin(page.url, link.get_attribute("href")))
        names.append(page.url.removeprefix(server))
    assert names[:4] == sorted(name for name in PAGES if re.fullmatch(r"notebooks/0\w+\.html", name))
    assert set(names) == set(PAGES) - {"index.html", "search.html", "live.html"}
    page.locator("a.prev-page").click()
    page.wait_for_url(server + names[-2])


@pytest.mark.parametrize(
    ("name", "explorers"),
    [
        ("02_inspect_switches", ["switches"]),
        ("03_implement_the_deconvnet", ["steps"]),
        ("04_generate_activation_grids", ["feature-maps", "drawing"]),
    ],
)
def test_an_explorer_has_its_place_around_the_still_picture(chromium, server, name, explorers):
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{server}notebooks/{name}.html")
    places = page.locator(".live-explorer")
    assert [place.get_attribute("data-explorer") for place in places.all()] == explorers
    for place in places.all():
        # Beside its cell, not inside of the code.
        assert place.locator("> img").get_attribute("alt").startswith("The ")
        assert place.locator("xpath=ancestor::pre").count() == 0
    context.close()


def test_all_stored_pictures_are_there_with_their_words(page, server):
    for path in sorted(ROOT.glob("notebooks/0*.ipynb")) + sorted(ROOT.glob("notebooks/*/*.ipynb")):
        outputs = [o for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] for o in cell.get("outputs", [])]
        words = [o["metadata"]["image/png"]["alt"] for o in outputs if "image/png" in o.get("data", {})]
        page.goto(server + path.relative_to(ROOT).with_suffix(".html").as_posix())
        assert page.eval_on_selector_all(".cell_output img", "all => all.map((one) => one.alt)") == words, path


def test_formulas_are_mathml(page, server):
    page.goto(server + "notebooks/03_implement_the_deconvnet.html")
    assert page.locator("math").count() > 20
    assert page.locator(".formula math[display=block]").first.bounding_box()["height"] > 10
    assert "$" not in page.inner_text("article")


def test_what_jupyterlab_folds_opens_by_a_click_and_by_keys(page, server):
    page.goto(server + "notebooks/solutions/02_inspect_switches.html")
    hints = page.locator("section.folded > details")
    assert hints.count() == 8
    assert hints.first.get_attribute("open") is None
    hints.first.locator("> summary").click()
    assert hints.first.get_attribute("open") is not None
    hints.nth(1).locator("> summary").focus()
    page.keyboard.press("Enter")
    assert hints.nth(1).get_attribute("open") is not None


def test_a_link_into_what_is_folded_opens_it(page, server):
    page.goto(server + "notebooks/solutions/02_inspect_switches.html#the-wrong-answer-that-looks-right")
    heading = page.get_by_role("heading", name="The wrong answer that looks right").first
    heading.wait_for()
    assert heading.locator("xpath=ancestor::details").get_attribute("open") is not None


def test_the_theme_follows_the_system_and_the_button(page, server):
    colours = set()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.goto(server + "index.html")
        colours.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert len(colours) == 2
    button = page.get_by_role("button", name="Toggle Light / Dark / Auto color theme").locator("visible=true").first
    before = page.evaluate("getComputedStyle(document.body).backgroundColor")
    for _ in range(3):
        button.click()
        if page.evaluate("getComputedStyle(document.body).backgroundColor") != before:
            return
    pytest.fail("three clicks on the button have left the page as it was")


def test_the_start_page_leads_to_the_live_page(page, address):
    page.goto(address + "index.html")
    link = page.locator("article a.button")
    assert link.get_attribute("href") == "live.html"
    page.set_viewport_size({"width": 390, "height": 844})
    box = link.bounding_box()
    assert box["y"] + box["height"] < 844, "it stands on a phone's first screen"
