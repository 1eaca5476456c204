"""Train a classifier whose images fit into memory, and measure it."""

import sys
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from helpers.checks import check_count, check_images, check_labels


@dataclass
class History:
    """What a training left behind: `losses`, one a step; `accuracies`, one an epoch, if there was something to test."""

    losses: list[float]
    accuracies: list[float]


def fit(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    epochs: int = 3,
    batch_size: int = 128,
    max_lr: float = 1.5e-2,
    weight_decay: float = 0.1,
    seed: int = 0,
    test: tuple[Tensor, Tensor] | None = None,
) -> History:
    """Train `model` in place with AdamW and a one-cycle learning rate; show a progress bar; leave it in eval mode.

    Args:
        model: maps `(N, C, H, W)` to log-probabilities `(N, classes)`.
        images: `(N, C, H, W)`. They stay one tensor: a batch is a slice of it, which is what makes this fast.
        labels: `(N,)`, int64.
        max_lr: the peak of the learning rate, reached after 30 % of the steps.
        weight_decay: at each step the weights shrink by this share of the learning rate. With 0, AdamW is Adam.
        seed: decides the order of the images; the model's initial weights are the caller's.
        test: images and labels on which the accuracy is taken after each epoch. Nothing is learnt from them.

    Raises:
        TypeError: the images are not floating-point, the labels not int64, or `epochs` or `batch_size` no integer.
        ValueError: the images have another shape or hold NaN or infinity, there are not as many labels, one of them is
            negative, or one of the settings is not positive; only `weight_decay` may be zero.

    Source: Kingma & Ba (2015) for Adam; Loshchilov & Hutter (2019) for its weight decay; Smith & Topin (2018),
        "Super-convergence", for the one-cycle rate.
    """
    check_images(images, "fit")
    check_labels(labels, images, "fit")
    if test is not None:
        check_images(test[0], "test")
        check_labels(test[1], test[0], "test")
    check_count("epochs", epochs)
    check_count("batch_size", batch_size)
    if not 0 < max_lr < float("inf"):
        raise ValueError(f"max_lr is {max_lr}; it must be above zero and finite")
    if not 0 <= weight_decay < float("inf"):
        raise ValueError(f"weight_decay is {weight_decay}; it must be zero or above, and finite")
    steps_an_epoch = -(-len(images) // batch_size)
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=weight_decay, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr, total_steps=epochs * steps_an_epoch)
    generator = torch.Generator().manual_seed(seed)
    history = History(losses=[], accuracies=[])
    # On stdout, as notebooks show stderr as an error.
    with tqdm(total=epochs * steps_an_epoch, desc="training", unit="step", file=sys.stdout) as bar:
        for _ in range(epochs):
            model.train()
            for batch in torch.randperm(len(images), generator=generator).split(batch_size):
                loss = F.nll_loss(model(images[batch]), labels[batch])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
                history.losses.append(loss.item())
                bar.update()
            if test is not None:
                history.accuracies.append(accuracy(model, *test))
    model.eval()
    return history


def predict(model: nn.Module, images: Tensor, batch_size: int = 1000) -> Tensor:
    """Log-probabilities `(N, classes)` of `images` `(N, C, H, W)`, in eval mode and without gradients.

    The model comes back in the mode in which it was.

    Raises:
        TypeError: the images are not floating-point.
        ValueError: the images have another shape or hold NaN or infinity, or `batch_size` is not positive.
    """
    check_images(images, "predict")
    check_count("batch_size", batch_size)
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            return torch.cat([model(batch) for batch in images.split(batch_size)])
    finally:
        model.train(was_training)


def accuracy(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """The share of `images` `(N, C, H, W)` whose most probable class is their label, from 0 to 1.

    Raises:
        TypeError: the images are not floating-point, or `labels` `(N,)` not int64.
        ValueError: the images have another shape or hold NaN or infinity, or there are not as many labels.
    """
    check_images(images, "accuracy")
    check_labels(labels, images, "accuracy")
    return (predict(model, images).argmax(dim=1) == labels).double().mean().item()
