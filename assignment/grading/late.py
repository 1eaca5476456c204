"""What is taken off when something is handed in late, where nbgrader asks for it."""

from math import ceil

from nbgrader.plugins import LateSubmissionPlugin

from grading.settings import settings_of

_DAY = 24 * 60 * 60


class DailyPenalty(LateSubmissionPlugin):
    """Takes off the penalty of the settings for each day that begins after the deadline."""

    def late_submission_penalty(self, student_id: str, score: float, total_seconds_late: float) -> float | None:
        """The points that are taken off; nbgrader takes off no more than there are."""
        if penalty := settings_of(self.parent.assignment_id).penalty:
            return penalty * ceil(total_seconds_late / _DAY)
        return super().late_submission_penalty(student_id, score, total_seconds_late)
