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


OLD = {"01_a.png": b"old", "01_c.png": b"old", "03_d.png": b"old"}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Two notebooks that keep the figures 01_a and 02_b; figures/ holds an old 01_a, a stale 01_c, another's 03_d."""
    run = importlib.util.module_from_spec(SPEC)
    SPEC.loader.exec_module(run)
    for name in ("notebooks", "figures"):
        (tmp_path / name).mkdir()
        monkeypatch.setattr(run, name.upper(), tmp_path / name)
    monkeypatch.setattr(run, "BUILD", tmp_path / "build" / "notebooks")
    monkeypatch.setattr(sys, "argv", ["run.py", "--in-place"])
    monkeypatch.delenv("INSIDE_LENET5_OUTPUT", raising=False)
    run.folder = tmp_path
    for number, name in ((1, "01_a"), (2, "02_b")):
        write(run, number, DRAW.format(name=name))
    for name in ("01_a", "01_c", "03_d"):
        (tmp_path / "figures" / f"{name}.png").write_bytes(b"old")
    yield run
    os.environ.pop("INSIDE_LENET5_OUTPUT", None)


def write(run, number, source):
    nbformat.write(new_notebook(cells=[new_code_cell(source)]), run.folder / "notebooks" / f"0{number}_.ipynb")


def figures(run):
    return {path.name: path.read_bytes() for path in (run.folder / "figures").iterdir()}


def test_accepting_replaces_the_figures_of_its_notebooks_and_deletes_the_stale(project):
    project.main()
    assert figures(project) == {"01_a.png": b"new 01_a", "02_b.png": b"new 02_b", "03_d.png": b"old"}
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
    assert figures(project) == OLD
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
    assert figures(project) == OLD


def test_only_the_notebooks_that_are_named_are_executed(project, monkeypatch, capsys):
    """Also those in a folder, which keeps its name; and the figures of the others stay."""
    further = project.folder / "notebooks" / "further" / "03_.ipynb"
    further.parent.mkdir()
    nbformat.write(new_notebook(cells=[new_code_cell(DRAW.format(name="03_d"))]), further)
    monkeypatch.setattr(sys, "argv", ["run.py", str(further)])
    monkeypatch.setenv("INSIDE_LENET5_OUTPUT", str(project.folder / "output"))
    (project.folder / "output").mkdir()
    project.main()
    assert [path.name for path in project.BUILD.rglob("*.ipynb")] == ["03_.ipynb"]
    assert (project.BUILD / "further" / "03_.ipynb").exists()
    monkeypatch.setattr(sys, "argv", ["run.py", "--in-place", str(further)])
    capsys.readouterr()
    project.main()
    assert figures(project) == OLD | {"03_d.png": b"new 03_d"}
    assert "01_a.png" not in capsys.readouterr().out


def test_solutions_leave_the_figures_of_their_notebook(project, monkeypatch, capsys):
    """They have its name, and keep no figure of their own."""
    solutions = project.folder / "notebooks" / "solutions" / "01_.ipynb"
    solutions.parent.mkdir()
    nbformat.write(new_notebook(cells=[new_code_cell("1 + 1")]), solutions)
    monkeypatch.setattr(sys, "argv", ["run.py", "--in-place", str(solutions)])
    project.main()
    assert nbformat.read(solutions, as_version=4).cells[0].execution_count == 1
    assert figures(project) == OLD
    assert "01_a.png" not in capsys.readouterr().out


@pytest.mark.parametrize("name", ["notebooks/04_.ipynb", "elsewhere.ipynb", "notebooks", "figures/01_a.png"])
def test_what_is_no_notebook_of_the_project_is_refused(name, project, monkeypatch, capsys):
    (project.folder / "elsewhere.ipynb").write_text("{}")
    monkeypatch.setattr(sys, "argv", ["run.py", str(project.folder / name)])
    with pytest.raises(SystemExit):
        project.main()
    assert f"{name} is no notebook in" in capsys.readouterr().err
