"""notebooks/conftest.py at work: a small notebook whose stored pictures are right, wrong, and not compared."""

import base64
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

ROOT = Path(__file__).resolve().parents[1]

DRAW = """import matplotlib.pyplot as plt
from IPython.display import Image, display

from helpers.pictures import png

def draw(values, style="default"):
    with plt.style.context(style):
        figure, axes = plt.subplots(figsize=(2, 2))
        axes.imshow(values, vmin=0, vmax=1)
        plt.close(figure)
        return png(figure)
"""


def cell(values, alt="a square", tags=()):
    """A cell that draws a white square, whose stored picture shows `values`."""
    names = {}
    exec(DRAW, names)
    picture = base64.b64encode(names["draw"](values)).decode()
    data = {"image/png": picture, "text/plain": "<IPython.core.display.Image object>"}
    output = new_output("display_data", data=data, metadata={"image/png": {"alt": alt}})
    source = 'display(Image(draw([[1, 1], [1, 1]]), alt="a square"))'
    return new_code_cell(source, outputs=[output], execution_count=2, metadata={"tags": list(tags)})


WHITE, SPOTTED = [[1, 1], [1, 1]], [[1, 1], [1, 0]]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The outcome of each cell of a notebook in a folder, what pytest printed, and the project."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "notebooks" / "deeper").mkdir(parents=True)
    shutil.copy(ROOT / "notebooks" / "conftest.py", folder / "notebooks")
    none, heedless = cell(WHITE), cell(WHITE)
    none.outputs = []
    heedless.source = 'display(Image(draw([[1, 1], [1, 1]], style=[]), alt="a square"))'
    cells = [
        new_code_cell(DRAW, execution_count=1),
        cell(WHITE),
        cell(SPOTTED),
        cell(WHITE, alt="a circle"),
        cell(SPOTTED, tags=["varies-by-processor"]),
        none,
        heedless,
    ]
    nbformat.write(new_notebook(cells=cells), folder / "notebooks" / "deeper" / "small.ipynb")
    (folder / "pytest.ini").write_text("[pytest]\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--nbval-lax", "--nbval-current-env", "-v", "--color=no", "notebooks"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "tests")))},
        capture_output=True,
        text=True,
    )
    outcomes = dict(re.findall(r"Cell (\d+) (PASSED|FAILED)", done.stdout))
    return outcomes, done.stdout, folder


def test_the_right_picture_passes_and_the_wrong_ones_fail(run):
    outcomes, printed, _ = run
    assert list(outcomes.values())[:6] == ["PASSED", "PASSED", "FAILED", "FAILED", "PASSED", "FAILED"], printed


def test_a_cell_that_draws_under_the_settings_of_the_reader_fails(run):
    outcomes, printed, _ = run
    assert list(outcomes.values())[6:] == ["FAILED"], printed


def test_a_failure_says_what_differs_and_where_to_look(run):
    _, printed, _ = run
    assert (
        "picture 0: panel 0: the values (smallest, largest, mean) are [1.0, 1.0, 1.0], not [0.0, 1.0, 0.75]" in printed
    )
    assert "look at build/differences/deeper-small-cell-2-0-(expected|actual|difference).png" in printed
    assert "the alternative text is 'a square', not 'a circle'" in printed
    assert "the cell draws 1 pictures; 0 are stored" in printed
    assert "if this is wanted: make accept" in printed


def test_a_failure_leaves_three_pictures(run):
    _, _, folder = run
    kinds = ("actual", "difference", "expected")
    left = sorted(path.name for path in (folder / "build" / "differences").iterdir())
    assert left == [f"deeper-small-cell-2-0-{kind}.png" for kind in kinds]
    pixels = [plt.imread(folder / "build" / "differences" / name) for name in left]
    assert all(image.shape[:2] == pixels[0].shape[:2] for image in pixels)
