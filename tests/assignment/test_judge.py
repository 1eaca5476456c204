"""The judge by itself, without nbgrader and without a kernel: what nonsense gets, and what the unusual gets."""

import copy
from functools import cache

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from grading import answers, network_task, remote
from grading.given_network import given_network
from grading.judge import PARTS as JUDGED
from grading.marks import Student
from submissions import DIGITS, HARD_TO_SEE, IN_DOUBLE_PRECISION, PARTS, mistaken, read_right, solution
from torch import nn

from helpers.data import load_mnist
from helpers.messages import message
from helpers.training import fit


def student_with(names, folder, seed=0, precision=torch.float32):
    """A student in whose notebook these names stand, and in whose kernel numbers have this precision."""

    def ask(function, *arguments, keep="", stand_ins=(), as_cell=False):
        question, answer = folder / "question.pt", folder / "answer.safetensors"
        torch.save({"function": function, "arguments": arguments, "keep": keep, "stand_ins": stand_ins}, question)
        torch.set_default_dtype(precision)
        remote.answer(str(question), str(answer), names)
        torch.set_default_dtype(torch.float32)
        return answers.read(answer)

    written = {"grids_solution": names.get("grids_solution", "")}
    return Student(ask, torch.Generator().manual_seed(seed), written, DIGITS)


@cache
def names_of_the_right():
    test_images, _ = load_mnist("test")
    names = {"torch": torch, "F": F, "nn": nn, "network": given_network(), "test_images": test_images}
    names["chosen"] = {digit: read_right(digit) for digit in DIGITS}
    for source in solution("transposed").values():
        exec(source, names)
    return names | {"grids_solution": solution("transposed")["grids"]}


@pytest.fixture
def right():
    """The names of a notebook in which all is right."""
    return dict(names_of_the_right())


def share(part, names, folder, times=3):
    """What a part earns with each of several sets of questions; all the same."""
    shares = {round(JUDGED[part](student_with(names, folder, seed)).share, 6) for seed in range(times)}
    assert len(shares) == 1
    return shares.pop()


# By seed: in these the network of one question would have had nothing to rectify, or nothing left.
@pytest.mark.parametrize("seed", [27, 69, 91, 119])
def test_no_question_forgives_a_signal_that_is_rectified_too_late(seed, right, tmp_path):
    exec(mistaken(solution("transposed"), "6 rectified after")[1]["project"], right)
    assert JUDGED["project"](student_with(right, tmp_path, seed)).share == 0


STEPS = [part for part in PARTS if part != "train"]


@pytest.mark.parametrize("part", STEPS)
def test_what_is_right_gets_all(part, right, tmp_path):
    assert share(part, right, tmp_path) == 1


@pytest.mark.parametrize("name", HARD_TO_SEE)
def test_what_the_checks_name_costs_points(name, right, tmp_path):
    part, code = mistaken(solution("transposed"), name)
    right["usual_labels"] = load_mnist("train")[1]
    exec(code[part], right)
    assert share(part, right, tmp_path, times=1) < 1


def test_double_precision_costs_nothing(right, tmp_path):
    right |= {"given_network": given_network_again, "images": torch.zeros(1)}
    torch.set_default_dtype(torch.float64)
    try:
        for source in (IN_DOUBLE_PRECISION, *solution("transposed").values(), "my_network = build_cnn()"):
            exec(source, right)
    finally:
        torch.set_default_dtype(torch.float32)
    values = [value.double() for value in given_network().parameters()]
    assert {value.dtype for value in right["my_network"].parameters()} == {torch.float64}
    remote._set_parameters(right["my_network"], values)
    for part in PARTS:
        student = student_with(right, tmp_path, precision=torch.float64)
        wanted = 0.4 if part == "train" else 1  # the weights are the given ones
        assert JUDGED[part](student).share == pytest.approx(wanted), part
        assert torch.get_default_dtype() == torch.float32


def given_network_again():
    return copy.deepcopy(given_network())


def zeros_back(signal, conv):
    grow = conv.kernel_size[0] - 1 - 2 * conv.padding[0]
    return torch.zeros(len(signal), conv.in_channels, *(side + grow for side in signal.shape[-2:]))


NONSENSE = {
    "filter_back": zeros_back,
    "project": lambda features, images, layer, channel: torch.zeros_like(images),
    "visualise": lambda features, image: torch.zeros(
        features[0].out_channels + features[3].out_channels, *image.shape[2:]
    ),
    "to_uint8": lambda maps: torch.arange(maps.numel()).reshape(maps.shape).to(torch.uint8),
    "grids": {digit: torch.arange(22 * 784).reshape(22, 28, 28).to(torch.uint8) for digit in DIGITS},
    "grids_solution": "grids = {d: torch.arange(22 * 784).reshape(22, 28, 28).to(torch.uint8) for d in chosen}",
}


@pytest.mark.parametrize(("part", "earned"), [("project", 0), ("visualise", 0), ("to_uint8", 1 / 5), ("grids", 0)])
def test_nonsense_that_fits_itself_gets_nothing(part, earned, right, tmp_path):
    assert share(part, right | NONSENSE, tmp_path) == pytest.approx(earned, abs=1e-6)


def test_numbers_that_overflow_are_equal_to_nothing(right, tmp_path):
    names = right | {
        "filter_back": lambda signal, conv: torch.full_like(zeros_back(signal, conv), 1e300, dtype=torch.float64),
        "project": lambda features, images, layer, channel: images.double() + 1e300,
    }
    assert share("filter_back", names, tmp_path) == share("project", names, tmp_path) == 0


def test_the_relu_on_the_way_up_counts(right, tmp_path):
    source = solution("transposed")["project"]
    assert source.count("features[position + 1](features[position](x))") == 1
    exec(source.replace("features[position + 1](features[position](x))", "features[position](x)"), right)
    assert share("project", right, tmp_path) == pytest.approx(0.3)  # a map of layer 1 does not show it
    assert share("visualise", right, tmp_path) == 1  # the mistake is that of project


def test_a_scale_that_makes_the_brightest_pixel_black_is_seen(right, tmp_path):
    right["to_uint8"] = lambda maps: (128 + 128 * maps / maps.abs().max()).int().byte()
    assert share("to_uint8", right, tmp_path) < 1


@pytest.mark.parametrize("size", [(16_000, 1), (28, 29), (0, 0), (1200, 1200)])
def test_answers_of_absurd_sizes_cost_no_time(size, right, tmp_path):
    right["filter_back"] = lambda signal, conv: torch.zeros(len(signal), conv.in_channels, *size)
    assert share("filter_back", right, tmp_path) == 0


@pytest.mark.parametrize(
    "answer",
    [None, 3, "text", [1.0], {}, torch.tensor(1.0), torch.full((2, 2), torch.nan), torch.zeros(2, 2).to_sparse()]
    + [torch.zeros(2, 2, dtype=torch.complex64), torch.zeros(1, dtype=torch.bool), object(), np.zeros((2, 2))],
    ids=lambda answer: type(answer).__name__,
)
@pytest.mark.parametrize("part", [part for part in STEPS if part != "grids"])
def test_whatever_a_function_returns_the_judge_goes_on(part, answer, right, tmp_path):
    right[part] = lambda *given: answer
    assert share(part, right, tmp_path, times=1) in (0, pytest.approx(0.4))  # 0.4: `chosen` was made before


UNUSUAL = {
    "returns NumPy": {"rectify": lambda signal: np.maximum(signal.numpy(), 0)},
    "double precision": {"filter_back": lambda signal, conv: F.conv_transpose2d(
        signal.double(), conv.weight.double(), padding=conv.padding)},
    "with gradients": {"rectify": lambda signal: F.relu(signal.clone().requires_grad_())},
    "in place": {"rectify": lambda signal: signal.relu_()},
    "size as a tuple": {"unpool": lambda signal, switches, size: torch.zeros(signal.shape[:2] + size).flatten(2)
        .scatter_add(2, switches.flatten(2), signal.flatten(2)).view(signal.shape[:2] + size)},
    "a matrix of ones": {"unpool": lambda signal, switches, size: (signal.flatten(2)[:, :, None] @ F.one_hot(
        switches.flatten(2), size[0] * size[1]).to(signal.dtype)).view(signal.shape[:2] + tuple(size))},
    "lazy layers": {"build_cnn": lambda maps1=6, maps2=16: nn.Sequential(
        nn.LazyConv2d(maps1, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.LazyConv2d(maps2, 5), nn.ReLU(),
        nn.MaxPool2d(2), nn.Flatten(), nn.LazyLinear(120), nn.ReLU(), nn.LazyLinear(84), nn.ReLU(),
        nn.LazyLinear(10), nn.LogSoftmax(1))},
    "dropout, which is off": {"look_inside": lambda model, images: in_stages(model, images),
        "build_cnn": lambda maps1=6, maps2=16: nn.Sequential(
        nn.Conv2d(1, maps1, 5, padding=2), nn.Dropout(), nn.ReLU(), nn.MaxPool2d(2, return_indices=True),
        nn.Conv2d(maps1, maps2, 5), nn.Dropout(), nn.ReLU(), nn.MaxPool2d(2, return_indices=True))},
    "an index of NumPy": {"choose": lambda digit, predictions, labels: np.flatnonzero(
        (predictions == digit).numpy() & (labels == digit).numpy())[0]},
}  # fmt: skip


def in_stages(model, images):
    pooled1, switches1 = model[:4](images)
    pooled2, switches2 = model[4:](pooled1)
    found = {"filters1": model[0].weight, "pooled1": pooled1, "switches1": switches1}
    return found | {"filters2": model[4].weight, "pooled2": pooled2, "switches2": switches2}


@pytest.mark.parametrize("name", UNUSUAL)
def test_what_is_right_in_an_unusual_way_gets_all(name, right, tmp_path):
    part = next(iter(UNUSUAL[name]))
    assert share(part, right | UNUSUAL[name], tmp_path) == 1


def test_a_wrong_linear_layer_costs_nothing_of_looking_inside(right, tmp_path):
    source = solution("transposed")["build_cnn"]
    exec(source.replace("25, 120), nn.Linear(120,", "25, 100), nn.Linear(100,"), right)
    assert share("build_cnn", right, tmp_path) < 1
    assert share("look_inside", right, tmp_path) == 1


def trained_share(model, right, folder):
    return network_task._accuracy(student_with(right | {"my_network": model}, folder), "my_network")


def test_the_given_network_in_another_order_is_no_training(right, tmp_path):
    model = copy.deepcopy(given_network())
    conv1, conv2, order = model.features[0], model.features[3], torch.randperm(6)
    conv1.weight.data, conv1.bias.data = conv1.weight.data[order], conv1.bias.data[order]
    conv2.weight.data = conv2.weight.data[:, order]
    assert trained_share(model, right, tmp_path) == (0, message("train.given_network"))


def test_a_network_that_knows_the_answers_by_heart_is_no_training(right, tmp_path):
    class ByHeart(nn.Module):
        def __init__(self):
            super().__init__()
            self.weights = nn.Linear(40, 40)
            images, labels = load_mnist("test")
            self.known = {image.numpy().tobytes(): label for image, label in zip(images, labels, strict=True)}

        def forward(self, images):
            found = torch.tensor([self.known[image.numpy().tobytes()] for image in images])
            return F.one_hot(found, 10).float()

    assert trained_share(ByHeart(), right, tmp_path) == (0, message("train.whatever_weights"))


def test_training_counts_for_a_network_that_is_not_quite_the_one_asked_for(right, tmp_path):
    torch.manual_seed(0)
    model = right["build_cnn"]()
    # without the ReLU of the second linear layer
    model.forward = lambda x: F.log_softmax(
        model.head[2](model.head[1](F.relu(model.head[0](list(model.stages(x))[-1][1].flatten(1))))), dim=-1
    )
    fit(model, *load_mnist("train"), epochs=1)
    earned, fault = trained_share(model, right, tmp_path)
    assert fault is None and earned > 0.96
