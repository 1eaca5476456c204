"""What `make given` gives for another year: a network that can be loaded, and numbers that find the same mistakes."""

import json
import runpy
import shutil
import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from grading.settings import COURSE
from new_given import network, numbers
from submissions import EVERYTHING, HARD_TO_SEE, SOURCE, mistaken, solution
from torch import nn

from helpers.data import load_mnist

GIVEN = json.loads((COURSE / "template" / "given.json").read_text(encoding="utf-8"))
# Whose checks lean on numbers.
ARGUMENTS = {"build_cnn": ["build_cnn"], "look_inside": ["look_inside", "build_cnn"], "project": ["project"]}
RIGHT = solution("transposed", EVERYTHING)


@pytest.fixture(scope="module", params=[2027, 31, 996])
def check(request, tmp_path_factory):
    """The checks, with the numbers of another seed."""
    folder = tmp_path_factory.mktemp("another year")
    shutil.copytree(SOURCE, folder, dirs_exist_ok=True)
    (folder / "given.json").write_text(json.dumps(numbers(request.param)))
    return checks_in(folder)


def checks_in(folder):
    sys.modules.pop("given", None)
    sys.path.insert(0, str(folder))
    try:
        return runpy.run_path(str(folder / "check.py"))
    finally:
        sys.path.remove(str(folder))
        sys.modules.pop("given", None)


def run(check, part, code):
    names = {"torch": torch, "F": F, "nn": nn}
    for name in EVERYTHING:
        if name not in ("train", "grids"):
            exec(code[name], names)
    check[part](*(names[name] for name in ARGUMENTS[part]))


def test_the_numbers_that_are_given_now_are_those_of_their_seed():
    found = numbers(GIVEN["seed"])
    assert found.keys() == GIVEN.keys()
    assert found["image"] == GIVEN["image"] and found["outputs"].keys() == GIVEN["outputs"].keys()
    for name, given in GIVEN["outputs"].items():
        assert np.array(found["outputs"][name]) == pytest.approx(np.array(given), abs=2e-3), name
    for layer, given in zip(found["inside"], GIVEN["inside"], strict=True):
        rounded = {"pooled": None, "means": None}
        assert layer | rounded == given | rounded
        for name in rounded:
            assert layer[name] == pytest.approx(given[name], abs=2e-3)
    assert found["projected"][:2] == GIVEN["projected"][:2]
    assert found["projected"][2] == pytest.approx(GIVEN["projected"][2], abs=5e-3)


@pytest.mark.parametrize("part", ARGUMENTS)
def test_right_solutions_pass_with_other_numbers(check, part, capsys):
    run(check, part, RIGHT)
    assert "Nothing wrong found" in capsys.readouterr().out


@pytest.mark.parametrize("name", [name for name, ((part, *_), _) in HARD_TO_SEE.items() if part in ARGUMENTS])
def test_mistakes_are_found_with_other_numbers(check, name):
    part, code = mistaken(RIGHT, name)
    with pytest.raises(check["Wrong"]) as error:
        run(check, part, code)
    assert HARD_TO_SEE[name][1] in str(error.value)


def test_other_seeds_give_other_numbers():
    assert numbers(1)["outputs"] != numbers(2)["outputs"]


def test_students_are_not_given_the_seed():
    """With it, they could make the key of the bank. The checks take 997 different ones."""
    assert numbers(123_456_789_012)["seed"] < 997
    assert numbers(997 + 5) == numbers(5)


def test_the_seed_decides_the_network():
    images, labels = (data[:500] for data in load_mnist("train"))

    def trained(seed, before):
        torch.manual_seed(before)
        return network(seed, images, labels, epochs=1).features[0].weight

    assert trained(1, before=0).equal(trained(1, before=9))
    assert not trained(1, before=0).equal(trained(2, before=0))


def test_a_new_network_is_loaded_as_the_one_that_is_given(tmp_path):
    images, labels = load_mnist("train")
    model = network(2027, images[:2000], labels[:2000], epochs=1)
    shutil.copy(COURSE / "template" / "given.py", tmp_path)
    torch.save(model, tmp_path / "given_network.pt")
    loaded = runpy.run_path(str(tmp_path / "given.py"))["given_network"]()
    assert loaded(images[:5]).equal(model(images[:5]))
    now = runpy.run_path(str(SOURCE / "given.py"))["given_network"]()
    assert {name: value.shape for name, value in loaded.state_dict().items()} == {
        name: value.shape for name, value in now.state_dict().items()
    }
    assert not loaded.training and not any(parameter.requires_grad for parameter in loaded.parameters())
    assert [str(layer) for layer in loaded.features] == [str(layer) for layer in now.features]
    overlapping = str(nn.MaxPool2d(kernel_size=3, stride=2, padding=1))
    assert [str(layer) for layer in loaded.features][2::3] == [overlapping] * 2
