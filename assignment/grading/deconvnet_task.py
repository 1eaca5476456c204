"""Task 2: the steps of the deconvnet, each by itself, and their order."""

import itertools
from collections.abc import Callable
from types import SimpleNamespace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from grading import remote
from grading.answers import NoAnswer
from grading.marks import Marks, Student, right_or_by_stand_ins, same, sizes, wrong_shape
from helpers import deconvnet
from helpers.messages import Message, message

LENET = [(6, 1, 5, 2), (16, 6, 5, 0)]  # maps, maps below, side of the filter, padding


def unpool(student: Student) -> Marks:
    marks = Marks()
    for worth, shape, size, what in (
        (6, (1, 1, 5, 6), (10, 12), message("unpool.wants.positions")),
        (2, (3, 4, 5, 5), (10, 10), message("unpool.wants.own_switches")),
        (2, (2, 3, 4, 6), (9, 13), message("unpool.wants.odd_sizes")),
    ):
        signal, switches = student.draw(*shape), _switches(student, shape, size)
        wanted = deconvnet.unpool(signal, switches, size)
        try:
            answer = student.tensor("unpool", signal, switches, size)
            marks.add(worth, same(answer, wanted), what, _unpool_fault(answer, signal, wanted))
        except NoAnswer as reason:
            marks.add(worth, 0, what, reason.fault)
    return marks


def _switches(student: Student, shape: tuple[int, ...], size: tuple[int, int]) -> Tensor:
    """Positions as 2×2 max pooling might give them, counted row by row in planes of `size`."""
    row = 2 * torch.arange(shape[-2])[:, None] + student.integers(0, 2, *shape)
    column = 2 * torch.arange(shape[-1]) + student.integers(0, 2, *shape)
    return row * size[1] + column


def _unpool_fault(answer: Tensor, signal: Tensor, wanted: Tensor) -> Message:
    if answer.shape != wanted.shape:
        return wrong_shape(answer, wanted)
    upsampled = F.interpolate(signal, size=wanted.shape[-2:])
    corner = deconvnet.unpool(signal, _corners(signal, wanted.shape[-1]), wanted.shape[-2:])
    if same(answer, upsampled) or bool((answer != 0).double().mean() > 0.5):
        return message("unpool.fills_windows")
    if same(answer, corner):
        return message("unpool.same_corner")
    return message("unpool.values") if (answer != 0).equal(wanted != 0) else message("unpool.elsewhere")


def _corners(signal: Tensor, width: int) -> Tensor:
    rows, columns = torch.arange(signal.shape[-2]), torch.arange(signal.shape[-1])
    return (2 * rows[:, None] * width + 2 * columns).expand(signal.shape)


def rectify(student: Student) -> Marks:
    marks = Marks()
    signal, what = student.draw(2, 3, 4, 5), message("rectify.wants")
    try:
        answer = student.tensor("rectify", signal)
        right = deconvnet.rectify(signal)
        marks.add(3, same(answer, right), what, _rectify_fault(answer, right))
    except NoAnswer as reason:
        marks.add(3, 0, what, reason.fault)
    return marks


def _rectify_fault(answer: Tensor, right: Tensor) -> Message:
    if (answer < 0).any():
        return message("rectify.negative")
    rest_stays = answer.shape == right.shape and same(answer[right > 0], right[right > 0])
    return message("rectify.not_zero") if rest_stays else message("rectify.changed")


_KERNELS: list[tuple[Message | None, Callable[[Tensor], Tensor]]] = [
    (None, lambda weight: weight),
    (message("filter_back.not_flipped"), lambda weight: weight.flip(2, 3)),
    (message("filter_back.transposed"), lambda weight: weight.mT),
    (message("filter_back.transposed_and_flipped"), lambda weight: weight.mT.flip(2, 3)),
    (message("filter_back.flipped_one_way", axis=message("axis.height")), lambda weight: weight.flip(3)),
    (message("filter_back.flipped_one_way", axis=message("axis.width")), lambda weight: weight.flip(2)),
]
_BIASES = [(None, 0), (message("filter_back.biases_added"), 1), (message("filter_back.biases_taken_off"), -1)]


def filter_back(student: Student) -> Marks:
    """Three faults that can be told from each other, each with its own points: filters, size, biases."""
    faults: dict[str, Message | None] = dict.fromkeys(("kernel", "size", "bias", "other"))
    for spec, size in ((LENET[0], (28, 28)), (LENET[1], (10, 10)), ((4, 3, 3, 1), (11, 8))):
        conv = _conv(student, *spec)
        signal = student.draw(2, spec[0], *size)
        try:
            answer = student.tensor("filter_back", signal, conv)
        except NoAnswer as reason:
            found: dict[str, Message | None] = {"other": reason.fault}
        else:
            found = _filter_faults(answer, signal, conv)
        faults = {name: fault or found.get(name) for name, fault in faults.items()}
    marks = Marks()
    for name, worth, what in (
        ("kernel", 6, message("filter_back.wants.filters")),
        ("size", 4, message("filter_back.wants.size")),
        ("bias", 3, message("filter_back.wants.no_biases")),
    ):
        fault = faults["other"] or faults[name]
        marks.add(worth, not fault, what, fault)
    return marks


def _filter_faults(answer: Tensor, signal: Tensor, conv: dict) -> dict[str, Message | None]:
    """Which of the known mistakes, together, explain `answer`."""
    weight, bias, padding = conv["@conv"], conv["bias"], conv["padding"]
    below, reach = weight.shape[1], weight.shape[-1]
    height, width = (side + reach - 1 - 2 * padding for side in signal.shape[-2:])
    if answer.dim() != 4 or answer.shape[:2] != (len(signal), below):
        wanted = f"{len(signal)}×{below}×{height}×{width}"
        return {"other": message("filter_back.wrong_channels", found=sizes(answer), wanted=wanted)}
    cut = height - answer.shape[-2]
    found, wanted = f"{answer.shape[-2]}×{answer.shape[-1]}", f"{height}×{width}"
    other = message("filter_back.wrong_size", found=found, wanted=wanted)
    if width - answer.shape[-1] != cut or abs(cut) > 2 * reach or answer.numel() == 0:
        return {"other": other}
    size = other if cut else None
    for (kernel, change), (added, sign) in itertools.product(_KERNELS, _BIASES):
        shifted = signal + sign * bias[:, None, None]
        whole = F.conv_transpose2d(shifted, change(weight))
        margin = -(padding + cut // 2)
        if cut % 2 == 0 and same(answer, F.pad(whole, (margin,) * 4)):
            return {"kernel": kernel, "bias": added, "size": size}
    if size:
        return {"other": message("filter_back.wrong_size_and_values", found=found, wanted=wanted)}
    return {"other": message("filter_back.wrong_values")}


def keep_channel(student: Student) -> Marks:
    marks = Marks()
    what, unchanged = message("keep_channel.wants.one_map"), message("keep_channel.wants.unchanged")
    maps, channel = student.draw(2, 5, 4, 3), 3
    wanted = _keep_channel(maps, channel)
    try:
        student.ask("@read", maps, keep="maps")
        answer = student.tensor("keep_channel", {"@kept": "maps"}, channel)
        right = same(answer, wanted)
        if answer.shape != wanted.shape:
            fault = wrong_shape(answer, wanted)
        elif same(answer[:, [channel]], wanted[:, [channel]]):
            fault = message("keep_channel.others_not_zero")
        else:
            fault = message("keep_channel.changed")
        marks.add(3, right, what, fault)
        kept = same(student.tensor("@read", {"@kept": "maps"}), maps)
        fault = message("keep_channel.written_over") if right else message("not_looked_at")
        marks.add(1, right and kept, unchanged, fault)
    except NoAnswer as reason:
        marks.add(3, 0, what, reason.fault)
        marks.add(1, 0, unchanged, message("not_looked_at"))
    return marks


def project(student: Student) -> Marks:
    """Right is what the reference gives, or what the right order of stand-ins for the student's own steps gives.

    So a mistake in one step costs the points of that step, and not those of putting the steps together. (The student's
    own steps are no measure: with steps that return zeros, any order of them is right.)
    """
    marks = Marks()
    other = [(3, 1, 3, 1), (5, 3, 3, 0)]
    for worth, convs, layer, images, what in (
        (3, LENET, 1, (1, 1, 28, 28), message("project.wants.layer", layer=1)),
        (3, LENET, 2, (1, 1, 28, 28), message("project.wants.layer", layer=2)),
        (2, LENET, 2, (3, 1, 28, 28), message("project.wants.several_images")),
        (2, other, 2, (1, 1, 23, 18), message("project.wants.other_sizes")),
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
) -> tuple[bool, Message | None]:
    return right_or_by_stand_ins(
        student,
        ("project", {"@features": features}, images, layer, channel),
        reference(features, images, layer)[:, channel],
        list(vars(remote.STEPS)),
        compose(remote.STEPS, features, images, layer, channel),
        lambda answer: _project_fault(answer, features, images, layer, channel),
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


def _project_fault(answer: Tensor, features: list[dict], images: Tensor, layer: int, channel: int) -> Message:
    """The known mistake that explains `answer`, if one does."""
    mistakes: list[tuple[Message, dict[str, Callable[..., Tensor]]]] = [
        (message("project.not_rectified"), {"rectify": lambda signal: signal}),
        (
            message("project.rectified_after"),
            {
                "rectify": lambda signal: signal,
                "filter_back": lambda signal, conv: _right_filter_back(signal, conv).clamp(min=0),
            },
        ),
        (message("project.others_not_zero"), {"keep_channel": lambda maps, channel: maps}),
        (
            message("project.images_not_apart"),
            {"unpool": lambda signal, switches, size: deconvnet.unpool(signal, switches[:1].expand_as(signal), size)},
        ),
        (
            message("project.zeroed_again"),
            {
                "filter_back": lambda signal, conv: _right_filter_back(
                    _strongest_alone(signal) if conv.in_channels == 1 else signal, conv
                )
            },
        ),
        (
            message("project.spread"),
            {"unpool": lambda signal, switches, size: F.interpolate(signal, size=size)},
        ),
        (
            message("project.biases_added"),
            {"filter_back": lambda signal, conv: _right_filter_back(signal + conv.bias[:, None, None], conv)},
        ),
        (
            message("project.not_flipped"),
            {
                "filter_back": lambda signal, conv: F.conv_transpose2d(
                    signal, conv.weight.flip(2, 3), padding=conv.padding
                )
            },
        ),
    ]
    for fault, change in mistakes:
        steps = SimpleNamespace(**(vars(_RIGHT) | change))
        if same(answer, compose(steps, features, images, layer, channel)):
            return fault
    return message("project.wrong_values")


PARTS = {
    "unpool": unpool,
    "rectify": rectify,
    "filter_back": filter_back,
    "keep_channel": keep_channel,
    "project": project,
}
