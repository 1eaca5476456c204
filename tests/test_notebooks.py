"""The notebooks as they are committed: executed in order, portable, small, and readable without seeing the pictures.

That their cells run and give the outputs that are stored is nbval's to test, with notebooks/conftest.py for the
pictures; that they import nothing in vain is ruff's.
"""

import ast
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import nbformat
import pytest
import torch
from compare_pictures import pictures_of
from stored import NOTEBOOKS, SOLUTIONS, code_cells, is_left_by_a_tool, markdown_cells

from helpers.training import predict

ROOT = Path(__file__).resolve().parents[1]
FURTHER = [path for path in NOTEBOOKS if path.parent.name == "going_further"]
TEXTS = sorted(
    path
    for folder in (".", "assignment/student", "docs", "helpers", "data")
    for path in (ROOT / folder).glob("**/*.md" if folder != "." else "*.md")
    if not is_left_by_a_tool(path)
)

MAX_BYTES = 1_500_000
MAX_LINES = 40
MACHINE_PATH = re.compile(r"/(?:home|root|work|tmp)/|[A-Za-z]:\\+Users", re.IGNORECASE)
URL = re.compile(r"\b[a-z]+://\S+")

# ![text](target "title") and [text](target); the text of a link may hold an image
MARKDOWN_IMAGE = re.compile(r"!\[(?P<alt>[^\]]*)\]\(\s*<?(?P<target>[^\s)>]+)")
MARKDOWN_LINK = re.compile(r"(?<!!)\[(?:[^\[\]]|!?\[[^\]]*\](?:\([^)]*\))?)*\]\(\s*<?(?P<target>[^\s)>]+)")
REFERENCE = re.compile(r"^ {0,3}\[[^\]^]+\]:\s*<?(?P<target>[^\s>]+)", re.MULTILINE)
HTML_TAG = re.compile(r"<(?:img|a|source|video)\b[^>]*>", re.IGNORECASE | re.DOTALL)
HTML_TARGET = re.compile(r"\b(?:src|href)\s*=\s*[\"'](?P<target>[^\"']+)", re.IGNORECASE)
HTML_ALT = re.compile(r"\balt\s*=\s*([\"'])(?P<alt>.*?)\1", re.IGNORECASE | re.DOTALL)
HEADING = re.compile(r"^#{1,6} +(.+?) *$", re.MULTILINE)
FENCED = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
# what stands in code or in a formula is no link
NO_MARKDOWN = re.compile(r"^ *```.*?^ *```|``.*?``|`[^`\n]*`|\$\$.*?\$\$|\$[^$\n]*\$", re.MULTILINE | re.DOTALL)


def test_the_four_notebooks_are_there():
    numbers = [path.name[:3] for path in NOTEBOOKS if path.parent == ROOT / "notebooks"]
    assert numbers == ["01_", "02_", "03_", "04_"]


def test_the_five_that_go_further_are_there():
    assert [path.name[:2] for path in FURTHER] == ["a_", "b_", "c_", "d_", "e_"]


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.relative_to(ROOT / "notebooks").as_posix())
def path(request):
    return request.param


@pytest.fixture
def notebook(path):
    return nbformat.read(path, as_version=4)


def outputs(notebook):
    return [output for cell in code_cells(notebook) for output in cell.outputs]


def texts(output):
    """All that `output` says in words."""
    if output.output_type == "stream":
        return [output.text]
    if output.output_type == "error":
        return [output.ename, output.evalue, *output.traceback]
    return [content for kind, content in output.data.items() if kind.startswith("text/")]


def links(source):
    """What the Markdown `source` points to, pictures included."""
    prose = NO_MARKDOWN.sub("", source)
    found = [match["target"] for kind in (MARKDOWN_IMAGE, MARKDOWN_LINK, REFERENCE) for match in kind.finditer(prose)]
    for tag in HTML_TAG.findall(prose):
        found += [match["target"] for match in HTML_TARGET.finditer(tag)]
    return found


def pictures(source):
    """The alternative texts of the pictures in the Markdown `source`; "" where there is none."""
    prose = NO_MARKDOWN.sub("", source)
    found = [match["alt"] for match in MARKDOWN_IMAGE.finditer(prose)]
    for tag in HTML_TAG.findall(prose):
        if tag.lower().startswith("<img"):
            alt = HTML_ALT.search(tag)
            found.append(alt["alt"] if alt else "")
    return found


def test_links_and_pictures_are_found():
    """The tests below would pass on what these patterns miss."""
    source = """
        [a](1.ipynb) ![b](2.png "title") [![c](3.png)](4.md#part) <img src="5.png" alt="d"> <a href='6.md'>e</a>
        [f [g] h](<7.md>) `[i](no.md)` $[j](no.md)$ ![](8.png) <img src="9.png">
    """
    assert sorted(links(source)) == [
        *("1.ipynb", "2.png", "3.png", "4.md#part", "5.png", "6.md", "7.md", "8.png", "9.png"),
    ]
    assert sorted(pictures(source)) == ["", "", "b", "c", "d"]
    assert links("[name]: 10.md\n") == ["10.md"]
    assert links("```\n[k](no.md)\n```\n") == []


@pytest.mark.parametrize("text", ["/home/me", "in /root/x", "'/work/a'", "/tmp/b", r"C:\Users\me", r"'C:\\Users\\me'"])
def test_paths_of_a_machine_are_found(text):
    assert machine_paths(text)


@pytest.mark.parametrize("text", ["https://example.org/home/page", "figures/maps.png", "../helpers/data.py", "a/b"])
def test_other_paths_are_let_through(text):
    assert not machine_paths(text)


def machine_paths(text):
    return MACHINE_PATH.findall(URL.sub("", text))


def test_is_valid(notebook):
    nbformat.validate(notebook)


def test_kernel_is_python3(notebook):
    assert notebook.metadata.kernelspec.name == "python3"


def test_is_small_enough_to_be_read_on_the_web(path):
    assert path.stat().st_size < MAX_BYTES


def test_was_executed_in_order_from_a_fresh_kernel(notebook):
    cells = code_cells(notebook)
    assert cells
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))


def test_has_no_error_output(notebook):
    assert [output.ename for output in outputs(notebook) if output.output_type == "error"] == []


def test_has_no_stderr_output(notebook):
    streams = [output for output in outputs(notebook) if output.output_type == "stream"]
    assert [output.text for output in streams if output.name == "stderr"] == []


def test_names_no_path_of_one_machine(notebook):
    words = [cell.source for cell in notebook.cells] + [text for o in outputs(notebook) for text in texts(o)]
    assert [text for text in words if machine_paths(text)] == []


def test_stores_no_widget_which_would_be_blank_without_its_kernel(notebook):
    assert "widgets" not in notebook.metadata
    assert [output for output in outputs(notebook) if any("widget" in kind for kind in output.get("data", {}))] == []


def test_every_picture_that_a_cell_shows_has_an_alternative_text(notebook):
    assert [alt for _, alt in pictures_of(outputs(notebook)) if not (alt or "").strip()] == []


def test_every_picture_in_the_text_has_an_alternative_text(notebook):
    for cell in markdown_cells(notebook):
        assert [alt for alt in pictures(cell.source) if not alt.strip()] == [], cell.source


def anchors(path):
    """What a `#` can lead to in a file: the headings of a notebook as JupyterLab, of a text as GitHub writes them."""
    if path.suffix == ".ipynb":
        source = "\n".join(cell.source for cell in markdown_cells(nbformat.read(path, as_version=4)))
        return {title.replace(" ", "-") for title in HEADING.findall(FENCED.sub("", source))}
    titles = HEADING.findall(FENCED.sub("", path.read_text(encoding="utf-8")))
    return set(map(anchor_of, titles))


def anchor_of(title):
    """What GitHub makes of a heading in a text."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def broken_links(path, source, attachments=()):
    """The links in the Markdown `source` of the file `path` that lead to no file, or no heading, of this project."""
    broken = []
    for link in links(source):
        target, _, anchor = unquote(link).partition("#")
        if link.startswith("attachment:"):
            whole = link.removeprefix("attachment:") in attachments
        elif re.match(r"(https?|mailto):", link):
            whole = True
        else:
            file = (path.parent / target).resolve() if target else path
            whole = file.exists() and file.is_relative_to(ROOT) and (not anchor or anchor in anchors(file))
        if not whole:
            broken.append(link)
    return broken


def test_links_that_lead_nowhere_are_found():
    """The tests below would pass if none were."""
    readme = ROOT / "README.md"
    whole = "[a](#the-notebooks) [b](helpers/data.py) [c](https://example.org/#part) [d](README.md#in-a-course)"
    assert broken_links(readme, whole) == []
    for link in ("#the-notebook", "helpers/date.py", "../outside.md", "README.md#no-such-part", "attachment:a.png"):
        assert broken_links(readme, f"[a]({link})") == [link]
    notebook = NOTEBOOKS[3]
    assert broken_links(notebook, "[a](#The-procedure) [b](../README.md#the-notebooks)") == []
    assert broken_links(notebook, "[a](#the-procedure)") == ["#the-procedure"]


def test_every_link_in_a_notebook_leads_somewhere(path, notebook):
    for cell in markdown_cells(notebook):
        assert broken_links(path, cell.source, cell.get("attachments", {})) == [], cell.source


@pytest.mark.parametrize("text", TEXTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_link_in_a_text_leads_somewhere(text):
    assert broken_links(text, text.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("text", TEXTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_picture_in_a_text_has_an_alternative_text(text):
    assert [alt for alt in pictures(text.read_text(encoding="utf-8")) if not alt.strip()] == []


def test_only_what_varies_between_processors_is_not_compared():
    """Whatever these cells say or draw is not held to what is stored. Nothing may be added without a reason."""
    uncompared = [
        (path.name[:2], tag, cell.source.splitlines()[-1])
        for path in NOTEBOOKS
        for cell in code_cells(nbformat.read(path, as_version=4))
        for tag in [*cell.metadata.get("tags", []), *re.findall(r"(?i)#\s*(?:nbval|pytest)\w*", cell.source)]
    ]
    assert uncompared == [
        # the progress bar tells how fast the machine is
        (
            "01",
            "nbval-ignore-output",
            "history = fit(model, images, labels, epochs=3, seed=seed, test=(test_images, test_labels))",
        ),
        # the learning curves
        ("01", "varies-by-processor", ")"),
        # t-SNE, which makes a quarter of the map of a change in the ninth digit
        ("a_", "varies-by-processor", ")"),
        # two more trainings, in the solutions to notebook 01
        (
            "01",
            "nbval-ignore-output",
            '    print(f"{name}: {found[name][0]:.0%} read, a weight has moved by {found[name][1]:.4f}")',
        ),
        # t-SNE once more, in the solutions to notebook A
        (
            "a_",
            "varies-by-processor",
            "    assert min(agrees) > 0.94 and gaps[1] > 1.4 * gaps[0] and counts[0] > 1.8 * max(counts[1:])",
        ),
    ]


def test_the_first_cell_is_the_same_in_all_notebooks():
    assert len({code_cells(nbformat.read(path, as_version=4))[0].source for path in NOTEBOOKS}) == 1


def in_first_cell(folder, **environment):
    """What the first cell says in a folder, to a Python with no package; and at last where it has helpers from."""
    source = code_cells(nbformat.read(NOTEBOOKS[0], as_version=4))[0].source
    command = [sys.executable, "-S", "-c", f"{source}\nimport helpers\nprint(helpers.__file__)"]
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60)
    return (result.stdout + result.stderr).splitlines()


def made_project(folder):
    """A folder for notebooks, in a project that has of helpers what the first cell looks for."""
    for path in ("helpers/__init__.py", "helpers/lenet5.py", "notebooks/going_further/f.ipynb"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).touch()
    return folder / "notebooks" / "going_further"


@pytest.mark.parametrize("folder", [".", "notebooks", "notebooks/going_further", "tests/assignment"])
def test_the_first_cell_finds_the_project_around_the_folder_where_it_runs(folder):
    assert in_first_cell(ROOT / folder) == [str(ROOT / "helpers" / "__init__.py")]


def test_the_first_cell_finds_the_project_where_it_is_installed(tmp_path):
    assert in_first_cell(tmp_path, PYTHONPATH=str(ROOT)) == [str(ROOT / "helpers" / "__init__.py")]


def test_the_nearest_project_goes_before_one_further_out_and_one_that_is_installed(tmp_path):
    """Who opens a newer copy wants its code, and its pictures in its own folder."""
    outer = made_project(tmp_path)
    inner = made_project(outer / "copy")
    assert in_first_cell(outer, PYTHONPATH=str(ROOT)) == [str(tmp_path / "helpers" / "__init__.py")]
    for folder in (inner, outer / "copy"):
        assert in_first_cell(folder, PYTHONPATH=str(ROOT)) == [str(outer / "copy" / "helpers" / "__init__.py")]


def test_the_first_cell_says_what_to_do_without_helpers(tmp_path):
    *_, last = in_first_cell(tmp_path)
    assert last.startswith(f"ModuleNotFoundError: helpers, the code that the notebooks share, is not in {tmp_path} ")
    assert "Download the whole project" in last and "%pip install" in last


def test_notebook_04_refuses_an_image_that_the_network_gets_wrong(test_set, model):
    """One of the thirteen mistakes, planted: the grids of a digit that is taken for another."""
    images, labels = test_set
    wrong = ((predict(model, images).argmax(dim=1) != labels) & (labels == 5)).nonzero()[0, 0].item()
    cells = [cell.source for cell in code_cells(nbformat.read(NOTEBOOKS[3], as_version=4))]
    choice = "indices = [most_typical(digit) for digit in digits]\n"
    (last,) = (k for k, source in enumerate(cells) if choice in source)
    source = "\n".join(cells[: last + 1])
    exec(source, {})
    with pytest.raises(AssertionError):
        exec(source.replace(choice, f"{choice}indices[2] = {wrong}\n"), {})


@pytest.mark.parametrize("path", FURTHER, ids=lambda path: path.stem)
def test_those_that_go_further_ask_in_their_title_and_answer_in_their_last_section(path):
    """In three sentences, the first paragraph below the heading."""
    text = "\n".join(cell.source for cell in markdown_cells(nbformat.read(path, as_version=4)))
    assert text.splitlines()[0].endswith("?")
    heading, answer, *rest = text.rpartition("\n## ")[2].split("\n\n")
    assert heading == "The answer, in three sentences"
    assert len(re.findall(r"[.!?](?=\s|$)", answer)) == 3, answer
    assert all(line.startswith("**Next:** ") for line in rest), rest


def test_no_code_cell_is_longer_than_a_screen(notebook):
    assert [cell.source for cell in code_cells(notebook) if len(cell.source.splitlines()) > MAX_LINES] == []


def test_the_lines_for_another_network_in_notebook_e_run():
    """With random weights: those that they fetch need a connection."""
    (path,) = (path for path in FURTHER if path.name.startswith("e_"))
    cells = markdown_cells(nbformat.read(path, as_version=4))
    (lines,) = (found[1] for cell in cells for found in re.finditer(r"```python\n(.*?)```", cell.source, re.DOTALL))
    learnt = "weights=AlexNet_Weights.DEFAULT"
    assert learnt in lines
    torch.manual_seed(0)
    names = {"images": torch.rand(9, 3, 227, 227)}
    exec(lines.replace(learnt, "weights=None"), names)
    assert names["found"].images.shape == (256, 9)
    assert names["patch"].shape == names["picture"].shape == (3, 9, *names["patch"].shape[2:])
    assert names["picture"].any()


# Which network a notebook shows, and how far what it asserts reaches: replication/claims.py goes by these lines
SWITCHES = {"weights": "weights = 'lenet5'", "seed": "seed = 0"}
REACHES = {"weights": {"weights == 'lenet5'", "weights in SHIPPED"}, "seed": {"seed == 0", "seed in range(6)"}}


def test_another_network_takes_the_place_of_the_first_by_one_line(notebook):
    trees = [ast.parse(cell.source) for cell in code_cells(notebook)]
    lines = [ast.unparse(statement) for tree in trees for statement in tree.body]
    assert all(lines.count(line) <= 1 for line in SWITCHES.values())
    calls = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call)]
    loads = [call for call in calls if ast.unparse(call.func) == "load_lenet5"]
    assert bool(loads) == (SWITCHES["weights"] in lines)
    assert all(isinstance(name, ast.Name) for load in loads for name in load.args or [None])


def test_pictures_of_other_weights_are_kept_apart(notebook, path):
    lines = [line for cell in code_cells(notebook) for line in cell.source.splitlines()]
    at = [k for k, line in enumerate(lines) if line.startswith('weights = "lenet5"')]
    kept = path not in SOLUTIONS and at
    assert [k for k, line in enumerate(lines) if line == "pictures_of(weights)"] == [k + 1 for k in at if kept]
    assert "FIGURES" not in "".join(lines)


def test_how_far_an_assert_reaches_is_said_by_its_condition(notebook):
    trees = [ast.parse(cell.source) for cell in code_cells(notebook)]
    lines = [ast.unparse(statement) for tree in trees for statement in tree.body]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    for name in (name for name, line in SWITCHES.items() if line in lines):
        asserts = [node for node in nodes if isinstance(node, ast.Assert) and mentions(node.test, name)]
        assert [ast.unparse(node) for node in asserts] == []
        tests = [part for node in nodes if isinstance(node, ast.If) for part in parts(node.test)]
        assert {ast.unparse(part) for part in tests if mentions(part, name)} <= REACHES[name]


def mentions(node, name):
    return any(isinstance(part, ast.Name) and part.id == name for part in ast.walk(node))


def parts(test):
    return test.values if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And) else [test]


# The README leads on; what takes longer to say stands in docs/.
WORDS = {
    "": 200,
    "Two commands": 100,
    "The notebooks": 240,
    "Going further": 230,
    "Play with it": 130,
    "In a course": 210,
    "Without a GPU, on Windows, with conda": 110,
    "How it is verified": 230,
    "How fast it is": 90,
    "Where things are": 140,
    "Licence and citation": 180,
}


def test_the_readme_keeps_to_its_budget_of_words():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.encode()) < 12_000
    top, *sections = re.split(r"^## ", text, flags=re.MULTILINE)
    words = {"": len(top.split())} | {part.partition("\n")[0]: len(part.split()) for part in sections}
    assert words.keys() == WORDS.keys()
    assert {name: count for name, count in words.items() if count > WORDS[name]} == {}
