"""Which of PyTorch's functions is which: the same one is found under many names."""

from collections.abc import Callable, Iterator
from types import GetSetDescriptorType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from helpers.deconvnet.ways_back import WAYS_BACK

# The max poolings with switches, and which of their positional arguments asks for these.
POOLS = {"max_pool1d": 6, "max_pool2d": 6, "adaptive_max_pool2d": 2, "fractional_max_pool2d": 4}

# For these alone the same name means other arguments elsewhere.
_ONLY_FUNCTIONAL = {"batch_norm", "instance_norm"}


def _found(name: str) -> Iterator[Callable[..., Any]]:
    """PyTorch's functions of this name, by whatever way one calls them."""
    spellings = [name, f"{name}_", f"__{name}__", f"__i{name}__"]
    if name in ("add", "mul"):
        spellings.append(f"__r{name}__")
    if name in POOLS:
        spellings.append(f"{name}_with_indices")
    places = (F,) if name in _ONLY_FUNCTIONAL else (F, torch, Tensor, torch._C._nn)
    for place in places:
        for spelling in spellings:
            function = getattr(place, spelling, None)
            if callable(function):
                yield function
            elif isinstance(function, GetSetDescriptorType):  # an attribute
                yield function.__get__
                yield function.__set__


NAMES: dict[Callable[..., Any], str] = {function: name for name in WAYS_BACK for function in _found(name)}


def _all(names: str) -> set[Callable[..., Any]]:
    return {function for name in names.split() for function in _found(name)}


# They tell nothing of what a tensor holds.
QUERIES = _all(
    "size dim numel nelement stride is_floating_point is_contiguous is_complex storage_offset shape dtype device ndim "
    "layout requires_grad is_leaf grad_fn is_cuda is_sparse is_quantized is_meta _version _backward_hooks __len__ "
    "get_device element_size itemsize nbytes ndimension __hash__"
)

# They hand numbers to others, where nobody sees what becomes of them; as does what gives numbers instead of tensors.
READS_NUMBERS = _all("numpy __array__ data_ptr untyped_storage storage __dlpack__")
# And these bring numbers back.
CARRIES_NUMBERS = _all(
    "tensor as_tensor asarray scalar_tensor full full_like new_full new_tensor frombuffer fill linspace set"
)
# They give others the memory of a tensor, to write into as well.
OPENS = _all("numpy __array__ untyped_storage storage __dlpack__ data")
# Of what they are given they take the shape alone,
MAKES_NEW = _all(
    "zeros_like ones_like empty_like full_like rand_like randn_like new_zeros new_ones new_empty new_full new_tensor"
)
# or of all but the first tensor.
TAKES_SHAPE = _all("expand_as view_as reshape_as type_as to")


def pool(name: str, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Tensor]:
    """What `function`, the max pooling of this name, gives for these arguments; and its switches."""
    asked = kwargs.get("return_indices", len(args) > POOLS[name] and args[POOLS[name]])
    asked = asked or function.__name__.endswith("_with_indices") or function.__module__ == "torch._C._nn"
    with_indices = getattr(F, f"{name}_with_indices")
    args = args[: POOLS[name]] + args[POOLS[name] + 1 :]
    pooled, switches = with_indices(*args, **{**kwargs, "return_indices": True})
    return (pooled, switches) if asked else pooled, switches
