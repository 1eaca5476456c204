"""The notebooks of this project, as they are stored."""

from pathlib import Path

import nbformat

_FOLDER = Path(__file__).resolve().parents[1] / "notebooks"

# The four numbered ones first, then those of going_further.
NOTEBOOKS = sorted(path for path in _FOLDER.rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts)


def code_cells(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]
