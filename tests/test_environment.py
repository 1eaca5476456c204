"""The same packages for conda and for pip, tested versions inside the ranges, and no package that is not declared."""

import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import nbformat
import pytest
import torch
import torchvision
import yaml
from imports import modules_in, packages
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
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
# Two extras may ask for the same package, in the same words.
EXTRAS = sorted({text for texts in PROJECT["optional-dependencies"].values() for text in texts})
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


# The files of each area, and the extras that are installed where they run. Nobody has installed anything before the
# files beside this project's Makefile run.
AREAS = {
    "what is set up with": (["*.py"], None),
    "helpers": (["helpers/**/*.py"], []),
    "notebooks": (["notebooks/*.ipynb", "notebooks/*/*.ipynb", "notebooks/run.py"], []),
    "tests": (
        ["tests/*.py", "tests/bad_input/*.py", "notebooks/conftest.py", "benchmarks/*.py", "replication/*.py"],
        ["test"],
    ),
    "tests in a browser": (["tests/browser/*.py"], ["test", "browser"]),
    "web edition": (["site/*.py", "site/live/*.py"], ["site"]),
    "tests of the web edition": (["tests/site/*.py"], ["test", "browser"]),
    "assignment": (
        ["assignment/*.py", "assignment/grading/*.py", "assignment/grading/*/*.py", "assignment/template/*"],
        ["assignment"],
    ),
    "tests of the assignment": (
        ["tests/assignment/*.py", "tests/assignment/*/*.py"],
        ["test", "assignment", "browser"],
    ),
}
FOLDERS = [".", "assignment", "assignment/template", "site", "tests", "tests/assignment", "tests/browser", "tests/site"]
OURS = modules_in(*(ROOT / folder for folder in FOLDERS))


def files(patterns: list[str]) -> list[Path]:
    return [path for pattern in patterns for path in ROOT.glob(pattern) if path.suffix in (".py", ".ipynb")]


@pytest.mark.parametrize("area", AREAS)
def test_what_is_imported_is_declared(area):
    patterns, extras = AREAS[area]
    declared = {} if extras is None else ranges(PROJECT["dependencies"])
    for extra in extras or ():
        declared |= ranges(PROJECT["optional-dependencies"][extra])
    imported = {path.relative_to(ROOT).as_posix(): packages(path) - OURS for path in files(patterns)}
    assert extras is None or any(imported.values()), "the area is somewhere else"
    assert {name: missing for name, found in imported.items() if (missing := found - set(declared))} == {}


def test_every_file_belongs_to_an_area():
    folders = [
        ROOT / name for name in ("helpers", "notebooks", "tests", "benchmarks", "replication", "assignment", "site")
    ]
    made = {".ipynb_checkpoints", "source", "release", "submitted", "autograded", "feedback", "downloaded"}
    written = {path for folder in folders for path in folder.rglob("*") if path.suffix in (".py", ".ipynb")}
    written = {path for path in written if made.isdisjoint(path.relative_to(ROOT).parts)}
    assert written <= {path for patterns, _ in AREAS.values() for path in files(patterns)}


@pytest.mark.parametrize(
    ("name", "source", "wanted"),
    [
        ("a.py", "import os, yaml\nfrom PIL.Image import open", {"pyyaml", "pillow"}),
        ("a.py", "def f():\n    import jupyter_server.serverapp", {"jupyter-server"}),
        ("a.py", "from . import b\nfrom .c import d", set()),
        ("a.ipynb", "%matplotlib inline\n!ls\nimport sklearn.manifold as m", {"scikit-learn"}),
    ],
)
def test_imports_are_found(name, source, wanted, tmp_path):
    if name.endswith(".ipynb"):
        source = nbformat.writes(new_notebook(cells=[new_markdown_cell("import no"), new_code_cell(source)]))
    (tmp_path / name).write_text(source, encoding="utf-8")
    assert packages(tmp_path / name) == wanted


def test_the_citation_is_of_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {name: citation[name] for name in ("version", "license")} == {
        name: PROJECT[name] for name in ("version", "license")
    }


def test_the_public_host_runs_what_decides_here_and_the_oldest_versions():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "tests.yml").read_text(encoding="utf-8"))
    runs = {name: [step.get("run", "") for step in job["steps"]] for name, job in workflow["jobs"].items()}
    assert ".ci/run" in runs["all"]
    assert any("--resolution lowest-direct" in run for run in runs["oldest-versions"])


def test_torch_and_torchvision_are_a_pair():
    """Builds that do not belong together fail at the first operator that torchvision adds to torch."""
    boxes = torch.tensor([[0.0, 0, 2, 2], [0, 0, 2, 2.1], [5, 5, 6, 6]])
    assert torchvision.ops.nms(boxes, torch.tensor([0.9, 0.8, 0.7]), 0.5).tolist() == [0, 2]
