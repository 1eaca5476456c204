"""nbgrader's first step with a submission: what students can't change is as it was, whatever they have changed."""

from nbformat.notebooknode import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell
from nbgrader.api import Gradebook, Notebook
from nbgrader.preprocessors import ClearHiddenTests, NbGraderPreprocessor

from helpers.messages import Message, as_data, message

# Under this name nbgrader's steps find the record of the intake. No notebook can bring it along.
TAKEN_IN = "taken in"
# And under this one, the version that was handed in, as `versions` tells it. The graded notebook keeps it.
VERSION = "handed in"
# Under this name the notebook carries the record and what was put back.
RESTORED = "restored"
# And under this one, the judge's mark.
JUDGED = "judged"
# Under this name the first cell carries the notes of the record, which the pages show as text.
RECORD = "record"
# The file beside the graded notebook that holds what was found, as data.
FAULTS = "faults.json"
# And the one that says that all was done: see `worker`.
DONE = "done.mark"


class RestoreCells(NbGraderPreprocessor):
    """Gives each cell of the assignment the data that it was handed out with, and puts changed and lost tests back.

    nbgrader does most of this, but stops, for one student or for the whole class, if the data of a cell are of an
    unknown version, if a cell was copied, or if two cells are missing in a row.
    """

    def preprocess(self, nb: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
        where = resources["nbgrader"]
        self.restored: list[Message] = list(where.get(TAKEN_IN, []))
        with Gradebook(where["db_url"]) as gradebook:
            source = gradebook.find_notebook(where["notebook"], where["assignment"])
            self._restore_data(nb, source)
            self._restore_tests(nb, source)
        nb.metadata[RESTORED] = [as_data(note) for note in self.restored]
        nb.metadata.pop(JUDGED, None)
        nb.metadata[VERSION] = where.get(VERSION, "")
        return nb, resources

    def _restore_data(self, nb: NotebookNode, source: Notebook) -> None:
        """Only the first cell of each name keeps it; any other is a cell of the student's own."""
        wanted = {cell.name: cell for cell in source.source_cells}
        seen = set()
        for cell in nb.cells:
            found = cell.metadata.pop("nbgrader", None)
            name = found.get("grade_id") if isinstance(found, dict) else None
            if not isinstance(name, str) or name not in wanted or name in seen:
                continue
            seen.add(name)
            data = _data(name, source)
            if any(found.get(key) != data[key] for key in ("grade", "solution", "points") if key in data):
                self.restored.append(message("record.data_changed", cell=name))
            if cell.cell_type != wanted[name].cell_type:
                self.restored.append(message("record.type_changed", cell=name))
                fresh = _cell(wanted[name].cell_type, cell.source)
                cell.clear()
                cell.update(fresh)
            cell.metadata["nbgrader"] = data

    def _restore_tests(self, nb: NotebookNode, source: Notebook) -> None:
        """Missing ones come as late as the order allows, so that all that belongs to their part has run."""
        order = [cell.name for cell in source.source_cells]
        for position, wanted in enumerate(source.source_cells):
            places = {grade_id(cell): place for place, cell in enumerate(nb.cells) if grade_id(cell)}
            data = _data(wanted.name, source)
            if wanted.name not in places and data["grade"]:
                after = [places[other] for other in order[position + 1 :] if other in places]
                cell = _cell(wanted.cell_type, wanted.source)
                cell.metadata["nbgrader"] = data
                nb.cells.insert(min(after, default=len(nb.cells)), cell)
                self.restored.append(message("record.cell_missing", cell=wanted.name))
            elif wanted.name in places and wanted.locked:
                cell = nb.cells[places[wanted.name]]
                if cell.source not in (wanted.source, as_released(wanted.source)):
                    self.restored.append(message("record.cell_changed", cell=wanted.name))
                cell.source = wanted.source


def _data(name: str, source: Notebook) -> dict:
    """What nbgrader keeps in the metadata of the cell `name`."""
    cell = next(cell for cell in source.source_cells if cell.name == name)
    points = {grade.name: grade.max_score for grade in source.grade_cells}
    solutions = {solution.name for solution in source.solution_cells}
    data = {"schema_version": 3, "grade_id": name, "checksum": cell.checksum, "cell_type": cell.cell_type}
    data |= {"locked": cell.locked, "grade": name in points, "solution": name in solutions, "task": False}
    return data | ({"points": points[name]} if name in points else {})


def _cell(cell_type: str, source: str) -> NotebookNode:
    return new_code_cell(source) if cell_type == "code" else new_markdown_cell(source)


def as_released(source: str) -> str:
    """The source of a test without its hidden part, as students get it."""
    cell, _ = ClearHiddenTests(enforce_metadata=False).preprocess_cell(new_code_cell(source), {}, 0)
    return cell.source


def grade_id(cell: NotebookNode) -> str | None:
    """The name under which nbgrader knows `cell`."""
    return cell.metadata.get("nbgrader", {}).get("grade_id")
