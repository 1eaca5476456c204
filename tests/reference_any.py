"""The reference for any network: PyTorch's autograd through the model as it is, with a ReLU whose backward is the rule.

A `TorchFunctionMode` puts it in, wherever the model calls a function that rectifies. It shares no code with helpers.
"""

import contextlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from reference import peak_mask
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

RELUS = {F.relu, F.relu_, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_}
CLAMPS = {torch.clamp, torch.clamp_, Tensor.clamp, Tensor.clamp_, torch.clip, torch.clip_, Tensor.clip, Tensor.clip_}
CLAMPS_BELOW = {torch.clamp_min, torch.clamp_min_, Tensor.clamp_min, Tensor.clamp_min_}
THRESHOLDS = {F.threshold, F.threshold_, torch.threshold, torch.threshold_}
HARDTANHS = {F.hardtanh, F.hardtanh_}
MAXIMA = {torch.maximum, Tensor.maximum}

BACKWARD = {
    "deconvnet": lambda gradient, is_open: gradient.clamp(min=0),
    "gradient": lambda gradient, is_open: gradient * is_open,
    "guided": lambda gradient, is_open: gradient.clamp(min=0) * is_open,
}


class _Rectified(torch.autograd.Function):
    """`call(x)`, in place if it works so; its derivative is 1 where the result is above zero and below `top`."""

    @staticmethod
    def forward(ctx, x: Tensor, call: Callable[[Tensor], Tensor], top: float, rule: str) -> Tensor:
        y = call(x)
        if y is x:
            ctx.mark_dirty(x)
        ctx.is_open, ctx.rule = (y > 0) & (y < top), rule
        return y

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor | None, ...]:
        return BACKWARD[ctx.rule](gradient, ctx.is_open), None, None, None


class _HandedThrough(torch.autograd.Function):
    """`call(x)`, whose derivative is 1: the paper leaves its normalisation out on the way back."""

    @staticmethod
    def forward(ctx, x: Tensor, call: Callable[[Tensor], Tensor]) -> Tensor:
        return call(x)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient, None


class ByRule(TorchFunctionMode):
    """While it is entered, what rectifies has the rule as its backward."""

    def __init__(self, rule: str) -> None:
        super().__init__()
        self.rule = rule

    def __torch_function__(self, function, types, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None):
        args, kwargs = list(args), dict(kwargs or {})
        top = _top(function, args, kwargs)
        if top is None and function is not F.local_response_norm:
            return function(*args, **kwargs)
        place = next(i for i, one in enumerate([*args, *kwargs.values()]) if isinstance(one, Tensor))
        if function in MAXIMA and not args[0].requires_grad:
            place = 1
        if place < len(args):
            x, call = args[place], lambda x: function(*args[:place], x, *args[place + 1 :], **kwargs)
        else:
            name = list(kwargs)[place - len(args)]
            x, call = kwargs[name], lambda x: function(*args, **{**kwargs, name: x})
        if top is None:
            return _HandedThrough.apply(x, call)
        return _Rectified.apply(x, call, top, self.rule)


def _top(function: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> float | None:
    """Up to where what this call gives is its input; None if it does not begin to be so at zero."""
    given = lambda place, name, otherwise=None: args[place] if len(args) > place else kwargs.get(name, otherwise)  # noqa: E731
    if function in RELUS:
        return float("inf")
    if function is F.relu6:
        return 6
    low, top = None, float("inf")
    if function in HARDTANHS:
        low, top = given(1, "min_val", -1), given(2, "max_val", 1)
    elif function in CLAMPS:
        low, top = given(1, "min"), given(2, "max", top)
    elif function in CLAMPS_BELOW:
        low = given(1, "min")
    elif function in THRESHOLDS:
        low = given(1, "threshold") or given(2, "value")
    elif function in MAXIMA:
        low = min(one.detach().abs().max().item() for one in args)
    return top if low == 0 else None


def maps_of_any(
    model: nn.Module,
    layer: str,
    images: Tensor,
    rule: str | None,
    channels: Sequence[int] | None = None,
    select: str | Tensor = "map",
    run: int = 0,
) -> Tensor:
    """Feature maps of the module at the path `layer`, each alone, back in pixels `(N, K, C, H, W)`.

    Args:
        select: `"map"`, `"peak"`, or a mask `(h, w)` or `(N, h, w)`.
        rule: None for autograd without any mode.
        run: which of the module's runs to take the output of.
    """
    outputs = []
    pixels = images.clone().requires_grad_()
    handle = model.get_submodule(layer).register_forward_hook(lambda *given: outputs.append(given[2].clone()))
    weights = [one for one in model.parameters() if one.requires_grad]
    # Models may write over what autograd has saved, which it would refuse.
    saved = torch.autograd.graph.saved_tensors_hooks(lambda one: one.detach().clone(), lambda one: one)
    try:
        for one in weights:
            one.requires_grad_(False)
        with torch.enable_grad(), saved, ByRule(rule) if rule else contextlib.nullcontext():
            # On a copy, as no function may write into a tensor that the user has made.
            model(pixels.clone())
    finally:
        handle.remove()
        for one in weights:
            one.requires_grad_()
    back = partial(
        torch.autograd.grad, outputs[run], pixels, retain_graph=True, allow_unused=True, materialize_grads=True
    )
    return torch.stack([back(one)[0] for one in _alone(outputs[run].detach(), channels, select)], dim=1)


def _alone(output: Tensor, channels: Sequence[int] | None, select: str | Tensor) -> list[Tensor]:
    maps = []
    for k in range(output.shape[1]) if channels is None else channels:
        kept: Any = 1
        if isinstance(select, Tensor):
            kept = select
        elif select == "peak":
            kept = peak_mask(output[:, k])
        maps.append(torch.zeros_like(output))
        maps[-1][:, k] = output[:, k] * kept
    return maps


def outputs_of(model: nn.Module, images: Tensor) -> dict[str, Tensor]:
    """What each module of a plain run hands on, if it is a tensor, by path; `path:2` for its second run, and so on."""
    outputs: dict[str, Tensor] = {}
    counts: dict[str, int] = {}

    def note(path: str, output: Any) -> None:
        counts[path] = counts.get(path, 0) + 1
        if isinstance(output, Tensor):
            outputs[path if counts[path] == 1 else f"{path}:{counts[path]}"] = output.clone()

    handles = [
        module.register_forward_hook(lambda module, args, output, path=path: note(path, output))
        for path, module in model.named_modules()
        if path
    ]
    try:
        with torch.no_grad():
            model(images.clone())
    finally:
        for handle in handles:
            handle.remove()
    return outputs
