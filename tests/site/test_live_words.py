"""The explorers of the live page say and draw what those of the kernel do: the words stand twice, and are compared."""

import base64
import json

import numpy as np
import pytest
from in_node import run

from helpers.data import load_mnist
from helpers.explorers import draw_a_digit, explore_feature_maps, explore_steps, explore_switches
from helpers.lenet5 import load_lenet5

IMAGES, LABELS = load_mnist("test")
MODEL = load_lenet5()
TEN = [4542, 6407, 208, 6365, 7662, 9331, 2458, 6586, 3588, 4901]
MAKE = {
    "switches": lambda: explore_switches(MODEL, IMAGES[TEN], LABELS[TEN]),
    "steps": lambda: explore_steps(MODEL, IMAGES[TEN], LABELS[TEN]),
    "feature-maps": lambda: explore_feature_maps(MODEL, IMAGES[:300], LABELS[:300]),
    "drawing": lambda: draw_a_digit(MODEL, IMAGES[TEN[5], 0]),
}
SETTINGS = {
    "switches": [
        {"digit": d, "map": k, "right": right, "down": down}
        for d, k, right, down in [
            (5, 5, 1, 0),
            (0, 0, -4, -4),
            (9, 3, 4, 4),
            (1, 1, 0, 0),
            (7, 2, 0, -2),
            (4, 4, -1, 3),
        ]
    ],
    "steps": [
        {"digit": d, "map": k, "rule": rule, "switches": switches, "stage": stage}
        for d, k in [(5, (2, 11)), (8, (1, 3)), (0, (2, 0))]
        for rule, switches in [("deconvnet", "recorded"), ("gradient", "recorded"), ("guided", "fixed corner")]
        for stage in range(7 if k[0] == 2 else 4)
    ],
    "feature-maps": [
        {"digit": d, "example": n, "layer": layer, "map": k, "show": show, "order": order, "class": of, "see": see}
        for d, n, layer, k, show, order, of, see in [
            (5, 10, 2, 11, "whole map", "number", None, "this image"),
            (5, 10, 2, 11, "peak", "strongest", None, "this image"),
            (7, 1, 1, 5, "whole map", "class", None, "this image"),
            (4, 20, 2, 3, "peak", "class", 9, "this image"),
            (0, 0, 1, 0, "peak", "number", 3, "nine strongest"),
            (1, 2, 2, 15, "whole map", "class", 0, "nine strongest"),
            *[(d, 4, 2, d, "whole map", "strongest", None, "this image") for d in range(10)],
        ]
    ],
    "drawing": [{"map": k} for k in [(1, 0), (1, 5), (2, 0), (2, 15)]],
}


def told(value):
    """As an address tells it."""
    if value is None:
        return "as-read"
    return "-".join(map(str, value)) if isinstance(value, tuple) else f"{value}".replace(" ", "-")


@pytest.mark.parametrize("name", MAKE)
def test_every_word_and_every_level_is_that_of_the_kernel_s_explorer(name, tmp_path):
    asked = [{key: told(value) for key, value in settings.items()} for settings in SETTINGS[name]]
    mine = run(
        f"""
        const explorer = live.EXPLORERS[{json.dumps(name)}](live.givenOf(await loaded("network")));
        const bytes = (view) => Buffer.from(view.buffer).toString("base64");
        const plain = ({{ levels, place, places, panels, end, ...rest }}) =>
          levels ? {{ levels: bytes(levels), ...(place ? {{ place }} : {{ places }}) }} : rest;
        return {json.dumps(asked)}.map((told) => {{
          explorer.take(told);
          const keys = Object.keys(explorer.settings).flatMap((name) => [`at_${{name}}`, `range_${{name}}`]);
          explorer.get("page").parts.forEach((_, k) => keys.push(`words_${{k}}`, `drawn_${{k}}`));
          const there = keys.filter((key) => explorer.get(key) !== undefined);
          const shown = Object.fromEntries(there.map((key) => [key, explorer.get(key)]));
          return Object.fromEntries(Object.entries(shown).map(
            ([key, value]) => [key, key.startsWith("drawn") ? plain(value) : value],
          ));
        }});
        """,
        tmp_path,
    )
    theirs = MAKE[name]()
    for settings, shown in zip(SETTINGS[name], mine, strict=True):
        theirs.at(**settings)
        keys = {key for key in theirs.keys if key.startswith(("at_", "range_", "words_", "drawn_"))}
        assert keys == set(shown) - ({"words_0"} if name == "drawing" else set()), settings
        for key in keys:
            value = getattr(theirs, key)
            if key.startswith("drawn_"):
                levels = np.frombuffer(base64.b64decode(shown[key].pop("levels")), np.uint8).astype(int)
                kernel = np.frombuffer(value["levels"], np.uint8).astype(int)
                assert levels.shape == kernel.shape and np.abs(levels - kernel).max() <= 1, (settings, key)
                value = {name: one for name, one in value.items() if name != "levels"}
            expected = json.loads(json.dumps(value))
            assert near(shown[key], expected), (settings, key, shown[key], expected)


def near(one, other):
    """Numbers to six digits, all else exactly."""
    if isinstance(one, float) or isinstance(other, float):
        return one == pytest.approx(other, abs=1e-6)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(near, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(near(one[key], other[key]) for key in one)
    return one == other
