"""Which maps speak for a class: each map's share of the class's score, by activation times gradient.

Where all functions between the maps and the score are linear or piecewise linear, as ReLU and max pooling are, and no
way leads round the layer, its shares add up to the score, but for what biases add behind it.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from helpers.checks import as_integers
from helpers.deconvnet.net import maps_of
from helpers.deconvnet.tape import Note, Value
from helpers.deconvnet.trace import Trace

_SOFTMAX = ("log_softmax", "softmax")


def scores_layer(trace: Trace) -> str:
    """The name of the layer that holds the scores of the classes, `(N, classes)`: the last one before any softmax.

    Raises:
        ValueError: the network does not end with such a layer.
    """
    *_, last = trace.activations
    value = trace.value(last)
    while value.maker is not None and trace.notes[value.maker].called in _SOFTMAX:
        below = trace.notes[value.maker].inputs[0]
        if below is None or not below.names:
            break
        value = below
    if value.tensor is None or value.tensor.dim() != 2 or len(value.tensor) != len(trace.images):
        shape = tuple(trace.activations[last].shape)
        raise ValueError(
            f"the network ends with layer {last!r} of the shape {shape}; scores of classes are (N, classes)"
        )
    return value.names[0]


def class_shares(trace: Trace, layer: str, classes: Sequence[int] | Tensor) -> tuple[Tensor, Tensor]:
    """The share of each map of `layer` in the score of a class: its activation times the score's gradient, summed up.

    The gradient is the true one, of the score before any softmax, whatever rule a `DeconvNet` has. It says how this
    score would follow a small change of the map. It does not say what the score were without the map.

    Args:
        trace: of a whole classifier, as `DeconvNet.record` returned it.
        classes: `(N,)`, integers: the number of the class for each image.

    Returns:
        scores `(N,)`; and shares `(N, C)`, which may be negative.

    Raises:
        TypeError: `classes` are no integers.
        ValueError: the layer or a class does not exist; the network has no scores of classes, or has changed since; the
            layer does not lead to the scores, or not by functions that were noted.

    Source: Ancona, Ceolini, Öztireli & Gross (2018), "Towards better understanding of gradient-based attribution
        methods for Deep Neural Networks", section 2; Captum's `LayerGradientXActivation`.
    """
    trace.check()
    maps = maps_of(trace, layer)
    scores = trace.activations[top := scores_layer(trace)]
    try:
        numbers = as_integers(classes)
    except TypeError as error:
        raise TypeError(f"classes is {classes!r}; class_shares needs one integer for each image: {error}") from None
    if len(numbers) != len(maps):
        raise ValueError(f"{len(numbers)} classes for {len(maps)} images; class_shares needs as many of each")
    if any(not 0 <= number < scores.shape[1] for number in numbers):
        raise ValueError(f"classes hold {numbers}; this network has the classes 0 to {scores.shape[1] - 1}")
    with torch.inference_mode(False), torch.enable_grad():
        leaf = maps.detach().clone().requires_grad_()
        again = _replayed(trace, trace.value(layer), leaf, trace.value(top))
        chosen = again[range(len(numbers)), numbers]
        if not chosen.requires_grad:
            raise ValueError(f"layer {layer!r} does not lead to the scores of layer {top!r}")
        (gradient,) = torch.autograd.grad(chosen.sum(), leaf)
    products = leaf.detach() * gradient
    return chosen.detach(), products.flatten(2).sum(dim=2) if products.dim() > 2 else products


def _replayed(trace: Trace, start: Value, maps: Tensor, end: Value) -> Tensor:
    """The tensor of `end`, run again from `maps` in the place of that of `start`."""
    new: dict[Value, Tensor] = {start: maps}
    for note in reversed(trace.way(end)):
        if start in note.outputs or not any(value in new for value in note.inputs):
            continue
        tensors = [_tensor(given, value, new, note) for given, value in zip(note.tensors, note.inputs, strict=True)]
        new.update(zip(note.outputs, note.run(*tensors), strict=True))
    return new.get(end, trace.activations[end.names[0]])


def _tensor(given: Tensor, value: Value | None, new: dict[Value, Tensor], note: Note) -> Tensor:
    if value is None:
        return given.detach()
    if value in new:
        return new[value]
    if value.tensor is None or not value.known:
        raise ValueError(f"{note.called} in {note.module!r} takes what was written where no record can see it")
    return value.tensor
