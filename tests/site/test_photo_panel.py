"""A digit in a photograph, on the live page: it is found, shown with its frame, read, and seen by all 22 maps."""

import numpy as np
import torch
import torch.nn.functional as F
from photographs import photograph
from PIL import Image
from test_axe import COLOURS, RUN

from helpers.photographed import find_digit
from helpers.photos import load_photo

# The shades of the picture that the network gets, a value in each square of 7×7.
VALUES = """canvas => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const at = (k) => 4 * ((7 * Math.floor(k / 28) + 3) * canvas.width + 7 * (k % 28) + 3);
  return Array.from({ length: 28 * 28 }, (_, k) => data[at(k)]);
}"""
# Where there is yellow as the frame's in a picture: its top, left, bottom and right.
FRAME = """canvas => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const found = [Infinity, Infinity, -1, -1];
  for (let k = 0; k < data.length; k += 4) {
    if (data[k] !== 0xff || data[k + 1] !== 0xee || data[k + 2] !== 0x58) continue;
    const [y, x] = [Math.floor(k / 4 / canvas.width), (k / 4) % canvas.width];
    found[0] = Math.min(found[0], y);
    found[1] = Math.min(found[1], x);
    found[2] = Math.max(found[2], y + 1);
    found[3] = Math.max(found[3], x + 1);
  }
  return found;
}"""


def saved(path, photo):
    """A photograph `(3, H, W)`, 0 to 1, as a file."""
    pixels = (255 * photo).round().byte().permute(1, 2, 0).numpy()
    Image.fromarray(np.ascontiguousarray(pixels)).save(path)
    return path


def panel(page, address):
    page.goto(f"{address}live.html#photo")
    box = page.locator("#photo")
    box.locator(".thumbnails").first.wait_for()
    return box


def show(box, path):
    """Choose a file, and wait for what is said of it."""
    chooser = box.locator("input[type=file]").last
    before = box.locator(".says").inner_text()
    chooser.set_input_files(path)
    box.page.wait_for_function(
        "before => { const { textContent } = document.querySelector('#photo .says');"
        " return textContent !== before && textContent !== 'The picture is being read.' }",
        arg=before,
    )
    return box.locator(".says").inner_text()


def reading(box):
    return box.locator("figcaption b").first.inner_text()


def is_blank(box):
    """Whether no map claims to have seen anything, and no digit is likely."""
    shades = box.evaluate(
        """box => [...box.querySelectorAll(".thumbnails canvas")].map((canvas) => {
          const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
          return new Set(new Uint32Array(data.buffer)).size; })"""
    )
    return max(shades) <= 2 and "%" not in box.locator(".bars").inner_text()


def test_the_digit_is_found_and_read_as_by_python(page, address, test_set, model, tmp_path):
    images, labels = test_set
    box = panel(page, address)
    assert reading(box) == "no digit" and is_blank(box)
    for number, kinds in enumerate([(), ("lined", "thumb"), ("shadow", "turned")]):
        path = saved(tmp_path / f"{number}.png", photograph(images[number], 40 + number, kinds))
        found = find_digit(load_photo(path))
        assert show(box, path) == f"This is the digit of the photograph, read as {labels[number]}."
        assert reading(box) == f"read as {labels[number]}" == f"read as {int(model(found.image).argmax())}"
        values = box.locator(".picture canvas").first.evaluate(VALUES)
        assert values == (255 * found.image).round().int().flatten().tolist()
        inner, outer = found.frame, box.locator(".sight").evaluate(FRAME)
        assert all(abs(one - other) <= 5 for one, other in zip(inner, outer, strict=True))
        assert not is_blank(box)


def test_a_large_photograph_is_read(page, server, test_set, tmp_path):
    """As a telephone takes it, turned as it notes."""
    large = F.interpolate(photograph(test_set[0][0], 3)[None], scale_factor=8, mode="bilinear")[0]
    image = Image.open(saved(tmp_path / "large.png", large)).rotate(90, expand=True)
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / "large.jpg", quality=85, exif=exif)
    box = panel(page, server)
    assert show(box, tmp_path / "large.jpg") == "This is the digit of the photograph, read as 7."


def odd(images):
    """Photographs of which something is to be said: what, and whether there is a digit."""
    one = photograph(images[0], 3)
    white = torch.full((3, 200, 200), 0.9)
    border = white.clone()
    border[:, 60:110, 185:] = 0.2
    near = F.interpolate(images[0, 0, 7:27, 5:23][None, None], size=(260, 260), mode="bilinear")[0]
    two = torch.cat([one, one], dim=2)
    return {
        "none": (white, "No digit is in this picture. Nothing stands out from the paper.", False),
        "black": (0 * white, "No digit is in this picture. The picture is dark: at its brightest 0.00 of 1.", False),
        "at the border": (border, "No digit is in this picture: what stands out reaches its border.", False),
        "too small": (white[:, :20], "The picture is 20×200 pixels large; it needs sides of 28 pixels or more", False),
        "several": (two, "read as 7. There are 2 digits: this is the largest.", True),
        "dark": (0.2 * one, "The picture is dark: at its brightest 0.", True),
        "too near": (
            (0.95 - 0.8 * near).expand(3, -1, -1),
            "The digit reaches the border, and some of it may be",
            True,
        ),
    }


def test_what_is_unusual_is_said(page, server, images, tmp_path):
    box = panel(page, server)
    for name, (photo, sentence, is_read) in odd(images).items():
        assert sentence in show(box, saved(tmp_path / f"{name}.png", photo)), name
        assert reading(box).startswith("read as ") == is_read, name
        assert is_blank(box) != is_read, name


def test_a_file_without_a_picture_is_named_and_the_page_goes_on(page, address, images, tmp_path):
    box = panel(page, address)
    for name, content in {"notes.png": b"no picture", "empty.jpg": b"", "cut.png": b"\x89PNG\r\n\x1a\n\0\0"}.items():
        (tmp_path / name).write_bytes(content)
        assert (
            show(box, tmp_path / name)
            == f"The file {name} holds no picture that this browser can read; export it as JPEG."
        )
        assert reading(box) == "no digit" and is_blank(box)
    assert show(box, saved(tmp_path / "one.png", photograph(images[0], 3))).endswith("read as 7.")


def test_by_keys(page, server, images, tmp_path):
    path = saved(tmp_path / "one.png", photograph(images[0], 3))
    page.on("filechooser", lambda _: None)  # a key may be quicker than the one who waits for it
    box = panel(page, server)
    box.get_by_role("button", name="choose a photograph").focus()
    with page.expect_file_chooser() as chosen:
        page.keyboard.press("Enter")
    chosen.value.set_files(path)
    page.locator("#photo .says", has_text="read as 7").wait_for()
    box.get_by_role("slider").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_url("**/live.html#photo?map=2-12")
    assert "what map 12 of layer 2 saw" in box.inner_text()
    box.get_by_role("status").filter(has_text="read as 7").wait_for(state="attached")


def test_a_telephone_offers_its_camera(chromium, server):
    context = chromium.new_context(viewport={"width": 360, "height": 780}, has_touch=True, is_mobile=True)
    page = context.new_page()
    box = panel(page, server)
    with page.expect_file_chooser() as chosen:
        box.get_by_role("button", name="take a photograph").tap()
    assert chosen.value.element.get_attribute("capture") == "environment"
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    context.close()


def test_a_link_says_that_the_photograph_is_not_in_it(page, server, images, tmp_path):
    box = panel(page, server)
    page.context.grant_permissions(["clipboard-write", "clipboard-read"])
    show(box, saved(tmp_path / "one.png", photograph(images[0], 3)))
    box.get_by_role("button", name="copy the link").click()
    box.get_by_text("The link is copied. The photograph is not in it.").wait_for()


def test_axe_finds_nothing(page, server, images, axe, tmp_path):
    box = panel(page, server)
    show(box, saved(tmp_path / "one.png", photograph(images[0], 3)))
    page.evaluate(axe)
    assert page.evaluate(RUN, {}) == []
    page.emulate_media(color_scheme="dark")
    assert page.evaluate(RUN, COLOURS) == []
