"""The explorers without a browser: what each setting shows, what is out of range, what fails, and the still picture.

How they look and feel is tested in tests/browser.
"""

import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image
from reference import maps_by_captum

from helpers.data import as_mnist
from helpers.deconvnet import DeconvNet
from helpers.explorers import draw_a_digit, explore_feature_maps, explore_steps, explore_switches, frames
from helpers.explorers import explorer as explorer_module
from helpers.explorers.drawing import Paper
from helpers.explorers.own_digit import _throttle
from helpers.plotting import SIGNED
from helpers.training import predict

LABELS = torch.tensor([7, 2, 1, 0, 4, 1, 4, 9, 5, 9, 0, 6, 9, 0, 1, 5, 9, 7, 3, 4])  # of the 20 images


def large(explorer):
    """The large pictures of an explorer."""
    return [picture for picture in explorer._pictures if isinstance(picture, explorer_module.Picture)]


def colours(picture, side):
    """The colours `(side, side, 3)` of a large picture of one map, 0 to 255."""
    shown = picture.drawn
    assert shown["place"]["shapes"] == [(side, side)]
    kind = shown["place"]["kind"]
    palette = np.frombuffer(frames.PALETTES[kind], np.uint8).reshape(256 - (kind == "signed"), 3)
    return palette[np.frombuffer(shown["levels"], np.uint8)].reshape(side, side, 3).astype(int)


def signed(values, end):
    return np.round(255 * SIGNED((values.numpy() / end + 1) / 2)[..., :3])


@pytest.mark.parametrize(("digit", "example", "layer", "k"), [(7, 0, 1, 0), (1, 1, 1, 5), (2, 0, 2, 0), (9, 3, 2, 15)])
@pytest.mark.parametrize(("show", "peak"), [("whole map", False), ("peak", True)])
def test_feature_maps_are_those_of_captum(digit, example, layer, k, show, peak, model, images):
    explorer = explore_feature_maps(model, images, LABELS).at(
        digit=digit, example=example, layer=layer, map=k, show=show
    )
    i = (LABELS == digit).nonzero()[example, 0].item()
    pool = model.features.get_submodule(f"pool{layer}")
    select = "peak" if peak else "map"
    maps = maps_by_captum(model, pool, images[i : i + 1], "deconvnet", select=select)[0, :, 0]
    end = np.quantile(np.abs(maps.numpy()), 0.995)
    image, feature_map, seen = large(explorer)
    np.testing.assert_array_equal(colours(image, 28)[..., 0], (255 * images[i, 0]).round())
    np.testing.assert_allclose(colours(seen, 28), signed(maps[k], end), atol=3)
    assert seen.end == pytest.approx(end)
    assert feature_map.panels[0].pixels.equal(model.features[: 3 * layer](images[i : i + 1])[0, k].detach())
    assert image.panels[0].label == f"digit {digit}, read as {digit}"


def test_the_last_example_and_the_last_map_follow_what_there_is(model, images):
    explorer = explore_feature_maps(model, images, LABELS).at(digit=9, example=3, layer=2, map=15)
    explorer.at(digit=7)
    assert explorer.controls["example"].value == 1  # there are two of them
    explorer.at(layer=1)
    assert explorer.controls["map"].value == 5
    assert large(explorer)[1].panels[0].label == "map 5 of layer 1"


@pytest.mark.parametrize("rule", ["deconvnet", "gradient", "guided"])
@pytest.mark.parametrize(("layer", "k"), [(1, 3), (2, 11)])
def test_the_last_stage_is_the_map_of_captum(layer, k, rule, model, images):
    explorer = explore_steps(model, images, LABELS).at(digit=8, map=(layer, k), rule=rule)
    explorer.at(stage=3 * layer)
    pool = model.features.get_submodule(f"pool{layer}")
    wanted = maps_by_captum(model, pool, images[8:9], rule)[0, k, 0]
    _, here, pixels = large(explorer)
    torch.testing.assert_close(here.panels[0].pixels, wanted, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(pixels.panels[0].pixels, wanted, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(colours(pixels, 28), signed(wanted, pixels.end), atol=3)


def test_a_fixed_corner_moves_each_value_to_the_upper_left_of_its_window(model, images):
    explorer = explore_steps(model, images, LABELS).at(map=(1, 5), stage=1, switches="fixed corner")
    pooled = DeconvNet(model.features).record(images[:1]).activations["pool1"][0, 5]
    unpooled = large(explorer)[1].panels[0].pixels
    assert unpooled[::2, ::2].equal(pooled)
    assert unpooled.count_nonzero() == pooled.count_nonzero()


def test_a_shorter_way_ends_at_its_last_stage(model, images):
    explorer = explore_steps(model, images, LABELS).at(map=(2, 0), stage=6)
    explorer.at(map=(1, 0))
    assert explorer.controls["stage"].label == "3 pixels"
    explorer.at(map=(2, 0))
    assert explorer.controls["stage"].label == "3 filtered"


def test_a_shifted_digit_comes_with_paper_and_loses_what_is_pushed_out(model, images):
    full = torch.ones(1, 1, 28, 28)
    explorer = explore_switches(model, full, torch.tensor([0])).at(right=-4, down=3)
    image = large(explorer)[0].panels[0].pixels
    assert (image[3:, :24] == 1).all() and image.sum() == 25 * 24


def test_a_move_by_two_moves_no_winner_within_its_window(model, images):
    """Each window then holds what its neighbour held, so the switches of the neighbour, two columns on."""
    explorer = explore_switches(model, images, LABELS).at(digit=0, map=5, right=2)
    trace = DeconvNet(model.features).record(images[:1])
    pooled = large(explorer)[2].panels[0].pixels
    assert pooled[:, 2:13].equal(trace.activations["pool1"][0, 5, :, 1:12])


def test_settings_that_can_not_be_are_named(model, images):
    explorer = explore_feature_maps(model, images, LABELS)
    with pytest.raises(ValueError, match="no control 'filter'; this explorer has digit, example, layer, map, show"):
        explorer.at(filter=3)
    with pytest.raises(ValueError, match="digit can't be 8"):  # there is none among the images
        explorer.at(digit=8)
    with pytest.raises(ValueError, match="map can't be 16; the nearest it can be is 15"):
        explorer.at(layer=2, map=16)
    with pytest.raises(ValueError, match="map can't be 'all'"):
        explorer.at(map="all")


def test_an_answer_that_fails_is_told_in_the_widget_until_one_succeeds(model, images):
    explorer = explore_feature_maps(model, images, LABELS).at(digit=1)
    assert explorer.fault == ""
    whole = model.features.conv1.weight.detach().clone()
    model.features.conv1.weight.data.fill_(torch.nan)
    explorer.controls["example"].value = 1
    assert "has NaN or infinity in its weight" in explorer.fault
    model.features.conv1.weight.data.copy_(whole)
    explorer.controls["example"].value = 2
    assert explorer.fault == ""


def test_a_broken_model_is_told_in_the_cell(model, images):
    model.features.conv1.weight.data.fill_(torch.nan)
    with pytest.raises(ValueError, match="NaN or infinity"):
        explore_feature_maps(model, images, LABELS)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda m, i: explore_switches(m, i, LABELS).at(digit=2, down=4), "digit ─●───── 1      map"),
        (lambda m, i: explore_switches(m, i, LABELS).at(digit=2, down=4), "down ──────● 4"),
        (lambda m, i: explore_steps(m, i, LABELS).at(rule="guided"), "○ deconvnet  ○ gradient  ● guided"),
        (lambda m, i: explore_feature_maps(m, i, LABELS).at(layer=2), "layer ──────● 2"),
        (lambda m, i: draw_a_digit(m, i[0, 0]), "map ●────── 1·0"),
    ],
)
def test_the_still_picture_tells_how_the_controls_stand(make, words, model, images):
    assert words in make(model, images).still().get_suptitle()


@pytest.mark.parametrize("layer", [1, 2])
def test_the_still_picture_has_the_probabilities_and_no_empty_half(layer, model, images):
    """They are where the first row would be empty, and say what the explorer says."""
    figure = explore_feature_maps(model, images, LABELS).at(digit=int(LABELS[0]), layer=layer).still()
    figure.draw_without_rendering()
    *pictures, bars = [place for place in figure.axes if place.get_subplotspec() is not None]
    large, small = pictures[:3], pictures[3:]
    said = [text.get_text() for text in bars.texts if "%" in text.get_text()]
    assert said == [f"{share:.0%}" for share in predict(model, images[:1])[0].exp().tolist()]
    assert [round(bar.get_width(), 4) for bar in bars.patches] == [
        round(share, 4) for share in predict(model, images[:1])[0].exp().tolist()
    ]
    grid = large[0].get_gridspec()
    columns = [place.get_subplotspec().colspan for place in (*large, bars)]
    assert [k for span in columns for k in span] == list(range(grid.ncols))
    sides = [places[0].get_position().width for places in (large, small)]
    assert sides[0] > 1.9 * sides[1] if layer == 2 else abs(sides[0] / sides[1] - 1) < 0.05


def test_without_a_kernel_the_output_is_a_picture_with_words(model, images):
    data, metadata = explore_switches(model, images, LABELS)._repr_mimebundle_()
    assert data.keys() == {"application/vnd.jupyter.widget-view+json", "image/png", "text/plain"}
    assert Image.open(io.BytesIO(base64.b64decode(data["image/png"]))).width > 1000
    assert "still picture of an explorer" in data["text/plain"] == metadata["image/png"]["alt"]


def test_the_picture_of_an_explorer_needs_words(model, images):
    with pytest.raises(ValueError, match="the alternative text is empty"):
        explore_switches(model, images, LABELS).show(alt=" ")


# --- drawing


def test_ink_is_as_wide_as_the_pen_and_round_at_its_ends():
    paper = Paper()
    paper.stroke(100, 140, 180, 140)
    ink = paper.ink
    assert ink[:, 140].sum() == pytest.approx(24, abs=0.1)
    assert ink[140].sum() == pytest.approx(104, abs=0.1)
    assert ink[129, 89] == 0 and ink[140, 89] == 1
    assert ink[:128].sum() == ink[153:].sum() == 0


def test_a_stroke_over_the_edge_is_cut_off():
    paper = Paper()
    paper.stroke(-50, 5, 400, 5)
    assert (paper.ink[0] > 0).all() and paper.ink[18:].sum() == 0
    paper.stroke(-90, -90, -50, -50)


def test_the_first_stroke_takes_the_example_away_and_clear_takes_all():
    paper = Paper(np.ones((280, 280)))
    told = []
    paper.changed = lambda: told.append(paper.ink.sum())
    paper.stroke(100, 100, 100, 100)
    assert told[-1] == pytest.approx(np.pi * 12**2, rel=0.02)
    paper.stroke(200, 100, 200, 100)
    assert told[-1] == pytest.approx(2 * np.pi * 12**2, rel=0.02)
    paper.clear()
    assert told[-1] == 0 and len(told) == paper.changes == 3


def test_the_drawing_is_read_and_projected(model, images):
    explorer = draw_a_digit(model, images[0, 0]).at(map=(2, 3))
    read, seen = large(explorer)
    np.testing.assert_array_equal(colours(read, 28)[..., 0], (255 * images[0, 0]).round())
    wanted = maps_by_captum(model, model.features.pool2, images[:1], "deconvnet")[0, 3, 0]
    torch.testing.assert_close(seen.panels[0].pixels, wanted, rtol=1e-4, atol=1e-5)
    assert read.panels[0].label == "read as 7"


def test_an_empty_paper_is_read_as_nothing(model):
    explorer = draw_a_digit(model)
    read, seen = large(explorer)
    assert read.panels[0].label == "nothing yet"
    assert not read.panels[0].pixels.any() and not seen.panels[0].pixels.any()


class Clock:
    """Time that passes only when it is told to, and an event loop that calls later by it."""

    def __init__(self):
        self.now, self._later = 100.0, []

    def monotonic(self):
        return self.now

    def call_later(self, delay, function):
        self._later.append((self.now + delay, function))

    def pass_by(self, seconds):
        end = self.now + seconds
        while due := [call for call in self._later if call[0] <= end]:
            first = min(due, key=lambda call: call[0])
            self._later.remove(first)
            self.now = first[0]
            first[1]()
        self.now = end


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr("helpers.explorers.own_digit.time.monotonic", clock.monotonic)
    monkeypatch.setattr("helpers.explorers.own_digit.asyncio.get_running_loop", lambda: clock)
    return clock


def test_a_flood_of_events_is_answered_a_few_times_and_in_the_end(clock):
    events, answered = [], []
    answer = _throttle(0.05, lambda: answered.append((clock.now, events[-1])))
    for k in range(300):  # an event a millisecond
        events.append(k)
        answer()
        clock.pass_by(0.001)
    clock.pass_by(1)
    times, seen = zip(*answered, strict=True)
    assert seen[0] == 0 and seen[-1] == 299
    np.testing.assert_allclose(np.diff(times), 0.05)
    assert len(answered) == 7


def test_an_event_after_a_pause_is_answered_at_once(clock):
    answered = []
    answer = _throttle(0.05, lambda: answered.append(clock.now))
    for _ in range(3):
        answer()
        clock.pass_by(0.06)
    assert answered == pytest.approx([100, 100.06, 100.12])


def test_quick_strokes_outside_an_event_loop_are_answered_one_by_one(model):
    explorer = draw_a_digit(model)
    paper = explorer._parts[0]
    for y in (60, 100, 140):
        paper.stroke(100, y, 180, y)
        assert large(explorer)[0].panels[0].pixels.equal(as_mnist(torch.from_numpy(paper.ink))[0, 0])
