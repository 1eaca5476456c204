"""Every explorer of the live page by mouse, keys and touch, on a host and as a file, and what is then on the screen.

The colours on the screen are compared with what DeconvNet gives, as in tests/browser/test_explorers.py.
"""

import re

import numpy as np
import pytest
import torch
from live import canvases, draw_seven, explorer, opened, stroke
from PIL import Image

from helpers.data import as_mnist
from helpers.explorers.drawing import Paper

from lab import drag, press, readout, wait_for  # isort: skip
from test_explorers import IMAGES, MODEL, NET, STEP, TEN, limit, see_feature_maps, see_steps, see_switches, signed  # isort: skip


@pytest.fixture(scope="module", params=["server", "file"])
def live(request, chromium, live_page):
    context = chromium.new_context(viewport={"width": 1280, "height": 1000})
    page = context.new_page()
    yield opened(page, live_page(request.param))
    context.close()


@pytest.fixture(scope="module")
def phone(chromium, live_page):
    context = chromium.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    yield opened(context.new_page(), live_page("server"))
    context.close()


def test_switches_by_keys_and_by_mouse(live):
    box = explorer(live, "switches")
    assert [readout(box, name) for name in ("digit", "map", "right", "down")] == ["5", "5", "1", "0"]
    see_switches(box, 5, 5, 1, 0)
    press(box, "right", "ArrowLeft", 4)
    press(box, "digit", "Home")
    see_switches(box, 0, 5, -3, 0)
    drag(box, "down", 1)
    drag(box, "map", 0)
    see_switches(box, 0, 0, -3, 4)


def test_steps_by_keys_and_by_mouse(live):
    box = explorer(live, "steps")
    assert [readout(box, name) for name in ("digit", "map", "stage")] == ["5", "2·11", "3 filtered"]
    see_steps(box, 5, 2, 11, 3)
    press(box, "stage", "End")
    press(box, "map", "Home")
    assert readout(box, "stage") == "3 pixels"
    see_steps(box, 5, 1, 0, 3)
    drag(box, "map", 17 / 21)
    box.get_by_role("button", name="guided").click()
    box.get_by_role("button", name="fixed corner").focus()
    live.keyboard.press("Enter")
    box.get_by_role("button", name="pooled", exact=True).click()
    press(box, "stage", "ArrowRight", 4)
    see_steps(box, 5, 2, 11, 4, "guided", corner=True)


def test_feature_maps_by_keys_and_by_mouse(live):
    box = explorer(live, "feature-maps")
    see_feature_maps(box, 5, 10, 2, 11)
    press(box, "map", "ArrowRight", 2)
    press(box, "digit", "End")
    see_feature_maps(box, 9, 10, 2, 13)
    drag(box, "layer", 0)
    drag(box, "example", 0)
    see_feature_maps(box, 9, 0, 1, 5)
    box.get_by_role("button", name="3", exact=True).click()
    box.get_by_role("button", name="peak").click()
    see_feature_maps(box, 9, 0, 1, 3, "peak")
    box.get_by_role("button", name="class").click()
    assert "to the score of 9" in box.locator(".note").inner_text()
    assert box.locator(".thumbnails button:visible span").first.inner_text().count(":") == 1
    box.get_by_role("button", name="nine strongest").click()
    assert box.get_by_text("excites map 3 most").is_visible()


def what_is_read(box):
    """The image that the network gets, `(1, 1, 28, 28)`, from the picture of it."""
    (shown, *_) = canvases(box, ".picture canvas")
    return torch.from_numpy(shown[3::7, 3::7, 0].astype(np.float32) / 255)[None, None]


def see_what_follows(box):
    """All 22 small maps are those of the image that is read, in the colours of one scale; and the model reads it so."""
    image = what_is_read(box)
    trace = NET.record(image)
    maps = torch.cat([NET.project(trace, f"pool{layer}")[0, :, 0] for layer in (1, 2)])
    end = limit(maps)
    shown = canvases(box, ".thumbnails button canvas")
    for k, (one, values) in enumerate(zip(shown, maps, strict=True)):
        assert np.abs(one[1::2, 1::2] - signed(values, end)).max() <= STEP, k
    assert box.get_by_text(f"read as {int(MODEL(image).argmax())}", exact=True).is_visible()
    return image


def test_a_drawing_by_mouse(live):
    box = explorer(live, "drawing")
    begins = see_what_follows(box)
    assert (begins - as_mnist(enlarged(5))).abs().max() < 0.003
    points = [[(70.0, 60.0), (210.0, 60.0)], [(210.0, 60.0), (120.0, 230.0)]]
    paper = Paper()
    for one in points:
        stroke(box, one, steps=1)
        paper.stroke(*(length for point in one for length in point))
    box.get_by_text("read as 7", exact=True).wait_for()
    drawn = see_what_follows(box)
    # A mouse stands on whole pixels of the screen.
    assert (drawn - as_mnist(torch.from_numpy(paper.ink))).abs().mean() < 0.02
    box.get_by_role("button", name="2·3", exact=True).click()
    assert box.get_by_text("what map 3 of layer 2 saw").is_visible()
    assert readout(box, "map") == "2·3"
    box.get_by_role("button", name="clear").click()
    box.get_by_text("nothing yet").wait_for()
    assert len({one.tobytes() for one in canvases(box, ".thumbnails button canvas")}) == 1
    assert what_is_read(box).max() == 0


def enlarged(digit):
    return torch.from_numpy(np.kron(IMAGES[TEN[digit], 0].numpy(), np.ones((10, 10), np.float32)))


def test_a_drawing_by_keys(live):
    box = explorer(live, "drawing")
    box.get_by_role("button", name="clear").click()
    paper = box.locator(".paper canvas")
    paper.focus()
    for key in ["ArrowUp"] * 8 + [" "] + ["ArrowDown"] * 15 + [" "]:
        live.keyboard.press(key)
    box.get_by_text("read as 1", exact=True).wait_for()
    live.keyboard.press("Delete")
    box.get_by_text("nothing yet").wait_for()


def test_the_training_by_keys_and_as_a_film(live):
    box = explorer(live, "training")
    assert [readout(box, name) for name in ("step", "digit", "map")] == ["300 steps", "5", "2·11"]
    box.locator(".film").click()  # from the beginning, as no hand has chosen another step
    assert readout(box, "step") == "0 steps"
    press(box, "step", "Home")
    assert readout(box, "step") == "0 steps"
    assert "After 0 steps of training the network reads 10.1\u00a0%" in box.locator(".note").inner_text()
    press(box, "step", "ArrowRight", 7)
    play = box.locator(".film")
    play.click()
    assert play.inner_text() == "pause"
    wait_for(lambda: readout(box, "step") == "1,200 steps", "the film does not run", 10)
    assert play.inner_text() == "play"
    play.click()  # from the beginning
    wait_for(lambda: readout(box, "step") == "10 steps", "the film does not begin again", 10)
    play.click()
    live.wait_for_timeout(1000)
    assert readout(box, "step") == "10 steps" and play.inner_text() == "play"
    play.click()
    press(box, "step", "End")  # a hand stops it
    assert play.inner_text() == "play"
    draw_seven(box)
    assert readout(box, "digit") == "drawn"
    press(box, "digit", "Home")
    box.get_by_text("read as 0").wait_for()


def test_less_motion_is_less(live):
    live.emulate_media(reduced_motion="reduce")
    box = explorer(live, "training")
    press(box, "step", "Home")
    box.locator(".film").click()
    live.wait_for_timeout(1500)
    assert readout(box, "step") == "0 steps"
    box.locator(".film").click()
    live.emulate_media(reduced_motion="no-preference")


def test_a_value_under_the_pointer_and_by_keys(live):
    box = explorer(live, "switches")
    press(box, "digit", "Home")
    press(box, "right", "Home")
    press(box, "right", "ArrowRight", 4)
    press(box, "down", "Home")
    press(box, "down", "ArrowRight", 4)
    image = IMAGES[TEN[0], 0]
    row, column = divmod(int(image.flatten().argmax()), 28)
    canvas = box.locator(".picture canvas").first
    value = box.locator(".picture").first.locator(".value")
    canvas.scroll_into_view_if_needed()
    place = canvas.bounding_box()
    live.mouse.move(place["x"] + 7 * column + 3, place["y"] + 7 * row + 4)
    assert value.inner_text() == f"row {row}, column {column}: {image[row, column]:.2f}"
    live.mouse.move(1, 1)
    assert value.inner_text() == "Point at a square for its value."
    canvas.focus()
    for key in ["ArrowRight", *["ArrowDown"] * row, *["ArrowRight"] * column]:
        live.keyboard.press(key)
    assert value.inner_text() == f"row {row}, column {column}: {image[row, column]:.2f}"
    mark = box.locator(".picture .mark").first.bounding_box()
    assert mark["x"] - place["x"] == pytest.approx(7 * column, abs=1.5)
    assert mark["y"] - canvas.bounding_box()["y"] == pytest.approx(7 * row, abs=1.5)


def test_zero_is_named_beside_each_picture(live):
    for name in ("drawing", "training", "feature-maps", "steps", "switches"):
        box = explorer(live, name)
        for part in box.locator(".picture, .thumbnails").all():
            kind = part.locator(".means").inner_text()
            assert "is 0" in kind
    assert box.locator(".picture .means").all_inner_texts() == [
        "Black is 0, white is 1.",
        *["Black is 0. The brighter, the larger."] * 2,
        "Black is 0, white is 1.",
    ]


def test_every_control_by_touch(phone):
    box = explorer(phone, "feature-maps")
    for name, share, told in [("digit", 1 / 9, "1"), ("layer", 0, "1"), ("map", 3 / 5, "3")]:
        slider = box.get_by_role("slider", name=name, exact=True)
        slider.scroll_into_view_if_needed()
        place = slider.bounding_box()
        phone.touchscreen.tap(place["x"] + 8 + share * (place["width"] - 16), place["y"] + place["height"] / 2)
        assert readout(box, name) == told
    box.get_by_role("button", name="peak").tap()
    box.get_by_role("button", name="2", exact=True).tap()
    assert box.get_by_text("map 2 of layer 1").is_visible()
    assert box.get_by_text("what its peak saw").is_visible()
    canvas = box.locator(".picture canvas").first
    canvas.tap(position={"x": 2, "y": 2})
    assert box.locator(".value").first.inner_text() == "row 0, column 0: 0.00"


def test_a_drawing_by_finger(phone):
    box = explorer(phone, "drawing")
    session = phone.context.new_cdp_session(phone)
    paper = box.locator(".paper canvas")
    paper.scroll_into_view_if_needed()
    place = paper.bounding_box()
    scale = place["width"] / 280

    def touch(kind, *points):
        at = [{"x": place["x"] + x * scale, "y": place["y"] + y * scale} for x, y in points]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": at})

    top = phone.evaluate("scrollY")
    for k in range(11):
        touch("touchMove" if k else "touchStart", (140, 50 + 18 * k))
    touch("touchEnd")
    box.get_by_text("read as 1", exact=True).wait_for()
    assert phone.evaluate("scrollY") == top, "the page has moved under the finger"


def test_who_draws_on_a_phone_sees_what_is_read_and_all_maps_below_the_pen(phone):
    box = explorer(phone, "drawing")
    paper = box.locator(".paper").bounding_box()
    read = box.get_by_text(re.compile("^read as")).bounding_box()
    *_, maps = [sheet.bounding_box() for sheet in box.locator(".thumbnails").all()]
    assert paper["y"] + paper["height"] <= read["y"] < maps["y"]
    assert maps["y"] + maps["height"] - paper["y"] <= 844
    # The image is small there; it still tells its values.
    box.locator(".picture canvas").first.tap(position={"x": 2, "y": 2})
    assert box.locator(".value").first.inner_text() == "row 0, column 0: 0.00"


def test_the_picture_is_saved(live):
    box = explorer(live, "feature-maps")
    with live.expect_download() as download:
        box.get_by_role("button", name="save the picture").click()
    assert download.value.suggested_filename.startswith("feature-maps_9_0_1_3")
    image = np.asarray(Image.open(download.value.path()).convert("RGB"))
    place = box.locator(".pictures").bounding_box()
    assert image.shape[1] == int(2 * place["width"])
    # The first picture stands there, at twice its size.
    corner = box.locator(".picture canvas").first.bounding_box()
    top, left = (round(2 * (corner[side] - place[side])) for side in ("y", "x"))
    (shown, *_) = canvases(box, ".picture canvas")
    np.testing.assert_array_equal(image[top : top + 392, left : left + 392][1::2, 1::2], shown)
