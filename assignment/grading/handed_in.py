"""What lies in a folder as it came: no link is followed, no name believed, and no more read than was asked for."""

import os
import re
import stat
import zipfile
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import translate
from functools import partial
from itertools import islice
from pathlib import Path
from typing import IO

from grading.names import some
from helpers.messages import Message, message, sentence

# It says when something was handed in, and is no part of it: a platform or nbgrader's exchange has put it there.
TIME = "timestamp.txt"

_DEEPEST = 20
# Students may hand in their whole folder. The helpers and the data are taken from this project all the same.
IGNORED = (
    *(".ipynb_checkpoints", "*.pyc", "__pycache__", "helpers", "data"),
    *(".venv", "venv", ".git", "__MACOSX", ".DS_Store"),
)


class LeftOut(Exception):
    """This one is not taken in; `why` says why not, as in: left out, as it is …"""

    def __init__(self, why: Message) -> None:
        super().__init__(why)
        self.why = why

    def __str__(self) -> str:
        return sentence(self.why, "en")


@dataclass(frozen=True)
class Limits:
    """What is taken in of one submission."""

    files: int = 500
    bytes: int = 100_000_000
    notebook_bytes: int = 20_000_000
    looked_at: int = 300_000


USUAL = Limits()


class LeftOuts(dict[Message, list[str]]):
    """The names of what was left out, under the reasons."""

    def add(self, why: Message, name: str) -> None:
        self.setdefault(why, []).append(name)

    def notes(self) -> list[Message]:
        return [message("record.left_out", why=why, names=some(names)) for why, names in self.items()]


@dataclass(frozen=True)
class File:
    """A plain file in a folder, or in an archive that lies there.

    Attributes:
        path: its name, after those of the folders that it lies in.
        size: in bytes, as it is said to be.
        time: when it was last changed, as it is said to be, in seconds.
        open: opens it for reading, or raises `LeftOut`. Whoever reads counts.
        archive: the name of the archive, or nothing.
    """

    path: tuple[str, ...]
    size: int
    time: float
    open: Callable[[], IO[bytes]]
    archive: str = ""

    @property
    def name(self) -> str:
        """The whole of where it lies, for a person."""
        return "/".join([*([self.archive] if self.archive else []), *self.path])

    def read(self, most: int) -> bytes:
        """What is in it, if that is at most so many bytes.

        Raises:
            LeftOut: it is more, or can't be read.
        """
        try:
            with self.open() as file:
                content = file.read(most + 1)
        # Whatever a library raises on a file that was made to break it.
        except (OSError, EOFError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
            raise LeftOut(message("left_out.unreadable")) from error
        if len(content) > most:
            raise LeftOut(message("left_out.too_large", megabytes=most / 1e6))
        return content


@contextmanager
def opened(folder: Path) -> Iterator[int]:
    """The folder, opened. It stays what it is, whatever takes its name.

    Raises:
        LeftOut: it is a link, or no folder.
    """
    try:
        root = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError as error:
        why = message("left_out.link") if folder.is_symlink() else message("left_out.no_folder")
        raise LeftOut(why) from error
    try:
        yield root
    finally:
        os.close(root)


def files_in(
    root: int, ignore: Sequence[str], most: int, leave_out: Callable[[Message, str], None]
) -> tuple[list[File], bool]:
    """All plain files in the folder and below, the nearest first, and whether there was more than `most`.

    Args:
        ignore: patterns of names that are passed over without a word.
        leave_out: is told why, and the name, of everything that is no plain file.
    """
    is_ignored = one_of(ignore)
    found: list[File] = []
    waiting: deque[tuple[str, ...]] = deque([()])
    while waiting:
        above = waiting.popleft()
        try:
            folder = _open(root, (*above, "."), os.O_DIRECTORY)
        except OSError:
            leave_out(message("left_out.unreadable"), "/".join(above))
            continue
        try:
            with os.scandir(folder) as entries:
                some = list(islice(entries, most + 1))
            most -= len(some)
            if most < 0:
                return found, True
            for entry in sorted(some, key=lambda one: one.name):
                path = (*above, entry.name)
                if is_ignored(entry.name):
                    continue
                about = entry.stat(follow_symlinks=False)
                if stat.S_ISDIR(about.st_mode) and len(path) < _DEEPEST:
                    waiting.append(path)
                elif why := _strange(about):
                    leave_out(why, "/".join(path))
                else:
                    found.append(File(path, about.st_size, about.st_mtime, partial(_plain, root, path)))
        except OSError:
            leave_out(message("left_out.unreadable"), "/".join(above))
        finally:
            os.close(folder)
    return found, False


def one_of(patterns: Sequence[str]) -> Callable[[str], object]:
    """Says whether a name fits one of the patterns. There may be hundreds of thousands of names."""
    return re.compile("|".join(map(translate, patterns)) or r"(?!)").match


def _plain(root: int, path: tuple[str, ...]) -> IO[bytes]:
    file = os.fdopen(_open(root, path, 0), "rb")
    # It may be another one than the one that was found.
    if why := _strange(os.fstat(file.fileno())):
        file.close()
        raise LeftOut(why)
    return file


def _open(root: int, path: tuple[str, ...], flags: int) -> int:
    """Opens what lies there, from folder to folder, none of which is a link."""
    folder = os.open(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=root)
    try:
        for name in path[:-1]:
            above, folder = folder, os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
            os.close(above)
        # A pipe would wait for somebody to write.
        return os.open(path[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | flags, dir_fd=folder)
    finally:
        os.close(folder)


def _strange(about: os.stat_result) -> Message | None:
    """Why this is not a plain file of the student's own, if it is not."""
    for is_one, why in _KINDS.items():
        if is_one(about.st_mode):
            return why
    if not stat.S_ISREG(about.st_mode):
        return message("left_out.device")
    return message("left_out.hard_link") if about.st_nlink > 1 else None


_KINDS = {
    stat.S_ISLNK: message("left_out.link"),
    stat.S_ISDIR: message("left_out.too_deep"),
    stat.S_ISFIFO: message("left_out.pipe"),
    stat.S_ISSOCK: message("left_out.socket"),
}
