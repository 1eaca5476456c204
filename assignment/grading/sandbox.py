"""The command line that starts a student's kernel where it can do no harm."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import helpers

COURSE = Path(__file__).resolve().parents[1]
PROJECT = Path(helpers.__file__).resolve().parents[1]
# They hold the answers, or say how this grading works.
_HIDDEN_FILES = [PROJECT / "helpers" / f"{name}.py" for name in ("deconvnet", "lenet5", "training")]
_HIDDEN_FOLDERS = [PROJECT / name for name in (".git", "build", "helpers/__pycache__", "notebooks", "tests")]


def sandbox(readable: Sequence[str] = (), writable: Sequence[str] = ()) -> list[str]:
    """The words of bubblewrap before a command that can write into the folders `writable`, and nowhere else.

    It can read all files but those in `/tmp`, the course, and what holds the answers; of `/tmp` it sees `readable` and
    `writable`. There is no network, no process of others, and no variable of your environment. What the command leaves
    running ends with it.

    Raises:
        RuntimeError: bubblewrap is not installed, or not allowed here.
    """
    if shutil.which("bwrap") is None:
        raise RuntimeError("there is no bwrap; install bubblewrap, or set Judge.sandboxed = False")
    words = ["bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--clearenv"]
    for name, value in {"PATH": os.environ["PATH"], "HOME": "/tmp", "OMP_WAIT_POLICY": "PASSIVE"}.items():
        words += ["--setenv", name, value]
    words += ["--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"]
    for temporary in {"/tmp", tempfile.gettempdir()}:
        words += ["--tmpfs", temporary]
        for needed in (str(PROJECT), sys.prefix):
            if Path(needed).is_relative_to(temporary):
                words += ["--ro-bind", needed, needed]
    for file in _HIDDEN_FILES:
        words += ["--ro-bind", "/dev/null", str(file)]
    for folder in [*filter(Path.is_dir, _HIDDEN_FOLDERS), COURSE]:
        words += ["--tmpfs", str(folder)]
    for bind, folders in (("--ro-bind", readable), ("--bind", writable)):
        for folder in folders:
            words += [bind, folder, folder]
    tried = subprocess.run([*words, "true"], capture_output=True, text=True)
    if tried.returncode != 0:
        raise RuntimeError(f"bwrap can't make a sandbox here: {tried.stderr.strip()}")
    return words
