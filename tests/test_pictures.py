"""The measure that compares pictures: what it forgives, what it catches, and that no stored picture escapes it."""

import base64
import io
import re
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
import torch
from matplotlib.colors import Normalize
from pictures import differences, leave
from PIL import Image

from helpers import plotting
from helpers.deconvnet import DeconvNet
from helpers.lenet5 import load_lenet5
from helpers.pictures import png
from helpers.plotting import Panel, architecture, confusion_matrix, learning_curves, number_tables, panels, signed_limit

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").rglob("0*.ipynb"))
FIGURES = sorted((ROOT / "figures").glob("*.png"))


def picture(figure):
    """The PNG file of `figure`, which is closed."""
    file = png(figure)
    plt.close(figure)
    return file


def seen(image):
    """A digit `(28, 28)` and what all 22 feature maps saw in it, `(22, 28, 28)`."""
    net = DeconvNet(load_lenet5().features)
    trace = net.record(image[None])
    return image[0], torch.cat([net.project(trace, layer)[0, :, 0] for layer in ("pool1", "pool2")])


@pytest.fixture(scope="module")
def grid(test_set):
    return seen(test_set[0][9331])


@pytest.fixture(scope="module")
def stored(grid):
    return picture(drawn(*grid))


def drawn(image, maps, title="What 22 feature maps saw", *, labels=None, limit=None, kinds=("ink", "signed")):
    """The figure of a digit and its maps, two rows of twelve panels."""
    labels = ["input", *(f"map {k}" for k in range(22))] if labels is None else labels
    cells = [Panel(one, label, kinds[k > 0]) for k, (one, label) in enumerate(zip([image, *maps], labels, strict=True))]
    return panels([cells[:12], cells[12:]], title, limit=limit)


# One figure of each kind, small.
KINDS = {
    "dots": lambda: panels(
        [[Panel(torch.eye(28), "eye", "activation", torch.tensor([[3, 9, 20], [4, 9, 21]]))] * 4], "Dots"
    ),
    "table": lambda: number_tables(
        [("left", torch.arange(12.0).view(3, 4)), ("right", -torch.arange(4.0).view(2, 2))],
        "Tables",
        [torch.arange(12).view(3, 4) % 5 == 0, None],
    ),
    "boxes": lambda: architecture([("", (1, 28, 28)), ("conv", (6, 28, 28)), ("linear", (84,))], "A network"),
    "counts": lambda: confusion_matrix(torch.arange(100).view(10, 10), "Counts"),
    "curves": lambda: learning_curves([2 / (1 + k) for k in range(60)], [0.9, 0.95, 0.97], "Curves"),
}


# --- what it forgives -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "style",
    [
        {"text.hinting": "none"},
        {"text.hinting": "force_autohint"},
        {"text.antialiased": False},
        {"lines.antialiased": False, "patch.antialiased": False},
        {"font.family": "DejaVu Serif"},
    ],
    ids=str,
)
def test_other_fonts_and_smoothing_are_forgiven(style, monkeypatch, grid):
    figures = {**KINDS, "grid": lambda: drawn(*grid)}
    before = {name: picture(draw()) for name, draw in figures.items()}
    monkeypatch.setattr(plotting, "_STYLE", plotting._STYLE | style)
    with plt.rc_context(style):
        after = {name: picture(draw()) for name, draw in figures.items()}
    assert before != after
    assert {name: differences(before[name], after[name]) for name in figures} == {name: [] for name in figures}


def test_the_rounding_of_another_processor_is_forgiven(grid, stored):
    image, maps = grid
    noise = 1 + 3e-7 * torch.randn(maps.shape, generator=torch.Generator().manual_seed(0))
    assert differences(stored, picture(drawn(image, maps * noise))) == []


# --- what it catches ------------------------------------------------------------------------------------------------


CHANGES = {
    "turned over": lambda one: one.flip(-1),
    "transposed": lambda one: one.T,
    "negated": lambda one: -one,
    "moved by a pixel": lambda one: one.roll(1, 0),
    "5 % stronger": lambda one: 1.05 * one,
    "on a scale of its own": lambda one: one / one.abs().max(),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_each_of_22_maps_is_caught_if_it_changes(change, grid, stored):
    """Each on the scale that it shares with the others, on which some are weak."""
    image, maps = grid
    changed = torch.stack([change(one) for one in maps])
    found = differences(stored, picture(drawn(image, changed, limit=signed_limit(maps))))
    assert {line.partition(":")[0] for line in found} >= {f"panel {k}" for k in range(1, 23)}


def test_a_map_that_is_weak_on_its_scale_is_caught_if_it_vanishes(grid):
    """Too weak to show a colour: its range of values gives it away."""
    _, maps = grid
    weak = 1e-3 * maps[3] / maps[3].abs().max()
    before, after = (picture(panels([[Panel(one, "", "signed")]], "", limit=1.0)) for one in (weak, 0 * weak))
    assert len(differences(before, after)) == 1 and "the values" in differences(before, after)[0]


def test_one_value_that_the_eye_can_tell_is_caught(grid, stored):
    """Its map's range does not change: the colour alone gives it away."""
    image, maps = grid
    wrong = maps.clone()
    row, column = divmod(int(maps[8].abs().argmin()), 28)
    wrong[8, row, column] += 0.2 * signed_limit(maps)
    wrong[8, row, (column + 1) % 28] -= 0.2 * signed_limit(maps)
    found = differences(stored, picture(drawn(image, wrong, limit=signed_limit(maps))))
    assert len(found) == 1 and re.match(r"panel 9: [12] of 784 values have another colour", found[0])


def test_two_maps_in_each_others_place_are_caught(grid, stored):
    image, maps = grid
    order = [0, 1, 2, 3, 5, 4, *range(6, 22)]
    found = differences(stored, picture(drawn(image, maps[order])))
    assert {line.partition(":")[0] for line in found} == {"panel 5", "panel 6"}


def test_another_image_of_the_same_digit_is_caught(grid, stored, test_set):
    images, labels = test_set
    other = seen(images[torch.nonzero(labels == 5)[0, 0]])
    found = differences(stored, picture(drawn(*other)))
    assert {f"panel {k}" for k in range(23)} == {line.partition(":")[0] for line in found if line.startswith("panel")}


def test_a_changed_scale_is_caught(grid, stored):
    image, maps = grid
    found = differences(stored, picture(drawn(image, maps, limit=1.02 * signed_limit(maps))))
    assert sum("the scale" in line for line in found) == 22


def test_values_and_scale_that_change_together_are_caught(grid, stored):
    """No colour changes, only the numbers at the colour bar."""
    image, maps = grid
    found = differences(stored, picture(drawn(image, 1.2 * maps)))
    assert any("the scale" in line for line in found) and not any("colour" in line for line in found)


PLANTED = {
    "signed values cast to 8 bits": lambda axes, panel, norm, draw: draw(
        axes, replace(panel, pixels=panel.pixels.to(torch.int8).view(torch.uint8).float()), norm
    ),
    "each map on its own smallest and largest value": lambda axes, panel, norm, draw: draw(
        axes, panel, Normalize(float(panel.pixels.min()), float(panel.pixels.max()))
    ),
}


@pytest.mark.parametrize("mistake", PLANTED)
def test_the_known_mistakes_in_drawing_are_caught(mistake, grid, stored, monkeypatch):
    draw = plotting._draw
    monkeypatch.setattr(plotting, "_draw", lambda *args: PLANTED[mistake](*args, draw))
    found = differences(stored, picture(drawn(*grid)))
    assert {line.partition(":")[0] for line in found} >= {f"panel {k}" for k in range(1, 23)}


def test_other_colours_are_caught(grid, stored, monkeypatch):
    monkeypatch.setattr(plotting, "_COLOURS", plotting._COLOURS | {"signed": "RdBu"})
    assert any("colour" in line for line in differences(stored, picture(drawn(*grid))))


def test_a_changed_label_is_caught(grid, stored):
    labels = ["input", *(f"map {k}" for k in range(1, 23))]
    assert "a text is 'map 1', not 'map 0'" in differences(stored, picture(drawn(*grid, labels=labels)))


def test_a_changed_title_is_caught(grid, stored):
    found = differences(stored, picture(drawn(*grid, title="What 23 feature maps saw")))
    assert found == ["a text is 'What 23 feature maps saw', not 'What 22 feature maps saw'"]


def test_a_missing_panel_is_caught(grid):
    image, maps = grid
    row = [Panel(image), *(Panel(one, "", "signed") for one in maps[:3])]
    before, after = (picture(panels([cells], "", limit=1.0)) for cells in (row, [*row[:3], None]))
    assert differences(before, after) == ["there are 3 panels, not 4"]


def test_another_size_is_caught(grid, stored):
    image, maps = grid
    cells = [Panel(image, "input"), *(Panel(one, f"map {k}", "signed") for k, one in enumerate(maps))]
    found = differences(stored, picture(panels([cells[:8], cells[8:16], cells[16:]], "What 22 feature maps saw")))
    assert len(found) == 1 and found[0].startswith("the size is")


def change_of_kind(name):
    """A figure of `KINDS` with one thing changed, and what is said of it."""
    match name:
        case "dots":
            places = torch.tensor([[3, 9, 20], [4, 9, 20]])
            return panels([[Panel(torch.eye(28), "eye", "activation", places)] * 4], "Dots"), "the dots"
        case "table":
            tables = [("left", torch.arange(12.0).view(3, 4)), ("right", -torch.arange(4.0).view(2, 2))]
            return number_tables(tables, "Tables", [torch.arange(12).view(3, 4) % 5 == 1, None]), "pixels outside"
        case "boxes":
            stages = [("", (1, 28, 28)), ("conv", (6, 28, 28)), ("linear", (60,))]
            return architecture(stages, "A network"), "a text is '60', not '84'"
        case "counts":
            counts = torch.arange(100).view(10, 10)
            counts[3, 4] += 1
            return confusion_matrix(counts, "Counts"), "a text is '35', not '34'"
        case "curves":
            return learning_curves([2 / (1 + k) for k in range(60)], [0.9, 0.96, 0.97], "Curves"), "pixels outside"


@pytest.mark.parametrize("name", KINDS)
def test_a_change_in_each_kind_of_figure_is_caught(name):
    figure, said = change_of_kind(name)
    found = differences(picture(KINDS[name]()), picture(figure))
    assert any(said in line for line in found), found


def test_a_picture_without_a_description_is_caught(stored):
    bare = io.BytesIO()
    Image.open(io.BytesIO(stored)).save(bare, format="png")
    assert differences(stored, bare.getvalue()) == ["the new picture has no description of itself"]
    assert differences(bare.getvalue(), stored) == ["the stored picture has no description of itself"]


# --- what a failure leaves ------------------------------------------------------------------------------------------


def test_the_expected_the_actual_and_the_difference_are_left(tmp_path):
    one, other = (picture(panels([[Panel(torch.eye(4) * value)]], "Eye")) for value in (1.0, 0.5))
    leave(tmp_path / "new", "eye", one, other)
    assert (tmp_path / "new" / "eye-expected.png").read_bytes() == one
    assert (tmp_path / "new" / "eye-actual.png").read_bytes() == other
    difference = np.asarray(Image.open(tmp_path / "new" / "eye-difference.png"))
    changed = np.asarray(Image.open(io.BytesIO(one)))[..., 0] != np.asarray(Image.open(io.BytesIO(other)))[..., 0]
    assert changed.any() and ((difference == 255) == changed).all()


def test_the_difference_of_pictures_of_two_sizes_can_be_drawn(tmp_path):
    one, other = (picture(panels([[Panel(torch.eye(4))] * n], "Eye")) for n in (1, 2))
    leave(tmp_path, "eye", one, other)
    tall = max(len(plt.imread(io.BytesIO(file))) for file in (one, other))
    assert len(plt.imread(tmp_path / "eye-difference.png")) == tall


# --- the pictures of this project -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def kept():
    """For each figure that a notebook keeps, the PNG files that the cell shows which names it."""
    found = {}
    for path in NOTEBOOKS:
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "code":
                shown = [
                    output["data"]["image/png"] for output in cell.outputs if "image/png" in output.get("data", {})
                ]
                for name in re.findall(r"\bname=f?\"([^\"]+)\"", cell.source):
                    found.setdefault(name, []).extend(base64.b64decode(file) for file in shown)
    return found


@pytest.mark.parametrize("path", FIGURES, ids=lambda path: path.stem)
def test_each_file_in_figures_is_a_picture_of_the_cell_that_names_it(path, kept):
    """The cell's pictures are drawn again when the notebooks are tested; so no file here can be out of date."""
    named = [
        file
        for name, files in kept.items()
        if re.fullmatch(re.sub(r"\{.*?\}", ".+", name), path.stem)
        for file in files
    ]
    assert named, f"no notebook keeps a figure of the name {path.stem}: delete it"
    assert min((differences(file, path.read_bytes()) for file in named), key=len) == []


def test_every_figure_that_a_notebook_names_is_there(kept):
    names = [path.stem for path in FIGURES]
    missing = [name for name in kept if not any(re.fullmatch(re.sub(r"\{.*?\}", ".+", name), one) for one in names)]
    assert missing == []
