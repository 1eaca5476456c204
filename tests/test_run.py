"""notebooks/run.py: accepting new outputs puts all figures in the place of all figures, or none."""

import importlib.util
import os
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

ROOT = Path(__file__).resolve().parents[1]
SPEC = importlib.util.spec_from_file_location("run", ROOT / "notebooks" / "run.py")

DRAW = """import os
from pathlib import Path
folder = Path(os.environ["INSIDE_LENET5_OUTPUT"]) / "figures"
folder.mkdir(exist_ok=True)
(folder / "{name}.png").write_bytes(b"new {name}")
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project of two notebooks that keep the figures a and b; figures/ holds an old a and a stale c."""
    run = importlib.util.module_from_spec(SPEC)
    SPEC.loader.exec_module(run)
    for name in ("notebooks", "figures"):
        (tmp_path / name).mkdir()
        monkeypatch.setattr(run, name.upper(), tmp_path / name)
    monkeypatch.setattr(run, "BUILD", tmp_path / "build" / "notebooks")
    monkeypatch.setattr(sys, "argv", ["run.py", "--in-place"])
    monkeypatch.delenv("INSIDE_LENET5_OUTPUT", raising=False)
    run.folder = tmp_path
    for number, name in ((1, "a"), (2, "b")):
        write(run, number, DRAW.format(name=name))
    for name in ("a", "c"):
        (tmp_path / "figures" / f"{name}.png").write_bytes(b"old")
    yield run
    os.environ.pop("INSIDE_LENET5_OUTPUT", None)


def write(run, number, source):
    nbformat.write(new_notebook(cells=[new_code_cell(source)]), run.folder / "notebooks" / f"0{number}_.ipynb")


def figures(run):
    return {path.name: path.read_bytes() for path in (run.folder / "figures").iterdir()}


def test_accepting_replaces_all_figures_and_deletes_the_stale(project):
    project.main()
    assert figures(project) == {"a.png": b"new a", "b.png": b"new b"}
    stored = [nbformat.read(path, as_version=4) for path in sorted((project.folder / "notebooks").iterdir())]
    assert [notebook.cells[0].execution_count for notebook in stored] == [1, 1]


def test_widgets_are_stored_without_their_state_and_their_view(project, monkeypatch):
    """Both need the kernel that has drawn them, which is gone; what else the output holds stays."""
    write(project, 1, 'import ipywidgets\nipywidgets.Label("a label")')
    monkeypatch.setattr(sys, "argv", ["run.py"])
    write(project, 2, "1 + 1")
    project.main()
    stored = nbformat.read(project.BUILD / "01_.ipynb", as_version=4)
    assert "widgets" not in stored.metadata
    assert list(stored.cells[0].outputs[0].data) == ["text/plain"]


def test_a_notebook_that_fails_leaves_everything_as_it_was(project):
    write(project, 2, "1 / 0")
    notebooks = {path.name: path.read_bytes() for path in (project.folder / "notebooks").iterdir()}
    with pytest.raises(SystemExit, match=r"(?s)02_.ipynb stopped at an error:.*ZeroDivisionError"):
        project.main()
    assert figures(project) == {"a.png": b"old", "c.png": b"old"}
    assert {path.name: path.read_bytes() for path in (project.folder / "notebooks").iterdir()} == notebooks


def test_a_plain_run_writes_copies(project, monkeypatch):
    """The figures are then the notebooks' own to write."""
    monkeypatch.setattr(sys, "argv", ["run.py"])
    for number in (1, 2):
        write(project, number, "1 + 1")
    notebooks = {path.name: path.read_bytes() for path in (project.folder / "notebooks").iterdir()}
    project.main()
    assert sorted(path.name for path in project.BUILD.iterdir()) == ["01_.ipynb", "02_.ipynb"]
    assert {path.name: path.read_bytes() for path in (project.folder / "notebooks").iterdir()} == notebooks
    assert figures(project) == {"a.png": b"old", "c.png": b"old"}
