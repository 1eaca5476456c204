"""What students get holds all that they need, and nothing of the answers."""

import ast
import json
import os
import re
import subprocess
import sys
import zipfile

import imports
import nbformat
import pytest
import yaml
from course import NAME
from grading.mistakes_task import KEY, key_of
from grading.released import HELPERS
from submissions import EVERYTHING, PARTS, ROOT, SETTINGS, SOURCE, TASKS, parts_of

FILES = {
    *("README.md", "LICENSE", "environment.yml"),
    *(f"{NAME}.ipynb", "check.py", "settings.json", "given.py", "given.json", "given_network.pt"),
    *("bank.py", "bank.npz"),
    *HELPERS,
    *(f"data/MNIST/raw/{kind}-ubyte.gz" for kind in ("train-images-idx3", "train-labels-idx1")),
    *(f"data/MNIST/raw/{kind}-ubyte.gz" for kind in ("t10k-images-idx3", "t10k-labels-idx1")),
    "data/MNIST/raw/README.md",
}


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    """The folder that a student has after unpacking."""
    subprocess.run([sys.executable, ROOT / "assignment" / "build.py", NAME], check=True, capture_output=True)
    folder = tmp_path_factory.mktemp("a student")
    with zipfile.ZipFile(ROOT / "build" / f"{NAME}.zip") as archive:
        archive.extractall(folder)
    return folder / NAME


def files(folder):
    return {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}


def words(folder):
    """All text in the zip, but for the data and the two files of numbers."""
    return {
        name: path.read_text(encoding="utf-8")
        for name, path in files(folder).items()
        if path.suffix in (".py", ".md", ".yml", ".ipynb")
    }


def test_it_holds_these_files_and_no_others(unpacked):
    assert set(files(unpacked)) == FILES


@pytest.mark.parametrize(
    "word", ["BEGIN SOLUTION", "END SOLUTION", "HIDDEN TESTS", "the judge gives", "import grading"]
)
def test_no_solution_and_no_hidden_test_is_in_it(unpacked, word):
    assert [name for name, text in words(unpacked).items() if word in text] == []


def solved_lines():
    """The lines in the solution regions of the source, long enough to be told from others."""
    notebook = nbformat.read(SOURCE / f"{NAME}.ipynb", as_version=4)
    for cell in notebook.cells:
        for region in re.findall(r"### BEGIN SOLUTION\n(.*?)\s*### END SOLUTION", cell.source, re.DOTALL):
            yield from (line.strip() for line in region.splitlines() if len(line.strip()) > 12)


def test_no_line_of_the_reference_is_in_it(unpacked):
    lines = set(solved_lines())
    assert len(lines) > 20
    assert [(name, line) for name, text in words(unpacked).items() for line in lines if line in text] == []


def definitions(source):
    """The functions and classes in Python source, each as its code without names of its own and docstrings."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            if code := "\n".join(ast.unparse(line) for line in body):
                yield code


def test_no_function_of_the_helpers_that_are_not_released_is_in_it(unpacked):
    withheld = [path for path in (ROOT / "helpers").rglob("*.py") if path.relative_to(ROOT).as_posix() not in HELPERS]
    assert {"ways_back.py", "fast.py", "lenet5.py"} <= {path.name for path in withheld}
    answers = {code for path in withheld for code in definitions(path.read_text(encoding="utf-8"))}
    assert len(answers) > 40
    for name, text in words(unpacked).items():
        if name.endswith(".py"):
            assert answers.isdisjoint(definitions(text)), name


@pytest.mark.parametrize(
    "call", ["conv_transpose2d", "max_unpool2d", "MaxUnpool2d", "ConvTranspose2d", "autograd.grad"]
)
def test_no_call_that_is_half_the_answer_is_in_it(unpacked, call):
    assert [name for name, text in words(unpacked).items() if call in text] == []


def test_no_picture_is_in_it(unpacked):
    notebook = nbformat.read(unpacked / f"{NAME}.ipynb", as_version=4)
    assert [cell for cell in notebook.cells if cell.get("outputs") or cell.get("attachments")] == []
    assert "data:image" not in (unpacked / f"{NAME}.ipynb").read_text()
    assert [name for name in files(unpacked) if name.endswith((".png", ".jpg", ".svg", ".gif"))] == []


def test_every_part_has_its_gap(unpacked):
    notebook = nbformat.read(unpacked / f"{NAME}.ipynb", as_version=4)
    cells = {cell.metadata.nbgrader.grade_id: cell for cell in notebook.cells if "nbgrader" in cell.metadata}
    assert set(cells) == {*SETTINGS.points, *(f"{part}_solution" for part in PARTS)}
    for part in PARTS:
        assert cells[f"{part}_solution"].source.count("raise NotImplementedError()") == 1
        assert cells[part].source.startswith("check.")
    assert cells["words"].source == "YOUR ANSWER HERE"


def test_nothing_in_it_says_what_the_strips_show(unpacked):
    key, found = key_of(), files(unpacked)
    assert KEY not in {path.name for path in found.values()}
    forms = {json.dumps(key), json.dumps(key, indent=1), ",".join(key), str(key), "\n".join(key)}
    for name, path in found.items():
        text = path.read_bytes().decode("utf-8", "replace")
        assert not [one for one in (*forms, "lecturer@example.org", "new_mistakes") if one in text], name
    # What is left of the seed, of which the key is made.
    assert json.loads(found["given.json"].read_text())["seed"] < 997


def promised(notebook, heading):
    """The points in the headings of this kind, in order."""
    found = re.compile(heading + r" .*\((\S+) \w+\)$", re.MULTILINE)
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    return [float(points) for points in found.findall(text)]


def test_the_text_and_the_cells_agree_on_the_points(unpacked):
    notebook = nbformat.read(unpacked / f"{NAME}.ipynb", as_version=4)
    worth = {
        cell.metadata.nbgrader.grade_id: cell.metadata.nbgrader.points
        for cell in notebook.cells
        if cell.metadata.get("nbgrader", {}).get("grade")
    }
    assert worth == SETTINGS.points
    assert promised(notebook, r"^## \d\w ·") == list(worth.values())
    of_tasks = [sum(worth[part] for part in parts_of(task)) for task in TASKS]
    of_tasks[-1] += sum(worth[part] for part in worth if part not in EVERYTHING)
    assert promised(notebook, r"^# \w+ \d ·") == [points for points in of_tasks if points]


def test_the_check_runs_with_what_the_zip_holds(unpacked):
    """The notebook's own first cells, in its folder, with this project's helpers out of reach."""
    notebook = nbformat.read(unpacked / f"{NAME}.ipynb", as_version=4)
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    program = "\n".join(
        [
            "import sys, pathlib",
            "sys.path.insert(0, '')",
            "sys.meta_path = [finder for finder in sys.meta_path if 'editable' not in str(finder)]",
            *code[:2],
            "import helpers",
            "assert pathlib.Path(helpers.__file__).parent == pathlib.Path('helpers').resolve()",
            "print(images.shape, given_network()(images[:2]).shape)",
        ]
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=unpacked,
        capture_output=True,
        text=True,
        env=os.environ | {"MPLBACKEND": "Agg"},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[-2] == "torch.Size([60000, 1, 28, 28]) torch.Size([2, 10])"


def test_the_students_environment_is_a_part_of_the_projects():
    def packages(path):
        return {text for text in yaml.safe_load(path.read_text())["dependencies"] if isinstance(text, str)}

    students = packages(ROOT / "assignment" / "student" / "environment.yml")
    assert students < packages(ROOT / "environment.yml")
    readme = (ROOT / "assignment" / "student" / "README.md").read_text(encoding="utf-8")
    for_pip = set(re.findall(r'"([^"]+)"', re.search(r"pip install (.*)", readme)[1]))
    for_conda = {text.split(",")[0].replace("pytorch", "torch") for text in students}
    assert for_pip == {text for text in for_conda if not text.startswith("python>=")}


def test_the_students_environment_holds_what_the_zip_imports(unpacked):
    text = (unpacked / "environment.yml").read_text(encoding="utf-8").replace("- pytorch", "- torch")
    declared = {re.match(r"[\w-]+", line)[0] for line in yaml.safe_load(text)["dependencies"]}
    code = [path for name, path in files(unpacked).items() if name.endswith((".py", ".ipynb"))]
    assert len(code) > 5
    assert set().union(*map(imports.packages, code)) - imports.modules_in(unpacked) <= declared


@pytest.mark.parametrize("place", ["[DEADLINE]", "[WHERE TO HAND IN]", "[WHOM TO ASK]", "[HONOUR CODE"])
def test_the_readme_has_places_for_what_the_lecturer_decides(unpacked, place):
    assert place in (unpacked / "README.md").read_text(encoding="utf-8")
