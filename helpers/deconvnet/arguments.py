"""The tensors among a function's arguments and results, however they are packed."""

from collections.abc import Callable
from typing import Any

from torch import Tensor


def tensors_in(thing: Any) -> list[Tensor]:
    """All tensors in an argument or a result, in their order."""
    if isinstance(thing, Tensor):
        return [thing]
    found: list[Tensor] = []
    if isinstance(thing, (tuple, list)):
        for one in thing:
            if isinstance(one, Tensor):
                found.append(one)
            elif isinstance(one, (tuple, list, dict)):
                found += tensors_in(one)
    elif isinstance(thing, dict):
        for one in thing.values():
            found += tensors_in(one)
    return found


def rebuilt(thing: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """These arguments, with each tensor changed, and with lists and dictionaries of their own."""
    if isinstance(thing, Tensor):
        return change(thing)
    if isinstance(thing, dict):
        return {key: rebuilt(one, change) for key, one in thing.items()}
    if isinstance(thing, list):
        return [rebuilt(one, change) for one in thing]
    if isinstance(thing, tuple) and tensors_in(thing):
        return tuple(rebuilt(one, change) for one in thing)
    return thing


def same(tensor: Tensor) -> Tensor:
    return tensor


def in_order(kwargs: dict[str, Any]) -> dict[str, Any]:
    """Named arguments as a function's signature has them: the input first, and a bias behind its weight."""
    return {name: kwargs[name] for name in sorted(kwargs, key=lambda name: (name != "input", name == "bias"))}


def looked_through(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[list[Tensor], bool, bool]:
    """The tensors among the arguments; whether the caller may change these later; and whether it looks as if the
    function writes one of them. A write that looks otherwise is seen when it has happened.
    """
    tensors: list[Tensor] = []
    may_change, may_write = False, "out" in kwargs
    for one in (*args, *kwargs.values()) if kwargs else args:
        kind = type(one)
        if kind is int or one is None:
            continue
        if kind is bool:
            may_write = may_write or one
        elif isinstance(one, Tensor):
            tensors.append(one)
        elif isinstance(one, tuple):
            for inner in one:
                if type(inner) is not int:
                    tensors += tensors_in(inner)
                    may_change = may_change or isinstance(inner, (list, dict, tuple))
        elif isinstance(one, (list, dict)):
            tensors += tensors_in(one)
            may_change = True
    return tensors, may_change, may_write


def joined_along(args: tuple[Any, ...], kwargs: dict[str, Any]) -> int:
    """The dimension along which `torch.cat`, called with these, joins its tensors."""
    return kwargs.get("dim", kwargs.get("axis", args[1] if len(args) > 1 else 0))
