"""The explorers in a real browser: every control, by mouse and by keys, and the pixels that it leads to.

What is seen on the screen is compared with what DeconvNet gives for the same settings, coloured by matplotlib.
"""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from lab import busy, drag, explorer, pictures, pixels, press, readout, sheets, values, wait_for
from latency import WATCH
from matplotlib import colormaps

from helpers.data import load_mnist
from helpers.deconvnet import DeconvNet
from helpers.lenet5 import load_lenet5
from helpers.plotting import SIGNED

TEN = [4542, 6407, 208, 6365, 7662, 9331, 2458, 6586, 3588, 4901]
IMAGES, LABELS = load_mnist("test")
MODEL = load_lenet5()
NET = DeconvNet(MODEL.features)

NOTEBOOKS = (
    "01_build_and_train_lenet5.ipynb",
    "02_inspect_switches.ipynb",
    "03_implement_the_deconvnet.ipynb",
    "04_generate_activation_grids.ipynb",
)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_the_notebook_runs_without_an_error(name, opened):
    opened(name)


def ink(image):
    return bytes_of(colormaps["gray"], image)


def signed(pixels, end):
    return bytes_of(SIGNED, (pixels + end) / (2 * end))


def activation(pixels, end):
    return bytes_of(colormaps["inferno"], pixels / end)


def bytes_of(colours, values):
    return colours(np.asarray(values, dtype=float), bytes=True)[..., :3].astype(int)


def limit(maps):
    return float(np.quantile(np.abs(maps.numpy()), 0.995))


# The largest step between two of the 256 colours of a scale, and one level for rounding.
STEP = 1 + max(np.abs(np.diff(255 * scale(range(256)), axis=0)).max() for scale in (SIGNED, colormaps["inferno"]))


def agrees(screen, wanted, **where):
    """Whether the map on the screen has these colours `(H, W, 3)`, to one step of the scale."""
    return np.abs(values(screen, wanted.shape[:2], **where) - wanted).max() <= STEP


def see(box, expected):
    """Wait until each picture shows what `expected`, called anew for each look, says; tell which one does not."""
    wrong = ["nothing was looked at"]
    box.page.mouse.move(1, 1)  # a button casts a shadow while the mouse is on it

    def all_agree():
        wrong[:] = [name for name, screen, wanted, where in expected() if not agrees(screen, wanted, **where)]
        return not wrong

    try:
        wait_for(all_agree, "")
    except TimeoutError:
        pytest.fail(f"the screen shows something else: {', '.join(wrong)}. The explorer says:\n{box.inner_text()}")


# --- switches


@pytest.fixture
def switches(opened):
    return explorer(opened(NOTEBOOKS[1]), "explore_switches(")


def see_switches(box, digit, k, right, down):
    image = torch.zeros(1, 1, 28, 28)
    rows, columns = ((slice(max(0, n), 28 + min(0, n)), slice(max(0, -n), 28 + min(0, -n))) for n in (down, right))
    image[..., rows[0], columns[0]] = IMAGES[TEN[digit]][None][..., rows[1], columns[1]]
    before, after = NET.record(IMAGES[TEN[digit]][None]), NET.record(image)
    pooled = [trace.activations["pool1"][0, k] for trace in (before, after)]
    strong = [one > 0.1 * one.max() for one in pooled]
    end = max(float(one.max()) for one in pooled)
    moved = (before.switches["pool1"] != after.switches["pool1"])[0, k] & (strong[0] | strong[1])
    full = activation(after.activations["relu1"][0, k], end)
    for place in after.switches["pool1"][0, k][strong[1]].tolist():
        full[place // 28, place % 28] = 255  # a white dot stands there

    def expected():
        screens = [pixels(picture) for picture in pictures(box)]
        maps = [ink(image[0, 0]), full, activation(pooled[1], end), ink(moved)]
        names = ["image", "map with its winners", "pooled map", "windows whose winner has moved"]
        return [(*one, {}) for one in zip(names, screens, maps, strict=True)]

    see(box, expected)


def test_switches_by_keys(switches):
    assert [readout(switches, name) for name in ("digit", "map", "right", "down")] == ["5", "5", "1", "0"]
    see_switches(switches, 5, 5, 1, 0)
    press(switches, "right", "ArrowRight", 2)
    see_switches(switches, 5, 5, 3, 0)
    press(switches, "down", "ArrowLeft", 4)
    see_switches(switches, 5, 5, 3, -4)
    press(switches, "digit", "ArrowRight", 3)
    see_switches(switches, 8, 5, 3, -4)
    press(switches, "map", "ArrowLeft", 5)
    see_switches(switches, 8, 0, 3, -4)
    assert [readout(switches, name) for name in ("digit", "map", "right", "down")] == ["8", "0", "3", "−4"]


def test_switches_by_mouse(switches):
    for digit, k, right, down in ((0, 0, -4, -4), (9, 5, 4, 4), (9, 5, 0, 4)):
        drag(switches, "digit", digit / 9)
        drag(switches, "map", k / 5)
        drag(switches, "right", (right + 4) / 8)
        drag(switches, "down", (down + 4) / 8)
        see_switches(switches, digit, k, right, down)


# --- steps


@pytest.fixture
def steps(opened):
    return explorer(opened(NOTEBOOKS[2]), "explore_steps(")


def stops_of(digit, layer, k, rule, corner):
    """The signal at each stage, `(maps, H, W)`, by PyTorch's own functions."""
    trace = NET.record(IMAGES[TEN[digit]][None])
    signal = torch.zeros_like(trace.activations[f"pool{layer}"])
    signal[0, k] = trace.activations[f"pool{layer}"][0, k]
    stops = [signal]
    for n in range(layer, 0, -1):
        active, switches = trace.activations[f"relu{n}"], trace.switches[f"pool{n}"]
        if corner:
            first_of_window = torch.arange(active[0, 0].numel()).view(active.shape[2:])[::2, ::2]
            switches = first_of_window.expand(switches.shape).contiguous()
        stops.append(F.max_unpool2d(stops[-1], switches, 2, output_size=active.shape))
        passes = {"deconvnet": stops[-1] > 0, "gradient": active > 0, "guided": (stops[-1] > 0) & (active > 0)}[rule]
        stops.append(stops[-1] * passes)
        conv = MODEL.features.get_submodule(f"conv{n}")
        stops.append(F.conv_transpose2d(stops[-1], conv.weight.detach(), padding=conv.padding))
    return [stop[0, [k]] if i < 3 else stop[0] for i, stop in enumerate(stops)]


def see_steps(box, digit, layer, k, stage, rule="deconvnet", corner=False):
    stops = stops_of(digit, layer, k, rule, corner)
    if not corner:
        net = DeconvNet(MODEL.features, rule=rule)
        pixels_of_net = net.project(net.record(IMAGES[TEN[digit]][None]), f"pool{layer}", [k])[0, 0]
        torch.testing.assert_close(stops[-1], pixels_of_net, rtol=1e-4, atol=1e-5)
    end = max(limit(stop) for stop in stops)

    def expected():
        image, here, last = (pixels(picture) for picture in pictures(box))
        looks = [("image", image, ink(IMAGES[TEN[digit], 0]), {}), ("pixels", last, signed(stops[-1][0], end), {})]
        if len(stops[stage]) == 1:
            return [*looks, ("stage", here, signed(stops[stage][0], end), {})]
        for c, one in enumerate(stops[stage]):
            corner = (33 + c // 3 * 65 + 2, c % 3 * 65 + 2)
            looks.append((f"signal {c} of the stage", here, signed(one, end), {"corner": corner, "side": 60}))
        return looks

    see(box, expected)


def test_every_stage_by_keys(steps):
    assert [readout(steps, name) for name in ("digit", "map", "stage")] == ["5", "2·11", "3 filtered"]
    press(steps, "stage", "ArrowLeft", 3)
    names = ["0 pooled", "1 unpooled", "2 rectified", "3 filtered", "4 unpooled", "5 rectified", "6 pixels"]
    for stage, name in enumerate(names):
        see_steps(steps, 5, 2, 11, stage)
        assert readout(steps, "stage") == name
        press(steps, "stage", "ArrowRight")


def test_a_map_of_the_first_layer_has_four_stages(steps):
    drag(steps, "map", 3 / 21)
    drag(steps, "digit", 8 / 9)
    drag(steps, "stage", 1)
    see_steps(steps, 8, 1, 3, 3)
    assert [readout(steps, name) for name in ("digit", "map", "stage")] == ["8", "1·3", "3 pixels"]
    press(steps, "stage", "ArrowLeft", 2)
    see_steps(steps, 8, 1, 3, 1)
    drag(steps, "map", 1)
    see_steps(steps, 8, 2, 15, 1)


@pytest.mark.parametrize("rule", ["gradient", "guided", "deconvnet"])
def test_rules_by_mouse_and_switches_by_keys(rule, steps):
    drag(steps, "digit", 0)
    drag(steps, "map", 17 / 21)
    drag(steps, "stage", 5 / 6)
    steps.get_by_role("button", name=rule, exact=True).click()
    see_steps(steps, 0, 2, 11, 5, rule)
    steps.get_by_role("button", name="fixed corner").focus()
    steps.page.keyboard.press("Enter")
    see_steps(steps, 0, 2, 11, 5, rule, corner=True)
    steps.get_by_role("button", name="recorded").focus()
    steps.page.keyboard.press("Space")
    see_steps(steps, 0, 2, 11, 5, rule)


def test_a_click_on_a_thumbnail_goes_to_its_stage(steps):
    drag(steps, "digit", 0)
    drag(steps, "map", 17 / 21)
    for stage, name in ((6, "pixels"), (0, "pooled")):
        steps.get_by_role("button", name=name, exact=True).click()
        see_steps(steps, 0, 2, 11, stage)
        assert readout(steps, "stage") == f"{stage} {name}"


# --- feature maps


@pytest.fixture
def feature_maps(opened):
    return explorer(opened(NOTEBOOKS[3]), "explore_feature_maps(")


def see_feature_maps(box, digit, example, layer, k, select="map"):
    i = (LABELS[:300] == digit).nonzero()[example, 0].item()
    trace = NET.record(IMAGES[i : i + 1])
    maps = trace.activations[f"pool{layer}"][0]
    seen = NET.project(trace, f"pool{layer}", select=select)[0, :, 0]
    end = limit(seen)

    def expected():
        image, feature_map, picture = (pixels(one) for one in pictures(box))
        (sheet,) = (pixels(one) for one in sheets(box))
        looks = [
            ("image", image, ink(IMAGES[i, 0]), {}),
            ("feature map", feature_map, activation(maps[k], float(maps.max())), {}),
            ("reconstruction", picture, signed(seen[k], end), {}),
        ]
        for n, one in enumerate(seen):
            corner = (n // 4 * 84 + 4, n % 4 * 64 + 4)
            looks.append((f"thumbnail {n}", sheet, signed(one, end), {"corner": corner, "side": 56}))
        return looks

    see(box, expected)
    read = int(MODEL(IMAGES[i : i + 1]).argmax())
    told = f"digit {digit}, {'read' if read == digit else 'misread'} as {read}"
    assert box.get_by_text(told, exact=True).count() == 1


def test_feature_maps_by_keys(feature_maps):
    names = ("digit", "example", "layer", "map")
    assert [readout(feature_maps, name) for name in names] == ["5", "10", "2", "11"]
    see_feature_maps(feature_maps, 5, 10, 2, 11)
    press(feature_maps, "map", "ArrowRight", 4)
    see_feature_maps(feature_maps, 5, 10, 2, 15)
    press(feature_maps, "layer", "ArrowLeft")
    see_feature_maps(feature_maps, 5, 10, 1, 5)  # there is no map 15 in this layer
    press(feature_maps, "digit", "ArrowRight", 2)
    press(feature_maps, "example", "ArrowLeft", 9)
    see_feature_maps(feature_maps, 7, 1, 1, 5)
    assert [readout(feature_maps, name) for name in names] == ["7", "1", "1", "5"]


def test_feature_maps_by_mouse(feature_maps):
    drag(feature_maps, "layer", 1)
    drag(feature_maps, "digit", 1 / 9)
    drag(feature_maps, "example", 1)
    drag(feature_maps, "map", 3 / 15)
    see_feature_maps(feature_maps, 1, 40, 2, 3)
    drag(feature_maps, "digit", 8 / 9)  # of which there are fewer examples
    see_feature_maps(feature_maps, 8, 20, 2, 3)
    assert readout(feature_maps, "example") == "20"


def test_sliders_that_are_moved_while_the_kernel_is_busy_are_not_sent_back(feature_maps, tmp_path):
    """Not even for a moment, in which the next key would count from there."""
    for name in ("layer", "digit", "example", "map"):
        press(feature_maps, name, "Home")
    see_feature_maps(feature_maps, 0, 0, 1, 0)
    feature_maps.evaluate(WATCH)
    with busy(feature_maps.page, tmp_path):
        press(feature_maps, "example", "ArrowRight")
        press(feature_maps, "digit", "ArrowRight", 3)
        press(feature_maps, "map", "ArrowRight", 2)
    see_feature_maps(feature_maps, 3, 1, 1, 2)
    events = feature_maps.page.evaluate("() => window.watched.events")
    assert [value for _, name, value in events if name == "digit"] == ["1", "2", "3"]
    assert [value for _, name, value in events if name == "map"] == ["1", "2"]


def test_a_misread_digit_is_called_so(feature_maps):
    drag(feature_maps, "layer", 1)
    drag(feature_maps, "map", 3 / 15)
    drag(feature_maps, "digit", 4 / 9)
    drag(feature_maps, "example", 0)
    misread = [n for n, i in enumerate((LABELS[:300] == 4).nonzero()[:, 0].tolist()) if i == 247]
    press(feature_maps, "example", "ArrowRight", misread[0])
    see_feature_maps(feature_maps, 4, misread[0], 2, 3)
    assert feature_maps.get_by_text("digit 4, misread as 6").is_visible()


def test_thumbnails_by_mouse_and_by_keys(feature_maps):
    drag(feature_maps, "digit", 0)
    drag(feature_maps, "example", 0)
    for k in (0, 7, 15):
        feature_maps.get_by_role("button", name=f"{k}", exact=True).click()
        see_feature_maps(feature_maps, 0, 0, 2, k)
        assert readout(feature_maps, "map") == f"{k}"
    feature_maps.get_by_role("button", name="12", exact=True).focus()
    feature_maps.page.keyboard.press("Enter")
    see_feature_maps(feature_maps, 0, 0, 2, 12)


def test_whole_map_and_peak(feature_maps):
    drag(feature_maps, "digit", 0)
    drag(feature_maps, "example", 0)
    drag(feature_maps, "map", 11 / 15)
    feature_maps.get_by_role("button", name="peak").click()
    see_feature_maps(feature_maps, 0, 0, 2, 11, "peak")
    feature_maps.get_by_role("button", name="whole map").click()
    see_feature_maps(feature_maps, 0, 0, 2, 11)
