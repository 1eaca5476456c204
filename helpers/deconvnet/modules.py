"""Which module of a model is running, and what each one hands on: where the names of the layers come from."""

import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import count
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn.modules.module import _global_forward_hooks


class Named(Protocol):
    """What can be given names."""

    names: tuple[str, ...]


class Reached(BaseException):
    """The run has come to where it was to end. Models catch errors, but not this."""


class Modules:
    """Which module is running, and what each one hands on.

    Between `watch` and `leave` each module's `forward` tells of itself. Hooks for all modules would take longer, and
    would not see what a module's own hooks make of its output. The run ends when the module at `until` has been named.
    """

    def __init__(self, modules: Sequence[tuple[nn.Module, list[str]]], until: str = "") -> None:
        self.path = self.failed = ""
        self._modules = modules
        self._until = until
        self._paths = {path for _, paths in modules for path in paths}
        self._thread = threading.get_ident()
        self._undo: list[Callable[[], object]] = []
        # One for all, as to make it takes longer than to enter it.
        self._unseen = torch._C.DisableTorchFunction()

    def watch(self, value_of: Callable[[Tensor], Named | None]) -> None:
        self._value_of = value_of
        for module, paths in self._modules:
            if isinstance(module, torch.jit.ScriptModule):
                continue
            last_run = None
            if module._forward_hooks or _global_forward_hooks:
                # The last of its hooks, as the others may change the output.
                last_run = [""]
                handle = module.register_forward_hook(partial(self._after_hooks, last_run))
                self._undo.append(handle.remove)
            attributes, forward = module.__dict__, module.forward
            self._undo.append(partial(_put_back, attributes, attributes.get("forward")))
            attributes["forward"] = partial(self._run, forward, self._names(paths), last_run)
            if compiled := attributes.pop("_compiled_call_impl", None):
                self._undo.append(partial(attributes.__setitem__, "_compiled_call_impl", compiled))

    def leave(self) -> None:
        for undo in reversed(self._undo):
            undo()
        self._undo.clear()
        del self._value_of

    def _names(self, paths: Sequence[str]) -> Iterator[str]:
        """What each run of a module is called that stands in these places."""
        yield from paths
        for run in count(2):
            name = f"{paths[-1]}:{run}"
            if name not in self._paths:
                yield name

    def _run(
        self,
        forward: Callable[..., Any],
        names: Iterator[str],
        last_run: list[str] | None,
        /,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        if threading.get_ident() != self._thread:
            return forward(*args, **kwargs)
        above, self.path = self.path, next(names)
        try:
            output = forward(*args, **kwargs)
            if last_run is None:
                self._name(output, self.path)
            else:
                last_run[0] = self.path
            return output
        except BaseException:
            self.failed = self.failed or self.path
            raise
        finally:
            self.path = above

    def _after_hooks(self, last_run: list[str], module: nn.Module, args: Any, output: Any) -> None:
        if threading.get_ident() == self._thread:
            self._name(output, last_run[0])

    def _name(self, output: Any, path: str) -> None:
        if path:
            with self._unseen:
                for part, tensor in _parts(output):
                    value = self._value_of(tensor)
                    # A part may be called as a module is.
                    if value is not None and not (part and f"{path}{part}" in self._paths):
                        value.names += (f"{path}{part}",)
            if path == self._until:
                raise Reached


def _put_back(attributes: dict[str, Any], forward: Callable[..., Any] | None) -> None:
    if forward is None:
        del attributes["forward"]
    else:
        attributes["forward"] = forward


def _parts(output: Any, part: str = "") -> list[tuple[str, Tensor]]:
    """The tensors that a module hands on, each with what to add to the module's path."""
    if isinstance(output, Tensor):
        return [(part, output)]
    items: Any = ()
    if isinstance(output, dict):
        items = output.items()
    elif isinstance(output, (tuple, list)):
        items = enumerate(output)
    return [found for key, one in items for found in _parts(one, f"{part}.{key}")]
