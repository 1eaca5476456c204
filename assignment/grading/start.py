"""Runs first in the student's process: copies what was handed in, sets the limits of a process, becomes the kernel."""

import contextlib
import os
import resource
import shutil
import sys

# Open files of one process. What lies in a pipe or a socket is memory, too.
_FILES = 512
# Seconds for which a thread may keep Python to itself while others wait.
_TURN = 0.0005


def start(handed_in: str, notebook: str, memory: int) -> None:
    """Become a kernel in the folder `notebook`, a copy of `handed_in`, with at most `memory` bytes of data.

    A copy, so that nothing that the code leaves there can come between when the graded notebook is written.
    """
    if not os.path.exists(notebook):
        # What does not fit is beyond the limits.
        with contextlib.suppress(OSError):
            shutil.copytree(handed_in, notebook, symlinks=True)
    os.makedirs(notebook, exist_ok=True)
    os.chdir(notebook)
    for limit, most in (
        (resource.RLIMIT_DATA, memory),
        (resource.RLIMIT_NOFILE, _FILES),
        (resource.RLIMIT_CORE, 1),
        # A file in memory that is longer takes as much again for where its pages are, and that can't be counted.
        (resource.RLIMIT_FSIZE, memory),
    ):
        allowed = resource.getrlimit(limit)[1]
        most = most if allowed == resource.RLIM_INFINITY else min(most, allowed)
        resource.setrlimit(limit, (most, most))
    # Each operation of PyTorch asks for its turn anew: beside eight threads that spin, and with Python's own turns of
    # 5 ms, a training takes four times as long.
    sys.setswitchinterval(_TURN)
    # The folder of this file; the student's own comes onto the path with IPython.
    del sys.path[0]
    from ipykernel import kernelapp

    kernelapp.launch_new_instance()


if __name__ == "__main__":
    _, handed_in, notebook, memory, *sys.argv[1:] = sys.argv
    start(handed_in, notebook, int(memory))
