"""Tensors that can't be drawn, and figures that can't be kept."""

import matplotlib.pyplot as plt
import pytest
import torch

from helpers.plotting import (
    Panel,
    architecture,
    confusion_matrix,
    learning_curves,
    map_grid,
    mosaic,
    number_tables,
    panels,
    show,
    signed_limit,
)

SQUARE = torch.zeros(4, 4)


def draw(*cells, **options):
    return lambda: panels([cells], "title", **options)


# what goes wrong: (how, the error, a piece of its message)
CASES = {
    "no panel": (draw(None), ValueError, "rows hold no panel; panels needs at least one"),
    "no row": (lambda: panels([], "title"), ValueError, "rows hold no panel"),
    "a mosaic of one row": (
        lambda: mosaic(torch.zeros(9, 4, 4)),
        ValueError,
        r"tiles of the shape \(9, 4, 4\): needed are 4 dimensions",
    ),
    "a unit of ink": (
        draw(Panel(SQUARE), units={"ink": "grey"}),
        ValueError,
        "units for ink; only signed and activation have a colour bar",
    ),
    "an array": (draw(Panel(SQUARE.numpy())), TypeError, "pixels of the type ndarray: a tensor of numbers is needed"),
    "a batch": (
        draw(Panel(SQUARE[None])),
        ValueError,
        r"^pixels of the shape \(1, 4, 4\): needed are \(H, W\), or \(3, H, W\) in colour$",
    ),
    "colours behind": (draw(Panel(torch.zeros(4, 4, 3))), ValueError, r"pixels of the shape \(4, 4, 3\): needed are"),
    "a batch in colour": (draw(Panel(torch.zeros(1, 3, 4, 4))), ValueError, r"of the shape \(1, 3, 4, 4\): needed are"),
    "an activation in colour": (
        draw(Panel(torch.zeros(3, 4, 4), kind="activation")),
        ValueError,
        "^an activation in colour: only 'ink' and 'signed' have red, green and blue$",
    ),
    "gaps in one colour alone": (
        draw(Panel(torch.stack([mosaic(torch.ones(2, 2, 3, 3)), *torch.ones(2, 7, 7)]))),
        ValueError,
        "pixels with NaN or infinity",
    ),
    "dots beyond a picture in colour": (
        draw(Panel(torch.zeros(3, 4, 5), dots=torch.tensor([[4], [0]]))),
        ValueError,
        r"dots reach out of a panel of \(4, 5\)",
    ),
    "tiles of two colours": (
        lambda: mosaic(torch.zeros(2, 2, 2, 4, 4)),
        ValueError,
        r"tiles of the shape \(2, 2, 2, 4, 4\): needed are 4 dimensions",
    ),
    "no pixel": (draw(Panel(SQUARE[:0])), ValueError, r"pixels of the shape \(0, 4\): needed are at least one value"),
    "pixels that are no number": (draw(Panel(SQUARE / 0)), ValueError, "pixels with NaN or infinity: only finite"),
    "infinite pixels": (draw(Panel(1 / SQUARE)), ValueError, "pixels with NaN or infinity"),
    "one row that is no number": (
        draw(Panel(torch.cat([torch.ones(3, 4), SQUARE[:1] / 0]))),
        ValueError,
        "pixels with NaN or infinity",
    ),
    "rows that are no number, as no mosaic has them": (
        draw(Panel(torch.stack([SQUARE[0], SQUARE[0] / 0, *SQUARE, SQUARE[0] / 0, *SQUARE]))),
        ValueError,
        "pixels with NaN or infinity",
    ),
    "a mosaic with one more pixel that is no number": (
        draw(
            Panel(
                mosaic(torch.ones(2, 2, 3, 3)).index_put_((torch.tensor(1), torch.tensor(1)), torch.tensor(1) / 0 * 0)
            )
        ),
        ValueError,
        "pixels with NaN or infinity",
    ),
    "an activation below zero in a mosaic": (
        draw(Panel(mosaic(-torch.ones(2, 2, 3, 3)), kind="activation")),
        ValueError,
        "an activation of -1: it is drawn from zero",
    ),
    "complex pixels": (draw(Panel(SQUARE + 1j)), TypeError, "pixels of the type torch.complex64: a tensor of num"),
    "tensors in place of panels": (
        draw(SQUARE),
        TypeError,
        r"a row holds a Tensor; panels needs Panel\(tensor\)s, or None",
    ),
    "an unknown kind": (
        draw(Panel(SQUARE, kind="weights")),
        ValueError,
        "kind is 'weights'; it must be one of ink, signed, activation",
    ),
    "dots as pairs": (
        draw(Panel(SQUARE, dots=torch.zeros(5, 2))),
        ValueError,
        r"dots of the shape \(5, 2\): needed are \(2, K\)",
    ),
    "dots that are no tensor": (draw(Panel(SQUARE, dots=[[1], [2]])), TypeError, "dots of the type list"),
    "a dot below the panel": (
        draw(Panel(SQUARE, dots=torch.tensor([[0, 4], [0, 0]]))),
        ValueError,
        r"dots reach out of a panel of \(4, 4\): \[\[0, 4\], \[0, 0\]\]",
    ),
    "a dot left of the panel": (
        draw(Panel(SQUARE, dots=torch.tensor([[0], [-1]]))),
        ValueError,
        r"dots reach out of a panel of \(4, 4\)",
    ),
    "an activation below zero": (
        draw(Panel(SQUARE - 0.5, kind="activation")),
        ValueError,
        "an activation of -0.5: it is drawn from zero; 'signed' goes below",
    ),
    "a mask in place of pixels": (draw(Panel(SQUARE > 0)), TypeError, "pixels of the type torch.bool: a tensor of num"),
    "panels without rows": (
        lambda: panels([Panel(SQUARE)], "title"),
        TypeError,
        r"a row is a Panel; panels needs rows of panels, such as \[\[one, other\]\]",
    ),
    "maps that are not in pixels": (
        lambda: map_grid(SQUARE, torch.zeros(3, 2, 2), "title"),
        ValueError,
        r"maps of the shape \(3, 2, 2\) beside an image of \(4, 4\): are they pixels\?",
    ),
    "a grid without columns": (
        lambda: map_grid(SQUARE, torch.zeros(3, 4, 4), "title", columns=0),
        ValueError,
        "columns is 0; map_grid needs at least one",
    ),
    "a label too many": (
        draw(Panel(SQUARE), row_labels=["one", "two"]),
        ValueError,
        "2 row labels for 1 rows; panels needs as many of each",
    ),
    "a limit of zero": (draw(Panel(SQUARE), limit=0.0), ValueError, "limit is 0.0; it must be above zero and finite"),
    "an infinite limit": (draw(Panel(SQUARE), limit=float("inf")), ValueError, "limit is inf; it must be above zero"),
    "a limit that is no number": (draw(Panel(SQUARE), limit=float("nan")), ValueError, "limit is nan"),
    "maps with their channel": (
        lambda: map_grid(SQUARE, torch.zeros(3, 1, 4, 4), "title"),
        ValueError,
        r"maps of the shape \(3, 1, 4, 4\): needed are 3 dimensions",
    ),
    "image with its channel": (
        lambda: map_grid(SQUARE[None], torch.zeros(3, 4, 4), "title"),
        ValueError,
        r"image of the shape \(1, 4, 4\): needed are 2 dimensions",
    ),
    "a scale of nothing": (
        lambda: signed_limit(SQUARE[:0]),
        ValueError,
        r"values of the shape \(0, 4\): needed are at least one",
    ),
    "a scale of no numbers": (lambda: signed_limit(SQUARE / 0), ValueError, "values with NaN or infinity"),
    "a scale of a list": (lambda: signed_limit([1.0]), TypeError, "values of the type list: a tensor"),
    "no table": (lambda: number_tables([], "title"), ValueError, "there is no table; number_tables needs at least one"),
    "a table of one row": (
        lambda: number_tables([("row", torch.zeros(3))], "title"),
        ValueError,
        r"values of 'row' of the shape \(3,\): needed are 2 dimensions",
    ),
    "a mask too few": (
        lambda: number_tables([("a", SQUARE), ("b", SQUARE)], "title", [None]),
        ValueError,
        "1 masks for 2 tables; number_tables needs as many of each",
    ),
    "a mask of another size": (
        lambda: number_tables([("a", SQUARE)], "title", [SQUARE[:2] > 0]),
        ValueError,
        r"the mask of 'a' has the shape \(2, 4\), not \(4, 4\)",
    ),
    "a mask that is no tensor": (
        lambda: number_tables([("a", SQUARE)], "title", [[[True] * 4] * 4]),
        TypeError,
        "the mask of 'a' is list; number_tables needs a tensor",
    ),
    "no stage": (lambda: architecture([], "title"), ValueError, r"the stages have the shapes \[\]; architecture needs"),
    "a stage of two dimensions": (
        lambda: architecture([("", (1, 28, 28)), ("flatten", (28, 28))], "title"),
        ValueError,
        r"shapes \[\(1, 28, 28\), \(28, 28\)\]; architecture needs \(C, H, W\) or \(n,\)",
    ),
    "a training that was too short": (
        lambda: learning_curves([1.0] * 19, [0.5], "title"),
        ValueError,
        "19 losses and 1 accuracies; learning_curves needs at least 20 losses",
    ),
    "a training that was not tested": (
        lambda: learning_curves([1.0] * 20, [], "title"),
        ValueError,
        "20 losses and 0 accuracies; .* and one accuracy",
    ),
    "a training that went wrong": (
        lambda: learning_curves([float("nan")] * 20, [0.1], "title"),
        ValueError,
        "losses or accuracies with NaN or infinity",
    ),
    "shares in place of counts": (
        lambda: confusion_matrix(SQUARE, "title"),
        TypeError,
        "counts are torch.float32; .* integers",
    ),
    "a mask in place of counts": (lambda: confusion_matrix(SQUARE > 0, "title"), TypeError, "counts are torch.bool"),
    "complex counts": (lambda: confusion_matrix(SQUARE + 1j, "title"), TypeError, "counts are torch.complex64"),
    "counts that are not square": (
        lambda: confusion_matrix(torch.zeros(2, 3, dtype=torch.int64), "title"),
        ValueError,
        r"counts have the shape \(2, 3\); confusion_matrix needs \(n, n\)",
    ),
    "no alternative text": (
        lambda: show(panels([[Panel(SQUARE)]], "title"), " "),
        ValueError,
        "the alternative text is empty; say in words",
    ),
    "None as alternative text": (
        lambda: show(panels([[Panel(SQUARE)]], "title"), None),
        ValueError,
        "the alternative text is empty; say in words",
    ),
    "a tensor in place of a figure": (
        lambda: show(SQUARE, "a square"),
        TypeError,
        "figure is torch.float32; show needs a matplotlib figure, such as panels gives",
    ),
    "a figure and its axes": (lambda: show((None, None), "a square"), TypeError, "figure is tuple; show needs"),
    "a figure without a name": (
        lambda: show(panels([[Panel(SQUARE)]], "title"), "a square", ""),
        ValueError,
        "name is ''; it must be that of a file",
    ),
    "a figure out of its folder": (
        lambda: show(panels([[Panel(SQUARE)]], "title"), "a square", "../square"),
        ValueError,
        "name is '../square'; it must be that of a file in figures/, without a folder",
    ),
}


@pytest.mark.parametrize(("run", "error", "message"), CASES.values(), ids=CASES)
def test_bad_input_is_named(run, error, message):
    with pytest.raises(error, match=message):
        run()


@pytest.fixture(autouse=True)
def no_figure_stays_open():
    yield
    plt.close("all")
