"""What lies in a zip, which may have been made to do harm: to lead elsewhere, or to unfold without end."""

import stat
import time
import zipfile
from collections.abc import Callable, Sequence
from functools import partial
from typing import IO

from grading.handed_in import File, LeftOut, one_of
from helpers.messages import Message, message

# The list of what is inside, which is read as a whole: some tens of thousands of files.
_LONGEST_LIST = 2_000_000
# A file that unfolds to more than the first of them must not be larger than so many times what it was packed into.
_LARGE, _RATIO = 5_000_000, 200
# Others may be made so that unpacking alone takes gigabytes.
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def is_zip(beginning: bytes) -> bool:
    return beginning[:4] in (b"PK\3\4", b"PK\5\6")


def files_in_zip(
    file: IO[bytes], name: str, ignore: Sequence[str], leave_out: Callable[[Message, str], None]
) -> list[File]:
    """All plain files in the zip. They can be read as long as `file` is open.

    Args:
        name: of the archive, for a person.
        ignore: patterns of names that are passed over without a word.
        leave_out: is told why, and the name, of each that is not taken.

    Raises:
        LeftOut: it is no zip that can be read, or its list of files is far too long.
    """
    try:
        _check_list(file)
        return files_in_archive(zipfile.ZipFile(file), name, ignore, leave_out)
    except LeftOut:
        raise
    except Exception as error:  # the file is the student's, so it may be anything
        raise LeftOut(message("left_out.no_zip")) from error


def files_in_archive(
    archive: zipfile.ZipFile, name: str, ignore: Sequence[str], leave_out: Callable[[Message, str], None]
) -> list[File]:
    """All plain files in an opened archive, whose own list of files is believed."""
    is_ignored = one_of(ignore)
    found = []
    for info in archive.infolist():
        if info.is_dir():
            continue
        try:
            path = _path(info.filename)
            if any(map(is_ignored, path)):
                continue
            _check(info)
        except LeftOut as why:
            leave_out(why.why, f"{name}/{info.filename}".lstrip("/"))
            continue
        found.append(File(path, info.file_size, _time(info), partial(archive.open, info), archive=name))
    return found


def _check_list(file: IO[bytes]) -> None:
    size = file.seek(0, 2)
    file.seek(max(0, size - 66_000))
    tail = file.read()
    file.seek(0)
    # With two ends, or one for huge archives, it is not sure which list another program would read.
    if tail.count(b"PK\5\6") != 1 or b"PK\6\7" in tail:
        raise LeftOut(message("left_out.no_zip"))
    end = tail.index(b"PK\5\6")
    if int.from_bytes(tail[end + 12 : end + 16], "little") > _LONGEST_LIST:
        raise LeftOut(message("left_out.zip_of_too_many"))


def _path(name: str) -> tuple[str, ...]:
    # Some programs on Windows write the one for the other.
    parts = name.replace("\\", "/").split("/")
    if not parts[0] or parts[0].endswith(":") or ".." in parts:
        raise LeftOut(message("left_out.outside"))
    return tuple(part for part in parts if part not in ("", "."))


def _check(info: zipfile.ZipInfo) -> None:
    kind = stat.S_IFMT(info.external_attr >> 16)
    if stat.S_ISLNK(kind):
        raise LeftOut(message("left_out.link"))
    if kind and not stat.S_ISREG(kind):
        raise LeftOut(message("left_out.no_plain_file"))
    if info.flag_bits & 1:
        raise LeftOut(message("left_out.locked"))
    if info.compress_type not in _METHODS:
        raise LeftOut(message("left_out.unusual"))
    if info.file_size > max(_LARGE, _RATIO * info.compress_size):
        raise LeftOut(message("left_out.unfolds", ratio=_RATIO))


def _time(info: zipfile.ZipInfo) -> float:
    try:
        return time.mktime((*info.date_time, 0, 0, -1))
    except (ValueError, OverflowError):
        return 0.0
