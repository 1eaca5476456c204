"""The points of a whole class, as they stand in the gradebook."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from nbgrader.api import Grade, Gradebook, Student, SubmittedAssignment, SubmittedNotebook
from sqlalchemy import select


@dataclass
class Graded:
    """A student who has points.

    Attributes:
        name: last and first, as far as the gradebook has them.
        late: the points that being late takes off.
        parts: the points of each, a person's where there are some, else the machine's; None where a person has yet to
            give them.
        by_hand: how many of them a person gave.
    """

    name: str
    late: float
    parts: dict[str, float | None] = field(default_factory=dict)
    by_hand: int = 0

    @property
    def points(self) -> float:
        """All that are given so far, as nbgrader exports them."""
        return max(0.0, sum(points or 0 for points in self.parts.values()) - self.late)


@dataclass(frozen=True)
class ClassPoints:
    """What each part gives, and what each student has."""

    most: Mapping[str, float]
    students: Mapping[str, Graded]


def points_of_class(db_url: str, assignment: str) -> ClassPoints:
    """The points of all whose submission is graded.

    Raises:
        MissingEntry: the gradebook does not have the assignment.
    """
    students: dict[str, Graded] = {}
    with Gradebook(db_url) as gradebook:
        asked = gradebook.find_assignment(assignment)
        cells = {
            cell.id: cell for notebook in asked.notebooks for cell in (*notebook.grade_cells, *notebook.task_cells)
        }
        # By nbgrader's objects, each of a class of thousands would be asked for by a query of its own.
        rows = gradebook.db.execute(
            select(
                *(Student.id, Student.last_name, Student.first_name, SubmittedNotebook.late_submission_penalty),
                *(Grade.cell_id, Grade.auto_score, Grade.manual_score, Grade.score),
            )
            .select_from(Grade)
            .join(SubmittedNotebook, Grade.notebook_id == SubmittedNotebook.id)
            .join(SubmittedAssignment, SubmittedNotebook.assignment_id == SubmittedAssignment.id)
            .join(Student, SubmittedAssignment.student_id == Student.id)
            .where(SubmittedAssignment.assignment_id == asked.id)
        )
        for student, last, first, late, cell, by_machine, by_hand, score in rows:
            if student not in students:
                students[student] = Graded(", ".join(filter(None, (last, first))), late or 0)
            is_given = by_machine is not None or by_hand is not None
            students[student].parts[cells[cell].name] = score if is_given else None
            students[student].by_hand += by_hand is not None
        return ClassPoints({cell.name: cell.max_score for cell in cells.values()}, students)
