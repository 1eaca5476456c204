"""Settings that can't train, and weights that can't be saved. Damaged files: test_lenet5."""

import pytest
import torch
from torch import nn

from helpers.lenet5 import LeNet5, load_lenet5, save_lenet5
from helpers.training import accuracy, fit, predict

IMAGES, LABELS = torch.zeros(3, 1, 28, 28), torch.zeros(3, dtype=torch.int64)


class Both(nn.Module):
    def forward(self, images):
        return images, images


class SquareRoot(nn.Module):
    def forward(self, log_probabilities):
        return log_probabilities.sqrt()


class Elsewhere(LeNet5):
    """Gives what it gives on another device."""

    def forward(self, images):
        return super().forward(images).to("meta")


def with_nan():
    model = LeNet5()
    model.features.conv2.weight.data[3, 2, 1, 0] = torch.nan
    return model


# what goes wrong: (how, the error, a piece of its message)
CASES = {
    "no epoch": (lambda: fit(LeNet5(), IMAGES, LABELS, epochs=0), ValueError, "epochs is 0; it must be above zero"),
    "half an epoch": (
        lambda: fit(LeNet5(), IMAGES, LABELS, epochs=1.5),
        TypeError,
        "epochs is 1.5; it must be an integer",
    ),
    "empty batches": (lambda: fit(LeNet5(), IMAGES, LABELS, batch_size=0), ValueError, "batch_size is 0; it must be"),
    "batches below zero": (
        lambda: predict(LeNet5(), IMAGES, -1),
        ValueError,
        "batch_size is -1; it must be above zero",
    ),
    "weights that grow": (
        lambda: fit(LeNet5(), IMAGES, LABELS, weight_decay=-0.1),
        ValueError,
        "weight_decay is -0.1; it must be zero or above, and finite",
    ),
    "weights that decay at once": (
        lambda: fit(LeNet5(), IMAGES, LABELS, weight_decay=float("inf")),
        ValueError,
        "weight_decay is inf; it must be",
    ),
    "no learning rate": (lambda: fit(LeNet5(), IMAGES, LABELS, max_lr=0.0), ValueError, "max_lr is 0.0; it must be"),
    "a learning rate that is no number": (
        lambda: fit(LeNet5(), IMAGES, LABELS, max_lr=float("nan")),
        ValueError,
        "max_lr is nan; it must be above zero and finite",
    ),
    "an infinite learning rate": (
        lambda: fit(LeNet5(), IMAGES, LABELS, max_lr=float("inf")),
        ValueError,
        "max_lr is inf; it must be above zero and finite",
    ),
    "test images without a channel": (
        lambda: fit(LeNet5(), IMAGES, LABELS, test=(IMAGES[0], LABELS)),
        ValueError,
        r"images have the shape \(1, 28, 28\); test needs",
    ),
    "test labels too few": (
        lambda: fit(LeNet5(), IMAGES, LABELS, test=(IMAGES, LABELS[:1])),
        ValueError,
        r"labels have the shape \(1,\); test needs",
    ),
    "a class that does not exist": (
        lambda: fit(LeNet5(), IMAGES, LABELS + 11),
        ValueError,
        "labels hold 11, but the model has 10 classes, 0 to 9; fit needs the numbers of the classes, from 0$",
    ),
    "labels from 1 to 10": (
        lambda: fit(LeNet5(), IMAGES, torch.tensor([1, 10, 2])),
        ValueError,
        r"labels hold 10, but .* from 0 \(labels that count from 1: pass labels - 1\)$",
    ),
    "test labels from 1 to 10": (
        lambda: fit(LeNet5(), IMAGES, LABELS, test=(IMAGES, torch.tensor([1, 10, 2]))),
        ValueError,
        "labels hold 10, but the model has 10 classes, 0 to 9; test needs",
    ),
    "an accuracy over labels from 1 to 10": (
        lambda: accuracy(LeNet5(), IMAGES, torch.tensor([1, 10, 2])),
        ValueError,
        "labels hold 10, but the model has 10 classes, 0 to 9; accuracy needs",
    ),
    "no log-softmax": (
        lambda: fit(nn.Sequential(*LeNet5().features, *LeNet5().classifier[:-1]), IMAGES, LABELS),
        ValueError,
        r"the model gives no log-probabilities: their exponentials add up to [\d.]+ for one image, not to 1; "
        r"end it with nn.LogSoftmax\(dim=1\)$",
    ),
    "softmax, not its logarithm": (
        lambda: fit(nn.Sequential(nn.Flatten(), nn.Linear(784, 10), nn.Softmax(dim=1)), IMAGES, LABELS),
        ValueError,
        "the model gives no log-probabilities",
    ),
    "softmax over the images": (
        lambda: fit(nn.Sequential(nn.Flatten(), nn.Linear(784, 10), nn.LogSoftmax(dim=0)), IMAGES, LABELS),
        ValueError,
        "the model gives no log-probabilities",
    ),
    "maps, not classes, to learn": (
        lambda: fit(LeNet5().features, IMAGES, LABELS),
        ValueError,
        r"the model gives \(3, 16, 5, 5\); fit needs \(N, classes\)",
    ),
    "maps, not classes, to count": (
        lambda: accuracy(LeNet5().features, IMAGES, LABELS),
        ValueError,
        r"the model gives \(3, 16, 5, 5\); accuracy needs \(N, classes\)",
    ),
    "several outputs": (
        lambda: predict(Both(), IMAGES),
        TypeError,
        "the model gives tuple; predict needs one tensor",
    ),
    "a NaN among the weights to train": (
        lambda: fit(with_nan(), IMAGES, LABELS),
        ValueError,
        "the model's weights hold NaN or infinity; fit needs sound weights to begin with",
    ),
    "a NaN among the weights that predict": (
        lambda: predict(with_nan(), IMAGES),
        ValueError,
        "the model's weights hold NaN or infinity; predict needs sound weights: train it anew, or load others",
    ),
    "a NaN that the model makes": (
        lambda: predict(nn.Sequential(LeNet5(), SquareRoot()), IMAGES),
        ValueError,
        "the model gives NaN for these images; predict needs sound weights",
    ),
    "weights that are all frozen": (
        lambda: fit(LeNet5().requires_grad_(False), IMAGES, LABELS),
        ValueError,
        "no weight of the model requires a gradient; fit needs some that do, to train them",
    ),
    "a model on another device": (
        lambda: fit(LeNet5().to("meta"), IMAGES, LABELS),
        ValueError,
        r"images are on cpu, the model is on meta; fit needs both alike, as with images.to\('meta'\)$",
    ),
    "labels on another device": (
        lambda: fit(Elsewhere(), IMAGES, LABELS),
        ValueError,
        r"labels are on cpu, what the model gives is on meta; fit needs both alike, as with labels.to\('meta'\)$",
    ),
    "double precision": (
        lambda: predict(LeNet5(), IMAGES.double()),
        ValueError,
        r"images are torch.float64, the model is torch.float32; predict needs both alike, "
        r"as with images.to\(torch.float32\)$",
    ),
    "another network to be saved": (
        lambda: save_lenet5(nn.Linear(2, 2)),
        TypeError,
        "model is a Linear; save_lenet5 needs a LeNet5",
    ),
    "an empty name": (lambda: save_lenet5(LeNet5(), ""), ValueError, "name is ''; it must be that of a file"),
    "an empty name to be loaded": (lambda: load_lenet5(""), ValueError, "name is ''; it must be that of a file"),
    "weights that do not exist": (lambda: load_lenet5("nobodys"), FileNotFoundError, "nobodys.pt; run notebook 01"),
}


@pytest.mark.parametrize(("run", "error", "message"), CASES.values(), ids=CASES)
def test_bad_input_is_named(run, error, message):
    with pytest.raises(error, match=message):
        run()
