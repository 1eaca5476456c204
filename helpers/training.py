"""Train a classifier whose images fit into memory, and measure it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import isfinite

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from helpers.checks import check_count, check_images, check_labels, kind_of


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

    Layers that are in eval mode in a model that is in train mode stay so: batch normalisation that you froze stays
    frozen. A training that ends with an error, or is interrupted, leaves each layer in the mode in which it was, and
    the weights as the last whole step made them.

    Args:
        model: maps `(N, C, H, W)` to log-probabilities `(N, classes)`.
        images: `(N, C, H, W)`. They stay one tensor: a batch is a slice of it, which is what makes this fast.
        labels: `(N,)`, int64, from 0 to `classes - 1`.
        max_lr: the peak of the learning rate, reached after 30 % of the steps.
        weight_decay: at each step the weights shrink by this share of the learning rate. With 0, AdamW is Adam.
        seed: decides the order of the images; the model's initial weights are the caller's.
        test: images and labels on which the accuracy is taken after each epoch. Nothing is learnt from them.

    Raises:
        TypeError: the images are not floating-point, the labels not int64, or `epochs` or `batch_size` no integer.
        ValueError: the images have another shape or hold NaN or infinity, there are not as many labels, one of them is
            no class, or one of the settings is not positive; only `weight_decay` may be zero. The model gives no
            log-probabilities, holds NaN or infinity, or is of another dtype or on another device than the images; or
            the loss became NaN or infinite.

    Source: Kingma & Ba (2015) for Adam; Loshchilov & Hutter (2019) for its weight decay; Smith & Topin (2018),
        "Super-convergence", for the one-cycle rate.
    """
    check_images(images, "fit")
    check_labels(labels, images, "fit")
    if test is not None:
        check_images(test[0], "test")
        check_labels(test[1], test[0], "test")
    epochs = check_count("epochs", epochs)
    batch_size = check_count("batch_size", batch_size)
    if not 0 < max_lr < float("inf"):
        raise ValueError(f"max_lr is {max_lr}; it must be above zero and finite")
    if not 0 <= weight_decay < float("inf"):
        raise ValueError(f"weight_decay is {weight_decay}; it must be zero or above, and finite")
    steps = epochs * -(-len(images) // batch_size)
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=weight_decay, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr, total_steps=steps)
    generator = torch.Generator().manual_seed(seed)
    history = History(losses=[], accuracies=[])
    # On stdout, as notebooks show stderr as an error.
    with _left_as_found(model), tqdm(total=steps, desc="training", unit="step", file=sys.stdout) as bar:
        if not model.training:
            model.train()
        optimizer.zero_grad()
        for _ in range(epochs):
            for batch in torch.randperm(len(images), generator=generator).split(batch_size):
                scores = _run(model, images[batch], "fit")
                if not history.losses:
                    _check_classes(labels, scores, "fit")
                    if test is not None:
                        _check_classes(test[1], scores, "test")
                    _check_log_probabilities(scores, model)
                loss = F.nll_loss(scores, labels[batch])
                history.losses.append(loss.item())
                # Before the step: NaN would spread to all weights.
                if not isfinite(history.losses[-1]):
                    raise _astray(f"the loss is {history.losses[-1]}", len(history.losses), steps, max_lr)
                loss.backward()
                optimizer.step()
                schedule.step()
                optimizer.zero_grad()
                bar.update()
            if test is not None:
                history.accuracies.append(accuracy(model, *test))
        if not _is_finite(model):
            raise _astray("weights are NaN or infinite", steps, steps, max_lr)
    model.eval()
    return history


def predict(model: nn.Module, images: Tensor, batch_size: int = 1000) -> Tensor:
    """What `model` gives for `images` `(N, C, H, W)`, in eval mode and without gradients.

    For a classifier that is `(N, classes)`, log-probabilities if it ends with log-softmax. Each layer comes back in the
    mode in which it was.

    Raises:
        TypeError: the images are not floating-point.
        ValueError: the images have another shape or hold NaN or infinity, `batch_size` is not positive, the model gives
            NaN, or is of another dtype or on another device than the images.
    """
    check_images(images, "predict")
    batch_size = check_count("batch_size", batch_size)
    with _left_as_found(model), torch.no_grad():
        model.eval()
        outputs = torch.cat([_run(model, batch, "predict") for batch in images.split(batch_size)])
    if outputs.isnan().any():
        raise ValueError(f"{_cause_of_nan(model)}; predict needs sound weights: train it anew, or load others")
    return outputs


def accuracy(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """The share of `images` `(N, C, H, W)` whose most probable class is their label, from 0 to 1.

    Raises:
        TypeError: the images are not floating-point, or `labels` `(N,)` not int64.
        ValueError: the images have another shape or hold NaN or infinity, there are not as many labels, one of them is
            no class, or the model does not give `(N, classes)`; and for all that `predict` refuses.
    """
    check_images(images, "accuracy")
    check_labels(labels, images, "accuracy")
    scores = predict(model, images)
    _check_classes(labels, scores, "accuracy")
    return (scores.argmax(dim=1) == labels).double().mean().item()


@contextmanager
def _left_as_found(model: nn.Module) -> Iterator[None]:
    """Gives every layer its mode back afterwards, also after an error."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        yield
    finally:
        # From the top down, as train() goes down to all layers below: so the last word is each one's own.
        for module, training in modes:
            module.train(training)


def _is_finite(model: nn.Module) -> bool:
    """Whether no weight is NaN or infinite."""
    return all(weights.isfinite().all() for weights in model.parameters())


def _cause_of_nan(model: nn.Module) -> str:
    return "the model gives NaN for these images" if _is_finite(model) else "the model's weights hold NaN or infinity"


def _astray(what: str, step: int, steps: int, max_lr: float) -> ValueError:
    return ValueError(
        f"{what} at step {step} of {steps}: the training went astray. "
        f"Begin with a new model, and with a smaller max_lr than {max_lr}"
    )


def _run(model: nn.Module, images: Tensor, wanted_by: str) -> Tensor:
    """What `model` gives for `images`; where they are of different dtypes or devices, and it fails, that is said."""
    try:
        outputs = model(images)
    except RuntimeError as error:
        weights = next(model.parameters(), images)
        apart = f"; {wanted_by} needs both alike, as with images.to"
        if images.device != weights.device:
            raise ValueError(
                f"images are on {images.device}, the model is on {weights.device}{apart}('{weights.device}')"
            ) from error
        if images.dtype != weights.dtype:
            raise ValueError(
                f"images are {images.dtype}, the model is {weights.dtype}{apart}({weights.dtype})"
            ) from error
        raise
    if not isinstance(outputs, Tensor):
        raise TypeError(f"the model gives {kind_of(outputs)}; {wanted_by} needs one tensor")
    return outputs


def _check_classes(labels: Tensor, scores: Tensor, wanted_by: str) -> None:
    """Raise unless `scores` are `(N, classes)`, and each of `labels` is one of these classes.

    Raises:
        ValueError: the shape is another, a label is beyond the classes, or they lie on different devices.
    """
    if scores.dim() != 2:
        raise ValueError(f"the model gives {tuple(scores.shape)}; {wanted_by} needs (N, classes)")
    if labels.device != scores.device:
        raise ValueError(
            f"labels are on {labels.device}, what the model gives is on {scores.device}; {wanted_by} needs both alike, "
            f"as with labels.to('{scores.device}')"
        )
    classes, largest = scores.shape[1], int(labels.max())
    if largest >= classes:
        from_one = " (labels that count from 1: pass labels - 1)" if labels.min() == 1 and largest == classes else ""
        raise ValueError(
            f"labels hold {largest}, but the model has {classes} classes, 0 to {classes - 1}; "
            f"{wanted_by} needs the numbers of the classes, from 0{from_one}"
        )


def _check_log_probabilities(scores: Tensor, model: nn.Module) -> None:
    """Raise unless `scores` `(N, classes)`, the first that `model` gives in a training, are log-probabilities.

    Raises:
        ValueError: they are something else, or depend on no weight that could be trained.
    """
    if scores.isnan().any():
        raise ValueError(f"{_cause_of_nan(model)}; fit needs sound weights to begin with")
    sums = scores.detach().float().exp().sum(dim=1)
    # As near as half precision comes.
    if not torch.allclose(sums, torch.ones_like(sums), rtol=0, atol=0.05):
        farthest = sums[(sums - 1).abs().argmax()]
        raise ValueError(
            f"the model gives no log-probabilities: their exponentials add up to {farthest:.3g} for one image, "
            "not to 1; end it with nn.LogSoftmax(dim=1)"
        )
    if not scores.requires_grad:
        raise ValueError("no weight of the model requires a gradient; fit needs some that do, to train them")
