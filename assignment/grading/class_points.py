"""The points of a whole class, as they stand in the gradebook: whoever wants points reads them here."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from nbgrader.api import BaseCell, Comment, Grade, Gradebook, Student, SubmittedAssignment, SubmittedNotebook
from sqlalchemy import select


@dataclass(frozen=True)
class Points:
    """Those of one part; None where the judge, or a person, gave none."""

    most: float
    judge: float | None
    hand: float | None
    extra: float = 0

    @property
    def given(self) -> float | None:
        """A person's, where there are some, else the judge's; None where a person has yet to give them."""
        base = self.judge if self.hand is None else self.hand
        return None if base is None else base + self.extra

    @property
    def points(self) -> float:
        """All that are given so far."""
        return self.extra if self.given is None else self.given


@dataclass
class Graded:
    """A student who has points.

    Attributes:
        name: last and first, as far as the gradebook has them.
        late: the points that being late takes off.
        points_of: each part's.
    """

    name: str
    late: float
    points_of: dict[str, Points] = field(default_factory=dict)

    @cached_property
    def parts(self) -> dict[str, float | None]:
        """The points of each part, a person's where there are some; None where a person has yet to give them."""
        return {name: one.given for name, one in self.points_of.items()}

    @property
    def by_hand(self) -> int:
        """In how many parts a person gave them."""
        return sum(one.hand is not None for one in self.points_of.values())

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
                *(Grade.cell_id, Grade.auto_score, Grade.manual_score, Grade.extra_credit),
            )
            .select_from(Grade)
            .join(SubmittedNotebook, Grade.notebook_id == SubmittedNotebook.id)
            .join(SubmittedAssignment, SubmittedNotebook.assignment_id == SubmittedAssignment.id)
            .join(Student, SubmittedAssignment.student_id == Student.id)
            .where(SubmittedAssignment.assignment_id == asked.id)
        )
        for student, last, first, late, cell, judge, hand, extra in rows:
            if student not in students:
                students[student] = Graded(", ".join(filter(None, (last, first))), late or 0)
            part = cells[cell]
            students[student].points_of[part.name] = Points(part.max_score, judge, hand, extra or 0)
        return ClassPoints({cell.name: cell.max_score for cell in cells.values()}, students)


def comments_of_class(db_url: str, assignment: str) -> dict[str, dict[str, str]]:
    """What is written below each cell, by the students and the names of the cells, as a page of feedback shows it.

    Raises:
        MissingEntry: the gradebook does not have the assignment.
    """
    comments: defaultdict[str, dict[str, str]] = defaultdict(dict)
    with Gradebook(db_url) as gradebook:
        rows = gradebook.db.execute(
            select(SubmittedAssignment.student_id, BaseCell.name, Comment.comment)
            .select_from(Comment)
            .join(SubmittedNotebook, Comment.notebook_id == SubmittedNotebook.id)
            .join(SubmittedAssignment, SubmittedNotebook.assignment_id == SubmittedAssignment.id)
            .join(BaseCell, Comment.cell_id == BaseCell.id)
            .where(SubmittedAssignment.assignment_id == gradebook.find_assignment(assignment).id)
        )
        for student, cell, comment in rows:
            comments[student][cell] = comment or ""
    return dict(comments)
