"""An assignment in German: its texts are whole, and students read nothing else."""

import json
import re
import shutil
from dataclasses import replace

import nbformat
import pytest
from course import can_be_sandboxed
from filling import notebook_of, text_of, texts
from grading import judge
from grading.pages.feedback import FeedbackPage
from grading.restore import FAULTS
from nbformat.v4 import new_code_cell, new_notebook
from submissions import NAME, SETTINGS, SOURCE, cell_named, fill, mistaken, solution
from test_check import check, notebook_with, run_check

IN_ENGLISH = replace(SETTINGS, language="en")
GERMAN = replace(SETTINGS, language="de", title="Was sieht eine Feature Map?", digits=(7, 3))
# Words that an English text has, and that no German one does.
ENGLISH = re.compile(r"\b(the|and|you|your|with|which|points|given|wanted|hints?)\b", re.IGNORECASE)


def template():
    cells = nbformat.read(SETTINGS.template / "notebook.ipynb", as_version=4).cells
    return {cell.id: cell.source for cell in cells if cell.cell_type == "markdown"}


def fields(text):
    return sorted(re.findall(r"\{[{%].*?[%}]\}", text))


def code(text):
    return sorted(set(re.findall(r"`[^`]+`", text)))


def prose(text):
    """The text without code and without the names of buttons."""
    return re.sub(r"`[^`]*`|^    .*$|\*Run .*?\*|\{[{%].*?[%}]\}|\$.*?\$", "", text, flags=re.MULTILINE)


def test_each_text_of_the_template_is_there_with_its_fields_and_names():
    english, german = template(), texts(GERMAN)
    assert list(german) == list(english)
    for name, text in english.items():
        assert fields(german[name]) == fields(text), name
        assert code(german[name]) == code(text), name
        assert not ENGLISH.search(prose(german[name])), name


def test_the_readme_has_the_same_places_and_commands():
    english, german = (settings.readme.read_text(encoding="utf-8") for settings in (IN_ENGLISH, GERMAN))
    for pattern in (r"\[[A-Z]{2}[A-Z ]+", r"^    (?:\S*conda|\S*python3?|jupyter) .*$", r"\{\{.*?\}\}"):
        assert re.findall(pattern, german, re.MULTILINE) == re.findall(pattern, english, re.MULTILINE)
        assert re.findall(pattern, german, re.MULTILINE) != []
    assert not ENGLISH.search(prose(german).partition("[HONOUR CODE")[0].replace("[WHERE TO HAND IN]", ""))
    assert "{{" not in text_of(german, GERMAN, "README.md")


def test_numbers_and_digits_are_written_as_in_german():
    notebook = notebook_of(replace(GERMAN, points=dict(SETTINGS.points) | {"unpool": 12.5}))
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    assert text.startswith("# Was sieht eine Feature Map?\n")
    assert "(12,5 Punkte)" in text and "**Punkte:** eine Map: 5; mehrere Maps und Bilder: 2,5" in text
    assert "der Ziffern 7 und 3" in text


def test_the_check_speaks_german(monkeypatch):
    monkeypatch.setitem(check._SETTINGS, "language", "de")
    part, wrong = mistaken(solution("transposed"), "1 not flipped")
    with pytest.raises(check.Wrong, match="Bei dir steht er auf dem Kopf und ist seitenverkehrt. Mit conv2d musst du"):
        run_check(part, notebook_with({name: source for name, source in wrong.items() if name == part}))


@pytest.fixture
def graded(tmp_path, monkeypatch):
    """A notebook with a wrong filter and a cell that raises, as the judge leaves it, and the data beside it."""
    monkeypatch.setattr(judge, "settings_of", lambda name: GERMAN)
    shutil.copytree(SOURCE, tmp_path / NAME)
    source = nbformat.read(SOURCE / f"{NAME}.ipynb", as_version=4)
    filled = fill(source, mistaken(solution("transposed"), "1 not flipped")[1])
    imports = "import torch\nimport torch.nn.functional as F\nfrom torch import nn"
    cells = [new_code_cell(imports), new_code_cell("1 / 0")]
    cells += [cell_named(filled, name) for name in ("filter_back_solution", "filter_back")]
    german = judge.Judge(sandboxed=can_be_sandboxed(), seed=0, timeout=600, call_timeout=600)
    about = {"nbgrader": {"assignment": NAME}, "metadata": {"path": str(tmp_path / NAME)}}
    notebook, _ = german.preprocess(new_notebook(cells=cells), about)
    return notebook, tmp_path / NAME


def test_the_judge_speaks_german_and_counts_by_the_same_codes(graded):
    notebook, folder = graded
    points = SETTINGS.points["filter_back"]
    first, second, *_ = cell_named(notebook, "filter_back").outputs[0].text.splitlines()
    assert first == f"{7 / 13 * points:.4g} von {points:g} Punkten".replace(".", ",")
    assert second.startswith("✗ 0 von ") and second.endswith(
        ": gefragt: die Filter sind in beiden Richtungen gespiegelt, Ein- und Ausgabekanäle vertauscht. Gefunden: die "
        "Filter stehen auf dem Kopf und sind seitenverkehrt (nicht gespiegelt oder zweimal)"
    )
    record = "**Protokoll der Bewertung**\n\n- ZeroDivisionError in der Zelle `1 / 0`: division by zero"
    assert notebook.cells[0].source == record
    (fault,) = json.loads((folder / FAULTS).read_text(encoding="utf-8"))["parts"]["filter_back"]["faults"]
    assert fault == {"code": "filter_back.not_flipped", "values": {}}


def test_the_page_of_feedback_is_in_german(graded, monkeypatch):
    from grading.pages import feedback

    notebook, folder = graded
    # In that folder there is no source notebook, so that parts are called by nbgrader's names.
    monkeypatch.setattr(feedback, "settings_of", lambda name: replace(GERMAN, course=folder))
    about = {"notebook": NAME, "assignment": NAME, "score": 7.5, "max_score": 13, "late_penalty": 2.5}
    resources = {"nbgrader": about, "metadata": {"path": str(folder)}}
    html, _ = FeedbackPage().from_notebook_node(notebook, resources)
    assert '<html lang="de">' in html and '<span class="total">7,5 von 13 Punkten</span>' in html
    for words in ("Protokoll der Bewertung", "Zu spät abgegeben: 2,5 Punkte weniger", "Die Aufgabe: filter_back"):
        assert words in html
    row = re.search(r'<tr id="row-filter_back".*?</tr>', html, re.DOTALL)[0]
    assert "ein Fehler: ZeroDivisionError: division by zero, in <code>1 / 0</code>" in row
    assert "die Filter stehen auf dem Kopf und sind seitenverkehrt" in row and "Gefragt: die Filter sind" in row
    assert not re.search(r"Wanted|Points|What was found|Record of the grading|Handed in late|The task", html)
