"""The start: the first picture in a fresh process, and all four notebooks."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.measures import Measure, in_turn, seconds

ROOT = Path(__file__).resolve().parents[1]
IMPORTS = "import torch, torchvision"
FIRST_PICTURE = """
from helpers.data import load_mnist
from helpers.deconvnet import DeconvNet
from helpers.lenet5 import load_lenet5
from helpers.plotting import as_image, map_grid

images, labels = load_mnist("test")
net = DeconvNet(load_lenet5().features)
maps = net.project(net.record(images[:1]), "pool2")
as_image(map_grid(images[0, 0], maps[0, :, 0], "a 7"), "A handwritten seven and its 16 maps.")
"""


def run_python(*arguments: str) -> None:
    # As the Makefile does: threads that wait by spinning take the cores from the other process.
    environment = {"OMP_WAIT_POLICY": "PASSIVE", **os.environ}
    subprocess.run([sys.executable, *arguments], check=True, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)


def first_picture() -> Iterator[Measure]:
    def with_picture() -> None:
        run_python("-c", FIRST_PICTURE)

    def imports_only() -> None:
        run_python("-c", IMPORTS)

    in_turn(1, with_picture, imports_only)
    ours, imports = in_turn(3, with_picture, imports_only)
    more = [one - other for one, other in zip(ours, imports, strict=True)]
    yield Measure("first picture in a fresh process, less import torch, torchvision", "s", more, at_most=1)


def four_notebooks() -> Iterator[Measure]:
    yield Measure("make run, after installation", "s", [seconds(lambda: run_python("notebooks/run.py"))], at_most=75)
