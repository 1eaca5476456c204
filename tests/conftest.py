"""What several test files share: a matplotlib without a screen, MNIST's test set, and the shipped network."""

from collections.abc import Iterator

import matplotlib
import matplotlib.pyplot as plt
import pytest
from torch import Tensor

from helpers.data import load_mnist
from helpers.lenet5 import LeNet5, load_lenet5

matplotlib.use("Agg")


@pytest.fixture(scope="session")
def test_set() -> tuple[Tensor, Tensor]:
    return load_mnist("test")


@pytest.fixture(autouse=True)
def _no_figure_is_left_to_the_next_test() -> Iterator[None]:
    yield
    plt.close("all")


@pytest.fixture
def images(test_set) -> Tensor:
    """Twenty test images, two or more of them of most digits."""
    return test_set[0][:20].clone()


@pytest.fixture
def model() -> LeNet5:
    return load_lenet5()
