"""Task 2: the steps of the deconvnet, each by itself, and their order."""

import itertools
from collections.abc import Callable
from types import SimpleNamespace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from grading import remote
from grading.answers import NoAnswer
from grading.marks import Marks, Student, right_or_by_stand_ins, same, sizes
from helpers import deconvnet

LENET = [(6, 1, 5, 2), (16, 6, 5, 0)]  # maps, maps below, side of the filter, padding


def unpool(student: Student) -> Marks:
    marks = Marks()
    for worth, shape, size, what in (
        (6, (1, 1, 5, 6), (10, 12), "one map comes back to its positions"),
        (2, (3, 4, 5, 5), (10, 10), "each map and image uses its own switches"),
        (2, (2, 3, 4, 6), (9, 13), "the size before pooling may be odd"),
    ):
        signal, switches = student.draw(*shape), _switches(student, shape, size)
        wanted = deconvnet.unpool(signal, switches, size)
        try:
            answer = student.tensor("unpool", signal, switches, size)
            marks.add(worth, same(answer, wanted), what, _unpool_fault(answer, signal, wanted))
        except NoAnswer as reason:
            marks.add(worth, 0, what, str(reason))
    return marks


def _switches(student: Student, shape: tuple[int, ...], size: tuple[int, int]) -> Tensor:
    """Positions as 2×2 max pooling might give them, counted row by row in planes of `size`."""
    row = 2 * torch.arange(shape[-2])[:, None] + student.integers(0, 2, *shape)
    column = 2 * torch.arange(shape[-1]) + student.integers(0, 2, *shape)
    return row * size[1] + column


def _unpool_fault(answer: Tensor, signal: Tensor, wanted: Tensor) -> str:
    if answer.shape != wanted.shape:
        return f"it returns {sizes(answer)}; {sizes(wanted)} is wanted"
    upsampled = F.interpolate(signal, size=wanted.shape[-2:])
    corner = deconvnet.unpool(signal, _corners(signal, wanted.shape[-1]), wanted.shape[-2:])
    if same(answer, upsampled) or bool((answer != 0).double().mean() > 0.5):
        return "each value fills its window; it belongs to one position, the rest is zero"
    if same(answer, corner):
        return "all values land in the same corner of their window; the switches say where"
    return "values land elsewhere than the switches say"


def _corners(signal: Tensor, width: int) -> Tensor:
    rows, columns = torch.arange(signal.shape[-2]), torch.arange(signal.shape[-1])
    return (2 * rows[:, None] * width + 2 * columns).expand(signal.shape)


def rectify(student: Student) -> Marks:
    marks = Marks()
    signal = student.draw(2, 3, 4, 5)
    try:
        answer = student.tensor("rectify", signal)
        wrong = "negative values come through" if bool((answer < 0).any()) else "positive values are changed, or lost"
        marks.add(3, same(answer, deconvnet.rectify(signal)), "what is negative becomes zero, the rest stays", wrong)
    except NoAnswer as reason:
        marks.add(3, 0, "what is negative becomes zero, the rest stays", str(reason))
    return marks


_KERNELS: dict[str, Callable[[Tensor], Tensor]] = {
    "": lambda weight: weight,
    "the filters come out upside down and mirrored (not flipped, or flipped twice)": lambda weight: weight.flip(2, 3),
    "height and width of the filters are exchanged": lambda weight: weight.mT,
    "height and width of the filters are exchanged, and flipped": lambda weight: weight.mT.flip(2, 3),
    "the filters are flipped top to bottom only": lambda weight: weight.flip(3),
    "the filters are flipped left to right only": lambda weight: weight.flip(2),
}
_BIASES = {"": 0, "the biases are added on the way back": 1, "the biases are taken off on the way back": -1}


def filter_back(student: Student) -> Marks:
    """Three faults that can be told from each other, each with its own points: filters, size, biases."""
    faults = {"kernel": "", "size": "", "bias": "", "other": ""}
    for spec, size in ((LENET[0], (28, 28)), (LENET[1], (10, 10)), ((4, 3, 3, 1), (11, 8))):
        conv = _conv(student, *spec)
        signal = student.draw(2, spec[0], *size)
        try:
            answer = student.tensor("filter_back", signal, conv)
        except NoAnswer as reason:
            found = {"other": str(reason)}
        else:
            found = _filter_faults(answer, signal, conv)
        faults = {name: text or found.get(name, "") for name, text in faults.items()}
    marks = Marks()
    for name, worth, what in (
        ("kernel", 6, "the filters are flipped both ways, and input and output channels exchanged"),
        ("size", 4, "the result has the size of what the convolution was applied to"),
        ("bias", 3, "the biases stay out"),
    ):
        fault = faults["other"] or faults[name]
        marks.add(worth, not fault, what, fault)
    return marks


def _filter_faults(answer: Tensor, signal: Tensor, conv: dict) -> dict[str, str]:
    """Which of the known mistakes, together, explain `answer`."""
    weight, bias, padding = conv["@conv"], conv["bias"], conv["padding"]
    below, reach = weight.shape[1], weight.shape[-1]
    height, width = (side + reach - 1 - 2 * padding for side in signal.shape[-2:])
    if answer.dim() != 4 or answer.shape[:2] != (len(signal), below):
        return {"other": f"it returns {sizes(answer)}; {len(signal)}×{below}×{height}×{width} is wanted"}
    cut = height - answer.shape[-2]
    other = f"it is {answer.shape[-2]}×{answer.shape[-1]}, the input {height}×{width}"
    if width - answer.shape[-1] != cut or abs(cut) > 2 * reach or answer.numel() == 0:
        return {"other": other}
    size = other if cut else ""
    for (kernel, change), (added, sign) in itertools.product(_KERNELS.items(), _BIASES.items()):
        shifted = signal + sign * bias[:, None, None]
        whole = F.conv_transpose2d(shifted, change(weight))
        margin = -(padding + cut // 2)
        if cut % 2 == 0 and same(answer, F.pad(whole, (margin,) * 4)):
            return {"kernel": kernel, "bias": added, "size": size}
    return {"other": f"{size}, and its values are wrong" if size else "its values are wrong, and by no known mistake"}


def keep_channel(student: Student) -> Marks:
    marks = Marks()
    what, unchanged = "all other maps are zero, this one is as it was", "the maps that it is given stay as they are"
    maps, channel = student.draw(2, 5, 4, 3), 3
    wanted = _keep_channel(maps, channel)
    try:
        student.ask("@read", maps, keep="maps")
        answer = student.tensor("keep_channel", {"@kept": "maps"}, channel)
        right = same(answer, wanted)
        if answer.shape != wanted.shape:
            fault = f"it returns {sizes(answer)}; {sizes(wanted)} is wanted"
        else:
            fault = (
                "the other maps are not zero" if same(answer[:, [channel]], wanted[:, [channel]]) else "wrong values"
            )
        marks.add(3, right, what, fault)
        kept = same(student.tensor("@read", {"@kept": "maps"}), maps)
        marks.add(1, right and kept, unchanged, "they are written over" if right else "not looked at")
    except NoAnswer as reason:
        marks.add(3, 0, what, str(reason))
        marks.add(1, 0, unchanged, "not looked at")
    return marks


def project(student: Student) -> Marks:
    """Right is what the reference gives, or what the right order of stand-ins for the student's own steps gives.

    So a mistake in one step costs the points of that step, and not those of putting the steps together. (The student's
    own steps are no measure: with steps that return zeros, any order of them is right.)
    """
    marks = Marks()
    other = [(3, 1, 3, 1), (5, 3, 3, 0)]
    for worth, convs, layer, images, what in (
        (3, LENET, 1, (1, 1, 28, 28), "a map of layer 1"),
        (3, LENET, 2, (1, 1, 28, 28), "a map of layer 2"),
        (2, LENET, 2, (3, 1, 28, 28), "several images, each with its own switches"),
        (2, other, 2, (1, 1, 23, 18), "a network of other sizes"),
    ):
        features, pixels = without_ties(student, convs, images)
        channel = int(student.integers(1, convs[layer - 1][0]))
        right, fault = _is_projection(student, features, pixels, layer, channel)
        marks.add(worth, right, what, fault)
    return marks


def without_ties(
    student: Student, convs: list[tuple[int, int, int, int]], shape: tuple[int, ...]
) -> tuple[list[dict], Tensor]:
    """A random network and images for which each pooling window has one maximum: which of equals wins is not taught.

    Map 0 of layer 1 is below zero everywhere. It carries nothing to the pixels, but who leaves out the ReLU on the way
    up finds something else in layer 2.
    """
    pixels = torch.rand(*shape, generator=student.random)
    found: list[dict] = []
    signal = pixels
    for spec in convs:
        conv = _conv(student, *spec)
        # The bias lifts the maps so far that no window is all zero.
        bare = F.conv2d(signal, conv["@conv"], padding=conv["padding"])
        conv["bias"] += 0.1 - F.max_pool2d(bare + conv["bias"][:, None, None], 2).amin(dim=(0, 2, 3)).clamp(max=0)
        if not found:
            conv["@conv"][0], conv["bias"][0] = 0, -5
        signal = F.max_pool2d(F.relu(F.conv2d(signal, conv["@conv"], conv["bias"], padding=conv["padding"])), 2)
        found.append(conv)
    return found, pixels


def _conv(student: Student, maps: int, below: int, side: int, padding: int) -> dict:
    weight = student.draw(maps, below, side, side)
    return {"@conv": weight, "bias": student.draw(maps), "padding": padding}


def reference(features: list[dict], images: Tensor, layer: int) -> Tensor:
    """All maps of a layer, projected: `(N, K, C, H, W)`."""
    net = deconvnet.DeconvNet(remote.features(features))
    return net.project(net.record(images), str(3 * layer - 1))


def _is_projection(
    student: Student, features: list[dict], images: Tensor, layer: int, channel: int
) -> tuple[bool, str]:
    return right_or_by_stand_ins(
        student,
        ("project", {"@features": features}, images, layer, channel),
        reference(features, images, layer)[:, channel],
        list(vars(remote.STEPS)),
        compose(remote.STEPS, features, images, layer, channel),
        lambda answer: (
            _project_fault(answer, features, images, layer, channel)
            or "neither the right values nor the right order of your own steps"
        ),
    )


def compose(steps: SimpleNamespace, features: list[dict], images: Tensor, layer: int, channel: int) -> Tensor:
    """The way up, and the way down by `steps`: the same for right steps, for those with a mistake, for stand-ins."""
    convs = [remote.conv(one) for one in features]
    signal, ways = images, []
    for conv in convs[:layer]:
        rectified = F.relu(conv(signal))
        pooled, switches = F.max_pool2d(rectified, 2, return_indices=True)
        ways.append((conv, switches, tuple(rectified.shape[-2:])))
        signal = pooled
    signal = steps.keep_channel(signal, channel)
    for conv, switches, size in reversed(ways):
        signal = steps.filter_back(steps.rectify(steps.unpool(signal, switches, size)), conv)
    return signal


def _keep_channel(maps: Tensor, channel: int) -> Tensor:
    alone = torch.zeros_like(maps)
    alone[:, channel] = maps[:, channel]
    return alone


def _right_filter_back(signal: Tensor, conv: nn.Conv2d) -> Tensor:
    return F.conv_transpose2d(signal, conv.weight, padding=int(conv.padding[0]))


_RIGHT = SimpleNamespace(
    keep_channel=_keep_channel, unpool=deconvnet.unpool, rectify=deconvnet.rectify, filter_back=_right_filter_back
)


def _strongest_alone(signal: Tensor) -> Tensor:
    return torch.cat([_keep_channel(one[None], int(one.flatten(1).norm(dim=1).argmax())) for one in signal])


def _project_fault(answer: Tensor, features: list[dict], images: Tensor, layer: int, channel: int) -> str:
    """The known mistake that explains `answer`, or nothing."""
    mistakes: dict[str, dict[str, Callable[..., Tensor]]] = {
        "the signal is not rectified on the way back": {"rectify": lambda signal: signal},
        "it is rectified after filtering; rectify comes before": {
            "rectify": lambda signal: signal,
            "filter_back": lambda signal, conv: _right_filter_back(signal, conv).clamp(min=0),
        },
        "the other maps are not set to zero": {"keep_channel": lambda maps, channel: maps},
        "the switches of the first image are used for all": {
            "unpool": lambda signal, switches, size: deconvnet.unpool(signal, switches[:1].expand_as(signal), size)
        },
        "maps are set to zero again in the lower layer": {
            "filter_back": lambda signal, conv: _right_filter_back(
                _strongest_alone(signal) if conv.in_channels == 1 else signal, conv
            )
        },
        "values are spread over their windows, not put where the switches say": {
            "unpool": lambda signal, switches, size: F.interpolate(signal, size=size)
        },
        "the biases are added on the way back": {
            "filter_back": lambda signal, conv: _right_filter_back(signal + conv.bias[:, None, None], conv)
        },
        "the filters come out upside down and mirrored": {
            "filter_back": lambda signal, conv: F.conv_transpose2d(signal, conv.weight.flip(2, 3), padding=conv.padding)
        },
    }
    for text, change in mistakes.items():
        steps = SimpleNamespace(**(vars(_RIGHT) | change))
        if same(answer, compose(steps, features, images, layer, channel)):
            return text
    return ""


PARTS = {
    "unpool": unpool,
    "rectify": rectify,
    "filter_back": filter_back,
    "keep_channel": keep_channel,
    "project": project,
}
