"""Training: the time until 99.0 % of the test images are read, against the usual loop; and the notebook's schedule.

How many epochs the usual loop needs depends on luck, and takes ten minutes to find out for five seeds. So that was
counted once, by `python -m benchmarks.training`, and is kept in usual_loop.json; here its epochs are only timed.
"""

import json
import statistics
from collections.abc import Iterator
from functools import partial
from itertools import count
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader
from torchvision.datasets import MNIST
from torchvision.transforms import ToTensor

from benchmarks.measures import Measure, seconds
from helpers.data import DATA, load_mnist
from helpers.files import write_atomically
from helpers.lenet5 import LeNet5
from helpers.training import accuracy, fit

SEEDS = range(1, 6)
WANTED = 0.99
COUNTED = Path(__file__).with_name("usual_loop.json")


def usual_loop(seed: int, test: tuple[Tensor, Tensor]) -> Iterator[float]:
    """Trains an epoch at a time, as PyTorch's tutorials do, and yields the accuracy after it."""
    torch.manual_seed(seed)
    model = LeNet5()
    batches = DataLoader(MNIST(DATA, train=True, download=True, transform=ToTensor()), batch_size=64, shuffle=True)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    while True:
        model.train()
        for images, labels in batches:
            optimizer.zero_grad()
            F.nll_loss(model(images), labels).backward()
            optimizer.step()
        yield accuracy(model, *test)


def epochs_needed(seed: int, test: tuple[Tensor, Tensor]) -> int:
    """After how many epochs of the usual loop `WANTED` is reached for the first time."""
    return next(epoch for epoch, reached in zip(count(1), usual_loop(seed, test), strict=False) if reached >= WANTED)


def training() -> Iterator[Measure]:
    """Ours with five seeds; an epoch of the usual loop follows on the first three of them."""
    train, test = load_mnist("train"), load_mnist("test")
    epochs = json.loads(COUNTED.read_text(encoding="utf-8"))["epochs"]
    our_times: list[float] = []
    ours: list[float] = []
    usual_times: list[float] = []
    loop = usual_loop(SEEDS[0], test)

    def notebook_schedule(seed: int) -> None:
        torch.manual_seed(seed)
        model = LeNet5()
        fit(model, *train, seed=seed)
        ours.append(accuracy(model, *test))

    for seed in SEEDS:
        our_times.append(seconds(partial(notebook_schedule, seed)))
        if len(usual_times) < 3:
            usual_times.append(seconds(lambda: next(loop)))
    an_epoch = statistics.median(usual_times)
    # A training that does not get there gains nothing.
    gains = [
        needed * an_epoch / time if reached >= WANTED else 0
        for needed, time, reached in zip(epochs, our_times, ours, strict=True)
    ]
    yield Measure("training to 99.0 %, against the usual loop", "×", gains, at_least=10)
    yield Measure("an epoch of the usual loop", "s", usual_times)
    yield Measure("training by the schedule of notebook 01", "s", our_times)
    name = f"test images misread after training, mean of {len(SEEDS)} seeds"
    yield Measure(name, "%", [100 * (1 - statistics.mean(ours))], at_most=0.85)


if __name__ == "__main__":
    test = load_mnist("test")
    counted = {"seeds": list(SEEDS), "epochs": [epochs_needed(seed, test) for seed in SEEDS]}
    write_atomically(COUNTED, (json.dumps(counted) + "\n").encode())
    print(counted)
