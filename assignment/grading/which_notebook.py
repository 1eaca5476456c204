"""Which of the files that were handed in is the notebook of the assignment."""

import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from io import BytesIO
from typing import IO

from nbformat.notebooknode import NotebookNode

from grading.archives import files_in_zip, is_zip
from grading.handed_in import File, LeftOut, LeftOuts, Limits
from grading.names import shown, some
from grading.notebooks import NoNotebook, looks_like_one, read_notebook
from grading.restore import grade_id
from helpers.messages import Message, message, sentence

# What an archive or a copy takes away of a time is at most this, in seconds.
_SAME_TIME = 2
# Those with a likely name come first.
_MOST_LOOKED_AT = 1_000
_MOST_ARCHIVES, _DEEPEST_ARCHIVE = 20, 2
_MOST_REASONS = 3
# What a student has typed on Moodle, as its downloads name it.
_TYPED = ("onlinetext.html",)


class NotGraded(Exception):
    """This submission can't be graded; the message is a sentence that says why."""


@dataclass(frozen=True)
class Assignment:
    """What tells a notebook of this assignment from others.

    Attributes:
        name: of its notebook.
        gaps: for each cell in which students write, by nbgrader's name, what stands there when it is handed out.
        tests: the names of the other cells.
        given: what stands in all cells, as they are handed out.
        files: the names of the files beside the notebook; the lecturer's are used, whatever is handed in.
    """

    name: str
    gaps: Mapping[str, str]
    tests: frozenset[str] = frozenset()
    given: frozenset[str] = frozenset()
    files: frozenset[str] = frozenset()


@dataclass(frozen=True)
class _Archive:
    files: Sequence[File]
    left_out: LeftOuts


@dataclass(frozen=True)
class Candidate:
    file: File
    notebook: NotebookNode
    names: frozenset[str]
    is_more: bool
    damaged: int

    @property
    def sources(self) -> list[str]:
        return [cell.source for cell in self.notebook.cells]


class Search:
    """Looks for notebooks of the assignment among files, and in archives among them."""

    def __init__(
        self, assignment: Assignment, limits: Limits, ignore: Sequence[str], left_out: LeftOuts, open_files: ExitStack
    ) -> None:
        self.assignment, self.limits, self.ignore = assignment, limits, ignore
        self.left_out, self._open_files = left_out, open_files
        self.candidates: list[Candidate] = []
        # Of what is no notebook of the assignment: why, of those that might be expected to be one.
        self.reasons: dict[str, str] = {}
        self.archives: dict[str, _Archive] = {}
        self.seen: list[str] = []
        self._left, self._bytes_left = _MOST_LOOKED_AT, 2 * limits.bytes

    def search(self, files: Sequence[File], depth: int = 0) -> None:
        self.seen += [file.name for file in files]
        for file in sorted(files, key=lambda file: (_unlikely(file), len(file.path))):
            if self._left <= 0 or self._bytes_left <= 0:
                return
            if file.size:
                self._left -= 1
                self._look_at(file, depth)

    def _look_at(self, file: File, depth: int) -> None:
        try:
            with file.open() as content:
                beginning = content.read(64)
        except Exception:
            self._note(file, "it can't be read")
            return
        if is_zip(beginning) and _unlikely(file) < 3 and depth < _DEEPEST_ARCHIVE:
            self._unpack(file, depth)
        elif looks_like_one(beginning):
            self._read(file)
        else:
            self._note(file, "it is no JSON")

    def _unpack(self, file: File, depth: int) -> None:
        if len(self.archives) >= _MOST_ARCHIVES:
            return
        try:
            if file.archive:
                # To go to and fro in a packed file, it would be unpacked each time.
                content: IO[bytes] = BytesIO(file.read(max(0, min(self.limits.bytes, self._bytes_left))))
                self._bytes_left -= file.size
            else:
                content = self._open_files.enter_context(file.open())
            left_out = LeftOuts()
            inside = files_in_zip(content, file.name, self.ignore, left_out.add)
        except LeftOut as why:
            self.reasons[file.name] = f"it {why}"
            return
        self.archives[file.name] = _Archive(inside, left_out)
        self.search(inside, depth + 1)

    def _read(self, file: File) -> None:
        try:
            content = file.read(min(self.limits.notebook_bytes, self._bytes_left))
            self._bytes_left -= len(content)
            notebook, damaged = read_notebook(content)
        except LeftOut as why:
            self._note(file, f"it {why}")
            return
        except NoNotebook as why:
            self._note(file, str(why))
            return
        known = self.assignment.gaps.keys() | self.assignment.tests
        names = frozenset(name for cell in notebook.cells if (name := grade_id(cell)) in known)
        if names:
            is_more = any(_is_own(cell, self.assignment) for cell in notebook.cells)
            self.candidates.append(Candidate(file, notebook, names, is_more, damaged))
        else:
            self._note(file, "none of its cells is one of this assignment")

    def _note(self, file: File, why: str) -> None:
        if _unlikely(file) < 2:
            self.reasons[file.name] = why


def _unlikely(file: File) -> int:
    """How much the name speaks against a notebook: one has .ipynb in it, or what browsers and mail programs add."""
    name = file.path[-1].lower()
    if ".ipynb" in name:
        return 0
    ending = os.path.splitext(name)[1]
    return {".json": 1, ".zip": 2, "": 2, ".txt": 3}.get(ending, 4)


def _is_own(cell: NotebookNode, assignment: Assignment) -> bool:
    """Whether a student has written in this cell."""
    name, source = grade_id(cell) or "", cell.source.strip()
    if name in assignment.gaps:
        return source != assignment.gaps[name].strip()
    return bool(source) and name not in assignment.tests and source not in assignment.given


def choose(found: Search, assignment: Assignment) -> tuple[Candidate, list[Message]]:
    """The notebook that is graded, and what is to be said of the choice.

    Raises:
        NotGraded: there is none, or several that are equally new.
    """
    if not found.candidates:
        raise NotGraded(_why_none(found))
    # A cell that was copied into another notebook does not make that one of this assignment.
    most = max(len(one.names) for one in found.candidates)
    full = [one for one in found.candidates if 2 * len(one.names) >= most]
    worked_on = [one for one in full if one.is_more]
    different: list[Candidate] = []
    for one in sorted(worked_on or full, key=lambda one: one.file.time, reverse=True):
        if all(one.sources != other.sources for other in different):
            different.append(one)
    latest = different[0].file.time
    equally_new = [one for one in different if latest - one.file.time < _SAME_TIME]
    if worked_on and len(equally_new) > 1:
        names = some([one.file.name for one in equally_new])
        raise NotGraded(sentence(message("not_graded.equally_new", number=len(equally_new), names=names), "en"))
    # Of copies of it, the one that lies best.
    newest = min(
        (one for one in full if one.sources == different[0].sources),
        key=lambda one: (bool(one.file.archive), len(one.file.path), one.file.name != f"{assignment.name}.ipynb"),
    )
    record: list[Message] = []
    if newest.file.name != f"{assignment.name}.ipynb":
        record.append(message("record.other_name", name=shown(newest.file.name)))
    if others := [one.file.name for one in found.candidates if one is not newest]:
        why = message("record.newest") if worked_on else message("record.nothing_done")
        number, name = len(found.candidates), shown(newest.file.name)
        record.append(message("record.several", number=number, name=name, why=why, others=some(others)))
    if newest.damaged:
        record.append(message("record.damaged", count=newest.damaged))
    return newest, record


def _why_none(found: Search) -> str:
    if found.reasons:
        why = "; ".join(f"{shown(name)}: {why}" for name, why in list(found.reasons.items())[:_MOST_REASONS])
        more = len(found.reasons) - _MOST_REASONS
        return f"there is no notebook of this assignment. {why}" + (f"; and {more:,} more" if more > 0 else "")
    left_out = [found.left_out, *(archive.left_out for archive in found.archives.values())]
    if lines := [sentence(note, "en") for one in left_out for note in one.notes()]:
        return "there is no notebook of this assignment in it. " + " ".join(lines).rstrip(".")
    if others := [name for name in found.seen if name not in _TYPED]:
        return sentence(message("not_graded.others_only", names=some(others)), "en")
    if found.seen:
        return sentence(message("not_graded.typed_only"), "en")
    return "there is nothing in the folder"
