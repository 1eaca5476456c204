"""nbgrader's step for the page of feedback that tells 0 points from points which nobody has given yet."""

from nbformat.notebooknode import NotebookNode
from nbgrader.api import Gradebook
from nbgrader.preprocessors import NbGraderPreprocessor

from grading.restore import grade_id

# Under this name nbgrader's data of a cell say that a person has yet to grade it.
WAITS = "waits"


class MarkWaiting(NbGraderPreprocessor):
    """Marks the cells that a person has yet to grade, to which nbgrader's own step gives 0 points."""

    def preprocess(self, nb: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
        where = resources["nbgrader"]
        with Gradebook(where["db_url"]) as gradebook:
            notebook = gradebook.find_submission_notebook(where["notebook"], where["assignment"], where["student"])
            waiting = {one.name for one in notebook.grades if one.auto_score is None and one.manual_score is None}
        for cell in nb.cells:
            if grade_id(cell) in waiting:
                cell.metadata.nbgrader[WAITS] = True
        return nb, resources
