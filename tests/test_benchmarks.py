"""The benchmarks measure what they say, and compare like with like. How fast anything is, is not judged here."""

import json
import subprocess
import threading
from types import SimpleNamespace

import matplotlib.pyplot as plt
import pytest
import torch
from torch import nn

from benchmarks import charts, figure2, growth, measures, projection, start, training
from benchmarks.measures import Measure, in_turn, peak_memory, ratios
from helpers.deconvnet import DeconvNet

MEASURES = [
    Measure("twice as fast as asked for", "×", [90, 60, 50], at_least=30),
    Measure("missed, with a comma", "ms", [1.5], at_most=1),
    Measure("costs nothing", "s", [-0.01], at_most=1),
    Measure("without a target", "s", [12.3456]),
]


def test_a_measure_is_held_to_its_target_by_its_median():
    assert [measure.median for measure in MEASURES] == [60, 1.5, -0.01, 12.3456]
    assert [measure.met for measure in MEASURES] == [True, False, True, None]
    assert [measure.margin for measure in MEASURES] == [2, pytest.approx(2 / 3), 1000, None]


@pytest.mark.parametrize(("value", "met"), [(29.99, False), (30.0, True), (30.01, True)])
def test_a_target_is_met_from_its_value_on(value, met):
    assert Measure("", "×", [value], at_least=30).met is met
    assert Measure("", "ms", [30 - value + 1], at_most=1).met is met


class Clock:
    """Goes on only when it is told to."""

    def __init__(self):
        self.seconds = 0.0

    def perf_counter(self):
        return self.seconds

    def go_on(self, seconds):
        self.seconds += seconds


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(measures, "time", clock)
    return clock


def test_functions_take_turns(clock):
    order = []

    def a():
        order.append("a")
        clock.go_on(len(order))

    def b():
        order.append("b")
        clock.go_on(10 * len(order))

    assert in_turn(3, a, b) == [[1, 3, 5], [20, 40, 60]]
    assert order == ["a", "b"] * 3


def test_seconds_are_measured_by_a_clock_that_goes_on():
    waited = threading.Event()
    assert measures.seconds(lambda: waited.wait(0.01)) > 0


def test_ratios_say_how_many_times_less_time_ours_takes():
    assert ratios([6, 8], [2, 4]) == [3, 2]
    assert ratios([6, 8], [2, 4], scale=10) == [30, 20]


class Process:
    """Holds 200 MB, and more from time to time; knows when it was asked how much."""

    def __init__(self):
        self.holds, self.asked = 200_000_000, threading.Event()

    def memory_info(self):
        held = SimpleNamespace(rss=self.holds)
        self.asked.set()
        return held

    def hold_until_asked(self, bytes):
        self.holds = bytes
        for _ in range(2):  # the first answer may have been on its way
            self.asked.clear()
            assert self.asked.wait(60), "nobody asks"


@pytest.fixture
def process(monkeypatch):
    process = Process()
    monkeypatch.setattr(measures, "psutil", SimpleNamespace(Process=lambda: process))
    return process


def test_peak_memory_sees_what_is_gone_again_at_the_end(process):
    assert peak_memory(lambda: [process.hold_until_asked(size) for size in (300e6, 500e6, 250e6)]) == (200, 500)


def test_peak_memory_is_not_below_that_at_the_start(process):
    assert peak_memory(lambda: process.hold_until_asked(100e6)) == (200, 200)


def test_nobody_watches_the_memory_after_an_error(process):
    with pytest.raises(ZeroDivisionError):
        peak_memory(lambda: 1 / 0)
    assert not any("watch" in thread.name for thread in threading.enumerate())


def test_captum_makes_the_same_pictures(model, images):
    """Otherwise the two would not be compared for the same work."""
    net = DeconvNet(model.features)
    ours = net.project(net.record(images), "pool2")
    theirs = torch.stack(projection.captum(model, model.features.pool2, images, range(16)), dim=1)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


@pytest.fixture
def one_round(monkeypatch):
    monkeypatch.setattr(projection, "in_turn", lambda rounds, *functions: in_turn(1, *functions))


def test_lenet5_is_measured(monkeypatch, one_round, test_set):
    monkeypatch.setattr(projection, "load_mnist", lambda split: tuple(part[:300] for part in test_set))
    measures = [*projection.one_image(), *projection.test_set()]
    assert [measure.unit for measure in measures] == ["×", "ms", "×", "×", "s", "MB", "×"]
    assert all(min(measure.values) >= 0 for measure in measures)


def test_growth_is_measured(monkeypatch, test_set):
    measure = growth._measure

    def first_two(what, where, counts, project):
        return measure(what, where, counts[:2], project)

    monkeypatch.setattr(growth, "load_mnist", lambda split: tuple(part[:20] for part in test_set))
    monkeypatch.setattr(growth, "_measure", first_two)
    growths = list(growth.growth())
    assert [one.what for one in growths] == ["images", "maps", "pixels"]
    assert all(len(one.counts) == len(one.seconds) == 2 and min(one.seconds) > 0 for one in growths)


def test_the_first_picture_is_drawn_in_a_fresh_process():
    start.run_python("-c", start.FIRST_PICTURE)
    with pytest.raises(subprocess.CalledProcessError):
        start.run_python("-c", start.FIRST_PICTURE + "raise SystemExit(1)")


def test_the_figure_that_is_timed_is_drawn(monkeypatch):
    monkeypatch.setattr("helpers.photos.load_photos", lambda: (torch.rand(10, 3, 64, 64), [], []))
    names = {}
    exec(figure2.FIGURE, names)
    assert names["crops"].shape == names["projections"].shape == (32, 9, 3, 47, 47)


def test_memory_is_measured(monkeypatch):
    done = SimpleNamespace(stdout="images: 100%\n12.5\n")
    monkeypatch.setattr(figure2, "subprocess", SimpleNamespace(run=lambda *given, **options: done))
    assert all(measure.values == [12.5] and measure.met for measure in figure2.memory())
    for work in (lambda: figure2.streamed(nn.Conv2d(3, 2, 3).eval(), 2), lambda: figure2.searched(9)):
        assert work() >= 0
    assert isinstance(figure2.projected(1, 2), float)


def test_a_large_network_is_measured(one_round):
    measures = list(projection.vgg16(maps=32, side=32))
    assert [measure.unit for measure in measures] == ["×", "×", "MB"]
    assert all(min(measure.values) > 0 for measure in measures)


def test_training_is_measured_against_the_usual_loop(clock, monkeypatch, test_set, tmp_path):
    """Five trainings, the last of which does not get there; the usual loop needs other numbers of epochs for each."""
    (tmp_path / "usual_loop.json").write_text('{"seeds": [1, 2, 3, 4, 5], "epochs": [7, 4, 12, 5, 6]}')
    monkeypatch.setattr(training, "COUNTED", tmp_path / "usual_loop.json")
    monkeypatch.setattr(training, "load_mnist", lambda split: tuple(part[:64] for part in test_set))
    monkeypatch.setattr(training, "fit", lambda model, images, labels, seed: clock.go_on(2 * seed))
    reached = iter([0.99, 0.992, 0.9915, 0.999, 0.989])
    monkeypatch.setattr(training, "accuracy", lambda *_: next(reached))

    def usual_loop(seed, test):
        while True:
            clock.go_on(12)
            yield 0.98

    monkeypatch.setattr(training, "usual_loop", usual_loop)
    gains, an_epoch, schedule, misread = training.training()
    assert an_epoch.values == [12] * 3 and schedule.values == [2, 4, 6, 8, 10]
    assert gains.values == [7 * 12 / 2, 4 * 12 / 4, 12 * 12 / 6, 5 * 12 / 8, 0]
    assert misread.values == [pytest.approx(0.77)] and misread.met


def test_epochs_are_counted_until_the_accuracy_is_reached(monkeypatch):
    monkeypatch.setattr(training, "usual_loop", lambda seed, test: iter([0.97, 0.9899, 0.99, 0.98, 0.995]))
    assert training.epochs_needed(1, test=None) == 3


def test_the_counted_epochs_are_those_of_the_seeds():
    counted = json.loads(training.COUNTED.read_text(encoding="utf-8"))
    assert counted["seeds"] == list(training.SEEDS)
    assert len(counted["epochs"]) == len(training.SEEDS) and min(counted["epochs"]) >= 1


def test_the_usual_loop_learns(monkeypatch, test_set):
    few = torch.utils.data.TensorDataset(*(part[:640] for part in test_set))
    monkeypatch.setattr(training, "MNIST", lambda *args, **kwargs: few)
    epochs = training.usual_loop(0, tuple(part[:640] for part in test_set))
    accuracies = [next(epochs) for _ in range(8)]
    assert accuracies[0] < 0.7 < accuracies[-1]


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(27.31, "×", "27.3×"), (234.6, "×", "235×"), (0.8136, "%", "0.81 %"), (0.934, "ms", "0.934 ms"), (5, "s", "5 s")],
)
def test_numbers_are_given_to_three_digits(value, unit, text):
    assert charts.number(value, unit) == text


def test_the_chart_names_each_target_and_what_was_measured():
    figure = charts.targets(MEASURES, "two threads")
    axes = figure.axes[0]
    assert figure.get_suptitle() == "2 of 3 targets are met, with two threads"
    labels = [label.get_text().replace("\n", " ") for label in axes.get_yticklabels()]
    assert labels == ["twice as fast as asked for", "missed, with a comma", "costs nothing"]
    assert [text.get_text() for text in axes.texts] == [
        "60×\nat least 30×",
        "1.5 ms\nat most 1 ms",
        "-0.01 s\nat most 1 s",
    ]
    ends = [bar.get_x() + bar.get_width() for bar in axes.patches]
    assert ends == [pytest.approx(2), pytest.approx(2 / 3), charts.FARTHEST]
    assert [bool(bar.get_hatch()) for bar in axes.patches] == [False, True, False]
    assert charts.png(figure).startswith(b"\x89PNG") and not plt.get_fignums()


def test_the_straight_line_goes_through_the_last_point():
    images = growth.Growth("images", "of a kind", [1, 10, 100], [0.002, 0.01, 0.05])
    figure = charts.straight_lines([images] * 2, "two threads")
    straight, measured = figure.axes[0].lines
    assert list(measured.get_ydata()) == pytest.approx([2, 10, 50])
    assert list(straight.get_ydata()) == pytest.approx([0.5, 5, 50])
    plt.close(figure)
