"""Execute notebooks in order, with a progress bar, and say which figures they keep.

Without names these are the four numbered ones. The executed copies go to build/notebooks/. With
--in-place they take the place of the notebooks themselves, and the figures that they drew that of
their figures in figures/, once all have run.
"""

import argparse
import os
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
        # A widget is gone with its kernel. Its still picture stays.
        for output in cell.get("outputs", []):
            output.get("data", {}).pop("application/vnd.jupyter.widget-view+json", None)
    notebook.metadata.pop("widgets", None)
    return notebook


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--in-place", action="store_true", help="replace the notebooks by their executed copies"
    )
    parser.add_argument("notebooks", nargs="*", type=notebook, help="which, if not 01 to 04")
    given = parser.parse_args()
    start = time.perf_counter()
    paths = given.notebooks or sorted(NOTEBOOKS.glob("0*.ipynb"))
    target = NOTEBOOKS if given.in_place else BUILD
    with tempfile.TemporaryDirectory() as output:
        if given.in_place:
            os.environ["INSIDE_LENET5_OUTPUT"] = output
        executed = {}
        for path in paths:
            try:
                text = nbformat.writes(execute(path)) + "\n"
            except CellExecutionError as error:
                sys.exit(f"\n{path.name} stopped at an error:\n\n{error}")
            executed[target / path.relative_to(NOTEBOOKS)] = text
        for path, text in executed.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, text.encode())
        if given.in_place:
            replace_figures(Path(output) / FIGURES.name, paths)
    figures = sorted(figure for path in paths for figure in figures_of(path))
    seconds = time.perf_counter() - start
    print(
        f"\n{len(paths)} notebooks executed in {seconds:.0f} s; the executed copies are in {target}"
    )
    print(f"{len(figures)} figures are in {FIGURES}:")
    for figure in figures:
        print(f"    {figure.name}")


def notebook(name: str) -> Path:
    """The notebook at this path, which must be one of the project's."""
    path = Path(name).resolve()
    if not (path.is_file() and path.suffix == ".ipynb" and path.is_relative_to(NOTEBOOKS)):
        raise argparse.ArgumentTypeError(f"{name} is no notebook in {NOTEBOOKS}")
    return path


def figures_of(path: Path) -> list[Path]:
    """The files in figures/ that are of the notebook at `path`: 04_digit_5.png is of 04_grids.

    Solutions have the name of their notebook, and keep none.
    """
    if path.parent.name == "solutions":
        return []
    return list(FIGURES.glob(f"{path.name.partition('_')[0]}_*.png"))


def replace_figures(drawn: Path, notebooks: list[Path]) -> None:
    """Put the files in `drawn` into figures/; delete what these notebooks no longer draw there."""
    names = {path.name for path in drawn.glob("*.png")}
    for name in names:
        write_atomically(FIGURES / name, (drawn / name).read_bytes())
    for path in notebooks:
        for figure in figures_of(path):
            if figure.name not in names:
                figure.unlink()


if __name__ == "__main__":
    main()
