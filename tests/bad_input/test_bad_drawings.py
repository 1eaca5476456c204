"""Drawings that can't be brought to MNIST's size and place."""

import pytest
import torch

from helpers.data import as_mnist

# what goes wrong: (how, the error, a piece of its message)
CASES = {
    "a drawing that is a list": (lambda: as_mnist([[0.5]]), TypeError, "drawing is list; as_mnist needs a tensor of"),
    "a drawing of bytes": (
        lambda: as_mnist(torch.ones(4, 4, dtype=torch.uint8)),
        TypeError,
        "drawing is torch.uint8; as_mnist needs a tensor of floating-point pixels",
    ),
    "a drawing in a batch": (
        lambda: as_mnist(torch.ones(1, 4, 4)),
        ValueError,
        r"drawing has the shape \(1, 4, 4\); as_mnist needs \(H, W\)",
    ),
    "a drawing beyond ink": (
        lambda: as_mnist(torch.full((4, 4), 1.5)),
        ValueError,
        "drawing holds numbers outside 0 to 1; as_mnist needs 0 for paper, 1 for ink",
    ),
    "a drawing of NaN": (lambda: as_mnist(torch.full((4, 4), torch.nan)), ValueError, "numbers outside 0 to 1"),
    "ink that is nearly paper": (
        lambda: as_mnist(torch.full((4, 4), 0.001)),
        ValueError,
        "drawing holds no ink above 0.001, which is paper among 256 levels of grey; as_mnist needs darker strokes",
    ),
    "two pixels far apart": (
        lambda: as_mnist(torch.block_diag(torch.ones(1, 1), torch.zeros(600, 500), torch.ones(1, 1))),
        ValueError,
        "drawing is 602×502 pixels large, with strokes so thin that none is left when it is reduced to 20×17; as_mnist",
    ),
    "an empty sheet": (lambda: as_mnist(torch.zeros(4, 4)), ValueError, "drawing holds no ink; as_mnist needs some"),
}


@pytest.mark.parametrize(("run", "error", "message"), CASES.values(), ids=CASES)
def test_bad_input_is_named(run, error, message):
    with pytest.raises(error, match=message):
        run()
