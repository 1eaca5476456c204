"""A kernel, and how code runs in it under limits, whatever the code does."""

import contextlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty
from subprocess import DEVNULL
from time import monotonic

import nbformat
from jupyter_client import KernelManager
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from nbformat.notebooknode import NotebookNode
from nbformat.v4 import new_output, output_from_msg
from zmq import Again

from grading.names import whole
from grading.sandbox import Sandbox
from helpers.messages import Message, message, sentence

# How long the start may take, and how long a kernel that is interrupted may go on, in seconds.
_STARTS_WITHIN, _STOPS_WITHIN = 60, 10
# A message is not read that is longer, or that would take hundreds of bytes for each of more brackets than this.
_LONGEST, _MOST_BRACKETS = 20_000_000, 200_000


class TooLong(Exception):
    """A message is, so it was not read."""


class KernelLost(Exception):
    """The kernel answers no more. The `fault` says what became of it."""

    def __init__(self, fault: Message) -> None:
        super().__init__(fault)
        self.fault = fault


@dataclass
class Outputs:
    """What a cell puts out. Of words and of pictures, what is beyond a limit is dropped as it comes.

    Attributes:
        most: for `"text"` and `"pictures"`, the characters that are kept.
        language: the one in which it is said that something was dropped.
        kept: the outputs, as a notebook stores them.
        cut: for which of the two something was dropped.
        unreadable: whether there was a message that could not be read.
    """

    most: Mapping[str, int]
    language: str
    kept: list[NotebookNode] = field(default_factory=list)
    cut: set[str] = field(default_factory=set)
    unreadable: bool = False
    _said: dict[str, int] = field(default_factory=dict)
    _clear: bool = False

    def take(self, message: dict) -> None:
        """Keep what the message says. Raises whatever a message that is none leads to."""
        kind = message["msg_type"]
        if kind == "clear_output":
            self._clear = True
            if not message["content"].get("wait"):
                self._make_room()
        # Later changes of an output are left out: they could reach into cells that are not theirs.
        if kind not in ("stream", "display_data", "execute_result", "error"):
            return
        output = output_from_msg(message)
        _check(output)
        about = "pictures" if kind in ("display_data", "execute_result") else "text"
        self._said[about] = self._said.get(about, 0) + len(str(message["content"]))
        if self._said[about] > self.most[about]:
            self.drop(about)
            return
        self._make_room()
        before = self.kept[-1] if self.kept else None
        if before and before.output_type == output.output_type == "stream" and before.name == output.name:
            before.text += output.text
        else:
            self.kept.append(output)

    def drop(self, about: str) -> None:
        """Say once that something is not kept."""
        if about not in self.cut:
            self.cut.add(about)
            said = message("cut_after", kilobytes=self.most[about] // 1000)
            self.kept.append(new_output("stream", text=f"… {sentence(said, self.language)}\n"))

    def _make_room(self) -> None:
        if self._clear:
            self.kept.clear()
        self._clear = False


class Runner:
    """A kernel that runs `command`. Whoever makes one must `stop` it.

    Args:
        command: starts the kernel; `{connection_file}` in it is put in.
        connection_file: where that is written; the command must be able to read it.
        sockets: the beginning of the names of its sockets; the command must be able to write there.
        sandbox: the one in which the command runs, if there is one. It is closed at the end.
        start: what `subprocess.Popen` takes, such as `cwd` and `env`.

    Attributes:
        answers: for this process, the folder in which the sockets are.

    Raises:
        RuntimeError: the kernel does not start.
    """

    def __init__(
        self,
        command: Sequence[str],
        connection_file: Path,
        sockets: Path,
        sandbox: Sandbox | None = None,
        **start: object,
    ) -> None:
        # Not over TCP: a sandbox has no network, and several kernels that start at once may choose the same port.
        self._manager = KernelManager(
            kernel_spec_manager=_OneSpec(command),
            connection_file=str(connection_file),
            transport="ipc",
            ip=str(sockets),
        )
        self._manager.session.unpack = _unpacked
        self._sandbox, self.answers = sandbox, sockets.parent
        # What is written past the kernel's own streams would fill the lecturer's screen.
        self._manager.start_kernel(stdout=DEVNULL, stderr=DEVNULL, **start)
        self._client = self._manager.client()
        try:
            if sandbox is not None:
                sandbox.enter()
                self.answers = sandbox.watch.seen(str(sockets.parent))
                self._manager.ip = self._client.ip = str(self.answers / sockets.name)
            self._client.start_channels(stdin=False, hb=False)
            for channel in (self._client.shell_channel, self._client.control_channel):
                # The student's code can break a connection so that nothing is ever taken.
                channel.socket.sndtimeo = round(1000 * _STOPS_WITHIN)
            self._client.wait_for_ready(timeout=_STARTS_WITHIN)
        except BaseException:
            self.stop()
            raise

    @property
    def full(self) -> bool:
        """Whether there was no room for what should be written."""
        return self._sandbox is not None and self._sandbox.watch.full

    @property
    def processor(self) -> float:
        """Seconds of processors that were used, if that is watched."""
        return self._sandbox.watch.processor if self._sandbox is not None else 0.0

    def stop(self) -> None:
        """End the kernel at once."""
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)
        if self._sandbox is not None:
            self._sandbox.close()

    def execute(self, code: str, timeout: float, outputs: Outputs, store_history: bool = False) -> tuple[dict, bool]:
        """Run `code`; what it puts out goes to `outputs`.

        Args:
            timeout: seconds after which the code is interrupted.

        Returns:
            The content of the kernel's reply, and whether the code was interrupted.

        Raises:
            KernelLost: the kernel dies, or goes on after it was interrupted.
        """
        try:
            asked = self._client.execute(code, store_history=store_history, allow_stdin=False, stop_on_error=False)
        except Again:
            raise KernelLost(self._fault()) from None
        idle, late, reply = False, False, None
        heard, end = monotonic(), monotonic() + timeout
        while True:
            if monotonic() > end:
                if late:
                    raise KernelLost(message("kernel.not_stopped", seconds=timeout))
                self._interrupt()
                late, end = True, monotonic() + _STOPS_WITHIN
            # Where a kernel says very much, the word that it is idle may get lost.
            if idle or monotonic() - heard > _STOPS_WITHIN:
                if reply is not None:
                    return reply, late
                reply = self._reply(asked)
                if reply is not None and idle:
                    return reply, late
                if reply is not None:
                    # What a cell puts out after a long silence comes behind its reply.
                    heard = monotonic()
            try:
                news = self._client.get_iopub_msg(timeout=0.1)
                heard = monotonic()
                if news["parent_header"].get("msg_id") == asked:
                    outputs.take(news)
                    idle = idle or news["content"].get("execution_state") == "idle"
            except Empty:
                if not self._manager.is_alive():
                    raise KernelLost(self._fault()) from None
            except TooLong:
                outputs.drop("text")
            except Exception:  # the student's code can send what is no message
                outputs.unreadable = True

    def _interrupt(self) -> None:
        # By message: a signal would end a sandbox, and not reach what runs in it.
        with contextlib.suppress(Again):
            self._client.control_channel.send(self._client.session.msg("interrupt_request", {}))

    def _fault(self) -> Message:
        met = self._sandbox.watch.met if self._sandbox is not None else None
        return met or message("kernel.died")

    def _reply(self, asked: str) -> dict | None:
        try:
            message = self._client.get_shell_msg(timeout=0.1)
            return _plain(message["content"]) if message["parent_header"].get("msg_id") == asked else None
        except Exception:  # there is none yet, or one that is none
            return None


def _unpacked(content: bytes) -> object:
    if len(content) > _LONGEST or content.count(b"[") + content.count(b"{") > _MOST_BRACKETS:
        raise TooLong
    return json.loads(content)


def _check(output: NotebookNode) -> None:
    """Raises whatever an output leads to with which no notebook could be written."""
    nbformat.validate(output, ref="output", version=4)
    json.dumps(output, ensure_ascii=False, allow_nan=False).encode()


def _plain(reply: object) -> dict:
    """What the judge reads of a reply, which the student's code may have written."""
    if not isinstance(reply, dict):
        return {}
    count, lines = reply.get("execution_count"), reply.get("traceback")
    error = new_output(
        "error",
        ename=whole(str(reply.get("ename"))),
        evalue=whole(str(reply.get("evalue"))),
        traceback=[whole(str(line)) for line in lines] if isinstance(lines, list) else [],
    )
    is_count = isinstance(count, int) and not isinstance(count, bool) and count >= 0
    return {**error, "status": reply.get("status"), "execution_count": count if is_count else None}


class _OneSpec(KernelSpecManager):
    """Knows one kernel, whatever else is installed."""

    def __init__(self, command: Sequence[str]) -> None:
        super().__init__()
        self._spec = KernelSpec(argv=list(command), display_name="", language="python", interrupt_mode="message")

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        return self._spec
