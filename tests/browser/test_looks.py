"""How the explorers look: light, dark, narrow, while they move, when they fail, and where no kernel runs."""

import base64
import io
from urllib.parse import urlsplit

import nbformat
import numpy as np
import pytest
from lab import ROOT, execute, explorer, new_page, open_notebook, pictures, press, readout, rest, scroll_to, wait_for
from looks import PARTS, every_control_is_named_and_can_be_reached, fits_and_can_be_read
from nbconvert import HTMLExporter
from PIL import Image
from test_explorers import NOTEBOOKS, see_feature_maps

EXPLORERS = {
    "explore_switches(": NOTEBOOKS[1],
    "explore_steps(": NOTEBOOKS[2],
    "explore_feature_maps(": NOTEBOOKS[3],
    "draw_a_digit(": NOTEBOOKS[3],
}


@pytest.mark.parametrize("call", EXPLORERS)
def test_it_fits_and_can_be_read(call, theme, width, opened):
    fits_and_can_be_read(opened(EXPLORERS[call]), call, theme, width)


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


@pytest.mark.parametrize("call", EXPLORERS)
def test_every_control_is_named_to_a_screen_reader_and_can_be_reached_by_keys(call, opened):
    every_control_is_named_and_can_be_reached(explorer(opened(EXPLORERS[call]), call))


@pytest.mark.parametrize("call", EXPLORERS)
def test_nothing_is_loaded_from_elsewhere(call, opened, requests, lab):
    explorer(opened(EXPLORERS[call]), call)
    asked = [urlsplit(address) for address in requests]
    assert {address.netloc for address in asked if address.scheme not in ("blob", "data")} == {urlsplit(lab).netloc}


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
