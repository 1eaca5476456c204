"""Task 3: the choice of images, the 22 visualisations, and how they become pictures."""

import torch
from torch import Tensor

from grading import remote
from grading.answers import NoAnswer
from grading.deconvnet_task import LENET, OTHER, reference, without_ties
from grading.given_network import given_convs, given_network
from grading.marks import Marks, Student, kind, right_or_by_stand_ins, same, sizes
from grading.mnist import mnist_test
from helpers.messages import Message, message


def choose(student: Student) -> Marks:
    marks = Marks()
    fault = None
    for digit in student.digits:
        labels, predictions = student.integers(0, 10, 60), student.integers(0, 10, 60)
        # Each digit is there and read correctly: whoever looks for another one finds it.
        labels[50:] = predictions[50:] = torch.arange(10)
        labels[[3, 20, 40]], predictions[[20, 40]] = digit, digit
        predictions[3] = (digit + 1) % 10  # so the first one is misread
        try:
            answer = student.ask("choose", digit, predictions, labels)
            index = _index(answer, 60)
            if labels[index] != digit:
                fault = message("choose.other_digit", digit=digit, found=int(labels[index]))
            elif predictions[index] != digit:
                fault = message("choose.misread", digit=digit, read=int(predictions[index]))
        except NoAnswer as reason:
            fault = reason.fault
        if fault:
            break
    marks.add(3, not fault, message("choose.wants.index"), fault)
    faults = [_choice_fault(student, digit) for digit in student.digits]
    different = [fault for place, fault in enumerate(faults) if fault not in faults[:place]]
    *first, last = student.digits
    what = message("choose.wants.chosen", digits=message("digits", first=first, last=last))
    marks.add(2, faults.count(None) / len(faults), what, *different)
    return marks


def _index(answer: object, images: int) -> int:
    if isinstance(answer, Tensor) and answer.numel() == 1 and not answer.is_floating_point():
        answer = answer.item()
    if not isinstance(answer, int) or isinstance(answer, bool):
        raise NoAnswer(message("choose.no_index", found=kind(answer)))
    if not 0 <= answer < images:
        raise NoAnswer(message("choose.beyond", index=answer, images=images))
    return answer


def _chosen(student: Student, digit: int) -> int:
    chosen = student.ask("@value", "chosen")
    if not isinstance(chosen, dict) or digit not in chosen:
        raise NoAnswer(message("chosen.missing", digit=digit))
    return _index(chosen[digit], 10_000)


def _choice_fault(student: Student, digit: int) -> Message | None:
    images, labels = mnist_test()
    try:
        index = _chosen(student, digit)
    except NoAnswer as reason:
        return reason.fault
    if labels[index] != digit:
        return message("chosen.other_digit", index=index, found=int(labels[index]))
    with torch.no_grad():
        read = given_network()(images[index : index + 1]).argmax().item()
    return None if read == digit else message("chosen.misread", index=index, read=read)


def visualise(student: Student) -> Marks:
    marks = Marks()
    for worth, convs, size, what in (
        (4, LENET, (28, 28), message("visualise.wants.lenet5")),
        (2, OTHER, (20, 17), message("visualise.wants.other_sizes")),
    ):
        features, image = without_ties(student, convs, (1, 1, *size))
        right, faults = _is_visualisation(student, features, image)
        marks.add(worth, right, what, *faults)
    return marks


def _is_visualisation(student: Student, features: list[dict], image: Tensor) -> tuple[bool, list[Message]]:
    """Right is what the reference gives, or the stand-in for the student's `project`, map by map."""
    counts = [len(one["bias"]) for one in features]
    wanted = torch.cat([reference(features, image, layer)[0, :, 0] for layer in (1, 2)])
    by_stand_ins = torch.stack(
        [
            remote.STAND_INS["project"](None, image, layer, channel)[0, 0]
            for layer, count in enumerate(counts, start=1)
            for channel in range(count)
        ]
    )

    def explain(answer: Tensor, maps: Tensor) -> list[Message]:
        other_order = torch.cat([maps[counts[0] :], maps[: counts[0]]])
        return [message("visualise.layer_2_first")] if same(answer, other_order) else []

    return right_or_by_stand_ins(
        student,
        ("visualise", {"@features": features}, image),
        wanted,
        ["project"],
        lambda answer: (same(answer, by_stand_ins), explain(answer, by_stand_ins)),
        lambda answer: explain(answer, wanted),
        message("visualise.wrong_values"),
    )


def to_uint8(student: Student) -> Marks:
    """Asked twice: once the largest magnitude is that of a negative number, once of a positive one."""
    marks = Marks()
    maps = student.draw(6, 9, 7) * torch.tensor([30.0, 10, 3, 1, 0.3, 0])[:, None, None]
    maps[:, 4, 3] = 0
    # Farther from zero than the other end, so that a scale from end to end is seen.
    maps[0, 0, 0] = -1.5 * maps.abs().max()
    found = [_shade_faults(student, signed) for signed in (maps, -maps)]
    for name, (worth, what) in SHADES.items():
        fault = next((faults[name] for faults in found if faults[name]), None)
        marks.add(worth, not fault, what, fault)
    return marks


SHADES = {
    "form": (1, message("to_uint8.wants.form")),
    "zero": (1, message("to_uint8.wants.zero")),
    "scale": (2, message("to_uint8.wants.scale")),
    "sign": (1, message("to_uint8.wants.sign")),
}


def _shade_faults(student: Student, maps: Tensor) -> dict[str, Message | None]:
    """What is wrong with the picture of `maps`, for each of the steps; None where nothing is."""
    try:
        answer = student.ask("to_uint8", maps)
        if not isinstance(answer, Tensor):
            raise NoAnswer(message("returns.no_tensor", found=kind(answer)))
        if answer.dtype != torch.uint8 or answer.shape != maps.shape:
            found = str(answer.dtype)
            raise NoAnswer(message("to_uint8.wrong_type", found=found, shape=sizes(answer), wanted=sizes(maps)))
    except NoAnswer as reason:
        return dict.fromkeys(SHADES, reason.fault)
    if answer.unique().numel() < 20:
        return dict.fromkeys(SHADES, message("to_uint8.one_grey"))
    right = 128 + 127 * maps / maps.abs().max()
    own = 128 + 127 * maps / maps.abs().amax(dim=(1, 2), keepdim=True).clamp(min=1e-12)
    faults: dict[str, Message | None] = dict.fromkeys(SHADES)
    alive = maps.abs().amax(dim=(1, 2)) > 0
    if not alive.all() and _within_a_level(answer[alive], own[alive]) and not _within_a_level(answer, own):
        return faults | {"scale": message("to_uint8.own_scale_of_nothing")}
    if ((answer.int()[maps == 0] - 128).abs() > 1).any():
        faults["zero"] = message("to_uint8.zero_differs", first=int(answer[0, 4, 3]), second=int(answer[2, 4, 3]))
    if not _within_a_level(answer, right):
        faults["scale"] = message("to_uint8.wrong_values")
        if _within_a_level(answer, own):
            faults["scale"] = message("to_uint8.own_scale")
        if (answer.int() - maps.int()).remainder(256).eq(0).all():
            faults["scale"] = message("to_uint8.cast")
    far = right.sub(128).abs() > 2
    zero = answer.double()[maps == 0].median()
    if (answer.double()[far].sub(zero).sign() != maps.double()[far].sign()).any():
        faults["sign"] = message("to_uint8.wrong_signs")
    return faults


def grids(student: Student) -> Marks:
    """Right is what the reference gives for the chosen image, or what the student's cell makes of the stand-ins: of
    those for `visualise` and `to_uint8`, and of other images in the place of `chosen`.
    """
    marks, by_stand_ins = Marks(), _grids_of_stand_ins(student)
    for digit in student.digits:
        right = _is_grid(student, digit) or by_stand_ins[digit] is None
        marks.add(1, right, message("grids.wants", digit=digit), by_stand_ins[digit])
    return marks


def _is_grid(student: Student, digit: int) -> bool:
    try:
        index = _chosen(student, digit)
        grid = _picture(student.ask("@value", "grids"), digit)
    except NoAnswer:
        return False
    image = mnist_test()[0][index : index + 1]
    maps = torch.cat([reference(given_convs(), image, layer)[0, :, 0] for layer in (1, 2)])
    return _within_a_level(grid, 128 + 127 * maps / maps.abs().max())


def _grids_of_stand_ins(student: Student) -> dict[int, Message | None]:
    """For each digit, what is wrong with that which the student's cell makes of the stand-ins; None if nothing is."""
    images, labels = mnist_test()
    chosen = {digit: int((labels == digit).nonzero()[int(student.integers(0, 500))]) for digit in student.digits}
    code = student.written.get("grids_solution", "")
    try:
        made = student.ask("@run", code, "grids", {"chosen": chosen}, stand_ins=["visualise", "to_uint8"])
    except NoAnswer as reason:
        return dict.fromkeys(student.digits, reason.fault)
    faults: dict[int, Message | None] = {}
    features = remote.features(given_convs())
    for digit, index in chosen.items():
        maps = remote.STAND_INS["visualise"](features, images[index : index + 1])
        try:
            right = _picture(made, digit).equal(remote.STAND_INS["to_uint8"](maps))
            faults[digit] = None if right else message("grids.wrong_pictures")
        except NoAnswer as reason:
            faults[digit] = reason.fault
    return faults


def _picture(grids: object, digit: int) -> Tensor:
    grid = grids.get(digit) if isinstance(grids, dict) else None
    if not isinstance(grid, Tensor):
        raise NoAnswer(message("grids.no_tensor", found=kind(grid)))
    if grid.shape != (22, 28, 28) or grid.dtype != torch.uint8:
        raise NoAnswer(message("grids.wrong_type", found=str(grid.dtype), shape=sizes(grid)))
    return grid


def _within_a_level(picture: Tensor, wanted: Tensor) -> bool:
    """A level up or down is how people round."""
    return picture.shape == wanted.shape and bool((picture.double() - wanted.double()).abs().max() <= 1.01)


PARTS = {"choose": choose, "visualise": visualise, "to_uint8": to_uint8, "grids": grids}
