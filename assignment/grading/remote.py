"""Runs in the student's kernel: calls one of their functions, and puts its answer into a file.

Nothing that is decided here counts. Whoever tampers with it changes their own answer, and no more.
"""

import json
import os
import sysconfig
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

# What is kept in the kernel from one call to the next, under this name in the student's namespace.
KEPT = "_kept_for_the_judge"

# What a right solution answers is below 100,000 numbers. `answers` holds everybody to these limits; they are kept here
# too, so that what is honest but too large is said in words, and not written.
MOST_NUMBERS = 1_000_000
MOST_BYTES = 8 * MOST_NUMBERS
_MOST_TENSORS, _LONGEST = 500, 50_000

# The numbers that are written as they are. Complex ones become pairs.
REAL = {torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2}
REAL |= {torch.int64, torch.int32, torch.int16, torch.int8, torch.bool}
REAL |= {torch.uint64, torch.uint32, torch.uint16, torch.uint8}

_Thing = TypeVar("_Thing")

# Where Python and its libraries lie, and we with what is released.
_FOLDERS = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
_FOLDERS += [os.path.dirname(os.path.dirname(torch.__file__)), os.path.dirname(__file__)]
_NOT_THEIRS = tuple(folder + os.sep for folder in _FOLDERS)


class Missing(Exception):
    """There is nothing of the name that was asked for, which is the message."""


class TooLarge(Exception):
    """What was found is more than the judge reads."""


def answer(question_file: str, answer_file: str, namespace: dict) -> None:
    """Carry out the question in the one file with the functions in `namespace`, and write the answer to the other."""
    question = torch.load(question_file, weights_only=True)
    kept = namespace.setdefault(KEPT, {})
    precision = torch.get_default_dtype()
    own = {name: namespace[name] for name in question["stand_ins"] if name in namespace}
    try:
        namespace.update({name: STAND_INS[name] for name in question["stand_ins"]})
        name = question["function"]
        functions = namespace | SERVICES
        functions["@value"] = lambda variable: _value(variable, namespace)
        functions["@run"] = lambda code, variable, given: _run(code, variable, namespace | given)
        # As the functions are asked for, whatever the notebook has set.
        torch.set_default_dtype(torch.float32)
        with torch.device("cpu"):
            arguments = [decode(argument, kept) for argument in question["arguments"]]
            result = _value(name, functions)(*arguments)
        if question["keep"]:
            kept[question["keep"]] = result
        reply = pack({"value": result})
    except NotImplementedError:
        reply = pack({"error": "not written"})
    except Missing as error:
        reply = pack({"error": "missing", "name": str(error)})
    except TooLarge as error:
        reply = pack({"error": "unreadable", "why": f"ValueError: {error}"})
    except BaseException as error:
        lines = [frame.line for frame in traceback.extract_tb(error.__traceback__) if _is_theirs(frame.filename)]
        what = f"{type(error).__name__}: {error}"[:1000]
        reply = pack({"error": "raised", "what": what, "line": (lines[-1] or "")[:200] if lines else ""})
    finally:
        torch.set_default_dtype(precision)
        for name in question["stand_ins"]:
            namespace.pop(name, None)
        namespace.update(own)
    Path(answer_file).write_bytes(reply)


def _is_theirs(file: str) -> bool:
    """Whether a line in this file may be the student's: it is none of Python's, of a library's or of ours."""
    return not file.startswith(("<frozen ", *_NOT_THEIRS))


def pack(reply: object) -> bytes:
    """`reply` as the bytes of a file of safetensors, in the form that `answers` describes.

    Raises:
        TooLarge: there are more numbers in it than the judge reads.
    """
    tensors: list[Tensor] = []
    structure = _text(reply, tensors)
    if sum(tensor.numel() * tensor.element_size() for tensor in tensors) > MOST_BYTES:
        raise TooLarge("it is far too large")
    for tensor in tensors:
        if tensor.numel() > MOST_NUMBERS:
            raise TooLarge(f"{tensor.numel():,} numbers are far too many")
    # Copies, as two that share memory are refused, and so is one with gaps.
    parts = {str(number): tensor.clone(memory_format=torch.contiguous_format) for number, tensor in enumerate(tensors)}
    # By way of NumPy, as the notebook may have set another device for new tensors.
    parts["structure"] = torch.from_numpy(np.frombuffer(bytearray(structure.encode()), np.uint8))
    return save(parts)


def encode(thing: object, tensors: list[Tensor]) -> str:
    """`thing` as JSON; its tensors are added to `tensors`. What has no such form becomes the name of its type."""
    known = len(tensors)
    text = _text(thing, tensors)
    if len(text) <= _LONGEST and len(tensors) - known <= _MOST_TENSORS:
        return text
    # No question has so long an answer: its kind is enough to say what is wrong with it.
    del tensors[known:]
    return _other(type(thing).__name__)


def _text(thing: object, tensors: list[Tensor]) -> str:
    match thing:
        case Tensor():
            return _tensor(thing.detach(), tensors)
        case np.ndarray():
            return _tensor(torch.from_numpy(thing.copy()), tensors)
        case np.generic() if not isinstance(thing.item(), np.generic):
            return encode(thing.item(), tensors)
        case None | bool() | int() | float():
            return json.dumps(thing)
        case str():
            # Half of a pair of surrogates is no character, and no graded notebook could be written with it.
            return json.dumps(str.encode(thing, "utf-8", "replace").decode())
        case list() | tuple() | Mapping() if len(thing) > _LONGEST:
            return _other(type(thing).__name__)
        case list() | tuple():
            return _list([encode(one, tensors) for one in thing])
        case Mapping():
            pairs = [_list([_key(key), encode(value, tensors)]) for key, value in thing.items()]
            return f'{{"dict": {_list(pairs)}}}'
    return _other(type(thing).__name__)


def _tensor(tensor: Tensor, tensors: list[Tensor]) -> str:
    if tensor.layout != torch.strided or tensor.is_nested:
        return _other("tensor that is not dense")
    if tensor.is_meta:
        return _other("tensor without numbers")
    form, plain = "tensor", tensor.cpu().as_subclass(Tensor).resolve_conj().resolve_neg()
    if plain.dtype in (torch.complex64, torch.complex128):
        form, plain = "complex", torch.view_as_real(plain)
    if plain.dtype not in REAL:
        return _other(f"tensor of {plain.dtype}")
    tensors.append(plain)
    return json.dumps({form: str(len(tensors) - 1)})


def _key(key: object) -> str:
    """The key of a dictionary, or the name of its type, if it is one for which the judge never asks."""
    plain = key.item() if isinstance(key, np.generic) else key
    return _text(plain if isinstance(plain, bool | int | float | str | None) else type(key).__name__, [])


def _list(texts: Sequence[str]) -> str:
    return f"[{', '.join(texts)}]"


def _other(name: str) -> str:
    return json.dumps({"other": name})


def decode(argument: object, kept: Mapping[str, object]) -> object:
    """The argument that the judge means: a tensor or number as it is, a layer or chain built from its parts."""
    match argument:
        case {"@kept": name}:
            return _value(name, kept)
        case Mapping() if "@conv" in argument:
            return conv(argument)
        case {"@features": convs}:
            return features(convs)
    return argument


def conv(parts: Mapping) -> nn.Conv2d:
    """A convolution with the weight `(out, in, k, k)`, the bias `(out,)` and the padding of `parts`, and stride 1."""
    weight = parts["@conv"]
    layer = nn.Conv2d(weight.shape[1], weight.shape[0], weight.shape[-1], padding=parts["padding"])
    layer.load_state_dict({"weight": weight, "bias": parts["bias"]})
    return layer.requires_grad_(False)


def features(convs: list[dict]) -> nn.Sequential:
    """Convolution, ReLU and max pooling with the windows `pool`, once for each of `convs`, in eval mode."""
    layers = [layer for one in convs for layer in (conv(one), nn.ReLU(), nn.MaxPool2d(*one["pool"]))]
    return nn.Sequential(*layers).eval()


def _value(name: str, namespace: Mapping[str, _Thing]) -> _Thing:
    if name not in namespace:
        raise Missing(name)
    return namespace[name]


def _run(code: str, variable: str, namespace: dict) -> object:
    """What `variable` is after `code` has run, on a copy of the names in the notebook."""
    names = dict(namespace)
    names.pop(variable, None)
    exec(code, names)
    return _value(variable, names)


def _parameters(model: nn.Module) -> list[Tensor]:
    if any(is_lazy(parameter) for parameter in model.parameters()):
        _outputs(model, torch.zeros(1, 1, 28, 28))
    return [parameter.detach() for parameter in model.parameters()]


def _set_parameters(model: nn.Module, values: list[Tensor]) -> None:
    """Each parameter of `model` takes the one of `values` that has its shape, if any; then it is in eval mode."""
    model.eval()
    by_shape = {value.shape: value for value in values}
    for parameter in _parameters(model):
        if parameter.shape in by_shape:
            parameter.copy_(by_shape[parameter.shape])


def _shuffle_parameters(model: nn.Module) -> None:
    """Put the numbers of each parameter in another order."""
    for parameter in _parameters(model):
        parameter.copy_(parameter.flatten()[torch.randperm(parameter.numel())].view_as(parameter))


def _outputs(model: nn.Module, images: Tensor) -> Tensor:
    """Of a model in eval mode, which may have been trained in another precision, or on a GPU."""
    own = next(model.parameters(), images)
    model.eval()
    with torch.no_grad():
        return model(images.to(own.device, own.dtype))


def _linear_classifier() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 10), nn.LogSoftmax(dim=1))


class _Network(nn.Sequential):
    """A chain of layers that is taken apart as the given network is, too."""

    features = property(lambda self: self[:6])
    classifier = property(lambda self: self[6:])


def _network() -> nn.Module:
    """What the table of task 1a asks for, untrained."""
    return _Network(
        *(nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
        *(nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10), nn.LogSoftmax(dim=1)),
    )


# What the judge may ask for beside the student's own functions.
SERVICES: dict[str, Callable] = {
    "@read": lambda thing: thing,
    "@parameters": _parameters,
    "@set parameters": _set_parameters,
    "@shuffle parameters": _shuffle_parameters,
    "@outputs": _outputs,
    "@linear classifier": _linear_classifier,
    "@network": _network,
}


# Stand-ins for the student's functions. They do nothing sensible, but what they do depends on all that they are given:
# so whoever puts them together in the right order gets what the judge gets, and their own steps need not be right.
# As with the right steps, keeping a map twice or rectifying what is not negative changes nothing, and it makes no
# difference whether a signal is rectified before or after it is unpooled.


def _stand_in_keep_channel(maps: Tensor, channel: int) -> Tensor:
    alone = torch.full_like(maps, 0.5)
    alone[:, channel] = maps[:, channel]
    return alone


def _stand_in_unpool(signal: Tensor, switches: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(signal * (1 + 0.1 * (switches % 7)), size=tuple(size))


def _stand_in_rectify(signal: Tensor) -> Tensor:
    return signal.abs()


def _stand_in_filter_back(signal: Tensor, conv: nn.Conv2d) -> Tensor:
    grow = conv.kernel_size[0] - 1 - 2 * int(conv.padding[0])
    mixed = torch.einsum("nohw,oi->nihw", signal, conv.weight.detach().mean(dim=(2, 3)))
    return F.pad(mixed, (grow, 0, grow, 0)) - 3


def _stand_in_project(features: nn.Sequential, images: Tensor, layer: int, channel: int) -> Tensor:
    return images * (1 + channel) + layer


def _stand_in_visualise(features: nn.Sequential, image: Tensor) -> Tensor:
    convs = [layer for layer in features if isinstance(layer, nn.Conv2d)]
    count, reach = sum(conv.out_channels for conv in convs), sum(float(conv.weight.abs().mean()) for conv in convs)
    return image[0] * torch.arange(1, count + 1)[:, None, None] * round(1 + reach, 3) - 0.5


def _stand_in_to_uint8(maps: Tensor) -> Tensor:
    return (17 * maps + 40).remainder(256).to(torch.uint8)


STAND_INS: Mapping[str, Callable] = {
    "keep_channel": _stand_in_keep_channel,
    "unpool": _stand_in_unpool,
    "rectify": _stand_in_rectify,
    "filter_back": _stand_in_filter_back,
    "project": _stand_in_project,
    "visualise": _stand_in_visualise,
    "to_uint8": _stand_in_to_uint8,
}
STEPS = SimpleNamespace(**{name: STAND_INS[name] for name in ("keep_channel", "unpool", "rectify", "filter_back")})
