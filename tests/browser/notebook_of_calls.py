"""Write a notebook that shows explorers, one in a cell, and nothing else."""

from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_notebook


def write_notebook(path: Path, beginning: str, cells: list[str]) -> None:
    """`beginning` is the first cell, and makes what the other cells name."""
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    written = [new_code_cell(source.strip()) for source in (beginning, *cells)]
    nbformat.write(new_notebook(cells=written, metadata=metadata), path)
