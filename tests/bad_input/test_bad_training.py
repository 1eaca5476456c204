"""Settings that can't train, and weights that can't be saved. Damaged files: test_lenet5."""

import pytest
import torch
from torch import nn

from helpers.lenet5 import LeNet5, load_lenet5, save_lenet5
from helpers.training import fit, predict

IMAGES, LABELS = torch.zeros(3, 1, 28, 28), torch.zeros(3, dtype=torch.int64)

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
        lambda: fit(LeNet5(), IMAGES, LABELS + 10),
        IndexError,
        "Target 10 is out of bounds",
    ),
    "another device": (
        lambda: fit(LeNet5().to("meta"), IMAGES, LABELS),
        (RuntimeError, NotImplementedError),
        "meta",
    ),
    "double precision": (lambda: predict(LeNet5(), IMAGES.double()), RuntimeError, "double|Double"),
    "another network to be saved": (
        lambda: save_lenet5(nn.Linear(2, 2)),
        TypeError,
        "model is a Linear; save_lenet5 needs a LeNet5",
    ),
    "an empty name": (lambda: save_lenet5(LeNet5(), ""), ValueError, "name is ''; save_lenet5 needs that of a file"),
    "weights that do not exist": (lambda: load_lenet5("nobodys"), FileNotFoundError, "nobodys.pt; run notebook 01"),
}


@pytest.mark.parametrize(("run", "error", "message"), CASES.values(), ids=CASES)
def test_bad_input_is_named(run, error, message):
    with pytest.raises(error, match=message):
        run()
