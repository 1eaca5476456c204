"""Networks, images and starts that an explorer can't show."""

import pytest
import torch
from torch import nn

from helpers.explorers import draw_a_digit, explore_feature_maps, explore_steps, explore_switches
from helpers.lenet5 import LeNet5

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
    "an explorer of bytes": (
        lambda: explore_steps(LeNet5().eval(), IMAGES.byte(), LABELS),
        TypeError,
        "images are torch.uint8; explore_steps needs a tensor of floating-point pixels",
    ),
    "an explorer of bytes as floats": (
        lambda: explore_feature_maps(LeNet5().eval(), IMAGES.index_fill(3, torch.tensor([9]), 255.0), LABELS),
        ValueError,
        "images hold pixels from 0 to 255; explore_feature_maps needs 0 for paper to 1 for ink: divide bytes by 255",
    ),
    "an explorer of normalised images": (
        lambda: explore_switches(LeNet5().eval(), (IMAGES - 0.1307) / 0.3081, LABELS),
        ValueError,
        r"images hold pixels from -0.42421\d to -0.42421\d; explore_switches needs .*, undo a normalisation",
    ),
    "an explorer of images less their mean": (
        lambda: explore_steps(LeNet5().eval(), IMAGES - 1e-3, LABELS),
        ValueError,
        "images hold pixels from -0.001 to -0.001; explore_steps needs 0 for paper",
    ),
    "an explorer of images that go a little too far": (
        lambda: explore_steps(LeNet5().eval(), IMAGES + 1.001, LABELS),
        ValueError,
        "images hold pixels from 1.001 to 1.001; explore_steps needs 0 for paper to 1 for ink",
    ),
    "an explorer of letters": (
        lambda: explore_feature_maps(LeNet5().eval(), IMAGES, LABELS + 10),
        ValueError,
        "labels hold 10; explore_feature_maps needs the digits 0 to 9",
    ),
    "an explorer of a model on another device": (
        lambda: explore_steps(LeNet5().eval().to("meta"), IMAGES, LABELS),
        ValueError,
        r"the model is on meta; explore_steps needs it on the CPU: call model.cpu\(\)",
    ),
    "paper for a model on another device": (
        lambda: draw_a_digit(LeNet5().eval().to("meta")),
        ValueError,
        r"the model is on meta; draw_a_digit needs it on the CPU: call model.cpu\(\)",
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
    "a start that is normalised": (
        lambda: draw_a_digit(LeNet5().eval(), torch.full((28, 28), -0.5)),
        ValueError,
        "values from -0.5 to -0.5; draw_a_digit needs .* 0 for paper and 1 for ink",
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
