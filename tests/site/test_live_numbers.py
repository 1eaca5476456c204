"""The numbers of the live page are PyTorch's, in JavaScript's own precision."""

import gzip
import json

import numpy as np
import pytest
import torch
from in_node import LOADED, run

from helpers.data import as_mnist, load_mnist
from helpers.deconvnet import RULES, DeconvNet, class_shares
from helpers.explorers.drawing import Paper
from helpers.lenet5 import LeNet5, load_lenet5

IMAGES, LABELS = load_mnist("test")
COUNTS = {1: 6, 2: 16}
EXACT = 1e-5  # of the largest value of a map


@pytest.fixture(scope="module")
def model():
    return load_lenet5().double()


def agree(mine, theirs):
    """Each map, to a share of its largest value."""
    mine, theirs = (torch.as_tensor(one.copy()).reshape(theirs.shape).flatten(-2) for one in (mine, theirs.numpy()))
    largest = theirs.abs().amax(dim=-1, keepdim=True)
    assert largest.max() > 0
    assert ((mine - theirs).abs() <= EXACT * largest).all()


@pytest.mark.parametrize("rule", RULES)
def test_all_22_maps_of_100_digits_by_each_rule_and_the_peaks(rule, model, tmp_path):
    images = IMAGES[:100].double()
    mine = run(
        """
        const { network } = live.givenOf(await loaded("network"));
        const all = [];
        for (let k = 0; k < 100; k++) {
          const trace = live.record(network, live.asImage(images.subarray(784 * k, 784 * (k + 1))));
          for (const peak of [false, true]) {
            for (const layer of [1, 2]) {
              const layers = trace.layers.slice(0, layer);
              for (let map = 0; map < [6, 16][layer - 1]; map++) {
                all.push(live.project(layers, map, { rule: RULE, peak }).values);
              }
            }
          }
        }
        const result = new Float64Array(784 * all.length);
        all.forEach((one, k) => result.set(one, 784 * k));
        return result;
        """.replace("RULE", json.dumps(rule)),
        tmp_path,
        images=images.numpy(),
    )
    net = DeconvNet(model.features, rule=rule)
    trace = net.record(images)
    theirs = [
        torch.cat([net.project(trace, f"pool{layer}", select=select)[:, :, 0] for layer in COUNTS], dim=1)
        for select in ("map", "peak")
    ]
    agree(mine, torch.stack(theirs, dim=1))


def test_maps_probabilities_and_shares(model, tmp_path):
    images = IMAGES[:100].double()
    mine = run(
        """
        const given = live.givenOf(await loaded("network"));
        const explorer = live.EXPLORERS["feature-maps"](given);
        const all = [];
        for (let k = 0; k < 100; k++) {
          const trace = live.record(given.network, live.asImage(images.subarray(784 * k, 784 * (k + 1))));
          all.push([...trace.layers[0].pooled.values, ...trace.layers[1].pooled.values, ...trace.probabilities]);
        }
        return Float64Array.from(all.flat());
        """,
        tmp_path,
        images=images.numpy(),
    ).reshape(100, -1)
    with torch.no_grad():
        first = model.features[:3](images)
        second = model.features[3:](first)
        probabilities = model(images).exp()
    np.testing.assert_allclose(mine[:, : 6 * 196], first.flatten(1).numpy(), atol=EXACT)
    np.testing.assert_allclose(mine[:, 6 * 196 : -10], second.flatten(1).numpy(), atol=EXACT)
    np.testing.assert_allclose(mine[:, -10:], probabilities.numpy(), atol=EXACT)


@pytest.mark.parametrize("layer", [1, 2])
def test_the_shares_of_a_class(layer, model, tmp_path):
    told = run(
        f"""
        const explorer = live.EXPLORERS["feature-maps"](live.givenOf(await loaded("network")));
        return Array.from({{ length: 10 }}, (_, digit) => {{
          const class_ = `${{(digit + 3) % 10}}`;
          explorer.take({{ digit: `${{digit}}`, example: "3", layer: "{layer}", order: "class", class: class_ }});
          return explorer.get("words_3").labels;
        }});
        """,
        tmp_path,
    )
    for digit, labels in enumerate(told):
        number = (LABELS[:300] == digit).nonzero()[3, 0]
        trace = DeconvNet(model).record(IMAGES[number : number + 1].double())
        _, (shares,) = class_shares(trace, f"features.pool{layer}", [(digit + 3) % 10])
        order = shares.argsort(descending=True, stable=True).tolist()
        assert labels == [f"{k}: {shares[k]:+.2f}".replace("-", "−") for k in order]


STROKES = [
    [[70, 60, 210, 60], [210, 60, 120, 230], [100, 150, 190, 150]],
    [[20.5, 13.25, 40, 260.75]],
    [[140, 140, 140, 140]],
    [[0, 0, 280, 280], [-5, 140, 285, 140.5]],
    [[130, 40, 90, 90, 80, 150, 100, 220, 160, 240, 200, 190, 170, 150, 90, 180]],
]


@pytest.mark.parametrize("strokes", STROKES, ids=range(len(STROKES)))
def test_ink_is_where_it_is_by_python_and_comes_to_the_size_of_mnist(strokes, tmp_path):
    paper = Paper()
    for points in strokes:
        paper.stroke(*points)
    mine = run(
        f"""
        const explorer = live.EXPLORERS.drawing(live.givenOf(await loaded("network")));
        globalThis.requestAnimationFrame = (answer) => answer();
        let ink;
        explorer.on("msg:custom", (news, [bytes]) => (ink = bytes ?? ink));
        for (const stroke of {json.dumps(strokes)}) explorer.send({{ part: 0, stroke, by: "" }});
        explorer.send({{ part: 0, ready: true }});
        await new Promise((resolve) => setTimeout(resolve));
        const {"{ panels: [panel] }"} = explorer.get("drawn_2");
        return Float64Array.from([...new Uint8Array(ink.buffer), ...panel.values]);
        """,
        tmp_path,
    )
    np.testing.assert_array_equal(mine[: 280 * 280], np.round(255 * paper.ink).flatten())
    np.testing.assert_allclose(
        mine[280 * 280 :], as_mnist(torch.from_numpy(paper.ink).double()).flatten().numpy(), atol=1e-9
    )


@pytest.fixture(scope="module")
def run_of_training():
    """The networks of the file, read as its header says, each with its steps."""
    content = gzip.decompress((LOADED / "training.bin").read_bytes())
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    steps = [int(step) for step in header["__metadata__"]["steps"].split()]
    states = [{} for _ in steps]
    for name, told in header.items():
        if name == "__metadata__":
            continue
        first, last = (start + offset for offset in told["data_offsets"])
        kind, unit = {"I8": (np.int8, 128), "I16": (np.int16, 4096)}[told["dtype"]]
        changes = np.frombuffer(content[first:last], kind).reshape(told["shape"])
        for state, count in zip(states, changes.cumsum(axis=0, dtype=np.int64), strict=True):
            state[name] = torch.from_numpy(count / unit)
    models = {}
    for step, state in zip(steps, states, strict=True):
        models[step] = LeNet5().double().eval()
        models[step].load_state_dict(state)
    return models, [float(one) for one in header["__metadata__"]["accuracies"].split()]


@pytest.mark.parametrize("step", [0, 100, 1200])
def test_the_slider_over_training_shows_what_that_network_sees(step, run_of_training, tmp_path):
    models, _ = run_of_training
    mine = run(
        f"""
        const run = live.runOf(await loaded("training"));
        const explorer = live.watchTraining(live.givenOf(await loaded("network")), run);
        explorer.take({{ step: "{step:,}-steps", digit: "7" }});
        if (explorer.told().step !== "{step:,}-steps") throw new Error(explorer.told().step);
        const panels = [4, 5].flatMap((k) => explorer.get(`drawn_${{k}}`).panels);
        const values = panels.flatMap((panel) => [...panel.values]);
        return Float64Array.from([...values, ...explorer.get("words_1").shares]);
        """,
        tmp_path,
    )
    ten = [4542, 6407, 208, 6365, 7662, 9331, 2458, 6586, 3588, 4901]
    drawing = np.kron(IMAGES[ten[7], 0].numpy(), np.ones((10, 10), np.float32))
    image = as_mnist(torch.from_numpy(drawing).double())
    net = DeconvNet(models[step].features)
    trace = net.record(image)
    agree(mine[:-10], torch.cat([net.project(trace, f"pool{layer}")[0, :, 0] for layer in COUNTS]))
    with torch.no_grad():
        np.testing.assert_allclose(mine[-10:], models[step](image)[0].exp().numpy(), atol=EXACT)


def test_the_network_reads_as_many_as_is_said(run_of_training):
    models, accuracies = run_of_training
    with torch.no_grad():
        reads = (models[1200](IMAGES.double()).argmax(dim=1) == LABELS).double().mean()
    assert float(reads) == pytest.approx(accuracies[-1], abs=5e-5)


def test_the_training_is_that_of_notebook_c(run_of_training):
    """Its beginning is; that the rest follows from it is what train.py does."""
    models, accuracies = run_of_training
    assert list(models) == [0, 10, 30, 50, 100, 200, 300, 600, 1200]
    torch.manual_seed(0)
    for name, weights in LeNet5().double().state_dict().items():
        large = name in ("classifier.linear1.weight", "classifier.linear2.weight")
        torch.testing.assert_close(
            models[0].state_dict()[name], weights, rtol=0, atol=0.5001 / (128 if large else 4096)
        )
    assert accuracies[0] < 0.2 < accuracies[4] < 0.6 < 0.9 < accuracies[6] < accuracies[-1]


def test_strokes_come_back_from_an_address_to_within_a_pixel(tmp_path):
    wave = [[k, 140 + 80 * np.sin(k / 30)] for k in range(20, 261, 3)]
    strokes = [[x for point in wave for x in point], [70, 60, 210, 60]]
    told, back = run(
        f"const told = live.toldStrokes({json.dumps(strokes)}); return [told, live.strokesOf(told)];", tmp_path
    )
    assert 50 < len(told) < 400
    assert [stroke[:2] for stroke in back] == [pytest.approx(stroke[:2], abs=0.6) for stroke in strokes]
    ink = []
    for drawn in (strokes, back):
        paper = Paper()
        for points in drawn:
            paper.stroke(*points)
        ink.append(as_mnist(torch.from_numpy(paper.ink)))
    assert (ink[0] - ink[1]).abs().max() < 0.15
    scribble = np.random.default_rng(0).uniform(0, 280, (40, 60)).tolist()
    nothing, *broken = run(
        f"return [live.toldStrokes({json.dumps(scribble)}), ...['%', 'A', '_____w', ''].map(live.strokesOf)];", tmp_path
    )
    assert nothing is None
    assert broken == [[]] * 4
