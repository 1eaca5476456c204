"""Task 1: the network, what is inside it, and its training."""

import itertools
from collections.abc import Callable, Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from grading.answers import NoAnswer
from grading.given_network import given_network
from grading.marks import Marks, Student, kind, same, sizes
from grading.mnist import mnist_test
from helpers.data import load_mnist
from helpers.messages import Message, message


def shapes(maps1: int, maps2: int) -> list[tuple[int, ...]]:
    """Those of the weights and biases, from the first layer to the last; no two are equal."""
    return [
        *((maps1, 1, 5, 5), (maps1,), (maps2, maps1, 5, 5), (maps2,)),
        *((120, 25 * maps2), (120,), (84, 120), (84,), (10, 84), (10,)),
    ]


def forward(
    values: list[Tensor],
    images: Tensor,
    pool: Callable[[Tensor, int], Tensor] = F.max_pool2d,
    relus: Sequence[bool] = (True,) * 4,
) -> Tensor:
    """The log-probabilities of the network with these weights and biases, in the order of `shapes`.

    With another pooling, or without the ReLU after some of the first four layers, those of a network with a mistake.
    """

    def relu(layer: int, signal: Tensor) -> Tensor:
        return F.relu(signal) if relus[layer] else signal

    signal = pool(relu(0, F.conv2d(images, values[0], values[1], padding=2)), 2)
    signal = pool(relu(1, F.conv2d(signal, values[2], values[3])), 2).flatten(1)
    signal = relu(2, F.linear(signal, values[4], values[5]))
    signal = relu(3, F.linear(signal, values[6], values[7]))
    return F.linear(signal, values[8], values[9]).log_softmax(dim=1)


def _values(student: Student, maps1: int, maps2: int) -> list[Tensor]:
    """Random weights and biases, of a size that keeps the signal alive from layer to layer."""
    return [
        student.draw(*shape) * (2 / torch.tensor(shape[1:]).prod().item()) ** 0.5
        if len(shape) > 1
        else 0.1 * student.draw(*shape)
        for shape in shapes(maps1, maps2)
    ]


def build_cnn(student: Student) -> Marks:
    marks = Marks()
    images = torch.rand(5, 1, 28, 28, generator=student.random)
    reason = None
    try:
        student.ask("build_cnn", keep="cnn")
        answer = student.tensor("@outputs", {"@kept": "cnn"}, images)
    except NoAnswer as error:
        answer, reason = torch.empty(0), error.fault
    shape = answer.shape == (5, 10)
    wanted = message("build_cnn.wants.outputs")
    marks.add(2, shape, wanted, reason or message("build_cnn.outputs_of_another_shape", found=sizes(answer)))
    one = shape and same(answer.exp().sum(dim=1), torch.ones(5)) and bool((answer <= 1e-6).all())
    fault: Message | None = message("build_cnn.no_log_probabilities") if shape else message("not_looked_at")
    if shape and same(answer.sum(dim=1), torch.ones(5)) and bool((answer >= 0).all()):
        fault = message("build_cnn.probabilities")
    marks.add(2, one, message("build_cnn.wants.log_probabilities"), fault)
    fault = reason or _shape_fault(student, "cnn", 6, 16)
    marks.add(2, not fault, message("build_cnn.wants.shapes"), fault)
    faults = [fault] if fault else _forward_faults(student, "cnn", images, 6, 16)
    marks.add(2, not faults, message("build_cnn.wants.layers"), *faults)
    try:
        student.ask("build_cnn", 4, 9, keep="other cnn")
        fault = _shape_fault(student, "other cnn", 4, 9)
        if not fault:
            found = _forward_faults(student, "other cnn", images, 4, 9)
            # What is wrong with other numbers of maps alone: the rest has cost its points in the line above.
            fault = found[0] if found and not faults else None
    except NoAnswer as error:
        fault = error.fault
    marks.add(2, not fault, message("build_cnn.wants.other_maps"), fault)
    return marks


def _parameters(student: Student, name: str) -> list[Tensor]:
    """Those of the model that is kept under `name`. Raises NoAnswer if there are none."""
    values = student.ask("@parameters", {"@kept": name})
    if not isinstance(values, list) or not all(isinstance(one, Tensor) for one in values):
        raise NoAnswer(message("build_cnn.no_parameters"))
    return values


def _shape_fault(student: Student, name: str, maps1: int, maps2: int) -> Message | None:
    try:
        found = sorted(tuple(one.shape) for one in _parameters(student, name))
    except NoAnswer as reason:
        return reason.fault
    wanted = sorted(shapes(maps1, maps2))
    missing = [shape for shape in wanted if shape not in found]
    surplus = [shape for shape in found if shape not in wanted]
    if found == wanted:
        return None
    none = message("none")
    return message(
        "build_cnn.wrong_shapes", missing=str(missing) if missing else none, surplus=str(surplus) if surplus else none
    )


def _forward_faults(student: Student, name: str, images: Tensor, maps1: int, maps2: int) -> list[Message]:
    values = _values(student, maps1, maps2)
    try:
        student.ask("@set parameters", {"@kept": name}, values)
        answer = student.tensor("@outputs", {"@kept": name}, images)
    except NoAnswer as reason:
        return [reason.fault]
    over_images = answer.shape == (len(images), 10) and same(answer.exp().sum(dim=0), torch.ones(10))
    for faults, pool, relus in _KNOWN:
        outputs = forward(values, images, pool, relus)
        # Whatever stands in the place of log-softmax has its own line.
        if any(same(made, outputs) for made in (answer, answer.log_softmax(dim=1), answer.clamp(min=1e-30).log())):
            return faults
        if over_images and same(_centred(answer), _centred(outputs)):
            return faults
    return [message("build_cnn.wrong_outputs")]


def _centred(outputs: Tensor) -> Tensor:
    """What stays the same whatever is added to all outputs for an image, or of a class."""
    return outputs - outputs.mean(dim=0) - outputs.mean(dim=1, keepdim=True) + outputs.mean()


_Pool = Callable[[Tensor, int], Tensor]
_POOLS: list[tuple[list[Message], _Pool]] = [
    ([], F.max_pool2d),
    ([message("build_cnn.average_pooling")], F.avg_pool2d),
]


def _known() -> Iterator[tuple[list[Message], _Pool, tuple[bool, ...]]]:
    """No mistake, and known ones in all combinations."""
    for (pooling, pool), relus in itertools.product(_POOLS, itertools.product((True, False), repeat=4)):
        missing = ", ".join(str(layer) for layer, there in enumerate(relus, start=1) if not there)
        yield [*pooling, *([message("build_cnn.no_relu", layers=missing)] if missing else [])], pool, relus


_KNOWN = sorted(_known(), key=lambda one: len(one[0]))


def look_inside(student: Student) -> Marks:
    """On the student's own network; where that is not enough, on one that is right, if their function can read it."""
    own = _looked_inside(student, "build_cnn")
    return own if own.share == 1 else max(own, _looked_inside(student, "@network"), key=lambda marks: marks.share)


def _looked_inside(student: Student, builds: str) -> Marks:
    marks = Marks()
    worth = {f"{what}{layer}": points for layer in (1, 2) for what, points in INSIDE.items()}
    values = _values(student, 6, 16)
    # Mostly paper, as digits are: so maps are not alike in all places, and a mistake shows whatever is drawn.
    images, ink = torch.rand(2, 12, 1, 28, 28, generator=student.random)
    images = images * (ink < 0.1)
    try:
        student.ask(builds, keep="cnn")
        student.ask("@set parameters", {"@kept": "cnn"}, values)
        inside = student.ask("look_inside", {"@kept": "cnn"}, images)
        if not isinstance(inside, dict) or "@type" in inside:
            raise NoAnswer(message("look_inside.no_dictionary", found=kind(inside)))
    except NoAnswer as reason:
        for name, points in worth.items():
            marks.add(points, 0, message("look_inside.wants", name=name), reason.fault)
        return marks
    begins = [images]
    for layer in (1, 2):
        weight, bias = values[2 * layer - 2 : 2 * layer]
        rectified = [F.relu(F.conv2d(maps, weight, bias, padding=2 if layer == 1 else 0)) for maps in begins]
        pooled = [F.max_pool2d(maps, 2) for maps in rectified]
        filters, maps, switches = (inside.get(f"{what}{layer}") for what in INSIDE)
        faults = {
            "filters": [_tensor_fault(filters, weight, message("look_inside.wrong_filters"))],
            "pooled": [_tensor_fault(maps, wanted, message("look_inside.wrong_values")) for wanted in pooled],
            "switches": [_switch_fault(switches, wanted) for wanted in rectified],
        }
        for what, found in faults.items():
            name = f"{what}{layer}"
            fault = None if None in found else found[0]
            marks.add(worth[name], not fault, message("look_inside.wants", name=name), fault)
        # A mistake in the first layer does not count again in the second: there, what follows from it is right, too.
        begins = [*pooled, *_to_go_on_with(maps, len(images))]
    return marks


INSIDE = {"filters": 1, "pooled": 2, "switches": 2}


def _to_go_on_with(maps: object, count: int) -> list[Tensor]:
    """These maps of the first layer in `count` images, if a convolution of 5×5 and a pooling can follow on them."""
    if not isinstance(maps, Tensor) or not maps.is_floating_point() or maps.ndim != 4:
        return []
    fits = maps.shape[:2] == (count, 6) and all(6 <= side <= 28 for side in maps.shape[2:])
    return [maps.float()] if fits else []


def _missing(answer: object) -> Message:
    if answer is None:
        return message("look_inside.missing")
    return message("look_inside.no_tensor", found=kind(answer))


def _wrong_shape(answer: Tensor, wanted: Tensor) -> Message:
    return message("look_inside.wrong_shape", found=sizes(answer), wanted=sizes(wanted))


def _tensor_fault(answer: object, wanted: Tensor, wrong_values: Message) -> Message | None:
    if not isinstance(answer, Tensor):
        return _missing(answer)
    if same(answer.double(), wanted):
        return None
    return wrong_values if answer.shape == wanted.shape else _wrong_shape(answer, wanted)


def _switch_fault(answer: object, maps: Tensor) -> Message | None:
    """What is wrong with positions of the maxima of `maps` in 2×2 windows. Of equal values, each may be named."""
    if not isinstance(answer, Tensor):
        return _missing(answer)
    pooled = F.max_pool2d(maps, 2)
    if answer.shape != pooled.shape:
        return _wrong_shape(answer, pooled)
    if answer.dtype != torch.int64:
        return message("look_inside.not_int64", found=str(answer.dtype))
    width = maps.shape[-1]
    if bool((answer < 0).any()) or bool((answer >= maps.shape[-2] * width).any()):
        return message("look_inside.beyond_map")
    rows, columns = (torch.arange(side) for side in pooled.shape[-2:])
    inside = (answer // width // 2 == rows[:, None]) & (answer % width // 2 == columns)
    if not bool(inside.all()):
        return message("look_inside.outside_window")
    values = maps.flatten(2).gather(2, answer.flatten(2)).view_as(pooled)
    return None if same(values.double(), pooled) else message("look_inside.not_largest")


def train(student: Student) -> Marks:
    """Two things: how well the network reads that was trained, and whether `train` learns labels that exist nowhere.

    Where `my_network` falls short, `train` is given a right network, within the time of a cell, and the better one
    counts: neither a mistake in task 1a nor bad luck near a limit costs points here.
    """
    marks, images, labels = Marks(), *load_mnist("train")
    learns, not_learnt = _learns_other_labels(student, images, labels)
    reads, fault = _accuracy(student, "my_network")
    ours = False
    dishonest = fault is not None and fault.code in ("train.given_network", "train.whatever_weights")
    if reads < _ENOUGH[-1] and not dishonest and learns is not None:
        try:
            student.ask("@network", keep="ours")
            student.ask("train", {"@kept": "ours"}, images, labels, as_cell=True)
            again, unread = _accuracy(student, "ours")
        except NoAnswer:
            again, unread = 0.0, None  # what is wrong with the student's own network is said
        ours = again > reads and again >= _ENOUGH[0]
        if ours:
            reads, fault = again, unread
    for share in _ENOUGH:
        wanted = message("train.wants.share", share=share)
        if ours:
            wanted = message("train.wants.share_of_ours", share=share)
        marks.add(2, reads >= share, wanted, fault or message("train.reads", share=reads))
    marks.add(4, learns is not None and learns >= 0.7, message("train.wants.other_labels"), not_learnt)
    return marks


_ENOUGH = (0.90, 0.97, 0.98)


def _learns_other_labels(student: Student, images: Tensor, labels: Tensor) -> tuple[float | None, Message]:
    """The share of other images that a simple model reads after `train`; None if there is no answer. Then a fault."""
    chosen = torch.randperm(len(images), generator=student.random)[:25_000]
    other = labels[chosen].add(int(student.integers(1, 10))) % 10
    try:
        student.ask("@linear classifier", keep="linear")
        student.ask("train", {"@kept": "linear"}, images[chosen[:20_000]], other[:20_000])
        answer = student.tensor("@outputs", {"@kept": "linear"}, images[chosen[20_000:]])
        if answer.shape != (5_000, 10):
            raise NoAnswer(message("train.no_outputs"))
    except NoAnswer as reason:
        return None, reason.fault
    share = (answer.argmax(dim=1) == other[20_000:]).double().mean().item()
    return share, message("train.not_learnt", share=share)


def _accuracy(student: Student, name: str) -> tuple[float, Message | None]:
    """Of the network that is `my_network`, or kept under the `name`, on the test set, and what is wrong with it.

    If it is what task 1a asks for, its weights are read and our layers used. If not, that has cost points in 1a
    already; then its own outputs count, if they come from its weights: with others, it must no longer read digits.
    """
    images, labels = mnist_test()
    try:
        if name == "my_network":
            student.ask("@value", name, keep=name)
        values = [one.float() for one in _parameters(student, name)]
        if sum(one.numel() for one in values) < 1000:
            return 0.0, message("train.hardly_any_weights")
        by_shape = {tuple(one.shape): one for one in values}
        if set(by_shape) == set(shapes(6, 16)):
            values = [by_shape[shape] for shape in shapes(6, 16)]
            some = images[student.integers(0, len(images), 500)]
            if _difference(forward(values, some), forward(list(given_network().parameters()), some)) < 0.05:
                return 0.0, message("train.given_network")
            if same(student.tensor("@outputs", {"@kept": name}, some), forward(values, some)):
                right = [forward(values, batch).argmax(dim=1) for batch in images.split(1000)]
                return (torch.cat(right) == labels).double().mean().item(), None
        # All images, as the check looks at all: a sample could fall on the other side of a limit.
        with_own = _share(student, name, images, labels)
        student.ask("@shuffle parameters", {"@kept": name})
        chosen = torch.randperm(len(images), generator=student.random)[:2000]
        if _share(student, name, images[chosen], labels[chosen]) > 0.5:
            return 0.0, message("train.whatever_weights")
        return with_own, None
    except NoAnswer as reason:
        return 0.0, reason.fault


def _share(student: Student, name: str, images: Tensor, labels: Tensor) -> float:
    """The share of the images that the network kept under `name`, as it is in the kernel, reads correctly."""
    right = 0
    for batch, wanted in zip(images.split(2500), labels.split(2500), strict=True):
        outputs = student.tensor("@outputs", {"@kept": name}, batch)
        if outputs.shape != (len(batch), 10):
            raise NoAnswer(message("train.wrong_outputs", found=sizes(outputs)))
        right += (outputs.argmax(dim=1) == wanted).sum().item()
    return right / len(images)


def _difference(answer: Tensor, other: Tensor) -> float:
    """Of the log-probabilities of two networks, as a share: 0 if they are the same but for the order of their maps.

    Of networks that were trained each by itself, they differ by 0.2 or more.
    """
    return ((answer - other).norm() / other.norm()).item()


PARTS = {"build_cnn": build_cnn, "look_inside": look_inside, "train": train}
