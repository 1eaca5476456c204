"""The state of the live page is its address: a link shows the same to all, back and forward, drawings too."""

import numpy as np
import pytest
from live import SEVEN, canvases, draw_seven, explorer, state, stroke

from lab import drag, press, readout, wait_for  # isort: skip


@pytest.fixture
def live(page, live_page, place):
    page.set_viewport_size({"width": 1280, "height": 1000})
    page.goto(live_page(place))
    return page


@pytest.fixture(params=["server", "file"])
def place(request):
    return request.param


def test_a_link_leads_to_its_state(page, live_page, place):
    page.goto(f"{live_page(place)}#feature-maps?digit=7&example=1&layer=1&map=4&order=class&class=3")
    box = page.locator("[data-explorer='feature-maps']")
    box.locator(".keepsakes").wait_for()
    shown = [readout(box, name) for name in ("digit", "example", "layer", "map", "class")]
    assert shown == ["7", "1", "1", "4", "3"]
    assert box.get_by_role("button", name="class", exact=True).get_attribute("aria-pressed") == "true"
    assert 0 <= box.evaluate("e => e.closest('section').getBoundingClientRect().top") < 5, "it is not scrolled to"


@pytest.mark.parametrize(
    "told", ["digit=99&layer=x&map=-3", "nonsense", "map=eleven&example=", "digit=%3Cb%3E&map=&ink=%%%", "?", "map=1e3"]
)
def test_a_link_with_mistakes_leads_as_near_as_it_can(page, live_page, told):
    page.goto(f"{live_page('server')}#feature-maps?{told}")
    box = page.locator("[data-explorer='feature-maps']")
    box.locator(".keepsakes").wait_for()
    assert int(readout(box, "digit")) <= 9 and int(readout(box, "map")) <= 15
    assert box.get_by_role("alert").count() == 0


def test_back_and_forward(live):
    box = explorer(live, "steps")
    press(box, "stage", "ArrowRight", 2)
    first = state(live)
    assert first == "#steps?digit=5&map=2-11&stage=5-rectified&rule=deconvnet&switches=recorded"
    box.get_by_role("button", name="guided").click()
    second = state(live)
    assert second == first.replace("rule=deconvnet", "rule=guided")
    other = explorer(live, "switches")
    drag(other, "down", 1)
    assert state(live) == "#switches?digit=5&map=5&right=1&down=4"
    live.go_back()
    wait_for(lambda: live.evaluate("location.hash") == second, "back leads elsewhere", 10)
    live.go_back()
    guided = box.get_by_role("button", name="deconvnet")
    wait_for(lambda: guided.get_attribute("aria-pressed") == "true", "back leads elsewhere", 10)
    assert live.evaluate("location.hash") == first
    live.go_forward()
    wait_for(lambda: guided.get_attribute("aria-pressed") == "false", "forward leads elsewhere", 10)
    assert readout(box, "stage") == "5 rectified"


def test_a_drawing_goes_into_the_address(live, live_page, place):
    box = explorer(live, "drawing")
    draw_seven(box)
    told = state(live)
    assert told.startswith("#drawing?map=2-11&ink=") and len(told) < 400
    drawn = canvases(box, ".picture canvas")[0]
    probabilities = box.locator(".bars").inner_text()
    other = live.context.new_page()
    other.goto(live_page(place) + told)
    again = other.locator("[data-explorer='drawing']")
    again.get_by_text("read as 7").wait_for()
    assert np.abs(canvases(again, ".picture canvas")[0] - drawn).mean() < 2
    assert again.locator(".bars").inner_text() == probabilities
    other.close()


def test_back_takes_a_stroke_away(live):
    box = explorer(live, "drawing")
    stroke(box, SEVEN[0])
    first = state(live)
    before = canvases(box, ".picture canvas")[0]
    stroke(box, SEVEN[1])
    assert state(live) != first
    live.go_back()
    wait_for(
        lambda: np.abs(canvases(box, ".picture canvas")[0] - before).mean() < 3, "the second stroke is still there", 10
    )


def test_a_drawing_under_the_training_goes_into_the_address(live, live_page, place):
    box = explorer(live, "training")
    press(box, "step", "End")
    draw_seven(box)
    told = state(live)
    assert told.startswith("#training?step=1,200-steps&digit=drawn&map=2-11&ink=")
    live.goto("about:blank")
    live.goto(live_page(place) + told)
    box.get_by_text("read as 7").wait_for()
    assert [readout(box, name) for name in ("step", "digit")] == ["1,200 steps", "drawn"]


def test_a_link_is_copied(live, live_page, place):
    live.context.grant_permissions(["clipboard-read", "clipboard-write"])
    box = explorer(live, "switches")
    press(box, "map", "Home")
    box.get_by_role("button", name="copy the link").click()
    box.get_by_text("The link is copied.").wait_for()
    assert (
        live.evaluate("navigator.clipboard.readText()") == f"{live_page(place)}#switches?digit=5&map=0&right=1&down=0"
    )


def test_where_no_link_can_be_copied_it_can_be_read(live, live_page, place):
    live.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error('no')); }")
    box = explorer(live, "switches")
    box.get_by_role("button", name="copy the link").click()
    field = box.get_by_role("textbox", name="link")
    field.wait_for()
    assert field.input_value() == f"{live_page(place)}#switches?digit=5&map=5&right=1&down=0"


def test_a_drawing_that_is_too_long_is_said_to_be(live):
    box = explorer(live, "drawing")
    for k in range(8):
        stroke(box, [((97 * n + 31 * k) % 281, (151 * n + 17 * k) % 281) for n in range(30)], steps=1)
    assert "ink" not in state(live)
    box.get_by_role("button", name="copy the link").click()
    box.locator(".told", has_text="too long for a link").wait_for()
