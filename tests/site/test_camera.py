"""The camera, live: ten digits of a film are read, nothing is claimed between them, and in the end its light is out."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from chromium import FLAGS, program
from film import RATE, told, write_film
from test_axe import RUN
from timed import PHOTOGRAPHS

WATCH = Path(__file__).with_name("film_watch.js").read_text(encoding="utf-8")
# Keeps what the page is lent, to see whether it gives it back.
LENT = """
  const { mediaDevices } = navigator;
  const lend = mediaDevices?.getUserMedia.bind(mediaDevices);
  window.lent = [];
  if (lend) mediaDevices.getUserMedia = async (wanted) => {
    const stream = await lend(wanted);
    window.lent.push(...stream.getTracks());
    return stream;
  };
"""
LIGHT = "() => window.lent.filter(({ readyState }) => readyState === 'live').length"
WANTED_RATE = 20  # frames a second, printed beside what was measured
WANTED_FRAMES = 2  # from one that comes to its maps


@pytest.fixture(scope="module")
def with_camera(chromium, test_set, tmp_path_factory):
    """A second Chromium, with the film as its camera. It lends it only to those who may."""
    images, labels = test_set
    film = tmp_path_factory.mktemp("film") / "film.mjpeg"
    write_film(film, torch.stack([images[int((labels == digit).nonzero()[0])] for digit in range(10)]))
    flags = [
        *FLAGS,
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-video-capture={film}",
        "--host-resolver-rules=MAP insecure.test 127.0.0.1",
    ]
    browser = chromium.browser_type.launch(executable_path=program(), args=flags)
    yield browser
    browser.close()


def panel(browser, address, allowed=True):
    """The panel in a context of its own."""
    context = browser.new_context(permissions=["camera"] if allowed else [])
    context.set_default_timeout(20_000)
    context.add_init_script(LENT)
    page = context.new_page()
    page.on("pageerror", lambda error: pytest.fail(f"a script fails: {error}"))
    page.goto(f"{address}live.html#photo")
    box = page.locator("#photo")
    box.locator(".thumbnails").first.wait_for()
    return box


@pytest.fixture
def box(with_camera, server):
    box = panel(with_camera, server)
    yield box
    box.page.context.close()


def start(box):
    box.get_by_role("button", name="start the camera").click()
    box.page.locator(".sight[data-came]").wait_for()


def says(box, sentence):
    box.locator(".says", has_text=sentence).wait_for()
    return True


def is_off(box):
    """Its light is out, the button starts it again, and nothing is claimed."""
    box.get_by_role("button", name="start the camera").wait_for()
    return (
        box.page.evaluate(LIGHT) == 0
        and box.locator("figcaption b").first.inner_text() == "no digit"
        and box.locator(".sight").get_attribute("aria-label") == "no picture yet"
    )


def test_the_film_is_read(box, server):
    """Each digit while it is held, nothing while there is none; and memory does not grow meanwhile."""
    page, asked = box.page, []
    assert "none is stored, and none is sent" in box.locator(".private").inner_text()
    page.on("request", lambda request: asked.append((request.method, request.url)))
    start(box)
    page.evaluate(WATCH)
    before = page.evaluate("history.length")
    client = page.context.new_cdp_session(page)
    seen, memory = [], []
    for milliseconds in (10_000, 20_000):
        page.wait_for_timeout(milliseconds)
        seen += page.evaluate("() => window.seen.splice(0)")
        memory.append(memory_of(client))
    assert page.evaluate(LIGHT) == 1
    # Files of the page are fetched, and nothing is sent.
    assert asked and all(method == "GET" and url.startswith((server, "blob:")) for method, url in asked), asked
    # The address stays, though frame after frame is answered.
    assert page.evaluate("history.length") == before

    right, claims = Counter(), []
    for frame in seen:
        state, digit = told(frame["levels"])
        if state == "held":
            right[digit, frame["label"] == f"read as {digit}"] += 1
        if state == "empty" and (
            frame["label"] != "no digit"
            or frame["shares"]
            or not frame["says"].startswith("No digit is in this picture")
        ):
            claims.append(frame)
    assert claims == []
    assert {digit for digit, _ in right} == set(range(10))
    assert {digit for digit, is_right in right if not is_right} == set()
    report(seen)
    # What is needed between two frames comes and goes; a frame's pixels, if they were kept, would be 1.2 MB each.
    assert memory[1]["bytes"] - memory[0]["bytes"] < 8e6
    assert memory[1]["nodes"] - memory[0]["nodes"] < 150
    assert memory[1]["listeners"] - memory[0]["listeners"] < 20
    box.get_by_role("button", name="stop the camera").click()
    assert is_off(box) and says(box, "Choose a photograph, or start the camera.")


def memory_of(client):
    """What is left after rubbish was collected: objects and arrays, elements of the page, listeners."""
    client.send("HeapProfiler.collectGarbage")
    counters, heap = client.send("Memory.getDOMCounters"), client.send("Runtime.getHeapUsage")
    size = heap["usedSize"] + heap["backingStorageSize"]
    return {"bytes": size, "nodes": counters["nodes"], "listeners": counters["jsEventListeners"]}


def report(seen):
    painted = [frame for frame in seen if frame["painted"]]
    rate = (len(painted) - 1) / (painted[-1]["painted"] - painted[0]["painted"]) * 1000
    late = [(frame["painted"] - frame["came"]) * RATE / 1000 for frame in painted]
    median, most = np.quantile(late, [0.5, 0.95])
    PHOTOGRAPHS.append(
        f"the camera, 640×480, all 22 maps: {rate:.1f} frames a second ({WANTED_RATE} wanted, {RATE} come); "
        f"from a frame to its maps {median:.1f} frames, 95 % within {most:.1f} ({WANTED_FRAMES} wanted)"
    )


def test_it_is_started_and_stopped_by_keys(box):
    button = box.get_by_role("button", name="start the camera")
    button.press("Enter")
    box.page.locator(".sight[data-came]").wait_for()
    assert box.page.evaluate(LIGHT) == 1
    box.get_by_role("button", name="stop the camera").press("Enter")
    assert is_off(box)


def test_it_goes_off_while_the_page_is_hidden(box):
    start(box)
    box.page.evaluate(
        """() => {
          Object.defineProperty(document, "hidden", { value: true, configurable: true });
          document.dispatchEvent(new Event("visibilitychange"));
        }"""
    )
    assert is_off(box) and says(box, "The camera went off, as nobody looked at this page.")
    box.page.evaluate("() => { delete document.hidden; document.dispatchEvent(new Event('visibilitychange')); }")
    assert is_off(box)
    box.get_by_role("button", name="start the camera").click()
    says(box, "read as")


def test_it_goes_off_when_the_page_is_left(box):
    start(box)
    page = box.page
    page.evaluate("addEventListener('pagehide', () => { sessionStorage.light = window.lent[0].readyState; })")
    page.goto(page.url.replace("live.html#photo", "index.html"))
    assert page.evaluate("sessionStorage.light") == "ended"
    page.go_back()
    box.get_by_role("button", name="start the camera").wait_for()


def test_it_goes_off_for_a_photograph(box, images, tmp_path):
    start(box)
    (tmp_path / "no.png").write_bytes(b"")
    box.locator("input[type=file]").last.set_input_files(tmp_path / "no.png")
    says(box, "The file no.png holds no picture")
    assert is_off(box)


def test_when_it_is_taken_away(box):
    """The browser takes the permission back: so does whoever unplugs it."""
    start(box)
    box.page.context.clear_permissions()
    says(box, "The camera was taken away.")
    assert is_off(box)


def test_when_it_is_refused(with_camera, server):
    box = panel(with_camera, server, allowed=False)
    box.get_by_role("button", name="start the camera").click()
    assert says(box, "The camera was refused.") and is_off(box)
    box.page.context.grant_permissions(["camera"])
    start(box)
    box.page.context.close()


def test_when_there_is_none(chromium, server):
    box = panel(chromium, server)
    box.get_by_role("button", name="start the camera").click()
    assert says(box, "No camera was found.") and is_off(box)
    box.page.context.close()


def test_where_browsers_lend_none(with_camera, server):
    """A page that came by http from another computer."""
    box = panel(with_camera, server.replace("127.0.0.1", "insecure.test"))
    box.get_by_role("button", name="start the camera").click()
    assert says(box, "browsers lend theirs only to pages that come by https") and is_off(box)
    box.page.context.close()


def test_when_it_is_not_wanted_any_more_before_it_is_lent(box):
    page = box.page
    page.evaluate(
        """() => {
          const { mediaDevices } = navigator;
          const lend = mediaDevices.getUserMedia;
          mediaDevices.getUserMedia = async (wanted) => {
            await new Promise((go) => { window.lend = go; });
            return lend(wanted);
          };
        }"""
    )
    box.get_by_role("button", name="start the camera").click()
    says(box, "The camera starts.")
    box.get_by_role("button", name="stop the camera").click()
    page.evaluate("() => window.lend()")
    page.wait_for_function("window.lent.length === 1")
    assert is_off(box)


def test_axe_finds_nothing_while_it_runs(box, axe):
    start(box)
    says(box, "read as")
    box.page.evaluate(axe)
    assert box.page.evaluate(RUN, {}) == []
