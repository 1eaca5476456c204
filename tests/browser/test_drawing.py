"""The drawing explorer in a real browser: ink where the stroke was, and everything that follows from it."""

import math

import numpy as np
import pytest
import torch
from lab import (
    SEVEN,
    execute,
    explorer,
    pictures,
    pixels,
    press,
    readout,
    run_cell,
    sheets,
    stroke,
    values,
    wait_for,
)
from photographs import photograph
from PIL import ExifTags, Image, ImageDraw
from test_explorers import IMAGES, MODEL, NET, NOTEBOOKS, limit, see, signed
from torchvision.transforms.functional import to_pil_image


@pytest.fixture
def drawing(opened):
    box = explorer(opened(NOTEBOOKS[3]), "draw_a_digit(")
    # Other tests that share this page may have chosen another map.
    box.get_by_role("button", name="2·11", exact=True).click()
    yield box
    box.get_by_role("button", name="clear").click()


def paper(box):
    return box.locator(".paper canvas")


def with_a_brush(strokes):
    """The same strokes by Pillow, `(280, 280)`, 0 to 1."""
    sheet = Image.new("L", (280, 280))
    draw = ImageDraw.Draw(sheet)
    for points in strokes:
        draw.line(points, fill=255, width=24, joint="curve")
        for x, y in points:
            draw.ellipse((x - 12, y - 12, x + 12, y + 12), fill=255)
    return np.asarray(sheet) / 255


def centred(sheet):
    """By Pillow and NumPy, as MNIST's digits were: fit in 20×20, centre of mass in the middle of 28×28."""
    rows, columns = np.nonzero(sheet)
    cut = sheet[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    height, width = (max(1, round(20 * side / max(cut.shape))) for side in cut.shape)
    small = np.asarray(Image.fromarray((255 * cut).astype("uint8")).resize((width, height), Image.Resampling.BOX)) / 255
    y, x = (round(14 - (np.indices(small.shape)[axis] * small).sum() / small.sum()) for axis in (0, 1))
    image = np.zeros((28, 28))
    image[y : y + height, x : x + width] = small
    return image


def what_is_read(box):
    """The image that the network reads, from the screen: `(28, 28)`, 0 to 1."""
    return values(pixels(pictures(box)[0]), (28, 28))[..., 0] / 255


def see_what_follows(box, layer=2, k=11):
    """Wait until reconstructions, probabilities and the caption are those of the image that stands on the screen."""

    def expected():
        image = torch.tensor(what_is_read(box), dtype=torch.float32)[None, None]
        trace = NET.record(image)
        seen = {n: NET.project(trace, f"pool{n}")[0, :, 0] for n in (1, 2)}
        end = limit(torch.cat(list(seen.values())))
        _, large = pictures(box)
        looks = [("reconstruction", pixels(large), signed(seen[layer][k], end), {})]
        for n, sheet in zip((1, 2), sheets(box), strict=True):
            screen = pixels(sheet)
            for i, one in enumerate(seen[n]):
                corner = (i // 4 * 84 + 4, i % 4 * 64 + 4)
                where = {"corner": corner, "side": 56}
                looks.append((f"thumbnail {n}·{i}", screen, signed(one, end), where))
        return looks

    see(box, expected)
    probabilities = MODEL(torch.tensor(what_is_read(box), dtype=torch.float32)[None, None])[0].exp()
    told = box.get_by_text("probability", exact=True).locator("..").inner_text().split()
    shares = [int(word.rstrip("%")) for word in told if word.endswith("%")]
    assert len(shares) == 10
    np.testing.assert_allclose(shares, 100 * probabilities.detach().numpy(), atol=1.5)
    assert box.get_by_text(f"read as {int(probabilities.argmax())}", exact=True).count() == 1


def test_it_begins_with_an_example(drawing):
    np.testing.assert_allclose(what_is_read(drawing), IMAGES[9331, 0].numpy(), atol=1 / 255)
    see_what_follows(drawing)


def test_a_seven_stroke_by_stroke(drawing):
    sheet = []
    for line in SEVEN:
        stroke(drawing, line)
        sheet.append(line)
        wanted = with_a_brush(sheet)
        wait_for(lambda w=wanted: np.abs(what_is_read(drawing) - centred(w)).mean() < 0.02, "not the strokes' image")
        see_what_follows(drawing)
        wait_for(
            lambda w=wanted: np.abs(pixels(paper(drawing))[..., 0] / 255 - w).mean() < 0.02,
            "not the strokes on the paper",
        )
    assert drawing.get_by_text("read as 7", exact=True).is_visible()


def test_clear(drawing):
    stroke(drawing, SEVEN[0])
    wait_for(lambda: what_is_read(drawing).any(), "no ink is read")
    drawing.get_by_role("button", name="clear").click()
    wait_for(lambda: not what_is_read(drawing).any(), "ink is still read")
    drawing.get_by_text("nothing yet", exact=True).wait_for()
    wait_for(lambda: pixels(paper(drawing)).max() == 0, "ink is still on the paper")
    blank = signed(torch.zeros(28, 28), 1.0)
    see(drawing, lambda: [("reconstruction", pixels(pictures(drawing)[1]), blank, {})])


def test_a_fast_scribble_loses_nothing_of_its_end(drawing):
    """Hundreds of events without a pause: what is answered last is what was drawn last."""
    turns = [(140 + 80 * math.sin(a / 9), 140 - 90 * math.cos(a / 9)) for a in range(300)]
    stroke(drawing, turns, steps=1)
    # A bar at the left and below, else the centre of mass lies half-way between two pixels.
    bar = [(60, 170), (140, 170)]
    stroke(drawing, bar, steps=40)
    wanted = centred(with_a_brush([turns, bar]))
    wait_for(lambda: np.abs(what_is_read(drawing) - wanted).mean() < 0.03, "the end of the scribble is not read")
    see_what_follows(drawing)


def test_a_stroke_that_leaves_the_paper_ends_there(drawing):
    stroke(drawing, [(140, 140), (140, 320)])
    drawing.page.mouse.move(*middle_of(paper(drawing), 0.2))  # back, without the button
    sheet = with_a_brush([[(140, 140), (140, 280)]])
    wait_for(lambda: np.abs(what_is_read(drawing) - centred(sheet)).mean() < 0.03, "not the stroke's image")


def middle_of(locator, share):
    place = locator.bounding_box()
    return place["x"] + share * place["width"], place["y"] + share * place["height"]


def test_by_keys(drawing):
    """The pen starts in the middle; each arrow moves it by ten pixels; space puts it down, and lifts it."""
    drawing.get_by_role("button", name="clear").focus()
    drawing.page.keyboard.press("Shift+Tab")
    assert focused(drawing) == "CANVAS"
    keyboard = drawing.page.keyboard
    for keys in (["ArrowUp"] * 7, ["Space"], ["ArrowDown"] * 14, ["Space"], ["ArrowRight"] * 5):
        for key in keys:
            keyboard.press(key)
    wanted = centred(with_a_brush([[(140, 70), (140, 210)]]))
    wait_for(lambda: np.abs(what_is_read(drawing) - wanted).mean() < 0.02, "not the line that the keys have drawn")
    drawing.get_by_text("read as 1", exact=True).wait_for()
    keyboard.press("Delete")
    wait_for(lambda: not what_is_read(drawing).any(), "ink is still read")


def test_the_paper_is_no_trap_for_the_keyboard(drawing):
    paper(drawing).focus()
    drawing.page.keyboard.press("Tab")
    wait_for(lambda: focused(drawing) == "clear", "Tab does not lead out of the paper")
    paper(drawing).focus()
    drawing.page.keyboard.press("Shift+Tab")
    wait_for(lambda: focused(drawing) != "CANVAS", "Shift+Tab does not lead out of the paper")


def focused(box):
    return box.page.evaluate("() => document.activeElement.textContent.trim() || document.activeElement.tagName")


def test_the_map_by_a_thumbnail_and_by_keys(drawing):
    stroke(drawing, SEVEN[1])
    drawing.get_by_role("button", name="1·3").click()
    see_what_follows(drawing, 1, 3)
    assert readout(drawing, "map") == "1·3"
    press(drawing, "map", "ArrowRight", 3)
    see_what_follows(drawing, 2, 0)


def choose_file(box, path):
    with box.page.expect_file_chooser() as chosen:
        box.get_by_role("button", name="photo", exact=True).click()
    chosen.value.set_files(path)


def test_a_photograph_is_read(drawing, tmp_path):
    """It is turned as its camera noted. A stroke takes it away."""
    photo = to_pil_image(photograph(IMAGES[0], seed=0))
    turned = Image.Exif()
    turned[ExifTags.Base.Orientation] = 6  # to be turned right by a quarter
    photo.rotate(90, expand=True).save(tmp_path / "seven.jpg", exif=turned)
    choose_file(drawing, tmp_path / "seven.jpg")
    drawing.get_by_text("This is the digit of the photograph.", exact=True).wait_for()
    drawing.get_by_text("read as 7", exact=True).wait_for()
    press(drawing, "map", "End")
    see_what_follows(drawing, 2, 15)
    stroke(drawing, SEVEN[0])
    wanted = centred(with_a_brush(SEVEN[:1]))
    wait_for(lambda: np.abs(what_is_read(drawing) - wanted).mean() < 0.02, "the photograph is still on the paper")


def test_of_a_file_that_holds_no_picture_it_says_so(drawing, tmp_path):
    (tmp_path / "notes.txt").write_text("no picture")
    choose_file(drawing, tmp_path / "notes.txt")
    drawing.get_by_text("The file notes.txt holds no picture that this browser can read; export it as JPEG.").wait_for()
    assert not what_is_read(drawing).any()


def test_a_cell_that_is_run_again_leaves_one_explorer(opened):
    """The last one here, as it takes another paper."""
    page, faults = opened(NOTEBOOKS[3]), []
    page.on("pageerror", lambda fault: faults.append(fault))
    count = "__import__('comm').get_comm_manager().comms"
    execute(page, f"lives = len({count})")
    for _ in range(3):
        run_cell(page, "draw_a_digit(")
    execute(page, f"assert len({count}) == lives, (len({count}), lives)")
    box = explorer(page, "draw_a_digit(")
    assert box.count() == 1
    stroke(box, SEVEN[0])
    wanted = centred(with_a_brush(SEVEN[:1]))
    wait_for(lambda: np.abs(what_is_read(box) - wanted).mean() < 0.02, "not the stroke's image")
    see_what_follows(box)
    assert explorer(page, "explore_feature_maps(").count() == 1
    assert not faults
