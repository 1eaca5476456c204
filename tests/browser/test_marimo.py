"""In marimo, too, the explorers draw what the hand asks for."""

import os
import subprocess
import sys
import urllib.error
import urllib.request

import pytest
from lab import PATIENCE, SEVEN, drag, free_port, new_page, press, rest, stroke, wait_for
from test_drawing import see_what_follows
from test_explorers import see_feature_maps

APP = """
import marimo

app = marimo.App(width="full")


@app.cell
def _():
    from helpers.data import load_mnist
    from helpers.explorers import draw_a_digit, explore_feature_maps
    from helpers.lenet5 import load_lenet5

    images, labels = load_mnist("test")
    model = load_lenet5()
    return draw_a_digit, explore_feature_maps, images, labels, model


@app.cell
def _(explore_feature_maps, images, labels, model):
    explore_feature_maps(model, images[:300], labels[:300])


@app.cell
def _(draw_a_digit, model):
    draw_a_digit(model)


app.run()
"""


@pytest.fixture(scope="module")
def page(chromium, tmp_path_factory):
    folder, port = tmp_path_factory.mktemp("marimo"), free_port()
    (folder / "app.py").write_text(APP, encoding="utf-8")
    command = [sys.executable, "-m", "marimo", "run", "app.py", "--headless", "--no-token", f"--port={port}"]
    own = {f"XDG_{what}_HOME": str(folder) for what in ("CONFIG", "STATE", "CACHE")}
    with (folder / "marimo.log").open("w") as log:
        server = subprocess.Popen(command, cwd=folder, env=os.environ | own, stdout=log, stderr=subprocess.STDOUT)
        try:
            wait_for(lambda: answers(port), f"marimo does not start, see {folder}/marimo.log")
            page = new_page(chromium)
            page.goto(f"http://127.0.0.1:{port}")
            yield page
        finally:
            server.terminate()
            server.wait(PATIENCE)


def answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health"):
            return True
    except (urllib.error.URLError, ConnectionError):
        return False


def explorer(page, number):
    box = page.locator(".explorer").nth(number)
    box.locator("canvas").first.wait_for()
    box.scroll_into_view_if_needed()
    rest(box)
    return box


def test_feature_maps_by_keys_and_by_mouse(page):
    box = explorer(page, 0)
    drag(box, "digit", 5 / 9)
    press(box, "layer", "ArrowRight")
    press(box, "map", "ArrowRight", 4)
    see_feature_maps(box, 5, 0, 2, 4)
    box.get_by_role("button", name="7", exact=True).click()
    see_feature_maps(box, 5, 0, 2, 7)


def test_a_drawing_is_followed(page):
    box = explorer(page, 1)
    for points in SEVEN:
        stroke(box, points)
    box.get_by_text("read as 7", exact=True).wait_for()
    press(box, "map", "End")
    see_what_follows(box, 2, 15)
