"""What stands in the page of a notebook: the modules of this folder, as the one text that anywidget takes."""

import re
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
# Both are handed over as text: of a path anywidget keeps a watch, which holds each widget that has ever used it.
CSS = (FOLDER / "explorer.css").read_text(encoding="utf-8")

# The forms in which these modules import and export.
_IMPORT = re.compile(r'^import \{[^}]*\} from "(\.{1,2}/[\w./-]+\.js)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?function|const|class)", re.MULTILINE)
_DEFAULT = re.compile(r"^export default .*\n", re.MULTILINE)


def module(name: str | Path) -> str:
    """The module of that name in this folder, or of any path, with those that it imports before it.

    A page gets the text of a module alone, without a place from which it could import others. So these come along, each
    once, and what they name stays one name: no two modules may declare the same at their top. What the last one exports
    as its default stays exported.
    """
    texts: dict[Path, str] = {}

    def add(path: Path) -> None:
        if path not in texts:
            text = path.read_text(encoding="utf-8")
            texts[path] = ""  # some import each other
            for other in _IMPORT.findall(text):
                add((path.parent / other).resolve())
            del texts[path]
            texts[path] = _EXPORT.sub("", _IMPORT.sub("", text))

    last = (FOLDER / name).resolve()
    add(last)
    return "\n".join(text if path == last else _DEFAULT.sub("", text) for path, text in texts.items())
