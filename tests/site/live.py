"""The live page in a browser, and hands to use it with: mouse, keys, fingers and eyes."""

import base64
import io
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Locator, Page

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "browser"))

from lab import SEVEN, rest, stroke  # noqa: E402

NAMES = ["drawing", "photo", "training", "feature-maps", "steps", "switches"]


def explorer(page: Page, name: str) -> Locator:
    """The explorer of that name, scrolled to and laid out."""
    place = page.locator(f"[data-explorer='{name}']")
    place.scroll_into_view_if_needed()
    place.locator(".keepsakes").wait_for()
    place.evaluate("e => e.scrollIntoView()")
    rest(place)
    return place


def opened(page: Page, address: str) -> Page:
    """The live page with all its explorers laid out, scrolled to its top."""
    page.goto(address)
    for name in NAMES:
        explorer(page, name)
    page.evaluate("scrollTo(0, 0)")
    return page


def canvases(box: Locator, which: str) -> list[np.ndarray]:
    """The pixels `(H, W, 3)` of these canvases, as they are drawn."""
    drawn = box.locator(which).evaluate_all("all => all.map((one) => one.toDataURL().split(',')[1])")
    opened_ones = (Image.open(io.BytesIO(base64.b64decode(one))) for one in drawn)
    return [np.asarray(one.convert("RGB"), dtype=int) for one in opened_ones]


def state(page: Page) -> str:
    """What stands in the address, as soon as that has come to rest."""
    page.wait_for_timeout(450)
    return page.evaluate("decodeURIComponent(location.hash)")


def draw_seven(box: Locator) -> None:
    box.evaluate("e => e.querySelector('.paper').scrollIntoView({block: 'center'})")
    for points in SEVEN:
        stroke(box, points)
    box.get_by_text("read as 7").wait_for()
