"""The same packages for conda and for pip, and tested versions inside the ranges."""

import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
import torch
import torchvision
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
ENVIRONMENT = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))

# conda-forge's name for it: PyPI's
RENAMED = {"pytorch": "torch"}


def ranges(requirements) -> dict[str, SpecifierSet]:
    parsed = [Requirement(text) for text in requirements]
    assert len({canonicalize_name(r.name) for r in parsed}) == len(parsed), "a package is named twice"
    return {canonicalize_name(r.name): r.specifier for r in parsed}


PIP = ranges(PROJECT["dependencies"] + PROJECT["optional-dependencies"]["test"])
EXTRAS = [text for texts in PROJECT["optional-dependencies"].values() for text in texts]
ALL = ranges(PROJECT["dependencies"] + EXTRAS)


def conda() -> dict[str, SpecifierSet]:
    return ranges(text for text in ENVIRONMENT["dependencies"] if isinstance(text, str))


def test_conda_names_the_same_packages_with_the_same_ranges():
    packages = {RENAMED.get(name, name): versions for name, versions in conda().items()}
    assert packages.pop("pip") == SpecifierSet()
    assert packages.pop("python") == SpecifierSet(PROJECT["requires-python"])
    assert packages == PIP


def test_conda_takes_from_conda_forge_alone_and_installs_the_helpers():
    assert ENVIRONMENT["channels"] == ["conda-forge"]
    assert [text for text in ENVIRONMENT["dependencies"] if not isinstance(text, str)] == [{"pip": ["-e ."]}]


@pytest.mark.parametrize("name", ALL)
def test_each_range_has_both_ends(name):
    assert {">=", "<"} == {specifier.operator for specifier in ALL[name]}


def constraints() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    lines = [line for line in lines if line.strip() and not line.startswith("#")]
    pins = [re.fullmatch(r"([A-Za-z0-9._-]+)==([0-9][0-9A-Za-z.]*)", line) for line in lines]
    assert all(pins), f"not name==version: {[line for line, pin in zip(lines, pins, strict=True) if not pin]}"
    return {canonicalize_name(pin[1]): pin[2] for pin in pins}


@pytest.mark.parametrize("name", ALL)
def test_constraints_pin_a_version_inside_the_range(name):
    pins = constraints()
    assert name in pins
    assert pins[name] in ALL[name]


@pytest.mark.parametrize("name", PIP)
def test_the_installed_version_is_inside_the_range(name):
    # 2.15.0+cpu is a build of 2.15.0.
    assert PIP[name].contains(version(name).partition("+")[0])


def test_torch_and_torchvision_are_a_pair():
    """Builds that do not belong together fail at the first operator that torchvision adds to torch."""
    boxes = torch.tensor([[0.0, 0, 2, 2], [0, 0, 2, 2.1], [5, 5, 6, 6]])
    assert torchvision.ops.nms(boxes, torch.tensor([0.9, 0.8, 0.7]), 0.5).tolist() == [0, 2]
