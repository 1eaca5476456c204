"""Networks, images and starts that an explorer can't show."""

import pytest
import torch
from torch import nn

from helpers.explorers import draw_a_digit, explore_feature_maps, explore_steps, explore_switches
from helpers.lenet5 import LeNet5

IMAGES, LABELS = torch.zeros(3, 1, 28, 28), torch.zeros(3, dtype=torch.int64)

COLOUR = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def cnn():
    """A reader of four classes in colour."""
    layers = [nn.Conv2d(3, 5, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(245, 4)]
    return nn.Sequential(*layers).eval()


def broken(model):
    model[0].weight.data.fill_(torch.nan)
    return model


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
    "an explorer of no network": (
        lambda: explore_steps(torch.relu, IMAGES, LABELS),
        TypeError,
        "model is a builtin_function_or_method; explore_steps needs a module",
    ),
    "an explorer without digits for a LeNet5": (
        lambda: explore_steps(LeNet5().eval(), IMAGES),
        TypeError,
        "labels are NoneType; explore_steps needs a tensor of int64",
    ),
    "an explorer of a layer in train mode": (
        lambda: explore_steps(cnn().append(nn.Dropout()), COLOUR),
        ValueError,
        r"in train mode; call model.eval\(\) before explore_steps",
    ),
    "an explorer of NaN": (
        lambda: explore_feature_maps(cnn(), COLOUR.index_fill(3, torch.tensor([9]), torch.nan)),
        ValueError,
        "images hold NaN or infinity; explore_feature_maps needs finite pixels",
    ),
    "an explorer of weights that are NaN": (
        lambda: explore_feature_maps(broken(cnn()), COLOUR),
        ValueError,
        "layer '0' has NaN or infinity in its weight",
    ),
    "an explorer of photographs as bytes": (
        lambda: explore_feature_maps(cnn(), 255 * COLOUR),
        ValueError,
        r"images, times std and plus mean, hold pixels from 0\S* to 2\d\d\S*; explore_feature_maps needs 0 to 1",
    ),
    "an explorer of photographs that are normalised by who knows what": (
        lambda: explore_switches(cnn(), (COLOUR - 0.5) / 0.25),
        ValueError,
        "explore_switches needs 0 to 1: divide bytes by 255, or give the mean and std that were taken off",
    ),
    "an explorer of photographs that are normalised by another mean": (
        lambda: explore_steps(cnn(), (COLOUR - 0.5) / 0.25, mean=0.1, std=0.25),
        ValueError,
        "explore_steps needs 0 to 1",
    ),
    "a mean for two channels": (
        lambda: explore_steps(cnn(), COLOUR, mean=[0.5, 0.5]),
        ValueError,
        r"mean is \[0.5, 0.5\]; it must be a finite number, or one for each of 3 channels",
    ),
    "a std of zero": (
        lambda: explore_steps(cnn(), COLOUR, std=0),
        ValueError,
        "std is 0; it must be above zero",
    ),
    "an explorer of five channels": (
        lambda: explore_steps(nn.Conv2d(5, 2, 3).eval(), torch.rand(2, 5, 9, 9)),
        ValueError,
        "images have 5 channels; explore_steps can show 1, which is grey, and 3, in colour",
    ),
    "an explorer of grey images for a network of colour": (
        lambda: explore_feature_maps(cnn(), COLOUR[:, :1]),
        ValueError,
        r"images of the shape \(1, 1, 16, 16\) can't pass layer '0'",
    ),
    "too few names": (
        lambda: explore_feature_maps(cnn(), COLOUR, names=["cat", "dog"]),
        ValueError,
        "2 names for 4 classes; explore_feature_maps needs as many of each",
    ),
    "a label beyond the classes": (
        lambda: explore_feature_maps(cnn(), COLOUR, torch.tensor([0, 4])),
        ValueError,
        "labels hold 4; explore_feature_maps needs the classes 0 to 3",
    ),
    "switches where there are none": (
        lambda: explore_switches(nn.Conv2d(3, 2, 3).eval(), COLOUR),
        ValueError,
        "the model has no max pooling, so no switches; explore_switches needs one",
    ),
    "steps where there is no way back": (
        lambda: explore_steps(nn.Sequential(nn.GELU(), nn.Conv2d(3, 2, 3)).eval(), COLOUR),
        ValueError,
        "no layer of the model can be projected",
    ),
    "paper for no network": (
        lambda: draw_a_digit(torch.relu),
        TypeError,
        "model is a builtin_function_or_method; draw_a_digit needs a module",
    ),
    "paper for a network of photographs": (
        lambda: draw_a_digit(cnn()),
        ValueError,
        r"draw_a_digit needs a reader of digits, which gives ten scores for images \(N, 1, 28, 28\): .*can't pass",
    ),
    "paper for a network of four classes": (
        lambda: draw_a_digit(nn.Sequential(nn.Flatten(), nn.Linear(784, 4)).eval()),
        ValueError,
        "the model gives 4 scores; draw_a_digit needs a reader of digits",
    ),
    "paper for a network without scores": (
        lambda: draw_a_digit(nn.Conv2d(1, 10, 3).eval()),
        ValueError,
        "the model gives no scores of classes; draw_a_digit needs a reader of digits",
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
