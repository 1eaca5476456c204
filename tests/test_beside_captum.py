"""docs/captum.md: the networks on which Captum's pictures are those of the rule, and those on which they are not."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from reference import maps_by_captum, relative_difference
from reference_any import maps_of_any
from torch import Tensor, nn

from helpers.deconvnet import DeconvNet

PAGE = Path(__file__).resolve().parents[1] / "docs" / "captum.md"


class MnistExample(nn.Module):
    """As PyTorch's MNIST example writes it: ReLUs are functions."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 8, 3), nn.Conv2d(8, 8, 3)
        self.last = nn.Linear(8 * 6 * 6, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.conv2(F.relu(self.conv1(x))))
        return self.last(torch.flatten(F.max_pool2d(x, 2), 1))


class PreActivation(nn.Module):
    """A residual block with its ReLU first: the ReLU and the addition read one map."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.relu = nn.Conv2d(1, 8, 3, padding=1), nn.ReLU()
        self.inside, self.last = nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        return self.last(x + self.inside(self.relu(x)))


class TwoReadOne(nn.Module):
    """Two ReLUs read one map."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.one, self.other = nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.ReLU()
        self.left, self.right = nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.last = nn.Conv2d(16, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        return self.last(torch.cat([self.left(self.one(x)), self.right(self.other(x))], dim=1))


class PostActivation(nn.Module):
    """A residual block as in ResNet, each of whose ReLUs is a module with a map of its own to read."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm, self.relu1 = nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU()
        self.inside, self.relu2, self.last = nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu1(self.norm(self.first(x)))
        return self.last(self.relu2(x + self.inside(x)))


class ReluOfRelu(nn.Module):
    """A ReLU straight after another: the second changes nothing on the way up."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.relu1, self.relu2 = nn.Conv2d(1, 8, 3), nn.ReLU(), nn.ReLU()
        self.last = nn.Conv2d(8, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.relu2(self.relu1(self.first(x))))


class OneInPlace(nn.Module):
    """One ReLU, in place, used after two convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.relu = nn.Conv2d(1, 8, 3), nn.Conv2d(8, 8, 3), nn.ReLU(inplace=True)
        self.last = nn.Conv2d(8, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.relu(self.second(self.relu(self.first(x)))))


def differences(network: type[nn.Module]) -> tuple[float, float]:
    """How far our picture and Captum's are from the rule's, of all maps of `last` of this network."""
    torch.manual_seed(0)
    model, images = network().double().eval(), torch.rand(4, 1, 16, 16, dtype=torch.float64)
    if isinstance(model.last, nn.Linear):
        # Captum is asked for maps; one number is a map of one pixel.
        model.last = nn.Sequential(model.last, nn.Unflatten(1, (-1, 1, 1)))
    expected = maps_of_any(model, "last", images, "deconvnet")
    net = DeconvNet(model)
    ours = net.project(net.record(images), "last")
    theirs = maps_by_captum(model, model.last, images, "deconvnet")
    return relative_difference(ours, expected), relative_difference(theirs, expected)


@pytest.mark.parametrize("network", [MnistExample, PreActivation, TwoReadOne, ReluOfRelu])
def test_where_captum_gives_another_picture(network):
    ours, theirs = differences(network)
    assert ours < 1e-10
    assert f"off by {theirs:.0%}".replace("%", " %") in row_of(network)


@pytest.mark.parametrize("network", [PostActivation, OneInPlace])
def test_where_captum_gives_the_same(network):
    ours, theirs = differences(network)
    assert ours < 1e-10
    assert theirs < 1e-10
    assert row_of(network).count("the same") == 2


def row_of(network: type[nn.Module]) -> str:
    """The row of the table in the page that is about this network."""
    return next(line for line in PAGE.read_text(encoding="utf-8").splitlines() if f"`{network.__name__}`" in line)
