"""What the visible checks say: nothing of right solutions, and something clear at each wrong turn."""

import copy
import io
import re
import sys
from functools import cache

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from submissions import (
    DIGITS,
    HARD_TO_SEE,
    IN_DOUBLE_PRECISION,
    MISTAKES,
    NORMALISED,
    PARTS,
    SOURCE,
    misread,
    mistaken,
    read_right,
    solution,
)
from torch import nn

sys.path.insert(0, str(SOURCE))
import check  # noqa: E402
from given import given_network  # noqa: E402

from helpers.data import load_mnist  # noqa: E402
from helpers.lenet5 import LeNet5  # noqa: E402
from helpers.messages import message  # noqa: E402

OTHER, LAST = DIGITS[-2:]
# A test image that the given network reads as something else.
MISREAD = misread(LAST)
LISTED = f"{', '.join(map(str, DIGITS[:-1]))} and {DIGITS[-1]}"

ARGUMENTS = {
    "look_inside": ["look_inside", "build_cnn"],
    "visualise": ["visualise", "project"],
    "grids": ["grids", "chosen", "visualise", "to_uint8"],
    "mistakes": ["mistakes", "email"],
}


mnist = cache(load_mnist)


def notebook_with(code, at_the_top=""):
    """The names of a notebook in which the cells `code` have run, and before them a cell `at_the_top`."""
    (images, labels), (test_images, test_labels) = mnist("train"), mnist("test")
    names = {"torch": torch, "F": F, "nn": nn, "network": given_network()}
    names |= {
        "given_network": given_network,
        "images": images,
        "usual_labels": labels,
        "test_images": test_images,
        "test_labels": test_labels,
        "email": "",
    }
    names["chosen"] = choice()
    for source in (at_the_top, *code.values()):
        exec(source, names)
    return names


def choice():
    return {digit: read_right(digit, which=1) for digit in DIGITS}


def run_check(part, names):
    getattr(check, part)(*(names[name] for name in ARGUMENTS.get(part, [part])))


@pytest.fixture(autouse=True)
def no_clock(monkeypatch):
    """However busy this machine is, nothing takes too long."""
    monkeypatch.setattr(check, "monotonic", lambda: 0.0)


@pytest.fixture
def precision():
    """Whatever a notebook sets is set back."""
    usual = torch.get_default_dtype()
    yield
    torch.set_default_dtype(usual)


@pytest.mark.parametrize(
    ("name", "at_the_top"),
    [("transposed", ""), ("loops", ""), ("transposed", IN_DOUBLE_PRECISION)],
    ids=["transposed", "loops", "in double precision"],
)
def test_right_solutions_pass(name, at_the_top, precision, capsys):
    names = notebook_with(solution(name), at_the_top)
    parts = [*PARTS, *["chosen"] * ("choose" in PARTS)]
    for part in parts:
        run_check(part, names)
    said = capsys.readouterr().out.splitlines()
    assert len(said) == len(parts)
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
    "8 zeroed again": "maps are set to zero again in the lower layer",
    "9 misread": "is a 5 that the network reads as a 6",
    "10 biases added": "have you added the biases?",
}


@pytest.mark.parametrize("name", MISTAKES)
def test_each_known_mistake_is_found_and_named(name):
    part, code = mistaken(solution("transposed"), name)
    names = notebook_with({key: source for key, source in code.items() if key != "grids"})
    with pytest.raises(check.Wrong, match=re.escape(WORDS[name])):
        run_check(part, names)


@pytest.mark.parametrize("name", HARD_TO_SEE)
def test_what_the_judge_takes_points_for_is_said_before(name):
    part, code = mistaken(solution("transposed"), name)
    names = notebook_with({key: source for key, source in code.items() if key != "grids"})
    with pytest.raises(check.Wrong, match=re.escape(HARD_TO_SEE[name][1])):
        run_check(part, names)


def test_normalised_images_are_named():
    names = notebook_with(solution("transposed"), NORMALISED)
    with pytest.raises(check.Wrong, match="is it this image, as it was handed out, .*Have you normalised test_images"):
        run_check("grids", names)
    # What the given network computes, for normalised images: so strongly that no network reads others, too.
    normalised, mean, deviation = copy.deepcopy(given_network()), 0.5, 0.05
    conv = normalised.features[0]
    conv.bias.data += mean * conv.weight.sum((1, 2, 3))
    conv.weight.data *= deviation
    words = r"test_images are not as they were handed out: have you normalised them\?.* of these it reads \d+\.\d\d%"
    with pytest.raises(check.Wrong, match=words):
        check.trained(normalised, names["test_images"], names["test_labels"])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda chosen: list(chosen.values()),
            f"chosen must be a dictionary with one entry for each of the digits {LISTED}",
        ),
        (lambda chosen: chosen | {LAST: 10_000}, f"chosen[{LAST}] is 10000; there are 10000 images"),
        (lambda chosen: chosen | {LAST: None}, f"chosen[{LAST}] is nothing (None)"),
        (lambda chosen: chosen | {LAST: chosen[DIGITS[0]]}, f" is a {DIGITS[0]}: are labels changed?"),
        (lambda chosen: chosen | {LAST: MISREAD}, f"chosen[{LAST}] is {MISREAD}, which the given network reads as a "),
    ],
)
def test_a_wrong_choice_is_named(change, words):
    with pytest.raises(check.Wrong, match=re.escape(words)):
        check.chosen(change(choice()))


def test_the_given_network_as_ones_own_is_named():
    with pytest.raises(check.Wrong, match="my_network computes what the given network does: train one of your own"):
        check.trained(given_network(), *mnist("test"))


def test_the_given_weights_in_a_network_of_ones_own_are_named():
    """With the windows of task 1, which are others."""
    model = LeNet5()
    for own, given in zip(model.parameters(), given_network().parameters(), strict=True):
        own.data.copy_(given)
    with pytest.raises(check.Wrong, match="my_network computes what the given network does: train one of your own"):
        check.trained(model, *mnist("test"))


def test_a_network_without_weights_is_named():
    with pytest.raises(check.Wrong, match="my_network has hardly any weights of its own"):
        check.trained(nn.Flatten(), *mnist("test"))


def test_what_would_take_too_long_in_the_grading_is_told_so(monkeypatch):
    monkeypatch.setattr(check, "monotonic", iter([100, 131]).__next__)
    with pytest.raises(check.Wrong, match="relu took 31 s here; in the grading, a call is ended after 30 s"):
        check.rectify(F.relu)


@pytest.mark.parametrize("part", [part for part in PARTS if part not in ("train", "grids", "mistakes")])
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
            "no ReLU follows layer 4 of the five that have weights",
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
            "positions count row by row, and a row is 4 long",
        ),
        ("unpool", lambda *given: _by_width(*given, width=4), "positions count row by row, and a row is 5 long"),
        (
            "unpool",
            lambda signal, switches, size: F.max_unpool2d(signal, switches, 2, output_size=size),
            "two values return to position 5, and one of them is lost",
        ),
        ("rectify", lambda signal: signal.abs(), "what is negative becomes zero, the rest stays"),
        ("rectify", lambda signal: np.maximum(signal.numpy(), 0), "is an ndarray (NumPy); a tensor of 1×3 is wanted"),
        ("filter_back", lambda signal, conv: signal, "on the way back, input and output channels are exchanged"),
        ("keep_channel", lambda maps, channel: maps[:, [channel]], "all maps stay, most of them zero"),
        ("project", lambda features, images, layer, channel: images, "with other filters in features, project gives"),
        ("project", _by_gradient, "gives 4.2 in row 2, column 0"),
        ("choose", lambda digit, predictions, labels: "5", "choose returns a str; an index is wanted, an integer"),
        ("choose", lambda digit, predictions, labels: 0, "asked for a 5, you choose image 0, which is a 3"),
        ("choose", lambda digit, predictions, labels: 19, "choose returns 19; there are 19 images"),
        ("choose", lambda digit, predictions, labels: True, "choose returns a bool; an index is wanted, an integer"),
        ("choose", lambda digit, predictions, labels: torch.tensor(True), "choose returns a bool; an index is wanted"),
        ("choose", lambda digit, predictions, labels: 2.0, "choose returns a float; an index is wanted, an integer"),
        ("choose", lambda digit, predictions, labels: torch.tensor(2.0), "choose returns a float; an index is wanted"),
        ("choose", lambda digit, predictions, labels: [2], "choose returns a list; an index is wanted, an integer"),
        ("choose", lambda digit, predictions, labels: None, "choose returns nothing (None): is there a `return`?"),
        (
            "choose",
            lambda digit, predictions, labels: (labels == digit).nonzero()[:, 0],
            "choose returns a tensor of 4; one index is wanted, an integer",
        ),
        (
            "choose",
            lambda digit, predictions, labels: torch.tensor([], dtype=torch.int64),
            "choose returns a tensor of 0; one index is wanted, an integer",
        ),
        (
            "choose",
            lambda digit, predictions, labels: np.flatnonzero(labels.numpy() == digit),
            "choose returns an ndarray (NumPy); one index is wanted, an integer",
        ),
        ("rectify", lambda signal: signal / 0, "returns numbers that are not finite and real"),
        ("rectify", lambda signal: signal.to_sparse(), "returns a tensor that is not dense"),
        ("visualise", lambda features, image: torch.zeros(16, 28, 28), "6 maps of layer 1, then 16 of layer 2"),
        ("visualise", lambda features, image: torch.zeros(22, 28, 28), "picture 0 is not map 0 of layer 1"),
        (
            "to_uint8",
            lambda maps: (128 + 127 * maps / maps.abs().amax((1, 2), keepdim=True)).round().byte(),
            "each map has a scale of its own",
        ),
        ("to_uint8", lambda maps: (128 + 128 * maps / maps.abs().max()).int().byte(), "256 in 8 bits is 0"),
        ("to_uint8", lambda maps: maps, "to_uint8 returns torch.float32; whole numbers of 8 bits are wanted"),
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

    with pytest.raises(check.Wrong, match="keep_channel writes into the maps"):
        check.keep_channel(in_place)


def test_an_error_of_the_student_comes_through_with_how_it_was_called():
    def broken(signal):
        return signal.no_such_thing

    with pytest.raises(AttributeError) as caught:
        check.rectify(broken)
    assert caught.value.__notes__ == ["This happened when the check called broken with: 1×3"]


def test_a_network_that_learnt_nothing_is_told_its_share():
    images, labels = mnist("test")
    untrained = copy.deepcopy(given_network())
    nn.init.zeros_(untrained.classifier[-2].weight)
    with pytest.raises(check.Wrong, match=r"my_network reads \d+\.\d\d% of the test images; 98 % are wanted"):
        check.trained(untrained, images, labels)


def test_the_index_may_be_a_number_of_numpy_or_a_tensor(capsys):
    for kind in (np.int64, np.array, torch.tensor, lambda index: torch.tensor([index])):
        check.choose(lambda digit, predictions, labels, kind=kind: kind({5: 7, 1: 8, 0: 9}[digit]))
    assert capsys.readouterr().out.count("Nothing wrong found") == 4


@pytest.mark.parametrize("precision", [torch.float32, torch.float64])
def test_a_trained_network_passes(precision, trained, capsys):
    model = LeNet5()
    for parameter, value in zip(model.parameters(), torch.load(io.BytesIO(trained)), strict=True):
        parameter.data.copy_(value)
    check.trained(model.to(precision), *mnist("test"))
    assert "more than 98 %" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda grids: list(grids.values()),
            f"grids must be a dictionary with one entry for each of the digits {LISTED}",
        ),
        (lambda grids: grids | {LAST: grids[LAST][:16]}, f"grids[{LAST}] is 16×28×28; 22×28×28 is wanted"),
        (lambda grids: grids | {LAST: grids[LAST].float()}, f"grids[{LAST}] is torch.float32"),
        (
            lambda grids: grids | {OTHER: grids[LAST]},
            f"the pictures of {min(OTHER, LAST)} and {max(OTHER, LAST)} are the same",
        ),
        (lambda grids: grids | {LAST: torch.full((22, 28, 28), 128, dtype=torch.uint8)}, f"grids[{LAST}] is all one"),
        (
            lambda grids: grids | {OTHER: grids[LAST], LAST: grids[OTHER]},
            f"grids[{OTHER}] is not what your visualise and to_uint8 make of",
        ),
    ],
)
def test_wrong_grids_are_named(change, words):
    names = notebook_with(solution("transposed"))
    with pytest.raises(check.Wrong, match=re.escape(words)):
        run_check("grids", names | {"grids": change(names["grids"])})


def test_a_digit_and_a_type_have_their_article(monkeypatch):
    monkeypatch.setattr(check, "load_mnist", lambda which: (torch.zeros(10, 1, 28, 28), torch.full((10,), 8)))
    monkeypatch.setattr(check, "_DIGITS", [1])
    with pytest.raises(check.Wrong, match="but test image 3 is an 8: are"):
        check.chosen({1: 3})
    for answer, kind in ((np.zeros(1), "an ndarray \\(NumPy\\)"), ([], "a list"), (3, "an int")):
        with pytest.raises(check.Wrong, match=f"is {kind}; a tensor"):
            check.rectify(lambda signal, answer=answer: answer)


def test_a_choice_that_is_no_dictionary_is_named_where_it_is_used():
    names = notebook_with(solution("transposed"))
    with pytest.raises(check.Wrong, match="chosen must be a dictionary"):
        run_check("grids", names | {"chosen": list(names["chosen"].values())})


def test_the_notebook_shows_the_message_alone():
    wrong = check.Wrong(message("keep_channel.others_not_zero"))
    assert wrong._render_traceback_() == ["✗ the other maps are not zero: then every channel gives the same picture"]
