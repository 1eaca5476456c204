"""SqueezeNet 1.1 as torchvision writes it, with the weights that ship with this project: a network of photographs."""

from pathlib import Path

import torch
from torchvision.models import SqueezeNet, SqueezeNet1_1_Weights, squeezenet1_1

from helpers.state_dicts import load_weights

WEIGHTS = Path(__file__).resolve().parent / "weights" / "squeezenet1_1.pt"

# ImageNet's mean colour `(3, 1, 1)`, red, green and blue from 0 to 1. The network takes `photos - MEAN`.
MEAN = torch.tensor([123.68, 116.779, 103.939]).div(255)[:, None, None]

# What each of the 1,000 scores is for.
CATEGORIES: list[str] = SqueezeNet1_1_Weights.IMAGENET1K_V1.meta["categories"]


def load_squeezenet() -> SqueezeNet:
    """torchvision's SqueezeNet 1.1 in eval mode, on the CPU, with weights trained on ImageNet.

    It maps photographs less their `MEAN` colour `(N, 3, H, W)`, 227×227 as it was trained, to one score for each of
    `CATEGORIES` `(N, 1000)`. The last convolution's scores go through a ReLU: some are exactly zero. `features` is its
    chain of layers, `features.3` the first of eight fire modules.

    Raises:
        OSError: the file of weights can't be read.
        ValueError: it is damaged.

    Source: Iandola, Han, Moskewicz, Ashraf, Dally & Keutzer (2016), "SqueezeNet: AlexNet-level accuracy with 50x fewer
        parameters and <0.5MB model size", arXiv:1602.07360; the weights' licence is in helpers/weights.
    """
    model = squeezenet1_1(weights=None)
    load_weights(model, WEIGHTS)
    return model.eval()
