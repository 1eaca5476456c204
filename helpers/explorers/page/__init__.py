"""What stands in the page of a notebook: the modules of this folder, as the one text that anywidget takes."""

import re
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
# Both are handed over as text: of a path anywidget keeps a watch, which holds each widget that has ever used it.
CSS = (FOLDER / "explorer.css").read_text(encoding="utf-8")

# The forms in which these modules import and export.
_IMPORT = re.compile(r'^import \{[^}]*\} from "\./(\w+\.js)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?function|const|class)", re.MULTILINE)


def module(name: str) -> str:
    """The module of that name, with those that it imports before it.

    A page gets the text of a module alone, without a place from which it could import others. So these come along, each
    once, and what they name stays one name: no two modules may declare the same at their top.
    """
    texts: dict[str, str] = {}

    def add(name: str) -> None:
        if name not in texts:
            text = (FOLDER / name).read_text(encoding="utf-8")
            for other in _IMPORT.findall(text):
                add(other)
            texts[name] = _EXPORT.sub("", _IMPORT.sub("", text))

    add(name)
    return "\n".join(texts.values())
