"""Twelve small networks of one's own: two residual, one with concatenations, and what else people write."""

import torch
import torch.nn.functional as F
from networks import CifarTutorial, Dense, PreActivation, SmallCnn, Standardised, Written, conv, ready
from torch import Tensor, nn

from helpers.lenet5 import load_lenet5


def _head(channels: int, sides: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(channels * sides * sides, 5), nn.LogSoftmax(dim=1))


class _Block(nn.Module):
    """A residual block of ResNet, which halves the plane."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(6, 12, 3, 2, 1, bias=False), nn.BatchNorm2d(12)
        self.conv2, self.bn2 = nn.Conv2d(12, 12, 3, 1, 1, bias=False), nn.BatchNorm2d(12)
        self.relu, self.down = nn.ReLU(inplace=True), nn.Sequential(nn.Conv2d(6, 12, 1, 2), nn.BatchNorm2d(12))

    def forward(self, x: Tensor) -> Tensor:
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        out += self.down(x)
        return self.relu(out)


def _fire(self: Written, x: Tensor) -> Tensor:
    """A module of SqueezeNet; normalised within the network, the mean of each map at the end."""
    x = self.squeeze((x - self.mean) / 0.25).relu()
    x = torch.cat([self.left(x).relu(), self.right(x).relu()], 1)
    return self.scores(F.adaptive_max_pool2d(x, (5, 4))).mean((2, 3))


def _twice(self: Written, x: Tensor) -> Tensor:
    """A convolution that runs twice, a map that is written over, and one that is broadcast."""
    x = self.a(x).relu_()
    x = self.b(self.b(x).clamp(0, 0.6)) - 0.5 * x
    x[:, 0] = x[:, 3].flip(2)
    x = x + x.mean(1, keepdim=True)
    return self.head(torch.maximum(x, torch.zeros(())))


def _bent(self: Written, x: Tensor) -> Tensor:
    """Up again by a transposed convolution and by interpolation; channels shuffled, the dimensions exchanged."""
    x = F.relu6(self.edge(x))
    up = self.up(x)
    x = F.channel_shuffle(torch.cat([up, F.interpolate(x, scale_factor=2.0, mode="bilinear")], 1), 2)
    x = 1 - F.avg_pool2d(x, 3, 2, 1).relu()
    return x.permute(0, 2, 3, 1).flatten(1) @ self.weight


def networks() -> dict[str, tuple[nn.Module, Tensor]]:
    """Each with two images `(2, C, H, W)`; in single precision and eval mode."""
    torch.manual_seed(0)
    cifar, scores = torch.rand(2, 3, 32, 32), nn.Linear(8, 5)
    small = torch.rand(2, 3, 12, 12)
    made: dict[str, tuple[nn.Module, Tensor]] = {
        "lenet5": (load_lenet5(), torch.rand(2, 1, 28, 28)),
        "32 and 64 maps": (SmallCnn(), torch.rand(2, 1, 28, 28)),
        "cifar tutorial": (CifarTutorial(), cifar),
        "residual": (nn.Sequential(conv(3, 6), nn.ReLU(), _Block(), _head(12, 6)), small),
        "residual, ReLU first": (nn.Sequential(conv(), PreActivation(), nn.ReLU(), _head(8, 12)), small),
        "dense": (nn.Sequential(conv(), Dense(), nn.MaxPool2d(2), _head(20, 6)), small),
        "overlapping windows": (
            nn.Sequential(
                *(nn.Conv2d(3, 8, 5, 2, 1), nn.ReLU(), nn.LocalResponseNorm(5), nn.MaxPool2d(3, 2)),
                *(
                    nn.Conv2d(8, 12, 3, padding=2, dilation=2, groups=2),
                    nn.ReLU(),
                    nn.MaxPool2d((3, 2), (2, 1), (1, 0)),
                ),
                *(nn.Conv2d(12, 12, (3, 1), (1, 2)), nn.ReLU(), nn.MaxPool2d(3, 2, ceil_mode=True), nn.Flatten()),
                nn.LazyLinear(5),
            ),
            cifar,
        ),
        "depthwise": (
            nn.Sequential(
                *(nn.Conv2d(3, 8, 4, padding="same"), nn.BatchNorm2d(8), nn.ReLU6(inplace=True)),
                *(nn.Conv2d(8, 8, 3, 2, 1, groups=8), nn.BatchNorm2d(8, affine=False), nn.Hardtanh(0, 0.5)),
                *(nn.Conv2d(8, 8, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Dropout(), nn.Flatten(), scores),
            ),
            small,
        ),
        "fire": (
            Written(
                _fire,
                squeeze=nn.Conv2d(3, 4, 3, 2),
                left=conv(4, 6),
                right=nn.Conv2d(4, 6, 1),
                scores=nn.Conv2d(12, 5, 1),
                mean=torch.rand(3, 1, 1),
            ),
            cifar,
        ),
        "twice": (Written(_twice, a=conv(), b=conv(8), head=_head(8, 12)), small),
        "bent": (
            Written(
                _bent,
                edge=nn.Conv2d(3, 8, 3, padding=1, padding_mode="reflect"),
                up=nn.ConvTranspose2d(8, 4, 2, 2),
                weight=torch.randn(12 * 12 * 12, 5),
            ),
            small,
        ),
        "standardised": (nn.Sequential(Standardised(3, 6, 3), nn.ReLU(), nn.MaxPool2d(2), _head(6, 5)), small),
    }
    for model, images in made.values():
        model.eval()(images)  # some learn their sizes
    return {name: (ready(model).float(), images) for name, (model, images) in made.items()}


def million() -> tuple[nn.Module, Tensor]:
    """A network of a million weights, with four convolutions; and two images."""
    torch.manual_seed(0)
    model = nn.Sequential(
        *(conv(3, 32), nn.ReLU(), conv(32, 64), nn.ReLU(), nn.MaxPool2d(2)),
        *(conv(64, 128), nn.ReLU(), nn.MaxPool2d(2), conv(128, 256), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(4096, 160), nn.ReLU(), nn.Linear(160, 10)),
    )
    return model.eval(), torch.rand(2, 3, 32, 32)
