"""From a slider's event to its pixels, and the first picture after opening: times are printed, not judged."""

import numpy as np
import pytest
from live import explorer
from timed import FIRST, LATENCIES

from lab import press, readout, wait_for  # isort: skip
from latency import ALL_PAINTED, WATCH, latencies, sweep  # isort: skip

# The explorer, the slider, and the picture whose tooltip names the value.
SLIDERS = [
    ("switches", "right", 0),
    ("steps", "stage", 1),
    ("steps", "map", 0),
    ("feature-maps", "map", 1),
    ("feature-maps", "digit", 0),
    ("drawing", "map", 1),
    ("training", "digit", 1),
]


@pytest.fixture(scope="module")
def live(chromium, live_page):
    page = chromium.new_page(viewport={"width": 1280, "height": 900})
    page.goto(live_page("server"))
    yield page
    page.close()


@pytest.mark.parametrize(("name", "slider", "picture"), SLIDERS)
def test_a_slider_is_followed_to_its_last_value(name, slider, picture, live):
    """There and back, a value every 60 ms, as in tests/browser/test_latency.py."""
    box = explorer(live, name)
    title = box.locator(".picture canvas").nth(picture)
    press(box, slider, "Home")
    titles = {}
    while (value := readout(box, slider)) not in titles:
        titles[value] = title.get_attribute("title")
        press(box, slider, "ArrowRight")
    assert len(set(titles.values())) == len(titles) > 1
    press(box, slider, "Home")
    box.evaluate(WATCH)
    sweep(box, slider, steps=len(titles) - 1, times=1)
    wait_for(lambda: live.evaluate(ALL_PAINTED), "a picture is not painted")
    seconds, last = latencies(live.evaluate("() => window.watched"), slider, picture, titles)
    LATENCIES.append((name, slider, seconds))
    assert seconds and last


# When a picture is first painted.
OPENING = """
    new MutationObserver((_, observer) => {
        if (!document.querySelector(".picture canvas")) return;
        observer.disconnect();
        requestAnimationFrame(() => {
            const { port1, port2 } = new MessageChannel();
            port1.onmessage = () => { window.firstPicture = performance.now(); };
            port2.postMessage(0);
        });
    }).observe(document, { childList: true, subtree: true });
"""


@pytest.mark.parametrize("where", ["server", "file"])
def test_the_first_picture_comes(chromium, live_page, where):
    """Three times, each in a browser that has nothing of it yet, and with the processor slowed four times."""
    for _ in range(3):
        context = chromium.new_context(viewport={"width": 1280, "height": 900})
        page = context.new_page()
        page.add_init_script(OPENING)
        context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": 4})
        page.goto(live_page(where))
        wait_for(lambda page=page: page.evaluate("window.firstPicture ?? 0"), "no picture comes")
        FIRST.append((where, page.evaluate("window.firstPicture") / 1000))
        context.close()
    assert np.isfinite([seconds for _, seconds in FIRST]).all()
