"""A mistake costs its own step and no other, and is called by its name."""

import copy
from functools import cache

import pytest
import torch
from grading.given_network import given_network
from grading.judge import PARTS as JUDGED
from submissions import DIGITS, HARD_TO_SEE, MISTAKES, PARTS, mistaken, solution
from test_judge import names_of_the_right, student_with

from helpers.data import load_mnist


@pytest.fixture
def right():
    """The names of a notebook in which all is right."""
    return dict(names_of_the_right())


def judged(part, names, folder, seed=0):
    """What a part earns, and the codes of what is found to be wrong in it."""
    marks = JUDGED[part](student_with(names, folder, seed))
    return round(marks.share * sum(step.worth for step in marks.steps), 6), [fault.code for fault in marks.faults]


@cache
def code(part):
    return solution("transposed")[part]


def changed(part, *changes):
    """The right solution of a part in which each of `changes`, a pair, puts one piece of code for another."""
    source = code(part)
    for old, new in changes:
        assert source.count(old) == 1
        source = source.replace(old, new)
    return source


FLIPPED = "def filter_back(signal, conv):\n    return F.conv_transpose2d(signal, conv.weight.mT, padding=conv.padding)"
DOWN = "        x = unpool(x, where, size)\n        x = rectify(x)\n        x = filter_back(x, conv)"

# What stands in the place of the loop on the way down, what the part earns of 10, and how the mistake is called.
DOWNS = {
    "not rectified": ("x = filter_back(unpool(x, where, size), conv)", 3, "project.not_rectified"),
    "zeroed again": (
        "x = filter_back(rectify(unpool(x, where, size)), conv)\n"
        "        x = keep_channel(x, 0) if x.shape[1] > 1 else x",
        3,
        "project.zeroed_again",
    ),
    "zeroed in each layer": (
        "x = filter_back(rectify(unpool(keep_channel(x, channel % x.shape[1]), where, size)), conv)",
        3,
        "project.zeroed_again",
    ),
    "the strongest, before it is rectified": (
        "x = unpool(x, where, size)\n"
        "        x = keep_channel(x, int(x[0].flatten(1).norm(dim=1).argmax()))\n"
        "        x = filter_back(rectify(x), conv)",
        3,
        "project.zeroed_again",
    ),
    "the strongest, not rectified": (
        "x = unpool(x, where, size)\n"
        "        x = filter_back(keep_channel(x, int(x[0].flatten(1).amax(dim=1).argmax())), conv)",
        3,
        "project.zeroed_and_not_rectified",
    ),
    "rectified after": ("x = rectify(filter_back(unpool(x, where, size), conv))", 0, "project.rectified_after"),
    "rectified before unpooling": ("x = filter_back(unpool(rectify(x), where, size), conv)", 10, None),
}


@pytest.mark.skipif("project" not in PARTS, reason="these settings leave out project")
@pytest.mark.parametrize("filters", ["right filters", "wrong filters"])
@pytest.mark.parametrize("name", DOWNS)
def test_the_order_of_the_steps_counts_alike_with_a_wrong_step(name, filters, right, tmp_path):
    down, earned, fault = DOWNS[name]
    exec(changed("project", (DOWN, f"        {down}")), right)
    if filters == "wrong filters":
        exec(FLIPPED, right)
    assert judged("project", right, tmp_path) == (earned, [fault] if fault else [])


READ = "pool.kernel_size, pool.stride, pool.padding,"
# What stands in the place of the windows that are read from the layers, and what the part earns of 10.
WINDOWS = {
    "those of task 1": ("2,", 0),
    "those of the given network": ("3, 2, 1,", 8),
    "the side alone": ("pool.kernel_size,", 0),
    "side and stride": ("pool.kernel_size, pool.stride,", 0),
    "those of the first layer for both": (READ.replace("pool", "features[2]"), 8),
}


@pytest.mark.skipif("project" not in PARTS, reason="these settings leave out project")
@pytest.mark.parametrize("filters", ["right filters", "wrong filters"])
@pytest.mark.parametrize("name", WINDOWS)
def test_windows_of_ones_own_are_named_with_a_wrong_step_too(name, filters, right, tmp_path):
    typed, earned = WINDOWS[name]
    exec(changed("project", (READ, typed)), right)
    if filters == "wrong filters":
        exec(FLIPPED, right)
    assert judged("project", right, tmp_path) == (earned, ["project.own_windows"])


@pytest.mark.skipif("project" not in PARTS, reason="these settings leave out project")
def test_the_pooling_layers_themselves_may_be_asked_for_switches(right, tmp_path):
    exec(changed("project", (f"F.max_pool2d(before, {READ} return_indices=True)", "asked(pool)(before)")), right)

    def asked(pool):
        pool.return_indices = True
        return pool

    right["asked"] = asked
    assert judged("project", right, tmp_path) == (10, [])


# What stays of several values that return to one position.
OVERWRITING = {
    "the last": "flat.scatter_(2,",
    "the first": "switches, signal = switches.flip(2, 3), signal.flip(2, 3)\n    flat.scatter_(2,",
    "the largest": 'flat.scatter_reduce_(2, reduce="amax", include_self=False, index=',
}


@pytest.mark.skipif("unpool" not in PARTS, reason="these settings leave out unpool")
@pytest.mark.parametrize("name", OVERWRITING)
def test_overwriting_costs_one_line(name, right, tmp_path):
    change = ("flat.scatter_add_(2,", OVERWRITING[name])
    into = ("signal.flatten", "src=signal.flatten" if name == "the largest" else "signal.flatten")
    exec(changed("unpool", change, into), right)
    for seed in range(3):
        assert judged("unpool", right, tmp_path, seed) == (7, ["unpool.overwritten"])
    # The order counts by itself.
    assert judged("project", right, tmp_path) == (10, [])


@pytest.mark.skipif("project" not in PARTS, reason="these settings leave out project")
def test_overwriting_in_project_itself_is_named(right, tmp_path):
    _, source = mistaken({"project": code("project")}, "overwrites in project")
    exec(source["project"], right)
    assert judged("project", right, tmp_path) == (0, ["project.overwritten"])


# In 1a: what stands in the place of what, what is earned of 10, and how the mistake is called.
NO_LOG = "build_cnn.no_log_probabilities"
POOLED = "x, where = F.max_pool2d(conv(x).relu(), 2, return_indices=True)"
NETWORKS = {
    "softmax": (("F.log_softmax(self", "F.softmax(self"), 8, "build_cnn.probabilities"),
    "no log-softmax": (
        ("F.log_softmax(self.head[2](x), dim=-1)", "self.head[2](x)"),
        8,
        "build_cnn.no_log_probabilities",
    ),
    "average pooling": (
        (POOLED, f"before = conv(x).relu()\n            {POOLED}\n            x = F.avg_pool2d(before, 2)"),
        8,
        "build_cnn.average_pooling",
    ),
    "no ReLU after the third layer": (("F.relu(self.head[0](x))", "self.head[0](x)"), 8, "build_cnn.no_relu"),
    "leaky": (("conv(x).relu()", "F.leaky_relu(conv(x))"), 8, "build_cnn.wrong_outputs"),
}


@pytest.mark.skipif("build_cnn" not in PARTS, reason="these settings leave out build_cnn")
@pytest.mark.parametrize("name", NETWORKS)
def test_a_mistake_in_the_network_costs_one_line(name, right, tmp_path):
    change, earned, fault = NETWORKS[name]
    exec(changed("build_cnn", change), right)
    for seed in range(3):
        assert judged("build_cnn", right, tmp_path, seed) == (earned, [fault])


@pytest.mark.skipif("build_cnn" not in PARTS, reason="these settings leave out build_cnn")
def test_a_mistake_in_other_numbers_of_maps_alone_is_seen(right, tmp_path):
    changed_network = changed(
        "build_cnn", ("F.relu(self.head[0](x))", "F.relu(self.head[0](x)) * (len(self.far.bias) == 16)")
    )
    exec(changed_network, right)
    assert judged("build_cnn", right, tmp_path) == (8, ["build_cnn.wrong_outputs"])


LOOKING = """
def look_inside(model, images):
    found = {}
    for number, conv in enumerate((%s[0], %s[3]), 1):
        images, where = F.max_pool2d(F.relu(conv(images)), 2, return_indices=True)
        found |= {f"filters{number}": conv.weight, f"pooled{number}": images, f"switches{number}": where}
    return found
"""
UNWRITTEN = "def build_cnn(maps1=6, maps2=16):\n    raise NotImplementedError()"


@pytest.mark.skipif("look_inside" not in PARTS, reason="these settings leave out look_inside")
@pytest.mark.parametrize("layers", ["model", "model.features"])
def test_looking_inside_counts_without_a_network_of_ones_own(layers, right, tmp_path):
    exec(LOOKING % (layers, layers) + UNWRITTEN, right)
    assert judged("look_inside", right, tmp_path) == (10, [])


# The part that is wrong, what stands in the place of what, and what 1b earns of 10.
INSIDE = {
    "leaky": ("build_cnn", ("conv(x).relu()", "F.leaky_relu(conv(x))"), 6),
    "no padding": ("build_cnn", ('padding="same"', "padding=0"), 6),
    "no biases in the second layer": ("build_cnn", ("(first, second, 5)", "(first, second, 5, bias=False)"), 6),
    "other images": ("look_inside", ("model.stages(images)", "model.stages((images - 0.1307) / 0.3081)"), 6),
}


@pytest.mark.skipif("look_inside" not in PARTS, reason="these settings leave out look_inside")
@pytest.mark.parametrize("name", INSIDE)
def test_a_mistake_in_a_layer_costs_what_is_seen_in_that_layer_whatever_is_asked(name, right, tmp_path):
    part, change, earned = INSIDE[name]
    exec(changed(part, change), right)
    assert {judged("look_inside", right, tmp_path, seed)[0] for seed in range(20)} == {earned}


# For `grids` nothing is drawn that could make a difference, and training takes its time.
ASKED = [
    name for name in (*MISTAKES, *HARD_TO_SEE) if mistaken(solution("transposed"), name)[0] not in ("grids", "train")
]


@pytest.mark.parametrize("name", ASKED)
def test_a_mistake_costs_the_same_and_is_called_the_same_whatever_is_asked(name, right, tmp_path):
    part, source = mistaken(solution("transposed"), name)
    exec(source[part], right)
    times = 4 if part == "project" else 20
    assert len({str(judged(part, right, tmp_path, seed)) for seed in range(times)}) == 1


ONE_EPOCH = """
def train(model, images, labels):
    optimizer = torch.optim.Adam(model.parameters(), lr=0.003)
    for batch in torch.randperm(len(images)).split(64):
        optimizer.zero_grad()
        F.nll_loss(model(images[batch]), labels[batch]).backward()
        optimizer.step()
"""


@pytest.mark.skipif("train" not in PARTS, reason="these settings leave out train")
def test_training_counts_without_a_network_that_learns(right, tmp_path):
    torch.manual_seed(0)
    exec(ONE_EPOCH, right)
    right["my_network"] = right["build_cnn"]()
    assert judged("train", right, tmp_path)[0] >= 8
    del right["my_network"]
    assert judged("train", right, tmp_path)[0] >= 8


@pytest.mark.skipif("train" not in PARTS, reason="these settings leave out train")
def test_who_hands_in_the_given_network_is_not_trained_another(right, tmp_path):
    right["my_network"] = given_network()
    assert judged("train", right, tmp_path) == (4, ["train.given_network"])


@pytest.mark.skipif("unpool" not in PARTS, reason="these settings leave out unpool")
@pytest.mark.parametrize("first", ["[:1, :1]", "[:, :1]", "[:1]"])
def test_the_switches_of_one_map_for_all_cost_one_line(first, right, tmp_path):
    exec(changed("unpool", ("switches.flatten", f"switches{first}.expand_as(signal).flatten")), right)
    assert judged("unpool", right, tmp_path) == (8, ["unpool.first_switches"])


@pytest.mark.skipif("to_uint8" not in PARTS, reason="these settings leave out to_uint8")
def test_a_map_of_zeros_on_a_scale_of_its_own_is_named(right, tmp_path):
    exec(
        "def to_uint8(maps):\n    return (maps / maps.abs().amax((1, 2), keepdim=True) * 127 + 128).round().byte()",
        right,
    )
    assert judged("to_uint8", right, tmp_path) == (3, ["to_uint8.own_scale_of_nothing"])


CHOICES = {
    "many": "((predictions == labels) & (labels == digit)).nonzero()",
    "none": "None",
    "an index of one": "((predictions == labels) & (labels == digit)).nonzero()[0]",
}


@pytest.mark.skipif("grids" not in PARTS, reason="these settings leave out grids")
@pytest.mark.parametrize("name", CHOICES)
def test_the_grids_count_whatever_was_chosen(name, right, tmp_path):
    exec(f"def choose(digit, predictions, labels):\n    return {CHOICES[name]}", right)
    images, labels = load_mnist("test")
    predictions = given_network()(images).argmax(dim=1)
    right["chosen"] = {digit: right["choose"](digit, predictions, labels) for digit in DIGITS}
    right["grids"] = {}
    assert judged("grids", right, tmp_path) == (len(DIGITS), [])


@pytest.mark.skipif("grids" not in PARTS, reason="these settings leave out grids")
def test_grids_of_one_image_are_none_of_what_was_chosen(right, tmp_path):
    right["grids_solution"] = right["grids_solution"].replace("chosen[digit]]", "0]")
    right["grids"] = {}
    assert judged("grids", right, tmp_path) == (0, ["grids.wrong_pictures"])


@pytest.mark.skipif("grids" not in PARTS, reason="these settings leave out grids")
def test_grids_of_another_network_are_none_of_the_given_one(right, tmp_path):
    right["network"] = copy.deepcopy(given_network())
    torch.nn.init.constant_(right["network"].features[0].weight, 0.1)
    right["grids"] = {}
    assert judged("grids", right, tmp_path) == (0, ["grids.wrong_pictures"])


CROPPED = """def filter_back(signal, conv):
    p = conv.padding[0]
    return F.conv_transpose2d(signal, conv.weight)[:, :, p:-p, p:-p]"""
RESHAPED = """def filter_back(signal, conv):
    weight = conv.weight.reshape(conv.in_channels, conv.out_channels, *conv.kernel_size).flip(2, 3)
    return F.conv2d(signal, weight, padding=conv.kernel_size[0] - 1 - conv.padding[0])"""
STRETCHED = """def to_uint8(maps):
    return ((maps - maps.min()) / (maps.max() - maps.min()) * 255).round().to(torch.uint8)"""

# The part, its code, which lines of the part it costs, and how the mistakes are called.
ONE_LINE = {
    "log-softmax over the images": (
        "build_cnn",
        lambda: changed("build_cnn", ("dim=-1", "dim=0")),
        [1],
        ["build_cnn.no_log_probabilities"],
    ),
    "nothing is left without padding": ("filter_back", lambda: CROPPED, [1], ["filter_back.wrong_size"]),
    "channels exchanged by reshape": ("filter_back", lambda: RESHAPED, [0], ["filter_back.reshaped"]),
    "from the smallest to the largest": (
        "to_uint8",
        lambda: STRETCHED,
        [1, 2],
        ["to_uint8.zero_differs", "to_uint8.wrong_values"],
    ),
}


@pytest.mark.parametrize("name", ONE_LINE)
def test_a_mistake_costs_the_lines_that_it_is_in_and_no_other(name, right, tmp_path):
    part, source, lost, codes = ONE_LINE[name]
    if part not in PARTS:
        pytest.skip(f"these settings leave out {part}")
    exec(source(), right)
    marks = JUDGED[part](student_with(right, tmp_path, 0))
    assert [n for n, step in enumerate(marks.steps) if step.earned < step.worth] == lost
    assert [fault.code for fault in marks.faults] == codes
