"""A mistake costs its own step and no other, and is called by its name."""

from functools import cache

import pytest
from grading.judge import PARTS as JUDGED
from submissions import PARTS, solution
from test_judge import right, student_with  # noqa: F401 (a fixture)


def judged(part, names, folder, seed=0):
    """What a part earns, and the codes of what is found to be wrong in it."""
    marks = JUDGED[part](student_with(names, folder, seed))
    return round(marks.share * sum(step.worth for step in marks.steps), 6), [fault.code for fault in marks.faults]


@cache
def code(part):
    return solution("transposed")[part]


def changed(part, *changes):
    """The right solution of a part in which each of `changes`, a pair, puts one piece of code for another."""
    source = code(part)
    for old, new in changes:
        assert source.count(old) == 1
        source = source.replace(old, new)
    return source


FLIPPED = "def filter_back(signal, conv):\n    return F.conv_transpose2d(signal, conv.weight.mT, padding=conv.padding)"
DOWN = "        x = unpool(x, where, size)\n        x = rectify(x)\n        x = filter_back(x, conv)"

# What stands in the place of the loop on the way down, what the part earns of 10, and how the mistake is called.
DOWNS = {
    "not rectified": ("x = filter_back(unpool(x, where, size), conv)", 3, "project.not_rectified"),
    "zeroed again": (
        "x = filter_back(rectify(unpool(x, where, size)), conv)\n"
        "        x = keep_channel(x, 0) if x.shape[1] > 1 else x",
        3,
        "project.zeroed_again",
    ),
    "zeroed in each layer": (
        "x = filter_back(rectify(unpool(keep_channel(x, channel % x.shape[1]), where, size)), conv)",
        3,
        "project.zeroed_again",
    ),
    "the strongest, before it is rectified": (
        "x = unpool(x, where, size)\n"
        "        x = keep_channel(x, int(x[0].flatten(1).norm(dim=1).argmax()))\n"
        "        x = filter_back(rectify(x), conv)",
        3,
        "project.zeroed_again",
    ),
    "the strongest, not rectified": (
        "x = unpool(x, where, size)\n"
        "        x = filter_back(keep_channel(x, int(x[0].flatten(1).amax(dim=1).argmax())), conv)",
        3,
        "project.zeroed_and_not_rectified",
    ),
    "rectified after": ("x = rectify(filter_back(unpool(x, where, size), conv))", 0, "project.rectified_after"),
    "rectified before unpooling": ("x = filter_back(unpool(rectify(x), where, size), conv)", 10, None),
}


@pytest.mark.skipif("project" not in PARTS, reason="these settings leave out project")
@pytest.mark.parametrize("filters", ["right filters", "wrong filters"])
@pytest.mark.parametrize("name", DOWNS)
def test_the_order_of_the_steps_counts_alike_with_a_wrong_step(name, filters, right, tmp_path):  # noqa: F811
    down, earned, fault = DOWNS[name]
    exec(changed("project", (DOWN, f"        {down}")), right)
    if filters == "wrong filters":
        exec(FLIPPED, right)
    assert judged("project", right, tmp_path) == (earned, [fault] if fault else [])
