"""What lies in a download, sorted by students: a zip or a folder of Moodle's, of Canvas', or a plain one."""

import zipfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from grading.archives import files_in_archive
from grading.handed_in import IGNORED, File, LeftOut, files_in, opened
from grading.platforms import canvas, moodle
from helpers.messages import Message

_IGNORED = (*IGNORED, "Thumbs.db", "desktop.ini")
_MOST = 300_000


class BadDownload(Exception):
    """It can't be read at all. The message is a sentence for the lecturer."""


@dataclass
class HandedIn:
    """What one student has handed in.

    Attributes:
        number: the platform's for the student; in a plain folder, the name of the student's folder.
        name: as the download has it.
        back: what the name of a file begins with that Moodle is to give back.
        typed: what was typed on the platform instead of files, or beside them; or nothing.
        files: by where they go in the student's folder.
    """

    number: str
    name: str = ""
    late: bool = False
    back: str = ""
    typed: str = ""
    files: dict[tuple[str, ...], File] = field(default_factory=dict)


@dataclass
class Download:
    """What was found in a download.

    Attributes:
        platform: `Moodle`, `Canvas` or, of a plain folder, nothing.
        students: by their numbers.
        strangers: what has another name than the platform gives.
    """

    platform: str
    students: dict[str, HandedIn]
    strangers: list[str]


def read_download(
    path: Path, open_files: ExitStack, leave_out: Callable[[Message, str], None], known: Mapping[str, str]
) -> Download:
    """Sort what lies there. Its files can be read until `open_files` is closed.

    Args:
        leave_out: is told why, and the name, of what is no plain file.
        known: the students of the roster, whose names a file in a plain folder may begin with.

    Raises:
        BadDownload: it is neither a folder nor a zip.
    """
    files = _files(path, open_files, leave_out)
    tops = {file.path[0] for file in files}
    if len(tops) == 1 and not _platform(tops):
        below = {file.path[1] for file in files if len(file.path) > 1}
        # The folder that a zip was unpacked into.
        if _platform(below):
            return _sorted([(file.path[1:], file) for file in files if len(file.path) > 1], known)
    return _sorted([(file.path, file) for file in files], known)


def _files(path: Path, open_files: ExitStack, leave_out: Callable[[Message, str], None]) -> list[File]:
    try:
        if path.is_dir():
            files, more = files_in(open_files.enter_context(opened(path)), _IGNORED, _MOST, leave_out)
            if more:
                raise BadDownload(f"{path} has more than {_MOST:,} files; is it the right folder?")
            return files
        archive = open_files.enter_context(zipfile.ZipFile(path))
        return files_in_archive(archive, "", _IGNORED, leave_out)
    except (OSError, zipfile.BadZipFile, LeftOut) as error:
        raise BadDownload(f"{path} is neither a folder nor a zip that can be read: {error}") from None


def _platform(names: set[str]) -> str:
    if any(moodle.place_of(name) for name in names):
        return "Moodle"
    return "Canvas" if any(canvas.place_of(name) for name in names) else ""


def _sorted(files: list[tuple[tuple[str, ...], File]], known: Mapping[str, str]) -> Download:
    platform = _platform({path[0] for path, _ in files})
    found = Download(platform, {}, [])
    for path, file in sorted(files, key=lambda one: one[0]):
        student, inside = {"Moodle": _moodle, "Canvas": _canvas}.get(platform, _plain(known))(path)
        if student is None:
            found.strangers.append("/".join(path))
            continue
        there = found.students.setdefault(student.number, student)
        there.late |= student.late
        there.back = there.back or student.back
        there.typed = there.typed or student.typed
        if inside:
            there.files[_free(inside, there.files)] = file
    return found


def _moodle(path: tuple[str, ...]) -> tuple[HandedIn | None, tuple[str, ...]]:
    place = moodle.place_of(path[0])
    # A file lies in the folder, or its name follows the folder's.
    if place is None or bool(place.file) is (len(path) > 1):
        return None, ()
    if place.typed:
        return HandedIn(place.number, place.name, typed=place.typed), ()
    return HandedIn(place.number, place.name, back=place.back), path[1:] or (place.file,)


def _canvas(path: tuple[str, ...]) -> tuple[HandedIn | None, tuple[str, ...]]:
    place = canvas.place_of(path[0])
    if place is None or len(path) > 1:
        return None, ()
    return HandedIn(place.number, place.name, place.late, typed=place.typed), (place.file,) if place.file else ()


def _plain(known: Mapping[str, str]) -> Callable[[tuple[str, ...]], tuple[HandedIn | None, tuple[str, ...]]]:
    def whose(path: tuple[str, ...]) -> tuple[HandedIn | None, tuple[str, ...]]:
        if len(path) > 1:
            return HandedIn(path[0]), path[1:]
        stem = PurePath(path[0]).stem
        begins = [one for one in known if stem.startswith(one) and not stem[len(one) :][:1].isalnum()]
        return HandedIn(max(begins, key=len, default=stem)), path

    return whose


def _free(path: tuple[str, ...], taken: Mapping[tuple[str, ...], File]) -> tuple[str, ...]:
    """The path, or one beside it: two files of one name may have been handed in."""
    *above, name = path
    pure, count = PurePath(name), 1
    while path in taken:
        count += 1
        path = (*above, f"{pure.stem} ({count}){pure.suffix}")
    return path
