"""A notebook with explorers of other networks than LeNet-5, which the browser's tests open and run."""

import inspect
from pathlib import Path

from networks import SmallCnn
from notebook_of_calls import write_notebook

NAME = "any_network.ipynb"

_BEGINNING = f"""
import torch
import torch.nn.functional as F
from torch import nn

from helpers.data import load_mnist
from helpers.explorers import draw_a_digit, explore_feature_maps, explore_steps, explore_switches
from helpers.photos import load_photos
from helpers.squeezenet import CATEGORIES, MEAN, load_squeezenet

{inspect.getsource(SmallCnn)}

torch.manual_seed(0)
cnn = SmallCnn().eval()
images, labels = load_mnist("test")
digits, read = (images[:10] - 0.1307) / 0.3081, labels[:10]
squeezenet, photos = load_squeezenet(), load_photos()[0][:10] - MEAN
taken = {{"names": CATEGORIES, "mean": MEAN}}
"""

CALLS = (
    "explore_feature_maps(cnn, ",
    "explore_switches(cnn, ",
    "explore_steps(cnn, ",
    "draw_a_digit(cnn, ",
    "explore_feature_maps(squeezenet, ",
    "explore_switches(squeezenet, ",
    "explore_steps(squeezenet, ",
)
_REST = {"cnn": "digits, read, mean=0.1307, std=0.3081)", "squeezenet": "photos, **taken)"}


def write(folder: Path) -> None:
    """Write it into `folder`."""
    rests = {call: _REST["cnn" if "cnn" in call else "squeezenet"] for call in CALLS}
    rests["draw_a_digit(cnn, "] = "images[0, 0], mean=0.1307, std=0.3081)"
    write_notebook(folder / NAME, _BEGINNING, [f"{call}{rest}" for call, rest in rests.items()])
