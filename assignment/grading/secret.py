"""The numbers of the judge's questions: of what was handed in, and of a secret of the course.

So the same submission always meets the same numbers, and no student can compute them beforehand.
"""

import hashlib
import hmac
import json
import os
import secrets
import tempfile
from pathlib import Path

from nbformat.notebooknode import NotebookNode
from nbgrader import utils

# In the folder of the course. It is kept with the year's archive: without it, a second grading asks something else.
SECRET = "secret_of_the_questions"
_BYTES = 32


class BadSecret(Exception):
    """The file of the secret holds something else. The message is a sentence for the lecturer."""


def secret_of(course: Path) -> bytes:
    """The secret of the course in this folder, made at first need; the same for all that grade at a time.

    Raises:
        BadSecret: the file is there, and holds no secret.
        OSError: it can't be read, or not be made.
    """
    path = course / SECRET
    if not path.exists():
        _make(path)
    text = path.read_text(encoding="utf-8", errors="replace").strip()
    try:
        secret = bytes.fromhex(text)
    except ValueError:
        secret = b""
    if len(secret) != _BYTES:
        raise BadSecret(
            f"{path} holds {len(text)} characters; {2 * _BYTES} hexadecimal digits are wanted. Put back the file of "
            "this year's archive; without the file, a new secret is made, and a second grading asks other questions"
        )
    return secret


def _make(path: Path) -> None:
    """Write a new secret into the file, which its owner alone may read, unless another process has just done so."""
    handle, scratch = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_hex(_BYTES) + "\n")
        # Unlike a renaming, this leaves a file that is there as it is.
        os.link(scratch, path)
    except FileExistsError:
        pass
    finally:
        os.unlink(scratch)


def seed_of(nb: NotebookNode, student: str, secret: bytes) -> int:
    """The seed of the questions to this notebook of the student with this id: of all its cells but the tests."""
    cells = [[cell.cell_type, cell.source] for cell in nb.cells if not utils.is_grade(cell) or utils.is_solution(cell)]
    return int.from_bytes(hmac.digest(secret, json.dumps([student, cells]).encode(), "sha256")[:4])


def seed_of_part(seed: int, part: str) -> int:
    """Of the questions of one part: how many are asked in another changes nothing here."""
    return int.from_bytes(hashlib.sha256(f"{seed} {part}".encode()).digest()[:4])
