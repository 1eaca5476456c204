"""Trains the network of the slider over training, and stores it: site/live/training.bin.

    .venv/bin/python site/live/train.py

It is the first training of notebook C, in double precision. Stored is what has changed from one step to the next: in
whole multiples of 1/128 for the weights of the first two linear layers, which are most of all, and of 1/4096 for the
rest. How well the network reads, and how far its probabilities move by that, is printed.
"""

import copy
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from helpers.data import load_mnist
from helpers.files import write_atomically
from helpers.lenet5 import LeNet5

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from live.tensors import packed

FILE = Path(__file__).resolve().parent / "training.bin"
STEPS = (0, 10, 30, 50, 100, 200, 300, 600, 1200)
COARSE, FINE = 128, 4096
_LARGE = ("classifier.linear1.weight", "classifier.linear2.weight")


def states() -> dict[int, dict[str, Tensor]]:
    """The weights after so many steps: those of notebook C from `seed = 0`."""
    torch.set_num_threads(1)
    images, labels = load_mnist("train")
    images, labels = images[:10_000].double(), labels[:10_000]
    torch.manual_seed(0)
    model, order = LeNet5().double(), torch.Generator().manual_seed(0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
    taken, batches = {0: copy.deepcopy(model.state_dict())}, []
    for step in range(1, STEPS[-1] + 1):
        if not batches:
            batches = list(torch.randperm(len(images), generator=order).split(25))
        batch = batches.pop()
        loss = F.nll_loss(model(images[batch]), labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step in STEPS:
            taken[step] = copy.deepcopy(model.state_dict())
    return taken


def unit(name: str) -> int:
    """How many of the units in which a weight is stored make 1."""
    return COARSE if name in _LARGE else FINE


def main() -> None:
    taken = list(states().values())
    counts = {name: torch.stack([(one[name] * unit(name)).round() for one in taken]) for name in taken[0]}
    images, labels = load_mnist("test")
    accuracies, model = [], LeNet5().double().eval()
    for k, (step, state) in enumerate(zip(STEPS, taken, strict=True)):
        probabilities = []
        for weights in (state, {name: count[k] / unit(name) for name, count in counts.items()}):
            model.load_state_dict(weights)
            with torch.no_grad():
                probabilities.append(model(images.double()).exp())
        exact, stored = probabilities
        reads = [float((one.argmax(dim=1) == labels).double().mean()) for one in probabilities]
        accuracies.append(f"{reads[1]:.4f}")
        moved = (exact - stored).abs().amax(dim=1)
        print(
            f"{step:5} steps: reads {reads[0]:.2%}, as stored {reads[1]:.2%}; a probability moves by {moved.mean():.4f}"
        )
    tensors = {}
    for name, count in counts.items():
        changes = torch.cat([count[:1], count.diff(dim=0)]).numpy()
        tensors[name] = changes.astype(np.int8 if name in _LARGE else np.int16)
        assert (tensors[name] == changes).all()
    about = {"steps": " ".join(map(str, STEPS)), "accuracies": " ".join(accuracies)}
    write_atomically(FILE, packed(tensors, about))
    print(f"{FILE.name}: {FILE.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
