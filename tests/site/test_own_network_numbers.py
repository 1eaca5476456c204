"""A network of one's own, walked in the page: its scores and its maps' ways back are those of PyTorch."""

import base64
import math
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from own_networks import networks
from playwright.sync_api import Page, Route
from reference_any import maps_of_any
from torch import Tensor, nn

from helpers.deconvnet import RULES, DeconvNet
from helpers.network_file import save_network

LIVE = Path(__file__).resolve().parents[2] / "site" / "live"
TOLERANCE = 1e-5
SELECTIONS = ["map", "peak"]

# In the page: what is asked of a file, one after the other, as bytes in base64.
WALK = """async ([file, asked]) => {
  const [{ networkIn }, { Walk }] = await Promise.all([import("/network_file.js"), import("/walk.js")]);
  const whole = (work) => { for (;;) { const { done, value } = work.next(); if (done) return value; } };
  const network = whole(networkIn(await (await fetch(file)).arrayBuffer()));
  const walk = new Walk(network);
  const runs = new Map();
  const results = asked.map(({ image, set, layer, map, select, rule }) => {
    const key = `${image} ${set}`;
    if (!runs.has(key)) runs.set(key, whole(walk.up(network.images[image], set)));
    const run = runs.get(key);
    if (layer === null) return run.values[run.values.length - 1];
    const { value } = network.layers.find(({ name }) => name === layer);
    return whole(walk.back(run, value, map, select === "peak", rule));
  });
  const bytes = new Uint8Array(await new Blob(results).arrayBuffer());
  let text = "";
  for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
  return btoa(text);
}"""


@pytest.fixture(scope="module")
def page(chromium, tmp_path_factory) -> Iterator[Page]:
    """Where the modules of the live page can be imported, and the files of `page.folder` fetched."""
    page = chromium.new_page()
    page.folder = tmp_path_factory.mktemp("networks")

    def answer(route: Route) -> None:
        name = route.request.url.rpartition("/")[2]
        if name.endswith(".js"):
            route.fulfill(path=LIVE / name, content_type="text/javascript")
        elif name:
            route.fulfill(path=page.folder / name)
        else:
            route.fulfill(body="<!doctype html>", content_type="text/html")

    page.route("http://modules/**", answer)
    page.goto("http://modules/")
    yield page
    page.close()


def walked(page: Page, file: str, asked: list[dict], shapes: list[torch.Size]) -> list[Tensor]:
    numbers = torch.frombuffer(bytearray(base64.b64decode(page.evaluate(WALK, [file, asked]))), dtype=torch.float64)
    return [
        part.view(shape) for part, shape in zip(numbers.split([shape.numel() for shape in shapes]), shapes, strict=True)
    ]


def worst(found: list[Tensor], wanted: list[Tensor]) -> float:
    """The largest difference, beside the largest number of what was wanted."""
    return max(
        float((one - other).abs().max() / other.abs().max().clamp(min=1e-12))
        for one, other in zip(found, wanted, strict=True)
    )


def modules_of(model: nn.Module, layers: list[str]) -> list[str]:
    """The layers that are modules, of which PyTorch's autograd can be asked."""
    paths = {path for path, _ in model.named_modules()}
    return [layer for layer in layers if layer in paths]


@pytest.mark.filterwarnings("ignore:Using padding=.same. with even kernel lengths")
def test_twelve_networks_are_walked_as_pytorch_runs_them(page):
    made, lines = networks(), []
    assert len(made) == 12
    for number, (name, (model, images)) in enumerate(made.items()):
        file = f"{number}.safetensors"
        save_network(page.folder / file, model, images)
        exact, pixels = model.double(), images.double()
        trace = DeconvNet(exact).record(pixels[:1])
        layers = modules_of(exact, list(trace.activations))
        asked, wanted = [], []
        for image in (0, 1):
            asked.append({"image": image, "set": 0, "layer": None})
            outputs = exact(pixels[image : image + 1].clone()).detach()
            wanted.append(outputs)
            for layer in layers:
                last = trace.activations[layer].shape[1] - 1
                if trace.why_not(layer):
                    continue
                for rule in RULES if image == 0 else ["deconvnet"]:
                    for select in SELECTIONS:
                        maps = maps_of_any(exact, layer, pixels[image : image + 1], rule, [0, last], select)
                        for map, projected in zip((0, last), maps[0], strict=True):
                            asked.append(
                                {"image": image, "set": 0, "layer": layer, "map": map, "select": select, "rule": rule}
                            )
                            wanted.append(projected)
        found = walked(page, f"/{file}", asked, [one.shape for one in wanted])
        # Those that end with a softmax are written up to the scores before it.
        for i in (i for i, one in enumerate(asked) if one["layer"] is None):
            if bool((wanted[i] <= 0).all()) and math.isclose(float(wanted[i].exp().sum()), 1, rel_tol=1e-9):
                found[i] = found[i].double().log_softmax(1)
        off = worst(found, wanted)
        lines.append(f"{name}: {len(asked)} pictures and scores, {off:.1e} off at most")
        print(lines[-1])
        assert off <= TOLERANCE, name
