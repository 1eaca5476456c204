"""make replicate: a claim that falls is found, and hides none of the others; the table's numbers are those compared."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from stored import SERIES, code_cells

from helpers import plotting
from helpers.lenet5 import SHIPPED
from replication.__main__ import said_of_one
from replication.claims import Claim, claims_of, span
from replication.table import ROW, fill

ROOT = Path(__file__).resolve().parents[1]
SECOND = {"weights": "lenet5_seed1", "seed": 1}


@pytest.fixture
def claims(tmp_path):
    """The claims of a notebook with these cells, for the second network."""

    def found(*sources: str, switch: str = 'weights = "lenet5"') -> list[Claim]:
        path = tmp_path / "01_small.ipynb"
        cells = [new_markdown_cell("# Title"), *map(new_code_cell, (switch, *sources))]
        nbformat.write(new_notebook(cells=cells), path)
        return claims_of(path, SECOND)

    return found


def test_a_claim_that_falls_hides_none_of_those_after_it(claims):
    found = claims("assert 1 == 2\nassert 2 == 2 and 3 < 2 and 4 > 3", "assert [1] != [1]")
    assert [claim.falls for claim in found] == [1, 0, 1, 0, 1]
    assert [claim.runs for claim in found] == [1] * 5
    assert [claim.cell for claim in found] == [2, 2, 2, 2, 3]
    assert [claim.text for claim in found] == ["1 == 2", "2 == 2", "3 < 2", "4 > 3", "[1] != [1]"]


@pytest.mark.parametrize("body", ["x = 1 / 0", "print(\n    1 / 0)", "for k in range(2):\n    1 / 0"])
def test_a_statement_that_stops_is_a_claim_that_falls_and_stops_no_other(claims, body):
    stopped, after = claims(f"{body}\nassert True")
    assert (stopped.falls, stopped.error) == (1, "ZeroDivisionError: division by zero")
    assert after.runs == 1 and not after.falls


def test_an_error_inside_an_assert_is_that_claims_own(claims):
    first, second = claims("assert {}['a'] == 1 and 2 > 1")
    assert (first.falls, first.error, second.falls) == (1, "KeyError: 'a'", 0)


@pytest.mark.parametrize(
    "source",
    ["1 < 2 < 2", "not 1", "1 == 2 or 2 < 1", "3 in (1, 2)", "weights is None", "torch.ones(2) == torch.ones(2)"],
)
def test_whatever_an_assert_holds_it_can_fall(claims, source):
    assert [claim.falls for claim in claims(f"import torch\nassert {source}")] == [1]


@pytest.mark.parametrize(
    "source",
    [
        "1 < 2 <= 2",
        "2 >= 2 == 2 != 1",
        "not 0",
        "1 == 2 or 2 > 1",
        "2 in (1, 2)",
        "weights is not None",
        "torch.ones(1) == 1",
        "'b' > 'a'",
    ],
)
def test_whatever_an_assert_holds_it_can_hold(claims, source):
    assert [claim.falls for claim in claims(f"import torch\nassert {source}")] == [0]


def test_assertions_of_torch_count(claims):
    close = "torch.testing.assert_close(torch.ones(2), {} * torch.ones(2))"
    found = claims("import torch", close.format(1), close.format(2))
    assert [claim.falls for claim in found] == [0, 1]


def test_in_a_loop_or_a_function_all_runs_count(claims):
    loop, inside = claims(
        "for k in range(4):\n    assert k < 2", "def f(x):\n    assert x\n    return x", "[f(x) for x in (0, 1, 2)]"
    )
    assert (loop.runs, loop.falls, loop.values["k"]) == (4, 2, [0, 1, 2, 3])
    assert (inside.runs, inside.falls) == (3, 1)


def test_the_numbers_of_both_sides_are_kept(claims):
    (claim,) = claims("import torch\nx = torch.tensor([0.25, 1])\nassert 0.1 < x.min() < x.sum() < len('word')")
    assert claim.values == {"0.1": [0.1], "x.min()": [0.25], "x.sum()": [1.25], "len('word')": [4]}
    assert [claim.values for claim in claims("assert '5' == '5' != None != [1]")] == [{}]


def test_what_falls_is_said_with_its_numbers(claims):
    source = "for k in (1, 2, 5):\n    assert 3 * k < 10"
    assert [str(claim) for claim in claims(source)] == ["cell 2: 3 * k < 10, 1 times of 3 (3 * k is 3 to 15)"]
    assert str(*claims("assert 3 > 4")) == "cell 2: 3 > 4"
    assert str(*claims("x = 1\nassert [x] == [2]")) == "cell 2: [x] == [2]"
    assert str(*claims("assert x > 4")) == "cell 2: x > 4 (NameError: name 'x' is not defined)"


def test_the_notebooks_switches_are_set(claims):
    source = 'assert weights == "lenet5_seed1"'
    assert [claim.falls for claim in claims(source)] == [0]
    assert [claim.falls for claim in claims("assert seed == 1", switch="seed = 0  # another: 1")] == [0]


def test_a_notebook_without_a_switch_is_refused(claims):
    with pytest.raises(ValueError, match=r"01_small.ipynb has neither a line weights = 'lenet5' nor seed = 0"):
        claims(switch='weights = "my_lenet5"')


def test_what_is_said_of_one_network_alone_is_tried_on_each(claims):
    found = claims(
        'if weights == "lenet5":\n    assert 1 > 2\n    for k in (0, 1):\n        assert k\nelse:\n    assert 1 > 3',
        'for k in (1, 2):\n    if weights == "lenet5" and k == 1:\n        assert k == 2\nassert 3 > 4',
    )
    assert [(claim.text, claim.here, claim.runs) for claim in found] == [
        ("1 > 2", True, 1),
        ("k", True, 2),
        ("1 > 3", False, 0),
        ("k == 2", True, 1),
        ("3 > 4", False, 1),
    ]
    found = claims('if weights == "lenet5" and 1 > 2:\n    assert False')
    assert [claim.runs for claim in found] == [0]
    found = claims("if seed == 0:\n    x = 1 / 0\n    assert x", switch="seed = 0")
    assert [(claim.here, claim.error) for claim in found][-1] == (True, "ZeroDivisionError: division by zero")


def test_a_loop_over_seeds_is_no_switch(claims):
    found = claims("for seed in (0, 1):\n    if seed == 0:\n        assert seed > 0")
    assert [(claim.here, claim.runs, claim.falls) for claim in found] == [(False, 1, 1)]


def test_nothing_is_drawn_printed_or_kept(claims, capsys, monkeypatch):
    monkeypatch.setattr(plotting, "as_image", None)
    show, environment = plotting.show, dict(os.environ)
    found = claims(
        "from helpers.plotting import Panel, panels, show\nimport torch\nfrom pathlib import Path",
        "show(panels([[Panel(torch.ones(2, 2))]], 'Title'), alt='words', name='01_figure')",
        "from helpers.files import output_folder\nprint(3)",
        f"assert output_folder(Path({str(plotting.FIGURES)!r})) != Path({str(plotting.FIGURES)!r})",
    )
    assert [str(claim) for claim in found if claim.falls] == []
    assert capsys.readouterr().out == ""
    assert plotting.show is show and dict(os.environ) == environment
    assert plotting.plt.get_fignums() == []


def test_how_far_what_is_said_of_one_reaches(claims):
    def claim(text, here, falls):
        return Claim(3, text, here, runs=1, falls=falls)

    by_seed = {
        0: [claim("a", True, 0), claim("b", False, 0)],
        1: [claim("a", True, 1), claim("b", False, 0)],
        2: [claim("b", False, 1), claim("a", True, 0)],
    }
    assert said_of_one(by_seed) == ["cell 3: a: 2 of 3"]


def test_the_command_names_what_falls_and_fails(tmp_path):
    """Solutions have the name of their notebook; they are told apart."""
    claims = {
        "01_small.ipynb": 'assert weights != "lenet5_seed2"\nassert len(weights) < 7',
        "solutions/01_small.ipynb": "assert 2 < 1",
        "02_small.ipynb": "1 + 1",
    }
    (tmp_path / "solutions").mkdir()
    for name, source in claims.items():
        cells = [new_code_cell(text) for text in ('weights = "lenet5"', source)]
        nbformat.write(new_notebook(cells=cells), tmp_path / name)
    command = [sys.executable, "-m", "replication", "--seed", "2"]
    names = [str(tmp_path / name) for name in claims]
    done = subprocess.run([*command, *names], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr == ""
    assert re.findall(r"^.*_small, .*", done.stdout, re.MULTILINE) == [
        "01_small, lenet5_seed2, cell 1: weights != 'lenet5_seed2'",
        "01_small, lenet5_seed2, cell 1: len(weights) < 7 (len(weights) is 12)",
        "solutions/01_small, lenet5_seed2, cell 1: 2 < 1",
    ]
    assert done.stdout.splitlines()[-1].endswith("; of 3 claims, 3 fall")
    done = subprocess.run([*command, names[2]], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.splitlines()[-1].endswith("; of 0 claims, none fall")


# The table of docs/verification.md


@pytest.mark.parametrize(
    ("values", "short"),
    [([1.0], "1"), ([3.0, 1.0, 2.0], "1 to 3"), ([0.99264, 0.5], "0.5 to 0.993"), ([1407.0], "1407")],
)
def test_spans_are_short(values, short):
    assert span(values) == short


def test_a_table_is_filled_with_what_was_compared():
    page = """# Title

| It reads most | 01 | `rate` | old | old to older |
| In each class | 01 | `all(rates)` | old | old |
| Not run | B | `rate` | 5 | 6 |
"""

    def claims(*rates, falls=0):
        compared = [Claim(1, "rate > 0.5", False, values={"rate": [rate]}) for rate in rates]
        return [*compared, Claim(2, "all(rates)", False, runs=1, falls=falls)]

    found = {"01_build": {0: claims(0.75), 1: claims(0.5, 1.0), 2: claims(0.6, falls=1)}}
    expected = page.replace("old | old to older |", "0.75 | 0.5 to 1 |").replace("old | old |", "holds | holds for 2 |")
    assert fill(page, found) == expected
    with pytest.raises(ValueError, match="notebook 01 compares no rate"):
        fill(page, {"01_build": {0: claims(0.75), 1: claims()}})


def test_each_row_of_the_table_is_compared_in_its_notebook():
    page = (ROOT / "docs" / "verification.md").read_text(encoding="utf-8")
    rows = [match.groups()[1:] for match in ROW.finditer(page)]
    assert {notebook for notebook, _ in rows} == {"01", "02", "03", "04", "A", "B", "C", "D"}
    for notebook, source in rows:
        path = next(path for path in SERIES if path.name.startswith(f"{notebook.lower()}_"))
        cells = code_cells(nbformat.read(path, as_version=4))
        asserts = [node for cell in cells for node in ast.walk(ast.parse(cell.source)) if isinstance(node, ast.Assert)]
        compared = [ast.unparse(side) for node in asserts for side in ast.walk(node) if isinstance(side, ast.expr)]
        assert source in compared, f"notebook {notebook} asserts nothing of {source}"


def test_six_networks_are_replicated():
    assert len(SHIPPED) == 6
