"""What explorers send to a browser, and that they are closed when no output shows them any more.

The cells are run by a real IPython; what would go to a browser is written down instead.
"""

import gc
import weakref

import comm
import pytest
import torch
from comm.base_comm import BaseComm
from IPython.core.interactiveshell import InteractiveShell
from ipywidgets import HBox
from matplotlib.figure import Figure
from traitlets.config import Config

from helpers.explorers import draw_a_digit, explore_feature_maps, explore_steps, explore_switches, outputs
from helpers.photos import load_photos
from helpers.squeezenet import MEAN, load_squeezenet

LABELS = torch.tensor([7, 2, 1, 0, 4, 1, 4, 9, 5, 9, 0, 6, 9, 0, 1, 5, 9, 7, 3, 4])  # of the 20 images


@pytest.fixture
def sent(monkeypatch):
    """The messages so far: what each is, from which widget, and what it holds."""
    messages = []

    class Comm(BaseComm):
        def publish_msg(self, msg_type, data=None, metadata=None, buffers=None, **keys):
            messages.append((msg_type, self.comm_id, data or {}))

    monkeypatch.setattr(comm, "create_comm", Comm)
    return messages


@pytest.fixture
def shell(monkeypatch, sent):
    """An IPython that has its own variables, and keeps no history. What it displays goes nowhere."""
    monkeypatch.setattr(
        "helpers.explorers.explorer.Explorer.still", lambda explorer: Figure((1, 1))
    )  # two seconds else
    monkeypatch.setattr("helpers.explorers.explorer.display", lambda *things, **settings: None)
    shell = InteractiveShell(config=Config({"HistoryManager": {"enabled": False}}), user_ns={})
    monkeypatch.setattr(outputs, "get_ipython", lambda: shell)
    yield shell
    shell.restore_sys_module_state()


def run(shell, cell, function):
    """Run a cell that calls `function`."""
    shell.user_ns["function"] = function
    return shell.run_cell("function()", cell_id=cell)


def is_open(explorer):
    return explorer.comm is not None and explorer.layout.comm is not None


def live():
    """How many widgets a page that is loaded again would ask for."""
    return len(comm.get_comm_manager().comms)


def show(explorer):
    explorer.show(alt="an explorer")


# --- messages of one answer


@pytest.mark.parametrize(
    ("make", "moves"),
    [
        (lambda m, i: explore_switches(m, i, LABELS), [("map", 3), ("right", 2)]),
        (
            lambda m, i: explore_steps(m, i, LABELS),
            [("map", (2, 3)), ("stage", 5), ("map", (1, 3)), ("rule", "guided")],
        ),
        (lambda m, i: explore_feature_maps(m, i, LABELS), [("layer", 2), ("map", 15), ("layer", 1), ("digit", 9)]),
        (lambda m, i: draw_a_digit(m, i[0, 0]), [("map", (2, 3))]),
    ],
    ids=["switches", "steps", "feature maps", "drawing"],
)
def test_an_answer_is_one_message(make, moves, sent, model, images, monkeypatch):
    explorer = make(model, images)
    draw, on_the_way = explorer._draw, []

    def watched():
        before = len(sent)
        yield from draw() or ()
        on_the_way.extend(sent[before:])

    monkeypatch.setattr(explorer, "_draw", watched)
    for name, value in moves:
        before = len(sent)
        explorer.controls[name].value = value
        ((kind, widget, data),) = sent[before:]
        assert (kind, widget, data["method"]) == ("comm_msg", explorer.model_id, "update")
        assert data["state"][f"at_{name}"] == explorer.controls[name].at
        assert any(key.startswith("words_") for key in data["state"])
    assert not on_the_way


def test_of_a_large_image_what_is_there_first_leaves_first(sent):
    """Its way back may take half a second, and the image itself is known at once."""
    explorer = explore_feature_maps(load_squeezenet(), load_photos()[0][:2] - MEAN, mean=MEAN)
    before = len(sent)
    explorer.controls["image"].value = 1
    at_once, at_last = (set(data["state"]) for _, _, data in sent[before:])
    assert at_once == {"at_image", *(f"{what}_{part}" for what in ("words", "drawn") for part in (0, 1))}
    assert at_last == {f"{what}_{part}" for what in ("words", "drawn") for part in (2, 3)}


def test_what_has_not_changed_is_not_sent(sent, model, images):
    explorer = explore_feature_maps(model, images, LABELS).at(digit=9, example=2, layer=2, map=3)
    before = len(sent)
    explorer.controls["map"].value = 4
    ((_, _, data),) = sent[before:]
    # Neither the image nor what is drawn in the thumbnails, one of which is another one's choice.
    assert data["state"].keys() == {"at_map", "words_1", "drawn_1", "words_2", "drawn_2", "words_3"}
    explorer.answer()
    assert len(sent) == before + 1


def from_the_page(explorer, **state):
    """What a page sends when a hand has moved a control."""
    content = {"data": {"method": "update", "state": state, "buffer_paths": []}}
    explorer._handle_msg({"content": content, "buffers": []})


def test_a_hand_in_the_page_is_answered(sent, model, images):
    explorer = explore_feature_maps(model, images, LABELS)
    from_the_page(explorer, at_digit=7)
    assert explorer.controls["digit"].value == 7
    assert sent[-1][2]["state"]["range_example"] == {"low": 0, "high": 1}
    assert "at_digit" not in sent[-1][2]["state"]  # the hand may have moved on


def test_two_controls_that_a_hand_has_moved_meanwhile_are_one_answer(sent, model, images):
    """A page gathers them while the kernel is busy. An answer to one alone would send the other back."""
    explorer = explore_feature_maps(model, images, LABELS).at(digit=0, layer=2, map=3)
    before = len(sent)
    from_the_page(explorer, at_digit=7, at_map=5)
    echo, answer = (data for _, _, data in sent[before:])
    assert (echo["method"], answer["method"]) == ("echo_update", "update")
    assert (explorer.controls["digit"].value, explorer.controls["map"].value) == (7, 5)
    assert answer["state"]["words_1"]["label"].startswith("map 5")
    assert not {"at_digit", "at_map"} & answer["state"].keys()


def test_where_a_control_can_no_longer_stand_is_said_to_the_page(sent, model, images):
    explorer = explore_feature_maps(model, images, LABELS).at(layer=1, map=5)
    from_the_page(explorer, at_map=15)
    assert sent[-1][2]["state"] == {"at_map": 5}
    steps = explore_steps(model, images, LABELS).at(map=(1, 2), stage=3)
    from_the_page(steps, at_stage=6)
    assert sent[-1][2]["state"] == {"at_stage": 3}


def test_the_probabilities_leave_with_the_pictures(sent, model, images):
    explorer = draw_a_digit(model, images[0, 0])
    before = len(sent)
    explorer._receive(explorer, {"part": 0, "by": "a", "stroke": [60, 60, 200, 200]}, [])
    (_, _, news), (_, _, answer) = sent[before:]
    assert news["content"] == {"part": 0, "by": "a", "stroke": (60, 60, 200, 200)}
    assert answer["state"].keys() >= {"words_1", *(f"drawn_{k}" for k in range(2, 6))}
    assert len(answer["state"]["words_1"]["shares"]) == 10


def test_an_error_leaves_alone(sent, model, images, monkeypatch):
    explorer = explore_feature_maps(model, images, LABELS)
    monkeypatch.setattr(explorer, "_draw", lambda: 1 / 0)
    before = len(sent)
    explorer.controls["map"].value = 3
    ((_, _, data),) = sent[before:]
    assert data["state"] == {"at_map": 3, "fault": "ZeroDivisionError: division by zero"}


# --- when they are closed


def test_a_cell_that_is_run_31_times_leaves_one_explorer(shell, sent, model, images):
    made, lives, messages = [], [], []

    def draw():
        explorer = draw_a_digit(model, images[0, 0]).at(map=(2, 11))
        made.append(weakref.ref(explorer))
        show(explorer)

    for _ in range(31):
        before = len(sent)
        run(shell, "drawing", draw).raise_error()
        lives.append(live())
        messages.append([kind for kind, *_ in sent[before:]])
    assert lives == lives[:1] * 31
    assert all(kinds.count("comm_open") == kinds.count("comm_close") < 100 for kinds in messages[1:])
    assert messages[1:] == messages[1:2] * 30
    gc.collect()
    assert [explorer() is not None for explorer in made] == [False] * 30 + [True]


def test_a_sheet_that_is_laid_out_is_given_the_ink(sent, model, images):
    """That of its own paper, to be taken away by the first stroke only where it is the example."""
    explorer, other = draw_a_digit(model, images[0, 0]), draw_a_digit(model)
    for paper, wanted in ((explorer, True), (other, False)):
        before = len(sent)
        paper._receive(paper, {"part": 0, "ready": True}, [])
        ((_, widget, data),) = sent[before:]
        assert (widget, data["content"]) == (paper.model_id, {"part": 0, "example": wanted})


def test_explorers_side_by_side_live(shell, model, images):
    made = []

    def two():
        made.extend([draw_a_digit(model), draw_a_digit(model, images[0, 0])])
        for explorer in made[-2:]:
            show(explorer)

    run(shell, "one", two)
    run(shell, "other", two)
    assert [is_open(explorer) for explorer in made] == [True] * 4
    run(shell, "one", two)
    assert [is_open(explorer) for explorer in made] == [False] * 2 + [True] * 4


def test_an_explorer_lives_as_long_as_a_cell_shows_it(shell, model, images):
    """It is made in one cell, and shown in two others."""
    explorers = []
    run(shell, "make", lambda: explorers.append(draw_a_digit(model)))
    for cell in ("show", "show", "show again"):
        run(shell, cell, lambda: show(explorers[-1]))
    run(shell, "make", lambda: explorers.append(draw_a_digit(model)))
    assert is_open(explorers[0])
    run(shell, "show", lambda: show(explorers[-1]))
    assert is_open(explorers[0])
    run(shell, "show again", lambda: 1 / 0)
    assert [is_open(explorer) for explorer in explorers] == [False, True]


def test_an_explorer_that_is_the_last_word_of_a_cell_is_closed_too(shell, model):
    made = []

    def drawing():
        made.append(draw_a_digit(model))
        return made[-1]

    for _ in range(3):
        run(shell, "drawing", drawing)
    assert [is_open(explorer) for explorer in made] == [False, False, True]


def test_a_closed_explorer_opens_as_it_was_when_it_is_shown(shell, sent, model, images):
    explorer = explore_feature_maps(model, images, LABELS).at(digit=9, example=2)
    name = explorer.model_id
    run(shell, "a", lambda: show(explorer))
    run(shell, "a", lambda: None)
    assert explorer.comm is None
    explorer.at(map=3)
    run(shell, "b", lambda: show(explorer)).raise_error()
    assert is_open(explorer) and explorer.model_id == name
    before = len(sent)
    explorer.controls["example"].value = 1
    assert {widget for _, widget, _ in sent[before:]} == {name}
    assert explorer.fault == ""


def test_where_a_cell_has_no_name_nothing_is_closed(shell, model):
    explorer = draw_a_digit(model)
    for _ in range(2):
        run(shell, None, lambda: show(explorer))
        run(shell, None, lambda: None)
    assert is_open(explorer)


def test_what_a_callback_shows_is_not_taken_for_the_output_of_the_next_cell(shell, model):
    first, later = draw_a_digit(model), draw_a_digit(model)
    run(shell, "first", lambda: show(first))
    show(later)  # while no cell runs
    for _ in range(2):
        run(shell, "next", lambda: None)
    assert is_open(later)


def test_what_was_never_shown_by_itself_lives(shell, model):
    box = []
    for _ in range(2):
        run(shell, "box", lambda: box.append(HBox([draw_a_digit(model)])))
    assert all(is_open(one) for one in box)


def test_close_leaves_others_open(sent, model):
    one, other = draw_a_digit(model), draw_a_digit(model)
    before = live()
    one.close()
    one.close()
    assert live() == before - 2 and is_open(other)
    count = len(sent)
    other._parts[0].stroke(60, 60, 200, 200)
    assert len(sent) > count


def test_an_explorer_that_could_not_be_made_leaves_nothing_open(sent, model):
    before = live()
    model.features.conv1.weight.data.fill_(torch.nan)
    with pytest.raises(ValueError, match="NaN"):
        draw_a_digit(model, torch.ones(28, 28))
    assert live() == before
