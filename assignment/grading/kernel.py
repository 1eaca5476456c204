"""The kernel in which one submission runs. It may hang, die, ask for all the memory or talk without end."""

import os
import resource
import shutil
import stat
import sys
from collections.abc import Sequence
from pathlib import Path
from subprocess import DEVNULL
from tempfile import TemporaryDirectory
from time import monotonic

import torch
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionComplete, CellTimeoutError, DeadKernelError
from nbformat.notebooknode import NotebookNode
from nbformat.v4 import new_code_cell, new_output
from nbgrader.preprocessors import Execute
from torch import Tensor
from traitlets import Bool, Float, Integer, List, Unicode

from grading import remote
from grading.sandbox import sandbox

# What a right solution answers is below 100,000 numbers.
_MOST_NUMBERS = 1_000_000
_MOST_BYTES = 8 * _MOST_NUMBERS
_RESTARTS = 6


class NoAnswer(Exception):
    """The student's function gave none; the message says why."""


class StudentKernel(Execute):
    """Executes a submission cell by cell and asks its functions questions, whatever they do.

    A cell that runs too long is interrupted. A kernel that can't be interrupted, or that dies, is replaced by a new
    one, which runs all cells again but the one to blame. `record` says in words what happened.
    """

    timeout = Integer(240, help="seconds for one cell of the student, such as the training").tag(config=True)
    call_timeout = Integer(30, help="seconds for one question of the judge").tag(config=True)
    total_timeout = Integer(1200, help="seconds for one submission; then nothing more of it is run").tag(config=True)
    iopub_timeout = Integer(10).tag(config=True)
    memory_gb = Float(6, help="memory that the student's kernel may ask for; Linux only").tag(config=True)
    text_kb = Integer(50, help="what is kept of the words that one cell prints").tag(config=True)
    picture_kb = Integer(2000, help="what is kept of the pictures that one cell shows").tag(config=True)
    withheld = List(
        Unicode(),
        default_value=["helpers.deconvnet", "helpers.lenet5", "helpers.training", "captum"],
        help="modules that hold answers, and that no student has",
    ).tag(config=True)
    sandboxed = Bool(False, help="run the kernel in a sandbox of bubblewrap; Linux only").tag(config=True)

    def open(self, nb: NotebookNode, resources: dict) -> None:
        """Start the kernel for `nb`. Whoever opens must `close`."""
        # nbconvert does the same: a preprocessor meets its notebook late.
        NotebookClient.__init__(self, nb)
        self.reset_execution_trackers()
        self.shutdown_kernel = "immediate"
        self.extra_arguments = ["--log-level=ERROR"]
        self.record: list[str] = []
        self._blamed: set[int] = set()
        self._slow: set[tuple[str, bool]] = set()
        self._restarts = self._questions = 0
        self._end = monotonic() + self.total_timeout
        # The judge writes into the one, which the student's code reads; into the other that code may write.
        self._ours, self._theirs = TemporaryDirectory(prefix="judge-"), TemporaryDirectory(prefix="student-")
        shutil.copy(remote.__file__, self._ours.name)
        # A copy, so that nothing that the code leaves there can come between when the graded notebook is written.
        folder = Path(self._theirs.name) / "notebook"
        shutil.copytree(resources["metadata"]["path"], folder, symlinks=True)
        self._check_assign_resources({"metadata": {"path": str(folder)}})
        self._start()

    def close(self) -> None:
        """End the kernel, if there is one, and delete what was left."""
        if self.km is not None:
            self._cleanup_kernel()
        self._ours.cleanup()
        self._theirs.cleanup()

    @property
    def ended(self) -> bool:
        """Whether nothing more of the submission is run."""
        return self._restarts > _RESTARTS or monotonic() > self._end

    def run(self, index: int) -> None:
        """Execute cell `index` of the notebook; its outputs are stored in it."""
        cell = self.nb.cells[index]
        try:
            self._execute(cell, index, self.timeout)
        except (DeadKernelError, CellTimeoutError) as error:
            happened = self._what(error, self.timeout)
            self._note(f"{happened} in the cell {_beginning(cell)}; a new one runs the others.")
            cell.outputs = [new_output("error", ename="KernelLost", evalue=happened, traceback=[happened])]
            self._blamed.add(index)
            self._replace(before=index)
            return
        for output in cell.outputs:
            if output.output_type == "error":
                self._note(f"{output.ename} in the cell {_beginning(cell)}: {output.evalue[:200]}".rstrip(": "))
        self._look_at_the_clock()

    def ask(self, index: int, function: str, *arguments, keep: str = "", stand_ins: Sequence[str] = ()) -> object:
        """What the student's `function` says to `arguments`, in the kernel as cell `index` finds it.

        Args:
            arguments: tensors, numbers, and what `remote.decode` understands.
            keep: a name under which the answer stays in the kernel, for `{"@kept": name}`.
            stand_ins: the student's functions that are replaced by those of `remote` for this call.

        Raises:
            NoAnswer: the function raises, is not there, takes too long, or takes the kernel with it.
        """
        if self.ended:
            raise NoAnswer("nothing more of this notebook is run: see the record")
        if (function, bool(stand_ins)) in self._slow:
            raise NoAnswer(f"it took more than {self.call_timeout} s before")
        self._questions += 1
        question, answer = Path(self._ours.name) / "question.pt", Path(self._theirs.name) / f"{self._questions}.pt"
        torch.save(
            {"function": function, "arguments": list(arguments), "keep": keep, "stand_ins": list(stand_ins)}, question
        )
        remote_file = str(question.with_name("remote.py"))
        call = f"['answer']({str(question)!r}, {str(answer)!r}, globals())"
        cell = new_code_cell(f"__import__('runpy').run_path({remote_file!r}){call}")
        try:
            self._execute(cell, index, self.call_timeout)
        except (DeadKernelError, CellTimeoutError) as error:
            happened = self._what(error, self.call_timeout)
            self._note(f"{happened} when `{function}` was called; a new one runs the cells again.")
            self._slow.add((function, bool(stand_ins)))
            self._replace(before=index)
            raise NoAnswer(happened) from error
        self._look_at_the_clock()
        if any(output.get("ename") == "CellTimeoutError" for output in cell.outputs):
            self._slow.add((function, bool(stand_ins)))
            self._note(f"`{function}` took more than {self.call_timeout} s.")
            raise NoAnswer(f"it took more than {self.call_timeout} s")
        try:
            reply = _read(answer)
        except Exception as error:  # the file is the student's, so it may be anything
            raise NoAnswer(f"its answer can't be read ({type(error).__name__}: {str(error)[:200]})") from error
        if "error" in reply:
            raise NoAnswer(str(reply["error"])[:1200])
        return reply["value"]

    def output(self, outs, msg, display_id, cell_index):
        """nbclient's hook for each output: beyond the limit they are dropped as they come."""
        shown = msg["msg_type"] in ("display_data", "execute_result")
        limit = 1000 * (self.picture_kb if shown else self.text_kb)
        before = self._said[shown]
        self._said[shown] += len(str(msg["content"]))
        if self._said[shown] <= limit:
            return super().output(outs, msg, display_id, cell_index)
        if before <= limit:
            outs.append(new_output("stream", name="stdout", text=f"… cut after {limit // 1000} kB\n"))
            self._note(f"the cell {_beginning(self.nb.cells[cell_index])} puts out more than {limit // 1000} kB; cut.")
        return None

    def process_message(self, msg, cell, cell_index):
        """nbclient's hook for each message: one that is no message ends nothing."""
        try:
            return super().process_message(msg, cell, cell_index)
        except CellExecutionComplete:
            raise
        except Exception as error:
            self._note(f"a message of the kernel could not be read ({type(error).__name__}).")
            return None

    def _update_display_id(self, display_id, msg):
        """Later changes of an output are left out: they could reach into cells that are not theirs."""

    def _execute(self, cell: NotebookNode, index: int, timeout: int) -> None:
        """`execute_cell` of a cell that need not be in the notebook, as if it stood at `index`."""
        self._said = {True: 0, False: 0}
        original = self.nb.cells[index]
        self.timeout_func = lambda _: max(1, min(timeout, int(self._end - monotonic()) + 1))
        try:
            self.execute_cell(cell, index, store_history=cell is original)
        finally:
            self.nb.cells[index] = original

    def _start(self) -> None:
        self.km = self.create_kernel_manager()
        if self.sandboxed:
            spec, ours, theirs = self.km.kernel_spec, self._ours.name, self._theirs.name
            spec.argv = [*sandbox(readable=[ours], writable=[theirs]), sys.executable, *spec.argv[1:]]
            # A signal would end the sandbox, and there is no network for TCP.
            spec.interrupt_mode = "message"
            self.km.transport, self.km.ip = "ipc", f"{theirs}/{self._restarts}"
            self.km.connection_file = f"{ours}/{self._restarts}.json"
        # What is written past the kernel's own streams would fill the lecturer's screen.
        self.start_new_kernel(preexec_fn=self._limit_memory, stdout=DEVNULL, stderr=DEVNULL)
        self.start_new_kernel_client()
        names = ", ".join(map(repr, self.withheld))
        self._execute(new_code_cell(f"import sys; sys.modules.update(dict.fromkeys([{names}]))"), 0, self.timeout)

    def _limit_memory(self) -> None:
        limit, (_, most) = int(self.memory_gb * 1e9), resource.getrlimit(resource.RLIMIT_DATA)
        limit = limit if most == resource.RLIM_INFINITY else min(limit, most)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))

    def _replace(self, before: int) -> None:
        """A new kernel, in which the student's cells before `before` have run."""
        self._cleanup_kernel()
        self.km = None
        self.kc = None
        self._restarts += 1
        if self._restarts > _RESTARTS:
            self._note("the kernel was lost too often; nothing more is run.")
        self._look_at_the_clock()
        if self.ended:
            return
        self._start()
        for index, cell in enumerate(self.nb.cells[:before]):
            if is_run(cell) and index not in self._blamed:
                try:
                    self._execute(new_code_cell(cell.source), index, self.timeout)
                except (DeadKernelError, CellTimeoutError):
                    self._blamed.add(index)
                    self._replace(before)
                    return

    @staticmethod
    def _what(error: Exception, timeout: int) -> str:
        if isinstance(error, DeadKernelError):
            return "the kernel died"
        return f"the kernel could not be stopped after {timeout} s and was killed"

    def _look_at_the_clock(self) -> None:
        if monotonic() > self._end:
            self._note(f"all together took more than {self.total_timeout} s; nothing more is run.")

    def _note(self, line: str) -> None:
        if line not in self.record:
            self.record.append(line)
            self.log.warning(line)


def is_run(cell: NotebookNode) -> bool:
    """Whether `cell` is code that is executed: all but the tests, which are the judge's."""
    data = cell.metadata.get("nbgrader", {})
    return cell.cell_type == "code" and not (data.get("grade") and not data.get("solution"))


def _read(path: Path) -> dict:
    """The answer in a file that the student's code has written: a plain file, small, with tensors of few numbers."""
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
        about = os.fstat(file.fileno())
        if not stat.S_ISREG(about.st_mode) or about.st_size > _MOST_BYTES:
            raise ValueError("it is far too large")
        reply = torch.load(file, map_location="cpu", weights_only=True)
    _check_size(reply)
    return reply


def _check_size(thing: object) -> None:
    """A tensor of a few bytes may stand for a billion numbers, all the same one."""
    if isinstance(thing, Tensor) and thing.numel() > _MOST_NUMBERS:
        raise ValueError(f"{thing.numel():,} numbers are far too many")
    for one in thing.values() if isinstance(thing, dict) else thing if isinstance(thing, list | tuple) else ():
        _check_size(one)


def _beginning(cell: NotebookNode) -> str:
    lines = [line for line in cell.source.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    return f"`{lines[0].strip()[:80]}`" if lines else "without code"
