"""Task 2: the steps of the deconvnet, each by itself, and their order."""

import itertools
from collections.abc import Callable, Iterator
from functools import partial
from types import SimpleNamespace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from grading import remote
from grading.answers import NoAnswer
from grading.given_network import WINDOWS
from grading.marks import Marks, Student, right_or_by_stand_ins, same, sizes, wrong_shape
from helpers import deconvnet
from helpers.messages import Message, message

# Maps, maps below, side of the filter, padding; then of the pooling windows the side, the distance, and the padding.
LENET = [(6, 1, 5, 2, WINDOWS), (16, 6, 5, 0, WINDOWS)]
OTHER = [(3, 1, 3, 1, (4, 3, 1)), (5, 3, 3, 0, (2, 2, 0))]


def unpool(student: Student) -> Marks:
    marks = Marks()
    for worth, shape, size, switches_of, what in (
        (4, (1, 1, 5, 6), (10, 12), _switches, message("unpool.wants.positions")),
        (2, (3, 4, 5, 5), (10, 10), _switches, message("unpool.wants.own_switches")),
        (1, (1, 1, 4, 6), (9, 13), _switches, message("unpool.wants.odd_sizes")),
        (3, (1, 1, 6, 7), (12, 14), _meeting_switches, message("unpool.wants.all_values")),
    ):
        signal, switches = student.draw(*shape), switches_of(student, shape, size)
        wanted = deconvnet.unpool(signal, switches, size)
        try:
            answer = student.tensor("unpool", signal, switches, size)
            marks.add(worth, same(answer, wanted), what, _unpool_fault(answer, signal, switches, wanted))
        except NoAnswer as reason:
            marks.add(worth, 0, what, reason.fault)
    return marks


def _switches(student: Student, shape: tuple[int, ...], size: tuple[int, int]) -> Tensor:
    """Positions as 2×2 max pooling might give them, counted row by row in planes of `size`."""
    row = 2 * torch.arange(shape[-2])[:, None] + student.integers(0, 2, *shape)
    column = 2 * torch.arange(shape[-1]) + student.integers(0, 2, *shape)
    return row * size[1] + column


def _meeting_switches(student: Student, shape: tuple[int, ...], size: tuple[int, int]) -> Tensor:
    """Positions of real maxima in windows that overlap, so that many are named more than once."""
    maps = torch.rand(*shape[:2], *size, generator=student.random)
    return F.max_pool2d(maps, *WINDOWS, return_indices=True)[1]


def _unpool_fault(answer: Tensor, signal: Tensor, switches: Tensor, wanted: Tensor) -> Message:
    if answer.shape != wanted.shape:
        return wrong_shape(answer, wanted)
    for first in (switches[:1, :1], switches[:, :1], switches[:1]):
        if same(answer, deconvnet.unpool(signal, first.expand_as(switches), wanted.shape[-2:])):
            return message("unpool.first_switches")
    upsampled = F.interpolate(signal, size=wanted.shape[-2:])
    corner = deconvnet.unpool(signal, _corners(signal, wanted.shape[-1]), wanted.shape[-2:])
    if same(answer, upsampled) or bool((answer != 0).double().mean() > 0.5):
        return message("unpool.fills_windows")
    if same(answer, corner):
        return message("unpool.same_corner")
    if _overwrites(answer, signal, switches):
        return message("unpool.overwritten")
    return message("unpool.values") if (answer != 0).equal(wanted != 0) else message("unpool.elsewhere")


def _overwrites(answer: Tensor, signal: Tensor, switches: Tensor) -> bool:
    """Whether at each position that is named stands one of the values that return to it, and elsewhere nothing."""
    there = answer.flatten(2).gather(2, switches.flatten(2))
    is_there = ((there - signal.flatten(2)).abs() <= 1e-3 * signal.abs().max()).to(answer.dtype).view(signal.shape)
    kept = deconvnet.unpool(is_there, switches, answer.shape[-2:]) > 0
    named = deconvnet.unpool(torch.ones_like(is_there), switches, answer.shape[-2:]) > 0
    return kept.equal(named) and not bool(answer[~named].any())


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
    (message("filter_back.reshaped"), lambda weight: weight.reshape(weight.transpose(0, 1).shape).transpose(0, 1)),
]
_BIASES = [(None, 0), (message("filter_back.biases_added"), 1), (message("filter_back.biases_taken_off"), -1)]


def filter_back(student: Student) -> Marks:
    """Three faults that can be told from each other, each with its own points: filters, size, biases."""
    faults: dict[str, Message | None] = dict.fromkeys(("kernel", "size", "bias", "other"))
    empty = []
    for spec, size in ((LENET[0], (28, 28)), (LENET[1], (10, 10)), ((4, 3, 3, 1), (11, 8))):
        conv = _conv(student, *spec)
        signal = student.draw(2, spec[0], *size)
        try:
            answer = student.tensor("filter_back", signal, conv)
        except NoAnswer as reason:
            found: dict[str, Message | None] = {"other": reason.fault}
        else:
            found = _filter_faults(answer, signal, conv)
            empty.append(answer.numel() == 0)
        faults = {name: fault or found.get(name) for name, fault in faults.items()}
    if all(empty):  # nothing shows filters and biases
        faults["other"] = faults["other"] or faults["size"]
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
    if answer.numel() == 0:  # such as [p:-p] without padding
        return {"size": other}
    if width - answer.shape[-1] != cut or abs(cut) > 2 * reach:
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
    marks, asked = Marks(), []
    for worth, convs, layer, images, what in (
        (3, LENET, 1, (1, 1, 28, 28), message("project.wants.layer", layer=1)),
        (3, LENET, 2, (1, 1, 28, 28), message("project.wants.layer", layer=2)),
        (2, LENET, 2, (3, 1, 28, 28), message("project.wants.several_images")),
        (2, OTHER, 2, (1, 1, 27, 18), message("project.wants.other_sizes")),
    ):
        features, pixels, channel = _telling(student, convs, images, layer)
        asked.append((worth, what, *_is_projection(student, features, pixels, layer, channel)))
    for worth, what, right, faults in asked:
        # Several mistakes may explain one picture. It is that which explains the most of them.
        often = [sum(fault in others for *_, others in asked) for fault in faults]
        marks.add(worth, right, what, None if right else faults[often.index(max(often))])
    return marks


def _telling(
    student: Student, convs: list[tuple[int, int, int, int, tuple[int, int, int]]], shape: tuple[int, ...], layer: int
) -> tuple[list[dict], Tensor, int]:
    """A network, images and a map for which it matters where the signal is rectified, with stand-ins as well.

    By chance it may not, where nothing is negative or nothing is left; then others are drawn.
    """
    # In layer 1 there is nothing negative to rectify.
    wrong = _RECTIFYING[1:] if layer == 1 else _RECTIFYING
    while True:
        features, pixels = without_ties(student, convs, shape)
        about = features, pixels, layer, int(student.integers(1, convs[layer - 1][0]))
        if not any(
            same(compose(steps, *about, way), compose(steps, *about))
            for steps in (_RIGHT, remote.STEPS)
            for way in wrong
        ):
            return features, pixels, about[-1]


def without_ties(
    student: Student, convs: list[tuple[int, int, int, int, tuple[int, int, int]]], shape: tuple[int, ...]
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
        pooled = F.max_pool2d(bare + conv["bias"][:, None, None], *conv["pool"])
        conv["bias"] += 0.1 - pooled.amin(dim=(0, 2, 3)).clamp(max=0)
        if not found:
            conv["@conv"][0], conv["bias"][0] = 0, -5
        rectified = F.relu(F.conv2d(signal, conv["@conv"], conv["bias"], padding=conv["padding"]))
        signal = F.max_pool2d(rectified, *conv["pool"])
        found.append(conv)
    return found, pixels


def _conv(
    student: Student, maps: int, below: int, side: int, padding: int, pool: tuple[int, int, int] = WINDOWS
) -> dict:
    weight = student.draw(maps, below, side, side)
    return {"@conv": weight, "bias": student.draw(maps), "padding": padding, "pool": pool}


def reference(features: list[dict], images: Tensor, layer: int) -> Tensor:
    """All maps of a layer, projected: `(N, K, C, H, W)`."""
    net = deconvnet.DeconvNet(remote.features(features))
    return net.project(net.record(images), str(3 * layer - 1))


def _is_projection(
    student: Student, features: list[dict], images: Tensor, layer: int, channel: int
) -> tuple[bool, list[Message]]:
    about = features, images, layer, channel
    wanted = reference(features, images, layer)[:, channel]

    def by_stand_ins(answer: Tensor) -> tuple[bool, list[Message]]:
        if same(answer, compose(remote.STEPS, *about)):
            return True, []
        found = [(fault, way) for fault, way in _ways(*about) if same(answer, way(remote.STEPS))]
        # A mistake may change nothing with right steps, such as leaving out a ReLU where nothing is negative.
        harmless = any(same(way(_RIGHT).double(), wanted) for _, way in found)
        return harmless, [fault for fault, _ in found]

    return right_or_by_stand_ins(
        student,
        ("project", {"@features": features}, images, layer, channel),
        wanted,
        list(vars(remote.STEPS)),
        by_stand_ins,
        lambda answer: _known_faults(answer, *about),
        message("project.wrong_values"),
    )


# One layer of the way down: by these steps the signal becomes that of the layer below. Then: switches, size, the
# convolution, and the number of the map that is looked at.
Down = Callable[[SimpleNamespace, Tensor, Tensor, tuple[int, int], nn.Conv2d, int], Tensor]


def _down(
    steps: SimpleNamespace, signal: Tensor, switches: Tensor, size: tuple[int, int], conv: nn.Conv2d, channel: int
) -> Tensor:
    return steps.filter_back(steps.rectify(steps.unpool(signal, switches, size)), conv)


def compose(
    steps: SimpleNamespace, features: list[dict], images: Tensor, layer: int, channel: int, down: Down = _down
) -> Tensor:
    """The way up, and the way down by `steps`: the same for right steps, for those with a mistake, for stand-ins."""
    signal, ways = images, []
    for one in features[:layer]:
        conv = remote.conv(one)
        rectified = F.relu(conv(signal))
        pooled, switches = F.max_pool2d(rectified, *one["pool"], return_indices=True)
        ways.append((conv, switches, (rectified.shape[-2], rectified.shape[-1])))
        signal = pooled
    signal = steps.keep_channel(signal, channel)
    for conv, switches, size in reversed(ways):
        signal = down(steps, signal, switches, size, conv, channel)
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


# Which map of a lower layer is kept by those who set maps to zero there again, for each image.
_KEPT: list[Callable[[Tensor, int], list[int]]] = [
    lambda signal, channel: signal.flatten(2).norm(dim=2).argmax(dim=1).tolist(),
    lambda signal, channel: signal.flatten(2).amax(dim=2).argmax(dim=1).tolist(),
    lambda signal, channel: signal.flatten(2).sum(dim=2).argmax(dim=1).tolist(),
    lambda signal, channel: [int(signal[0].flatten(1).norm(dim=1).argmax())] * len(signal),
    lambda signal, channel: [int(signal[0].flatten(1).amax(dim=1).argmax())] * len(signal),
    lambda signal, channel: [int(signal[0].flatten(1).sum(dim=1).argmax())] * len(signal),
    lambda signal, channel: [0] * len(signal),
    lambda signal, channel: [channel % signal.shape[1]] * len(signal),
]


def _zeroing_again(kept: Callable[[Tensor, int], list[int]], place: int, each: bool, rectified: bool) -> Down:
    """The way down on which maps of the lower layer, or of each, are set to zero before, between or after unpooling and
    ReLU.
    """

    def down(steps, signal, switches, size, conv, channel):
        def alone(maps: Tensor) -> Tensor:
            pairs = zip(maps.split(1), kept(maps, channel), strict=True)
            return torch.cat([steps.keep_channel(one, number) for one, number in pairs])

        todo = [lambda maps: steps.unpool(maps, switches, size), steps.rectify if rectified else lambda maps: maps]
        if each or conv.in_channels == 1:
            todo.insert(place, alone)
        for step in todo:
            signal = step(signal)
        return steps.filter_back(signal, conv)

    return down


_RECTIFYING: list[Down] = [
    lambda steps, signal, switches, size, conv, _: steps.filter_back(steps.unpool(signal, switches, size), conv),
    lambda steps, signal, switches, size, conv, _: steps.rectify(
        steps.filter_back(steps.unpool(signal, switches, size), conv)
    ),
]
_AGAIN = [*itertools.product(_KEPT, range(3), (False, True))]
_ORDERS: list[tuple[Message, Down]] = [
    *zip((message("project.not_rectified"), message("project.rectified_after")), _RECTIFYING, strict=True),
    (
        message("project.images_not_apart"),
        lambda steps, signal, switches, *others: _down(steps, signal, switches[:1].expand_as(switches), *others),
    ),
    *((message("project.zeroed_again"), _zeroing_again(*how, rectified=True)) for how in _AGAIN),
    *((message("project.zeroed_and_not_rectified"), _zeroing_again(*how, rectified=False)) for how in _AGAIN),
]

# What people type in for the windows of a pooling layer, or read there by half: made of those of the layer.
_TYPED: list[Callable[[int, int, int], tuple[int, int, int]]] = [
    lambda side, distance, padding: (2, 2, 0),
    lambda side, distance, padding: WINDOWS,
    lambda side, distance, padding: (side, side, 0),
    lambda side, distance, padding: (side, side, padding),
    lambda side, distance, padding: (side, distance, 0),
    lambda side, distance, padding: (side, 2, padding),
]


def _ways(
    features: list[dict], images: Tensor, layer: int, channel: int
) -> Iterator[tuple[Message, Callable[[SimpleNamespace], Tensor]]]:
    """The known mistakes in putting steps together: each makes a picture of the steps that it is given."""
    for fault, down in _ORDERS:
        yield fault, partial(compose, features=features, images=images, layer=layer, channel=channel, down=down)
    of_first = features[0]["pool"]
    for windows in (*_TYPED, lambda *of_layer: of_first):
        typed = [one | {"pool": windows(*one["pool"])} for one in features]
        if [one["pool"] for one in typed[:layer]] != [one["pool"] for one in features[:layer]]:
            way = partial(compose, features=typed, images=images, layer=layer, channel=channel)
            yield message("project.own_windows"), way


def _overwriting(signal: Tensor, switches: Tensor, size: tuple[int, int]) -> Tensor:
    """Unpooling in which the last of the values that return to one position stays."""
    planes = torch.zeros(*signal.shape[:2], size[0] * size[1], dtype=signal.dtype)
    for place, value in zip(switches.flatten(2).split(1, dim=2), signal.flatten(2).split(1, dim=2), strict=True):
        planes.scatter_(2, place, value)
    return planes.view(*signal.shape[:2], *size)


# The known mistakes in a step, made in `project` itself.
_STEPS: list[tuple[Message, SimpleNamespace]] = [
    (fault, SimpleNamespace(**(vars(_RIGHT) | change)))
    for fault, change in (
        (message("project.others_not_zero"), {"keep_channel": lambda maps, channel: maps}),
        (message("project.overwritten"), {"unpool": _overwriting}),
        (message("project.spread"), {"unpool": lambda signal, switches, size: F.interpolate(signal, size=size)}),
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
    )
]


def _known_faults(answer: Tensor, features: list[dict], images: Tensor, layer: int, channel: int) -> list[Message]:
    """The known mistakes that explain `answer`."""
    about = features, images, layer, channel
    found = [fault for fault, way in _ways(*about) if same(answer, way(_RIGHT))]
    return found + [fault for fault, steps in _STEPS if same(answer, compose(steps, *about))]


PARTS = {
    "unpool": unpool,
    "rectify": rectify,
    "filter_back": filter_back,
    "keep_channel": keep_channel,
    "project": project,
}
