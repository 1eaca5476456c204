"""Other ways to the same pictures; all but `by_walk` share no code with helpers.deconvnet."""

import warnings
from collections import deque
from collections.abc import Sequence

import torch
from captum.attr import NeuronDeconvolution, NeuronGradient, NeuronGuidedBackprop
from torch import Tensor, nn

from helpers.deconvnet import DeconvNet

CAPTUM = {"deconvnet": NeuronDeconvolution, "gradient": NeuronGradient, "guided": NeuronGuidedBackprop}


def relative_difference(ours: Tensor, theirs: Tensor) -> float:
    """The largest difference between two tensors, as a share of the largest magnitude in `theirs`."""
    if ours.shape != theirs.shape:
        return float("inf")
    difference, scale = (ours - theirs).abs().max().item(), theirs.abs().max().item()
    return difference / scale if scale > 0 else float("inf" if difference > 0 else 0)


def by_walk(net: DeconvNet, *args, **options) -> Tensor:
    """What `net.project` gives, by the three steps one after the other: no other way, but the plain one."""
    return deque(net.walk(*args, **options), maxlen=1).pop()[1]


def maps_by_captum(
    model: nn.Module,
    layer: nn.Module,
    images: Tensor,
    rule: str,
    channels: Sequence[int] | None = None,
    select: str = "map",
) -> Tensor:
    """Feature maps of `layer`, each alone, back in pixels `(N, K, C, H, W)`, by Captum, one call a map.

    A ReLU in place and a ReLU that follows another need `chain_for_captum`.
    """
    if channels is None:
        channels = range(_output(model, layer, images).shape[1])
    kept = {"map": torch.ones_like, "peak": peak_mask}[select]
    attribution = CAPTUM[rule](model, layer)
    maps = []
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Setting backward hooks on ReLU activations")
        warnings.filterwarnings("ignore", message="Input Tensor 0 did not already require gradients")
        for k in channels:
            # The derivative of half the square is the map itself: that is the signal which goes back.
            half_square = lambda out, k=k: ((out[:, k] * kept(out[:, k].detach())) ** 2).sum((1, 2)) / 2  # noqa: E731
            maps.append(attribution.attribute(images.clone(), half_square).detach())
    return torch.stack(maps, dim=1)


def chain_for_captum(features: nn.Sequential, layer: int) -> tuple[nn.Sequential, nn.Module]:
    """The chain up to the index `layer` in a form that Captum's hooks can serve, and its last layer.

    Captum hooks the tensors before and after each ReLU, so no ReLU may work in place, and each needs a tensor of its
    own to read: with ReLU after ReLU (or with only layers between them that hand on the same tensor), the hook after
    the first would run ahead of the hook before the second, on a gradient which that one has yet to change.
    """
    layers = []
    for module in list(features)[: layer + 1]:
        layers += [_Copy(), nn.ReLU()] if isinstance(module, nn.ReLU) else [module]
    return nn.Sequential(*layers).eval(), layers[-1]


class _Copy(nn.Module):
    def forward(self, signal: Tensor) -> Tensor:
        return signal.clone()


def _output(model: nn.Module, layer: nn.Module, images: Tensor) -> Tensor:
    outputs = []
    with torch.no_grad(), layer.register_forward_hook(lambda module, args, output: outputs.append(output.clone())):
        model(images)
    return outputs[0]


def peak_mask(maps: Tensor) -> Tensor:
    """One at the largest value of each map `(N, h, w)`, at the first of them if there are several; else zero."""
    mask = torch.zeros_like(maps)
    for n, plane in enumerate(maps.numpy()):
        mask[n].view(-1)[int(plane.argmax())] = 1
    return mask


class _ReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx, signal: Tensor, rule: str) -> Tensor:
        ctx.save_for_backward(signal)
        ctx.rule = rule
        return signal.clamp(min=0)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:
        (signal,) = ctx.saved_tensors
        if ctx.rule in ("deconvnet", "guided"):
            gradient = gradient.clamp(min=0)
        if ctx.rule in ("gradient", "guided"):
            gradient = gradient * (signal > 0)
        return gradient, None


def maps_by_autograd(features: nn.Sequential, layer: int, images: Tensor, rule: str) -> Tensor:
    """Each feature map of the layer at the index `layer` back in pixels `(N, K, C, H, W)`, by PyTorch's autograd."""
    pixels = images.clone().requires_grad_()
    signal = pixels
    for module in list(features)[: layer + 1]:
        signal = _ReLU.apply(signal, rule) if isinstance(module, nn.ReLU) else module(signal)
    maps = []
    for k in range(signal.shape[1]):
        half_square = (signal[:, k] ** 2).sum() / 2
        maps.append(torch.autograd.grad(half_square, pixels, retain_graph=True)[0])
    return torch.stack(maps, dim=1)
