"""Writes the live page, and what it and the pages of notebooks load: a script, a style, the network, its training."""

import base64
import json
import re
import shutil
from pathlib import Path
from string import Template

import numpy as np

from helpers.data import load_mnist
from helpers.explorers.frames import PALETTES
from helpers.explorers.page import CSS, module
from helpers.lenet5 import load_lenet5
from helpers.plotting import FIGURES
from live.tensors import packed

HERE = Path(__file__).resolve().parent
# Those of notebook 04, and the typical images of notebooks 02 and 03.
IMAGES = 300
# What stands in the place of an explorer where no script runs.
STILL = {
    "drawing": "04_drawing",
    "training": "c_strip",
    "feature-maps": "04_explorer",
    "steps": "03_explorer",
    "switches": "02_explorer",
}
TEN = [4542, 6407, 208, 6365, 7662, 9331, 2458, 6586, 3588, 4901]


# Where pages find it.
BESIDE = "_static/live"


def write_live(pages: Path) -> None:
    """Write the live page, `live.html`, into the folder `pages`, and what pages load into one below it."""
    folder = pages / BESIDE
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "live.js").write_text(script("live.js"), encoding="utf-8")
    (folder / "live.css").write_text(CSS + (HERE / "live.css").read_text(encoding="utf-8"), encoding="utf-8")
    beside = {
        "network": network(),
        "training": (HERE / "training.bin").read_bytes(),
        "finder": script("finder.js").encode(),
    }
    for name, content in beside.items():
        (folder / f"{name}.bin").write_bytes(content)
        (folder / f"{name}.js").write_text(in_a_script(content), encoding="utf-8")
    for name, figure in STILL.items():
        shutil.copy(FIGURES / f"{figure}.png", folder / f"{name}.png")
    template = Template((HERE / "live.html").read_text(encoding="utf-8"))
    (pages / "live.html").write_text(template.substitute(beside=BESIDE), encoding="utf-8")


def script(name: str) -> str:
    """A module and all that it imports as one script: a page that is opened as a file may not import others.

    Long comments stay at home.
    """
    text = re.sub(r"^ */\*\*(?:(?!\*/).)*\*/\n", "", module(HERE / name), flags=re.MULTILINE | re.DOTALL)
    return f'(() => {{\n"use strict";\n{text}}})();\n'


def network() -> bytes:
    """The shipped network, the images that the explorers show, and the colours."""
    weights = {name: tensor.numpy() for name, tensor in load_lenet5().state_dict().items()}
    images, labels = load_mnist("test")
    pixels = (255 * images).round().byte().numpy()
    assert labels[TEN].tolist() == list(range(10))
    shown = {"images": pixels[:IMAGES], "labels": labels[:IMAGES].byte().numpy(), "ten": pixels[TEN]}
    colours = {f"palette.{name}": np.frombuffer(palette, np.uint8) for name, palette in PALETTES.items()}
    return packed({**weights, **shown, **colours})


def in_a_script(content: bytes) -> str:
    """A file as a script that hands it over, for pages that may not read files."""
    return f"document.currentScript.dataset.bytes = {json.dumps(base64.b64encode(content).decode())};\n"
