"""Reads a notebook from bytes that may be anything, and keeps of it what the grading needs."""

import json
from collections.abc import Iterator

import nbformat
from nbformat.notebooknode import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_raw_cell

from grading.names import whole

_MOST_CELLS = 5_000
# Each costs some hundred bytes once it is read, so a short file could fill the memory.
_MOST_BRACKETS = 1_000_000
_PICTURES = ("image/png", "image/jpeg", "image/gif")
# What says which cell of the assignment it is; what else nbgrader keeps comes from the lecturer's.
_NBGRADER = ("grade_id", "grade", "solution", "points")


class NoNotebook(Exception):
    """The bytes are none; the message says why."""


def looks_like_one(beginning: bytes) -> bool:
    """Whether the rest is worth reading: it might be JSON, in one of the encodings that it may have."""
    return beginning.lstrip(b"\xef\xbb\xbf\xff\xfe\0 \t\r\n")[:1] == b"{"


def read_notebook(content: bytes) -> tuple[NotebookNode, int]:
    """A notebook that is valid, and how many cells were too damaged to be kept.

    Of each cell its type, its source, its pictures and nbgrader's name for it are kept, in all formats of notebooks
    since 2013. Outputs are not, as the grading makes them anew.

    Raises:
        NoNotebook: it is none.
    """
    if content.count(b"{") + content.count(b"[") > _MOST_BRACKETS:
        raise NoNotebook("it is far too large inside")
    try:
        found = json.loads(content)
    except UnicodeDecodeError as error:
        raise NoNotebook("it is no text in UTF-8") from error
    except json.JSONDecodeError as error:
        where = (
            "it ends too early" if error.pos >= len(error.doc.rstrip()) else f"there is a fault in line {error.lineno}"
        )
        raise NoNotebook(f"it is no JSON; {where}" if content.strip() else "it is empty") from error
    except (ValueError, RecursionError) as error:
        raise NoNotebook("it is no JSON that can be read") from error
    cells = list(_cells(found))
    if len(cells) > _MOST_CELLS:
        raise NoNotebook(f"it has more than {_MOST_CELLS:,} cells")
    kept = [new for number, cell in enumerate(cells) if (new := _cell(cell, number))]
    notebook = new_notebook(cells=kept, metadata={"language_info": {"name": "python"}})
    nbformat.validate(notebook)
    return notebook, len(cells) - len(kept)


def _cells(found: object) -> Iterator[object]:
    if not isinstance(found, dict):
        raise NoNotebook("it is JSON, but no notebook")
    if isinstance(cells := found.get("cells"), list):
        yield from cells
    elif isinstance(sheets := found.get("worksheets"), list):
        for sheet in sheets:
            if isinstance(sheet, dict) and isinstance(cells := sheet.get("cells"), list):
                yield from cells
    else:
        raise NoNotebook("it is JSON, but no notebook")


def _cell(cell: object, number: int) -> NotebookNode | None:
    if not isinstance(cell, dict):
        return None
    source = _text(cell.get("source", cell.get("input")))
    if source is None:
        return None
    settings: dict = {"id": f"cell-{number}", "metadata": _metadata(cell.get("metadata"))}
    match cell.get("cell_type"):
        case "code":
            return new_code_cell(source, **settings)
        case "markdown":
            pictures = _pictures(cell.get("attachments"))
            return new_markdown_cell(source, **settings, **({"attachments": pictures} if pictures else {}))
        case "heading":
            return new_markdown_cell(f"## {source}", **settings)
        case "raw":
            return new_raw_cell(source, **settings)
    return None


def _text(found: object) -> str | None:
    if isinstance(found, list) and all(isinstance(line, str) for line in found):
        found = "".join(found)
    return whole(found) if isinstance(found, str) else None


def _metadata(found: object) -> dict:
    data = found.get("nbgrader") if isinstance(found, dict) else None
    if not isinstance(data, dict) or _text(data.get("grade_id")) is None:
        return {}
    simple = {key: data[key] for key in _NBGRADER if isinstance(data.get(key), str | int | float | bool)}
    return {"nbgrader": {key: _text(value) if isinstance(value, str) else value for key, value in simple.items()}}


def _pictures(found: object) -> dict:
    """The pictures that were dropped into a cell of text."""
    pictures = {}
    for name, kinds in found.items() if isinstance(found, dict) else ():
        kept = {kind: kinds[kind] for kind in _PICTURES if isinstance(kinds, dict) and isinstance(kinds.get(kind), str)}
        if kept:
            pictures[str(_text(name))] = {kind: str(_text(value)) for kind, value in kept.items()}
    return pictures
