"""helpers.plotting: scales and colours that can be compared, and files that change only when the picture does."""

import copy
import hashlib
import io
import json
import os
import pickle
import subprocess
import sys
from functools import cache
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.collections import QuadMesh
from matplotlib.patches import Rectangle
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from helpers import plotting
from helpers.explorers import frames
from helpers.pictures import png
from helpers.plotting import (
    STYLE,
    Panel,
    architecture,
    as_image,
    confusion_matrix,
    frame,
    learning_curves,
    map_grid,
    mosaic,
    number_tables,
    panels,
    pictures_of,
    show,
    signed_limit,
)

KINDS = ("ink", "signed", "activation")


@pytest.fixture(autouse=True)
def no_figure_stays_open():
    yield
    plt.close("all")


def drawn(figure):
    """The pictures in the panels, in order."""
    return [image for axes in figure.axes for image in axes.images]


def scales(figure):
    return {(image.norm.vmin, image.norm.vmax) for image in drawn(figure)}


def bar_labels(figure):
    return [axes.get_ylabel() for axes in figure.axes if not axes.images and axes.get_ylabel()]


def signed(*magnitudes):
    return [Panel(torch.linspace(-m, m, 16).view(4, 4), kind="signed") for m in magnitudes]


# --- scales ---------------------------------------------------------------------------------------------------------


def test_all_signed_panels_share_one_symmetric_scale():
    figure = panels([signed(0.01, 1), signed(0.5, 0.2)], "title")
    ((low, high),) = scales(figure)
    assert low == -high < 0


def test_a_mosaic_keeps_each_tile_in_its_row_and_column_with_lines_between():
    tiles = torch.arange(2 * 3 * 2 * 4.0).view(2, 3, 2, 4)
    whole = mosaic(tiles, gap=-1)
    assert whole.shape == (5, 14)
    assert whole[:2, 5:9].equal(tiles[0, 1]) and whole[3:, 10:].equal(tiles[1, 2])
    assert (whole[2] == -1).all() and (whole[:, [4, 9]] == -1).all()
    assert mosaic(tiles).isnan().equal(whole == -1)


def test_a_colour_bar_names_what_it_measures():
    rows = [[*signed(1), Panel(torch.rand(4, 4), kind="activation")]]
    assert sorted(bar_labels(panels(rows, "title"))) == ["activation", "value (grey is 0)"]
    named = panels(rows, "title", units={"activation": "gain"})
    assert sorted(bar_labels(named)) == ["gain", "value (grey is 0)"]


@pytest.mark.parametrize("offset", [-3.0, 0.0, 3.0])
def test_the_signed_scale_is_symmetric_around_zero_also_when_the_values_are_not(offset):
    ((low, high),) = scales(panels([[Panel(torch.rand(4, 4) + offset, kind="signed")]], "title"))
    assert low == -high and high > 0


def test_all_but_a_few_signed_pixels_lie_within_the_scale():
    values = torch.randn(4, 100, 100, generator=torch.Generator().manual_seed(0))
    ((_, high),) = scales(panels([[Panel(v, kind="signed") for v in values]], "title"))
    assert 0.994 < (values.abs() <= high).double().mean() < 1


def test_a_given_limit_is_the_end_of_the_signed_scale():
    assert scales(panels([signed(0.1, 7)], "title", limit=2.5)) == {(-2.5, 2.5)}


def test_activations_share_a_scale_from_zero_to_their_largest():
    values = (torch.full((4, 4), 0.25), torch.full((4, 4), 8.0), torch.rand(4, 4))
    assert scales(panels([[Panel(v, kind="activation") for v in values]], "title")) == {(0, 8)}


def test_ink_is_drawn_from_zero_to_one_whatever_it_holds():
    values = (torch.full((4, 4), 0.5), torch.rand(4, 4) / 10)
    assert scales(panels([[Panel(v) for v in values]], "title")) == {(0, 1)}


def test_kinds_side_by_side_keep_their_own_scales():
    row = [Panel(torch.rand(4, 4)), *signed(100), Panel(torch.full((4, 4), 5.0), kind="activation")]
    ink, sign, activation = (image.norm for image in drawn(panels([row], "title")))
    assert (ink.vmin, ink.vmax) == (0, 1)
    assert sign.vmin == -sign.vmax and 90 < sign.vmax <= 100
    assert (activation.vmin, activation.vmax) == (0, 5)


@pytest.mark.parametrize(("kinds", "bars"), [(["ink"], 0), (["ink", "signed", "signed"], 1), (KINDS, 2)], ids=str)
def test_each_scale_but_that_of_ink_is_shown_once(kinds, bars):
    figure = panels([[Panel(torch.rand(4, 4), kind=kind) for kind in kinds]], "title")
    assert len(bar_labels(figure)) == bars


@pytest.mark.parametrize("kind", KINDS)
def test_values_of_zero_alone_can_be_drawn(kind):
    figure = panels([[Panel(torch.zeros(4, 4), kind=kind)]], "title")
    figure.canvas.draw()
    ((low, high),) = scales(figure)
    assert -float("inf") < low <= 0 < high < float("inf")


def test_a_signed_map_that_is_zero_almost_everywhere_is_scaled_by_what_is_not():
    pixels = torch.zeros(32, 32)
    pixels[5, 6] = -3
    assert scales(panels([[Panel(pixels, kind="signed")]], "title")) == {(-3, 3)}


def test_a_map_grid_has_the_input_and_every_map_on_one_scale():
    image, maps = torch.rand(8, 8), torch.randn(9, 8, 8)
    pictures = drawn(map_grid(image, maps, "title"))
    assert len(pictures) == 10
    for picture, pixels in zip(pictures, [image, *maps], strict=True):
        np.testing.assert_array_equal(picture.get_array(), pixels)
    assert len({(picture.norm.vmin, picture.norm.vmax) for picture in pictures[1:]}) == 1


# --- tensors as they come -------------------------------------------------------------------------------------------

gpu = pytest.param(
    lambda values: values.cuda(),
    id="on a GPU",
    marks=[
        pytest.mark.gpu,
        pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here that PyTorch can use"),
    ],
)
# The same whole numbers, not as matplotlib takes them.
AS_THEY_COME = [
    pytest.param(lambda values: torch.nn.Parameter(values.clone()), id="weights"),
    pytest.param(lambda values: 2 * values.clone().requires_grad_() / 2, id="part of a graph"),
    pytest.param(lambda values: values.bfloat16(), id="bfloat16"),
    pytest.param(lambda values: values.half(), id="half"),
    pytest.param(lambda values: values.double(), id="double"),
    pytest.param(lambda values: values.long(), id="integers"),
    pytest.param(lambda values: values.to(torch.int8), id="int8"),
    pytest.param(lambda values: torch.complex(values, -values).conj().imag, id="a view that negates"),
    gpu,
]


def contents(figure):
    """What stands in the figure: values, scales, dots and texts."""
    images = [np.ma.filled(image.get_array().astype(float), np.nan) for image in drawn(figure)]
    dots = [dot.get_offsets().data for axes in figure.axes if axes.images for dot in axes.collections]
    texts = [text.get_text() for axes in figure.axes for text in (axes.title, *axes.texts)]
    return images, sorted(scales(figure)), dots, texts


@pytest.mark.parametrize("give", AS_THEY_COME)
def test_tensors_of_any_kind_are_drawn(give):
    signed, ink, dots = torch.tensor([[-3.0, 0, 2], [1, 0, 5]]), torch.tensor([[0.0, 1, 1], [1, 0, 1]]), torch.eye(2)

    def draw(give):
        tiles = give(torch.stack([signed, ink])[None])
        row = [
            Panel(give(ink), dots=give(dots)),
            Panel(give(signed), kind="signed"),
            Panel(mosaic(tiles), "", "signed"),
        ]
        return (
            panels([[*row, Panel(give(4 * ink), "", "activation"), Panel(ink, "", "activation")]], "title"),
            map_grid(ink, give(torch.stack([signed, 2 * signed])), "title"),
            number_tables([("table", give(signed)), ("other", ink)], "title", [give(ink), None]),
        )

    for usual, other in zip(draw(lambda values: values), draw(give), strict=True):
        *numbers, texts = contents(other)
        *wanted, words = contents(usual)
        assert texts == words
        for some, expected in zip(numbers, wanted, strict=True):
            for one, right in zip(some, expected, strict=True):
                np.testing.assert_allclose(one, right, rtol=1e-6)


@pytest.mark.parametrize("give", AS_THEY_COME)
def test_values_of_any_kind_have_a_scale(give):
    values = torch.arange(-10.0, 100)
    assert signed_limit(give(values)) == pytest.approx(signed_limit(values))


@pytest.mark.parametrize("kind", [torch.uint8, torch.int16, torch.int64, torch.uint16])
def test_counts_of_any_integers_are_drawn(kind):
    counts = torch.tensor([[200, 3], [130, 90]])
    assert png(confusion_matrix(counts.to(kind), "title")) == png(confusion_matrix(counts, "title"))


def test_a_training_is_drawn_from_numbers_arrays_and_tensors():
    losses, accuracies = torch.linspace(2, 0.5, 30), torch.tensor([0.5, 0.75])
    usual = png(learning_curves(losses.tolist(), accuracies.tolist(), "title"))
    weight = torch.ones((), requires_grad=True)
    for some, few in (
        (losses, accuracies),
        (losses.numpy(), accuracies.numpy()),
        ([weight * loss for loss in losses], list(accuracies)),
    ):
        assert png(learning_curves(some, few, "title")) == usual


def test_integer_tiles_make_a_mosaic():
    tiles = torch.arange(8).view(2, 1, 2, 2)
    assert mosaic(tiles, gap=-1).tolist() == [[0, 1], [2, 3], [-1, -1], [4, 5], [6, 7]]
    assert mosaic(tiles).isnan().sum() == 2


def test_the_gaps_of_a_mosaic_are_paper_and_leave_the_scale_alone():
    tiles = torch.tensor([3.0, -2.0]).view(2, 1, 1, 1).expand(2, 2, 7, 7)
    for kind, end in (("signed", (-3, 3)), ("activation", (0, 3))):
        figure = panels([[Panel(mosaic(tiles.abs() if kind == "activation" else tiles), kind=kind)]], "")
        assert scales(figure) == {end}
        file = png(figure)
        (panel, _) = json.loads(Image.open(io.BytesIO(file)).info["Description"])["panels"]
        left, top, right, bottom = (round(side) for side in panel["box"])
        inside = (255 * plt.imread(io.BytesIO(file))[top:bottom, left:right]).round()
        middle = inside[len(inside) // 2], inside[:, len(inside[0]) // 2]
        assert all((line == 255).all() for line in middle)
        assert not (inside[len(inside) // 4, len(inside[0]) // 4] == 255).all()


def test_a_frame_stands_around_its_block_and_no_other(test_set):
    image = test_set[0][0, 0]
    figure = panels([[Panel(image, "one")] * 3 for _ in range(4)], "Twelve", limit=1.0)
    lines = [artist for artist in frame(figure, (0, 4), (6, 11)).get_children() if isinstance(artist, Rectangle)]
    upper, lower = (line for line in lines if line is not figure.patch)
    figure.draw_without_rendering()
    boxes = [place.get_position() for place in figure.axes[:12]]
    for line, inside in ((upper, {0, 1, 3, 4}), (lower, set(range(6, 12)))):
        around = line.get_bbox()
        for k, box in enumerate(boxes):
            corners = [around.contains(x, y) for x in (box.x0, box.x1) for y in (box.y0, box.y1)]
            assert all(corners) if k in inside else not any(corners), k
    assert upper.get_bbox().y0 > lower.get_bbox().y1
    assert all(0 < side < 1 for line in (upper, lower) for side in line.get_bbox().extents)


def test_a_frame_needs_a_block_of_the_figure(test_set):
    figure = panels([[Panel(test_set[0][0, 0])] * 3], "Three")
    for block in ((0, 3), (2, 1), (-1, 0)):
        with pytest.raises(ValueError, match="the places are 0 to 2"):
            frame(figure, block)


# --- colours --------------------------------------------------------------------------------------------------------


def test_an_image_in_colour_is_drawn_as_it_is():
    photo = torch.linspace(0, 1, 3 * 4 * 5).view(3, 4, 5)
    (image,) = drawn(panels([[Panel(photo)]], "title"))
    colours = image.get_array()
    assert colours.dtype == np.uint8 and (colours[..., 3] == 255).all()
    np.testing.assert_array_equal(colours[..., :3], (255 * photo).round().permute(1, 2, 0))


def test_what_is_signed_has_one_scale_in_colour_and_without():
    colour = torch.linspace(-3, 8, 18).view(3, 2, 3)
    figure = panels([[Panel(colour, kind="signed"), *signed(1), Panel(torch.rand(3, 2, 2))]], "title")
    end = signed_limit(torch.cat([colour.flatten(), torch.linspace(-1, 1, 16)]))
    assert scales(figure) == {(-end, end), (0, 1)}
    assert bar_labels(figure) == ["value (grey is 0)", "red, green, blue: value (grey is 0)"]
    assert bar_labels(panels([[Panel(colour, kind="signed")]], "")) == ["red, green, blue: value (grey is 0)"]
    assert bar_labels(panels([[Panel(torch.rand(3, 2, 2))]], "")) == []


@pytest.mark.parametrize("limit", [4, 1e-6, 12345])
def test_a_channel_of_zero_is_exactly_mid_grey(limit):
    values = torch.tensor([-2.0, -1, -0.5, 0, 0.5, 1, 2]) * limit
    red, grey = torch.stack([values, 0 * values, 0 * values])[:, None], torch.zeros(3, 1, 7)
    figure = panels([[Panel(red, kind="signed"), Panel(grey, kind="signed")]], "title", limit=limit)
    colours, neutral = (image.get_array()[0, :, :3].data for image in drawn(figure))
    assert colours[:, 0].tolist() == [0, 0, 64, 128, 191, 255, 255]
    assert (colours[:, 1:] == 128).all() and (neutral == 128).all()
    (bar,) = [bar for axes in figure.axes for bar in axes.collections if isinstance(bar, QuadMesh)]
    assert [round(255 * one) for one in bar.cmap(bar.norm(0.0))[:3]] == [128] * 3


def test_a_mosaic_in_colour():
    tiles = torch.arange(2 * 3 * 3 * 4 * 5.0).view(2, 3, 3, 4, 5)
    together = mosaic(tiles, gap=-1)
    assert together.shape == (3, 9, 17)
    for channel, plane in enumerate(together):
        assert plane.equal(mosaic(tiles[:, :, channel], gap=-1))


def test_the_gaps_of_a_mosaic_in_colour_are_paper():
    figure = panels(
        [[Panel(mosaic(torch.tensor([3.0, -1, 0]).view(3, 1, 1).expand(2, 2, 3, 7, 7)), kind="signed")]], ""
    )
    file = png(figure)
    (panel, _) = json.loads(Image.open(io.BytesIO(file)).info["Description"])["panels"]
    assert panel["shape"] == [15, 15] and panel["scale"] == [-3, 3]
    # Bytes are steps of 6 / 255.
    assert panel["values"] == pytest.approx([-1, 3, 2 / 3], abs=6 / 255)
    left, top, right, bottom = (round(side) for side in panel["box"])
    inside = (255 * plt.imread(io.BytesIO(file))[top:bottom, left:right]).round()
    for line in (inside[len(inside) // 2], inside[:, len(inside[0]) // 2]):
        assert (line == 255).all()
    assert inside[len(inside) // 4, len(inside) // 4].tolist() == [255, 85, 128]


def grey(image, value):
    red, green, blue, _ = image.to_rgba(np.array([value]))[0]
    assert red == green == blue, f"{value} is ({red}, {green}, {blue})"
    return red


@pytest.mark.parametrize("magnitude", [1, 0.3, 1e-6, 12345])
def test_zero_is_exactly_the_neutral_grey(magnitude):
    (image,) = drawn(panels([signed(magnitude)], "title"))
    assert grey(image, 0.0) == int(plotting.GREY[1:3], 16) / 255


def test_pixels_of_zero_are_the_neutral_grey_in_the_file(monkeypatch):
    files = []
    monkeypatch.setattr(plotting, "display", files.append)
    show(panels([[Panel(torch.zeros(4, 4), kind="signed")]], ""), "a grey square")
    picture = plt.imread(io.BytesIO(files[0].data))
    height, width, _ = picture.shape
    neutral = int(plotting.GREY[1:3], 16)
    assert (255 * picture[height // 2, width // 3]).round().tolist() == [neutral] * 3


def test_signs_are_told_apart():
    """On either side of zero the colour leans to another hue, blue below and yellow above."""
    (image,) = drawn(panels([signed(1)], "title"))
    below, above = image.to_rgba(np.array([-0.5, 0.5]))[:, :3]
    assert below[2] > below[0] and above[0] > above[2]


def test_ink_is_black_at_zero_and_white_at_one():
    (image,) = drawn(panels([[Panel(torch.rand(4, 4))]], "title"))
    assert (grey(image, 0.0), grey(image, 1.0)) == (0, 1)


@pytest.mark.parametrize("kind", KINDS)
def test_colours_grow_lighter_from_end_to_end(kind):
    """Their luminance, by the weights and the curve of sRGB, so that a greyscale print keeps the order."""
    (image,) = drawn(panels([[Panel(torch.rand(4, 4), kind=kind)]], "title"))
    colours = image.cmap(np.arange(image.cmap.N))[:, :3]
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    luminance = linear @ (0.2126, 0.7152, 0.0722)
    assert (np.diff(luminance) > 0).all()
    assert luminance[-1] - luminance[0] > 0.7


# --- the settings of the reader -------------------------------------------------------------------------------------

HOSTILE = Path(__file__).with_name("hostile.matplotlibrc")


def ramp(low=0.0, side=6):
    return torch.linspace(low, 1, side * side).view(side, side)


def charts():
    """A figure as some cells of the notebooks make it."""
    with plt.rc_context(STYLE):
        figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3), layout="constrained")
        figure.suptitle("Two charts")
        left.plot([-2, 1, 3], label="rises")
        left.legend()
        right.bar([0, 1], [-1, 2], hatch="/")
        right.set(title="bars", xlabel="which")
    return figure


# One figure of each function that makes one.
FIGURES = {
    "panels": lambda: panels(
        [
            [Panel(ramp(), "ink"), Panel(ramp(-1), "signed", "signed"), None],
            [None, *[Panel(ramp(), "active", "activation", torch.tensor([[0, 4], [2, 1]]))] * 2],
        ],
        "Panels",
        row_labels=["one", "two"],
    ),
    "map_grid": lambda: map_grid(ramp(), torch.stack([ramp(-1), ramp(-3)]), "Maps"),
    "a mosaic": lambda: panels([[Panel(mosaic(ramp(-1, side=12).view(3, 4, 4, 3)), "tiles", "signed")]], "Mosaic"),
    "in colour": lambda: panels(
        [
            [
                Panel(torch.stack([ramp(), 1 - ramp(), ramp().T])),
                Panel(torch.stack([ramp(-1), -ramp(), ramp(-2).T]), "", "signed"),
            ]
        ],
        "In colour",
    ),
    "number_tables": lambda: number_tables(
        [("left", ramp(-1, 3)), ("right", ramp(0, 2))], "Tables", [ramp(0, 3) > 0.5, None]
    ),
    "architecture": lambda: architecture([("", (1, 28, 28)), ("conv", (6, 28, 28)), ("linear", (84,))], "A network"),
    "learning_curves": lambda: learning_curves([2 / (1 + k) for k in range(40)], [0.9, 0.95], "Curves"),
    "confusion_matrix": lambda: confusion_matrix(torch.arange(9).view(3, 3), "Counts"),
    "charts": charts,
}


@cache
def usual(name):
    """The picture under the settings that matplotlib comes with."""
    with plt.style.context("default"):
        return as_image(FIGURES[name](), name).data


@pytest.mark.parametrize("name", FIGURES)
def test_a_picture_is_the_same_under_any_settings_of_the_reader_which_stay_theirs(name):
    with plt.style.context("default"):
        made_before = FIGURES[name]()
    with plt.rc_context(fname=HOSTILE):
        settings = dict(plt.rcParams)
        assert as_image(FIGURES[name](), "made and shown").data == usual(name)
        assert as_image(made_before, "shown").data == usual(name)
        assert dict(plt.rcParams) == settings


@pytest.mark.parametrize("name", ["panels", "learning_curves", "confusion_matrix", "charts"])
def test_a_figure_that_is_not_given_to_show_is_the_same_too(name):
    """Jupyter draws it, or a reader saves it: what is looked up only then is the project's."""

    def pixels():
        figure = FIGURES[name]()
        figure.canvas.draw()
        return np.asarray(figure.canvas.buffer_rgba())

    with plt.style.context("default"):
        expected = pixels()
    with plt.rc_context(fname=HOSTILE):
        assert (pixels() == expected).all()


def test_a_matplotlibrc_changes_no_picture():
    """Some settings are read once, when matplotlib is imported: `image.lut` for the number of colours of a map."""
    script = (
        "import hashlib, json, matplotlib; matplotlib.use('Agg'); from test_plotting import FIGURES, as_image, frames\n"
        "told = {name: hashlib.sha256(as_image(draw(), name).data).hexdigest() for name, draw in FIGURES.items()}\n"
        "told |= {kind: hashlib.sha256(palette).hexdigest() for kind, palette in frames.PALETTES.items()}\n"
        "print(json.dumps([matplotlib.rcParams['image.lut'], told]))"
    )
    root = HOSTILE.parents[1]
    path = os.pathsep.join(map(str, (root, root / "tests")))
    environment = os.environ | {"MATPLOTLIBRC": str(HOSTILE), "PYTHONPATH": path}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    read, told = json.loads(done.stdout)
    assert read == 8, "the file was not read"
    here = {name: usual(name) for name in FIGURES} | frames.PALETTES
    assert told == {name: hashlib.sha256(content).hexdigest() for name, content in here.items()}


def test_a_figure_of_the_readers_own_stays_theirs():
    """Its ticks are made when it is drawn: white, on the black that it was given."""

    def own():
        figure, axes = plt.subplots(figsize=(3, 2))
        axes.imshow([[0, 1], [2, 3]])
        return figure

    with plt.style.context(["default", "dark_background"]):
        picture = as_image(own(), "a figure of mine").data
        figure = own()
        figure.set_dpi(plotting.DPI)
        assert picture == png(figure)
    colours = {tuple(pixel) for row in (255 * plt.imread(io.BytesIO(picture))).round().astype(int) for pixel in row}
    assert {(0, 0, 0), (255, 255, 255)} <= colours


def test_a_figure_can_be_pickled_and_copied():
    figure = FIGURES["panels"]()
    others = pickle.loads(pickle.dumps(figure)), copy.deepcopy(figure)
    usual = png(figure)
    for other in others:
        with plt.rc_context(fname=HOSTILE):
            assert png(other) == usual


# --- show -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def figures(tmp_path, monkeypatch):
    """The folder that stands for figures/."""
    monkeypatch.setattr(plotting, "FIGURES", tmp_path)
    return tmp_path


@pytest.fixture
def displayed(monkeypatch):
    """What is displayed: `(png, metadata)` of each."""
    pictures = []

    def display(image):
        content, metadata = image._repr_mimebundle_()
        assert set(content) == {"image/png"}
        pictures.append((image.data, metadata["image/png"]))

    monkeypatch.setattr(plotting, "display", display)
    return pictures


def small_figure(changed=0.0):
    values = torch.linspace(-1, 1, 64).view(8, 8)
    values[2, 5] += changed
    return panels([[Panel(values, kind="signed")]], "title", limit=1.0)


def make_old(path):
    os.utime(path, (0, 0))


def was_left_alone(path):
    return path.stat().st_mtime == 0


def with_pixel_changed(png, levels):
    """The PNG file `png` with one pixel of its map changed by so many of 255 levels."""
    picture = plt.imread(io.BytesIO(png)).copy()
    row, column = picture.shape[0] // 2, picture.shape[1] // 3
    picture[row, column, 0] += levels / 255 * (1 if picture[row, column, 0] < 0.5 else -1)
    buffer = io.BytesIO()
    plt.imsave(buffer, picture, origin="upper")
    assert buffer.getvalue() != png
    return buffer.getvalue()


def test_show_writes_the_file_that_it_displays_with_its_alternative_text(figures, displayed):
    show(small_figure(), "a diagonal ramp", "ramp")
    ((png, metadata),) = displayed
    assert metadata["alt"] == "a diagonal ramp"
    assert (figures / "ramp.png").read_bytes() == png
    assert png.startswith(b"\x89PNG")
    assert os.listdir(figures) == ["ramp.png"]


BROKEN = {
    "no alternative text": {"alt": " "},
    "None as alternative text": {"alt": None},
    "a name with a folder": {"alt": "a ramp", "name": "../ramp"},
    "an unwritable file": {"alt": "a ramp", "name": "ramp"},
    "a formula that can't be drawn": {"alt": "a ramp", "title": r"$\\nothing$"},
}


@pytest.mark.parametrize("given", BROKEN.values(), ids=BROKEN)
def test_no_figure_stays_open_if_it_cannot_be_shown(given, figures, displayed):
    (figures / "ramp.png").mkdir()
    figure = small_figure()
    figure.suptitle(given.get("title", ""))
    with pytest.raises((OSError, ValueError)):
        show(figure, given["alt"], given.get("name"))
    assert plt.get_fignums() == [] == displayed


def test_show_is_at_150_dots_an_inch(figures, displayed):
    show(small_figure(), "a ramp", "ramp")
    assert plt.imread(figures / "ramp.png").shape[1] == 9 * 150


def test_a_file_is_smaller_than_pillow_makes_it(test_set):
    """Notebooks hold these files and may have 1.5 MB; their pixels and their description are the same."""
    file = png(
        panels([[Panel(image[0], "digit") for image in test_set[0][k : k + 8]] for k in (0, 8)], "Sixteen digits")
    )
    image = Image.open(io.BytesIO(file))
    described, usual = PngInfo(), io.BytesIO()
    described.add_text("Description", image.info["Description"])
    image.save(usual, "PNG", optimize=True, pnginfo=described)
    assert len(file) < 0.97 * len(usual.getvalue())


def test_show_without_a_name_writes_nothing(figures, displayed):
    show(small_figure(), "a ramp")
    assert len(displayed) == 1 and os.listdir(figures) == []


def test_pictures_of_other_weights_leave_those_of_the_text_alone(tmp_path, displayed, monkeypatch):
    """A run on a network of one's own wrote over figures/."""
    monkeypatch.delenv("INSIDE_LENET5_OUTPUT", raising=False)
    monkeypatch.setattr(plotting, "FIGURES", tmp_path / "figures")
    monkeypatch.setattr(plotting, "_weights", "lenet5")
    drawn = {}
    for weights, folder in (("lenet5", "figures"), ("my_lenet5", "build/figures_of_my_lenet5"), ("lenet5", "figures")):
        pictures_of(weights)
        show(plt.figure(facecolor="white" if weights == "lenet5" else "black"), "a picture", "01_maps")
        drawn[weights] = tmp_path / folder / "01_maps.png"
    assert sorted(path for path in tmp_path.rglob("*.png")) == sorted(drawn.values())
    assert drawn["lenet5"].read_bytes() == displayed[0][0] == displayed[2][0] != displayed[1][0]


def test_where_the_environment_says_pictures_of_other_weights_are_apart_as_well(tmp_path, displayed, monkeypatch):
    """From there, those in figures/ take the place of this project's."""
    monkeypatch.setenv("INSIDE_LENET5_OUTPUT", str(tmp_path))
    monkeypatch.setattr(plotting, "_weights", "lenet5")
    pictures_of("my_lenet5")
    show(plt.figure(), "a picture", "01_maps")
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.png")] == [
        "figures_of_my_lenet5/01_maps.png"
    ]


@pytest.mark.parametrize("weights", ["", "../elsewhere", "a/b", None, 5])
def test_pictures_are_of_weights_that_have_a_name(weights):
    with pytest.raises(ValueError, match="must be a name such as 'my_lenet5'"):
        pictures_of(weights)


def test_show_makes_the_folder_if_there_is_none(tmp_path, displayed, monkeypatch):
    """What students get has no figures/."""
    monkeypatch.setattr(plotting, "FIGURES", tmp_path / "course" / "figures")
    monkeypatch.delenv("INSIDE_LENET5_OUTPUT", raising=False)
    show(small_figure(), "a ramp")
    assert os.listdir(tmp_path) == []
    show(small_figure(), "a ramp", "ramp")
    assert (tmp_path / "course" / "figures" / "ramp.png").read_bytes() == displayed[1][0]
    assert os.listdir(tmp_path / "course" / "figures") == ["ramp.png"]


def test_a_name_may_have_its_ending(figures, displayed):
    show(small_figure(), "a ramp", "ramp.png")
    assert os.listdir(figures) == ["ramp.png"]


def test_show_closes_the_figure(figures, displayed):
    figure = small_figure()
    assert plt.fignum_exists(figure.number)
    show(figure, "a ramp", "ramp")
    assert not plt.fignum_exists(figure.number)


def test_the_same_picture_leaves_the_file_alone(figures, displayed):
    show(small_figure(), "a ramp", "ramp")
    make_old(figures / "ramp.png")
    before = (figures / "ramp.png").read_bytes()
    show(small_figure(), "a ramp", "ramp")
    assert was_left_alone(figures / "ramp.png") and (figures / "ramp.png").read_bytes() == before


def test_a_colour_that_another_processor_rounds_differently_leaves_the_file_alone(figures, displayed):
    show(small_figure(), "a ramp", "ramp")
    rounded = with_pixel_changed((figures / "ramp.png").read_bytes(), levels=2)
    (figures / "ramp.png").write_bytes(rounded)
    make_old(figures / "ramp.png")
    show(small_figure(), "a ramp", "ramp")
    assert was_left_alone(figures / "ramp.png") and (figures / "ramp.png").read_bytes() == rounded


def test_one_pixel_that_the_eye_can_see_replaces_the_file(figures, displayed):
    show(small_figure(), "a ramp", "ramp")
    (figures / "ramp.png").write_bytes(with_pixel_changed((figures / "ramp.png").read_bytes(), levels=30))
    show(small_figure(), "a ramp", "ramp")
    assert (figures / "ramp.png").read_bytes() == displayed[1][0]


def test_one_changed_value_in_a_map_replaces_the_file(figures, displayed):
    show(small_figure(), "a ramp", "ramp")
    before = (figures / "ramp.png").read_bytes()
    show(small_figure(changed=0.3), "a ramp", "ramp")
    assert (figures / "ramp.png").read_bytes() == displayed[1][0] != before


@pytest.mark.parametrize("old", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n"], ids=["empty", "a text", "cut off"])
def test_a_damaged_file_is_replaced(old, figures, displayed):
    (figures / "ramp.png").write_bytes(old)
    show(small_figure(), "a ramp", "ramp")
    assert (figures / "ramp.png").read_bytes() == displayed[0][0]


def test_a_picture_of_another_size_replaces_the_file(figures, displayed):
    show(panels([signed(1), signed(1)], "title"), "a ramp", "ramp")
    show(small_figure(), "a ramp", "ramp")
    assert (figures / "ramp.png").read_bytes() == displayed[1][0]


def test_a_write_that_fails_leaves_the_old_file(figures, displayed, monkeypatch):
    show(small_figure(), "a ramp", "ramp")
    before = (figures / "ramp.png").read_bytes()

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        show(small_figure(changed=0.3), "a ramp", "ramp")
    assert (figures / "ramp.png").read_bytes() == before
    assert os.listdir(figures) == ["ramp.png"]
