"""Photographs are read as a viewer shows them, or refused by name."""

import csv
import io
import re
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from helpers.data import DATA
from helpers.photos import GROUND, load_photo, load_photos, middle

# Four pixels that no turn or mirroring leaves as they are.
CORNERS = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 255]]], dtype=np.uint8)


def saved(image: Image.Image, path: Path, **options) -> Path:
    image.save(path, **options)
    return path


def shown(path: Path) -> np.ndarray:
    return (load_photo(path) * 255).round().byte().permute(1, 2, 0).numpy()


def test_reads_colours_from_0_to_1(tmp_path):
    photo = load_photo(saved(Image.fromarray(CORNERS), tmp_path / "a.png"))
    assert photo.dtype == torch.float32 and photo.shape == (3, 2, 2)
    assert photo.min() == 0 and photo.max() == 1
    np.testing.assert_array_equal(shown(tmp_path / "a.png"), CORNERS)


# How a photograph is stored that a viewer is to show as `CORNERS`, by the EXIF standard's numbers.
STORED = {
    1: lambda shown: shown,
    2: np.fliplr,
    3: lambda shown: np.rot90(shown, 2),
    4: np.flipud,
    5: lambda shown: shown.transpose(1, 0, 2),
    6: lambda shown: np.rot90(shown),
    7: lambda shown: np.rot90(shown.transpose(1, 0, 2), 2),
    8: lambda shown: np.rot90(shown, -1),
}


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("ending", ["png", "jpg"])
def test_turns_as_the_camera_noted(orientation, ending, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = np.ascontiguousarray(STORED[orientation](CORNERS.repeat(16, 0).repeat(16, 1)))
    options = {"quality": 95, "subsampling": 0} if ending == "jpg" else {}
    path = saved(Image.fromarray(stored), tmp_path / f"a.{ending}", exif=exif, **options)
    # JPEG is close only.
    assert np.abs(shown(path)[8::16, 8::16].astype(int) - CORNERS).max() <= 3


GREY = np.array([[0, 85], [170, 255]], dtype=np.uint8)


def test_shows_grey_as_three_equal_colours(tmp_path):
    for number, image in enumerate([Image.fromarray(GREY), Image.fromarray(GREY).convert("P")]):
        found = shown(saved(image, tmp_path / f"{number}.png"))
        np.testing.assert_array_equal(found, GREY[..., None].repeat(3, 2))


def test_reads_black_and_white(tmp_path):
    found = shown(saved(Image.fromarray(GREY > 100), tmp_path / "a.png"))
    np.testing.assert_array_equal(found[..., 0], [[0, 0], [255, 255]])


@pytest.mark.parametrize("ending", ["png", "tiff"])
def test_reads_16_bits_on_their_own_scale(ending, tmp_path):
    levels = np.array([[0, 257], [30_000, 65_535]], dtype=np.uint16)
    photo = load_photo(saved(Image.fromarray(levels), tmp_path / f"a.{ending}"))
    torch.testing.assert_close(photo[1], torch.tensor(levels.astype(np.float32)) / 65_535)
    assert torch.equal(photo[0], photo[2])


def test_lays_what_is_transparent_on_grey(tmp_path):
    alpha = np.array([[255, 0], [0, 128]], dtype=np.uint8)
    image = Image.fromarray(np.dstack([CORNERS, alpha]))
    for path in (saved(image, tmp_path / "a.png"), saved(image, tmp_path / "a.webp", lossless=True, exact=True)):
        found = shown(path)
        np.testing.assert_array_equal(found[0, 0], CORNERS[0, 0])
        np.testing.assert_array_equal(found[0, 1], GROUND)
        half = 255 * 128 / 255 + np.array(GROUND) * 127 / 255
        assert np.abs(found[1, 1] - half).max() <= 1


def test_lays_a_transparent_palette_colour_on_grey(tmp_path):
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putpixel((1, 0), 1)
    found = shown(saved(image, tmp_path / "a.png", transparency=1))
    np.testing.assert_array_equal(found[0], [(255, 0, 0), GROUND])


def test_reads_the_colours_of_print(tmp_path):
    image = Image.fromarray(CORNERS.repeat(16, 0).repeat(16, 1)).convert("CMYK")
    for path in (saved(image, tmp_path / "a.tiff"), saved(image, tmp_path / "a.jpg", quality=95)):
        assert np.abs(shown(path)[8::16, 8::16].astype(int) - CORNERS).max() <= 5


def test_reads_a_photograph_with_a_preview_beside_it(tmp_path):
    image, preview = (Image.fromarray(CORNERS.repeat(side, 0).repeat(side, 1)) for side in (16, 8))
    path = saved(image, tmp_path / "a.mpo", save_all=True, append_images=[preview])
    assert load_photo(path).shape == (3, 32, 32)


def test_reads_a_name_below_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    saved(Image.fromarray(CORNERS), tmp_path / "a.png")
    assert load_photo("~/a.png").shape == (3, 2, 2)


def png_of_size(width: int, height: int) -> bytes:
    """The beginning of a PNG that says it is so large."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        for name, content in chunks
    )


def as_bytes(image: Image.Image, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, **options)
    return file.getvalue()


LARGER = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
ANIMATED = as_bytes(LARGER, format="GIF", save_all=True, append_images=[LARGER.rotate(90), LARGER.rotate(180)])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "holds no picture that Pillow can read"),
        (b"<html><body>Not found</body></html>", "holds no picture that Pillow can read"),
        (as_bytes(LARGER, format="JPEG")[:1500], "is cut off or damaged"),
        (as_bytes(LARGER, format="PNG")[:5000], "is cut off or damaged"),
        (ANIMATED, "holds 3 pictures, one after the other"),
        (png_of_size(10_000, 10_000), "has too many pixels"),
        (png_of_size(60_000, 60_000), "has too many pixels"),
        (as_bytes(Image.fromarray(np.float32([[0.5]])), format="TIFF"), "holds measured numbers"),
        (as_bytes(Image.fromarray(np.int32([[70_000]])), format="TIFF"), "holds measured numbers"),
    ],
)
def test_refuses_by_name_what_it_cannot_show(content, said, tmp_path):
    path = tmp_path / "holiday.jpg"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=re.escape(f"holiday.jpg {said}")):
        load_photo(path)


def test_says_what_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing.jpg"):
        load_photo(tmp_path / "nothing.jpg")
    with pytest.raises(OSError, match=re.escape(tmp_path.name)):
        load_photo(tmp_path)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_any_bytes_are_a_picture_or_one_sentence(tmp_path_factory, data):
    whole = data.draw(
        st.sampled_from([as_bytes(LARGER, format=kind) for kind in ("JPEG", "PNG", "GIF", "WEBP", "TIFF")])
    )
    content = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("broken") / "a"
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        photo = load_photo(path)
    except ValueError as error:
        assert str(path) in str(error) and "\n" not in str(error)
    else:
        assert photo.shape[0] == 3 and photo.min() >= 0 and photo.max() <= 1


def test_the_middle_is_a_square():
    rows = torch.arange(260.0).view(1, -1, 1).expand(3, 260, 300)
    columns = torch.arange(300.0).expand(3, 260, 300)
    # Not scaled, only cut: as much from each end.
    for photo, first in ((rows[:, :256], 14.0), (columns[:, :256], 36.0)):
        square = middle(photo)
        assert square.shape == (3, 227, 227)
        assert square.min() in (first, first + 1) and square.max() - square.min() == 226


@pytest.mark.parametrize("size", [(30, 40), (1000, 700), (5000, 20), (226, 227), (1, 1)])
def test_the_middle_of_any_size_is_of_one_size(size):
    square = middle(torch.full((3, *size), 0.25))
    assert square.shape == (3, 227, 227)
    torch.testing.assert_close(square, torch.full_like(square, 0.25))


def test_the_middle_of_a_square_of_its_size_is_itself():
    photo = torch.rand(3, 227, 227, generator=torch.Generator().manual_seed(0))
    assert torch.equal(middle(photo), photo)


@pytest.mark.parametrize(
    ("photo", "side", "error", "said"),
    [
        ("cat.jpg", 227, TypeError, "photo is str; middle needs a tensor"),
        (torch.zeros(3, 9, 9, dtype=torch.uint8), 227, TypeError, "photo is torch.uint8"),
        (torch.zeros(1, 3, 9, 9), 227, ValueError, "photo has the shape (1, 3, 9, 9); middle needs (3, H, W)"),
        (torch.zeros(3, 0, 9), 227, ValueError, "photo has the shape (3, 0, 9)"),
        (torch.zeros(3, 9, 9), 0, ValueError, "side is 0; it must be above zero"),
        (torch.zeros(3, 9, 9), 2.5, TypeError, "side"),
    ],
)
def test_middle_says_what_it_needs(photo, side, error, said):
    with pytest.raises(error, match=re.escape(said)):
        middle(photo, side)


def test_the_170_pictures_have_each_a_name_and_a_kind():
    images, names, kinds = load_photos()
    assert images.shape == (170, 3, 227, 227) and images.dtype == torch.float32
    assert len(names) == len(set(names)) == len(kinds) == 170
    assert images.min() >= 0 and images.max() <= 1
    # A thing on plain grey: its corner is the ground.
    corner = images[names.index("zebra"), :, 0, 0] * 255
    assert (corner - torch.tensor(GROUND)).abs().max() <= 2
    assert kinds[names.index("zebra")] == "hoofed mammal" and kinds[names.index("kodak_23")] == "bird"


def test_every_picture_that_lies_there_has_its_kind():
    folder = DATA / "photos"
    with open(folder / "kinds.csv", encoding="utf-8", newline="") as file:
        named = [row["file"] for row in csv.DictReader(file)]
    lying = sorted(folder.glob("*.jpg")) + sorted((folder / "stamps").glob("*.jpg"))
    assert named == [path.relative_to(folder).as_posix() for path in lying]
