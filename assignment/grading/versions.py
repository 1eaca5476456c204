"""What tells a version that was handed in from an earlier one: what its files hold, as any time may be made up."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from grading.handed_in import TIME, File, LeftOut, Limits, files_in, opened
from grading.restore import VERSION


def version_of(folder: Path) -> str:
    """The same for the same files: a later version of what was handed in has another. Nothing if it is no folder."""
    try:
        with opened(folder) as root:
            files, _ = files_in(root, (), Limits().looked_at, lambda why, name: None)
            return digest_of(_contents(files))
    except LeftOut:
        return ""


def digest_of(contents: Iterable[tuple[str, bytes]]) -> str:
    """The same for the same names and contents of files, in the same order."""
    whole = hashlib.sha256()
    for name, content in contents:
        whole.update(name.encode(errors="replace") + b"\0" + hashlib.sha256(content).digest())
    return whole.hexdigest()


def _contents(files: Iterable[File]) -> Iterator[tuple[str, bytes]]:
    left = Limits().bytes
    for file in files:
        if file.path == (TIME,):
            continue
        try:
            content = file.read(left)
            left -= len(content)
        # Of what is too large to be taken in, the size must do.
        except LeftOut:
            content = str(file.size).encode()
        yield file.name, content


def graded_version(graded: Path) -> str:
    """That of the notebook that was graded; nothing if it does not say."""
    for path in graded.glob("*.ipynb"):
        try:
            return str(json.loads(path.read_text(encoding="utf-8"))["metadata"].get(VERSION, ""))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return ""
    return ""
