"""Every slider, dragged through all its values: the last one is never lost. The times are printed, not judged."""

import any_network
import lenet5_alone
import pytest
from lab import explorer, press
from latency import LATENCIES, drag_through, latencies

# The notebook, its explorer, the slider, and the picture whose tooltip names the value.
SLIDERS = [
    (lenet5_alone.NAME, "explore_switches(", "right", 0),
    (lenet5_alone.NAME, "explore_switches(", "down", 0),
    (lenet5_alone.NAME, "explore_switches(", "digit", 0),
    (lenet5_alone.NAME, "explore_switches(", "map", 1),
    (lenet5_alone.NAME, "explore_steps(", "stage", 1),
    (lenet5_alone.NAME, "explore_steps(", "map", 0),
    (lenet5_alone.NAME, "explore_steps(", "digit", 0),
    (lenet5_alone.NAME, "explore_feature_maps(", "map", 1),
    (lenet5_alone.NAME, "explore_feature_maps(", "layer", 1),
    (lenet5_alone.NAME, "explore_feature_maps(", "digit", 0),
    (lenet5_alone.NAME, "draw_a_digit(", "map", 1),
    (any_network.NAME, "explore_feature_maps(cnn, ", "map", 1),
    (any_network.NAME, "explore_feature_maps(cnn, ", "image", 0),
    (any_network.NAME, "explore_feature_maps(squeezenet, ", "map", 1),
    (any_network.NAME, "explore_feature_maps(squeezenet, ", "image", 0),
]


@pytest.mark.parametrize(("notebook", "call", "name", "picture"), SLIDERS, ids=lambda value: str(value).rstrip("(, "))
def test_a_slider_is_followed_to_its_last_value(notebook, call, name, picture, opened):
    page = opened(notebook)
    before = page.viewport_size
    page.set_viewport_size({"width": 1280, "height": 800})  # a small laptop's
    box = explorer(page, call)
    if name == "layer":
        press(box, "map", "Home")  # else its number changes with the layer
    drag = drag_through(box, name, picture)
    page.set_viewport_size(before)
    LATENCIES.append((call.rstrip("(, "), name, drag.values, drag.seconds))
    assert drag.seconds and drag.last_is_shown


def test_pictures_that_are_drawn_at_once_are_one_answer():
    """In whatever order their tooltips are set: else one answer would end with the next."""
    values = {"1": "map 1", "2": "map 2"}
    watched = {
        "events": [[0, "map", "1"], [60, "map", "2"]],
        "drawn": [
            {"titles": {"-1": "map 15", "1": "map 1"}, "at": 40},
            {"titles": {"2": "what it saw"}, "at": 50},
            {"titles": {"-1": "map 15", "1": "map 2"}, "at": 100},
        ],
    }
    assert latencies(watched, "map", 1, values) == ([0.05, 0.04], True)
