"""In which direction the strokes of a picture run, and how far two directions are apart.

Angles are in degrees, counterclockwise from level: 45 rises to the right, 90 is upright, 135 falls to the right. A
stroke has no front, so 0 and 180 are the same. Notebook 04 derives this.
"""

import torch
from torch import Tensor

from helpers.checks import kind_of


def stroke_directions(maps: Tensor) -> tuple[Tensor, Tensor]:
    """The direction of the strokes of each map, taken over all images.

    Args:
        maps: `(N, K, H, W)`, floating point, signed or not, with at least 3 rows and columns.

    Returns:
        angles `(K,)`, from 0 to 180 degrees; and how clear they are `(K,)`, from 0, no direction at all, to 1, all
        strokes in parallel. A map of zeros has a clearness of 0.

    Raises:
        TypeError: the maps are not floating-point.
        ValueError: they have another shape.

    Source: the structure tensor; Bigün & Granlund (1987), "Optimal orientation detection of linear symmetry".
    """
    if not isinstance(maps, Tensor) or not maps.is_floating_point():
        raise TypeError(f"maps are {kind_of(maps)}; stroke_directions needs a tensor of floating-point numbers")
    if maps.dim() != 4 or min(maps.shape[2:]) < 3:
        raise ValueError(f"maps have the shape {tuple(maps.shape)}; stroke_directions needs (N, K, H, W), 3×3 or more")
    if maps.dtype not in (torch.float32, torch.float64):
        maps = maps.float()  # the sums of squares go beyond what half precision holds
    down = maps[..., 2:, 1:-1] - maps[..., :-2, 1:-1]
    right = maps[..., 1:-1, 2:] - maps[..., 1:-1, :-2]
    xx, yy, xy = (products.sum(dim=(0, 2, 3)) for products in (right * right, down * down, right * down))
    # The tensor knows an angle and its opposite as one, hence the doubling and halving.
    steepest = torch.rad2deg(torch.atan2(2 * xy, xx - yy)) / 2
    smallest = torch.finfo(maps.dtype).tiny
    clear = torch.hypot(xx - yy, 2 * xy) / (xx + yy).clamp(min=smallest)
    # Rows count downwards, so this angle runs clockwise; the stroke stands at a right angle to it.
    return (90 - steepest) % 180, clear


def angle_between(one: Tensor | float, other: Tensor | float) -> Tensor:
    """How far directions are apart, from 0 to 90 degrees; tensors of any shapes that broadcast."""
    away = torch.as_tensor(one - other) % 180
    return torch.minimum(away, 180 - away)
