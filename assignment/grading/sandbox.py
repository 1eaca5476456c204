"""The command line that starts a student's kernel where it can do no harm."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from grading.released import DATA, PROJECT

COURSE = Path(__file__).resolve().parents[1]


def sandbox(readable: Sequence[str] = (), writable: Sequence[str] = (), withheld: Sequence[str] = ()) -> list[str]:
    """The words of bubblewrap before a command that can write into the folders `writable`, and nowhere else.

    It can read all files but those in `/tmp`, the project (where its data and the environment remain), the course, and
    the packages `withheld`; of the hidden places it sees `readable` and `writable`. There is no network, no process of
    others, and no variable of your environment. What the command leaves running ends with it.

    Raises:
        RuntimeError: bubblewrap is not installed, or not allowed here; or the environment can't be told from what it
            must not show.
    """
    if shutil.which("bwrap") is None:
        raise RuntimeError("there is no bwrap; install bubblewrap, or set Judge.sandboxed = False")
    words = ["bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--clearenv"]
    for name, value in {"PATH": os.environ["PATH"], "HOME": "/tmp", "OMP_WAIT_POLICY": "PASSIVE"}.items():
        words += ["--setenv", name, value]
    words += ["--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"]
    hidden = _hidden(withheld)
    mounts = {place: ["--tmpfs", str(place)] for place in hidden}
    for place in _shown(hidden):
        mounts[place] = ["--ro-bind", str(place), str(place)]
    # What lies deeper comes later, so that it is seen in what lies above it.
    for place in sorted(mounts, key=lambda path: len(path.parts)):
        words += mounts[place]
    for bind, folders in (("--ro-bind", readable), ("--bind", writable)):
        for folder in folders:
            words += [bind, folder, folder]
    # What hides is empty, and stays so.
    for place in hidden - _temporary():
        words += ["--remount-ro", str(place)]
    tried = subprocess.run([*words, "true"], capture_output=True, text=True)
    if tried.returncode != 0:
        raise RuntimeError(f"bwrap can't make a sandbox here: {tried.stderr.strip()}")
    return words


def _hidden(withheld: Sequence[str]) -> set[Path]:
    # Where the helpers are installed among other packages, what lies beside them is not the project's.
    installed = PROJECT.name in ("site-packages", "dist-packages")
    places = {*_temporary(), COURSE, PROJECT / "helpers" if installed else PROJECT}
    for name in withheld:
        if spec := find_spec(name):
            places.update(map(Path, spec.submodule_search_locations or ()))
    return {place.resolve() for place in places}


def _temporary() -> set[Path]:
    return {Path(place).resolve() for place in ("/tmp", tempfile.gettempdir())}


def _shown(hidden: set[Path]) -> set[Path]:
    """What is needed of the hidden places: the data, and the environment where it lies inside."""
    needed = {Path(place).resolve() for place in (sys.prefix, sys.base_prefix)}
    if both := needed & hidden:
        raise RuntimeError(
            f"the environment and what the sandbox hides are the same folder, {both.pop()}; make the environment in a "
            "folder of its own, such as .venv in the project"
        )
    needed |= {path for path in [(PROJECT / DATA).resolve()] if path.is_dir()}
    return {place for place in needed if any(place.is_relative_to(above) for above in hidden)}
