"""The settings of an assignment: what they say, and what is said of those that can't be meant."""

import json
import shutil
from datetime import UTC, datetime, timedelta

import pytest
from grading.settings import NEEDS, BadSettings, names, settings_of
from submissions import EVERYTHING, ROOT

GOOD = """
title = "Was sieht eine Merkmalskarte?"
language = "de"
digits = [7, 3]
deadline = 2027-02-01T23:59:00+01:00
penalty = 2.5

[points]
rectify = 4
unpool = 1.5
"""


@pytest.fixture
def settings(tmp_path):
    """Reads settings that are written like this."""
    shutil.copytree(ROOT / "assignment" / "template", tmp_path / "template")
    (tmp_path / "courses").mkdir()

    def read(text, name="group_b"):
        (tmp_path / "courses" / f"{name}.toml").write_text(text, encoding="utf-8")
        return settings_of(name, tmp_path)

    return read


def test_they_say_what_stands_in_the_file(settings, tmp_path):
    found = settings(GOOD)
    assert (found.name, found.title, found.language) == ("group_b", "Was sieht eine Merkmalskarte?", "de")
    assert (found.digits, found.penalty) == ((7, 3), 2.5)
    assert list(found.points.items()) == [("unpool", 1.5), ("rectify", 4)]  # in the order of the notebook
    assert found.deadline == datetime(2027, 2, 1, 22, 59, tzinfo=UTC)
    assert found.deadline.utcoffset() == timedelta(hours=1)
    assert json.loads(found.for_students()) == {"digits": [7, 3], "language": "de"}
    settings(GOOD, "another")
    assert names(tmp_path) == ["another", "group_b"]


def test_most_may_be_left_out(settings):
    found = settings('title = "a"\ndigits = [0, 1]\n[points]\nrectify = 0')
    assert (found.language, found.deadline, found.penalty) == ("en", None, 0)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (('"Was sieht eine Merkmalskarte?"', "7"), "title = 7: one line of text is wanted"),
        (('"Was sieht eine Merkmalskarte?"', '" "'), 'title = " ": one line of text is wanted'),
        (('"Was sieht eine Merkmalskarte?"', r'"a\nb"'), r'title = "a\nb": one line of text is wanted'),
        (('"de"', '"fr"'), "language = \"fr\": one of 'en', 'de' is wanted"),
        (("[7, 3]", "[7, 12]"), "digits = [7, 12]: 12 is no digit; whole numbers 0 to 9 are wanted"),
        (("[7, 3]", "[7, -1]"), "digits = [7, -1]: -1 is no digit; whole numbers 0 to 9 are wanted"),
        (("[7, 3]", "[7, true]"), "digits = [7, true]: true is no digit; whole numbers 0 to 9 are wanted"),
        (("[7, 3]", '[7, "3"]'), 'digits = [7, "3"]: "3" is no digit; whole numbers 0 to 9 are wanted'),
        (("[7, 3]", "[7, 7]"), "digits = [7, 7]: each digit is wanted once"),
        (("[7, 3]", "[7]"), "digits = [7]: a list of two or more digits is wanted, as in [0, 1, 5, 8]"),
        (("[7, 3]", "7"), "digits = 7: a list of two or more digits is wanted, as in [0, 1, 5, 8]"),
        (("2027-02-01T23:59:00+01:00", "2027-02-01T23:59:00"), "a day, a time and its distance from UTC are wanted"),
        (("2027-02-01T23:59:00+01:00", '"tomorrow"'), 'deadline = "tomorrow": a day, a time and its distance from'),
        (("penalty = 2.5", "penalty = -1"), "penalty = -1: points for each day are wanted, 0 or more"),
        (("penalty = 2.5", "penalty = nan"), "penalty = NaN: points for each day are wanted, 0 or more"),
        (("deadline = 2027-02-01T23:59:00+01:00\n", ""), "penalty = 2.5: there is no deadline; one is wanted, too"),
        (("rectify = 4", "rectify = -4"), "points.rectify = -4: a number is wanted, 0 or more"),
        (("rectify = 4", "rectify = inf"), "points.rectify = Infinity: a number is wanted, 0 or more"),
        (("rectify = 4", 'rectify = "4"'), 'points.rectify = "4": a number is wanted, 0 or more'),
        (("rectify = 4", "rectify = true"), "points.rectify = true: a number is wanted, 0 or more"),
        (("rectify = 4", "recify = 4"), "points.recify: the template has no such part; it has build_cnn, look_inside,"),
        (("rectify = 4\nunpool = 1.5", ""), "points has no part at all; at least one is wanted"),
        (("[points]\nrectify = 4\nunpool = 1.5", "points = 100"), "points = 100: a table is wanted, [points], with a"),
        (("[points]\nrectify = 4\nunpool = 1.5", ""), "the setting 'points' is missing"),
        (("digits =", "digit ="), "there is no setting 'digit'; there are title, digits, language, deadline, penalty,"),
        (("digits = [7, 3]", "digits = [7, 3"), "group_b.toml is no TOML: "),
    ],
)
def test_what_can_not_be_meant_is_named(settings, change, says):
    assert GOOD.count(change[0]) == 1
    with pytest.raises(BadSettings) as error:
        settings(GOOD.replace(*change))
    assert says in str(error.value) and "group_b.toml" in str(error.value)


@pytest.mark.parametrize(("part", "needed"), [(part, needed) for part in NEEDS for needed in NEEDS[part]])
def test_a_part_is_not_asked_for_without_those_that_it_builds_on(settings, part, needed):
    lines = [f"{other} = 1" for other in [*EVERYTHING, "words"] if other != needed]
    everything = 'title = "a"\ndigits = [0, 1]\n[points]\n' + "\n".join(lines)
    with pytest.raises(BadSettings, match=rf"points has \w+ and no {needed}, on which that builds; leave out both"):
        settings(everything)
    assert part in everything


def test_an_assignment_without_settings_is_named(settings, tmp_path):
    settings(GOOD)
    with pytest.raises(BadSettings, match="there is no file .*group_c.toml; the assignments in that folder are"):
        settings_of("group_c", tmp_path)
    with pytest.raises(BadSettings, match="an assignment's name has letters, digits, _ and - only"):
        settings(GOOD, "group b")
