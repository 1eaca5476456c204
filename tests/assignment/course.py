"""A course folder, and nbgrader's own commands in it."""

import os
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbgrader.api import Gradebook
from submissions import NAME

# So long that no honest student needs it, however busy this machine is. Of the endless there are none here.
LIMITS = ["--Judge.timeout=3000", "--Judge.call_timeout=3000", "--Judge.total_timeout=9000"]

# The rest is as in a real course. What is not run gets no points, so that a class takes seconds.
WITHOUT_A_KERNEL = """
from grading.kernel import StudentKernel
StudentKernel._start = lambda kernel: None
c.Judge.total_timeout = 0
"""


def can_be_sandboxed() -> bool:
    from grading.sandbox import why_not

    return not why_not()


@dataclass
class Course:
    """Students hand in to it, nbgrader grades, and here is what comes out."""

    folder: Path

    def nbgrader(self, command: str, *arguments: str) -> str:
        """What the command prints; it may fail, as `autograde` does if one of many submissions can't be graded."""
        if command == "autograde" and not can_be_sandboxed():
            arguments = ("--Judge.sandboxed=False", *arguments)
        line = [sys.executable, "-W", "ignore", "-m", "nbgrader", *command.split(), *arguments]
        path = os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]])  # as in an active environment
        environment = os.environ | {"OMP_WAIT_POLICY": "PASSIVE", "PATH": path}
        done = subprocess.run(line, cwd=self.folder, env=environment, capture_output=True, text=True)
        return done.stdout + done.stderr

    def template(self) -> nbformat.NotebookNode:
        return nbformat.read(self.folder / "release" / NAME / f"{NAME}.ipynb", as_version=4)

    def hand_in(self, student: str, files: Mapping[str, str | bytes]) -> None:
        folder = self.folder / "submitted" / student / NAME
        folder.mkdir(parents=True)
        for name, content in files.items():
            content = content.encode() if isinstance(content, str) else content
            (folder / name).write_bytes(content)

    def points(self, student: str) -> dict[str, tuple[float, float]]:
        """For each part, the points that were earned and those that could be."""
        with Gradebook(f"sqlite:///{self.folder / 'gradebook.db'}") as gradebook:
            submission = gradebook.find_submission(NAME, student)
            return {g.name: (g.score, g.max_score) for notebook in submission.notebooks for g in notebook.grades}

    def graded(self, student: str) -> nbformat.NotebookNode:
        return nbformat.read(self.folder / "autograded" / student / NAME / f"{NAME}.ipynb", as_version=4)

    def record(self, student: str) -> str:
        return self.graded(student).cells[0].source

    def feedback(self, student: str) -> str:
        return (self.folder / "feedback" / student / NAME / f"{NAME}.html").read_text(encoding="utf-8")
