"""The time for a cell is learned from right submissions, and is never more than was promised."""

import json

import pytest
from grading.learned import CellTime, Times, times_of


def right(slowest):
    return Times(True, slowest, False, 240)


@pytest.mark.parametrize(
    ("usual", "factor", "slowest", "wanted"),
    [
        (240, 5, 20, 100),
        (240, 5, 2, 60),
        (240, 5, 100, 240),
        (30, 5, 2, 30),
        (240, 2.5, 30.1, 76),
        (240, None, 20, 240),
    ],
)
def test_ten_right_ones_are_enough(usual, factor, slowest, wanted):
    limit = CellTime(usual, factor)
    for number in range(10):
        assert limit.seconds == usual
        limit.learn("wrong", Times(False, 500, False, usual))
        limit.learn("lost", None)
        limit.learn("right", right(slowest if number == 3 else 1))
    assert limit.seconds == wanted
    assert bool(limit.said("grade")) is (wanted < usual)


def test_it_grows_again_with_a_right_one_that_takes_longer():
    limit = CellTime(240, 5)
    for _ in range(10):
        limit.learn("ada", right(14))
    assert limit.seconds == 70
    limit.learn("bob", right(15))
    assert limit.seconds == 75


def test_who_was_stopped_sooner_than_usual_is_named():
    limit = CellTime(240, 5)
    limit.learn("ada", Times(False, 3, True, 240))
    limit.learn("jo doe", Times(True, 3, True, 60))
    limit.learn("eve", Times(False, 3, False, 60))
    assert limit.stopped == ["jo doe"]
    assert limit.said("grade") == [
        "    jo doe: a cell was stopped before the usual 240 s. Give it these by grade 'jo doe'"
    ]


def test_they_are_read_from_what_the_judge_leaves(tmp_path):
    def left(**found):
        (tmp_path / "faults.json").write_text(json.dumps(found), encoding="utf-8")
        return times_of(tmp_path)

    cells = {"slowest": 3.5, "stopped": True, "limit": 60}
    all_points, rounded, few = ({"points": 13, "earned": points} for points in (13, 12.99, 7))
    third = {"points": 1 / 3, "earned": 0.33}
    assert left(parts={"a": all_points, "b": third}, cells=cells) == Times(True, 3.5, True, 60)
    assert not left(parts={"a": all_points, "b": few}, cells=cells).right
    assert not left(parts={"a": rounded}, cells=cells).right and not left(parts={}, cells=cells).right
    assert left(parts={"a": all_points}) is None
    (tmp_path / "faults.json").write_text("{")
    assert times_of(tmp_path) is None and times_of(tmp_path / "nobody") is None
