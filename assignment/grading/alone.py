"""Sees to it that nobody else does the same at the same time, on this machine or on another that shares the folder."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Waits until nobody else holds the file `path`, and holds it. Who is killed holds nothing.

    The file is made for as long, with the folders above it; those that are empty then are deleted.
    """
    file = _held(path)
    try:
        yield
    finally:
        # While it is held: who waits for it sees that it is gone, and makes another.
        path.unlink()
        os.close(file)
        with suppress(OSError):
            path.parent.rmdir()
            path.parent.parent.rmdir()


def _held(path: Path) -> int:
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:
            # Whoever held it has just deleted the folder.
            continue
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            if os.path.samestat(os.stat(path), os.fstat(file)):
                return file
        except FileNotFoundError:
            pass
        except BaseException:
            os.close(file)
            raise
        os.close(file)
