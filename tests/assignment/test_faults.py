"""What the judge has found is kept as data beside the graded notebook."""

import json
import shutil

import nbformat
import pytest
from course import can_be_sandboxed
from grading.judge import Judge
from grading.restore import FAULTS
from nbformat.v4 import new_code_cell, new_notebook
from nbgrader.utils import compute_checksum
from submissions import NAME, SETTINGS, SOURCE, cell_named, fill, mistaken, solution

IMPORTS = "import torch\nimport torch.nn.functional as F\nfrom torch import nn"


@pytest.fixture
def judged(tmp_path):
    """Judges the parts of which there is code, after a cell that raises; gives the notebook and the data beside it."""
    shutil.copytree(SOURCE, tmp_path / NAME)
    source = nbformat.read(SOURCE / f"{NAME}.ipynb", as_version=4)

    def judge(code, as_given=()):
        filled = fill(source, code)
        for name in as_given:
            cell = cell_named(filled, name)
            cell.metadata.nbgrader["checksum"] = compute_checksum(cell)
        cells = [cell_named(filled, name) for part in code for name in (f"{part}_solution", part)]
        cells = [new_code_cell(IMPORTS), new_code_cell("raise KeyError('beside')"), *cells]
        graded, _ = Judge(sandboxed=can_be_sandboxed(), seed=0, timeout=600, call_timeout=600).preprocess(
            new_notebook(cells=cells), {"nbgrader": {"assignment": NAME}, "metadata": {"path": str(tmp_path / NAME)}}
        )
        return graded, json.loads((tmp_path / NAME / FAULTS).read_text(encoding="utf-8"))

    return judge


def test_faults_are_codes_with_values_that_can_be_counted(judged):
    right = solution("transposed")
    _, code = mistaken(right, "3 wrong padding")
    wrong = {
        "filter_back": code["filter_back"].replace("conv.weight,", "conv.weight.flip(3),"),
        "rectify": "rectify = 3",
    }
    notebook, data = judged(wrong | {"keep_channel": right["keep_channel"]})
    points = SETTINGS.points
    size = {"found": "26×26", "wanted": "28×28"}
    one_way = {"code": "filter_back.flipped_one_way", "values": {"axis": {"code": "axis.height", "values": {}}}}
    raised = {"error": "TypeError: 'int' object is not callable"}
    assert data["parts"] == {
        "filter_back": {
            "points": points["filter_back"],
            "earned": pytest.approx(3 / 13 * points["filter_back"], abs=0.005),
            "faults": [one_way, {"code": "filter_back.wrong_size", "values": size}],
            "first": {"wanted": {"code": "filter_back.wants.filters", "values": {}}, "found": [one_way]},
        },
        "rectify": {
            "points": points["rectify"],
            "earned": 0,
            "faults": [{"code": "raised", "values": raised}],
            "first": {
                "wanted": {"code": "rectify.wants", "values": {}},
                "found": [{"code": "raised", "values": raised}],
            },
        },
        "keep_channel": {"points": points["keep_channel"], "earned": points["keep_channel"], "faults": []},
    }
    words = {"error": "KeyError", "cell": "`raise KeyError('beside')`", "words": "'beside'"}
    assert data["record"] == [{"code": "record.error_with_words", "values": words}]
    words = {"error": "KeyError: 'beside'", "line": "raise KeyError('beside')"}
    assert data["troubles"] == {"filter_back": [{"code": "raised_at", "values": words}]}
    assert "wanted: the biases stay out" not in notebook.cells[4].outputs[0].text


def test_what_was_not_written_is_told_from_what_is_wrong(judged):
    code = {"rectify": "raise NotImplementedError", "keep_channel": "keep_channel = 3"}
    _, data = judged(code, ["rectify_solution"])
    assert data["unanswered"] == ["rectify"] and {part["earned"] for part in data["parts"].values()} == {0}
    assert data["cells"]["limit"] == 600 and not data["cells"]["stopped"]
    _, data = judged(code)
    assert data["unanswered"] == []


def test_a_student_can_not_hand_in_the_data(judged, tmp_path):
    beside = tmp_path / NAME / FAULTS
    beside.symlink_to(tmp_path / "elsewhere")
    judged({"rectify": solution("transposed")["rectify"]})
    assert not beside.is_symlink() and not (tmp_path / "elsewhere").exists()
