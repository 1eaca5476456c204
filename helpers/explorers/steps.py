"""The explorer of steps: one feature map goes down to the pixels."""

from dataclasses import replace

import torch
from torch import Tensor

from helpers.deconvnet import RULES, DeconvNet, Trace
from helpers.explorers.controls import Selection
from helpers.explorers.explorer import Explorer, Picture, Thumbnails
from helpers.explorers.subject import check, choice, digits, every_map, range_of, remember_last, state
from helpers.lenet5 import LeNet5
from helpers.plotting import Panel, signed_limit


def explore_steps(model: LeNet5, images: Tensor, labels: Tensor) -> Explorer:
    """Walk one feature map down to the pixels, step by step.

    Controls: `digit` (which image, from 0), `map` (layer and number, as `(2, 11)`), `stage` (0 for the pooled map, then
    one for each step), `rule` (`"deconvnet"`, `"gradient"`, `"guided"`) and `switches` (`"recorded"`, or
    `"fixed corner"`: each value returns to the upper left of its window). All stages share one scale.

    Args, Raises: as `explore_switches`.
    """
    check_again = check(model, images, labels, "explore_steps")
    images = images.detach()
    digit, number, stage = digits(labels), every_map(), Selection([("0 pooled", 0)])
    rule, switches = choice(list(RULES)), choice(["recorded", "fixed corner"])
    image, here, pixels = (Picture() for _ in range(3))
    stages = Thumbnails(7, lambda k: stage.set_trait("value", k))

    @remember_last  # to move on by a stage is no reason to go all the way again
    def way(_: object, i: int, layer: int, k: int, rule: str, switches: str) -> tuple[list[tuple[str, Tensor]], float]:
        net = DeconvNet(model.features, rule=rule)
        trace = net.record(images[i : i + 1])
        if switches == "fixed corner":
            trace = _with_fixed_corners(trace)
        stops = [("pooled", trace.activations[f"pool{layer}"][0, [k]])]
        for name, signal in net.walk(trace, f"pool{layer}", [k]):
            # As long as the signal is in its own layer, all other maps are zero.
            shown = [k] if name in (f"pool{layer}", f"relu{layer}") else slice(None)
            stops.append((_STEPS.get(name, name), signal[0, 0, shown]))
        return stops, max(signed_limit(signal) for _, signal in stops)

    def draw() -> None:
        check_again(digit.value)
        layer, k = number.value
        stops, end = way(state(model, images[digit.value]), digit.value, layer, k, rule.value, switches.value)
        places = [[Panel(one, f"map {i}", "signed") for i, one in enumerate(signal)] for _, signal in stops]

        at = min(stage.value, len(stops) - 1)
        (name, signal), (_, reached) = stops[at], stops[-1]
        size = f"{signal.shape[1]}×{signal.shape[2]}"
        where = size if len(signal) == 1 else f"6 signals of {size}, one for each map of layer 1"
        image.show(
            f"a {labels[digit.value]}", [Panel(images[digit.value, 0])], 1, f"its map {k} of layer {layer} goes down"
        )
        here.show(f"{at} {name}", places[at], end, f"{where}: {range_of(signal)}")
        pixels.show(
            "at the end: pixels", places[-1], end, f"{rule.value}, {switches.value} switches: {range_of(reached)}"
        )
        stages.show([name for name, _ in stops], places, end, at, "stage")
        if len(stage.options) != len(stops):
            stage.options = [(f"{i} {name}", i) for i, (name, _) in enumerate(stops)]
            stage.value = at

    return Explorer(
        "Walk a feature map down to the pixels, step by step",
        {"digit": digit, "map": number, "stage": stage, "rule": rule, "switches": switches},
        [image, here, pixels, stages],
        draw,
    )


# What undoing a layer leaves.
_STEPS = {
    "pool2": "unpooled",
    "relu2": "rectified",
    "conv2": "filtered",
    "pool1": "unpooled",
    "relu1": "rectified",
    "conv1": "pixels",
}


def _with_fixed_corners(trace: Trace) -> Trace:
    """The trace, with switches that all name the upper left of their window of 2×2."""
    corners = {}
    for name, places in trace.switches.items():
        height, width = places.shape[2:]
        before = trace.activations[name.replace("pool", "relu")].shape[3]
        corner = 2 * torch.arange(height)[:, None] * before + 2 * torch.arange(width)
        corners[name] = corner.expand_as(places)
    return replace(trace, switches=corners)
