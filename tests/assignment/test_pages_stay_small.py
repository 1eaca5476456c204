"""Pages have a bounded size, what is slow to read stands there as text, and a browser can draw the rest."""

from base64 import b64decode, b64encode
from io import BytesIO, StringIO
from itertools import count
from pathlib import Path
from urllib.parse import quote

import matplotlib.pyplot as plt
import pytest
from markupsafe import escape
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output
from PIL import Image

PIXEL = b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")
PICTURE = b64encode(PIXEL + bytes(750_000)).decode()


def shown(cells, folder=None):
    """What a page shows of the cells."""
    from grading.pages.cells import cells_of

    return "".join("".join([cell.shown, *cell.outputs]) for cell in cells_of(_Notebook(cells), folder))


class _Notebook:
    def __init__(self, cells):
        self.cells = cells


def output(**data):
    return new_code_cell(outputs=[new_output("display_data", data={k.replace("_", "/"): v for k, v in data.items()})])


# To read each for its colours or tags takes a minute or more.
SLOW = {
    "colours": ("text_plain", "\x1b[31mx" * 400_000, "x" * 400_000),
    "codes that are none": ("text_plain", "\x1b[" * 900_000, None),
    "one long code": ("text_plain", "\x1b[" + "1;" * 900_000 + "m", None),
    "attributes": ("text_html", "<b " + " ".join(f"a{k}" for k in range(250_000)) + ">x</b>", None),
    "attributes without a space": ("text_html", "<b " + "".join(f"a{k}/" for k in range(250_000)) + ">x</b>", None),
    "signs of entities": ("text_html", "&" * 2_000_000, None),
}


@pytest.mark.parametrize(("form", "text", "kept"), SLOW.values(), ids=SLOW)
def test_what_is_slow_to_read_is_shown_as_text(form, text, kept):
    assert shown([output(**{form: text})]).endswith(f"<pre>{escape(text if kept is None else kept)}</pre>")


def test_many_slow_texts_do_not_add_up(monkeypatch):
    """On a clock that goes on by a second each time that it is read."""
    monkeypatch.setattr("grading.pages.room.monotonic", count().__next__)
    html = shown([new_markdown_cell("*x*")] * 40)
    assert 10 < html.count("<em>") <= 20 and html.endswith("<pre>*x*</pre>")


@pytest.fixture
def beside(tmp_path):
    (tmp_path / "a.png").write_bytes(PIXEL + bytes(750_000))
    return tmp_path


NAMED_OFTEN = {
    "a picture in the folder": new_markdown_cell("![](a.png) " * 4000),
    "an attachment": new_markdown_cell("![](attachment:a) " * 2000, attachments={"a": {"image/png": PICTURE}}),
    "an address": new_markdown_cell(f"[a]: https://b.c/{'d' * 25_000}\n\n" + "[a] " * 6000),
    "a title": new_markdown_cell(f'[a]: https://b.c "{"d" * 25_000}"\n\n' + "[a] " * 6000),
}


@pytest.mark.parametrize("cell", NAMED_OFTEN.values(), ids=NAMED_OFTEN)
def test_what_is_named_often_is_not_shown_without_end(cell, beside):
    """Of a megabyte that is named four thousand times, a page of five gigabytes was made."""
    html = shown([cell] * 3, beside)
    assert len(html) < 70_000_000


def test_many_large_outputs_are_not_all_shown():
    html = shown([output(image_png=PICTURE)] * 100 + [new_code_cell("1", outputs=[new_output("stream", text="x")])])
    assert len(html) < 70_000_000
    assert html.endswith('<p class="left-out">An output is not shown here, as there is too much on this page.</p>')


def test_too_much_code_or_text_is_shown_as_it_is():
    html = shown([new_code_cell("x = 1\n" * 15_000), output(text_plain="\x1b[31ma b\n\x1b[0m" * 20_000)])
    assert "span class" not in html and "\x1b" not in html and html.count("a b\n") == 20_000


def svg(inside):
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="9" height="9">'
        f"{inside}</svg>"
    )


def chain(first, link, last):
    return svg(first + "".join(link(k) for k in range(8)) + last)


# Such a chain keeps a browser busy for days.
HANGING = {
    "uses": chain(
        '<g id="a0"><rect/></g>',
        lambda k: f'<g id="a{k + 1}">' + f'<use xlink:href="#a{k}"/>' * 10 + "</g>",
        '<use href=" #a8"/>',
    ),
    "markers": chain(
        '<marker id="m0"><rect/></marker>',
        lambda k: f'<marker id="m{k + 1}"><path d="M0 0{" L1 1" * 30}" marker-mid="url(#m{k})"/></marker>',
        '<path d="M0 0L1 1L2 2" marker-mid="url(#m8)"/>',
    ),
    "masks": chain(
        '<mask id="m0"><rect/></mask>',
        lambda k: f'<mask id="m{k + 1}">' + f'<rect mask="url(#m{k})"/>' * 10 + "</mask>",
        '<rect mask="url(#m8)"/>',
    ),
    "clips": chain(
        '<clipPath id="m0"><rect/></clipPath>',
        lambda k: f'<clipPath id="m{k + 1}">' + f"<rect style=\"clip-path: url( '#m{k}' )\"/>" * 10 + "</clipPath>",
        '<rect clip-path="url(#m8)"/>',
    ),
    "a large one, often": svg(f'<path id="a" d="{"M0 0L9 9" * 10_000}"/>' + '<use href="#a"/>' * 5_000),
    "a style for all": svg("<style>rect {mask: url(#m)}</style><rect/>"),
    "a reference in disguise": svg('<rect style="mask: u\\72l(#m)"/>'),
    "an SVG in an SVG": svg('<image href="data:image/svg+xml;base64,AAAA"/>'),
    "entities": '<!DOCTYPE svg [<!ENTITY a "<rect/>">]>' + svg("&a;"),
    "depth": svg("<g>" * 5000 + "</g>" * 5000),
    "no SVG": "<html/>",
    "broken": "<svg>",
}


@pytest.mark.parametrize("picture", HANGING.values(), ids=HANGING)
def test_an_svg_that_would_hang_a_browser_is_not_shown(picture):
    code = b64encode(picture.encode()).decode()
    address = quote(picture)
    cells = [
        output(**{"image_svg+xml": picture}),
        output(text_html=f'<img src="data:image/svg+xml;base64,{code}">'),
        output(text_html=f'<img src="data:image/svg+xml,{address}">'),
        output(text_html=f'<img src="data:image/png,{address}">'),
        new_markdown_cell("![x](attachment:a)", attachments={"a": {"image/svg+xml": code}}),
    ]
    html = shown(cells)
    assert "data:image" not in html and "An output of image/svg+xml is not shown here." in html


@pytest.mark.parametrize(("side", "is_shown"), [(20_000, False), (4_000, True)])
def test_a_picture_of_too_many_pixels_is_not_shown(side, is_shown):
    """The larger one has 65 kB, and takes a browser eleven seconds and 1.6 GB."""
    file = BytesIO()
    Image.new("1", (side, side)).save(file, format="PNG")
    code = b64encode(file.getvalue()).decode()
    for cell in (output(image_png=code), output(text_html=f'<img src="data:image/png;base64,{code}">')):
        assert ("data:image" in shown([cell])) == is_shown


def test_plots_as_svg_are_shown():
    """As Matplotlib writes them, with letters, marks and clippings that are used many times, and with a picture."""
    figure, (left, right) = plt.subplots(1, 2)
    left.plot(range(1000), "o-", label="a name")
    left.legend()
    right.imshow([[1, 2], [3, 4]])
    file = StringIO()
    figure.savefig(file, format="svg")
    plt.close(figure)
    html = shown([output(**{"image_svg+xml": file.getvalue()})])
    assert html.count('<img src="data:image/svg+xml;base64,') == 1


def test_pictures_by_link_come_from_the_folder_alone(tmp_path):
    """What lies beside the folder, or where a link leads, may be private."""
    folder = tmp_path / "handed in"
    (folder / "deeper").mkdir(parents=True)
    (tmp_path / "secret.png").write_bytes(PIXEL + b"secret")
    (folder / "own.png").write_bytes(PIXEL)
    (folder / "deeper" / "own.PNG").write_bytes(PIXEL)
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    (folder / "elsewhere").symlink_to(tmp_path)
    (folder / "folder.png").mkdir()
    (folder / "notes.txt").write_bytes(PIXEL + b"secret")
    (folder / "large.png").write_bytes(PIXEL + bytes(2_000_001))
    own, secret = b64encode(PIXEL).decode(), b64encode(PIXEL + b"secret").decode()
    names = [
        *("own.png", "./own.png", "deeper/own.PNG", "deeper/../own.png", "%6fwn.png"),
        *("link.png", "../secret.png", "%2e%2e/secret.png", "elsewhere/secret.png", f"{tmp_path}/secret.png"),
        *(f"file://{tmp_path}/secret.png", "folder.png", "notes.txt", "large.png", "own.png%00", "missing.png"),
        f"{'x' * 300}.png",
    ]
    pages = [shown([new_markdown_cell(f"![x](<{name}>)")], folder) for name in names]
    assert [f"data:image/png;base64,{own}" in page for page in pages] == [True] * 5 + [False] * 12
    assert not any(secret in page for page in pages)
    assert not any("data:" in page for page in pages[5:])


def test_without_a_folder_no_picture_is_read():
    html = shown([new_markdown_cell(f"![x](<{Path(__file__).resolve()}/../a.png>)")])
    assert "data:" not in html
