"""A copy of the notebooks' own deconvnet: its pictures look right and are not, and both check and judge say so."""

import ast

import nbformat
import pytest
import torch
import torch.nn.functional as F
from submissions import ROOT, parts_of, read_right
from test_check import check
from test_fair import judged
from test_judge import names_of_the_right

from helpers.data import load_mnist
from helpers.deconvnet import DeconvNet

NOTEBOOK = ROOT / "notebooks" / "03_implement_the_deconvnet.ipynb"
COPIED = ("unpool", "rectify", "filter_back", "MyDeconvNet")
# So that it takes what the assignment gives: other sizes, and layers without names.
EDITS = [
    ("size * size", "size[0] * size[1]"),
    ("(size, size)", "tuple(size)"),
    ("    SIZES = {1: 28, 2: 10}  # of the maps before each pooling\n\n", ""),
    ("def __init__(self, model, images)", "def __init__(self, features, images)"),
    ("{1: model.features.conv1, 2: model.features.conv2}", "{1: features[0], 2: features[3]}"),
    ("self.pooled, self.switches = {}, {}", "self.pooled, self.switches, self.sizes = {}, {}, {}"),
    (
        "signal = F.relu(conv(signal))",
        "signal = F.relu(conv(signal))\n            self.sizes[layer] = signal.shape[2:]",
    ),
    ("self.SIZES[layer]", "self.sizes[layer]"),
]
NAMED = """
def keep_channel(maps, channel):
    return MyDeconvNet.alone(None, maps, channel)

def project(features, images, layer, channel):
    return MyDeconvNet(features, images).project(layer, channel)
"""


@pytest.fixture
def copied():
    """The names of a notebook with what is copied from the series in the place of its own steps."""
    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    source = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    found = [node for node in ast.parse(source).body if getattr(node, "name", None) in COPIED]
    assert [node.name for node in found] == list(COPIED)
    code = "\n\n".join(ast.get_source_segment(source, node) for node in found)
    for old, new in EDITS:
        assert code.count(old) == 1, old
        code = code.replace(old, new)
    names = dict(names_of_the_right())
    exec(code + NAMED, names)
    return names


@pytest.mark.skipif("project" not in parts_of("deconvnet"), reason="these settings leave out project")
def test_its_pictures_look_right_and_are_not(copied):
    """The windows that overlap make the difference, and nothing else in them does."""
    network, image = copied["network"], load_mnist("test")[0][[read_right(5)]]
    net = DeconvNet(network.features)
    likenesses = []
    for layer in (1, 2):
        right = net.project(net.record(image), str(3 * layer - 1))[0, :, 0]
        wrong = torch.cat([copied["project"](network.features, image, layer, k) for k in range(len(right))])[:, 0]
        alive = right.flatten(1).any(dim=1)
        assert not torch.isclose(wrong[alive], right[alive], rtol=0.1).flatten(1).all(dim=1).any()
        likenesses += F.cosine_similarity(wrong[alive].flatten(1), right[alive].flatten(1)).tolist()
    assert sum(likenesses) / len(likenesses) > 0.5


@pytest.mark.parametrize("part", parts_of("deconvnet", "pictures"))
def test_it_loses_the_points_for_putting_the_steps_together(part, copied, tmp_path):
    earned, faults = judged(part, copied, tmp_path)
    assert faults == (["project.own_windows"] if part == "project" else [])
    assert (earned == 0) == (part == "project")


@pytest.mark.skipif("project" not in parts_of("deconvnet"), reason="these settings leave out project")
def test_the_check_says_so_beforehand(copied):
    for part in ("unpool", "rectify", "filter_back", "keep_channel"):
        getattr(check, part)(copied[part])
    with pytest.raises(check.Wrong, match="take the windows from that layer, their side, stride and padding"):
        check.project(copied["project"])
