"""What the visible checks say: nothing of right solutions, and something clear at each wrong turn."""

import copy
import re
import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from submissions import MISTAKES, PARTS, SOURCE, mistaken, solution
from torch import nn

sys.path.insert(0, str(SOURCE))
import check  # noqa: E402
from given import given_network  # noqa: E402

from helpers.data import load_mnist  # noqa: E402

ARGUMENTS = {"look_inside": ["look_inside", "build_cnn"], "visualise": ["visualise", "project"]}


def notebook_with(code):
    """The names of a notebook in which the cells `code` have run."""
    test_images, test_labels = load_mnist("test")
    names = {"torch": torch, "F": F, "nn": nn, "network": given_network()}
    names |= {"test_images": test_images, "test_labels": test_labels}
    chosen = {0: 10, 1: 5, 5: 102, 8: 181}
    names["chosen"] = chosen
    for source in code.values():
        exec(source, names)
    return names


def run_check(part, names):
    getattr(check, part)(*(names[name] for name in ARGUMENTS.get(part, [part])))


CHECKED = [part for part in PARTS if part != "train"]


@pytest.mark.parametrize("name", ["transposed", "loops"])
def test_right_solutions_pass(name, capsys):
    names = notebook_with(solution(name))
    for part in CHECKED:
        run_check(part, names)
    said = capsys.readouterr().out.splitlines()
    assert len(said) == len(CHECKED)
    assert all(line.startswith("✓ ") and line.endswith("Nothing wrong found.") for line in said)


WORDS = {
    "1 not flipped": "upside down and mirrored",
    "2 transposed": "with rows and columns exchanged",
    "3 wrong padding": "your reconstruction is 26×26, the input 28×28: look at the padding on the way back",
    "3 no padding": "your reconstruction is 32×32, the input 28×28: look at the padding on the way back",
    "4 cast without scaling": "the values are cast to 8 bits as they are, and negative ones wrap round",
    "5 own scale": "give all maps one scale",
    "6 not rectified": "still has negative values",
    "6 rectified after": "rectify comes before filter_back, not after",
    "7 upsampled": "each value has one position",
    "7 other switches": "each needs its own switches",
    "8 others not zeroed": "the other maps are not zero",
    "8 zeroed again": None,
    "9 misread": "is a 5 that the network reads as a 6",
    "10 biases added": "have you added the biases?",
}


@pytest.mark.parametrize("name", MISTAKES)
def test_each_known_mistake_is_found_and_named(name):
    part, code = mistaken(solution("transposed"), name)
    names = notebook_with({key: source for key, source in code.items() if key != "grids"})
    if WORDS[name] is None:
        run_check(part, names)  # needs a reference, so only the judge sees it
        return
    with pytest.raises(check.Wrong, match=re.escape(WORDS[name])):
        run_check(part, names)


@pytest.mark.parametrize("part", [part for part in CHECKED if part != "grids"])
def test_what_is_not_written_is_called_so(part):
    def missing(*given):
        raise NotImplementedError()

    missing.__name__ = part
    names = notebook_with(solution("transposed")) | {part: missing}
    with pytest.raises(check.Wrong, match=f"{part} is not written yet: put your code in the place of"):
        run_check(part, names)


def _by_width(signal, switches, size, width):
    """Unpooling that takes a row to be `width` long."""
    back = torch.zeros(*signal.shape[:2], *size)
    rows, columns = switches // width % size[0], switches % width % size[1]
    for position in np.ndindex(*signal.shape):
        back[position[0], position[1], rows[position], columns[position]] = signal[position]
    return back


def _by_gradient(features, images, layer, channel):
    """The gradient instead of the deconvnet: right in all but what happens at a ReLU."""
    pixels = images.clone().requires_grad_()
    return torch.autograd.grad((features[: 3 * layer](pixels)[:, channel] ** 2).sum() / 2, pixels)[0]


@pytest.mark.parametrize(
    ("part", "wrong", "words"),
    [
        ("build_cnn", lambda *maps: 3, "build_cnn returns an int; a torch.nn.Module is wanted"),
        ("build_cnn", lambda *maps: nn.Flatten(), "your network, given 3 images, is 3×784; 3×10 is wanted"),
        (
            "build_cnn",
            lambda *maps: nn.Sequential(nn.Flatten(), nn.Linear(784, 10)),
            "exp of the ten outputs does not add up to 1",
        ),
        (
            "build_cnn",
            lambda *maps: nn.Sequential(nn.Flatten(), nn.Linear(784, 10), nn.LogSoftmax(1)),
            "your network has 7,850 weights and biases; the layers of the table have 61,706. Yours: 10×784, 10",
        ),
        (
            "build_cnn",
            lambda *maps: nn.Sequential(
                *(nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU()),
                *(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84)),
                *(nn.Linear(84, 10), nn.LogSoftmax(dim=1)),
            ),
            "Is each ReLU there, and none too many?",
        ),
        ("look_inside", lambda *given: None, "look_inside returns nothing (None): is there a `return`?"),
        ("look_inside", lambda *given: {}, "look_inside has no filters1, pooled1"),
        (
            "unpool",
            lambda signal, switches, size: torch.zeros(1, 1, 2, 2),
            "unpool of 2×2 values to 4×4 is 1×1×2×2; 1×1×4×4 is wanted",
        ),
        (
            "unpool",
            lambda signal, switches, size: torch.zeros(1, 1, 4, 4),
            "position 5 of a 4×4 map is row 1, column 1",
        ),
        (
            "unpool",
            lambda *given: _by_width(*given, width=given[2][0]),
            "positions count row by row, and a row is 6 long",
        ),
        ("unpool", lambda *given: _by_width(*given, width=4), "positions count row by row, and a row is 5 long"),
        ("rectify", lambda signal: signal.abs(), "what is negative becomes zero, the rest stays"),
        ("rectify", lambda signal: np.maximum(signal.numpy(), 0), "is a ndarray (NumPy); a tensor of 1×3 is wanted"),
        ("filter_back", lambda signal, conv: signal, "on the way back, input and output channels are exchanged"),
        ("keep_alone", lambda maps, channel: maps[:, [channel]], "all maps stay, most of them zero"),
        ("project", lambda features, images, layer, channel: images, "maps 1 and 2 of layer 1 give the same picture"),
        ("project", _by_gradient, "gives 3.6 in row 2, column 0"),
        ("choose", lambda digit, predictions, labels: "5", "choose returns a str; an index is wanted, an integer"),
        ("choose", lambda digit, predictions, labels: 0, "asked for a 5, you choose image 0, which is a 3"),
        ("choose", lambda digit, predictions, labels: 7, "choose returns 7; there are 5 images"),
        ("visualise", lambda features, image: torch.zeros(16, 28, 28), "6 maps of layer 1, then 16 of layer 2"),
        ("visualise", lambda features, image: torch.zeros(22, 28, 28), "picture 0 is not map 0 of layer 1"),
        (
            "shades",
            lambda maps: (128 + 127 * maps / maps.abs().amax((1, 2), keepdim=True)).round().byte(),
            "each map has a scale of its own",
        ),
        ("shades", lambda maps: (128 + 128 * maps / maps.abs().max()).int().byte(), "256 in 8 bits is 0"),
        ("shades", lambda maps: maps, "shades returns torch.float32; whole numbers of 8 bits are wanted"),
    ],
)
def test_other_wrong_turns_are_named(part, wrong, words):
    names = notebook_with(solution("transposed")) | {part: wrong}
    with pytest.raises(check.Wrong, match=re.escape(words)):
        run_check(part, names)


def test_maps_that_are_written_over_are_named():
    def in_place(maps, channel):
        for other in range(maps.shape[1]):
            if other != channel:
                maps[:, other] = 0
        return maps

    with pytest.raises(check.Wrong, match="keep_alone writes into the maps"):
        check.keep_alone(in_place)


def test_an_error_of_the_student_comes_through_with_how_it_was_called():
    def broken(signal):
        return signal.no_such_thing

    with pytest.raises(AttributeError) as caught:
        check.rectify(broken)
    assert caught.value.__notes__ == ["This happened when the check called broken with: 1×3"]


def test_a_network_that_learnt_nothing_is_told_its_share():
    images, labels = load_mnist("test")
    untrained = copy.deepcopy(given_network())
    nn.init.zeros_(untrained.classifier[-2].weight)
    with pytest.raises(check.Wrong, match=r"my_network reads \d+\.\d\d% of the test images; 98 % are wanted"):
        check.trained(untrained, images, labels)


def test_the_index_may_be_a_number_of_numpy_or_a_tensor(capsys):
    for kind in (np.int64, torch.tensor):
        check.choose(lambda digit, predictions, labels, kind=kind: kind(2))
    assert capsys.readouterr().out.count("Nothing wrong found") == 2


def test_a_trained_network_passes(capsys):
    check.trained(given_network(), *load_mnist("test"))
    assert "more than 98 %" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda grids: list(grids.values()), "grids must be a dictionary with one entry for each of the digits"),
        (lambda grids: grids | {5: grids[5][:16]}, "grids[5] is 16×28×28; 22×28×28 is wanted"),
        (lambda grids: grids | {5: grids[5].float()}, "grids[5] is torch.float32"),
        (lambda grids: grids | {5: grids[8]}, "the pictures of 5 and 8 are the same"),
        (lambda grids: grids | {1: torch.full((22, 28, 28), 128, dtype=torch.uint8)}, "grids[1] is all one grey"),
    ],
)
def test_wrong_grids_are_named(change, words):
    grids = {d: torch.randint(256, (22, 28, 28), dtype=torch.uint8) for d in (0, 1, 5, 8)}
    check.grids(grids)
    with pytest.raises(check.Wrong, match=re.escape(words)):
        check.grids(change(grids))


def test_the_notebook_shows_the_message_alone():
    assert check.Wrong("too large")._render_traceback_() == ["✗ too large"]
