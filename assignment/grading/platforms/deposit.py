"""Puts what a student has handed in where nbgrader looks for it, whole or not at all."""

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from grading.handed_in import TIME, USUAL, File, LeftOut, files_in, opened
from grading.versions import digest_of
from helpers.messages import Message, message

Contents = Mapping[tuple[str, ...], bytes]


def read(files: Mapping[tuple[str, ...], File]) -> tuple[dict[tuple[str, ...], bytes], dict[str, Message]]:
    """What is in the files, and of those that stay out, why."""
    contents: dict[tuple[str, ...], bytes] = {}
    left_out: dict[str, Message] = {}
    most = USUAL.bytes
    for path, file in files.items():
        try:
            # The time of handing in is the platform's to say.
            if path[-1].casefold() == TIME:
                raise LeftOut(message("left_out.time"))
            if not all(part.isprintable() and len(part.encode(errors="replace")) < 256 for part in path):
                raise LeftOut(message("left_out.name"))
            contents[path] = file.read(most)
            most -= len(contents[path])
        except LeftOut as why:
            left_out["/".join(path)] = why.why
    return contents, left_out


def there(folder: Path) -> dict[tuple[str, ...], bytes] | None:
    """What is in a student's folder, but for the time; None if there is no such folder."""
    if not os.path.lexists(folder):
        return None
    with opened(folder) as root:
        files, _ = files_in(root, (), USUAL.looked_at, lambda why, name: None)
        return {file.path: file.read(USUAL.bytes) for file in files if file.path != (TIME,)}


def digest_of_all(contents: Contents) -> str:
    """The same for the same files."""
    return digest_of(("/".join(path), content) for path, content in sorted(contents.items()))


def put(folder: Path, contents: Contents, times: Mapping[tuple[str, ...], float], handed_in: str) -> None:
    """Replace the folder by one with these files.

    Args:
        times: when the files were changed, as they say.
        handed_in: the time of handing in, in UTC, as nbgrader reads it; or nothing.
    """
    folder.parent.parent.mkdir(exist_ok=True)
    # nbgrader does not look into folders with a dot.
    scratch = Path(tempfile.mkdtemp(dir=folder.parent.parent, prefix="."))
    try:
        new = scratch / "new"
        new.mkdir()
        for path, content in contents.items():
            file = new.joinpath(*path)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
            if times.get(path, 0) > 0:
                os.utime(file, (times[path], times[path]))
        write_time(new, handed_in)
        folder.parent.mkdir(exist_ok=True)
        if folder.exists():
            folder.rename(scratch / "old")
        new.rename(folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def write_time(folder: Path, handed_in: str) -> None:
    if handed_in:
        (folder / TIME).write_text(f"{handed_in}\n", encoding="utf-8")
