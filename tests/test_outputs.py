"""What explorers send to a browser. It is written down instead."""

import comm
import pytest
import torch
from comm.base_comm import BaseComm

from helpers.widgets import draw_a_digit, explore_feature_maps, explore_steps, explore_switches

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
    # What tells its new options at once (helpers.explorer says why).
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
