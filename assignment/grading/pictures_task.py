"""Task 3: the choice of images, the 22 visualisations, and how they become pictures."""

import torch
from torch import Tensor

from grading import remote
from grading.answers import NoAnswer
from grading.deconvnet_task import LENET, reference, without_ties
from grading.given_network import given_convs, given_network
from grading.marks import Marks, Student, kind, right_or_by_stand_ins, same, sizes
from helpers.data import load_mnist


def choose(student: Student) -> Marks:
    marks = Marks()
    what = "of images drawn at random, one of the digit that is read correctly"
    fault = ""
    for digit in student.digits:
        labels, predictions = student.integers(0, 10, 60), student.integers(0, 10, 60)
        labels[[3, 20, 40]], predictions[[20, 40]] = digit, digit
        predictions[3] = (digit + 1) % 10  # so the first one is misread
        try:
            answer = student.ask("choose", digit, predictions, labels)
            index = _index(answer, 60)
            if labels[index] != digit:
                fault = f"asked for a {digit}, it chooses a {labels[index]}"
            elif predictions[index] != digit:
                fault = f"it chooses a {digit} that is read as a {predictions[index]}"
        except NoAnswer as reason:
            fault = str(reason)
        if fault:
            break
    marks.add(3, not fault, what, fault)
    faults = {digit: _choice_fault(student, digit) for digit in student.digits}
    wrong = "; ".join(dict.fromkeys(text for text in faults.values() if text))
    listed = f"{', '.join(map(str, student.digits[:-1]))} and {student.digits[-1]}"
    marks.add(2, sum(not text for text in faults.values()) / len(faults), f"chosen, for {listed}", wrong)
    return marks


def _index(answer: object, count: int) -> int:
    if isinstance(answer, Tensor) and answer.numel() == 1 and not answer.is_floating_point():
        answer = answer.item()
    if not isinstance(answer, int) or isinstance(answer, bool):
        raise NoAnswer(f"it is {kind(answer)}; an index, an integer, is wanted")
    if not 0 <= answer < count:
        raise NoAnswer(f"it is {answer}; there are {count} images")
    return answer


def _chosen(student: Student, digit: int) -> int:
    chosen = student.ask("@value", "chosen")
    if not isinstance(chosen, dict) or digit not in chosen:
        raise NoAnswer(f"chosen has no {digit}")
    return _index(chosen[digit], 10_000)


def _choice_fault(student: Student, digit: int) -> str:
    images, labels = load_mnist("test")
    try:
        index = _chosen(student, digit)
    except NoAnswer as reason:
        return str(reason)
    if labels[index] != digit:
        return f"image {index} is a {labels[index]}"
    with torch.no_grad():
        read = given_network()(images[index : index + 1]).argmax().item()
    return "" if read == digit else f"image {index} is read as a {read}"


def visualise(student: Student) -> Marks:
    marks = Marks()
    for worth, convs, size, what in (
        (4, LENET, (28, 28), "all maps of a network of LeNet-5's sizes, those of layer 1 first"),
        (2, [(3, 1, 3, 1), (5, 3, 3, 0)], (20, 17), "all maps of a network of other sizes"),
    ):
        features, image = without_ties(student, convs, (1, 1, *size))
        right, fault = _is_visualisation(student, features, image)
        marks.add(worth, right, what, fault)
    return marks


def _is_visualisation(student: Student, features: list[dict], image: Tensor) -> tuple[bool, str]:
    """Right is what the reference gives, or the stand-in for the student's `project`, map by map."""
    counts = [len(one["bias"]) for one in features]
    wanted = torch.cat([reference(features, image, layer)[0, :, 0] for layer in (1, 2)])
    other_order = torch.cat([wanted[counts[0] :], wanted[: counts[0]]])
    by_stand_in = [
        remote.STAND_INS["project"](None, image, layer, channel)[0, 0]
        for layer, count in enumerate(counts, start=1)
        for channel in range(count)
    ]
    return right_or_by_stand_ins(
        student,
        ("visualise", {"@features": features}, image),
        wanted,
        ["project"],
        torch.stack(by_stand_in),
        lambda answer: (
            "the maps of layer 2 come first"
            if same(answer, other_order)
            else "neither the right values nor those of your own project, map by map"
        ),
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
        fault = next((faults[name] for faults in found if faults[name]), "")
        marks.add(worth, not fault, what, fault)
    return marks


SHADES = {
    "form": (1, "8 bits, and the shape of the maps"),
    "zero": (2, "zero is 128 in all maps"),
    "scale": (3, "one scale for all maps, its ends at the largest magnitude"),
    "sign": (1, "ink is lighter than 128, paper darker"),
}


def _shade_faults(student: Student, maps: Tensor) -> dict[str, str]:
    """What is wrong with the picture of `maps`, for each of the steps; "" where nothing is."""
    try:
        answer = student.ask("to_uint8", maps)
        if not isinstance(answer, Tensor):
            raise NoAnswer(f"it returns {kind(answer)}; a tensor is wanted")
        if answer.dtype != torch.uint8 or answer.shape != maps.shape:
            raise NoAnswer(f"it returns {answer.dtype}, {sizes(answer)}; torch.uint8, {sizes(maps)} is wanted")
    except NoAnswer as reason:
        return dict.fromkeys(SHADES, str(reason))
    if answer.unique().numel() < 20:
        return dict.fromkeys(SHADES, "nearly all pixels are the same")
    right = 128 + 127 * maps / maps.abs().max()
    own = 128 + 127 * maps / maps.abs().amax(dim=(1, 2), keepdim=True).clamp(min=1e-12)
    faults = dict.fromkeys(SHADES, "")
    if ((answer.int()[maps == 0] - 128).abs() > 1).any():
        faults["zero"] = f"it is {answer[0, 4, 3]} in map 0, {answer[2, 4, 3]} in map 2"
    if not _within_a_level(answer, right):
        faults["scale"] = "the values are not 128 + 127·value/largest magnitude"
        if _within_a_level(answer, own):
            faults["scale"] = "each map is stretched to its own scale"
        if (answer.int() - maps.int()).remainder(256).eq(0).all():
            faults["scale"] = "they are cast to 8 bits without scaling, so negative values wrap round"
    far = right.sub(128).abs() > 2
    if (answer.double()[far].sub(128).sign() != maps.double()[far].sign()).any():
        faults["sign"] = "some negative values are lighter than 128, or positive ones darker"
    return faults


def grids(student: Student) -> Marks:
    """Right is what the reference gives for the chosen image, or what the student's cell makes of the stand-ins."""
    marks = Marks()
    for digit in student.digits:
        try:
            index = _chosen(student, digit)
            right = _is_grid(student, digit, index) or _is_grid_of_stand_ins(student, digit, index)
            fault = "it is neither right nor what your cell makes of your to_uint8 and visualise of that image"
        except NoAnswer as reason:
            right, fault = False, str(reason)
        marks.add(1, right, f"grids[{digit}] holds the 22 pictures of the chosen image", fault)
    return marks


def _is_grid(student: Student, digit: int, index: int) -> bool:
    try:
        grid = _picture(student.ask("@value", "grids"), digit)
    except NoAnswer:
        return False
    image = load_mnist("test")[0][index : index + 1]
    maps = torch.cat([reference(given_convs(), image, layer)[0, :, 0] for layer in (1, 2)])
    return _within_a_level(grid, 128 + 127 * maps / maps.abs().max())


def _is_grid_of_stand_ins(student: Student, digit: int, index: int) -> bool:
    """Whether the student's cell makes the right thing of the stand-ins for `visualise` and `to_uint8`."""
    code = student.written.get("grids_solution", "")
    grid = _picture(student.ask("@run", code, "grids", stand_ins=["visualise", "to_uint8"]), digit)
    image = load_mnist("test")[0][index : index + 1]
    maps = remote.STAND_INS["visualise"](remote.features(given_convs()), image)
    return grid.equal(remote.STAND_INS["to_uint8"](maps))


def _picture(grids: object, digit: int) -> Tensor:
    grid = grids.get(digit) if isinstance(grids, dict) else None
    if not isinstance(grid, Tensor):
        raise NoAnswer(f"there is {kind(grid)}; a tensor is wanted")
    if grid.shape != (22, 28, 28) or grid.dtype != torch.uint8:
        raise NoAnswer(f"it is {grid.dtype}, {sizes(grid)}; torch.uint8, 22×28×28 is wanted")
    return grid


def _within_a_level(picture: Tensor, wanted: Tensor) -> bool:
    """A level up or down is how people round."""
    return picture.shape == wanted.shape and bool((picture.double() - wanted.double()).abs().max() <= 1.01)


PARTS = {"choose": choose, "visualise": visualise, "to_uint8": to_uint8, "grids": grids}
