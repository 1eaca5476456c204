"""The page's module finds in a photograph what Python finds in the same pixels: in 400 of them, and in odd ones."""

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from photographs import easy, hard, photograph
from timed import PHOTOGRAPHS
from torch import Tensor

from helpers.explorers.page import module
from helpers.photographed import NoDigit, find_digit

ROOT = Path(__file__).resolve().parents[2]
FINDER = ROOT / "site" / "live" / "photographed.js"
# Milliseconds for a picture of 640×480, printed beside what it takes: the camera's 20 pictures a second.
WANTED = 40


@dataclass(frozen=True)
class Seen:
    """What was found in a photograph: the image `(28, 28)` or None, its frame, what is said, and the ink."""

    image: Tensor | None
    frame: tuple[int, ...] | None
    says: str
    ink: Tensor
    seconds: float = 0.0


def by_python(photo: Tensor) -> Seen:
    """In double precision."""
    try:
        found = find_digit(photo.double() / 255)
    except NoDigit as none:
        sentence = str(none)
        return Seen(None, None, f"{sentence[0].upper()}{sentence[1:]}.", none.seen)
    return Seen(found.image[0, 0], found.frame, found.note, found.seen)


def in_node(photos: list[Tensor], folder: Path) -> subprocess.Popen:
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no node to run the module with")
    (folder / "photographs.bin").write_bytes(b"".join(photo.numpy().tobytes() for photo in photos))
    (folder / "shapes.json").write_text(json.dumps([photo.shape[1:] for photo in photos]))
    finder = folder / "finder.mjs"
    finder.write_text(f"{module(FINDER)}\nexport {{ findDigit }};\n", encoding="utf-8")
    script = Path(__file__).with_name("find_digits.mjs")
    return subprocess.Popen([node, str(script), str(finder), str(folder)], stderr=subprocess.PIPE, text=True)


def both(photos: list[Tensor], folder: Path) -> list[tuple[Seen, Seen]]:
    """What Python and the module find in photographs `(3, H, W)` of bytes, at the same time."""
    process = in_node(photos, folder)
    expected = [by_python(photo) for photo in photos]
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    pairs = []
    for one, told in zip(expected, json.loads((folder / "found.json").read_text()), strict=True):
        image = None if told["image"] is None else torch.tensor(told["image"]).view(28, 28)
        frame = None if told["frame"] is None else tuple(told["frame"])
        pairs.append((one, Seen(image, frame, told["says"], torch.tensor(told["ink"]), told["seconds"])))
    return pairs


def in_bytes(photo: Tensor) -> Tensor:
    photo = photo.expand(3, -1, -1) if photo.dim() == 2 else photo
    return (255 * photo.clamp(0, 1)).round().byte().contiguous()


@pytest.fixture(scope="module")
def sets(test_set, tmp_path_factory) -> dict[str, list[tuple[Seen, Seen]]]:
    """The 200 easy photographs and the 200 hard ones of `test_photographed.py`."""
    chosen = np.random.default_rng(2029).permutation(len(test_set[0]))[:200]
    digits = test_set[0][torch.from_numpy(chosen)]
    photos = [*easy(digits, 2029), *(photo for photo, _ in hard(digits, 2029))]
    found = both([in_bytes(photo) for photo in photos], tmp_path_factory.mktemp("photographs"))
    return {"easy": found[:200], "hard": found[200:]}


def read(model, images: list[Tensor | None]) -> Tensor:
    """The digit that the network reads in each image; −1 where there is none."""
    with torch.no_grad():
        read = model(torch.stack([torch.zeros(1, 28, 28) if one is None else one[None] for one in images])).argmax(1)
    return torch.where(torch.tensor([one is None for one in images]), -1, read)


@pytest.mark.parametrize("name", ["easy", "hard"])
def test_the_same_digit_is_read_as_by_python(name, sets, model):
    pairs = sets[name]
    here, there = (read(model, [pair[at].image for pair in pairs]) for at in (1, 0))
    same = int((here == there).sum())
    alike = sum(one.frame == other.frame and equal(one.image, other.image) for one, other in pairs)
    PHOTOGRAPHS.append(f"{name} photographs: {same} of 200 are read as by Python, {alike} have its image and its frame")
    assert (there >= 0).sum() > 190
    assert same >= 198
    assert alike >= 198


def equal(one: Tensor | None, other: Tensor | None) -> bool:
    """To the precision of 32 bits."""
    if one is None or other is None:
        return one is other
    return bool((one - other).abs().max() < 1e-6)


def test_the_same_is_said(sets):
    for pairs in sets.values():
        assert sum(one.says == other.says for one, other in pairs) >= 198


def test_the_same_ink_is_seen(sets):
    """These pictures are looked at as they are, so that the ink is the photograph's pixel by pixel."""
    for pairs in sets.values():
        near = [(one.ink.flatten() - other.ink).abs().max() < 1e-6 for one, other in pairs]
        assert sum(near) >= 198


def special(images: Tensor) -> dict[str, Tensor]:
    """Photographs of which something else is to be said, and those of other sizes."""
    one, two = photograph(images[0], 3), photograph(images[1], 4)
    large = F.interpolate(images[0, 0, 7:27, 5:23][None, None], size=(260, 260), mode="bilinear")[0, 0]
    y, x = torch.meshgrid(torch.linspace(-1, 1, 240), torch.linspace(-1, 1, 320), indexing="ij")
    noise = 0.01 * torch.from_numpy(np.random.default_rng(1).normal(size=(240, 320))).float()
    patch = torch.full((200, 200), 0.9)
    patch[60:110, 185:] = 0.2
    point = torch.full((100, 100), 0.9)
    point[50, 50] = 0.3
    specks = torch.from_numpy(np.random.default_rng(2).random((240, 320)) > 0.995).float()
    clutter = F.max_pool2d(specks[None, None], 7, 1, 3)[0, 0]
    return {
        "nothing": torch.full((90, 120), 0.9),
        "empty paper": 0.9 + noise,
        "empty paper, darker in the corners": 0.95 * (1 - 0.2 * (y**2 + x**2)) + noise,
        "empty paper, darker at one side": 1.1 - 0.3 * (x + 1) + noise,
        "black": torch.zeros(100, 100),
        "a dark digit": 0.2 * one,
        "too near": 0.95 - 0.8 * large,
        "too near, and dark": 0.2 * (0.95 - 0.8 * large),
        "only at the border": patch,
        "a pixel": point,
        "two digits": torch.cat([one, one], dim=2),
        "four digits": torch.cat([torch.cat([one, two], dim=2), torch.cat([two, one], dim=2)], dim=1),
        "chalk": photograph(images[2], 5, chalk=True),
        "clutter": 0.9 - 0.7 * clutter,
        "light clutter": 0.1 + 0.7 * clutter,
        "640×480": F.interpolate(one[None], size=(480, 640), mode="bilinear")[0],
        "upright": F.interpolate(two[None], size=(611, 487), mode="bilinear")[0],
        "long": torch.cat([one[:, 100:180]] * 2, dim=2),
        "small": F.interpolate(one[None], size=(53, 61), mode="area")[0],
        "the smallest": F.interpolate(one[None], size=(28, 28), mode="area")[0],
    }


@pytest.fixture(scope="module")
def specials(test_set, tmp_path_factory) -> dict[str, tuple[Seen, Seen]]:
    made = special(test_set[0][:3])
    found = both([in_bytes(photo) for photo in made.values()], tmp_path_factory.mktemp("special"))
    return dict(zip(made, found, strict=True))


@pytest.fixture(scope="module")
def seconds(test_set, tmp_path_factory) -> list[float]:
    """For pictures of a camera, one after the other: node has compiled the module after the first."""
    folder = tmp_path_factory.mktemp("camera")
    large = F.interpolate(photograph(test_set[0][0], 3)[None], size=(480, 640), mode="bilinear")[0]
    process = in_node([in_bytes(large)] * 40, folder)
    _, said = process.communicate(timeout=100)
    assert process.returncode == 0, said
    return [told["seconds"] for told in json.loads((folder / "found.json").read_text())][10:]


def test_what_is_unusual_is_found_and_said_as_by_python(specials):
    for name, (one, other) in specials.items():
        assert other.says == one.says, name
        assert other.frame == one.frame, name
        assert equal(one.image, other.image), name


def test_all_that_can_be_said_is_said(specials):
    """Of the sentences above none is missing, so that each has been compared."""
    said = " ".join(other.says for _, other in specials.values())
    for piece in (
        "No digit is in this picture. Nothing stands out from the paper. Write it large, with a thick pen",
        "No digit is in this picture. The picture is dark: at its brightest 0.00 of 1. Write it large",
        "No digit is in this picture: what stands out reaches its border. Leave some paper around the digit.",
        "The picture is dark: at its brightest 0.19 of 1. The digit reaches the border, and some of it may be missing",
        "There are 2 digits: this is the largest.",
    ):
        assert piece in said


def test_how_long_it_takes(seconds):
    PHOTOGRAPHS.append(
        f"a picture of 640×480: {1000 * np.median(seconds):.0f} ms in node, median of 30 ({WANTED} wanted)"
    )
