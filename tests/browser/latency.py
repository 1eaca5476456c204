"""How long after a slider's event its pixels are on the screen, measured inside the browser."""

import time
from dataclasses import dataclass

from lab import execute, pictures, press, readout, take, wait_for, way
from playwright.sync_api import Locator

# What was measured: explorer, slider, how many values it has, seconds.
LATENCIES: list[tuple[str, str, int, list[float]]] = []

# The median that is wanted, in milliseconds: explorer, slider. It is printed beside what was measured.
TARGETS = {
    ("explore_feature_maps(cnn", "map"): 100,
    ("explore_feature_maps(cnn", "image"): 250,
    ("explore_feature_maps(squeezenet", "map"): 150,
    ("explore_feature_maps(squeezenet", "image"): 500,
    ("all of LeNet-5", ""): 35,
}

ARRIVED = 0.2  # seconds, within which what the page has been sent is on the screen

PACE = 0.06  # seconds from one value to the next: a slider of 22 values in 1.3 s
MANY = 30  # values of a slider, of which one way there and back gives events enough

# Notes each change of a slider's value; the tooltips that are set at once, as happens whenever pictures are drawn, in
# any order; and when a frame with them has been painted: a message that is posted before a frame is drawn arrives after
# it.
WATCH = """
    box => {
        const seen = window.watched = {events: [], drawn: []};
        for (const slider of box.querySelectorAll('.slider')) {
            const name = slider.querySelector('.name').textContent;
            const value = slider.querySelector('.readout');
            new MutationObserver(() => seen.events.push([performance.now(), name, value.textContent]))
                .observe(value, {childList: true, characterData: true, subtree: true});
        }
        const pictures = [...box.querySelectorAll('.picture canvas')];
        new MutationObserver(changes => {
            const titles = changes.map(({target}) => [pictures.indexOf(target), target.title]);
            const drawn = {titles: Object.fromEntries(titles), at: null};
            seen.drawn.push(drawn);
            requestAnimationFrame(() => {
                const {port1, port2} = new MessageChannel();
                port1.onmessage = () => drawn.at = performance.now();
                port2.postMessage(0);
            });
        }).observe(box, {attributeFilter: ['title'], subtree: true});
    }
"""

# Whether all that was drawn has been painted.
ALL_PAINTED = "() => window.watched.drawn.every(one => one.at !== null)"


@dataclass(frozen=True)
class Drag:
    """What happened while a slider was dragged through all its values and back.

    Attributes:
        values: how many the slider has.
        seconds: for each event, until the first frame that shows its value or a later one.
        last_is_shown: whether the last event's value is what the screen shows in the end.
    """

    values: int
    seconds: list[float]
    last_is_shown: bool


def drag_through(box: Locator, name: str, picture: int) -> Drag:
    """Drag a slider to its end and back: three times, or once if it has many values.

    Args:
        picture: the number of the large picture whose tooltip differs from value to value.
    """
    title_of = titles(box, name, picture)
    box.evaluate(WATCH)
    steps = len(title_of) - 1
    sweep(box, name, steps, times=1 if steps > MANY else 3)
    wait_for(lambda: pictures(box)[picture].get_attribute("title") == title_of[readout(box, name)], "the end is lost")
    wait_for(lambda: box.page.evaluate(ALL_PAINTED), "a picture is not painted")
    watched = box.page.evaluate("() => window.watched")
    seconds, last = latencies(watched, name, picture, title_of)
    return Drag(len(title_of), seconds, last)


def sweep(box: Locator, name: str, steps: int, times: int) -> None:
    """Drag a slider from its beginning, a value at each `PACE`, to its end and back, so many times."""
    place, mouse = way(box, name), box.page.mouse
    take(box, name)
    start = time.monotonic()
    for k in range(1, 2 * times * steps + 1):
        mouse.move(*place(1 - abs(k / steps % 2 - 1)))
        time.sleep(max(0.0, start + (k + 1) * PACE - time.monotonic()))
    mouse.up()


def titles(box: Locator, name: str, picture: int) -> dict[str, str]:
    """The tooltip of a picture for each value of the slider, which is left at its first value."""

    def title() -> str:
        return pictures(box)[picture].get_attribute("title")

    press(box, name, "Home")
    execute(box.page, "")  # which comes to its end after the kernel's answer to the key
    time.sleep(ARRIVED)
    found = {}
    while (value := readout(box, name)) not in found:
        wait_for(lambda: title() not in found.values(), "the picture's tooltip does not tell the values apart")
        found[value] = title()
        press(box, name, "ArrowRight")
    press(box, name, "Home")
    wait_for(lambda: title() == found[readout(box, name)], "the beginning is not shown again")
    return found


def latencies(watched: dict, name: str, picture: int, title_of: dict[str, str]) -> tuple[list[float], bool]:
    """Seconds from each event to the frame that answers it, and whether the last answer is that of the last event.

    An answer begins with the pictures among which the named one is drawn, and ends with the last that are drawn before
    the next answer begins. Answers come in the order of their events, though not each event has one: it is then
    answered by the answer to a later one.
    """
    answers = []  # [title, end]
    for drawn in watched["drawn"]:
        if f"{picture}" in drawn["titles"]:
            answers.append([drawn["titles"][f"{picture}"], 0.0])
        if answers:
            answers[-1][1] = drawn["at"]
    events = []
    for at, which, value in watched["events"]:
        # The slider also writes its value again when it is let go.
        if which == name and (not events or value != events[-1][1]):
            events.append((at, value))
    ends, k = {}, -1
    for title, end in answers:
        k = next(i for i in range(k + 1, len(events)) if title_of[events[i][1]] == title)
        ends[k] = end
    answered = [min((ends[k] for k in ends if k >= i), default=None) for i in range(len(events))]
    seconds = [(end - at) / 1000 for (at, _), end in zip(events, answered, strict=True) if end is not None]
    # One that comes back to what is shown already, before the kernel has looked, needs no answer.
    return seconds, bool(answers) and answers[-1][0] == title_of[events[-1][1]]
