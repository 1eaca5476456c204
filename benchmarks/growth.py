"""How the cost of projecting grows with the number of images, of maps, and of pixels."""

import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
import torchvision

from benchmarks.measures import seconds
from benchmarks.projection import all_maps
from helpers.data import load_mnist
from helpers.deconvnet import DeconvNet
from helpers.lenet5 import load_lenet5


@dataclass(frozen=True)
class Growth:
    """Median seconds for different `counts` of `what`, `where`."""

    what: str
    where: str
    counts: list[int]
    seconds: list[float]


def growth() -> Iterator[Growth]:
    lenet5, images = DeconvNet(load_lenet5().features), load_mnist("test")[0]

    def many_images(count: int) -> None:
        for _, trace in lenet5.stream(images[:count]):
            all_maps(lenet5, trace)

    yield _measure("images", "28×28, LeNet-5's 22 maps of each", [1, 10, 100, 1000, 10000], many_images)

    torch.manual_seed(0)
    vgg16 = DeconvNet(torchvision.models.vgg16(weights=None).features.eval())
    trace = vgg16.record(torch.rand(1, 3, 32, 32))
    last = list(trace.activations)[-1]
    yield _measure(
        "maps",
        "of VGG-16's last layer, one image, 32×32",
        [1, 2, 8, 32, 128, 512],
        lambda count: vgg16.project(trace, last, range(count)),
    )

    larger = {side**2: F.interpolate(images[:1], size=(side, side), mode="bilinear") for side in (28, 56, 112, 224)}

    def large_images(pixels: int) -> None:
        all_maps(lenet5, lenet5.record(larger[pixels]))

    yield _measure("pixels", "28×28 to 224×224, LeNet-5's 22 maps", list(larger), large_images)


def _measure(what: str, where: str, counts: list[int], project: Callable[[int], object]) -> Growth:
    times = []
    for count in counts:
        project(count)
        times.append(statistics.median(seconds(partial(project, count)) for _ in range(3)))
    return Growth(what, where, counts, times)
