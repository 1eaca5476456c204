"""The intake of what students hand in: a folder as it came in, a clean folder out, and a record of what was left out.

Nothing else of the grading looks into a folder that somebody has handed in. It knows nothing of nbgrader's commands:
`converter.py` puts it before them.
"""

import os
import re
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import nbformat

from grading.handed_in import TIME, USUAL, File, LeftOut, LeftOuts, Limits, files_in, opened
from grading.which_notebook import Assignment, NotGraded, Search, choose
from helpers.messages import Message, message

# What a browser opens, and runs the scripts of.
_PAGES = (".html", ".htm", ".xhtml", ".xht", ".shtml", ".mhtml", ".mht", ".svg", ".xml", ".xsl")
_PAGE = re.compile(
    rb"<(!--|(!doctype|\?xml|html|head|body|title|meta|link|script|style|svg|iframe|img|font|table|a|b|br|p|div|h1)\b)",
    re.IGNORECASE,
)


def take_in(
    folder: Path,
    clean: Path,
    assignment: Assignment,
    limits: Limits = USUAL,
    ignore: Sequence[str] = (),
    time_is_known: bool = True,
) -> list[Message]:
    """Put what is needed of a submission into the folder `clean`, which is made: the notebook and the files beside it.

    The notebook is the one with cells of this assignment, whatever it is called; of several, the newest in which
    something was done. It comes out valid, and under the assignment's name. `folder` is only read.

    Args:
        ignore: patterns of the names of files and folders that are passed over without a word.
        time_is_known: whether what the folder's timestamp.txt tells is believed or comes from the platform; else the
            record says that it is not believed. The file is no part of what was handed in.

    Returns:
        The record: what was unusual.

    Raises:
        NotGraded: there is no such notebook, or it can't be decided which it is.
    """
    left_out = LeftOuts()
    try:
        with ExitStack() as open_files, opened(folder) as root:
            everything, more = files_in(root, ignore, limits.looked_at, left_out.add)
            files = [file for file in everything if file.path != (TIME,)]
            found = Search(assignment, limits, ignore, left_out, open_files)
            found.search(files)
            if more and not found.candidates:
                raise NotGraded(f"there are more than {limits.looked_at:,} files in the folder; hand in fewer")
            chosen, record = choose(found, assignment)
            clean.mkdir(parents=True, mode=0o700)
            _write(clean / f"{assignment.name}.ipynb", nbformat.writes(chosen.notebook).encode())
            _lay_out(clean, chosen.file, files, found)
            if len(files) < len(everything) and not time_is_known:
                record.append(message("record.time_not_believed"))
            if more:
                record.append(message("record.many_files", files=limits.looked_at))
    except LeftOut as why:
        raise NotGraded(f"what was handed in {why}") from why
    return record + left_out.notes()


def _lay_out(clean: Path, notebook: File, files: Sequence[File], found: Search) -> None:
    """Copy the files beside the notebook to where the notebook finds them."""
    if notebook.archive:
        beside = found.archives[notebook.archive]
        files = [*beside.files, *files]
        for why, names in beside.left_out.items():
            found.left_out.setdefault(why, []).extend(names)
    silent = {one.file.name for one in found.candidates}
    silent |= {name for name in found.archives if f"{notebook.archive}/".startswith(f"{name}/")}
    files_left, bytes_left = found.limits.files, found.limits.bytes
    for file in files:
        path, above = file.path, notebook.path[:-1]
        if file.archive == notebook.archive and path[: len(above)] == above:
            path = path[len(above) :]
        if file.name in silent or "/".join(path) in found.assignment.files:
            continue
        if not files_left:
            found.left_out.add(message("left_out.too_many", count=found.limits.files), file.name)
            continue
        try:
            _check_name(path, found.assignment)
            content = file.read(bytes_left)
            if _PAGE.match(content.lstrip(b"\xef\xbb\xbf \t\r\n\f")):
                raise LeftOut(message("left_out.page"))
            _write(clean.joinpath(*path), content)
        except LeftOut as why:
            found.left_out.add(why.why, file.name)
        else:
            files_left, bytes_left = files_left - 1, bytes_left - len(content)


def _check_name(path: Sequence[str], assignment: Assignment) -> None:
    *folders, name = (part.casefold() for part in path)
    endings = (".ipynb", *_PAGES)
    files = {TIME, *(file.casefold() for file in assignment.files)}
    if not all(part.isprintable() and len(part.encode()) < 256 for part in path):
        raise LeftOut(message("left_out.name"))
    if any(folder in files or folder.endswith(endings) for folder in folders):
        raise LeftOut(message("left_out.folder_like_a_file"))
    if name == TIME:
        raise LeftOut(message("left_out.time"))
    if name.endswith(".ipynb"):
        raise LeftOut(message("left_out.another_notebook"))
    if name.endswith(endings):
        raise LeftOut(message("left_out.page"))


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as file:
            file.write(content)
    except (FileExistsError, NotADirectoryError) as error:
        raise LeftOut(message("left_out.same_name")) from error
