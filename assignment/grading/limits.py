"""Limits for all processes of a sandbox together, and the watch that holds them."""

import contextlib
import os
import signal
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from grading.usage import Memory, Processes, Processors
from helpers.messages import Message, message

# Seconds between two looks: what is begun between them goes beyond a limit.
_BETWEEN = 0.01
# Where that is allowed, the watch waits for nobody: what would not take its turn is what it watches.
_BEFORE_OTHERS = -15
# So many processes and threads may be started, one after another; and for so many looks in a row, some may have ended
# between being listed and being read. A process that hands on its memory to the next, and ends, is never read; and one
# that is shorter than a look uses processors unseen.
_MOST_STARTED, _MOST_UNREAD = 10_000, 20
# What comes from the sandbox waits in this process until it is read. It may be so many bytes beside what the judge has
# itself, some 500 MB.
_MOST_WAITING = 1.5e9
_PAGE = os.sysconf("SC_PAGE_SIZE")
# Where fewer bytes than this are free, a file system is full.
_FULL = 1_000_000


@dataclass(frozen=True)
class Limits:
    """Limits for all processes of a sandbox together.

    Attributes:
        memory_gb: memory; pages that several share count once.
        processes: processes at a time.
        threads: threads of all of them at a time.
        files: files and folders that are there, and locks on parts of them.
        files_mb: bytes in them.
        processor: seconds of all processors.
    """

    memory_gb: float
    processes: int
    threads: int
    files: int
    files_mb: int
    processor: float


class Watch(threading.Thread):
    """Looks at a sandbox from outside, a hundred times a second, and ends it when it meets one of the `limits`.

    It finds all processes in the sandbox's own /proc, so none is overlooked, whoever has started it.

    Args:
        init: the process with which all others of the sandbox end.
        limits: of these, `files_mb` is held by the file systems themselves.
        folders: where the sandbox can write.
        shared: the same, but what is there counts as memory.

    Attributes:
        met: the limit for which the sandbox was ended, if there is one.
        full: whether a file could not be longer.

    Raises:
        OSError: the sandbox has ended, or can't be seen.
    """

    def __init__(self, init: int, limits: Limits, folders: Sequence[str], shared: str) -> None:
        super().__init__(daemon=True)
        self.full, self._names = False, list(folders)
        self.met: Message | None = None
        self._limits, self._closed = limits, threading.Event()
        with contextlib.ExitStack() as opened:

            def keep(descriptor: int) -> int:
                opened.callback(os.close, descriptor)
                return descriptor

            self._init = keep(os.pidfd_open(init))
            places = [f"/proc/{init}/root{place}" for place in ("/proc", shared, *folders)]
            proc, self._shared, *self._folders = (
                keep(os.open(place, os.O_RDONLY | os.O_DIRECTORY)) for place in places
            )
            # Else the number may belong to another by now, and so may the folders.
            signal.pidfd_send_signal(self._init, 0)
            self._opened = opened.pop_all()
        self._processes = Processes(proc)
        self._memory = Memory(self._processes, limits.memory_gb * 1e9)
        self._processors = Processors(self._processes)
        self._own, self._unread = _own_memory(), 0

    def seen(self, folder: str) -> Path:
        """One of the `folders`, for this process; also when the sandbox has ended."""
        return Path(f"/proc/self/fd/{self._folders[self._names.index(folder)]}")

    @property
    def processor(self) -> float:
        """Seconds of processors that were used."""
        return self._processors.seconds

    def run(self) -> None:
        with contextlib.suppress(PermissionError):
            os.setpriority(os.PRIO_PROCESS, self.native_id or 0, _BEFORE_OTHERS)
        try:
            while not self.met and not self._closed.wait(0 if self._memory.in_a_hurry else _BETWEEN):
                self.met = self._look()
        except Exception as error:  # what is not watched does not go on
            self.met = message("limit.watch_failed", error=f"{type(error).__name__}: {error}")
        if self.met:
            self._kill()

    def close(self) -> None:
        """End the sandbox, and the watch."""
        if self._closed.is_set():
            return
        self._closed.set()
        if self.is_alive():
            self.join()
        self._kill()
        self._opened.close()

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._init, signal.SIGKILL)

    def _look(self) -> Message | None:
        """The limit that is met, if there is one."""
        limits, numbers = self._limits, self._processes.numbers()
        if len(numbers) > limits.processes:
            return message("limit.processes", count=limits.processes)
        # In a sandbox they are numbered from 1 on, as they start.
        if max(map(int, numbers), default=0) > _MOST_STARTED:
            return message("limit.processes", count=_MOST_STARTED)
        about = {number: self._processes.memory(number, "status", "VmRSS") for number in numbers}
        self._unread = 0 if all(about.values()) else self._unread + 1
        if self._unread > _MOST_UNREAD:
            return message("limit.too_short")
        if sum(status.get("Threads", 0) for status in about.values()) > limits.threads:
            return message("limit.threads", count=limits.threads)
        shared, *written = [os.fstatvfs(place) for place in (self._shared, *self._folders)]
        files = sum(one.f_files - one.f_ffree for one in (shared, *written))
        if files > limits.files or files + self._processes.locks(limits.files) > limits.files:
            return message("limit.files", count=limits.files)
        self.full = self.full or any(one.f_bfree * one.f_frsize < _FULL for one in written)
        if self._processors.look(numbers) > limits.processor:
            return message("limit.processor_time")
        if self._memory.too_large(about, (shared.f_blocks - shared.f_bfree) * shared.f_frsize):
            return message("limit.memory", gigabytes=limits.memory_gb)
        if _own_memory() - self._own > _MOST_WAITING:
            return message("limit.waiting", gigabytes=_MOST_WAITING / 1e9)
        return None


def _own_memory() -> int:
    return _PAGE * int(Path("/proc/self/statm").read_text().split()[1])
