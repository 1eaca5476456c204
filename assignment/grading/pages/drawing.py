"""Whether a browser can draw a picture in no more time and memory than its length promises.

As a picture, an SVG runs no script and loads nothing. But what is drawn once may be drawn again by reference, and a
chain of nine references of ten each is a thousand million drawings, in which a browser hangs. And 65 kB of PNG may be
400 million pixels, of four bytes each.
"""

import re
from collections.abc import Iterator
from io import BytesIO
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from PIL import Image

_FORMATS, _MOST_PIXELS = ("PNG", "JPEG", "GIF", "WEBP", "BMP"), 25_000_000
# What plots and graphs consist of. No markers, masks, patterns and filters: what they repeat, styles can hand down.
_DRAWN = """
    svg g defs symbol use path rect circle ellipse line polyline polygon text tspan title desc style clipPath
    linearGradient radialGradient stop image metadata RDF Work type date format creator Agent
""".split()
# Characters of what is drawn again, all together.
_MOST_AGAIN = 20_000_000
_DEEPEST = 100


def can_be_drawn(form: str, picture: bytes) -> bool:
    """Whether it is a picture of that media type, and a browser draws it without trouble."""
    return _is_simple(picture) if form.startswith("image/svg") else _is_small(picture)


def _is_small(picture: bytes) -> bool:
    """Whether it is a picture made of pixels, and of not too many."""
    try:
        with Image.open(BytesIO(picture), formats=_FORMATS) as opened:
            return opened.width * opened.height <= _MOST_PIXELS
    except Exception:  # whatever a library raises, or warns of, on a file that was made to break it
        return False


def _is_simple(svg: bytes) -> bool:
    """Whether it is an SVG in which what is referred to does not refer to more, and is not too often drawn again."""
    if b"<!ENTITY" in svg:
        return False
    try:
        root = ElementTree.fromstring(svg)
    except (ElementTree.ParseError, ValueError, LookupError):
        return False
    if not all(_is_plain(element) for element in root.iter()) or _is_deeper(root, _DEEPEST):
        return False
    by_id = {element.get("id"): element for element in root.iter()}
    referred = [name for element in root.iter() for name in _references(element)]
    sizes = {}
    for name in set(referred) & by_id.keys():
        inside = list(by_id[name].iter())
        if any(True for element in inside for _ in _references(element)):
            return False
        sizes[name] = sum(map(_size, inside))
    return sum(sizes.get(name, 0) for name in referred) <= _MOST_AGAIN


def _is_plain(element: Element) -> bool:
    name = _local(element.tag)
    values = "".join(element.attrib.values())
    # A style for all could refer to anything, and so could one in which a backslash hides that it does.
    style = (element.text or "") if name == "style" else ""
    pictures = _hrefs(element) if name == "image" else []
    return (
        name in _DRAWN
        and "\\" not in values + style
        and not re.search("url|@", style, re.IGNORECASE)
        and all(re.match("data:image/(png|jpeg);", picture) for picture in pictures)
    )


def _references(element: Element) -> Iterator[str]:
    if _local(element.tag) != "image":
        yield from (href.strip().removeprefix("#") for href in _hrefs(element))
    for value in element.attrib.values():
        yield from re.findall(r"""(?i)url\(\s*["']?\s*#([^"')]*?)\s*["']?\s*\)""", value)


def _hrefs(element: Element) -> list[str]:
    return [value for name, value in element.attrib.items() if _local(name) == "href"]


def _size(element: Element) -> int:
    return 1 + len(element.text or "") + sum(map(len, element.attrib.values()))


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def _is_deeper(root: Element, most: int) -> bool:
    level = [root]
    for _ in range(most):
        level = [child for element in level for child in element]
    return bool(level)
