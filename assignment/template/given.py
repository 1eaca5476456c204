"""What you are given: a trained network, so that the deconvnet does not wait for your own."""

from pathlib import Path

import torch
from torch import nn

_LAYERS = [nn.Sequential, nn.Conv2d, nn.ReLU, nn.MaxPool2d, nn.Flatten, nn.Linear, nn.LogSoftmax]


def given_network() -> nn.Sequential:
    """A trained LeNet-5 in eval mode: images `(N, 1, 28, 28)` become log-probabilities `(N, 10)`.

    `given_network().features` is a chain of six layers: convolution, ReLU, max pooling, twice. The pooling windows are
    3×3 and two apart, with a padding of 1: they overlap.
    """
    with torch.serialization.safe_globals(_LAYERS):
        return torch.load(Path(__file__).with_name("given_network.pt"), weights_only=True).requires_grad_(False)
