"""Whether a model can be recorded with these images, and whether it has come through."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from helpers.deconvnet import refuse
from helpers.deconvnet.parts import Parts
from helpers.deconvnet.tape import Note, Tape, Value

_SPREAD = (nn.DataParallel, nn.parallel.DistributedDataParallel)


def unwrapped(model: Any) -> nn.Module:
    """The module itself, taken out of what compiles it or spreads it over devices.

    Raises:
        TypeError: it is no module, or one of TorchScript.
    """
    if not isinstance(model, nn.Module):
        raise TypeError(
            f"model is a {type(model).__name__}; a DeconvNet needs a module, such as model or model.features"
        )
    while True:
        if isinstance(model, _SPREAD):
            model = model.module
        elif hasattr(model, "_orig_mod"):  # what torch.compile has made
            model = model._orig_mod
        else:
            break
    if isinstance(model, torch.jit.ScriptModule):
        raise TypeError(
            "the model is TorchScript, which can't be followed; build it from its class and load its state_dict"
        )
    return model


def check_model(model: nn.Module, weights: Sequence[Tensor], images: Tensor) -> None:
    """Raise unless `model`, which has these weights, can be recorded with `images`.

    Raises:
        TypeError: the images and the weights are of different dtypes.
        ValueError: they are on different devices, the model is in train mode, or its weights are not there yet.
    """
    if model.training:
        raise ValueError("the model is in train mode; call model.eval() before record")
    if torch.is_autocast_enabled(images.device.type):
        raise ValueError("autocast is on, which changes the dtype on the way; record outside it")
    if any(map(is_lazy, weights)):
        raise ValueError("the model has lazy layers, which have no weights yet; run it once first")
    if any(one.is_inference() for one in weights):
        raise ValueError("the weights were made under torch.inference_mode(); make or load them outside it")
    first = next((one for one in weights if one.is_floating_point()), images)
    if images.dtype != first.dtype:
        raise TypeError(f"images are {images.dtype}, the weights {first.dtype}; record needs both to be the same")
    if images.device != first.device:
        raise ValueError(f"images are on {images.device}, the weights on {first.device}; move one to the other")


Product = tuple[Tensor, Value, Note]


def products_on(tape: Tape) -> list[Product]:
    """What the functions that multiply have given: where these are finite, nothing else makes other numbers.

    To look at the last output alone is too late: a ReLU turns minus infinity into zero.
    """
    return [
        (value.tensor, value, note)
        for note in tape.notes
        if note.name in _MAY_GIVE
        for value in note.outputs
        if value.tensor is not None and value.tensor.is_floating_point()
    ]


def check_finite(products: Sequence[Product], parts: Parts) -> None:
    """Raise unless all are finite numbers.

    Raises:
        ValueError: one is not. The function that gave it is named, and whether its weights are the cause; or a pooling
            window holds nothing but padding.
    """
    for tensor, value, note in products:
        if not tensor.isfinite().all():
            layer = value.names[0] if value.names else refuse.where(note)
            if note.name not in refuse.MULTIPLY:
                raise ValueError(f"layer {layer!r}: a pooling window holds nothing but padding")
            if broken := _broken(note, parts):
                raise ValueError(
                    f"layer {layer!r} has NaN or infinity in its {broken}; load or train the network again"
                )
            why = f"the images or the weights are too large for {tensor.dtype}"
            raise ValueError(f"layer {layer!r} gives NaN or infinity: {why}")


# A max pooling gives minus infinity where its window holds nothing but padding.
_MAY_GIVE = refuse.MULTIPLY | {"max_pool1d", "max_pool2d"}


def _broken(note: Note, parts: Parts) -> str:
    """The names of the weights of `note` that are not finite."""
    constants = [one for one, value in zip(note.tensors, note.inputs, strict=True) if value is None]
    broken = [one for one in constants if not one.isfinite().all()]
    named = [
        name
        for module, _ in parts.modules
        for name, weight in (*module._parameters.items(), *module._buffers.items())
        if any(weight is one for one in broken)
    ]
    return " and ".join(named) or ("weights" if broken else "")
