"""What the judge and the checks say of each made submission, word for word, as `words.txt` holds it.

Where other words are wanted: run this, look at build/words.txt, and copy it over `words.txt`.
"""

import re
from pathlib import Path

import pytest
from grading.judge import PARTS as JUDGED
from submissions import DIGITS, EVERYTHING, HARD_TO_SEE, MISTAKES, PARTS, ROOT, mistaken, read_right, solution
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
    text = "\n".join(f"## {name}\n{found[name]}\n" for name in SUBMISSIONS if name in found)
    (ROOT / "build" / "words.txt").write_text(text, encoding="utf-8")


@pytest.fixture(autouse=True)
def no_clock(monkeypatch):
    monkeypatch.setattr(check, "monotonic", lambda: 0.0)


def look_at(part, code, folder, capsys):
    """The judge's points and lines for a part, and then the line of the check; and the codes that each has for it."""
    names = notebook_with({name: source for name, source in code.items() if name != "grids"})
    names["chosen"] = {digit: read_right(digit) for digit in DIGITS}
    names["grids_solution"] = code["grids"]
    if part == "grids" and "NotImplementedError" not in code["grids"]:
        exec(code["grids"], names)
    else:
        names["grids"] = {}
    marks = JUDGED[part](student_with(names, folder))
    points = sum(step.worth for step in marks.steps)
    codes = [fault.code for fault in marks.faults], None
    try:
        run_check(part, names)
        line = capsys.readouterr().out.strip()
    except check.Wrong as wrong:
        (line,) = wrong._render_traceback_()
        codes = codes[0], wrong.fault.code
    text = "\n".join([f"{marks.share * points:g} of {points:g}", *marks.lines(points, "en"), f"the check: {line}"])
    # What was trained reads another share on another processor.
    return re.sub(r"(labels reads|leaves it reading) \d+%", r"\1 …%", text), codes


# What both see has the same code.
CODES = {
    "1 not flipped": "filter_back.not_flipped",
    "2 transposed": "filter_back.transposed",
    "3 wrong padding": "filter_back.wrong_size",
    "3 no padding": "filter_back.wrong_size",
    "4 cast without scaling": "to_uint8.cast",
    "5 own scale": "to_uint8.zero_differs",
    "6 not rectified": "rectify.negative",
    "6 rectified after": "project.rectified_after",
    "7 upsampled": "unpool.fills_windows",
    "7 other switches": "project.images_not_apart",
    "8 others not zeroed": "keep_channel.others_not_zero",
    "8 zeroed again": "project.zeroed_again",
    "9 misread": "choose.misread",
    "10 biases added": "filter_back.biases_added",
    "another place in the window": "look_inside.not_largest",
    "filters for display": "look_inside.wrong_filters",
    "pooled values of other images": "look_inside.wrong_values",
    "leaky ReLU": "build_cnn.wrong_outputs",
    "no ReLU after the first layer": "build_cnn.no_relu",
    "one map's switches for all": "unpool.first_switches",
    "chooses a 5 always": "choose.other_digit",
    "keeps a map of the first image": "keep_channel.changed",
    **{f"not written: {part}": "not_written" for part in PARTS if part not in ("grids", "mistakes")},
}

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


@pytest.mark.skipif(PARTS != EVERYTHING, reason="the record is of all parts")
def test_the_record_is_of_these_submissions():
    assert list(recorded()) == list(SUBMISSIONS)


@pytest.mark.parametrize("name", SUBMISSIONS)
def test_the_words_are_as_recorded(name, found, tmp_path, capsys):
    part, code = SUBMISSIONS[name]
    if part in ("choose", "grids") and DIGITS != (0, 1, 5, 8):
        pytest.skip("the record is of the digits 0, 1, 5 and 8")
    found[name], (of_the_judge, of_the_check) = look_at(part, code, tmp_path, capsys)
    assert found[name] == recorded().get(name)
    if name in CODES:
        assert of_the_check == CODES[name] and CODES[name] in of_the_judge
