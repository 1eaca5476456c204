"""What the processes of a sandbox use together: memory and processors, from the sandbox's own /proc."""

import os
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from time import monotonic

# Bytes that are filled in a second at most: until what is left could be full, no look has to be exact.
_FILLED = 4e9
# A kernel has some sockets, which are not counted.
_SOCKETS, _CONNECTIONS = 100, 20
_BUFFERS = ("ipv4/tcp_rmem", "ipv4/tcp_wmem")

# A hundred times a second, to read the other lines, too, takes half of the time.
_LINES = re.compile(r"\n(VmRSS|VmSwap|VmPTE|Threads|Pss|SwapPss):\s*(\d+)")
_TICKS = os.sysconf("SC_CLK_TCK")


class Processes:
    """All processes of a sandbox, by the descriptor of its /proc."""

    def __init__(self, proc: int) -> None:
        self._proc = proc

    def numbers(self) -> list[str]:
        return [name for name in os.listdir(self._proc) if name.isdigit()]

    def read(self, name: str) -> str:
        """The file, which is empty if its process has ended."""
        try:
            file = os.open(name, os.O_RDONLY, dir_fd=self._proc)
        except (FileNotFoundError, ProcessLookupError):
            return ""
        try:
            return os.read(file, 100_000).decode(errors="replace")
        except ProcessLookupError:
            return ""
        finally:
            os.close(file)

    def table(self, name: str) -> dict[str, int]:
        """Those of the numbers in a file of lines such as `VmRSS: 12 kB` that are needed; kilobytes as they are."""
        return {key: int(number) for key, number in _LINES.findall(self.read(name))}

    def memory(self, number: str, file: str, wanted: str) -> dict[str, int]:
        """The table in a file of the process that has the line `wanted`, if one has.

        Where the first thread of a process has ended, only those of its other threads do.
        """
        found = self.table(f"{number}/{file}")
        if wanted in found:
            return found
        for thread in self._threads(number):
            if wanted in (table := self.table(f"{number}/task/{thread}/{file}")):
                return found | table
        return found

    def locks(self, most: int) -> int:
        """How many locks on files there are, counted up to `most`, more or less."""
        file, count = os.open("locks", os.O_RDONLY, dir_fd=self._proc), 0
        try:
            while count <= most and (part := os.read(file, 100_000)):
                count += part.count(b"\n")
        finally:
            os.close(file)
        return count

    def _threads(self, number: str) -> list[str]:
        try:
            folder = os.open(f"{number}/task", os.O_RDONLY | os.O_DIRECTORY, dir_fd=self._proc)
        except (FileNotFoundError, ProcessLookupError):
            return []
        try:
            return os.listdir(folder)
        except (FileNotFoundError, ProcessLookupError):
            return []
        finally:
            os.close(folder)


class Memory:
    """Whether processes have more than `most` bytes together, each page counted once, however many share it.

    What each has (RSS) is read quickly, but counts what is shared many times. Only where that sum is too large are the
    true shares (PSS) read, one process at a look, as this takes a hundred times longer.
    """

    def __init__(self, processes: Processes, most: float) -> None:
        self._processes, self._most = processes, most
        self._shares: dict[str, tuple[int, int]] | None = None
        self._not_before = 0.0

    @property
    def in_a_hurry(self) -> bool:
        """Whether the shares are being read, so that the next look should follow at once."""
        return self._shares is not None

    def too_large(self, about: Mapping[str, Mapping[str, int]], beside: int) -> bool:
        """One look. `about` is the `status` of each process, `beside` bytes that no process has."""
        beside += self._in_sockets() + 1024 * sum(status.get("VmPTE", 0) for status in about.values())
        has = {number: 1024 * (s.get("VmRSS", 0) + s.get("VmSwap", 0)) for number, s in about.items()}
        if beside + sum(has.values()) <= self._most:
            self._shares = None
            return False
        if self._shares is None:
            if monotonic() < self._not_before:
                return False
            self._shares = {}
        shares = self._shares
        unread = [number for number in has if number not in shares]
        if unread:
            number = max(unread, key=lambda one: has[one])
            rollup = self._processes.memory(number, "smaps_rollup", "Pss")
            shares[number] = (1024 * (rollup.get("Pss", 0) + rollup.get("SwapPss", 0)), has[number])
        if beside + sum(share for number, (share, _) in shares.items() if number in has) > self._most:
            return True
        # What has been filled since a share was read is the process's own.
        whole = beside + sum(
            max(0, shares[number][0] + now - shares[number][1]) if number in shares else now
            for number, now in has.items()
        )
        if whole <= self._most:
            self._shares, self._not_before = None, monotonic() + (self._most - whole) / _FILLED
            return False
        return len(unread) <= 1

    def _in_sockets(self) -> int:
        """Bytes at most; which socket holds how many can't be seen."""
        lines = (line.split() for line in self._processes.read("1/net/sockstat").splitlines())
        count = {words[0]: int(words[2]) for words in lines if len(words) > 2}
        sockets, connections = count.get("sockets:", 0), count.get("TCP:", 0)
        sockets, connections = max(0, sockets - _SOCKETS), max(0, connections - _CONNECTIONS)
        return 2 * sockets * _setting("core/wmem_max") + connections * sum(map(_setting, _BUFFERS))


class Processors:
    """The seconds of processors that processes have used, those too that have ended."""

    def __init__(self, processes: Processes) -> None:
        self._processes = processes
        self._last: dict[str, tuple[str, float]] = {}
        self._ended = 0.0
        self.seconds = 0.0

    def look(self, numbers: list[str]) -> float:
        """The seconds up to now. A process that is shorter than a look and that nobody waits for is overlooked."""
        last, waited_for = {}, 0.0
        for number in numbers:
            # The name of the program may hold anything.
            fields = self._processes.read(f"{number}/stat").rpartition(")")[2].split()
            if len(fields) > 19:
                own, children = (sum(map(int, fields[at : at + 2])) / _TICKS for at in (11, 13))
                last[number] = (fields[19], own)
                waited_for += own + children
        for number, (began, own) in self._last.items():
            if number not in last or last[number][0] != began:
                self._ended += own
        self._last = last
        seen = self._ended + sum(own for _, own in last.values())
        self.seconds = max(self.seconds, seen, waited_for)
        return self.seconds


@cache
def _setting(name: str) -> int:
    """The most that Linux allows, of the settings that it has for buffers."""
    return int(Path("/proc/sys/net", name).read_text().split()[-1])
