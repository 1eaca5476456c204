"""The way through a notebook: the answer first, what folds, the time that it takes, and a network of one's own.

What JupyterLab folds is open elsewhere: GitHub, nbviewer and nbconvert show all of it.
"""

import ast
import dis
import re
from types import CodeType

import nbformat
import pytest
from minutes import minutes
from stored import SERIES, code_cells, markdown_cells
from test_notebooks import FENCED, HEADING

series = pytest.mark.parametrize("path", SERIES, ids=lambda path: path.stem)
numbered = pytest.mark.parametrize("path", [path for path in SERIES if path.stem[0] == "0"], ids=lambda path: path.stem)
further = pytest.mark.parametrize("path", [path for path in SERIES if path.stem[0] != "0"], ids=lambda path: path.stem)


@series
def test_the_answer_stands_at_the_top_in_three_sentences_below_its_picture(path):
    title, picture, answer, *_ = nbformat.read(path, as_version=4).cells[0].source.split("\n\n")
    assert title.startswith("# ") and re.fullmatch(r"!\[[^\]]+\]\((?:\.\./)+figures/\w+\.png\)", picture)
    assert answer.startswith("**In short.** ")
    assert len(re.findall(r"[.!?](?=\s|$)", answer.removeprefix("**In short.** "))) == 3, answer


@series
def test_the_top_says_how_long_it_takes_to_read(path):
    """To within four minutes, as it says multiples of five."""
    notebook = nbformat.read(path, as_version=4)
    said = re.search(
        r"\*\*Time\*\* about (\d+) minutes\b.*?\band (\d+) more for what is folded;", notebook.cells[0].source
    )
    for minutes_said, minutes_it_takes in zip(said.groups(), minutes(notebook), strict=True):
        assert int(minutes_said) % 5 == 0 and abs(int(minutes_said) - minutes_it_takes) < 4, minutes_it_takes


def test_the_time_is_counted_from_words_lines_pictures_and_explorers():
    def code(lines, pictures, **metadata):
        shown = nbformat.v4.new_output("display_data", {"image/png": ""})
        return nbformat.v4.new_code_cell("\n\n".join(lines), outputs=[shown] * pictures, metadata=metadata)

    text = "# Title\n\n![no word](a.png)\n\n" + "[word](no/word.md) " * 397 + "– two words"
    cells = [
        nbformat.v4.new_markdown_cell(text),
        code(["x"] * 20, pictures=2),
        code(["x"] * 30, pictures=1, jupyter={"source_hidden": True}),
        code(["explore_steps(model)"], pictures=1),
        nbformat.v4.new_markdown_cell("## For the sceptic", metadata={"jp-MarkdownHeadingCollapsed": True}),
        code(["x"] * 40, pictures=2),
        nbformat.v4.new_markdown_cell("### A part of it"),
        nbformat.v4.new_markdown_cell("## What we saw\n\n## Exercises\n\n" + "word " * 1000),
    ]
    still_open = 400 / 200 + 20 / 10 + 3 * 0.5 + 1 / 10 + 3 + 3 / 200
    folded = 30 / 10 + 3 / 200 + 40 / 10 + 2 * 0.5 + 4 / 200
    assert minutes(nbformat.v4.new_notebook(cells=cells)) == pytest.approx((still_open, folded))


def only_asserts(statement):
    """Whether a statement asserts and does nothing else, under whatever condition."""
    if isinstance(statement, ast.If | ast.For):
        return all(map(only_asserts, statement.body + statement.orelse))
    return isinstance(statement, ast.Assert)


def mentions(source):
    """The names of a cell as it comes upon them, and whether it makes each: `("x", True)` for `x = 1`."""
    stack = [compile(source, "cell", "exec")]
    while stack:
        code = stack.pop(0)
        for step in dis.get_instructions(code):
            if step.opname.startswith(("LOAD_NAME", "LOAD_GLOBAL", "STORE_NAME", "STORE_GLOBAL")):
                yield step.argval, step.opname.startswith("STORE")
        stack += [constant for constant in code.co_consts if isinstance(constant, CodeType)]


@numbered
def test_code_that_only_asserts_or_draws_is_folded_and_no_other(path):
    """A hidden cell defines nothing that is used below it: who opens none misses no step."""
    first, *cells = code_cells(nbformat.read(path, as_version=4))
    assert is_hidden(first)
    for k, cell in enumerate(cells):
        body = ast.parse(cell.source).body
        if all(map(only_asserts, body)):
            assert is_hidden(cell), cell.source
        elif is_hidden(cell):
            assert any("image/png" in output.get("data", {}) for output in cell.outputs), cell.source
            assert not any(isinstance(node, ast.Assert) for node in ast.walk(ast.parse(cell.source))), cell.source
            below = [found for other in cells[k + 1 :] for found in mentions(other.source)]
            for name in {name for name, made in mentions(cell.source) if made}:
                assert next((made for other, made in below if other == name), True), f"{name} of\n{cell.source}"


def is_hidden(cell):
    return cell.metadata.get("jupyter", {}).get("source_hidden", False)


@numbered
def test_what_only_a_sceptic_needs_is_said_to_be_so_and_folds(path):
    """JupyterLab folds all below a heading that begins a cell, up to the next such heading."""
    cells = markdown_cells(nbformat.read(path, as_version=4))
    folded = [cell for cell in cells if cell.metadata.get("jp-MarkdownHeadingCollapsed")]
    assert folded == [cell for cell in cells if "For the sceptic" in cell.source.partition("\n")[0]] != []
    for cell in folded:
        assert re.fullmatch(r"## For the sceptic: .+\n\nNothing later needs this section\.( .+)?", cell.source)
        following = cells[cells.index(cell) + 1 :]
        headings = [other for other in following if HEADING.search(FENCED.sub("", other.source))]
        assert headings[0].source.startswith("## "), headings[0].source


@numbered
def test_the_line_for_a_network_of_ones_own_stands_at_the_top_and_keeps_its_pictures_apart(path):
    cells = [cell.source for cell in code_cells(nbformat.read(path, as_version=4))]
    (at,) = (k for k, source in enumerate(cells) if re.search(r'^weights = "lenet5"', source, re.MULTILINE))
    assert at == 1 and re.search(r'^weights = "lenet5".*\npictures_of\(weights\)$', cells[at], re.MULTILINE)
    assert "my_lenet5" in cells[at]


@series
def test_each_exercise_has_a_link_to_its_solution(path):
    """That the links lead somewhere is tested with all others."""
    text = "\n\n".join(cell.source for cell in markdown_cells(nbformat.read(path, as_version=4)))
    exercises = text.partition("## Exercises\n")[2]
    asked = re.findall(r"^(\d+)\. ", exercises, re.MULTILINE)
    assert asked
    assert re.findall(r"\[(\d+)\]\((?:\.\./)?solutions/(\S+)#Exercise-(\d+)\)", exercises) == [
        (k, path.name, k) for k in asked
    ]


@further
def test_those_that_go_further_fold_what_is_for_the_sceptic_and_nothing_else(path):
    """JupyterLab forgets it where somebody has unfolded a section, and saved."""
    cells = markdown_cells(nbformat.read(path, as_version=4))
    said = [cell.source for cell in cells if re.match(r"#+ For (the sceptic: |those who want more: )", cell.source)]
    assert said == [cell.source for cell in cells if cell.metadata.get("jp-MarkdownHeadingCollapsed")] != []


@further
def test_those_that_go_further_fold_the_cells_that_only_check(path):
    cells = code_cells(nbformat.read(path, as_version=4))
    bare = [cell for cell in cells if all(map(only_asserts, ast.parse(cell.source).body))]
    assert [cell.source for cell in bare if not is_hidden(cell)] == []


def test_the_readme_says_the_same_times():
    readme = (SERIES[0].parents[1] / "README.md").read_text(encoding="utf-8")
    told = dict(re.findall(r"\(notebooks/(\S+)\) \| (\d+) min \|", readme))
    tops = {path: nbformat.read(path, as_version=4).cells[0].source for path in SERIES}
    said = {path: re.search(r"about (\d+) minutes", top)[1] for path, top in tops.items()}
    assert told == {path.relative_to(SERIES[0].parent).as_posix(): minutes for path, minutes in said.items()}
