"""The notebooks as they are committed: executed in order, portable, small, and readable without seeing the pictures.

That their cells run and give the outputs that are stored is nbval's to test.
"""

import re
from pathlib import Path
from urllib.parse import unquote

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted(path for path in (ROOT / "notebooks").rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts)

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
# what stands in code or in a formula is no link
NO_MARKDOWN = re.compile(r"^ *```.*?^ *```|``.*?``|`[^`\n]*`|\$\$.*?\$\$|\$[^$\n]*\$", re.MULTILINE | re.DOTALL)


def test_the_four_notebooks_are_there():
    numbers = [path.name[:3] for path in NOTEBOOKS if path.parent == ROOT / "notebooks"]
    assert numbers == ["01_", "02_", "03_", "04_"]


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.relative_to(ROOT / "notebooks").as_posix())
def path(request):
    return request.param


@pytest.fixture
def notebook(path):
    return nbformat.read(path, as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def markdown_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "markdown"]


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


def test_every_picture_that_a_cell_shows_has_an_alternative_text(notebook):
    shown = [output for output in outputs(notebook) if "image/png" in output.get("data", {})]
    texts = [output.metadata.get("image/png", {}).get("alt", "") for output in shown]
    assert [text for text in texts if not text.strip()] == []


def test_every_picture_in_the_text_has_an_alternative_text(notebook):
    for cell in markdown_cells(notebook):
        assert [alt for alt in pictures(cell.source) if not alt.strip()] == [], cell.source


def test_every_relative_link_leads_to_a_file_of_this_project(path, notebook):
    broken = []
    for cell in markdown_cells(notebook):
        for link in links(cell.source):
            target = unquote(link.partition("#")[0])
            if link.startswith("attachment:"):
                whole = link.removeprefix("attachment:") in cell.get("attachments", {})
            elif re.match(r"(https?|mailto):", link) or not target:
                whole = True
            else:
                file = (path.parent / target).resolve()
                whole = file.exists() and file.is_relative_to(ROOT)
            if not whole:
                broken.append(link)
    assert broken == []


def test_no_code_cell_is_longer_than_a_screen(notebook):
    assert [cell.source for cell in code_cells(notebook) if len(cell.source.splitlines()) > MAX_LINES] == []
