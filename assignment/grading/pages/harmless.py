"""Markup that shows and does nothing, of markup that anybody may have written.

Whatever a page shows of a submission comes through `harmless`, or is text, which the templates escape.
"""

import base64
import re
from urllib.parse import unquote_to_bytes

import nh3
from markupsafe import Markup
from pygments.token import STANDARD_TYPES

from grading.pages.drawing import can_be_drawn

# Beyond so many tags, or so many of what comes between the attributes of one or begins an entity, a piece of markup is
# shown as text: the time for reading it grows with their square, to a second.
MOST_TAGS = 10_000
_DIVIDING, _MOST_DIVIDING = " \t\n\r\f/\"'&", 30_000

_TEXT = """
    a abbr b blockquote br caption cite code col colgroup dd del details dfn div dl dt em figcaption figure
    h1 h2 h3 h4 h5 h6 hr i img ins kbd li mark ol p pre q s samp small span strong sub summary sup
    table tbody td tfoot th thead tr tt u ul var
""".split()
# Without annotations, through which markup comes back that a browser reads in another way than the sanitizer.
_MATHEMATICS = """
    math menclose merror mfrac mi mn mo mover mpadded mphantom mroot mrow mspace msqrt mstyle msub msubsup msup
    mtable mtd mtext mtr munder munderover
""".split()
_GONE_WITH_CONTENTS = {
    "script",
    "style",
    "title",
    "template",
    "iframe",
    "object",
    "noscript",
    "svg",
    "textarea",
    "select",
}

_ATTRIBUTES = {
    "*": {"title", "style"},
    "a": {"href"},
    "img": {"src", "alt", "width", "height"},
    "ol": {"start"},
    "td": {"colspan", "rowspan"},
    "th": {"colspan", "rowspan"},
    **{
        tag: {"display", "displaystyle", "mathvariant", "stretchy", "fence", "form", "separator", "accent", "largeop"}
        | {"movablelimits", "linethickness", "columnalign", "rowspacing", "columnspacing", "notation", "mathcolor"}
        for tag in _MATHEMATICS
    },
    "mspace": {"width"},
}
# What colours text and sets it in tables. Nothing that moves, covers or hides.
_STYLES = {"color", "background-color", "font-weight", "font-style", "text-align", "text-decoration", "vertical-align"}
_COLOURS = "black red green yellow blue magenta cyan white".split()
_ANSI = {"ansi-bold", "ansi-underline", "ansi-default-inverse-fg", "ansi-default-inverse-bg"} | {
    f"ansi-{colour}{shade}-{where}" for colour in _COLOURS for shade in ("", "-intense") for where in ("fg", "bg")
}
_CLASSES = {"div": {"highlight"}, "span": _ANSI | set(STANDARD_TYPES.values()) - {""}, "table": {"dataframe"}}

_LENGTH = re.compile(r"\d{1,2}(\.\d{1,4})?(em|ex|px|pt)?")


def _kept(tag: str, attribute: str, value: str) -> str | None:
    """The value of an attribute that is allowed by its name, or None."""
    if (tag, attribute) == ("img", "src"):
        return value if _is_picture(value) else None
    if attribute == "href":
        return value if value.lower().startswith(("http://", "https://", "mailto:")) else None
    if (tag, attribute) == ("mspace", "width"):
        return value if _LENGTH.fullmatch(value) else None
    return value


def _is_picture(address: str) -> bool:
    if not address.startswith("data:image/"):
        return False
    about, _, data = address.partition(",")
    picture = decoded(data) if about.endswith(";base64") else unquote_to_bytes(data)
    return can_be_drawn(about.removeprefix("data:"), picture)


def decoded(data: str) -> bytes:
    """What stands in base64, or nothing."""
    try:
        return base64.b64decode(unquote_to_bytes(data))
    except ValueError:
        return b""


_SANITIZER = nh3.Cleaner(
    tags={*_TEXT, *_MATHEMATICS},
    clean_content_tags=_GONE_WITH_CONTENTS,
    attributes=_ATTRIBUTES,
    attribute_filter=_kept,
    url_schemes={"http", "https", "mailto", "data"},
    url_relative="deny",
    link_rel="noopener noreferrer",
    # In Lab, the lecturer's page stands in a frame.
    set_tag_attribute_values={"a": {"target": "_blank"}},
    allowed_classes=_CLASSES,
    filter_style_properties=_STYLES,
)


def harmless(html: str, source: str | None = None) -> Markup:
    """The part of `html` that only shows: text, tables, pictures that it brings along, links, mathematics, colours.

    Where it is too long for that, the `source` of which it was made is shown as text, if there is one.
    """
    if html.count("<") > MOST_TAGS or sum(map(html.count, _DIVIDING)) > _MOST_DIVIDING:
        return preformatted(html if source is None else source)
    return Markup(_SANITIZER.clean(html))


def preformatted(text: str) -> Markup:
    """The text as it was written."""
    return Markup("<pre>{}</pre>").format(text)
