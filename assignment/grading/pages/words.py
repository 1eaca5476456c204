"""Text with Markdown and mathematics, as a page shows it."""

import base64
from collections.abc import Mapping
from html import escape
from pathlib import Path
from urllib.parse import unquote

from latex2mathml import converter
from markupsafe import Markup
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

from grading.pages.harmless import harmless, preformatted
from grading.pages.room import Room

# Beyond so many characters, text and formulas are shown as they were written: reading them could take minutes.
_LONGEST, _LONGEST_FORMULA = 50_000, 5_000
# A picture from a file goes into the page, so that the page needs no other.
_LARGEST_PICTURE = 2_000_000
_PICTURES = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".gif": "gif", ".webp": "webp", ".svg": "svg+xml"}


def words(text: str, room: Room, attachments: object = None, folder: Path | None = None) -> Markup:
    """What a cell of text shows.

    `attachments` are the cell's own pictures, as a notebook stores them; `folder` is where the notebook lies, whose
    pictures it may show. Pictures and addresses come out of the `room` for them: each may be named many times.
    """
    if len(text) > _LONGEST or not room.is_left:
        return preformatted(text)
    try:
        html = MarkdownWithMath(renderer=_Renderer(room, attachments, folder)).render(text)
    except Exception:  # what students write, and what notebooks hold, may be anything
        return preformatted(text)
    return harmless(html, text)


def formula(tex: str, display: str = "inline") -> str:
    """MathML, not yet harmless; or the source, of what is no formula."""
    try:
        if len(tex) <= _LONGEST_FORMULA:
            return converter.convert(tex, display=display)
    except Exception:  # its errors are of many kinds
        pass
    return f"<code>{escape(tex)}</code>"


class _Renderer(IPythonRenderer):
    """Jupyter's Markdown, with formulas for a browser without MathJax and with pictures in the page."""

    def __init__(self, room: Room, attachments: object, folder: Path | None) -> None:
        super().__init__(escape=False, exclude_anchor_links=True)
        self.room = room
        self.enclosed = attachments if isinstance(attachments, Mapping) else {}
        self.folder = folder

    def block_math(self, body: str) -> str:
        return f"<div>{formula(body, 'block')}</div>"

    def inline_math(self, body: str) -> str:
        return formula(body)

    def latex_environment(self, name: str, body: str) -> str:
        return self.block_math(f"\\begin{{{name}}}{body}\\end{{{name}}}")

    def image(self, text: str, url: str, title: str | None = None) -> str:
        source = self._attached(url) if url.startswith("attachment:") else self._in_folder(url) or url
        return f'<img src="{escape(source)}" alt="{escape(text)}">' if self.room.take(len(source)) else escape(text)

    def link(self, text: str, url: str, title: str | None = None) -> str:
        return super().link(text, url, title) if self.room.take(len(url) + len(title or "")) else text

    def _attached(self, url: str) -> str:
        kinds = self.enclosed.get(url.removeprefix("attachment:"))
        for kind, data in kinds.items() if isinstance(kinds, Mapping) else ():
            if str(kind).startswith("image/"):
                return f"data:{kind};base64,{data}"
        return ""

    def _in_folder(self, url: str) -> str | None:
        name = unquote(url)
        kind = _PICTURES.get(Path(name).suffix.lower())
        if self.folder is None or kind is None or "\0" in name:
            return None
        path = self.folder / name
        # What a link leads to may be private.
        if path.is_symlink() or not path.resolve().is_relative_to(self.folder.resolve()) or not path.is_file():
            return None
        if path.stat().st_size > _LARGEST_PICTURE:
            return None
        return f"data:image/{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"
