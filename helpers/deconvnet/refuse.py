"""What has no way back, and how it is said."""

from collections.abc import Sequence
from numbers import Real

from torch import Tensor

from helpers.deconvnet.apart import keeps_images_apart
from helpers.deconvnet.tape import Note, Value
from helpers.deconvnet.ways_back import PRODUCTS

_BELOW = "project a layer below it"
_BENDS = f"the way back is for ReLU and for what is linear: {_BELOW}"
_CHOOSES = f"it chooses by the numbers that came from the images: {_BELOW}"
_MULTIPLIES = f"it multiplies, or divides, what came from the images by what came from the images: {_BELOW}"
_NORMALISES = f"it normalises by what the image holds: {_BELOW}"
_FLAT = "it is flat, so that no signal comes through"
_ORIGIN = "of unknown origin, made where no record can see it: by TorchScript, NumPy or another thread"
_UNKNOWN = f"it works on a tensor {_ORIGIN}; if it is a constant, make it a buffer of its module"
_COMES_FROM_NOWHERE = f"its output is {_ORIGIN}; write the layer with PyTorch's functions, or {_BELOW}"
_READ = (
    "a number that it is given may be one that the network has read from its tensors before (.item(), .tolist()): "
    "write it with tensors"
)
_INNER = "it is called by the name that it has inside PyTorch: write it as torch.nn.functional or torch has it"
_CHANGED = "the network has written into a constant of it since: make a copy first"
_ALONE = "record one image at a time"
_MIXES = f"it mixes images: {_ALONE}"
_ELSEWHERE = f"its images do not stand one after the other in its first dimension: {_ALONE}"
_SCORES = f"it is no sum: {_BELOW}, which holds the scores of the classes"

_SAID = {
    name: said
    for said, names in {
        _BENDS: "leaky_relu rrelu prelu elu selu celu gelu silu mish hardswish hardsigmoid hardshrink softshrink "
        "tanhshrink sigmoid tanh softplus softsign logsigmoid exp log sqrt rsqrt pow square abs erf sin cos",
        _SCORES: "softmax log_softmax softmin",
        _NORMALISES: "group_norm instance_norm layer_norm rms_norm normalize",
        _CHOOSES: "min amax amin topk sort argmax argmin median kthvalue minimum fmax fmin max_pool3d "
        "adaptive_max_pool1d adaptive_max_pool3d",
        _MULTIPLIES: "reciprocal rdiv scaled_dot_product_attention multi_head_attention_forward",
        _FLAT: "sign floor ceil round trunc heaviside",
        "it reads memory, whose order is not that of the numbers: write it with unfold, or with indices": "as_strided",
        "write it as F.batch_norm, whose arguments are known": "batch_norm",
        "the network cuts its signal here": "detach",
        "F.dropout(x) without training=self.training acts in eval mode": "dropout dropout1d dropout2d dropout3d "
        "alpha_dropout feature_dropout feature_alpha_dropout",
    }.items()
    for name in names.split()
}

# All but the first tensor are factors or divisors.
_OF_THE_FIRST = {"conv2d", "linear", "batch_norm", "instance_norm", "div", "divide", "true_divide"}
# Among the sums, those that a number may be given as a summand, a weight or a value.
_OF_NUMBERS = set("add sub subtract rsub lerp fill masked_fill where setitem scatter pad constant_pad_nd".split())
MULTIPLY = _OF_THE_FIRST | set(PRODUCTS)


def reason(note: Note, images: int) -> str | None:
    """Why no signal can go back through `note`; None if one can. So many images were recorded together."""
    if note.why_not == "":
        note.why_not = _found_reason(note, images)
    return note.why_not


def _found_reason(note: Note, images: int) -> str | None:
    tensors = zip(note.tensors, note.inputs, strict=True)
    note.carry = tuple([value is not None and tensor.is_floating_point() for tensor, value in tensors])
    if any([value is not None and not value.known for value in note.inputs]):
        return _UNKNOWN
    if str(note.function).startswith("aten."):
        return _INNER
    if note.name is None:
        return _SAID.get(note.called, f"it is not known to be a ReLU, or linear: {_BELOW}")
    changed = [i for i, one in enumerate(note.tensors) if one._version != note.versions[i]]
    if any(not note.carry[i] and i not in note.written for i in changed):
        return _CHANGED
    carrying = note.carry.count(True)
    # The places of a max pooling are given to an unpooling as its switches are: they carry nothing.
    if carrying < len(note.inputs) - note.inputs.count(None) and "unpool" not in note.called:
        return _CHOOSES
    if note.name in _OF_THE_FIRST and not note.carry[0] or carrying > 1 and note.name in MULTIPLY:
        return _MULTIPLIES
    if said := _said_of_arguments(note):
        return said
    return None if images == 1 or keeps_images_apart(note, images) else _MIXES


def _said_of_arguments(note: Note) -> str | None:
    match note.name:
        case "batch_norm" if note.given(5, "training", False):
            return "it takes its statistics from these images: call model.eval(), and let it track running statistics"
        case "instance_norm" if note.given(5, "use_input_stats", True):
            return _NORMALISES
        case "lerp" if _carries(note, note.given(2, "weight")):
            return _MULTIPLIES
        case "scatter" if "reduce" in note.kwargs:
            return f"with reduce it is not known to be linear: {_BELOW}"
        case "scatter" | "scatter_add" if _is_cut(note):
            return "its index is smaller than what it takes, and PyTorch knows no gradient for that: cut what it takes"
        case "scatter" if _meets_itself(note):
            return f"of the numbers that it writes some go to the same place, where one alone is left: {_BELOW}"
        case "div" | "divide" if note.kwargs.get("rounding_mode") is not None:
            return _FLAT
        case "clamp" | "clip" | "clamp_min" | "hardtanh" | "threshold" if not _is_relu(note):
            return _BENDS
        case "maximum" | "max" if not _is_relu(note):
            return _CHOOSES
    return _READ if note.after_reading and _takes_a_number(note) else None


def _takes_a_number(note: Note) -> bool:
    """Whether it takes a factor, a summand or a value that is a number and no tensor."""
    if note.name in PRODUCTS and len(note.tensors) == 1 or "alpha" in note.kwargs:
        return True
    numbers = [one for one in (*note.args, *note.kwargs.values()) if isinstance(one, Real) and not isinstance(one, int)]
    return note.name in _OF_NUMBERS and bool(numbers)


def _is_relu(note: Note) -> bool:
    """Whether a function that can be a ReLU, or one with a maximum, is one."""
    match note.name:
        case "clamp" | "clip":
            return _is_zero(note.given(1, "min")) and _is_positive(note.given(2, "max"))
        case "hardtanh":
            return _is_zero(note.given(1, "min_val", -1)) and _is_positive(note.given(2, "max_val", 1))
        case "clamp_min":
            return _is_zero(note.given(1, "min"))
        case "threshold":
            return _is_zero(note.given(1, "threshold")) and _is_zero(note.given(2, "value"))
    constants = [tensor for tensor, value in zip(note.tensors, note.inputs, strict=True) if value is None]
    return len(constants) == 1 and _is_zero(constants[0])


def _meets_itself(note: Note) -> bool:
    """Whether this scatter writes two numbers to the same place."""
    dim, index = note.given(1, "dim", 0), note.given(2, "index")
    return isinstance(dim, int) and isinstance(index, Tensor) and not index.sort(dim).values.diff(dim=dim).all()


def _is_cut(note: Note) -> bool:
    """Whether this scatter takes less than it is given."""
    index, source = note.given(2, "index"), note.given(3, "src")
    return isinstance(index, Tensor) and isinstance(source, Tensor) and index.shape != source.shape


def _carries(note: Note, argument: object) -> bool:
    """Whether this argument is a tensor that carries the signal."""
    return any(one is argument and carries for one, carries in zip(note.tensors, note.carry, strict=True))


def _is_zero(number: object) -> bool:
    if isinstance(number, Tensor):
        return not number.any()
    return isinstance(number, (int, float)) and number == 0


def _is_positive(number: object) -> bool:
    return number is None or isinstance(number, (int, float)) and number > 0


def why_not(value: Value, way: Sequence[Note], images: int) -> str | None:
    """Why no signal can go back from `value` on this way, whose notes stand last first; None if one can.

    For so many images.
    """
    if not value.known:
        return _COMES_FROM_NOWHERE
    for note in reversed(way):
        if why := reason(note, images):
            return f"{where(note)} has no way back: {why}"
    return None if value.owners is None else _ELSEWHERE


def where(note: Note) -> str:
    """The note's function, and the module that called it."""
    return f"{note.called} in {note.module!r}" if note.module else note.called
