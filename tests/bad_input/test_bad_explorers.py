"""Networks, images and starts that an explorer can't show."""

import pytest
import torch
from torch import nn

from helpers.lenet5 import LeNet5
from helpers.widgets import draw_a_digit, explore_feature_maps, explore_steps, explore_switches

IMAGES, LABELS = torch.zeros(3, 1, 28, 28), torch.zeros(3, dtype=torch.int64)

# what goes wrong: (how, the error, a piece of its message)
CASES = {
    "an explorer with a label too few": (
        lambda: explore_switches(LeNet5().eval(), IMAGES, LABELS[:2]),
        ValueError,
        "explore_switches needs one label for each of 3 images",
    ),
    "an explorer in train mode": (
        lambda: explore_steps(LeNet5(), IMAGES, LABELS),
        ValueError,
        r"call model.eval\(\)",
    ),
    "an explorer of colour images": (
        lambda: explore_feature_maps(LeNet5().eval(), torch.zeros(3, 3, 28, 28), LABELS),
        ValueError,
        r"images have the shape \(3, 3, 28, 28\); explore_feature_maps needs \(N, 1, 28, 28\)",
    ),
    "an explorer of larger images": (
        lambda: explore_switches(LeNet5().eval(), torch.zeros(3, 1, 32, 32), LABELS),
        ValueError,
        r"images have the shape \(3, 1, 32, 32\); explore_switches needs \(N, 1, 28, 28\)",
    ),
    "an explorer of another network": (
        lambda: explore_steps(nn.Linear(2, 2), IMAGES, LABELS),
        TypeError,
        "model is a Linear; explore_steps needs a LeNet5",
    ),
    "paper for another network": (
        lambda: draw_a_digit(nn.Linear(2, 2)),
        TypeError,
        "model is a Linear; draw_a_digit needs a LeNet5",
    ),
    "a start that is a batch": (
        lambda: draw_a_digit(LeNet5().eval(), IMAGES),
        ValueError,
        r"start has the shape \(3, 1, 28, 28\) .*; draw_a_digit needs \(28, 28\)",
    ),
    "a start of bytes": (
        lambda: draw_a_digit(LeNet5().eval(), torch.zeros(28, 28, dtype=torch.uint8)),
        TypeError,
        "start is torch.uint8; draw_a_digit needs a tensor of floating-point pixels",
    ),
    "a start beyond ink": (
        lambda: draw_a_digit(LeNet5().eval(), torch.full((28, 28), 255.0)),
        ValueError,
        "values from 255 to 255; draw_a_digit needs .* 0 for paper and 1 for ink",
    ),
}


@pytest.mark.parametrize(("run", "error", "message"), CASES.values(), ids=CASES)
def test_bad_input_is_named(run, error, message):
    with pytest.raises(error, match=message):
        run()
