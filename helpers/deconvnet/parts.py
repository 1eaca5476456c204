"""What a model consists of: its modules by their paths, and its tensors; and whether these are still the same."""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import is_

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Parts:
    """A model's modules and tensors.

    Attributes:
        modules: each module and its paths; one that stands in several places has several.
        children: of each of them, the modules that stand in it.
        weights: the parameters and buffers.
        others: tensors that are plain attributes of modules.
    """

    modules: list[tuple[nn.Module, list[str]]]
    children: list[list[nn.Module | None]]
    weights: list[Tensor]
    others: list[Tensor]

    def are_there(self) -> bool:
        """Whether the model consists of the same modules, parameters and buffers still."""
        weights: list[Tensor] = []
        for (module, _), children in zip(self.modules, self.children, strict=True):
            if (children or module._modules) and [*module._modules.values()] != children:
                return False
            weights += _weights(module)
        return len(weights) == len(self.weights) and all(map(is_, weights, self.weights))


def parts_of(model: nn.Module) -> Parts:
    """The parts of `model`, in the order of `model.named_modules`."""
    # nn.Module's own ways to all this take longer than a small network's pass.
    modules: dict[nn.Module, list[str]] = {}
    children: list[list[nn.Module | None]] = []
    waiting = [("", model)]
    while waiting:
        path, module = waiting.pop()
        paths = modules.setdefault(module, [])
        paths.append(path)
        if len(paths) == 1:
            children.append(list(module._modules.values()))
        if module._modules:
            below = f"{path}." if path else ""
            waiting += [(below + name, child) for name, child in reversed(module._modules.items()) if child is not None]
    weights = [weight for module in modules for weight in _weights(module)]
    others = [one for module in modules for one in vars(module).values() if type(one) is Tensor]
    return Parts(list(modules.items()), children, weights, others)


def _weights(module: nn.Module) -> list[Tensor]:
    """The parameters and buffers that are the module's own."""
    parameters, buffers = module._parameters, module._buffers
    if not parameters and not buffers:
        return []
    return [one for one in (*parameters.values(), *buffers.values()) if one is not None]


@dataclass(frozen=True)
class State:
    """What tells whether tensors hold the same as before.

    Attributes:
        marks: the version and the address of each.
        sums: the sum of the magnitudes of each that is floating-point. Fused optimisers leave no other trace.
    """

    marks: list[tuple[int, int]]
    sums: list[float | None]


def state_of(parts: Parts, beside: Sequence[Tensor] = ()) -> tuple[State, list[float]]:
    """The state of a model's tensors, now, and the sums of the magnitudes of the tensors `beside` them.

    To be called without gradients. All sums are read at once: Python waits for the device a single time.
    """
    tensors = [*parts.weights, *parts.others]
    floating = [one for one in tensors if one.is_floating_point() and not one.is_meta]
    numbers = [*floating, *beside]
    # A sum in half precision has two or three digits, or is infinite.
    dtype = torch.float64 if torch.float64 in {one.dtype for one in numbers} else torch.float32
    # To add up all numbers takes a small part of the time that the model's own pass takes.
    sums = torch.stack(torch._foreach_norm(numbers, 1, dtype)).tolist() if numbers else []
    # NaN is not equal to itself.
    own = [None if one != one else one for one in sums[: len(floating)]]
    return State([(one._version, one.data_ptr()) for one in tensors], own), sums[len(floating) :]
