"""What explorers send to a browser, and that they are closed when no output shows them any more.

The cells are run by a real IPython; what would go to a browser is written down instead.
"""

import gc
import weakref

import comm
import pytest
import torch
from comm.base_comm import BaseComm
from ipycanvas import Canvas
from IPython.core.interactiveshell import InteractiveShell
from ipywidgets import HBox
from matplotlib.figure import Figure
from traitlets.config import Config

from helpers.explorers import draw_a_digit, explore_feature_maps, explore_steps, explore_switches, outputs
from helpers.explorers.outputs import family

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
    return all(part.comm is not None for part in family(explorer))


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
def test_all_messages_of_an_answer_leave_together(make, moves, sent, model, images, monkeypatch):
    explorer = make(model, images)
    draw, on_the_way = explorer._draw, []
    # What tells its new options at once (helpers.explorers.explorer says why).
    stage = explorer.controls["stage"].model_id if "stage" in explorer.controls else None

    def watched():
        before = len(sent)
        draw()
        on_the_way.extend(widget for _, widget, _ in sent[before:] if widget != stage)

    monkeypatch.setattr(explorer, "_draw", watched)
    for name, value in moves:
        before = len(sent)
        explorer.controls[name].value = value
        assert len(sent) > before + 1
        # the first is that of the control that was moved
        ids = [widget for _, widget, _ in sent[before + 1 :] if widget != stage]
        assert len(set(ids)) == len(ids), "a widget has told its changes in pieces"
    assert not on_the_way


def test_the_probabilities_leave_with_the_pictures(sent, model, images, monkeypatch):
    explorer = draw_a_digit(model, images[0, 0])
    paper, shares = explorer.children[2].children[:2]
    draw, drawn = explorer._draw, []
    monkeypatch.setattr(explorer, "_draw", lambda: (draw(), drawn.append(len(sent))))
    paper.stroke(60, 60, 200, 200)
    told = [k for k, (_, widget, data) in enumerate(sent) if widget == shares.model_id and data.get("method")]
    assert told[-1] >= drawn[-1] and "%" in sent[told[-1]][2]["state"]["value"]


def test_an_error_leaves_with_the_pictures(sent, model, images, monkeypatch):
    explorer = explore_feature_maps(model, images, LABELS)
    monkeypatch.setattr(explorer, "_draw", lambda: 1 / 0)
    before = len(sent)
    explorer.controls["map"].value = 3
    fault = explorer.children[1]
    assert [widget for _, widget, _ in sent[before + 1 :]] == [fault.model_id]


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


def test_a_page_that_is_loaded_again_is_painted_once(shell, sent, model, images, monkeypatch):
    """Each canvas in it says that it is ready. Were the 30 closed ones still there, they would answer, too."""
    canvases, painted = [], []

    def draw():
        explorer = draw_a_digit(model, images[0, 0])
        canvases.extend(part.model_id for part in family(explorer) if isinstance(part, Canvas))
        show(explorer)

    for _ in range(31):
        run(shell, "drawing", draw).raise_error()
    monkeypatch.setattr(Canvas()._canvas_manager, "send", lambda *message, **more: painted.append(message))
    comms = comm.get_comm_manager().comms
    ready = {"content": {"data": {"method": "custom", "content": {"event": "client_ready"}}}, "buffers": []}
    for canvas in canvases:
        if canvas in comms:
            comms[canvas].handle_msg(ready)
    assert len(painted) == 1


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
    told = {widget for _, widget, _ in sent[before:]}
    assert {picture.parts[0].model_id for picture in explorer._pictures} <= told
    assert explorer.children[1].value == ""


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


def test_close_leaves_the_canvases_of_others_open(sent, model):
    one, other = draw_a_digit(model), draw_a_digit(model)
    before = live()
    parts = len([*family(one)])
    one.close()
    one.close()
    assert live() == before - parts and is_open(other)
    count = len(sent)
    other.children[2].children[0].stroke(60, 60, 200, 200)
    assert len(sent) > count


def test_an_explorer_that_could_not_be_made_leaves_nothing_open(sent, model):
    draw_a_digit(model).close()  # the canvases' common manager stays
    before = live()
    model.features.conv1.weight.data.fill_(torch.nan)
    with pytest.raises(ValueError, match="NaN"):
        draw_a_digit(model, torch.ones(28, 28))
    assert live() == before
