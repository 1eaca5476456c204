"""A course in which made students hand in, and a network that was trained."""

import shutil
from pathlib import Path

import pytest
import torch
from course import NAME, Course, can_be_sandboxed
from grading.settings import settings_of
from nbformat.v4 import new_code_cell, new_notebook
from source_folder import make as make_source
from submissions import copy_of_the_course

from helpers.data import load_mnist
from helpers.lenet5 import LeNet5
from helpers.training import fit

# The files that take minutes. Begun last, all would wait for them in the end.
LONGEST = ["test_grading", "test_other_settings", "test_words"]


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.path.stem not in LONGEST)


@pytest.fixture(scope="session")
def released(tmp_path_factory) -> Path:
    """A course of this project's assignment, released."""
    folder = tmp_path_factory.mktemp("released") / "course"
    course = Course(copy_of_the_course(folder))
    make_source(settings_of(NAME, folder))
    said = course.nbgrader("generate_assignment", NAME)
    assert (folder / "release" / NAME / f"{NAME}.ipynb").exists(), said
    return folder


@pytest.fixture(scope="session")
def new_course(tmp_path_factory, released):
    """Makes a course of this assignment, released, at a path with a space; this stands below its configuration."""

    def make(configuration: str = "") -> Course:
        course = Course(shutil.copytree(released, tmp_path_factory.mktemp("a course") / "of mine"))
        with open(course.folder / "nbgrader_config.py", "a", encoding="utf-8") as file:
            file.write(configuration)
        return course

    return make


@pytest.fixture
def open_kernel(tmp_path):
    """Opens the kernel of a student whose notebook has these cells of code; it is closed at the end."""
    from grading.kernel import StudentKernel

    opened = []

    def open_with(*cells: str, **settings) -> StudentKernel:
        kernel = StudentKernel(**{"sandboxed": can_be_sandboxed()} | settings)
        opened.append(kernel)
        kernel.open(new_notebook(cells=[new_code_cell(cell) for cell in cells]), {"metadata": {"path": str(tmp_path)}})
        return kernel

    yield open_with
    for kernel in opened:
        kernel.close()


@pytest.fixture
def in_the_sandbox():
    """Skips the test where there can be no sandbox."""
    from grading.sandbox import why_not

    if reason := why_not():
        pytest.skip(reason)


@pytest.fixture(scope="session")
def trained(tmp_path_factory) -> bytes:
    """A file with the weights and biases of a network that was trained here, in order."""
    torch.manual_seed(0)
    model = LeNet5()
    fit(model, *load_mnist("train"), epochs=2)
    path = tmp_path_factory.mktemp("trained") / "weights.pt"
    torch.save(list(model.parameters()), path)
    return path.read_bytes()
