"""Execute the notebooks in order, with a progress bar, and say which figures they drew.

The executed copies go to build/notebooks/; with --in-place they take the place of the notebooks
themselves.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from tqdm import tqdm

from helpers.files import write_atomically

NOTEBOOKS = Path(__file__).resolve().parent
FIGURES = NOTEBOOKS.parent / "figures"
BUILD = NOTEBOOKS.parent / "build" / "notebooks"


def execute(path: Path) -> nbformat.NotebookNode:
    """The notebook at `path`, executed from its first cell to its last."""
    notebook = nbformat.read(path, as_version=4)
    cells = sum(cell.cell_type == "code" for cell in notebook.cells)
    with tqdm(total=cells, desc=path.stem, unit="cell", file=sys.stdout, ncols=100) as bar:
        # The folder is an empty one, so that a notebook that counts on its own folder fails here.
        with tempfile.TemporaryDirectory() as elsewhere:
            NotebookClient(
                notebook,
                timeout=600,
                kernel_name="python3",
                resources={"metadata": {"path": elsewhere}},
                coalesce_streams=True,
                # As it starts, a kernel warns about its transport.
                extra_arguments=["--log-level=ERROR"],
                on_cell_executed=lambda **_: bar.update(),
            ).execute()
    for cell in notebook.cells:
        # When and how long a cell ran is news of one machine.
        cell.metadata.pop("execution", None)
    return notebook


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--in-place", action="store_true", help="replace the notebooks by their executed copies"
    )
    target = NOTEBOOKS if parser.parse_args().in_place else BUILD
    target.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    paths = sorted(NOTEBOOKS.glob("0*.ipynb"))
    for path in paths:
        try:
            executed = execute(path)
        except CellExecutionError as error:
            sys.exit(f"\n{path.name} stopped at an error:\n\n{error}")
        write_atomically(target / path.name, (nbformat.writes(executed) + "\n").encode())
    figures = sorted(FIGURES.glob("*.png"))
    seconds = time.perf_counter() - start
    print(
        f"\n{len(paths)} notebooks executed in {seconds:.0f} s; the executed copies are in {target}"
    )
    print(f"{len(figures)} figures are in {FIGURES}:")
    for figure in figures:
        print(f"    {figure.name}")


if __name__ == "__main__":
    main()
