"""The sandbox in which a student's code can do no harm, by bubblewrap."""

import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from time import monotonic, sleep

from grading.limits import Limits, Watch
from grading.shown import NotApart, show
from grading.syscalls import refusing


@dataclass(frozen=True)
class Places:
    """Where things lie as a student's code sees them.

    Attributes:
        ours: what the judge has written, to be read.
        handed_in: what was handed in, to be read.
        notebook: the working directory, in which there is a copy of that.
        answers: where sockets and answers are put.
    """

    ours: str
    handed_in: str
    notebook: str
    answers: str


_HOME = "/tmp"
INSIDE = Places("/judge", "/handed_in", f"{_HOME}/notebook", "/answers")
_SHARED = "/dev/shm"
# Those that bubblewrap takes from this machine, as they are. To root they would be its own, and it could close them to
# all others; so for root they become such that they can be used, and not changed.
_DEVICES = "null zero full random urandom tty"
_KEEPING = f"""for name in {_DEVICES}
do mount --bind /dev/$name /dev/$name && mount -o remount,bind,ro /dev/$name || exit
done
exec "$@" """
# All that code writes lies in memory, in file systems that have a size; on a disk, one without names would grow unseen.
# Each answer is deleted when it has been read.
_ANSWERS_MB = 32
# To each process the keys that it may see, and to root those of all.
_OTHERS_KEYS = [path for path in ("/proc/keys", "/proc/key-users") if os.path.exists(path)]
# Seconds.
_STARTS_WITHIN = 60


class NoSandbox(Exception):
    """There can be no sandbox here. The message says why, and what to do."""


class Sandbox:
    """The words in front of a command that run it in a sandbox; and what is seen of that from outside.

    Inside there is nothing but what `show` lists, and the two folders that are given. There is no network, no process
    of others, and no variable of your environment. What the command leaves running ends with it.

    Attributes:
        words: come in front of the command, which has to get `descriptors`, too.

    Raises:
        NoSandbox: there can be none here.
    """

    def __init__(self, ours: Path, handed_in: Path, limits: Limits, withheld: Sequence[str] = ()) -> None:
        if reason := why_not(tuple(withheld)):
            raise NoSandbox(reason)
        self._limits = limits
        self._watch: Watch | None = None
        self._told, telling = os.pipe()
        with tempfile.TemporaryFile() as file:
            file.write(refusing())
            file.seek(0)
            self.descriptors = [telling, os.dup(file.fileno())]
        more = ["--ro-bind", str(ours), INSIDE.ours, "--ro-bind", str(handed_in), INSIDE.handed_in]
        more += ["--info-fd", str(telling), "--seccomp", str(self.descriptors[1])]
        self.words = words(limits, withheld, more)

    def enter(self) -> None:
        """Watch it from now on. The command must have been started.

        Raises:
            RuntimeError: it does not begin.
        """
        self._lend_no_more()
        try:
            with open(self._told, encoding="utf-8") as file:
                self._told = -1
                init = json.load(file)["child-pid"]
            _wait_for(init)
            self._watch = watch = Watch(init, self._limits, [_HOME, INSIDE.answers], _SHARED)
        except (OSError, ValueError) as error:
            raise RuntimeError(f"the sandbox does not start ({type(error).__name__}: {error})") from error
        watch.start()

    @property
    def watch(self) -> Watch:
        """What watches it, once it was entered."""
        if self._watch is None:
            raise RuntimeError("nobody has entered the sandbox")
        return self._watch

    def close(self) -> None:
        """End all that runs in it."""
        self._lend_no_more()
        if self._told >= 0:
            os.close(self._told)
            self._told = -1
        if self._watch is not None:
            self._watch.close()

    def _lend_no_more(self) -> None:
        for descriptor in self.descriptors:
            os.close(descriptor)
        self.descriptors.clear()


@cache
def why_not(withheld: tuple[str, ...] = ()) -> str:
    """Why there can be no sandbox here, and what to do; nothing, if there can be one."""
    reason = ""
    if sys.platform != "linux":
        reason = "bubblewrap needs Linux"
    elif shutil.which("bwrap") is None:
        reason = "bubblewrap is not installed (Debian: apt-get install bubblewrap)"
    else:
        try:
            refusing()
            line = [*words(Limits(1, 1, 1, 1, 1, 1), withheld), sys.executable, "-S", "-c", ""]
            tried = subprocess.run(line, capture_output=True, text=True, env={})
            if tried.returncode != 0:
                reason = f"bubblewrap, which has to be 0.8 or newer, says: {tried.stderr.strip()}"
        except NotApart as error:
            reason = str(error)
        except KeyError as error:
            reason = f"the system calls of {error} are not known"
    return reason and (
        f"Nothing is graded, as there is no sandbox for students' code: {reason}. Mend this, or grade in a container "
        "(docs/teaching.md), or say --Judge.sandboxed=False: then their code can do and read whatever you can."
    )


def words(limits: Limits, withheld: Sequence[str] = (), more: Sequence[str] = ()) -> list[str]:
    """The words of bubblewrap, with `more` of them; a command follows."""
    bwrap = shutil.which("bwrap") or "bwrap"
    line = ["unshare", "--mount", "sh", "-c", _KEEPING, "sh"] if os.stat("/dev/null").st_uid == os.geteuid() else []
    line += [bwrap, "--unshare-all", "--unshare-user", "--disable-userns", "--cap-drop", "ALL"]
    line += ["--die-with-parent", "--new-session", "--hostname", "sandbox", "--clearenv"]
    path = os.pathsep.join([str(Path(sys.executable).parent), "/usr/bin", "/bin"])
    variables = {
        "PATH": path,
        "HOME": _HOME,
        "LANG": "C.UTF-8",
        "OMP_WAIT_POLICY": "PASSIVE",
        "CUDA_VISIBLE_DEVICES": "",
    }
    if "OMP_NUM_THREADS" in os.environ:
        variables["OMP_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"]
    for name, value in variables.items():
        line += ["--setenv", name, value]
    # First of all, as an environment may lie in /tmp.
    line += ["--size", str(1_000_000 * limits.files_mb), "--tmpfs", _HOME, *show(withheld)]
    line += ["--proc", "/proc", *_closed(), "--dev", "/dev"]
    line += ["--size", str(int(1e9 * limits.memory_gb)), "--tmpfs", _SHARED]
    line += ["--size", str(1_000_000 * _ANSWERS_MB), "--tmpfs", INSIDE.answers, *more]
    # In the place of a device whose zeros could be written over, in memory that no process seems to have.
    line += ["--dev-bind", "/dev/full", "/dev/zero"]
    # Now that all is there that is to be mounted. Root could change the settings of this machine in /proc/sys.
    return [*line, "--remount-ro", "/proc", "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/"]


def _closed() -> list[str]:
    """What hides the files in which the kernel tells root alone of itself: where its memory is, and what is in use.

    To root outside, they would be open inside.
    """
    kernel = [entry for entry in os.scandir("/proc") if entry.is_file(follow_symlinks=False)]
    closed = [entry.path for entry in kernel if not entry.stat().st_mode & stat.S_IROTH]
    return [word for path in sorted(closed) + _OTHERS_KEYS for word in ("--ro-bind", "/dev/null", path)]


def _wait_for(init: int) -> None:
    """Until the process `init` has its own root, with its own /proc."""
    ours, end = os.stat("/proc").st_dev, monotonic() + _STARTS_WITHIN
    while monotonic() < end:
        try:
            if os.stat(f"/proc/{init}/root/proc").st_dev != ours:
                return
        except FileNotFoundError:
            os.stat(f"/proc/{init}")  # while it is there at all
        sleep(0.002)
    raise TimeoutError
