"""Tensors in, matplotlib figures out. Knows no model.

Whatever settings of matplotlib a reader has, every figure of this project is made under `STYLE` and comes out the same;
a reader's own figures are drawn under the reader's settings.

Every picture follows the same rules. Ink is grey, 0 black and 1 white. What is signed is drawn from blue through grey,
which is exactly zero, to yellow; as the map grows lighter from end to end, it keeps its meaning in a greyscale print.
All signed panels of a figure share one symmetric scale, and all activations one that starts at zero: both are shown.
Images in colour are drawn as they are. What is signed and has three channels is drawn in colour around mid-grey, which
is exactly zero: each channel darker below, lighter above.
"""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from IPython.display import Image, display
from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import FancyArrowPatch, Rectangle
from matplotlib.transforms import Bbox
from torch import Tensor

from helpers.checks import kind_of
from helpers.files import output_folder, write_atomically
from helpers.pictures import png

FIGURES = Path(__file__).resolve().parents[1] / "figures"
# In figures/ stand the pictures of these weights, and of what hangs on none.
_SHOWN_WEIGHTS = "lenet5"

WIDTH = 9.0  # inches: about the width of a notebook
DPI = 150
BLUE, GREY, YELLOW = "#0a2f8a", "#949494", "#ffee58"
# An odd number of colours, so that one of them is the middle.
SIGNED = LinearSegmentedColormap.from_list("signed", [BLUE, GREY, YELLOW], N=257)
# Of how many colours matplotlib's maps are made is a setting that is read when it is imported.
COLOURS = {
    "ink": plt.get_cmap("gray").resampled(256),
    "signed": SIGNED,
    "activation": plt.get_cmap("inferno").resampled(256),
}
GREYS = plt.get_cmap("Greys").resampled(256)
# What a channel of a signed picture in colour is drawn as. Its middle is #808080.
CHANNEL = LinearSegmentedColormap.from_list("channel", ["#000000", "#808080", "#ffffff"], N=257)
UNITS = {"signed": "value (grey is 0)", "activation": "activation"}

# What matplotlib counts among its settings and is none of a picture: windows, keys, kinds of files.
_NOT_OF_A_PICTURE = (
    *("animation.", "backend", "date.epoch", "docstring.", "figure.max_open_warning", "figure.raise_window"),
    *("interactive", "keymap.", "macosx.", "pdf.", "pgf.", "ps.", "savefig.directory", "svg.", "timezone", "tk."),
    *("toolbar", "webagg."),
)
# All settings of a picture as matplotlib comes with them.
DEFAULTS = {name: value for name, value in mpl.rcParamsDefault.items() if not name.startswith(_NOT_OF_A_PICTURE)}
# The same, with this project's. A figure that is made `with plt.rc_context(STYLE)` is also drawn as it was meant.
STYLE = DEFAULTS | {
    "font.size": 9,
    "axes.titlesize": 9,
    "figure.titlesize": 12,
    "figure.dpi": DPI,
    "figure.hooks": [f"{__name__}:_keep_from_settings"],
}


def _keep_from_settings(figure: Figure) -> None:
    """Have `figure` drawn the same under any settings: ticks are made, and fonts found, only when it is drawn.

    matplotlib calls this for every new figure while `STYLE` holds.
    """
    # On the figure itself, as pyplot makes figures of a class that readers choose.
    figure.draw = partial(_draw_under_defaults, figure.draw)  # type: ignore[method-assign]


def _draw_under_defaults(draw: Callable[[RendererBase], None], renderer: RendererBase) -> None:
    # Not under STYLE: the numbers at an axis and at a colour bar have matplotlib's own size.
    with plt.rc_context(DEFAULTS):
        draw(renderer)


@dataclass(frozen=True)
class Panel:
    """One small picture: `pixels` `(H, W)`, or `(3, H, W)` in colour, what stands above it, and what its values are.

    The pixels may be of any kind of numbers, on any device, and part of a graph, as weights are.

    Attributes:
        kind: `"ink"` for images from 0 to 1, `"signed"` for weights and reconstructions, `"activation"` for what is
            zero or more, which has no colour.
        dots: positions `(2, K)`, rows and columns, to be marked on the picture.
    """

    pixels: Tensor
    label: str = ""
    kind: Literal["ink", "signed", "activation"] = "ink"
    dots: Tensor | None = None


def plain(values: Tensor) -> Tensor:
    """`values` as numpy and matplotlib can read them: on the CPU, out of any graph, in single or double precision."""
    values = values.detach().cpu().resolve_neg()
    return values if values.dtype in (torch.float32, torch.float64) else values.double()


def signed_limit(values: Tensor) -> float:
    """The end of a symmetric scale in which 99.5 % of `values`, of any shape, lie. Never zero.

    Raises:
        TypeError: the values are no tensor of real numbers.
        ValueError: there are no values, or not all are finite.
    """
    # torch.quantile stops at 16 million values.
    magnitudes = _checked(values, "values").abs().numpy()
    return float(np.quantile(magnitudes, 0.995)) or float(magnitudes.max()) or 1.0


def panels(
    rows: Sequence[Sequence[Panel | None]],
    title: str,
    *,
    row_labels: Sequence[str] = (),
    limit: float | None = None,
    units: Mapping[str, str] = UNITS,
) -> Figure:
    """Rows of small pictures, with one scale for each kind of value in them.

    Args:
        rows: the panels; None leaves a place free. The gaps of a `mosaic` are left as paper.
        title: what to see.
        row_labels: what stands to the left of each row.
        limit: the end of the signed scale. Without it, 99.5 % of all signed pixels lie within; the pointed ends of the
            colour bar say that a few lie beyond.
        units: what stands at the colour bar of the signed panels and of the activations, for what is called otherwise.

    Raises:
        TypeError: a row is no sequence of panels, or the pixels of one are no tensor of real numbers.
        ValueError: they are neither `(H, W)` nor `(3, H, W)`, or not finite, a panel is of an unknown kind, is an
            activation below zero or in colour, or has dots that are not `(2, K)` within it; there is no panel, there
            are not as many row labels as rows, the limit is not positive, or a unit is for a kind without a colour bar.
    """
    if any(isinstance(row, Panel) for row in rows):
        raise TypeError("a row is a Panel; panels needs rows of panels, such as [[one, other]]")
    rows = [[panel if panel is None else _checked_panel(panel) for panel in row] for row in rows]
    drawn = [panel for row in rows for panel in row if panel is not None]
    if not drawn:
        raise ValueError("rows hold no panel; panels needs at least one")
    if row_labels and len(row_labels) != len(rows):
        raise ValueError(f"{len(row_labels)} row labels for {len(rows)} rows; panels needs as many of each")
    if limit is not None and not 0 < limit < float("inf"):
        raise ValueError(f"limit is {limit}; it must be above zero and finite")
    if unknown := units.keys() - UNITS.keys():
        raise ValueError(f"units for {', '.join(sorted(unknown))}; only {' and '.join(UNITS)} have a colour bar")
    units = {**UNITS, **units}
    columns = max(map(len, rows))
    norms = {"ink": Normalize(0, 1)}
    # for each: the kind, the colours, the label, and which ends are pointed
    bars: list[tuple[str, Colormap, str, str]] = []
    if signed := [panel for panel in drawn if panel.kind == "signed"]:
        values = torch.cat([_values(panel) for panel in signed])
        end = limit or signed_limit(values)
        norms["signed"] = Normalize(-end, end)
        extend = "both" if float(values.abs().max()) > end else "neither"
        for dimensions, colours, of_what in ((2, SIGNED, ""), (3, CHANNEL, "red, green, blue: ")):
            if any(panel.pixels.dim() == dimensions for panel in signed):
                bars.append(("signed", colours, of_what + units["signed"], extend))
    if activations := [_values(panel) for panel in drawn if panel.kind == "activation"]:
        norms["activation"] = Normalize(0, float(torch.cat(activations).max()) or 1.0)
        bars.append(("activation", COLOURS["activation"], units["activation"], "neither"))
    with plt.rc_context(STYLE):
        cell = (WIDTH - 0.7 * len(bars) - (0.9 if row_labels else 0)) / columns
        text = max(0.05, 0.19 * max(len(panel.label.splitlines()) for panel in drawn))
        height = len(rows) * (cell + text) + 0.25 * (title.count("\n") + 1) + 0.2
        figure = plt.figure(figsize=(WIDTH, height))
        figure.set_layout_engine("constrained", w_pad=0.02, h_pad=0.03, wspace=0.02, hspace=0.0)
        figure.suptitle(title)
        axes = figure.subplots(len(rows), columns, squeeze=False)
        for place in axes.flat:
            place.set_axis_off()
            # Without this, the layout measures the labels of axes that are off: a quarter of the time.
            place.xaxis.set_visible(False)
            place.yaxis.set_visible(False)
        for i, row in enumerate(rows):
            for place, panel in zip(axes[i], row, strict=False):
                if panel is not None:
                    _draw(place, panel, norms[panel.kind])
            if row_labels:
                axes[i, 0].text(-0.12, 0.5, row_labels[i], transform=axes[i, 0].transAxes, ha="right", va="center")
        for kind, shades, name, extend in bars:
            mappable = ScalarMappable(norms[kind], shades)
            figure.colorbar(mappable, ax=axes, label=name, aspect=30, fraction=0.04, pad=0.03, extend=extend)
    return figure


def _checked_panel(panel: Panel) -> Panel:
    """`panel` with plain pixels and dots.

    Raises:
        TypeError, ValueError: as `panels`.
    """
    if not isinstance(panel, Panel):
        raise TypeError(f"a row holds a {type(panel).__name__}; panels needs Panel(tensor)s, or None")
    panel = replace(panel, pixels=_checked(panel.pixels, "pixels", gaps=True))
    shape = tuple(panel.pixels.shape)
    if len(shape) != 2 and (len(shape) != 3 or shape[0] != 3):
        raise ValueError(f"pixels of the shape {shape}: needed are (H, W), or (3, H, W) in colour")
    if panel.kind not in COLOURS:
        raise ValueError(f"kind is {panel.kind!r}; it must be one of {', '.join(COLOURS)}")
    if panel.kind == "activation" and len(shape) == 3:
        raise ValueError("an activation in colour: only 'ink' and 'signed' have red, green and blue")
    if panel.kind == "activation" and (lowest := float(_values(panel).min())) < 0:
        raise ValueError(f"an activation of {lowest:g}: it is drawn from zero; 'signed' goes below")
    if panel.dots is not None:
        dots = _checked(panel.dots, "dots", dimensions=2)
        if len(dots) != 2:
            raise ValueError(f"dots of the shape {tuple(dots.shape)}: needed are (2, K), rows and columns")
        ends = torch.tensor(shape[-2:])[:, None]
        if not ((dots >= 0) & (dots < ends)).all():
            raise ValueError(f"dots reach out of a panel of {shape[-2:]}: {panel.dots.tolist()}")
        panel = replace(panel, dots=dots)
    return panel


def _values(panel: Panel) -> Tensor:
    """The pixels `(n,)` of a checked panel, without the gaps of a mosaic."""
    return panel.pixels[~panel.pixels.isnan()]


def _checked(values: Tensor, name: str, dimensions: int | None = None, *, gaps: bool = False) -> Tensor:
    """`values`, plain, if they can be drawn; with `gaps`, NaN may stand where a mosaic has it.

    Raises:
        TypeError: they are no tensor of real numbers.
        ValueError: there are none, of another number of dimensions, or not all are finite.
    """
    if not isinstance(values, Tensor) or values.dtype == torch.bool or values.is_complex():
        raise TypeError(f"{name} of the type {kind_of(values)}: a tensor of numbers is needed")
    if values.numel() == 0 or (dimensions is not None and values.dim() != dimensions):
        wanted = "at least one value" if dimensions is None else f"{dimensions} dimensions, none of them 0"
        raise ValueError(f"{name} of the shape {tuple(values.shape)}: needed are {wanted}")
    values = plain(values)
    if not values.isfinite().all() and not (gaps and _is_mosaic(values)):
        raise ValueError(f"{name} with NaN or infinity: only finite numbers can be drawn")
    return values


def _is_mosaic(pixels: Tensor) -> bool:
    """Whether `pixels` `(..., H, W)` are finite but for NaN in each line between tiles of one size, and in no other."""
    channels = pixels.isnan().flatten(0, -3) if pixels.dim() > 2 else pixels.isnan()[None]
    nan = channels[0]
    lines = []
    for dim, length in enumerate(nan.shape):
        whole = nan.all(dim=1 - dim)
        tile = int(whole.int().argmax()) if whole.any() else length
        if tile == 0 or (length + 1) % (tile + 1):
            return False
        lines.append(torch.arange(length) % (tile + 1) == tile)
    return bool((channels == (lines[0][:, None] | lines[1])).all()) and not pixels.isinf().any()


def _draw(axes: Axes, panel: Panel, norm: Normalize) -> None:
    pixels = panel.pixels.numpy() if panel.pixels.dim() == 2 else _in_colour(panel.pixels, norm)
    axes.imshow(pixels, cmap=COLOURS[panel.kind], norm=norm, interpolation="nearest")
    axes.set_title(panel.label, pad=3)
    if panel.dots is not None:
        axes.scatter(panel.dots[1], panel.dots[0], s=9, c="white", edgecolors="black", linewidths=0.5)


def _in_colour(pixels: Tensor, norm: Normalize) -> np.ndarray:
    """`pixels` `(3, H, W)` as bytes `(H, W, 4)`, for which matplotlib has no scale; gaps can be looked through."""
    bytes = np.round(255 * np.clip(norm(pixels.permute(1, 2, 0).numpy()), 0, 1))
    opaque = np.isfinite(bytes).all(axis=2, keepdims=True)
    return np.concatenate([np.where(opaque, bytes, 0), 255 * opaque], axis=2).astype(np.uint8)


def frame(figure: Figure, *blocks: tuple[int, int]) -> Figure:
    """`figure`, made by `panels`, with a line around each block of its panels.

    Args:
        blocks: of each, the numbers of its first and its last place; places are counted row by row, free ones as well.

    Raises:
        ValueError: there is no such place.
    """
    places = [place for place in figure.axes if place.get_subplotspec() is not None]
    margin = 0.006
    with plt.rc_context(STYLE):
        layout = figure.get_layout_engine()
        assert isinstance(layout, ConstrainedLayoutEngine)  # as panels makes it
        layout.set(rect=(margin, margin, 1 - 2 * margin, 1 - 2 * margin))  # room for lines at the border
        figure.draw_without_rendering()  # only then it is known where they stand
        renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
        for first, last in blocks:
            if not 0 <= first <= last < len(places):
                raise ValueError(f"a block from place {first} to {last}; the places are 0 to {len(places) - 1}")
            head, foot = places[first].get_tightbbox(renderer), places[last].get_window_extent(renderer)
            box = Bbox.union([foot] if head is None else [head, foot]).padded(0.035 * figure.dpi)
            box = figure.transFigure.inverted().transform_bbox(box)
            line = Rectangle(box.p0, box.width, box.height, fill=False, edgecolor="black", linewidth=0.8)
            figure.add_artist(line)
    return figure


def map_grid(image: Tensor, maps: Tensor, title: str, columns: int = 6) -> Figure:
    """An image `(H, W)` beside the reconstructions `(K, H, W)` of its K feature maps, on one shared scale.

    Raises:
        TypeError: the image or the maps are no tensor.
        ValueError: they have another shape, or hold NaN or infinity, or there is no column.
    """
    image = _checked(image, "image", dimensions=2)
    maps = _checked(maps, "maps", dimensions=3)
    if maps.shape[1:] != image.shape:
        raise ValueError(
            f"maps of the shape {tuple(maps.shape)} beside an image of {tuple(image.shape)}: are they pixels?"
        )
    if columns < 1:
        raise ValueError(f"columns is {columns}; map_grid needs at least one")
    cells = [Panel(image, "input"), *(Panel(one, f"map {k}", "signed") for k, one in enumerate(maps))]
    return panels([cells[i : i + columns] for i in range(0, len(cells), columns)], title)


def mosaic(tiles: Tensor, gap: float = float("nan")) -> Tensor:
    """Tiles `(R, C, h, w)`, or `(R, C, 3, h, w)` in colour, as one picture, with a line of `gap` between neighbours.

    Many small axes take long to lay out; one picture of many tiles does not.

    Returns:
        `(R * (h + 1) - 1, C * (w + 1) - 1)`, with a 3 in front in colour; in single or double precision, on the CPU.
        Where it is NaN, a `Panel` and matplotlib's `imshow` leave the paper as it is.

    Raises:
        TypeError: the tiles are no tensor of real numbers.
        ValueError: they have another shape, or hold NaN or infinity.
    """
    in_colour = isinstance(tiles, Tensor) and tiles.dim() == 5 and tiles.shape[2] == 3
    framed = F.pad(_checked(tiles, "tiles", dimensions=5 if in_colour else 4), (0, 1, 0, 1), value=gap)
    return framed.movedim(1, -2).flatten(-2).movedim(0, -3).flatten(-3, -2)[..., :-1, :-1]


def number_tables(
    tables: Sequence[tuple[str, Tensor]], title: str, marked: Sequence[Tensor | None] | None = None
) -> Figure:
    """Small matrices side by side, as numbers, all with cells of one size.

    Args:
        tables: label and values `(H, W)` of each.
        title: what to see.
        marked: for each table, None or a `(H, W)` mask of the cells to be coloured.

    Raises:
        TypeError: a table or a mask is no tensor.
        ValueError: there is no table, one is not `(H, W)` or not finite, or its mask has another shape.
    """
    if not tables:
        raise ValueError("there is no table; number_tables needs at least one")
    masks = [None] * len(tables) if marked is None else marked
    if len(masks) != len(tables):
        raise ValueError(f"{len(masks)} masks for {len(tables)} tables; number_tables needs as many of each")
    tables = [(label, _checked(values, f"values of {label!r}", dimensions=2)) for label, values in tables]
    for (label, values), mask in zip(tables, masks, strict=True):
        if mask is not None and not isinstance(mask, Tensor):
            raise TypeError(f"the mask of {label!r} is {kind_of(mask)}; number_tables needs a tensor")
        if mask is not None and mask.shape != values.shape:
            raise ValueError(f"the mask of {label!r} has the shape {tuple(mask.shape)}, not {tuple(values.shape)}")
    gap = 1.2
    columns = sum(values.shape[1] + gap for _, values in tables) - gap
    rows = max(values.shape[0] for _, values in tables)
    cell = min(0.42, WIDTH / (columns + 1))
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(WIDTH, (rows + 1) * cell + 0.4), layout="constrained")
        figure.suptitle(title)
        axes.set_axis_off()
        margin = (WIDTH / cell - columns) / 2
        axes.set(xlim=(-margin, columns + margin), ylim=(rows + 0.1, -0.9), aspect="equal")
        left = 0.0
        for (label, values), mask in zip(tables, masks, strict=True):
            axes.text(left + values.shape[1] / 2, -0.25, label, ha="center", va="bottom")
            for row, column in np.ndindex(*values.shape):
                on = mask is not None and bool(mask[row, column])
                corner = (left + column, row)
                axes.add_patch(Rectangle(corner, 1, 1, facecolor=YELLOW if on else "white", edgecolor="black", lw=0.8))
                value = f"{float(values[row, column]) + 0.0:g}".replace("-", "−")
                middle = (left + column + 0.5, row + 0.5)
                axes.text(*middle, value, ha="center", va="center", weight="bold" if on else None)
            left += values.shape[1] + gap
    return figure


def architecture(stages: Sequence[tuple[str, Sequence[int]]], title: str) -> Figure:
    """A network as a row of boxes.

    Args:
        stages: for each tensor on the way, the operation that leads to it and its shape: `(C, H, W)` or `(n,)`.
        title: what to see.

    Raises:
        ValueError: there is no stage, or one has another shape.
    """
    if not stages or not all(len(shape) in (1, 3) and min(shape) > 0 for _, shape in stages):
        shapes = [tuple(shape) for _, shape in stages]
        raise ValueError(f"the stages have the shapes {shapes}; architecture needs (C, H, W) or (n,), and one at least")
    box = partial(Rectangle, edgecolor="black", linewidth=0.8)
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(WIDTH, 2.7), layout="constrained")
        figure.suptitle(title)
        axes.set_axis_off()
        left, previous = 0.0, None
        for operation, shape in stages:
            if len(shape) == 3:
                count, side, shift = shape[0], shape[1] / 28 * 3, 0.075
                for k in reversed(range(count)):
                    corner = (left + k * shift, k * shift - (side + count * shift) / 2)
                    axes.add_patch(box(corner, side, side, facecolor="white"))
                right = left + side + (count - 1) * shift
                size = f"{count} map{'s' if count > 1 else ''}\n{shape[1]}×{shape[2]}"
            else:
                height = shape[0] / 120 * 3
                axes.add_patch(box((left, -height / 2), 0.25, height, facecolor=GREY))
                right, size = left + 0.25, f"{shape[0]}"
            axes.text((left + right) / 2, -1.95, size, ha="center", va="top")
            if previous is not None:
                arrow = FancyArrowPatch((previous, 0), (left, 0), arrowstyle="-|>", mutation_scale=9, color="black")
                axes.add_patch(arrow)
                axes.text((previous + left) / 2, 1.85, operation, ha="center", va="bottom")
            previous, left = right, right + 1.75
        axes.set(xlim=(-0.2, right + 0.2), ylim=(-3.1, 2.9), aspect="equal")
    return figure


def learning_curves(
    losses: Sequence[float] | Tensor, accuracies: Sequence[float] | Tensor, title: str, window: int = 20
) -> Figure:
    """The loss a step, averaged over `window` steps, and the test accuracy after each epoch, in percent.

    Raises:
        ValueError: there are fewer losses than `window`, no accuracies, or not all are finite.
    """
    if not 0 < window <= len(losses) or len(accuracies) == 0:
        raise ValueError(
            f"{len(losses)} losses and {len(accuracies)} accuracies; learning_curves needs at least {window} losses "
            "(as many as window), and one accuracy"
        )
    # A loss that was not read by .item() is a tensor, and part of a graph.
    losses, accuracies = ([torch.as_tensor(one).item() for one in numbers] for numbers in (losses, accuracies))
    _checked(torch.tensor([*losses, *accuracies]), "losses or accuracies")
    with plt.rc_context(STYLE):
        figure, (left, right) = plt.subplots(1, 2, figsize=(WIDTH, 3), layout="constrained")
        figure.suptitle(title)
        smooth = np.convolve(losses, np.ones(window) / window, mode="valid")
        left.semilogy(np.arange(window, len(losses) + 1), smooth, color="black", linewidth=1)
        left.set(xlabel="step", ylabel=f"training loss (mean of {window} steps)")
        right.plot(range(1, len(accuracies) + 1), [100 * a for a in accuracies], "o-", color="black")
        right.set(xlabel="epoch", ylabel="test accuracy (%)", xticks=range(1, len(accuracies) + 1))
        for axes in (left, right):
            axes.grid(alpha=0.3)
            axes.spines[["top", "right"]].set_visible(False)
    return figure


def confusion_matrix(counts: Tensor, title: str) -> Figure:
    """`counts` `(n, n)`: rows are labels, columns predictions. The diagonal is pale: mistakes stand out.

    Raises:
        TypeError: `counts` is no tensor of integers.
        ValueError: it is not square.
    """
    if (
        not isinstance(counts, Tensor)
        or counts.dtype == torch.bool
        or counts.is_floating_point()
        or counts.is_complex()
    ):
        raise TypeError(f"counts are {kind_of(counts)}; confusion_matrix needs a tensor of integers")
    if counts.dim() != 2 or counts.shape[0] != counts.shape[1] or counts.numel() == 0:
        raise ValueError(f"counts have the shape {tuple(counts.shape)}; confusion_matrix needs (n, n)")
    counts = counts.cpu().long()
    mistakes = counts.clone().fill_diagonal_(0)
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(5.2, 4.8), layout="constrained")
        figure.suptitle(title)
        axes.imshow(mistakes.numpy(), cmap=GREYS, vmin=0, vmax=2 * max(1, int(mistakes.max())))
        for row in range(len(counts)):
            for column in range(len(counts)):
                colour = "0.45" if row == column else "black"
                count = str(int(counts[row, column]))
                axes.text(column, row, count, ha="center", va="center", color=colour)
        axes.set(xlabel="predicted digit", ylabel="true digit", xticks=range(len(counts)), yticks=range(len(counts)))
        axes.spines[:].set_visible(False)
    return figure


_weights = _SHOWN_WEIGHTS


def pictures_of(weights: str) -> None:
    """Say of which weights the pictures are that are kept from now on.

    Those of `"lenet5"` go to `figures/`, those of all others to `build/figures_of_` and their name: what you draw of a
    network of your own never takes the place of a picture that the text is about.

    Raises:
        ValueError: it is no name of weights.
    """
    global _weights
    if not isinstance(weights, str) or not weights or Path(weights).name != weights:
        raise ValueError(f"weights is {weights!r}; it must be a name such as 'my_lenet5', without a folder")
    _weights = weights


def figure_folder() -> Path:
    """Where pictures are kept: see `pictures_of`."""
    elsewhere = FIGURES.parent / "build" / f"figures_of_{_weights}"
    return output_folder(FIGURES if _weights == _SHOWN_WEIGHTS else elsewhere)


def show(figure: Figure, alt: str, name: str | None = None) -> None:
    """Display `figure` with the alternative text `alt`, close it, and keep it as `name.png` in `figures/`.

    In another folder, if `pictures_of` has named other weights.

    Raises:
        TypeError: `figure` is no figure.
        ValueError: there is no alternative text, or the name would leave the folder.
        OSError: the file can't be written; an older one stays.
    """
    display(as_image(figure, alt, name))


def as_image(figure: Figure, alt: str, name: str | None = None) -> Image:
    """What `show` displays; `figure` is closed, also if that fails, and kept.

    A file that already shows the same picture is left alone, as another processor may round a colour differently.

    Raises:
        TypeError, ValueError, OSError: as `show`.
    """
    if not isinstance(figure, Figure):
        raise TypeError(f"figure is {kind_of(figure)}; show needs a matplotlib figure, such as panels gives")
    try:
        if not (isinstance(alt, str) and alt.strip()):
            raise ValueError("the alternative text is empty; say in words what the picture shows")
        if name is not None and (not name or Path(name).name != name):
            raise ValueError(f"name is {name!r}; it must be that of a file in figures/, without a folder")
        figure.set_dpi(DPI)
        picture = png(figure)
    finally:
        plt.close(figure)
    if name is not None:
        folder = figure_folder()
        folder.mkdir(parents=True, exist_ok=True)  # it does not come with the assignment
        path = folder / f"{name.removesuffix('.png')}.png"
        if not (path.exists() and _look_alike(path.read_bytes(), picture)):
            write_atomically(path, picture)
    return Image(picture, format="png", width=round(100 * figure.get_figwidth()), alt=alt)


def _look_alike(one: bytes, other: bytes, tolerance: float = 8 / 255) -> bool:
    """Whether two PNG files have the same size and no pixel differs by more than the eye can see."""
    try:
        a, b = (plt.imread(io.BytesIO(file))[..., :3] for file in (one, other))
    except (OSError, SyntaxError, ValueError):
        return False
    return a.shape == b.shape and float(np.abs(a - b).max()) <= tolerance
