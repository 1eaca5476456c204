"""helpers.explorers.frames: small pictures in the colours of helpers.plotting, value by value."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from helpers.explorers import frames
from helpers.plotting import COLOURS, GREY, Panel


def drawn(picture, kind):
    """The colours of the PNG file, `(H, W, 4)`, 0 to 255."""
    return np.asarray(Image.open(io.BytesIO(frames.png(picture, kind))).convert("RGBA"), dtype=int)


@pytest.mark.parametrize(("kind", "low"), [("ink", 0.0), ("signed", -2.0), ("activation", 0.0)])
@pytest.mark.parametrize("side", [28, 14, 10, 5])
def test_each_value_is_a_block_in_the_colour_of_its_scale(kind, low, side):
    end = 1.0 if kind == "ink" else 2.0
    values = torch.linspace(low, end, side * side).view(side, side)
    block = 196 // side
    first = (196 - block * side) // 2
    shown = drawn(frames.cell(Panel(values, kind=kind), end, 196), kind)
    blocks = shown[first : first + block * side, first : first + block * side].reshape(side, block, side, block, 4)
    assert (blocks == blocks[:, :1, :, :1]).all()
    wanted = 255 * COLOURS[kind]((values.numpy() - low) / (end - low))
    # 253 levels in place of matplotlib's 256 or 257: half a step of one, half a step of the other
    step = np.abs(np.diff(255 * COLOURS[kind](np.arange(256)), axis=0)).max()
    np.testing.assert_allclose(blocks[:, 0, :, 0], wanted, atol=step + 0.5)


def test_images_keep_each_of_their_256_greys():
    values = torch.arange(256.0).view(16, 16) / 255
    assert (drawn(frames.cell(Panel(values), 1, 16), "ink")[..., 0] == np.arange(256).reshape(16, 16)).all()


def test_zero_is_the_neutral_grey_and_what_lies_beyond_the_scale_has_its_last_colour():
    values = torch.tensor([[0.0, 9.0], [-9.0, 1.0]])
    shown = drawn(frames.cell(Panel(values, kind="signed"), 1.0, 2), "signed")
    assert shown[0, 0].tolist() == [*bytes.fromhex(GREY[1:]), 255]
    assert (shown[0, 1] == shown[1, 1]).all()
    np.testing.assert_allclose(shown[1, 0], 255 * np.array(COLOURS["signed"](0.0)), atol=1)


def test_around_a_smaller_map_the_page_shows_through():
    shown = drawn(frames.cell(Panel(torch.ones(5, 5), kind="signed"), 1.0, 56), "signed")
    assert (shown[55] == 0).all() and (shown[:, 55] == 0).all()
    assert (shown[:55, :55, 3] == 255).all()


def test_dots_are_white_with_a_dark_ring_inside_their_block():
    dots = torch.tensor([[0, 3], [2, 1]])
    shown = drawn(frames.cell(Panel(torch.full((4, 4), 0.5), kind="activation", dots=dots), 1.0, 28), "activation")
    field = shown[3, 3]
    for row, column in dots.T.tolist():
        block = shown[7 * row : 7 * row + 7, 7 * column : 7 * column + 7]
        assert (block[0] == field).all() and (block[:, 6] == field).all()
        assert (block[1, 1:6, :3] == 0).all() and (block[2:5, 2:5, :3] == 255).all()
    assert sum((shown[7 * r + 3, 7 * c + 3, :3] == 255).all() for r in range(4) for c in range(4)) == 2


def test_where_there_is_no_room_each_pixel_shows_the_strongest_of_a_few():
    values = torch.zeros(4, 4)
    values[0, 1], values[2, 3], values[3, 2] = 1.0, -2.0, 1.5
    small = torch.tensor([[1.0, 0.0], [0.0, -2.0]])
    one = frames.cell(Panel(values, kind="signed"), 2.0, 2)
    other = frames.cell(Panel(small, kind="signed"), 2.0, 2)
    assert (one == other).all()


@pytest.mark.parametrize(
    "give",
    [torch.nn.Parameter, lambda values: values.bfloat16(), lambda values: values.half()],
    ids=["weights", "bfloat16", "half"],
)
@pytest.mark.parametrize("side", [8, 2])
def test_tensors_of_any_kind_are_drawn(give, side):
    values = torch.tensor([[1.0, 0, 0.5, 1], [-1, 1, 0, 0], [0, 0, 2, -2], [1, 1, 1, 1]])
    usual = frames.cell(Panel(values, kind="signed"), 2.0, side)
    assert (frames.cell(Panel(give(values), kind="signed"), 2.0, side) == usual).all()


@pytest.mark.parametrize("side", [8, 1])
def test_integers_are_drawn(side):
    values = torch.tensor([[0, 3], [1, -4]])
    usual = frames.cell(Panel(values.float(), kind="signed"), 4.0, side)
    assert (frames.cell(Panel(values, kind="signed"), 4.0, side) == usual).all()


def test_a_grid_puts_each_picture_in_its_place():
    cells = [np.full((2, 2), k, np.uint8) for k in range(5)]
    whole = frames.grid(cells, columns=3, rows=2, width=4, height=5)
    assert whole.shape == (10, 12)
    for k in range(5):
        top, left = k // 3 * 5 + 1, k % 3 * 4 + 1
        assert (whole[top : top + 2, left : left + 2] == k).all()
    assert (whole == frames.CLEAR).sum() == 120 - 5 * 4
    assert (drawn(whole, "signed")[0] == 0).all()


@pytest.mark.parametrize("kind", ["signed", "activation"])
def test_the_gradient_runs_through_the_colours_of_the_scale(kind):
    stops = frames.gradient(kind).removeprefix("linear-gradient(to right, ").removesuffix(")").split(", ")
    colours = [list(bytes.fromhex(stop[1:])) for stop in stops]
    np.testing.assert_allclose(colours, 255 * COLOURS[kind](np.linspace(0, 1, 9))[:, :3], atol=1)
