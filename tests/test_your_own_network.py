"""docs/your_own_network.md: its code runs as it stands, and prints what the page says."""

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
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from helpers.deconvnet import DeconvNet

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "your_own_network.md").read_text(encoding="utf-8")
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
