"""Networks as people write them, small, in float64 and eval mode."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Written(nn.Module):
    """A network whose `forward` is `function(self, images)`, with these modules and buffers."""

    def __init__(self, function: Callable[..., Any], **parts: nn.Module | Tensor) -> None:
        super().__init__()
        self.function = function
        for name, part in parts.items():
            if isinstance(part, nn.Module):
                self.add_module(name, part)
            else:
                self.register_buffer(name, part)

    def forward(self, *given: Any, **options: Any) -> Any:
        return self.function(self, *given, **options)


def conv(in_channels: int = 3, channels: int = 8) -> nn.Conv2d:
    """Keeps the size of its planes."""
    return nn.Conv2d(in_channels, channels, 3, padding=1)


def written(function: Callable[..., Any], **parts: nn.Module | Tensor) -> nn.Module:
    """As `Written`; it also has the convolutions `a` (3 to 8 channels), `b` (8 to 8) and `last` (8 to 4)."""
    torch.manual_seed(0)
    parts = {"a": conv(), "b": conv(8), "last": nn.Conv2d(8, 4, 1)} | parts
    return ready(Written(function, **parts))


def ready(model: nn.Module) -> nn.Module:
    """In eval mode, in float64, and with statistics that leave nothing as it was."""
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.running_mean is not None:
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            if module.affine:
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.normal_(module.bias, std=0.1)
    return model.double().eval()


class MnistExample(nn.Module):
    """The network of pytorch/examples, mnist/main.py, with a quarter of its channels."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3, 1)
        self.conv2 = nn.Conv2d(8, 16, 3, 1)
        self.dropout1 = nn.Dropout(0.25)
        self.dropout2 = nn.Dropout(0.5)
        self.fc1 = nn.Linear(2304, 32)
        self.fc2 = nn.Linear(32, 10)

    def forward(self, x):
        x = self.conv1(x)
        x = F.relu(x)
        x = self.conv2(x)
        x = F.relu(x)
        x = F.max_pool2d(x, 2)
        x = self.dropout1(x)
        x = torch.flatten(x, 1)
        x = self.fc1(x)
        x = F.relu(x)
        x = self.dropout2(x)
        x = self.fc2(x)
        output = F.log_softmax(x, dim=1)
        return output


class CifarTutorial(nn.Module):
    """The network of PyTorch's CIFAR tutorial, as older editions wrote it: a loop counts the features."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 5)
        self.pool = nn.MaxPool2d(2, 2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x):
        x = self.pool(F.relu(self.conv1(x)))
        x = self.pool(F.relu(self.conv2(x)))
        x = x.view(-1, self.num_flat_features(x))
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        x = self.fc3(x)
        return x

    def num_flat_features(self, x):
        size = x.size()[1:]
        num_features = 1
        for s in size:
            num_features *= s
        return num_features


class PreActivation(nn.Module):
    """A residual block with the ReLU first: two ways read what it reads."""

    def __init__(self):
        super().__init__()
        self.bn1, self.relu1, self.conv1 = nn.BatchNorm2d(8), nn.ReLU(), conv(8)
        self.bn2, self.relu2, self.conv2 = nn.BatchNorm2d(8), nn.ReLU(), conv(8)

    def forward(self, x):
        out = self.conv1(self.relu1(self.bn1(x)))
        out = self.conv2(self.relu2(self.bn2(out)))
        return out + x


class TwoReLUs(nn.Module):
    """Two ReLUs read one map."""

    def __init__(self):
        super().__init__()
        self.first, self.relu1, self.relu2, self.conv1, self.conv2 = conv(), nn.ReLU(), nn.ReLU(), conv(8), conv(8)

    def forward(self, x):
        x = self.first(x)
        return self.conv1(self.relu1(x)) - 2 * self.conv2(self.relu2(x))


class Backwards(nn.Sequential):
    """A Sequential with a forward of its own."""

    def forward(self, x):
        for module in self:
            x = module(x)
        return self[0](x[:, :3].relu()) + x


class Standardised(nn.Conv2d):
    """A convolution that standardises its weights."""

    def forward(self, x):
        weight = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
        weight = weight / weight.std((1, 2, 3), keepdim=True)
        return F.conv2d(x, weight, self.bias, self.stride, self.padding)


class Dense(nn.Module):
    """A dense block, which changes the list that it has given to `torch.cat`."""

    def __init__(self):
        super().__init__()
        self.norms = nn.ModuleList([nn.BatchNorm2d(8 + 4 * i) for i in range(3)])
        self.convs = nn.ModuleList([conv(8 + 4 * i, 4) for i in range(3)])

    def forward(self, x):
        features = [x]
        for norm, convolution in zip(self.norms, self.convs, strict=True):
            features.append(convolution(F.relu(norm(torch.cat(features, 1)))))
        return torch.cat(features, 1)


class SmallCnn(nn.Module):
    """A reader of digits with 32 and 64 maps and batch normalisation, as people write them."""

    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(1, 32, 3, padding=1), nn.BatchNorm2d(32)
        self.conv2, self.bn2 = nn.Conv2d(32, 64, 3, padding=1), nn.BatchNorm2d(64)
        self.fc = nn.Linear(64 * 7 * 7, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 2)
        x = F.max_pool2d(F.relu(self.bn2(self.conv2(x))), 2)
        return F.log_softmax(self.fc(torch.flatten(x, 1)), dim=1)
