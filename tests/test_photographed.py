"""The digit in a photograph is found, whatever the light, the paper and the pen; and it is said when there is none."""

import numpy as np
import pytest
import torch
from photographs import HEIGHT, WIDTH, easy, hard, light, photograph
from torch import Tensor

from helpers.photographed import FoundDigit, NoDigit, find_digit


@pytest.fixture(scope="module")
def digits(test_set) -> Tensor:
    """200 test images."""
    chosen = np.random.default_rng(2029).permutation(len(test_set[0]))[:200]
    return test_set[0][torch.from_numpy(chosen)]


def image_of(photo: Tensor) -> Tensor:
    try:
        return find_digit(photo).image
    except NoDigit:
        return torch.zeros(1, 1, 28, 28)


def read_alike(model, photos: list[Tensor], digits: Tensor) -> int:
    """How many photographs the network reads as it reads the digits themselves. One without a digit is not read."""
    images = torch.cat([image_of(photo) for photo in photos])
    with torch.no_grad():
        same = model(images).argmax(1) == model(digits).argmax(1)
    return int((same & images.flatten(1).any(1)).sum())


def test_reads_easy_photographs(model, digits):
    assert read_alike(model, easy(digits, 2029), digits) >= 198


def test_reads_hard_photographs(model, digits):
    assert read_alike(model, [photo for photo, _ in hard(digits, 2029)], digits) >= 185


def test_reads_chalk_on_a_blackboard(model, digits):
    photos = [photograph(digit, 2029 + at, chalk=True) for at, digit in enumerate(digits[:20])]
    assert read_alike(model, photos, digits[:20]) >= 19


@pytest.fixture
def photo(images) -> Tensor:
    return photograph(images[0], 3)


def test_returns_an_image_of_mnists_kind_a_frame_and_what_was_seen(photo):
    found = find_digit(photo)
    assert isinstance(found, FoundDigit) and found.note == ""
    assert found.image.shape == (1, 1, 28, 28) and found.image.dtype == torch.float32
    assert found.image.min() == 0 and 0.9 < found.image.max() <= 1
    assert found.seen.shape == photo.shape[1:] and found.seen.min() >= 0 and found.seen.max() <= 1
    top, left, bottom, right = found.frame
    assert found.seen[top:bottom, left:right].sum() > 0.9 * found.seen.sum() > 0


@pytest.mark.parametrize("scale", [0.5, 1, 4])
def test_the_frame_is_in_the_photographs_own_pixels(scale, photo):
    grey = photo.mean(0)
    # The ink is the darkest of this picture.
    rows, columns = torch.nonzero(grey < 0.4).unbind(1)
    wanted = torch.stack([rows.min(), columns.min(), rows.max() + 1, columns.max() + 1]) * scale
    larger = torch.nn.functional.interpolate(photo[None], scale_factor=scale, mode="area")[0]
    found = find_digit(larger)
    assert found.seen.shape == larger.shape[1:]
    assert (torch.tensor(found.frame) - wanted).abs().max() <= 5 * max(1, scale)


def test_grey_and_colour_are_the_same_if_the_colour_is_grey(photo):
    grey = photo[1]
    one = find_digit(grey)
    for same in (grey[None], grey.expand(3, -1, -1)):
        other = find_digit(same)
        assert other.frame == one.frame
        torch.testing.assert_close(other.image, one.image, rtol=0, atol=1 / 255)


def test_leaves_the_photograph_as_it_is(photo):
    before = photo.clone()
    find_digit(photo)
    assert photo.equal(before)


def test_of_several_digits_takes_the_largest_and_says_so(model, test_set):
    images, labels = test_set
    large, small = (images[int((labels == digit).nonzero()[0])] for digit in (2, 7))
    sheet = torch.ones(260, 300)
    for digit, side, top, left in ((large, 140, 60, 10), (small, 112, 70, 170)):
        ink = torch.nn.functional.interpolate(digit[None], size=(side, side), mode="bilinear")[0, 0]
        sheet[top : top + side, left : left + side] -= 0.8 * ink
    found = find_digit(sheet)
    assert found.note == "There are 2 digits: this is the largest."
    assert found.frame[3] < 170
    with torch.no_grad():
        assert model(found.image).argmax() == 2


def paper(seed: int) -> Tensor:
    rng = np.random.default_rng(seed)
    lit = 0.9 * light(rng, None) + rng.normal(0, 0.02, (HEIGHT, WIDTH))
    return torch.from_numpy(lit.clip(0, 1)).float()


@pytest.mark.parametrize("empty", [paper(1), paper(2), torch.ones(60, 60), torch.full((40, 50), 0.5)])
def test_without_a_digit_says_so_and_shows_what_was_seen(empty):
    with pytest.raises(NoDigit, match=r"^no digit is in this picture\. Nothing stands out from the paper\.") as raised:
        find_digit(empty)
    assert raised.value.seen.shape == empty.shape and not raised.value.seen.any()


@pytest.mark.parametrize("count", [1, 2, 5])
def test_single_pixels_that_stand_out_are_no_digit(count):
    """All of them equally, so that no threshold parts them in two classes."""
    sheet = torch.full((100, 100), 0.9)
    for k in range(count):
        sheet[50, 10 + 20 * k] = 0.3
    with pytest.raises(NoDigit, match=r"Nothing stands out from the paper\."):
        find_digit(sheet)


def empty_papers() -> dict[str, np.ndarray]:
    """Empty paper `(240, 320)`, lit in ways that leave no part of it as bright as the others."""
    y, x = np.mgrid[-1:1:240j, -1:1:320j]
    noise = np.random.default_rng(1).normal(0, 0.005, y.shape)
    return {
        "light that slants": 0.95 * (0.7 - 0.3 * x) + noise,
        "corners that are darker": 0.95 * (1 - 0.2 * (y**2 + x**2)) + noise,
        "overexposed but for its corners": 1.2 * (1 - 0.2 * (y**2 + x**2)) + noise,
        "one corner that is darker": 0.95 * (1 - 0.5 * (0.6 * y + 0.8 * x - 0.4).clip(0, 1)) + noise,
        "overexposed": 1.05 - 0.1 * (y**2 + x**2) + noise,
        "bright, with noise at one side": np.where(x > 0, 0.97 + 4 * noise, 0.97),
    }


@pytest.mark.parametrize("lit", empty_papers())
def test_empty_paper_is_not_said_to_be_too_near(lit):
    stored = torch.from_numpy((255 * empty_papers()[lit].clip(0, 1)).round() / 255).float()
    with pytest.raises(NoDigit, match=r"Nothing stands out from the paper\."):
        find_digit(stored)


@pytest.mark.parametrize("level", [1, 3, 8, 15])
def test_in_the_dark_single_levels_of_grey_are_no_digit(level):
    """A corner of a dark picture is a level of grey or two darker."""
    dark = torch.full((240, 320), level / 255)
    dark[80:160, 120:135] = (level - 1) / 255
    with pytest.raises(NoDigit, match=r"The picture is dark: at its brightest 0\.0"):
        find_digit(dark)


def test_a_digit_that_is_too_near_is_named_in_light_that_slants(images):
    digit = images[0, 0, 7:27, 5:23]
    ink = torch.nn.functional.interpolate(digit[None, None], size=(260, 260), mode="bilinear")[0, 0]
    lit = torch.linspace(1, 0.6, 260)
    assert "The digit reaches the border" in find_digit((0.95 - 0.8 * ink) * lit).note


def test_double_precision_is_kept(photo):
    found, same = find_digit(photo.double()), find_digit(photo)
    assert found.image.dtype == torch.float32 and found.frame == same.frame
    torch.testing.assert_close(found.image, same.image, rtol=0, atol=1 / 255)


def test_a_shadow_alone_is_no_digit():
    shadow = torch.from_numpy(light(np.random.default_rng(4), (80, 100, 160, 180))).float()
    with pytest.raises(NoDigit):
        find_digit(shadow)


def test_black_is_named():
    with pytest.raises(NoDigit, match=r"The picture is dark: at its brightest 0\.00 of 1\."):
        find_digit(torch.zeros(100, 100))


def test_a_dark_picture_is_read_and_named(photo):
    found = find_digit(0.2 * photo)
    assert found.note.startswith("The picture is dark: at its brightest 0.")
    assert find_digit(photo).frame == pytest.approx(found.frame, abs=2)


def test_a_digit_that_is_too_near_is_named(images):
    digit = images[0, 0, 7:27, 5:23]
    ink = torch.nn.functional.interpolate(digit[None, None], size=(260, 260), mode="bilinear")[0, 0]
    assert ink[-1].max() > 0.5
    assert "The digit reaches the border" in find_digit(0.95 - 0.8 * ink).note


def test_ink_that_reaches_the_border_alone_is_no_digit():
    sheet = torch.full((200, 200), 0.9)
    sheet[60:110, 185:] = 0.2
    with pytest.raises(NoDigit, match="what stands out reaches its border") as raised:
        find_digit(sheet)
    assert raised.value.seen[80, 195] > 0.5


# what goes wrong: (the photograph, the error, a piece of its message)
BAD = {
    "a list": ([[0.5]], TypeError, "photo is list; find_digit needs a tensor of floating-point pixels, 0 to 1"),
    "bytes": (torch.zeros(50, 50, dtype=torch.uint8), TypeError, "photo is torch.uint8; find_digit needs"),
    "bytes as floating point": (torch.full((50, 50), 255.0), ValueError, "from 255 to 255; .* 0 to 1: divide bytes by"),
    "less a mean": (torch.full((50, 50), -1.5), ValueError, r"from -1.5 to -1.5; find_digit needs 0 to 1$"),
    "NaN": (torch.full((50, 50), torch.nan), ValueError, "photo holds NaN; find_digit needs numbers from 0 to 1"),
    "infinite": (torch.full((50, 50), torch.inf), ValueError, "numbers from inf to inf"),
    "a batch": (
        torch.zeros(1, 3, 50, 50),
        ValueError,
        r"photo has the shape \(1, 3, 50, 50\); find_digit needs one pict",
    ),
    "channels last": (torch.zeros(50, 50, 3), ValueError, r"photo has the shape \(50, 50, 3\); find_digit needs one"),
    "too small": (torch.zeros(27, 28), ValueError, "photo is 27×28 pixels large; find_digit needs sides of 28 pixels"),
    "too long": (torch.zeros(30, 301), ValueError, "photo is 30×301 pixels large; .* at most ten times the shorter"),
    "empty": (torch.zeros(3, 0, 0), ValueError, "photo is 0×0 pixels large"),
}


@pytest.mark.parametrize(("photo", "error", "message"), BAD.values(), ids=BAD)
def test_bad_input_is_named(photo, error, message):
    with pytest.raises(error, match=message):
        find_digit(photo)
