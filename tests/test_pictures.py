"""The measure that compares pictures: what it forgives, what it catches, and that no stored picture escapes it."""

import gc
import io
import json
import pickle
import re
from dataclasses import replace
from pathlib import Path

import compare_pictures
import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
import torch
from compare_pictures import differences, leave, pictures_of
from matplotlib.collections import QuadMesh
from matplotlib.colors import Normalize
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from stored import NOTEBOOKS, code_cells

from helpers import plotting
from helpers.deconvnet import DeconvNet
from helpers.lenet5 import load_lenet5
from helpers.pictures import png
from helpers.plotting import Panel, architecture, confusion_matrix, learning_curves, number_tables, panels, signed_limit

ROOT = Path(__file__).resolve().parents[1]
FIGURES = sorted((ROOT / "figures").glob("*.png"))


@pytest.fixture(scope="module", autouse=True)
def quickly():
    """Files as large as they come, whose pixels are the same; and no search for garbage in what was imported."""
    save = Image.Image.save

    def saved(*args, **given):
        save(*args, **{**given, "compress_level": 1})

    gc.freeze()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Image.Image, "save", saved)
        yield
    gc.unfreeze()


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
def sheet(grid):
    """The figure of the digit and its maps, laid out, which takes longer than to draw it again."""
    figure = drawn(*grid)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    yield figure
    plt.close(figure)


@pytest.fixture(scope="module")
def stored(sheet):
    return png(sheet)


@pytest.fixture(scope="module")
def sheet_file(sheet):
    return pickle.dumps(sheet)


def with_maps(sheet, maps):
    """The picture of the sheet with other `maps` `(22, 28, 28)`, on the scale that it has."""
    shown = [image for axes in sheet.axes for image in axes.images][1:]
    before = [image.get_array() for image in shown]
    for image, one in zip(shown, maps, strict=True):
        image.set_data(one.numpy())
    file = png(sheet)
    for image, one in zip(shown, before, strict=True):
        image.set_data(one)
    return file


def test_the_sheet_is_the_figure_and_stays_it(grid, sheet, sheet_file, stored):
    image, maps = grid
    assert differences(picture(drawn(image, maps)), stored) == []
    assert with_maps(sheet, 0 * maps) != with_maps(sheet, maps) == stored == picture(pickle.loads(sheet_file))


def drawn(image, maps, title="What 22 feature maps saw", *, labels=None, limit=None):
    """The figure of a digit and its maps, in rows of twelve panels."""
    labels = ["input", *(f"map {k}" for k in range(len(maps)))] if labels is None else labels
    cells = [Panel(one, label, "signed") for one, label in zip(maps, labels[1:], strict=True)]
    cells = [Panel(image, labels[0]), *cells]
    return panels([cells[i : i + 12] for i in range(0, len(cells), 12)], title, limit=limit)


def small(panel):
    """A row in which `panel` is small: a panel alone is as wide as the page, and takes long to draw."""
    return [panel, None, None, None]


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


@pytest.fixture(scope="module")
def one_of_each(grid):
    """How to draw a figure of each kind, the maps also as small as they come, and the pictures."""
    image, maps = grid
    row = [Panel(image, "a 5"), *(Panel(one, "map", "signed") for one in maps[:16])]
    figures = {**KINDS, "maps": lambda: drawn(image, maps[:11]), "small": lambda: panels([row] * 2, "Small maps")}
    return figures, {name: picture(draw()) for name, draw in figures.items()}


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
def test_other_fonts_and_smoothing_are_forgiven(style, monkeypatch, one_of_each):
    figures, before = one_of_each
    monkeypatch.setattr(plotting, "STYLE", plotting.STYLE | style)
    monkeypatch.setattr(plotting, "DEFAULTS", plotting.DEFAULTS | style)
    after = {name: picture(draw()) for name, draw in figures.items()}
    assert before != after
    assert {name: differences(before[name], after[name]) for name in figures} == {name: [] for name in figures}


def test_the_rounding_of_another_processor_is_forgiven(grid, stored):
    image, maps = grid
    noise = 1 + 3e-7 * torch.randn(maps.shape, generator=torch.Generator().manual_seed(0))
    assert differences(stored, picture(drawn(image, maps * noise))) == []


def test_the_cells_of_an_image_are_its_pixels(grid):
    """Down to the size of the overview, where a cell is two pixels wide."""
    image, _ = grid
    for rows, columns in ((1, 1), (2, 7), (3, 17)):
        file = picture(panels([[Panel(image, "a 5")] * columns] * rows, "Fives"))
        opened = Image.open(io.BytesIO(file))
        pixels = np.asarray(opened.convert("RGB"), dtype=int)
        for panel in json.loads(opened.info["Description"])["panels"]:
            ink = (255 * image.numpy()).round()
            assert np.abs(compare_pictures._cells(pixels, panel)[..., 0] - ink).max() <= 1, (rows, columns)


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
def test_each_of_22_maps_is_caught_if_it_changes(change, grid, sheet, stored):
    """Each on the scale that it shares with the others, on which some are weak."""
    _, maps = grid
    found = differences(stored, with_maps(sheet, torch.stack([change(one) for one in maps])))
    assert {line.partition(":")[0] for line in found} >= {f"panel {k}" for k in range(1, 23)}


def test_a_map_that_is_weak_on_its_scale_is_caught_if_it_vanishes(grid):
    """Too weak to show a colour: its range of values gives it away."""
    _, maps = grid
    weak = 1e-3 * maps[3] / maps[3].abs().max()
    before, after = (picture(panels([small(Panel(one, "", "signed"))], "", limit=1.0)) for one in (weak, 0 * weak))
    assert len(differences(before, after)) == 1 and "the values" in differences(before, after)[0]


def test_one_value_that_the_eye_can_tell_is_caught(grid, sheet, stored):
    """Its map's range does not change: the colour alone gives it away."""
    _, maps = grid
    wrong = maps.clone()
    row, column = divmod(int(maps[8].abs().argmin()), 28)
    wrong[8, row, column] += 0.2 * signed_limit(maps)
    wrong[8, row, (column + 1) % 28] -= 0.2 * signed_limit(maps)
    found = differences(stored, with_maps(sheet, wrong))
    assert len(found) == 1 and re.match(r"panel 9: [12] of 784 values have another colour", found[0])


def test_two_maps_in_each_others_place_are_caught(grid, sheet, stored):
    _, maps = grid
    found = differences(stored, with_maps(sheet, maps[[0, 1, 2, 3, 5, 4, *range(6, 22)]]))
    assert {line.partition(":")[0] for line in found} == {"panel 5", "panel 6"}


def test_another_image_of_the_same_digit_is_caught(grid, stored, test_set):
    images, labels = test_set
    other = seen(images[torch.nonzero(labels == 5)[0, 0]])
    found = differences(stored, picture(drawn(*other)))
    assert {line.partition(":")[0] for line in found} >= {f"panel {k}" for k in range(23)}


def test_a_changed_scale_is_caught(grid, stored):
    image, maps = grid
    found = differences(stored, picture(drawn(image, maps, limit=1.02 * signed_limit(maps))))
    assert sum("the scale" in line for line in found) == 23, "22 maps and their colour bar"


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


def reverse_the_bar(figure):
    (bar,) = (mesh for axes in figure.axes for mesh in axes.collections if isinstance(mesh, QuadMesh))
    bar.set_cmap(bar.get_cmap().reversed())


def stretch_the_bar(figure):
    (bar,) = (mesh for axes in figure.axes for mesh in axes.collections if isinstance(mesh, QuadMesh))
    bar.set_norm(Normalize(1.01 * bar.norm.vmin, 1.01 * bar.norm.vmax))


def exchange_two_panels(figure):
    one, other = figure.axes[3:5]
    places = one.get_position(), other.get_position()
    one.set_position(places[1])
    other.set_position(places[0])


IN_THE_FIGURE = {
    "upside down": lambda figure: [axes.invert_yaxis() for axes in figure.axes if axes.images],
    "mirrored": lambda figure: [axes.invert_xaxis() for axes in figure.axes if axes.images],
    "labels in white": lambda figure: [axes.title.set_color("white") for axes in figure.axes],
    "the bar the other way round": reverse_the_bar,
    "a bar of another scale": stretch_the_bar,
    "two panels in each other's place": exchange_two_panels,
}


@pytest.mark.parametrize("change", IN_THE_FIGURE.values(), ids=IN_THE_FIGURE)
def test_a_change_to_what_is_drawn_around_the_values_is_caught(change, sheet_file, stored):
    other = pickle.loads(sheet_file)
    change(other)
    assert differences(stored, picture(other))


def test_numbers_in_the_wrong_cells_are_caught():
    """Drawn in the same order, at other places."""
    table = torch.arange(9.0).view(3, 3)
    figure = number_tables([("table", table)], "Numbers")
    before = picture(number_tables([("table", table)], "Numbers"))
    numbers = [text for text in figure.axes[0].texts if text.get_text().isdigit()]
    places = [text.get_position() for text in numbers]
    for text, k in zip(numbers, (0, 3, 6, 1, 4, 7, 2, 5, 8), strict=True):
        text.set_position(places[k])
    assert any("the text '1' is centred" in line for line in differences(before, picture(figure)))


def test_a_dot_that_does_not_show_is_caught(one_of_each):
    figure = KINDS["dots"]()
    figure.axes[1].collections[0].set_alpha(0)
    found = differences(one_of_each[1]["dots"], picture(figure))
    assert found and all(line.startswith("panel 1: ") for line in found)


def test_a_line_that_turns_by_a_degree_is_caught():
    def line(angle):
        with plt.rc_context(plotting.STYLE):
            figure, axes = plt.subplots(figsize=(2, 2))
            x, y = np.cos(np.radians(angle)), np.sin(np.radians(angle))
            axes.plot([-x, x], [-y, y])
            axes.set(xlim=(-1, 1), ylim=(-1, 1))
        return picture(figure)

    assert differences(line(45), line(45)) == []
    assert any("line 0" in text for text in differences(line(45), line(46)))


def test_other_colours_are_caught(grid, stored, monkeypatch):
    monkeypatch.setattr(plotting, "COLOURS", plotting.COLOURS | {"signed": "RdBu"})
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
    assert differences(before, after) == ["there are 4 panels, not 5"], "with the colour bar"


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
            return learning_curves(
                [2 / (1 + k) for k in range(60)], [0.9, 0.96, 0.97], "Curves"
            ), "line 1 goes through y"


@pytest.mark.parametrize("name", KINDS)
def test_a_change_in_each_kind_of_figure_is_caught(name, one_of_each):
    figure, said = change_of_kind(name)
    found = differences(one_of_each[1][name], picture(figure))
    assert any(said in line for line in found), found


def test_a_picture_without_a_description_is_caught(stored):
    bare = io.BytesIO()
    Image.open(io.BytesIO(stored)).save(bare, format="png")
    assert differences(stored, bare.getvalue()) == ["the new picture has no description of itself"]
    assert differences(bare.getvalue(), stored) == ["the stored picture has no description of itself"]


# --- animations -----------------------------------------------------------------------------------------------------


def animation(*files):
    """An animated PNG of the PNG `files`, with the description of the first; shown by what knows no animation, too."""
    frames = [Image.open(io.BytesIO(file)) for file in files]
    described = PngInfo()
    described.add_text("Description", frames[0].info["Description"])
    file = io.BytesIO()
    frames[0].save(file, "PNG", save_all=True, append_images=frames[1:], duration=500, pnginfo=described)
    return file.getvalue()


def test_an_animation_is_compared_picture_by_picture():
    first, second, third, other = (
        picture(panels([small(Panel(torch.eye(8) * value))], "Eye")) for value in (1, 0.5, 0.25, 0.4)
    )
    film = animation(first, second, third)
    assert differences(film, animation(first, second, third)) == []
    assert "picture 2 in turn, panel 0: 8 of 64 values" in differences(film, animation(first, second, other))[0]
    assert differences(film, animation(first, second)) == ["there are 2 pictures in turn, not 3"]
    assert differences(film, first) == ["there are 1 pictures in turn, not 3"]


# --- what a failure leaves ------------------------------------------------------------------------------------------


def test_the_expected_the_actual_and_the_difference_are_left(tmp_path):
    one, other = (picture(panels([small(Panel(torch.eye(4) * value))], "Eye")) for value in (1.0, 0.5))
    leave(tmp_path / "new", "eye", one, other)
    assert (tmp_path / "new" / "eye-expected.png").read_bytes() == one
    assert (tmp_path / "new" / "eye-actual.png").read_bytes() == other
    difference = np.asarray(Image.open(tmp_path / "new" / "eye-difference.png"))
    changed = np.asarray(Image.open(io.BytesIO(one)))[..., 0] != np.asarray(Image.open(io.BytesIO(other)))[..., 0]
    assert changed.any() and ((difference == 255) == changed).all()


def test_the_difference_of_pictures_of_two_sizes_can_be_drawn(tmp_path):
    one, other = (picture(panels([[Panel(torch.eye(4))] * n], "Eye")) for n in (4, 5))
    leave(tmp_path, "eye", one, other)
    tall = max(len(plt.imread(io.BytesIO(file))) for file in (one, other))
    assert len(plt.imread(tmp_path / "eye-difference.png")) == tall


# --- the pictures of this project -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def kept():
    """For each figure that a notebook keeps, the PNG files that the cell shows which names it."""
    found = {}
    for path in NOTEBOOKS:
        for cell in code_cells(nbformat.read(path, as_version=4)):
            for name in re.findall(r"\bname=\"([^\"]+)\"", cell.source):
                found.setdefault(name, []).extend(file for file, _ in pictures_of(cell.outputs))
    return found


@pytest.mark.parametrize("path", FIGURES, ids=lambda path: path.stem)
def test_each_file_in_figures_is_a_picture_of_the_cell_that_names_it(path, kept):
    """The cell's pictures are drawn again when the notebooks are tested; so no file here can be out of date."""
    assert kept.get(path.stem), f"no notebook keeps a figure of the name {path.stem}: delete it"
    picture = path.read_bytes()
    assert picture in kept[path.stem] or min((differences(file, picture) for file in kept[path.stem]), key=len) == []


def test_every_figure_that_a_notebook_names_is_there(kept):
    assert kept.keys() - {path.stem for path in FIGURES} == set()
