"""The drawing explorer with photographs, without a browser: what it puts on the paper, and what it says."""

import numpy as np
import pytest
import torch
from photographs import HEIGHT, WIDTH, photograph

from helpers.explorers import draw_a_digit
from helpers.explorers.explorer import Picture
from helpers.photographed import find_digit


@pytest.fixture
def explorer(model):
    explorer = draw_a_digit(model)
    explorer.laid = []  # what its sheets are told to show
    explorer._parts[0].tell = lambda news, buffers: explorer.laid.extend(buffers)
    return explorer


def show(explorer, photo):
    """What a page sends of the photograph `(3, H, W)`."""
    bytes_ = (255 * photo).round().to(torch.uint8)
    pixels = torch.cat([bytes_, torch.full_like(bytes_[:1], 255)]).permute(1, 2, 0).contiguous()
    news = {"part": 0, "photo": list(photo.shape[1:])}
    explorer._receive(explorer, news, [memoryview(pixels.numpy().tobytes())])


def read(explorer):
    return next(part for part in explorer._parts if isinstance(part, Picture))


def told(explorer):
    return " ".join(explorer._parts[-1].words["sentences"])


@pytest.mark.parametrize(("k", "label"), [(0, "read as 7"), (1, "read as 2"), (3, "read as 0")])
def test_the_digit_of_a_photograph_is_read(k, label, explorer, images):
    photo = photograph(images[k], seed=k)
    show(explorer, photo)
    assert read(explorer).panels[0].label == label
    assert (read(explorer).panels[0].pixels - find_digit(photo).image[0, 0]).abs().mean() < 0.02
    assert told(explorer) == "This is the digit of the photograph."
    (laid,) = explorer.laid
    assert np.frombuffer(laid, np.uint8).reshape(280, 280).any()


def test_of_several_digits_it_says_which(explorer, images):
    both = torch.cat([photograph(images[0], seed=5), photograph(images[0], seed=5)], dim=2)
    show(explorer, both)
    assert told(explorer) == "This is the digit of the photograph. There are 2 digits: this is the largest."


def test_where_there_is_none_what_was_seen_is_shown_and_nothing_is_read(explorer):
    photo = torch.full((3, HEIGHT, WIDTH), 0.9)
    photo[:, 120:135, :120] = 0.1
    show(explorer, photo)
    assert read(explorer).panels[0].label == "nothing yet" and not read(explorer).panels[0].pixels.any()
    assert told(explorer).startswith("No digit is in this picture: what stands out reaches its border.")
    assert told(explorer).endswith("The paper shows what was seen.")
    laid = np.frombuffer(explorer.laid[0], np.uint8).reshape(280, 280)
    # Fit to the width of the paper, in the middle of its height.
    assert laid[135:145, :100].mean() > 200 and not laid[:, 130:].any()


@pytest.mark.parametrize(
    ("news", "sentence"),
    [
        ({"unreadable": "me.heic"}, "The file me.heic holds no picture that this browser can read; export it as JPEG."),
        (
            torch.ones(3, 9, 9),
            "Photo is 9×9 pixels large; find_digit needs sides of 28 pixels or more, the longer at most ten times the "
            "shorter.",
        ),
    ],
    ids=["no picture", "too small"],
)
def test_what_can_not_be_read_is_said(news, sentence, explorer):
    if isinstance(news, dict):
        explorer._receive(explorer, {"part": 0, **news}, [])
    else:
        show(explorer, news)
    assert told(explorer) == sentence
    assert read(explorer).panels[0].label == "nothing yet"


def test_a_stroke_takes_the_photograph_away(explorer, images):
    show(explorer, photograph(images[0], seed=0))
    explorer._receive(explorer, {"part": 0, "by": "a", "stroke": [60, 60, 60, 200]}, [])
    assert explorer._parts[0].ink[:, 100:].sum() == 0
    assert told(explorer) == ""
