"""A whole submission before the judge: whoever runs out of time loses what is not reached, and no other part.

No limit here can be reached by an honest cell, however busy the machine is: each is set to nothing just before what is
to be stopped.
"""

import shutil

import nbformat
import pytest
from grading import runner
from grading.judge import Judge
from nbformat.v4 import new_code_cell, new_notebook
from submissions import NAME, SETTINGS, SOURCE, STUBBORN, cell_named, fill, solution

SLEEPING = "import time\ntime.sleep(100_000)"
ENDLESS = "def unpool(signal, switches, size):\n    while True:\n        pass"
SPENT, AMPLE = 0, 6000
ALL = {part: f"{SETTINGS.points[part]:g}" for part in ("unpool", "rectify", "filter_back")}


class Watched(Judge):
    """A judge whose time for the cell that begins with `last`, or for all from there on, is spent when it comes."""

    last, spends = "", ""

    def run(self, index):
        if self.last and self.nb.cells[index].source.startswith(self.last):
            setattr(self, self.spends, SPENT)
        super().run(index)
        self.timeout = AMPLE

    def _replace(self, before):
        self.timeout = AMPLE
        super()._replace(before)

    def ask(self, index, function, *given, **how):
        self.call_timeout = SPENT if function == self.last else AMPLE
        return super().ask(index, function, *given, **how)


@pytest.fixture
def judged(tmp_path):
    """Judges the three first parts of task 2, with a cell of the student's own before `filter_back`."""
    shutil.copytree(SOURCE, tmp_path / NAME)
    source = nbformat.read(SOURCE / f"{NAME}.ipynb", as_version=4)

    def judge(code, own, last, spends):
        filled = fill(source, solution("transposed") | code)
        names = ["unpool_solution", "unpool", "rectify_solution", "rectify", "filter_back_solution", "filter_back"]
        cells = [new_code_cell("import torch\nimport torch.nn.functional as F\nfrom torch import nn")]
        cells += [cell_named(filled, name) for name in names]
        cells.insert(5, new_code_cell(own))
        watched = Watched(timeout=AMPLE, call_timeout=AMPLE, total_timeout=AMPLE, seed=0)
        watched.last, watched.spends = last, spends
        about = {"nbgrader": {"assignment": NAME}, "metadata": {"path": str(tmp_path / NAME)}}
        notebook, _ = watched.preprocess(new_notebook(cells=cells), about)
        points = {name: cell_named(notebook, name).outputs[-1].data["text/plain"] for name in names[1::2]}
        return points, notebook.cells[0].source

    return judge


def test_an_endless_function_costs_its_own_part_alone(judged):
    points, record = judged({"unpool": ENDLESS}, "", "unpool", "")
    assert points == ALL | {"unpool": "0"}
    assert "`unpool` took more than 1 s" in record


@pytest.mark.parametrize(
    ("own", "says"),
    [(SLEEPING, "was interrupted"), (STUBBORN, "could not be stopped after 1 s")],
    ids=["sleeping", "stubborn"],
)
def test_an_endless_cell_costs_nothing(judged, monkeypatch, own, says):
    if own == STUBBORN:
        monkeypatch.setattr(runner, "_STOPS_WITHIN", 1)
    points, record = judged({}, own, own, "timeout")
    assert points == ALL
    assert says in record


def test_when_all_time_is_spent_the_rest_is_not_run(judged):
    points, record = judged({}, SLEEPING, SLEEPING, "total_timeout")
    assert points == ALL | {"filter_back": "0"}
    assert "all together took more than 0 s; nothing more is run" in record
