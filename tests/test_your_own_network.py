"""docs/your_own_network.md: its code runs as it stands, and prints what it says; so does docs/network_file.md."""

import copy
import json
import re
import sys
import types
from collections import OrderedDict
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
import torch
import torch.nn.functional as F
from networks import conv
from safetensors import safe_open
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from helpers import network_file
from helpers.deconvnet import DeconvNet, recipe

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE = (DOCS / "your_own_network.md").read_text(encoding="utf-8")
FILE = (DOCS / "network_file.md").read_text(encoding="utf-8")
# Those in a list are indented.
BLOCKS = [re.sub(r"(?m)^  ", "", code) for code in re.findall(r"(?ms)^ *```python\n(.*?)^ *```", PAGE)]


class Net(nn.Module):
    """The network of which the page shows the layers."""

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2, self.fc = nn.Conv2d(1, 32, 3), nn.Conv2d(32, 64, 3), nn.Linear(9216, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv2(F.relu(self.conv1(x)))), 2)
        return F.log_softmax(self.fc(torch.flatten(x, 1)), dim=1)


def block(beginning):
    """The only piece of code on the page that holds this."""
    (code,) = [code for code in BLOCKS if beginning in code]
    return code


@pytest.fixture
def my_project(tmp_path, monkeypatch):
    torch.manual_seed(0)
    project = types.ModuleType("my_project")
    project.Net, project.images = Net, torch.rand(8, 1, 28, 28)
    monkeypatch.setitem(sys.modules, "my_project", project)
    monkeypatch.chdir(tmp_path)
    torch.save(Net().state_dict(), "net.pt")


def test_ten_lines_lead_to_a_picture(my_project, capsys):
    names = {}
    exec(block("from my_project import"), names)
    assert names["maps"].shape == (8, 2, 1, 28, 28) and names["maps"].any()
    printed = [line.split() for line in capsys.readouterr().out.splitlines()]
    said = re.search(r"`print\(trace\)` says\n\n((?: {4}.*\n)+)", PAGE)[1]
    # The page says for short why log_softmax has no way back.
    assert [line[:5] for line in printed[:-1]] == [line.split()[:5] for line in said.splitlines()[:-1]]
    assert printed[-1][:6] == said.splitlines()[-1].split()[:6]


def test_the_nine_strongest_patches():
    torch.manual_seed(0)
    dataset = TensorDataset(torch.rand(20, 1, 28, 28), torch.zeros(20))
    names = {"net": DeconvNet(Net().eval()), "dataset": dataset, "loader": DataLoader(dataset, batch_size=8)}
    exec(block("strongest(net"), names)
    assert names["found"].images.shape == (64, 9)
    assert names["crops"].shape == names["projections"].shape == (2, 9, 1, 5, 5)
    (crops, projections) = (axes.images[0].get_array() for axes in names["figure"].axes if axes.images)
    assert crops.shape == projections.shape == (17, 17)
    assert crops[:5, :5].tolist() == names["crops"][0, 0, 0].tolist()
    plt.close(names["figure"])


def test_what_spoke_for_a_class_in_some_pixels():
    torch.manual_seed(0)
    layers = OrderedDict(backbone=conv(), relu=nn.ReLU(), classifier=conv(8, 21))
    with torch.no_grad():
        layers["classifier"].weight[12] *= 4  # so that it wins here and there
    net = DeconvNet(nn.Sequential(layers).eval())
    trace = net.record(torch.randn(2, 3, 12, 12))
    names = {"net": net, "trace": trace}
    exec(block("mask = "), names)
    assert names["mask"].any() and not names["mask"].all()
    assert names["maps"].any() and not names["maps"].equal(net.project(trace, "classifier", [12]))


def written_in(path):
    """The recipe in a file, and the names of its tensors."""
    with safe_open(path, "pt") as file:
        return json.loads(file.metadata()["network"]), set(file.keys())


def test_a_network_in_a_file_for_the_page(my_project):
    names = {"model": Net().eval(), "images": torch.rand(2, 1, 28, 28)}
    names |= {"labels": torch.tensor([3, 9]), "names": "abcdefghij"}
    exec(block("from helpers.network_file import"), names)
    written, tensors = written_in("net.safetensors")
    assert written["classes"] == list("abcdefghij") and written["weights"] == ["trained"]
    assert {"images", "labels"} <= tensors


def test_a_slider_over_the_training(my_project):
    def train_one_step(model):
        with torch.no_grad():
            model.fc.bias += 1

    names = {"model": Net(), "images": torch.rand(2, 1, 28, 28), "train_one_step": train_one_step, "copy": copy}
    exec(block("checkpoints["), names | {"save_network": network_file.save_network})
    assert written_in("net.safetensors")[0]["weights"] == ["step 0", "step 10", "step 100", "trained"]


def first_cells(section):
    """What stands in the first column of the table in a section of the file's page."""
    return set(re.findall(r"(?m)^\| `(\w+)`", FILE.split(f"## {section}\n")[1].split("\n## ")[0]))


def test_the_page_of_the_file_names_all_functions_and_fields(my_project):
    source = Path(recipe.__file__).read_text(encoding="utf-8")
    functions = set(re.findall(r'\.add\(\s*"(\w+)"', source)) | {"reshape", "cat"}
    assert first_cells("Functions") == functions and len(functions) == 12
    network_file.save_network("net.safetensors", Net().eval(), torch.rand(1, 1, 28, 28))
    assert first_cells("The recipe") == set(written_in("net.safetensors")[0])


def test_the_page_of_the_file_names_what_is_too_large():
    most = list(network_file._MOST.values())
    table = FILE.split("## What the page reads")[1]
    said = [f"{most[0] >> 20} MiB", f"{most[1] >> 20} MiB", f"{most[2] / 1e6:.1f} million"]
    said += [f"{most[3] / 1e6:.0f} million", f"{most[4] / 1e6:.1f} million", f"{most[5] / 1e6:,.0f} million"]
    said += ["; ".join(f"{count:,}" for count in most[6:])]
    assert re.findall(r"\| ([^|]*?) \|$", table, re.MULTILINE)[2:] == said
