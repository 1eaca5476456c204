"""The solutions to the exercises: complete, in one form, and apart from what the course assignment asks.

That they run, and give the outputs that are stored, is tested as of all notebooks.
"""

import ast
import re
import shutil
import sys
from pathlib import Path

import nbformat
import pytest
import torch
from stored import NOTEBOOKS, SOLUTIONS, code_cells

ROOT = Path(__file__).resolve().parents[1]
ASSIGNMENT = ROOT / "assignment" / "template"

# The headings below that of an exercise. What lies below the first two is folded in JupyterLab.
FOLDED = ["### Hint", "### Solution"]
PARTS = [*FOLDED, "#### What to notice", "#### The wrong answer that looks right"]


@pytest.fixture(params=SOLUTIONS, ids=lambda path: path.stem)
def path(request):
    return request.param


@pytest.fixture
def solutions(path):
    return nbformat.read(path, as_version=4)


def exercises(source):
    """The exercises in the text of a notebook by their numbers, without targets of links and breaks of lines."""
    listed = source.partition("## Exercises\n")[2].partition("\n## ")[0].partition("\n**Next:**")[0]
    listed = listed.partition("\n**Going further:**")[0]
    found = re.findall(r"^(\d+)\. (.*?)(?=^\d+\. |\Z)", listed, re.MULTILINE | re.DOTALL)
    return {int(number): plain(question) for number, question in found}


def solved(notebook):
    """The cells of each exercise by its number; the first is its heading and question."""
    found = {}
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and (heading := re.match(r"## (.*)", cell.source)):
            number = re.fullmatch(r"Exercise (\d+)", heading[1])
            assert number, f"## {heading[1]}"
            found[int(number[1])] = []
        if found:
            found[max(found)].append(cell)
    return found


def plain(text):
    return " ".join(re.sub(r"\]\([^)]*\)", "]", text).split())


def test_exercises_are_found_in_the_text():
    source = "## Exercises\n\n1. One\n   [more](a.md)?\n2. Two.\n\n**Next:** 3. on\n\n## The answer\n\n3. No.\n"
    assert exercises(source) == {1: "One [more]?", 2: "Two."}


def test_each_notebook_has_its_solutions():
    assert sorted(path.name for path in SOLUTIONS) == sorted(path.name for path in NOTEBOOKS if path not in SOLUTIONS)


def test_each_exercise_of_the_notebook_has_its_solution(path, solutions):
    """With the same number, and the same question."""
    (notebook,) = (other for other in NOTEBOOKS if other.name == path.name and other not in SOLUTIONS)
    cells = nbformat.read(notebook, as_version=4).cells
    asked = exercises("\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown"))
    quoted = {
        number: plain(re.sub(r"^> ?", "", cells[0].source.partition("\n")[2], flags=re.MULTILINE))
        for number, cells in solved(solutions).items()
    }
    assert asked and quoted == asked


def test_each_solution_has_a_hint_before_and_the_wrong_answer_after(solutions):
    for number, cells in solved(solutions).items():
        found = [
            line for cell in cells if cell.cell_type == "markdown" for line in re.findall("^###.*", cell.source, re.M)
        ]
        assert found == PARTS, number


def test_each_solution_asserts_what_it_says(solutions):
    for number, cells in solved(solutions).items():
        tree = ast.parse("\n".join(cell.source for cell in cells if cell.cell_type == "code"))
        claims = [node for node in ast.walk(tree) if isinstance(node, ast.Assert)]
        assert claims or "torch.testing.assert_close" in ast.unparse(tree), number


def test_hint_and_solution_are_folded_and_nothing_else(solutions):
    """JupyterLab folds the cells below a heading; what stands in the cell of the heading it would leave in view."""
    folds = [cell.source for cell in solutions.cells if "jp-MarkdownHeadingCollapsed" in cell.metadata]
    assert folds == FOLDED * len(solved(solutions))
    assert [cell for cell in solutions.cells if "jupyter" in cell.metadata] == []
    assert {cell.metadata.get("jp-MarkdownHeadingCollapsed", True) for cell in solutions.cells} == {True}


def test_solutions_keep_no_figure(solutions):
    """A name in figures/ says of which notebook it is, and notebooks/run.py deletes what this one no longer draws."""
    source = "\n".join(cell.source for cell in code_cells(solutions))
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    assert [ast.unparse(call) for call in calls if any(keyword.arg == "name" for keyword in call.keywords)] == []


# What the course assignment asks, its reference solutions and its checks


def assignment():
    return nbformat.read(ASSIGNMENT / "notebook.ipynb", as_version=4).cells


def answers(kind):
    return [
        re.search(r"### BEGIN SOLUTION\n(.*?)\s*### END SOLUTION", cell.source, re.DOTALL)[1]
        if kind == "markdown"
        else cell.source
        for cell in assignment()
        if cell.cell_type == kind and cell.metadata.get("nbgrader", {}).get("solution")
    ]


@pytest.fixture(scope="module")
def asked():
    """What the reference solutions define, by name."""
    names = {"torch": torch, "F": torch.nn.functional, "nn": torch.nn}
    for source in answers("code"):
        if source.startswith("def "):
            exec(source, names)
    return {name: names[name] for source in answers("code") for name in re.findall(r"^def (\w+)", source)}


@pytest.fixture
def passes(asked, monkeypatch, tmp_path):
    """Whether a function passes the assignment's check of this name."""
    shutil.copytree(ASSIGNMENT, tmp_path, dirs_exist_ok=True)
    (tmp_path / "settings.json").write_text('{"digits": [0, 1], "language": "en"}')
    monkeypatch.syspath_prepend(str(tmp_path))
    import check

    others = {"look_inside": ["build_cnn"], "visualise": ["project"]}

    def passes(name, function):
        try:
            getattr(check, name)(function, *(asked[other] for other in others.get(name, [])))
        except Exception:
            return False
        return True

    yield passes
    for name in ("check", "given"):
        sys.modules.pop(name, None)


def functions(notebook):
    """The functions that a notebook defines, with what it imports, and nothing else run."""
    names = {}
    tree = ast.parse("\n".join(cell.source for cell in code_cells(notebook)))
    kept = [
        node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef)
    ]
    exec(compile(ast.Module(kept, []), "functions", "exec"), names)
    return [names[node.name] for node in kept if isinstance(node, ast.FunctionDef)]


def defined(sources):
    """The names of all functions, methods and variables."""
    nodes = [node for source in sources for node in ast.walk(ast.parse(source))]
    functions = {node.name for node in nodes if isinstance(node, ast.FunctionDef)}
    return functions | {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}


def runs_of_words(text, length=6):
    words = re.findall(r"\w+", text.lower())
    return {" ".join(words[k : k + length]) for k in range(len(words) - length + 1)}


def test_answers_to_the_assignment_would_be_found(asked, passes):
    assert len(asked) == 11
    assert [name for name, function in asked.items() if not passes(name, function)] == []


def test_no_function_of_the_solutions_passes_a_check_of_the_assignment(solutions, asked, passes):
    found = [(function.__name__, name) for function in functions(solutions) for name in asked if passes(name, function)]
    assert found == []


def test_solutions_define_nothing_that_the_assignment_asks_for(solutions, asked):
    assert defined(cell.source for cell in code_cells(solutions)) & {*asked, "grids"} == set()


def test_solutions_do_not_say_what_the_assignment_wants_in_words(solutions):
    """Neither its questions nor the reference answers, not even six words in a row."""
    (question,) = (cell.source for cell in assignment() if cell.source.startswith("## {{ number.words }}"))
    (answer,) = answers("markdown")
    said = runs_of_words("\n".join(cell.source for cell in solutions.cells))
    assert said & (runs_of_words(question) | runs_of_words(answer)) == set()
