"""Images and labels that no function takes: each one says so, in the same words."""

import re

import pytest
import torch

from helpers.deconvnet import DeconvNet
from helpers.explorers import explore_feature_maps, explore_steps, explore_switches
from helpers.lenet5 import LeNet5
from helpers.training import accuracy, fit, predict

IMAGES, LABELS = torch.zeros(3, 1, 28, 28), torch.zeros(3, dtype=torch.int64)

# Images that no function takes: (the images, the error, what is said of them)
BAD_IMAGES = {
    "a list": ([[0.0]], TypeError, "images are list; {} needs a tensor of floating-point pixels"),
    "bytes": (IMAGES.byte(), TypeError, "images are torch.uint8; {} needs"),
    "without a channel": (IMAGES[:, 0], ValueError, "images have the shape (3, 28, 28); {} needs (N, C, H, W)"),
    "one alone": (IMAGES[0, 0], ValueError, "images have the shape (28, 28); {} needs (N, C, H, W)"),
    "none": (
        IMAGES[:0],
        ValueError,
        "images have the shape (0, 1, 28, 28); {} needs (N, C, H, W), with none of them 0",
    ),
    "not a number": (torch.full_like(IMAGES, torch.nan), ValueError, "images hold NaN or infinity; {} needs finite"),
    "infinity": (torch.full_like(IMAGES, torch.inf), ValueError, "images hold NaN or infinity; {} needs finite"),
}

# The functions that take images, with the name that the message gives them.
TAKE_IMAGES = {
    "record": lambda images: DeconvNet(LeNet5().eval().features).record(images),
    "fit": lambda images: fit(LeNet5(), images, LABELS),
    "predict": lambda images: predict(LeNet5(), images),
    "accuracy": lambda images: accuracy(LeNet5(), images, LABELS),
    "explore_switches": lambda images: explore_switches(LeNet5().eval(), images, LABELS),
    "explore_steps": lambda images: explore_steps(LeNet5().eval(), images, LABELS),
    "explore_feature_maps": lambda images: explore_feature_maps(LeNet5().eval(), images, LABELS),
}


@pytest.mark.parametrize("function", TAKE_IMAGES)
@pytest.mark.parametrize("case", BAD_IMAGES)
def test_bad_images_are_named(function, case):
    images, error, message = BAD_IMAGES[case]
    with pytest.raises(error, match=re.escape(message.format(function))):
        TAKE_IMAGES[function](images)


@pytest.mark.parametrize("function", ["predict", "accuracy", "fit"])
@pytest.mark.parametrize("shape", [(3, 3, 28, 28), (3, 1, 32, 32)], ids=str)
def test_lenet5_names_images_of_another_size(function, shape):
    message = f"images have the shape {shape}; LeNet5 takes (N, 1, 28, 28)"
    with pytest.raises(ValueError, match=re.escape(message)):
        TAKE_IMAGES[function](torch.zeros(shape))


# Labels that no function takes: (the labels, the error, what is said of them)
BAD_LABELS = {
    "a list": ([0, 0, 0], TypeError, "labels are list; {} needs a tensor of int64"),
    "not integers": (LABELS.float(), TypeError, "labels are torch.float32; {} needs a tensor of int64"),
    "too few": (LABELS[:2], ValueError, "labels have the shape (2,); {} needs one label for each of 3 images"),
    "below zero": (LABELS - 100, ValueError, "labels hold -100; {} needs the numbers of the classes, from 0"),
    "one-hot": (torch.eye(10).long()[:3], ValueError, "labels have the shape (3, 10); {} needs one label for each"),
}


@pytest.mark.parametrize("function", [fit, accuracy], ids=lambda function: function.__name__)
@pytest.mark.parametrize("case", BAD_LABELS)
def test_bad_labels_are_named(function, case):
    labels, error, message = BAD_LABELS[case]
    with pytest.raises(error, match=re.escape(message.format(function.__name__))):
        function(LeNet5(), IMAGES, labels)
