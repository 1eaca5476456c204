"""What nbgrader reads of an assignment, source/NAME: made of the template and of the settings."""

import hashlib
import json
from pathlib import Path

import nbformat
from filling import notebook_of
from grading.settings import Settings

from helpers.files import write_atomically

# Says what was made, so that a change by hand is noticed. Students don't get it: nbgrader_config.py leaves it out.
MADE = "made.json"
_ORDER = "order"


class ChangedByHand(Exception):
    """Something in the folder is not as it was made, and would be lost. The message says what."""


def make(settings: Settings) -> None:
    """Write the folder of the assignment anew.

    Raises:
        BadSettings: the template does not go with these settings.
        ChangedByHand: what is there is not as it was made.
    """
    folder, notebook = settings.source, f"{settings.name}.ipynb"
    files = {path.name: path.read_bytes() for path in settings.template.iterdir() if path.is_file()}
    del files["notebook.ipynb"]
    files[notebook] = nbformat.writes(notebook_of(settings)).encode()
    files["settings.json"] = settings.for_students().encode()
    made = {name: _pieces(name, content) for name, content in sorted(files.items())}
    if changes := _changes(folder, made):
        raise ChangedByHand(
            f"{folder}: {'; '.join(changes)}. This folder is made of assignment/template and assignment/courses/"
            f"{settings.name}.toml: make your change there. Then delete the folder, and run this again"
        )
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        write_atomically(folder / name, content)
    write_atomically(folder / MADE, json.dumps(made, indent=1).encode())


def _changes(folder: Path, new: dict[str, dict]) -> list[str]:
    """What is neither as it was made nor as it would be made now, in words, one for each cell or file."""
    there = {path.name: _pieces(path.name, path.read_bytes()) for path in sorted(folder.glob("*")) if path.name in new}
    if there and not (folder / MADE).exists():
        return ["it was not made by this command"]
    before = json.loads((folder / MADE).read_text(encoding="utf-8")) if there else {}
    changes = []
    for name, found in there.items():
        was, will = before.get(name, {}), new[name]
        for key in was | found:
            digests = [pieces.get(key, ("", None))[1] for pieces in (found, was, will)]
            if digests[0] in digests[1:] or (key == _ORDER and changes):
                continue
            how = "was changed" if None not in digests[:2] else "was deleted" if key in was else "was added"
            changes.append(f"{(was | found)[key][0]} {how} by hand")
    return changes


def _pieces(name: str, content: bytes) -> dict[str, tuple[str, str]]:
    """What a file is made of, a notebook of cells: for each piece what to call it, and what shows its changes."""
    if not name.endswith(".ipynb"):
        return {name: (f"the file {name}", _digest(content))}
    cells = nbformat.reads(content.decode(), as_version=4).cells
    pieces = {}
    for cell in cells:
        data = cell.metadata.get("nbgrader", {})
        seen = json.dumps([cell.cell_type, cell.source, data], sort_keys=True).encode()
        called = f"the cell {data['grade_id']}" if "grade_id" in data else f"the cell `{cell.source.strip()[:40]}`"
        pieces[cell.id] = (" ".join(called.split()), _digest(seen))
    return pieces | {_ORDER: ("the order of the cells", _digest(" ".join(pieces).encode()))}


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
