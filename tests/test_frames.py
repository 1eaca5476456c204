"""helpers.explorers.frames: panels as levels, and their colours those of helpers.plotting, value by value.

What a page makes of them is tested in tests/browser.
"""

import numpy as np
import pytest
import torch

from helpers.explorers import frames
from helpers.plotting import COLOURS, GREY, Panel


def coloured(panel, end, side=196):
    """The colours `(H, W, 3)` of its levels, 0 to 255."""
    palette = np.frombuffer(frames.PALETTES[panel.kind], np.uint8).reshape(-1, 3).astype(int)
    return palette[frames.levels(panel, end, side)]


@pytest.mark.parametrize(("kind", "low"), [("ink", 0.0), ("signed", -2.0), ("activation", 0.0)])
@pytest.mark.parametrize("side", [28, 14, 10, 5])
def test_each_value_has_the_colour_of_its_scale(kind, low, side):
    end = 1.0 if kind == "ink" else 2.0
    values = torch.linspace(low, end, side * side).view(side, side)
    wanted = 255 * COLOURS[kind]((values.numpy() - low) / (end - low))[..., :3]
    # 255 or 256 levels in place of matplotlib's 256 or 257: half a step of one, half a step of the other
    step = np.abs(np.diff(255 * COLOURS[kind](np.arange(256)), axis=0)).max()
    np.testing.assert_allclose(coloured(Panel(values, kind=kind), end), wanted, atol=step + 0.5)


def test_images_keep_each_of_their_256_greys():
    values = torch.arange(256.0).view(16, 16) / 255
    assert (coloured(Panel(values), 1)[..., 0] == np.arange(256).reshape(16, 16)).all()


def test_zero_is_the_neutral_grey_and_what_lies_beyond_the_scale_has_its_last_colour():
    values = torch.tensor([[0.0, 9.0], [-9.0, 1.0]])
    shown = coloured(Panel(values, kind="signed"), 1.0)
    assert shown[0, 0].tolist() == [*bytes.fromhex(GREY[1:])]
    assert (shown[0, 1] == shown[1, 1]).all()
    np.testing.assert_allclose(shown[1, 0], 255 * np.array(COLOURS["signed"](0.0))[:3], atol=1)


def test_where_there_is_no_room_each_level_is_that_of_the_strongest_of_a_few():
    values = torch.zeros(4, 4)
    values[0, 1], values[2, 3], values[3, 2] = 1.0, -2.0, 1.5
    small = torch.tensor([[1.0, 0.0], [0.0, -2.0]])
    one = frames.levels(Panel(values, kind="signed"), 2.0, 2)
    other = frames.levels(Panel(small, kind="signed"), 2.0, 2)
    assert (one == other).all()


@pytest.mark.parametrize(
    "give",
    [torch.nn.Parameter, lambda values: values.bfloat16(), lambda values: values.half()],
    ids=["weights", "bfloat16", "half"],
)
@pytest.mark.parametrize("side", [8, 2])
def test_tensors_of_any_kind_are_drawn(give, side):
    values = torch.tensor([[1.0, 0, 0.5, 1], [-1, 1, 0, 0], [0, 0, 2, -2], [1, 1, 1, 1]])
    usual = frames.levels(Panel(values, kind="signed"), 2.0, side)
    assert (frames.levels(Panel(give(values), kind="signed"), 2.0, side) == usual).all()


@pytest.mark.parametrize("side", [8, 1])
def test_integers_are_drawn(side):
    values = torch.tensor([[0, 3], [1, -4]])
    usual = frames.levels(Panel(values.float(), kind="signed"), 4.0, side)
    assert (frames.levels(Panel(values, kind="signed"), 4.0, side) == usual).all()
