"""The strips in which something may be wrong: what students get tells nothing, and right words alone earn points."""

import ast
import hashlib
import io
import json
import zipfile
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import nbformat
import numpy as np
import pytest
import torch
from filling import notebook_of
from grading.answers import NoAnswer
from grading.judge import PARTS as JUDGED
from grading.marks import Student
from grading.mistakes_task import KEY, WORDS, answers_to, bank, key_of
from grading.settings import COURSE, BadSettings
from new_mistakes import APART, EACH, WAYS, bank_of, drawings, key_to, least_apart, on_ink
from submissions import ADDRESS, EVERYTHING, NAME, PARTS, SETTINGS, SOURCE, cell_named
from test_check import check, run_check
from test_judge import student_with

from helpers.data import load_mnist
from helpers.deconvnet import DeconvNet
from helpers.lenet5 import load_lenet5
from helpers.messages import message
from helpers.plotting import Panel

CONTENT = (COURSE / "template" / "bank.npz").read_bytes()
strips_of, places_of = bank()["strips_of"], bank()["places_of"]
TEMPLATE_CELLS = {
    cell.id: cell.source for cell in nbformat.read(SETTINGS.template / "notebook.ipynb", as_version=4).cells
}
asked = pytest.mark.skipif("mistakes" not in PARTS, reason="these settings leave out mistakes")


def arrays(content):
    with np.load(io.BytesIO(content)) as file:
        return dict(file)


def earned(said, folder, email=ADDRESS):
    """Of six points."""
    marks = JUDGED["mistakes"](student_with({"email": email, "mistakes": said}, folder))
    return marks.share * 6, [fault.code for fault in marks.faults]


def test_right_words_earn_all(tmp_path):
    right = answers_to(ADDRESS)
    assert earned(right, tmp_path) == (6, [])
    assert earned(tuple(f" {word.upper()} " for word in right), tmp_path, email=f" {ADDRESS.upper()}\n") == (6, [])


@pytest.mark.parametrize("wrong", range(1, 7))
def test_each_strip_counts_by_itself(wrong, tmp_path):
    said = answers_to(ADDRESS)
    for place in range(wrong):
        said[place] = next(word for word in WORDS if word != said[place])
    points, faults = earned(said, tmp_path)
    assert points == pytest.approx(6 - wrong)
    assert set(faults) == {"mistakes.wrong"}


def test_what_is_right_is_not_told_to_who_misses_it(tmp_path):
    right = answers_to(ADDRESS)
    said = [next(word for word in WORDS if word not in right)] * 6
    lines = JUDGED["mistakes"](student_with({"email": ADDRESS, "mistakes": said}, tmp_path)).lines(6, "en")
    assert len(lines) == 6
    assert not [word for word in set(right) for line in lines if f"'{word}'" in line]


NONSENSE = {
    "five words": (["right"] * 5, ADDRESS, "mistakes.not_six"),
    "a number": (3, ADDRESS, "mistakes.no_list"),
    "a dictionary": (dict.fromkeys(range(6), "right"), ADDRESS, "mistakes.no_list"),
    "a word that is none": (["blurred"] * 6, ADDRESS, "mistakes.no_such_word"),
    "nothing yet": ([None] * 6, ADDRESS, "mistakes.no_such_word"),
    "no address": (["right"] * 6, "", "mistakes.no_address"),
    "a name": (["right"] * 6, "ada", "mistakes.strange_address"),
    "two addresses": (["right"] * 6, "a@b.de, c@d.de", "mistakes.strange_address"),
    "far too long": (["right"] * 6, f"{'a' * 200}@b.de", "mistakes.strange_address"),
    "no text": (["right"] * 6, 7, "mistakes.strange_address"),
}


@pytest.mark.parametrize("name", NONSENSE)
def test_nonsense_is_named_by_judge_and_check_alike(name, tmp_path):
    said, email, code = NONSENSE[name]
    points, faults = earned(said, tmp_path, email)
    assert points == 0 and set(faults) == {code}
    with pytest.raises(check.Wrong) as wrong:
        check.mistakes(said, email)
    assert wrong.value.fault.code == code


def test_without_an_address_or_words_nothing_is_earned(tmp_path):
    for names in ({}, {"email": ADDRESS}, {"mistakes": answers_to(ADDRESS)}):
        assert JUDGED["mistakes"](student_with(names, tmp_path)).share == 0


def test_the_check_does_not_know_what_is_right(capsys):
    for word in WORDS:
        run_check("mistakes", {"mistakes": [word] * 6, "email": ADDRESS})
    assert capsys.readouterr().out.count("Nothing wrong found") == len(WORDS)


# What a guess is worth.


def test_all_words_are_equally_likely():
    key = key_of()
    assert len(key) >= 128
    assert Counter(key) == dict.fromkeys(WORDS, len(key) // len(WORDS))
    assert list(WAYS) == list(WORDS) and len(WORDS) >= 6


def test_one_word_for_all_earns_a_fifth_of_a_point_at_most():
    addresses = [f"student{number}@example.org" for number in range(2000)]
    found = Counter(word for address in addresses for word in answers_to(address))
    assert set(found) == set(WORDS)
    assert max(found.values()) / (6 * len(addresses)) < 0.2


def test_six_strips_are_chosen_by_the_address_alone():
    chosen = {address: strips_of(address) for address in ("ada@example.org", "bob@example.org")}
    for strips in chosen.values():
        assert len({tuple(strip.digit.flatten().tolist()) for strip in strips}) == 6
    ada, bob = chosen.values()
    assert any(not one.pictures.equal(other.pictures) for one, other in zip(ada, bob, strict=True))
    again = strips_of(" Ada@Example.org ")
    assert all(one.pictures.equal(other.pictures) for one, other in zip(ada, again, strict=True))


def test_every_strip_belongs_to_somebody():
    places = {place for number in range(500) for place in places_of(f"{number}@example.org", len(key_of()))}
    assert places == set(range(len(key_of())))


# What is handed out.


def test_the_bank_holds_pictures_of_one_form_and_no_more():
    found = arrays(CONTENT)
    count = len(key_of())
    assert {name: (array.dtype.name, array.shape) for name, array in found.items()} == {
        "digits": ("uint8", (count, 28, 28)),
        "pictures": ("uint8", (count, 3, 28, 28)),
        "maps": ("uint8", (count, 3)),
    }
    with zipfile.ZipFile(io.BytesIO(CONTENT)) as file:
        assert {(one.date_time, one.comment, one.extra) for one in file.infolist()} == {
            ((1980, 1, 1, 0, 0, 0), b"", b"")
        }


def test_the_order_tells_nothing():
    """Of two neighbours, about one pair in as many as there are words is equal."""
    key = key_of()
    equal = sum(one == other for one, other in pairwise(key))
    assert abs(equal - len(key) / len(WORDS)) < 4 * (len(key) / len(WORDS)) ** 0.5
    assert key != sorted(key) and key != [WORDS[place % len(WORDS)] for place in range(len(key))]


@pytest.fixture
def small(monkeypatch):
    """Makes small banks of the network of the notebooks."""
    monkeypatch.setattr("new_mistakes.EACH", 1)
    images, labels = (data[:600] for data in load_mnist("test"))
    model = load_lenet5()
    return lambda seed: bank_of(seed, model, images, labels)


def test_another_seed_gives_other_strips_and_another_key(small):
    one, again, other = small(1), small(1), small(2)
    assert one == again
    assert one[0] != other[0] and one[1] != other[1]
    assert Counter(one[1]) == Counter(other[1]) == dict.fromkeys(WORDS, 1)


def test_the_digits_and_maps_do_not_hang_on_what_was_done(small, monkeypatch):
    """With the words in another order, the same digits and maps are drawn."""
    first = arrays(small(3)[0])
    monkeypatch.setattr("new_mistakes.WAYS", dict(reversed(WAYS.items())))
    second = arrays(small(3)[0])
    assert np.array_equal(first["digits"], second["digits"]) and np.array_equal(first["maps"], second["maps"])
    assert not np.array_equal(first["pictures"], second["pictures"])


def test_what_is_right_is_what_the_deconvnet_gives():
    """And each mistake is one: it differs."""
    model, image = load_lenet5(), load_mnist("test")[0][:1]
    net = DeconvNet(model.features)
    wanted = net.project(net.record(image), "pool2", channels=[3, 7, 11])[0, :, 0]
    drawn = drawings(torch.nn.Sequential(*model.features), image, [3, 7, 11])
    assert (drawn["right"].int() - (128 + 127 * wanted / wanted.abs().max()).round().int()).abs().max() <= 1
    assert list(drawn) == list(WORDS)
    assert least_apart(drawn) > 0


def test_the_two_most_alike_decide_how_clear_a_strip_is():
    high, low = torch.full((1, 2, 2), 228, dtype=torch.uint8), torch.full((1, 2, 2), 178, dtype=torch.uint8)
    assert least_apart({"a": high, "b": low}) == pytest.approx(0.5)
    assert least_apart({"a": high, "b": low, "c": high}) == 0


def test_light_is_told_by_where_it_lies():
    picture = torch.tensor([[[128, 28, 138], [228, 128, 108]]], dtype=torch.uint8)
    digit = torch.tensor([[1.0, 1, 0], [1, 0, 0.1]])
    assert on_ink(picture, digit).tolist() == [pytest.approx(100**2 / (100**2 + 10**2))]
    assert on_ink(picture, 1 - digit).tolist() == [pytest.approx(10**2 / (100**2 + 10**2))]


def test_the_bank_shows_by_its_light_whether_filters_are_flipped():
    found = {name: torch.from_numpy(array) for name, array in arrays(CONTENT).items()}
    strips = zip(key_of(), found["pictures"], found["digits"], strict=True)
    shares = [(word, on_ink(pictures, digit / 255)) for word, pictures, digit in strips]
    assert min(share.min() for word, share in shares if word == "right") >= 0.75
    assert max(share.max() for word, share in shares if word == "not flipped") <= 0.5


def test_too_few_clear_digits_are_named():
    images, labels = (data[:20] for data in load_mnist("test"))
    with pytest.raises(ValueError, match=rf"only \d+ digits show each mistake clearly; {EACH * len(WAYS)} are needed"):
        bank_of(0, load_lenet5(), images, labels)


def test_a_key_of_another_bank_is_refused(tmp_path):
    (tmp_path / "template").mkdir()
    (tmp_path / "template" / "bank.npz").write_bytes(CONTENT)
    with pytest.raises(BadSettings, match=rf"{KEY} can't be read .*make given writes it beside a new bank"):
        key_of(tmp_path)
    (tmp_path / KEY).write_bytes(key_to(CONTENT, ["right"]))
    assert key_of(tmp_path) == ["right"]
    (tmp_path / "template" / "bank.npz").write_bytes(CONTENT + b" ")
    with pytest.raises(BadSettings, match="is the key of another bank than"):
        key_of(tmp_path)


# What students see.


def drawn_by(email):
    shown = []
    names = {"email": email, "Panel": Panel, "panels": lambda rows, title: shown.append(rows)}
    exec(TEMPLATE_CELLS["mistakes-strips"], names | {"show": lambda figure, alt: None})
    return shown


def test_the_notebook_shows_six_strips_from_black_to_white():
    assert drawn_by("") == []
    (rows,) = drawn_by(ADDRESS)
    assert [row[0].label for row in rows] == [f"strip {number}" for number in range(1, 7)]
    for row, strip in zip(rows, strips_of(ADDRESS), strict=True):
        digit, *pictures = row
        assert [panel.label for panel in pictures] == [f"map {channel}" for channel in strip.maps]
        assert {panel.kind for panel in row} == {"ink"}
        assert digit.pixels.equal(strip.digit) and torch.stack([one.pixels for one in pictures]).equal(strip.pictures)
        assert 0 <= strip.pictures.min() and strip.pictures.max() <= 1
    zeros = [strip.pictures for number in range(40) for strip in strips_of(f"{number}@example.org")]
    assert sum((one == 128 / 255).double().mean() > 0.2 for one in zeros) > len(zeros) / 2


def test_what_is_no_address_shows_no_strips():
    with pytest.raises(ValueError, match="'ada' does not look like an e-mail address; one such as ada@example.org"):
        drawn_by("ada")


def test_the_text_names_the_words_of_the_list():
    table = [line for line in TEMPLATE_CELLS["mistakes-text"].splitlines() if line.startswith('| `"')]
    assert [ast.literal_eval(line.split("`")[1]) for line in table] == list(WORDS)


def text_of_all_cells(points):
    return "\n".join(cell.source for cell in notebook_of(replace(SETTINGS, points=points, language="en")).cells)


def test_a_course_may_leave_it_out_or_ask_nothing_else():
    everything = dict.fromkeys([*EVERYTHING, "words"], 6)
    with_it = text_of_all_cells(everything)
    assert "## 3e · What went wrong? (6 points)" in with_it and "## 3f · What you see (6 points)" in with_it
    without = text_of_all_cells({part: worth for part, worth in everything.items() if part != "mistakes"})
    assert "## 3e · What you see (6 points)" in without
    assert not [word for word in ("went wrong", "strip", "email", "bank") if word in without]
    alone = text_of_all_cells({"mistakes": 3})
    assert "# Task 1 · The 22 visualisations (3 points)" in alone and "## 1a · What went wrong? (3 points)" in alone
    assert "**Points:** 0.5 for each strip." in alone


@asked
def test_the_reference_is_right_for_its_own_address():
    names = {}
    exec(cell_named(nbformat.read(SOURCE / f"{NAME}.ipynb", as_version=4), "mistakes_solution").source, names)
    assert names["mistakes"] == answers_to(names["email"])


def test_the_key_goes_with_the_bank():
    assert hashlib.sha256(CONTENT).hexdigest() == json.loads((COURSE / KEY).read_text())["bank"]
    assert 0 < APART < 1


def test_a_silent_student_gets_six_steps():
    """What the text says of the points is asked without a key."""

    def silent(*question, **how):
        raise NoAnswer(message("not_looked_at"))

    marks = JUDGED["mistakes"](Student(silent, torch.Generator(), {}, ()))
    assert [step.worth for step in marks.steps] == [1] * 6
