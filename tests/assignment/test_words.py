"""What the judge and the checks say of each made submission, word for word, as `words.txt` holds it.

Where other words are wanted: run this, look at build/words.txt, and copy it over `words.txt`.
"""

import re
from pathlib import Path

import pytest
from grading.judge import PARTS as JUDGED
from submissions import HARD_TO_SEE, MISTAKES, PARTS, ROOT, mistaken, solution
from test_check import check, notebook_with, run_check
from test_judge import student_with

WORDS = Path(__file__).with_name("words.txt")


def recorded():
    """For each made submission, what was said of it."""
    _, *pieces = re.split(r"^## (.+)\n", WORDS.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {name: text.strip() for name, text in zip(pieces[::2], pieces[1::2], strict=True)}


@pytest.fixture(scope="module")
def found():
    """What is said now. It is written, in the form of the record, into build."""
    found = recorded()
    yield found
    (ROOT / "build").mkdir(exist_ok=True)
    text = "\n".join(f"## {name}\n{said}\n" for name, said in found.items())
    (ROOT / "build" / "words.txt").write_text(text, encoding="utf-8")


@pytest.fixture(autouse=True)
def no_clock(monkeypatch):
    monkeypatch.setattr(check, "monotonic", lambda: 0.0)


def said_of(part, code, folder, capsys):
    """The judge's points and lines for a part, and then the line of the check."""
    names = notebook_with({name: source for name, source in code.items() if name != "grids"})
    names["chosen"] = {0: 3, 1: 2, 5: 8, 8: 61}
    names["grids_solution"] = code["grids"]
    if part == "grids" and "NotImplementedError" not in code["grids"]:
        exec(code["grids"], names)
    else:
        names["grids"] = {}
    marks = JUDGED[part](student_with(names, folder))
    points = sum(step[0] for step in marks.steps)
    try:
        run_check(part, names)
        line = capsys.readouterr().out.strip()
    except check.Wrong as wrong:
        (line,) = wrong._render_traceback_()
    text = "\n".join([f"{marks.share * points:g} of {points:g}", *marks.lines(points), f"the check: {line}"])
    # What was trained reads another share on another processor.
    return re.sub(r"(labels reads|leaves it reading) \d+%", r"\1 …%", text)


SUBMISSIONS = {
    **{f"right: {part}": (part, solution("transposed")) for part in PARTS},
    **{
        f"not written: {part}": (
            part,
            solution("transposed") | {part: f"def {part}(*given):\n    raise NotImplementedError()"},
        )
        for part in PARTS
    },
    **{name: mistaken(solution("transposed"), name) for name in (*MISTAKES, *HARD_TO_SEE)},
}


def test_the_record_is_of_these_submissions():
    assert list(recorded()) == list(SUBMISSIONS)


@pytest.mark.parametrize("name", SUBMISSIONS)
def test_the_words_are_as_recorded(name, found, tmp_path, capsys):
    part, code = SUBMISSIONS[name]
    found[name] = said_of(part, code, tmp_path, capsys)
    assert found[name] == recorded().get(name)
