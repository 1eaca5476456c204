"""The kernel in which one submission runs. It may hang, die, ask for all the memory or talk without end."""

import contextlib
import os
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

import torch
from nbformat.notebooknode import NotebookNode
from nbformat.v4 import new_output
from nbgrader.preprocessors import NbGraderPreprocessor
from traitlets import Bool, Float, Integer, List, Unicode

from grading import answers, doors, remote, start
from grading.answers import NoAnswer
from grading.limits import Limits
from grading.names import one_line
from grading.released import HELPERS, PROJECT, lay_out
from grading.runner import KernelLost, Outputs, Runner
from grading.sandbox import INSIDE, Places, Sandbox
from helpers.messages import Message, message, sentence

_RESTARTS = 6
# Of an error that is longer than all that a cell may print, so many characters are kept.
_LONGEST_WORDS = 1000
# Where a traceback of IPython's comes through a cell, and the colours in it. So many of the last places are looked at.
_LAST = 100
_PLACE = re.compile(r"\bCell In ?\[(\d{1,6})\], line (\d{1,6})\b")
_COLOURS = re.compile(r"\x1b\[[\d;]{0,100}m")
# The file in which a kernel keeps a cell, which a student has never seen.
_FILE = re.compile(r" \(\d+\.py, line \d+\)$")


class StudentKernel(NbGraderPreprocessor):
    """Executes a submission cell by cell and asks its functions questions, whatever they do.

    A cell that runs too long is interrupted. A kernel that can't be interrupted, or that dies, is replaced by a new
    one, which runs all cells again but the one to blame. `notes` say what happened, and `troubles` of which cell.
    `slowest` is the time of the cell that took longest, in seconds, and `stopped` whether one met the limit.
    """

    timeout = Integer(240, help="seconds for one cell of the student, such as the training").tag(config=True)
    call_timeout = Integer(30, help="seconds for one question of the judge").tag(config=True)
    total_timeout = Integer(1200, help="seconds for one submission; then nothing more of it is run").tag(config=True)
    memory_gb = Float(6, help="memory of all processes of a submission together; outside the sandbox, of each").tag(
        config=True
    )
    processes = Integer(64, help="processes of a submission at a time; in the sandbox, as all that follow").tag(
        config=True
    )
    threads = Integer(500, help="threads of all these processes at a time").tag(config=True)
    files = Integer(10_000, help="files and folders that a submission may have").tag(config=True)
    files_mb = Integer(1000, help="megabytes in these files; they lie in memory, beside memory_gb").tag(config=True)
    processor_timeout = Integer(3600, help="seconds of all processors together for one submission").tag(config=True)
    text_kb = Integer(50, help="what is kept of the words that one cell prints").tag(config=True)
    picture_kb = Integer(2000, help="what is kept of the pictures that one cell shows").tag(config=True)
    released = List(Unicode(), default_value=HELPERS, help="what students have of this project").tag(config=True)
    withheld = List(
        Unicode(), default_value=["captum"], help="packages of others that hold answers, and that no student has"
    ).tag(config=True)
    sandboxed = Bool(
        True,
        help="run students' code in a sandbox of bubblewrap, on Linux; if not, it can do and read all that you can",
    ).tag(config=True)

    # That in which it is said what happened.
    language = "en"

    def open(self, nb: NotebookNode, resources: dict) -> None:
        """Start the kernel for `nb`. Whoever opens must `close`.

        Raises:
            NoSandbox: there can be none here, and `sandboxed` asks for one.
        """
        self.nb = nb
        self.notes: list[Message] = []
        self.troubles: dict[int, Message] = {}
        self._runner: Runner | None = None
        self._blamed: set[int] = set()
        self._slow: set[tuple[str, bool]] = set()
        self._restarts = self._questions = 0
        self._began = monotonic()
        self.slowest, self.stopped = 0.0, False
        self._used, self._full = 0.0, False
        # The judge writes into the one, which the student's code reads; into the other that code may write, if it is
        # not in a sandbox.
        self._ours, self._theirs = TemporaryDirectory(prefix="judge-"), TemporaryDirectory(prefix="student-")
        for file in (doors.__file__, remote.__file__, start.__file__):
            shutil.copy(file, self._ours.name)
        lay_out(Path(self._ours.name) / "released", self.released)
        self._handed_in = Path(resources["metadata"]["path"]).resolve()
        theirs = self._theirs.name
        outside = Places(self._ours.name, str(self._handed_in), f"{theirs}/notebook", theirs)
        self._places = INSIDE if self.sandboxed else outside
        self._start()

    def close(self) -> None:
        """End the kernel, if there is one, and delete what was left."""
        if self._runner is not None:
            self._runner.stop()
        self._ours.cleanup()
        self._theirs.cleanup()

    @property
    def record(self) -> list[str]:
        """What happened, a line each."""
        return [self._line(note) for note in self.notes]

    @property
    def ended(self) -> bool:
        """Whether nothing more of the submission is run."""
        return self._restarts > _RESTARTS or self._left() <= 0 or self._used > self.processor_timeout

    @property
    def _running(self) -> Runner:
        """The kernel, which there is until `ended`."""
        if self._runner is None:
            raise RuntimeError("no kernel is running")
        return self._runner

    def run(self, index: int) -> None:
        """Execute cell `index` of the notebook; its outputs are stored in it."""
        cell = self.nb.cells[index]
        outputs, limit = self._outputs(), self._time(self.timeout)
        try:
            with self._timed():
                reply, late = self._running.execute(cell.source, limit, outputs, store_history=True)
        except KernelLost as lost:
            self._note(message("record.lost_in_cell", lost=lost.fault, cell=_beginning(cell)))
            self.troubles[index] = message("cell.lost", lost=lost.fault, cell=_beginning(cell))
            words = sentence(lost.fault, self.language)
            cell.outputs = [new_output("error", ename="KernelLost", evalue=words, traceback=[words])]
            self._blamed.add(index)
            self._replace(before=index)
            return
        self._note_outputs(outputs, cell)
        cell.outputs, cell.execution_count = outputs.kept, reply.get("execution_count")
        errors = [output for output in outputs.kept if output.output_type == "error"]
        name = reply.get("ename", "")
        if reply.get("status") == "error" and name not in [error.ename for error in errors]:
            # Whatever was done so that nothing is shown, or so that it was too long.
            nothing = sentence(message("error_without_words"), self.language)
            evalue, lines = reply.get("evalue", ""), reply.get("traceback") or [nothing]
            if len(name) + len(evalue) + sum(map(len, lines)) > 1000 * self.text_kb:
                name, evalue = name[:_LONGEST_WORDS], evalue[:_LONGEST_WORDS]
                lines = [f"{name}: {evalue} …"]
            errors.append(new_output("error", ename=name, evalue=evalue, traceback=lines))
            cell.outputs.append(errors[-1])
        if late:
            self._note(message("record.cell_too_long", cell=_beginning(cell), seconds=limit))
            self.troubles[index] = message("cell.too_long", cell=_beginning(cell), seconds=limit)
            words = sentence(self.troubles[index], self.language)
            for error in errors:
                # The interruption is ours, and no key that anybody pressed.
                if error.ename == "KeyboardInterrupt":
                    error.update(ename="TooLong", evalue=words, traceback=[words])
        for error in [] if late else errors:
            name, words, where = error.ename[:100], error.evalue[:200].rstrip(": "), _beginning(cell)
            if words:
                self._note(message("record.error_with_words", error=name, cell=where, words=words))
            else:
                self._note(message("record.error", error=name, cell=where))
            self.troubles[index] = self._raised(index, f"{name}: {words}" if words else name, error.traceback)
        self._look_at_the_clock()

    def ask(
        self,
        index: int,
        function: str,
        *arguments,
        keep: str = "",
        stand_ins: Sequence[str] = (),
        as_cell: bool = False,
    ) -> object:
        """What the student's `function` says to `arguments`, in the kernel as cell `index` finds it.

        Args:
            arguments: tensors, numbers, and what `remote.decode` understands.
            keep: a name under which the answer stays in the kernel, for `{"@kept": name}`.
            stand_ins: the student's functions that are replaced by those of `remote` for this call.
            as_cell: whether it may take as long as a cell.

        Raises:
            NoAnswer: the function raises, is not there, takes too long, takes the kernel with it, or answers what can't
                be read.
        """
        if self.ended:
            raise NoAnswer(message("nothing_more_is_run"))
        if (function, bool(stand_ins)) in self._slow:
            raise NoAnswer(message("too_long_before", function=_called(function), seconds=self.call_timeout))
        self._questions += 1
        question = Path(self._ours.name) / "question.pt"
        answer = self._running.answers / f"{self._questions}.safetensors"
        torch.save(
            {"function": function, "arguments": list(arguments), "keep": keep, "stand_ins": list(stand_ins)}, question
        )
        limit = self._time(self.timeout if as_cell else self.call_timeout)
        try:
            files = f"{f'{self._places.ours}/{question.name}'!r}, {f'{self._places.answers}/{answer.name}'!r}"
            with self._timed() if as_cell else contextlib.nullcontext():
                late = self._call("remote.py", f"['answer']({files}, globals())", index, limit)
        except KernelLost as lost:
            self._note(message("record.lost_in_call", lost=lost.fault, function=_called(function)))
            self._slow.add((function, bool(stand_ins)))
            self._replace(before=index)
            raise NoAnswer(lost.fault) from lost
        self._look_at_the_clock()
        if late:
            self._slow.add((function, bool(stand_ins)))
            self._note(message("record.call_too_long", function=_called(function), seconds=limit))
            raise NoAnswer(message("too_long", function=_called(function), seconds=limit))
        try:
            return answers.read(answer)
        finally:
            with contextlib.suppress(OSError):
                answer.unlink()

    @contextlib.contextmanager
    def _timed(self) -> Iterator[None]:
        """Around what may take as long as a cell."""
        began = monotonic()
        try:
            yield
        finally:
            took = monotonic() - began
            if took < self.timeout:
                self.slowest = max(self.slowest, took)
            else:
                self.stopped = True

    def _raised(self, index: int, error: str, traceback: Sequence[str]) -> Message:
        """An error in cell `index`, and the last line of the student's on the way to it, wherever that stands."""
        cell, error = self.nb.cells[index], _FILE.sub("", error)
        by_count = {str(other.get("execution_count")): other for other in self.nb.cells[: index + 1]}
        for count, number in _PLACE.findall(_COLOURS.sub("", "\n".join(map(str, traceback))))[:-_LAST:-1]:
            lines = by_count[count].source.splitlines() if count in by_count else []
            if 0 < int(number) <= len(lines):
                line = lines[int(number) - 1].strip()[:200]
                if by_count[count] is cell:
                    return message("raised_at", error=error, line=line)
                return message("cell.raised_below", error=error, line=line, cell=_beginning(cell))
        return message("cell.raised", error=error, cell=_beginning(cell))

    def _call(self, file: str, call: str, index: int, limit: float) -> bool:
        """Run a file of ours in the kernel, beside cell `index`; whether it was interrupted, after `limit` seconds."""
        outputs, path = self._outputs(), f"{self._places.ours}/{file}"
        code = f"__import__('runpy').run_path({path!r}){call}"
        _, late = self._running.execute(code, limit, outputs)
        self._note_outputs(outputs, self.nb.cells[index])
        return late

    def _outputs(self) -> Outputs:
        return Outputs({"text": 1000 * self.text_kb, "pictures": 1000 * self.picture_kb}, self.language)

    def _note_outputs(self, outputs: Outputs, cell: NotebookNode) -> None:
        for about in sorted(outputs.cut):
            kilobytes = outputs.most[about] // 1000
            self._note(message("record.cut", cell=_beginning(cell), kilobytes=kilobytes))
        if outputs.unreadable:
            self._note(message("record.unreadable"))
        if self._running.full and not self._full:
            self._full = True
            self._note(message("record.files_full", megabytes=self.files_mb, cell=_beginning(cell)))

    def _start(self) -> None:
        self._full = False
        places, connection = self._places, f"{self._restarts}.json"
        memory = int(self.memory_gb * 1e9)
        command = [sys.executable, f"{places.ours}/start.py", places.handed_in, places.notebook, str(memory)]
        command += ["-f", f"{places.ours}/{connection}", "--log-level=ERROR", "--HistoryManager.enabled=False"]
        connection_file, sockets = Path(self._ours.name) / connection, Path(places.answers) / f"{self._restarts}"
        if self.sandboxed:
            sandbox = Sandbox(Path(self._ours.name), self._handed_in, self._limits(), self.withheld)
            # The variables of what starts a sandbox can be seen in it.
            how = {"env": {}, "pass_fds": sandbox.descriptors}
            self._runner = Runner([*sandbox.words, *command], connection_file, sockets, sandbox, **how)
        else:
            # As in a sandbox there is no GPU, and nothing of how the lecturer has set up IPython.
            env = os.environ | {"CUDA_VISIBLE_DEVICES": "", "IPYTHONDIR": f"{places.answers}/ipython"}
            self._runner = Runner(command, connection_file, sockets, env=env)
        doors_for = f"({f'{places.ours}/released'!r}, {str(PROJECT)!r}, {list(self.withheld)!r})"
        self._call("doors.py", f"['close']{doors_for}", 0, self.timeout)

    def _limits(self) -> Limits:
        left = self.processor_timeout - self._used
        return Limits(self.memory_gb, self.processes, self.threads, self.files, self.files_mb, left)

    def _replace(self, before: int) -> None:
        """A new kernel, in which the student's cells before `before` have run."""
        self._used += self._running.processor
        self._running.stop()
        self._runner = None
        self._restarts += 1
        if self._restarts > _RESTARTS:
            self._note(message("record.lost_too_often"))
        self._look_at_the_clock()
        if self.ended:
            return
        self._start()
        for index, cell in enumerate(self.nb.cells[:before]):
            if self._left() <= 0:
                self._look_at_the_clock()
                return
            if is_run(cell) and index not in self._blamed:
                try:
                    self._running.execute(cell.source, self._time(self.timeout), self._outputs(), store_history=True)
                except KernelLost:
                    self._blamed.add(index)
                    self._replace(before)
                    return

    def _left(self) -> float:
        """Seconds of the time for all together."""
        return self._began + self.total_timeout - monotonic()

    def _time(self, most: float) -> float:
        return max(1, min(most, self._left()))

    def _look_at_the_clock(self) -> None:
        if self._left() <= 0:
            self._note(message("record.all_too_long", seconds=self.total_timeout))
        if self._used > self.processor_timeout:
            self._note(message("record.processors_too_long", seconds=self.processor_timeout))

    def _note(self, note: Message) -> None:
        if note not in self.notes:
            self.notes.append(note)
            self.log.warning(self._line(note))

    def _line(self, note: Message) -> str:
        return one_line(sentence(note, self.language))


def is_run(cell: NotebookNode) -> bool:
    """Whether `cell` is code that is executed: all but the tests, which are the judge's."""
    data = cell.metadata.get("nbgrader", {})
    return cell.cell_type == "code" and not (data.get("grade") and not data.get("solution"))


def _beginning(cell: NotebookNode) -> str | Message:
    lines = [line for line in cell.source.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    return f"`{lines[0].strip()[:80]}`" if lines else message("without_code")


def _called(function: str) -> str | Message:
    """What is asked, as a student knows it. `@outputs` and its like are ours, and look at a network of theirs."""
    if function == "@run":
        return message("asked.cell")
    return message("asked.network") if function.startswith("@") else f"`{function}`"
