"""How the explorers look: light, dark, narrow, while they move, when they fail, and where no kernel runs."""

import base64
import io
from urllib.parse import urlsplit

import any_network
import nbformat
import numpy as np
import pytest
from lab import ROOT, execute, explorer, new_page, open_notebook, pictures, press, readout, rest, scroll_to, wait_for
from nbconvert import HTMLExporter
from PIL import Image
from test_explorers import NOTEBOOKS, see_feature_maps

SCREENSHOTS = ROOT / "build" / "screenshots"

EXPLORERS = {
    "explore_switches(": NOTEBOOKS[1],
    "explore_steps(": NOTEBOOKS[2],
    "explore_feature_maps(": NOTEBOOKS[3],
    "draw_a_digit(": NOTEBOOKS[3],
}

# And those of other networks.
ALL_EXPLORERS = EXPLORERS | dict.fromkeys(any_network.CALLS, any_network.NAME)

PARTS = "canvas, button, .slider, .choice, figcaption, .bars"

# The least contrast between a text and what is behind it, among all texts of the explorer (WCAG 2.1, 1.4.3).
CONTRAST = """
    box => {
        const rgb = colour => colour.match(/[\\d.]+/g).map(Number);
        const light = ([r, g, b]) => [r, g, b].map(c => c / 255)
            .map(c => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
            .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
        const behind = e => {
            for (; e; e = e.parentElement) {
                const colour = rgb(getComputedStyle(e).backgroundColor);
                if (colour.length < 4 || colour[3] === 1) return colour;
            }
            return [255, 255, 255];
        };
        const texts = [...box.querySelectorAll('*')].filter(
            e => [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim())
                && getComputedStyle(e).visibility === 'visible');
        return Math.min(...texts.map(e => {
            const [a, b] = [light(rgb(getComputedStyle(e).color)), light(behind(e))].sort((x, y) => y - x);
            return (a + 0.05) / (b + 0.05);
        }));
    }
"""


@pytest.fixture(params=["Light", "Dark"])
def theme(request):
    return request.param


@pytest.fixture(params=[1200, 400])
def width(request):
    return request.param


@pytest.mark.parametrize("call", ALL_EXPLORERS)
def test_it_fits_and_can_be_read(call, theme, width, opened):
    page = opened(ALL_EXPLORERS[call])
    before = page.viewport_size
    page.set_viewport_size({"width": width, "height": before["height"] if width > 400 else 2400})
    use_theme(page, theme)
    box = explorer(page, call)
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    box.screenshot(path=SCREENSHOTS / f"{call.rstrip('(, ').replace('(', '-')}-{theme.lower()}-{width}.png")
    place = box.bounding_box()
    parts = [part.bounding_box() for part in box.locator(PARTS.replace("button", "button:visible")).all()]
    contrast = box.evaluate(CONTRAST)
    use_theme(page, "Light")
    page.set_viewport_size(before)
    assert place["x"] + place["width"] <= width
    assert all(place["x"] <= part["x"] and part["x"] + part["width"] <= place["x"] + place["width"] for part in parts)
    assert contrast >= 4.5


def use_theme(page, theme):
    page.evaluate(f"window.jupyterapp.commands.execute('apputils:change-theme', {{theme: 'JupyterLab {theme}'}})")
    page.locator(f"body[data-jp-theme-light={str(theme == 'Light').lower()}]").wait_for(state="attached")


# Notes in every frame where each part stands, until it is told to stop.
STAND = """
    box => {
        const seen = window.stood = {places: [], on: true};
        const parts = [...box.querySelectorAll('PARTS')];
        const look = () => {
            const places = parts.map(e => e.getBoundingClientRect())
                .map(r => [r.x, r.y, r.width, r.height].map(Math.round));
            if (!seen.places.some(p => JSON.stringify(p) === JSON.stringify(places))) seen.places.push(places);
            if (seen.on) requestAnimationFrame(look);
        };
        look();
    }
""".replace("PARTS", PARTS)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        ("explore_switches(", "right"),
        ("explore_steps(", "map"),
        ("explore_steps(", "stage"),
        ("explore_feature_maps(", "digit"),
        ("explore_feature_maps(", "map"),
        ("explore_feature_maps(", "layer"),
        ("draw_a_digit(", "map"),
    ],
)
def test_nothing_jumps_or_flickers(call, name, opened):
    """Each frame that Chromium composes while a slider moves: all parts stay, and no picture is ever missing."""
    page = opened(EXPLORERS[call])
    box = explorer(page, call)
    press(box, name, "Home")
    rest(box)
    places = [one.bounding_box() for one in pictures(box)]
    frames = []
    session = page.context.new_cdp_session(page)
    session.on("Page.screencastFrame", lambda frame: (frames.append(frame["data"]), acknowledge(session, frame)))
    box.evaluate(STAND)
    session.send("Page.startScreencast", {"format": "png", "everyNthFrame": 1})

    def move():
        for key in ["ArrowRight", "ArrowLeft", "ArrowRight", "ArrowRight"] * 4:
            press(box, name, key)
            page.wait_for_timeout(40)
        return len(frames) > 10

    wait_for(move, "Chromium shows no frames")
    session.send("Page.stopScreencast")
    stood = page.evaluate("() => { window.stood.on = false; return window.stood.places; }")
    moved = [[(a, b) for a, b in zip(stood[0], other, strict=True) if a != b] for other in stood[1:]]
    assert not moved, "something has moved"
    for frame in frames:
        screen = opened_png(frame)
        for place in places:
            # The page is white, and no picture is all white along its diagonal.
            x, y = (round(place[side]) for side in ("x", "y"))
            diagonal = [screen[y + i, x + i] for i in range(8, 190, 13)]
            assert not all((pixel == 255).all() for pixel in diagonal), "a picture is missing"


def acknowledge(session, frame):
    session.send("Page.screencastFrameAck", {"sessionId": frame["sessionId"]})


def opened_png(data):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB"))


@pytest.mark.parametrize("call", ALL_EXPLORERS)
def test_every_control_is_named_to_a_screen_reader_and_can_be_reached_by_keys(call, opened):
    box = explorer(opened(ALL_EXPLORERS[call]), call)
    sliders = box.get_by_role("slider").all()
    assert len(sliders) == box.locator(".slider:visible").count() > 0
    for one in sliders:
        words = one.locator("..").inner_text().split("\n")
        assert [one.get_attribute(key) for key in ("aria-label", "aria-valuetext")] == words and all(words)
    for group in box.locator(".choice").all():
        assert group.get_attribute("aria-label") == group.locator(".name").inner_text()
        assert group.get_by_role("button", pressed=True).count() == 1
    for sheet in box.locator(".thumbnails").all():
        assert sheet.get_by_role("button", pressed=True).count() <= 1
    for one in box.locator("input, button:visible, .paper canvas").all():
        assert one.evaluate("e => e.tabIndex >= 0")
    for one in box.locator(".picture canvas, .paper canvas").all():
        assert one.get_attribute("role") and one.get_attribute("aria-label") == one.get_attribute("title") != ""
    for one in box.locator("button:visible").all():
        assert one.inner_text().strip()


@pytest.mark.parametrize("call", EXPLORERS)
def test_nothing_is_loaded_from_elsewhere(call, opened, requests, lab):
    explorer(opened(EXPLORERS[call]), call)
    asked = [urlsplit(address) for address in requests]
    assert {address.netloc for address in asked if address.scheme not in ("blob", "data")} == {urlsplit(lab).netloc}


@pytest.mark.xdist_group(NOTEBOOKS[3])
def test_an_error_is_shown_in_the_widget_and_goes_away_again(opened):
    page = opened(NOTEBOOKS[3])
    box = explorer(page, "explore_feature_maps(")
    press(box, "layer", "End")
    for name in ("digit", "example", "map"):
        press(box, name, "Home")
    see_feature_maps(box, 0, 0, 2, 0)
    execute(
        page, "whole = model.features.conv1.weight.detach().clone(); model.features.conv1.weight.data.fill_(torch.nan)"
    )
    press(box, "example", "ArrowRight")
    alert = box.get_by_role("alert")
    alert.wait_for()
    assert "ValueError: layer 'features.conv1' has NaN or infinity in its weight" in alert.inner_text()
    execute(page, "explorer.fault = '<b>bold</b>'")
    wait_for(lambda: "<b>bold</b>" in alert.inner_text(), "an error is not shown as text")
    execute(page, "model.features.conv1.weight.data.copy_(whole)")
    press(box, "example", "ArrowRight")
    see_feature_maps(box, 0, 2, 2, 0)
    alert.wait_for(state="detached")


@pytest.mark.parametrize("name", NOTEBOOKS[1:])
def test_without_a_kernel_a_still_picture_is_shown_in_jupyterlab(name, chromium, lab):
    page = new_page(chromium)
    open_notebook(page, lab, f"unrun/{name}")
    for call in (call for call, notebook in EXPLORERS.items() if notebook == name):
        scroll_to(page, call)
        output = page.locator(f"[data-call='{call}'] .jp-OutputArea-output")
        output.locator("img").wait_for()
        assert source(output.locator("img")) == stored_picture(name, call)
        assert output.inner_text().strip() == ""
    page.close()


def source(image):
    return image.get_attribute("src").partition("base64,")[2].replace("\n", "")


def stored_picture(name, call):
    """The picture that is stored with the cell of that call, as base64."""
    cells = nbformat.read(ROOT / "notebooks" / name, as_version=4).cells
    (output,) = next(cell for cell in cells if cell.cell_type == "code" and call in cell.source).outputs
    return output.data["image/png"].replace("\n", "")


@pytest.mark.parametrize("name", NOTEBOOKS[1:])
def test_without_a_kernel_a_still_picture_is_shown_on_a_web_page(name, chromium, tmp_path):
    page = new_page(chromium)
    notebook = nbformat.read(ROOT / "notebooks" / name, as_version=4)
    body, _ = HTMLExporter().from_notebook_node(notebook)
    (tmp_path / "page.html").write_text(body, encoding="utf-8")
    page.goto((tmp_path / "page.html").as_uri())
    shown = [source(picture) for picture in page.locator("img[src^='data:image/png;base64,']").all()]
    for call in (call for call, notebook in EXPLORERS.items() if notebook == name):
        assert stored_picture(name, call) in shown
    assert "widget-view" not in body
    page.close()


@pytest.mark.xdist_group(NOTEBOOKS[3])
def test_a_page_that_is_loaded_again_finds_its_explorers_as_they_were(chromium, lab):
    """The last one here, as it saves the notebook with its widgets."""
    page = new_page(chromium)
    open_notebook(page, lab, f"unrun/{NOTEBOOKS[3]}")
    page.evaluate("window.jupyterapp.commands.execute('notebook:run-all-cells')")
    box = explorer(page, "explore_feature_maps(")
    press(box, "digit", "Home")
    press(box, "example", "Home")
    wait_for(lambda: readout(box, "example") == "0", "the slider does not move")
    page.evaluate("window.jupyterapp.commands.execute('docmanager:save')")
    page.reload()
    page.wait_for_selector(".jp-Notebook")
    page.evaluate("async () => await window.jupyterapp.shell.currentWidget.sessionContext.ready")
    see_feature_maps(explorer(page, "explore_feature_maps("), 0, 0, 2, 11)
    paper = explorer(page, "draw_a_digit(").locator(".paper canvas")
    ink = "c => c.getContext('2d').getImageData(0, 0, 280, 280).data.some((v, i) => i % 4 < 3 && v > 200)"
    wait_for(lambda: paper.evaluate(ink), "the drawing is gone")
    page.close()
