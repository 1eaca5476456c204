"""In Notebook 7, too, the explorers draw what the hand asks for, and keep their keys."""

import pytest
from lab import SEVEN, explorer, new_page, open_notebook, press, readout, run_all, stroke, wait_for
from test_drawing import see_what_follows
from test_explorers import NOTEBOOKS, see_feature_maps


@pytest.fixture(scope="module")
def page(chromium, lab):
    page = new_page(chromium)
    open_notebook(page, lab.replace("/lab/tree", "/notebooks"), f"notebooks/{NOTEBOOKS[3]}")
    assert page.evaluate("window.jupyterapp.name") == "Jupyter Notebook"
    assert run_all(page) == []
    return page


def test_feature_maps_by_keys_and_by_mouse(page):
    box = explorer(page, "explore_feature_maps(")
    press(box, "map", "ArrowRight", 4)
    see_feature_maps(box, 5, 10, 2, 15)
    box.get_by_role("button", name="7", exact=True).click()
    see_feature_maps(box, 5, 10, 2, 7)
    assert readout(box, "map") == "7"


def test_a_drawing_is_followed(page):
    box = explorer(page, "draw_a_digit(")
    box.get_by_role("button", name="clear").click()
    for points in SEVEN:
        stroke(box, points)
    wait_for(lambda: "read as 7" in box.inner_text(), "the seven is not read")
    see_what_follows(box)
