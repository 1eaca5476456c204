"""A notebook with LeNet-5's explorers as notebooks 02, 03 and 04 show them: it is open sooner than these three."""

from pathlib import Path

from notebook_of_calls import write_notebook

NAME = "lenet5_alone.ipynb"

_BEGINNING = """
from helpers.data import load_mnist
from helpers.explorers import draw_a_digit, explore_feature_maps, explore_steps, explore_switches
from helpers.lenet5 import load_lenet5

images, labels = load_mnist("test")
model = load_lenet5()
ten = [4542, 6407, 208, 6365, 7662, 9331, 2458, 6586, 3588, 4901]  # a typical image of each digit
"""

_CELLS = [
    "explore_switches(model, images[ten], labels[ten]).at(digit=5, map=5, right=1)",
    "explore_steps(model, images[ten], labels[ten]).at(digit=5, map=(2, 11), stage=3)",
    "explore_feature_maps(model, images[:300], labels[:300]).at(digit=5, example=10, layer=2, map=11)",
    "draw_a_digit(model, images[9331, 0]).at(map=(2, 11))",
]


def write(folder: Path) -> None:
    """Write it into `folder`."""
    write_notebook(folder / NAME, _BEGINNING, _CELLS)
