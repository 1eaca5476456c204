"""The way back of each function: the mathematics of the deconvnet, and nothing else.

A network applies one function after the other. The deconvnet undoes them in reverse: it takes the signal at a
function's output, and says what goes back to its input. Zeiler & Fergus (2013, section 2.1) do it in three steps:

    max pooling     is undone by    unpool          each value returns to where its switch says the maximum stood
    ReLU            is undone by    rectify         only what is positive goes on
    convolution     is undone by    filter_back     the transposed filters; the bias stays out

All other functions here are linear, but for a constant. They are undone as the convolution is: by their transpose, with
the constant left out.

An entry of `WAYS_BACK` is called with `signal`, with `up`, and then with what its function was called with on the way
up. It gives back one signal for each tensor among these arguments, in their order; what it leaves out carries none.
A signal has the shape of the function's output with one dimension more in front: `(K, N, C, h, w)`, one for each of the
K feature maps that are projected.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

Signals = tuple[Tensor | None, ...]


class Up(NamedTuple):
    """What was noted of one function on the way up.

    Attributes:
        run: the function, from its tensors to the tuple of its results; its other arguments are given.
        tensors: those it was given. The images have gone into those that `carry`.
        carry: for each of them, whether the signal goes back to it.
        output: its result, `(N, C, h, w)`.
        switches: for a max pooling, where in the plane before it each maximum stood.
        rule: what the way back does at a ReLU: one of `RULES`.
    """

    run: Callable[..., tuple[Tensor, ...]]
    tensors: Sequence[Tensor]
    carry: Sequence[bool]
    output: Any
    switches: Any
    rule: Callable[[Tensor, Tensor], Tensor]


# The paper's three steps


def unpool(signal: Tensor, switches: Tensor, size: Sequence[int]) -> Tensor:
    """Each value of `(..., h, w)` goes to where its switch says, in `(..., H, W)`. Where windows overlap, they add."""
    planes = signal.new_zeros(*signal.shape[:-2], size[0] * size[1])
    planes.scatter_add_(-1, switches.expand_as(signal).flatten(-2), signal.flatten(-2))
    return planes.unflatten(-1, tuple(size))


def rectify(signal: Tensor) -> Tensor:
    """`max(signal, 0)`."""
    return signal.clamp(min=0)


def filter_back(
    signal: Tensor,
    filters: Tensor,
    size: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> Tensor:
    """The transposed convolution, from `(N, C', h, w)` to `(N, C, H, W)`.

    Each filter is flipped vertically and horizontally, input and output channels are exchanged.
    """
    reached = [
        (signal.shape[i + 2] - 1) * stride[i] - 2 * padding[i] + dilation[i] * (filters.shape[i + 2] - 1) + 1
        for i in (0, 1)
    ]
    rest = [size[i] - reached[i] for i in (0, 1)]
    return F.conv_transpose2d(signal, filters, None, stride, padding, rest, groups, dilation)


# What the way back does at a ReLU, whose output was `activation`: the one place where the three methods differ.
RULES: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    # Zeiler & Fergus (2013), section 2.1
    "deconvnet": lambda signal, activation: rectify(signal),
    # Simonyan, Vedaldi & Zisserman (2013), arXiv:1312.6034
    "gradient": lambda signal, activation: torch.where(activation > 0, signal, 0),
    # Springenberg et al. (2014), arXiv:1412.6806, "Deconvolution"
    "guided": lambda signal, activation: torch.where(activation > 0, rectify(signal), 0),
}


def _max_pool2d(signal: Tensor, up: Up, *args: Any, **kwargs: Any) -> Signals:
    return (unpool(signal, up.switches, up.tensors[0].shape[-2:]),)


def _max_pool1d(signal: Tensor, up: Up, *args: Any, **kwargs: Any) -> Signals:
    """As in a plane of a single row."""
    row = unpool(signal.unsqueeze(-2), up.switches.unsqueeze(-2), (1, up.tensors[0].shape[-1]))
    return (row.squeeze(-2),)


def _relu(signal: Tensor, up: Up, *args: Any, **kwargs: Any) -> Signals:
    return (up.rule(signal, up.output),)


def _clamp(signal: Tensor, up: Up, input: Tensor, min: Any = None, max: Any = None, **kwargs: Any) -> Signals:
    """A ReLU, above which a maximum may stand, where a gradient ends as it does below zero."""
    return (up.rule(signal, up.output if max is None else up.output.where(up.output < max, 0)),)


def _hardtanh(
    signal: Tensor, up: Up, input: Tensor, min_val: float = -1, max_val: float = 1, inplace: bool = False
) -> Signals:
    return _clamp(signal, up, input, min_val, max_val)


def _relu6(signal: Tensor, up: Up, input: Tensor, inplace: bool = False) -> Signals:
    return _clamp(signal, up, input, 0, 6)


def _maximum(signal: Tensor, up: Up, *args: Any, **kwargs: Any) -> Signals:
    """With zero, in either place."""
    back = up.rule(signal, up.output)
    return tuple(summed(back, one.shape) for one in up.tensors)


class Settings(NamedTuple):
    """Those of a convolution, in rows and columns; the padding is None if one side has more of it than the other."""

    stride: tuple[int, int]
    padding: tuple[int, int] | None
    dilation: tuple[int, int]
    groups: int


def settings_of(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Settings:
    """The settings of the convolution that was called with these."""
    return Settings(pair(stride), padding_of(padding, weight, pair(dilation)), pair(dilation), groups)


def _conv2d(signal: Tensor, up: Up, *args: Any, **kwargs: Any) -> Signals:
    stride, padding, dilation, groups = settings_of(*args, **kwargs)
    if padding is None:
        return _transposed(signal, up)
    maps, (input, weight) = signal.flatten(0, -4), up.tensors[:2]
    back = filter_back(maps, weight, input.shape[-2:], stride, padding, dilation, groups)
    return (back.unflatten(0, signal.shape[:-3]),)


def pair(number: Any) -> tuple[int, int]:
    """PyTorch lets one write one number for two."""
    if isinstance(number, int):
        return (number, number)
    return (number[0], number[-1])


def padding_of(padding: Any, weight: Tensor, dilation: tuple[int, int]) -> tuple[int, int] | None:
    """The rows and columns of zeros on each side; None if there are more on one side than on the other."""
    if padding == "valid":
        return (0, 0)
    if padding != "same":
        return pair(padding)
    both = [dilation[i] * (weight.shape[i + 2] - 1) for i in (0, 1)]
    return None if both[0] % 2 or both[1] % 2 else (both[0] // 2, both[1] // 2)


# Linear functions


def _batch_norm(
    signal: Tensor,
    up: Up,
    input: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
    *args: Any,
) -> Signals:
    """In eval mode it is a factor for each channel, and a shift, which stays out as a bias does."""
    factor = (running_var + eps).rsqrt()
    if weight is not None:
        factor = factor * weight
    return (signal * factor.view(-1, *[1] * (input.dim() - 2)),)


def _instance_norm(
    signal: Tensor,
    up: Up,
    input: Tensor,
    running_mean: Any = None,
    running_var: Any = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Signals:
    return _batch_norm(signal, up, input, running_mean, running_var, weight, bias, False, momentum, eps)


def _linear(signal: Tensor, up: Up, input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Signals:
    return (signal @ weight,) if weight.dim() == 2 else _transposed(signal, up)


def _add(signal: Tensor, up: Up, *args: Any, alpha: float = 1, **kwargs: Any) -> Signals:
    """Both summands get the signal. Where one was broadcast it gets the sum of what went into its copies."""
    back = zip(up.tensors, up.carry, (1, alpha), strict=False)
    return tuple(summed(signal * factor, one.shape) if carries else None for one, carries, factor in back)


def _sub(signal: Tensor, up: Up, *args: Any, alpha: float = 1, **kwargs: Any) -> Signals:
    return _add(signal, up, alpha=-alpha)


def summed(signal: Tensor, shape: torch.Size) -> Tensor:
    """`signal` `(K, ...)`, summed over the dimensions along which a tensor of this shape was broadcast."""
    extra = signal.dim() - 1 - len(shape)
    if extra:
        signal = signal.sum(dim=tuple(range(1, extra + 1)))
    if copied := [i + 1 for i, side in enumerate(shape) if side == 1 and signal.shape[i + 1] > 1]:
        signal = signal.sum(dim=copied, keepdim=True)
    return signal


def _cat(
    signal: Tensor, up: Up, tensors: Sequence[Tensor], dim: int = 0, axis: int | None = None, **kwargs: Any
) -> Signals:
    """Each part gets its part."""
    if up.output.dim() and all(one.dim() == up.output.dim() for one in up.tensors):
        dim = (dim if axis is None else axis) % up.output.dim()
        return signal.split([one.shape[dim] for one in up.tensors], dim=dim + 1)
    return _transposed(signal, up)


def _reshaped(signal: Tensor, up: Up, *args: Any, **kwargs: Any) -> Signals:
    sides = up.tensors[0].shape
    return (signal.reshape(len(signal), -1, *sides[1:]) if sides else signal.reshape(-1),)


def _as_it_is(signal: Tensor, up: Up, *args: Any, **kwargs: Any) -> Signals:
    return (signal,)


def _transposed(signal: Tensor | tuple[Tensor, ...], up: Up, *args: Any, **kwargs: Any) -> Signals:
    """The transpose of any linear function. PyTorch knows them all: its gradient is made of nothing else."""
    signals = signal if isinstance(signal, tuple) else (signal,)
    with torch.enable_grad():
        leaves = [one.detach().requires_grad_(carries) for one, carries in zip(up.tensors, up.carry, strict=True)]
        carrying = [leaf for leaf in leaves if leaf.requires_grad]
        outputs = up.run(*leaves)
        back = [
            torch.autograd.grad(outputs, carrying, one, retain_graph=True, materialize_grads=True)
            for one in zip(*signals, strict=True)
        ]
    stacked = iter([torch.stack(one) for one in zip(*back, strict=True)])
    return tuple(next(stacked) if carries else None for carries in up.carry)


# Any other linear function goes back by its transpose. Several tensors at once may bring the signal to these,
SUMS = (
    "sum mean cumsum stack hstack vstack dstack column_stack chunk split tensor_split hsplit vsplit dsplit unbind "
    "narrow select getitem setitem index_select index_add index_copy scatter scatter_add take_along_dim "
    "gather diagonal tril triu permute transpose swapaxes swapdims movedim moveaxis T mT t adjoint view_as reshape_as "
    "flip fliplr flipud rot90 roll repeat repeat_interleave tile expand expand_as broadcast_to "
    "pad constant_pad_nd copy masked_fill fill zero where neg negative positive "
    "to type type_as float double half bfloat16 cpu cuda alias overwritten "
    "avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d "
    "interpolate upsample upsample_nearest upsample_bilinear pixel_shuffle pixel_unshuffle channel_shuffle "
    "native_channel_shuffle unfold fold max_unpool1d max_unpool2d max_unpool3d rsub lerp"
).split()
# and to these one alone: the others are factors.
PRODUCTS = (
    "mul multiply div divide true_divide matmul rmatmul mm bmm mv dot inner tensordot einsum addmm addbmm baddbmm "
    "conv1d conv3d conv_transpose1d conv_transpose2d conv_transpose3d bilinear"
).split()


WAYS_BACK: Mapping[str, Callable[..., Signals]] = {
    # the paper's three
    "max_pool2d": _max_pool2d,
    "relu": _relu,
    "conv2d": _conv2d,
    # more poolings and rectifications
    "max_pool1d": _max_pool1d,
    "adaptive_max_pool2d": _max_pool2d,
    "fractional_max_pool2d": _max_pool2d,
    "relu6": _relu6,
    "hardtanh": _hardtanh,
    "clamp": _clamp,
    "clip": _clamp,
    "clamp_min": _relu,
    "threshold": _relu,
    "maximum": _maximum,
    "max": _maximum,
    # the paper leaves its normalisation out on the way down
    "local_response_norm": _as_it_is,
    # linear functions that networks are made of
    "linear": _linear,
    "batch_norm": _batch_norm,
    "instance_norm": _instance_norm,
    "add": _add,
    "sub": _sub,
    "subtract": _sub,
    "cat": _cat,
    "concat": _cat,
    "concatenate": _cat,
    **dict.fromkeys("flatten reshape unflatten view squeeze unsqueeze ravel".split(), _reshaped),
    **dict.fromkeys("clone contiguous".split(), _as_it_is),
    # any other linear function, by its transpose
    **dict.fromkeys(SUMS + PRODUCTS, _transposed),
}
