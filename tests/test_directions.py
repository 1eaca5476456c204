"""helpers.directions: strokes of known angles, and the function that notebook 04 derives."""

import math

import nbformat
import pytest
import torch
from stored import NOTEBOOKS, code_cells

from helpers.directions import angle_between, stroke_directions


def stripes(angle):
    """A picture `(28, 28)` of stripes that run at `angle` degrees, counterclockwise from level."""
    row, column = torch.meshgrid(torch.arange(28.0).double(), torch.arange(28.0).double(), indexing="ij")
    across = column * math.sin(math.radians(angle)) + row * math.cos(math.radians(angle))
    return torch.sin(0.5 * across)


@pytest.mark.parametrize("angle", [0, 20, 45, 90, 110, 135, 170])
def test_stripes_run_as_they_were_drawn(angle):
    angles, clear = stroke_directions(stripes(angle)[None, None])
    assert angle_between(angles, angle) < 1.5
    assert clear > 0.98


def test_a_falling_line_falls():
    """The sense of the angles, without a formula: the diagonal of a matrix falls to the right."""
    ((angle,), _) = stroke_directions(torch.eye(28)[None, None])
    assert round(angle.item()) == 135


def test_maps_are_told_apart_and_images_taken_together():
    maps = torch.stack([torch.stack([stripes(0), stripes(90)]), torch.stack([stripes(0), stripes(0)])])
    angles, clear = stroke_directions(maps)
    assert angle_between(angles[0], 0) < 1.5 and clear[0] > 0.98
    assert clear[1] < 0.1, "level and upright stripes cancel"


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_strong_maps_of_half_precision_have_a_direction(kind):
    """The sums of their squares go beyond what half precision holds."""
    angles, clear = stroke_directions(100 * stripes(20)[None, None].to(kind))
    assert angle_between(angles, 20) < 1.5
    assert 0.98 < clear <= 1


def test_an_empty_map_has_no_direction():
    _, clear = stroke_directions(torch.zeros(2, 3, 28, 28))
    assert clear.tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("maps", "error", "message"),
    [
        ([[0.0]], TypeError, "maps are list; stroke_directions needs a tensor of floating-point numbers"),
        (torch.zeros(1, 1, 28, 28, dtype=torch.int64), TypeError, "maps are torch.int64"),
        (torch.zeros(16, 28, 28), ValueError, r"maps have the shape \(16, 28, 28\); stroke_directions needs"),
        (torch.zeros(1, 1, 28, 2), ValueError, "3×3 or more"),
    ],
    ids=["a list", "integers", "one image", "two columns"],
)
def test_bad_maps_are_named(maps, error, message):
    with pytest.raises(error, match=message):
        stroke_directions(maps)


def test_it_is_the_function_of_notebook_04():
    cells = code_cells(nbformat.read(NOTEBOOKS[3], as_version=4))
    (source,) = (cell.source for cell in cells if "def stroke_directions" in cell.source)
    derived = {"torch": torch}
    exec(source[: source.index("\n\n\n")], derived)
    maps = torch.randn(5, 16, 28, 28, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for one, other in zip(stroke_directions(maps), derived["stroke_directions"](maps), strict=True):
        torch.testing.assert_close(one, other)


def test_directions_are_at_most_a_right_angle_apart():
    one, other = torch.tensor([10.0, 170.0, 0.0, 90.0]), torch.tensor([20.0, 10.0, 180.0, 0.0])
    assert angle_between(one, other).tolist() == [10, 20, 0, 90]
    assert angle_between(175.0, 5.0) == 10
