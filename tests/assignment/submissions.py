"""Made submissions: right ones, each of the ten known mistakes, and what goes wrong with a class of students."""

import re
from pathlib import Path

import nbformat
from nbformat.notebooknode import NotebookNode
from nbformat.v4 import new_code_cell

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "assignment" / "source" / "inside_lenet5"
SOLUTIONS = Path(__file__).with_name("solutions")

PARTS = [
    *("build_cnn", "look_inside", "train"),
    *("unpool", "rectify", "filter_back", "keep_alone", "project"),
    *("choose", "visualise", "shades", "grids"),
]


def solution(name: str) -> dict[str, str]:
    """The code of each part in `solutions/name.py`."""
    _, *pieces = re.split(r"^# %% (\w+)\n", (SOLUTIONS / f"{name}.py").read_text(encoding="utf-8"), flags=re.MULTILINE)
    parts = dict(zip(pieces[::2], pieces[1::2], strict=True))
    assert list(parts) == PARTS
    return parts


def fill(template: NotebookNode, code: dict[str, str]) -> NotebookNode:
    """The template with `code` in the gaps of the parts that it names."""
    notebook = nbformat.from_dict(template)
    for part, source in code.items():
        cell_named(notebook, f"{part}_solution").source = source
    return notebook


def cell_named(notebook: NotebookNode, name: str) -> NotebookNode:
    return next(cell for cell in notebook.cells if cell.metadata.get("nbgrader", {}).get("grade_id") == name)


# (the part that loses points, the part that is changed, what in the solution, into what): the ten of the gallery.
MISTAKES = {
    "1 not flipped": ("filter_back", "conv.weight,", "conv.weight.flip(2, 3),"),
    "2 transposed": ("filter_back", "conv.weight,", "conv.weight.mT,"),
    "3 wrong padding": (
        "filter_back",
        "padding=conv.padding",
        "padding=conv.padding[0] + 1",
    ),
    "3 no padding": ("filter_back", "padding=conv.padding", "padding=0"),
    "4 cast without scaling": ("shades", "(maps / scale * 127 + 128).round().byte()", "maps.int().byte()"),
    "5 own scale": (
        "shades",
        "    scale = maps.abs().max()\n    return (maps / scale * 127 + 128).round().byte()",
        "    low, high = maps.amin((1, 2), keepdim=True), maps.amax((1, 2), keepdim=True)\n"
        "    return ((maps - low) / (high - low).clamp(min=1e-9) * 255).byte()",
    ),
    "6 not rectified": ("rectify", "F.relu(signal)", "signal"),
    "6 rectified after": (
        "project",
        "        x = rectify(x)\n        x = filter_back(x, conv)",
        "        x = filter_back(x, conv)\n        x = rectify(x)",
    ),
    "7 upsampled": (
        "unpool",
        "    return flat.view(n, c, *size)",
        "    return F.interpolate(signal, size=tuple(size))",
    ),
    "7 other switches": ("project", "unpool(x, where, size)", "unpool(x, where[:1].expand_as(where), size)"),
    "8 others not zeroed": ("keep_alone", "mask = torch.zeros(", "mask = torch.ones("),
    "8 zeroed again": (
        "project",
        "        x = filter_back(x, conv)",
        "        x = filter_back(x, conv)\n        x = keep_alone(x, 0) if x.shape[1] > 1 else x",
    ),
    "9 misread": ("choose", "(predictions == labels) & ", ""),
    "10 biases added": (
        "filter_back",
        "conv_transpose2d(signal,",
        "conv_transpose2d(signal + conv.bias[:, None, None],",
    ),
}


def mistaken(code: dict[str, str], name: str) -> tuple[str, dict[str, str]]:
    """The part in which the mistake `name` is, and `code` with it."""
    part, right, wrong = MISTAKES[name]
    assert code[part].count(right) == 1
    return part, code | {part: code[part].replace(right, wrong)}


def with_cell(notebook: NotebookNode, source: str, at: int) -> NotebookNode:
    notebook = nbformat.from_dict(notebook)
    notebook.cells.insert(at, new_code_cell(source))
    return notebook
