"""Training: the time until 99.0 % of the test images are read, against the usual loop; and the notebook's schedule."""

import statistics
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader
from torchvision.datasets import MNIST
from torchvision.transforms import ToTensor

from benchmarks.measures import Measure, seconds
from helpers.data import DATA, load_mnist
from helpers.lenet5 import LeNet5
from helpers.training import accuracy, fit

SEEDS = range(1, 6)
WANTED = 0.99


def usual_loop(seed: int, test: tuple[Tensor, Tensor]) -> Iterator[float]:
    """Trains an epoch at a time, as PyTorch's tutorials do, and yields the accuracy after it."""
    torch.manual_seed(seed)
    model = LeNet5()
    batches = DataLoader(MNIST(DATA, train=True, transform=ToTensor()), batch_size=64, shuffle=True)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    while True:
        model.train()
        for images, labels in batches:
            optimizer.zero_grad()
            F.nll_loss(model(images), labels).backward()
            optimizer.step()
        yield accuracy(model, *test)


def training() -> Iterator[Measure]:
    """Ours with five seeds. After each comes an epoch of the usual loop, and more in the end, until it is there."""
    train, test = load_mnist("train"), load_mnist("test")
    our_times, ours, usual_times, usual = [], [], [], []
    loop = usual_loop(SEEDS[0], test)

    def notebook_schedule(seed: int) -> None:
        torch.manual_seed(seed)
        model = LeNet5()
        fit(model, *train, seed=seed)
        ours.append(accuracy(model, *test))

    while len(ours) < len(SEEDS) or max(usual) < WANTED:
        if len(ours) < len(SEEDS):
            our_times.append(seconds(lambda: notebook_schedule(SEEDS[len(ours)])))
        if max(usual, default=0) < WANTED:
            usual_times.append(seconds(lambda: usual.append(next(loop))))
    # A training that does not get there gains nothing.
    gains = [sum(usual_times) / time if reached >= WANTED else 0 for time, reached in zip(our_times, ours, strict=True)]
    yield Measure(f"training to 99.0 %, against the usual loop ({len(usual)} epochs)", "×", gains, at_least=10)
    yield Measure("training by the schedule of notebook 01", "s", our_times)
    name = f"test images misread after it, mean of {len(SEEDS)} seeds"
    yield Measure(name, "%", [100 * (1 - statistics.mean(ours))], at_most=0.85)
