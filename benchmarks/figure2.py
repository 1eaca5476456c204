"""The paper's figure 2 for a network of photographs: how long one waits for it, and how much memory such work takes."""

import subprocess
import sys
from collections.abc import Callable, Iterator

import torch
import torchvision
from torch import nn

from benchmarks.measures import Measure, peak_memory, seconds
from benchmarks.start import ROOT, run_python
from helpers.deconvnet import DeconvNet, strongest
from helpers.squeezenet import load_squeezenet

FIGURE = """
from helpers.deconvnet import DeconvNet, patches, strongest
from helpers.photos import load_photos
from helpers.plotting import Panel, as_image, mosaic, panels
from helpers.squeezenet import MEAN, load_squeezenet

photos = load_photos()[0]
net = DeconvNet(load_squeezenet())
found = strongest(net, photos - MEAN, "features.6")
crops, projections = patches(net, photos - MEAN, found, range(32))
row = [Panel(mosaic(crops + MEAN)), Panel(mosaic(projections), kind="signed")]
as_image(panels([row], "32 maps"), "Nine patches of each of 32 maps, and what the maps saw in them.")
"""


def figure2() -> Iterator[Measure]:
    name = "figure 2 of 32 maps of SqueezeNet over 170 pictures, start to picture"
    yield Measure(name, "s", [seconds(lambda: run_python("-c", FIGURE)) for _ in range(3)], at_most=20)


def memory() -> Iterator[Measure]:
    """Each in a fresh process, as memory that was used before and is not given back would hide a part of it."""
    name = "memory above the data and the result:"
    for what, call, at_most in (
        ("32 images of SqueezeNet, streamed", "streamed(load_squeezenet(), 32)", 700),
        ("8 images of DenseNet-121, streamed", "streamed(densenet121(), 8)", 700),
        ("strongest of 32 images of SqueezeNet", "searched(32)", 400),
        ("32 maps of one image of SqueezeNet", "projected(1, 32)", 150),
        ("256 maps of one image of SqueezeNet", "projected(1, 256)", 150),
        ("32 maps of 8 images of SqueezeNet", "projected(8, 32)", 150),
    ):
        code = f"from benchmarks.figure2 import *\nprint({call})"
        done = subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, capture_output=True, text=True)
        yield Measure(f"{name} {what}", "MB", [float(done.stdout.splitlines()[-1])], at_most=at_most)


def densenet121() -> nn.Module:
    torch.manual_seed(0)
    return torchvision.models.densenet121(weights=None).eval()


def _above(function: Callable[[], object]) -> float:
    before, highest = peak_memory(function)
    return highest - before


def streamed(model: nn.Module, count: int) -> float:
    """MB above the images, while so many of them are recorded in a stream."""
    net, images = DeconvNet(model), torch.rand(count, 3, 227, 227)

    def stream() -> None:
        for _, _trace in net.stream(images):
            pass

    return _above(stream)


def searched(count: int) -> float:
    """MB above the images, while the strongest of so many are found."""
    net, images = DeconvNet(load_squeezenet()), torch.rand(count, 3, 227, 227)
    return _above(lambda: strongest(net, images, "features.6"))


def projected(count: int, maps: int) -> float:
    """MB above the traces and the result, while so many maps of so many images are projected."""
    net = DeconvNet(load_squeezenet())
    trace = net.record(torch.rand(count, 3, 227, 227))
    return _above(lambda: net.project(trace, "features.6", range(maps))) - count * maps * 3 * 227 * 227 * 4 / 1e6
