"""The live page as a whole: small, quiet, readable; and without a script."""

import pytest
from live import NAMES, explorer, opened
from test_axe import RUN

from looks import CONTRAST, every_control_is_named_and_can_be_reached  # isort: skip


@pytest.mark.parametrize("width", [1280, 360])
def test_axe_finds_nothing_and_texts_can_be_read(page, live_page, axe, width):
    page.set_viewport_size({"width": width, "height": 900})
    opened(page, live_page("server"))
    page.locator(".picture canvas").first.focus()
    page.evaluate(axe)
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        assert page.evaluate(RUN, {}) == [], theme
        for box in page.locator(".live-explorer").all():
            assert box.evaluate(CONTRAST) >= 4.5, theme


def test_everything_fits_on_a_phone_of_360_pixels_and_enlarged_twice(page, live_page):
    for width, height in ((360, 740), (640, 450)):  # the second is 1280×900 at 200 %
        page.set_viewport_size({"width": width, "height": height})
        opened(page, live_page("server"))
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        wide = page.locator("main *").evaluate_all(
            "all => all.filter(e => e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML)"
        )
        assert wide == []


def test_every_control_is_named_and_can_be_reached_by_keys(page, live_page):
    opened(page, live_page("server"))
    for name in NAMES:
        every_control_is_named_and_can_be_reached(explorer(page, name))


def test_it_loads_less_than_600_kilobytes(page, live_page):
    loaded = {}
    page.on("response", lambda response: loaded.update({response.url: len(response.body())}))
    opened(page, live_page("server"))
    total = sum(size for url, size in loaded.items() if not url.startswith("data:"))
    assert {url.rpartition("/")[2] for url in loaded} >= {"live.html", "live.js", "network.bin", "training.bin"}
    assert total < 600_000, loaded


def test_it_says_nothing_about_a_kernel(page, live_page):
    opened(page, live_page("file"))
    assert "kernel" not in page.inner_text("body")
    assert "kernel" not in page.evaluate("[...document.querySelectorAll('[title]')].map(e => e.title).join()")


@pytest.mark.parametrize("where", ["server", "file"])
def test_without_a_script_there_are_a_sentence_and_still_pictures(chromium, live_page, where):
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(live_page(where))
    sentence = page.locator("header noscript p")
    assert sentence.is_visible() and "The explorers need JavaScript" in sentence.inner_text()
    pictures = page.locator("noscript img")
    # Of a photograph there is none: a sentence says so.
    assert pictures.count() == len(NAMES) - 1 and page.locator("#photo noscript p").is_visible()
    for picture in pictures.all():
        picture.scroll_into_view_if_needed()
        assert picture.evaluate("e => e.naturalWidth") > 500 and picture.get_attribute("alt")
    context.close()


def test_a_missing_file_is_said_to_be_missing(page, live_page):
    page.route("**/network.bin", lambda route: route.abort())
    page.goto(live_page("server"))
    page.get_by_text("This explorer could not be loaded").first.wait_for()


@pytest.mark.parametrize(
    ("name", "explorers"),
    [
        ("02_inspect_switches", ["switches"]),
        ("03_implement_the_deconvnet", ["steps"]),
        ("04_generate_activation_grids", ["feature-maps", "drawing"]),
    ],
)
def test_the_explorers_of_a_notebook_live_in_its_page(page, address, axe, name, explorers):
    page.goto(f"{address}notebooks/{name}.html")
    for one in explorers:
        box = explorer(page, one)
        assert box.locator("img").count() == 0
        before = box.locator(".picture canvas").nth(1).get_attribute("title")
        box.get_by_role("slider", name="map", exact=True).focus()
        page.keyboard.press("Home")
        assert box.locator(".picture canvas").nth(1).get_attribute("title") != before
        box.get_by_role("button", name="copy the link").click()
        box.locator(".told", has_text="link").or_(box.locator(".told input")).first.wait_for()
    page.wait_for_timeout(450)
    assert page.evaluate("location.hash") == ""
    page.evaluate(axe)
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        assert page.evaluate(RUN.replace("document", "'.live-explorer'"), {}) == []


def test_a_link_from_a_notebook_leads_to_the_live_page(page, address):
    page.goto(f"{address}notebooks/02_inspect_switches.html")
    box = explorer(page, "switches")
    page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error('no')); }")
    box.get_by_role("button", name="copy the link").click()
    link = box.get_by_role("textbox", name="link").input_value()
    assert link == f"{address}live.html#switches?digit=5&map=5&right=1&down=0"
    page.goto(link)
    explorer(page, "switches")
