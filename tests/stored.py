"""The notebooks of this project, as they are stored."""

from pathlib import Path

import nbformat

_FOLDER = Path(__file__).resolve().parents[1] / "notebooks"


def is_left_by_a_tool(path: Path) -> bool:
    """In a folder such as .ipynb_checkpoints, where JupyterLab keeps a copy of each file that it saves."""
    return any(part.startswith((".", "__")) for part in path.relative_to(_FOLDER.parent).parts)


# The four numbered ones first, then those of going_further, then the solutions to the exercises of each.
NOTEBOOKS = sorted(path for path in _FOLDER.rglob("*.ipynb") if not is_left_by_a_tool(path))
SOLUTIONS = [path for path in NOTEBOOKS if path.parent.name == "solutions"]
SERIES = [path for path in NOTEBOOKS if path not in SOLUTIONS]


def code_cells(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def markdown_cells(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "markdown"]
