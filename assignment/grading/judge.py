"""nbgrader's step in which a submission is run and judged."""

import json
import traceback
from pathlib import Path

import torch
from nbformat.notebooknode import NotebookNode
from nbformat.v4 import new_markdown_cell, new_output
from nbgrader import utils
from traitlets import Integer

from grading import deconvnet_task, mistakes_task, network_task, pictures_task
from grading.kernel import StudentKernel, is_run
from grading.marks import Marks, Student
from grading.names import one_line
from grading.restore import FAULTS, JUDGED, RECORD, RESTORED, as_released, grade_id
from grading.roster import notes_on, roster_of
from grading.secret import secret_of, seed_of, seed_of_part
from grading.settings import settings_of
from helpers.files import write_atomically
from helpers.messages import as_data, from_data, message, sentence

PARTS = network_task.PARTS | deconvnet_task.PARTS | pictures_task.PARTS | mistakes_task.PARTS


class Judge(StudentKernel):
    """Runs a submission, and decides its points in a process that the student's code never enters.

    The test cells are not executed at all: the judge puts its own verdict into each, as the output from which nbgrader
    reads the points. Questions are drawn at random, by `secret`; right answers do not depend on them. A test of a part
    that the judge does not know is run in the student's kernel, as nbgrader would: the student's code can reach it.
    """

    seed = Integer(
        None,
        allow_none=True,
        help="of the random questions, for all submissions; None makes one of each, and of the secret of the course",
    ).tag(config=True)

    def preprocess(self, nb: NotebookNode, resources: dict, km: object = None) -> tuple[NotebookNode, dict]:
        course = settings_of(resources["nbgrader"]["assignment"])
        seed = self.seed
        if seed is None:
            seed = seed_of(nb, resources["nbgrader"]["student"], secret_of(course.course))
        self._digits, self.language = course.digits, course.language
        verdicts, own = {}, []
        self._parts: dict[str, dict] = {}
        self._address: str | None = None
        if not self.sandboxed:
            self.log.warning("Students' code runs with your rights: see docs/teaching.md on Judge.sandboxed")
        try:
            self.open(nb, resources)
            for index, cell in enumerate(nb.cells):
                if is_run(cell) and not self.ended:
                    self.run(index)
                elif cell.cell_type == "code" and utils.is_grade(cell) and not utils.is_solution(cell):
                    if grade_id(cell) in PARTS:
                        verdicts[index] = self._verdict(index, cell, seed)
                    else:
                        own.append(cell)
                        self._test(index)
        finally:
            self.close()
        troubles, unanswered = self._troubles(), self._unanswered()
        # Only now, when nothing of the student's runs any more that could change an output.
        for index, outputs in verdicts.items():
            nb.cells[index].outputs = outputs
        # Else the feedback would show students a test that raises.
        for cell in [*(nb.cells[index] for index in verdicts), *own]:
            cell.source = as_released(cell.source)
        self.log.info("The questions were drawn with the seed %s", seed)
        self._note_address(resources, course.course)
        self.notes = [*map(from_data, nb.metadata.pop(RESTORED, [])), *self.notes]
        lines = self.record or [sentence(message("page.nothing_unusual"), self.language)]
        title = sentence(message("page.record"), self.language)
        text = "\n".join([f"**{title}**", "", *(f"- {line}" for line in lines)])
        nb.cells.insert(0, new_markdown_cell(text, metadata={RECORD: self.record}))
        nb.metadata[JUDGED] = True
        found: dict[str, object] = {
            "parts": self._parts,
            "record": [as_data(note) for note in self.notes],
            "troubles": troubles,
            "unanswered": unanswered,
            "cells": {"slowest": round(self.slowest, 1), "stopped": self.stopped, "limit": self.timeout},
        }
        if self._address:
            found["address"] = self._address
        beside = Path(resources["metadata"]["path"]) / FAULTS
        write_atomically(beside, json.dumps(found, indent=1).encode())
        return nb, resources

    def _troubles(self) -> dict[str, list[dict]]:
        """For each part, what happened in the cells that belong to it: those below the part before."""
        troubles: dict[str, list[dict]] = {}
        below: list[dict] = []
        for index, cell in enumerate(self.nb.cells):
            if index in self.troubles:
                below.append(as_data(self.troubles[index]))
            if below and utils.is_grade(cell):
                troubles[str(grade_id(cell))], below = below, []
        return troubles

    def _unanswered(self) -> list[str]:
        """The parts in which nothing was written: the cells for it, below the part before, are as they were given."""
        unanswered: list[str] = []
        below: list[bool] = []
        for cell in self.nb.cells:
            if utils.is_solution(cell):
                below.append(cell.metadata.nbgrader.get("checksum") == utils.compute_checksum(cell))
            if utils.is_grade(cell):
                if below and all(below):
                    unanswered.append(str(grade_id(cell)))
                below = []
        return unanswered

    def _note_address(self, resources: dict, course: Path) -> None:
        """Put on record what is unusual about the address that was typed."""
        about = resources["nbgrader"]
        if self._address and "db_url" in about:
            for note in notes_on(self._address, about["student"], roster_of(about["db_url"], course)):
                self._note(note)

    def _test(self, index: int) -> None:
        """Run a test of the lecturer's own. What is not run must fail: where nothing did, nbgrader gives all points."""
        if not self.ended:
            self.run(index)
            return
        why = sentence(message("nothing_more_is_run"), self.language)
        self.nb.cells[index].outputs = [new_output("error", ename="NotRun", evalue=why, traceback=[why])]

    def _verdict(self, index: int, cell: NotebookNode, seed: int) -> list[NotebookNode]:
        name, points = str(grade_id(cell)), float(cell.metadata.nbgrader["points"])
        written = {known: other.source for other in self.nb.cells if (known := grade_id(other))}
        student = Student(
            lambda function, *given, **settings: self.ask(index, function, *given, **settings),
            torch.Generator().manual_seed(seed_of_part(seed, name)),
            written,
            self._digits,
        )
        marks = Marks()
        try:
            marks = PARTS[name](student)
            self._address = marks.address or self._address
            # What was raised may have lines of its own, which would look like steps.
            lines = [one_line(line) for line in marks.lines(points, self.language)]
        except Exception as error:
            self._note(message("record.not_judged", part=name, error=type(error).__name__))
            self.log.error(traceback.format_exc())
            lines = [sentence(message("not_judged"), self.language)]
        earned = min(points, round(marks.share * points, 2))
        faults = [as_data(fault) for fault in marks.faults]
        self._parts[name] = {"points": points, "earned": earned, "faults": faults}
        if step := marks.first:
            self._parts[name]["first"] = {"wanted": as_data(step.wanted), "found": [*map(as_data, step.faults)]}
        total = sentence(message("page.points", earned=earned, points=points), self.language)
        return [
            new_output("stream", name="stdout", text="\n".join([total, *lines, ""])),
            # nbgrader reads this one.
            new_output("execute_result", data={"text/plain": f"{earned:g}"}, execution_count=1),
        ]
