"""Where nbgrader calls the intake and the judge, and what it says if it would not."""

from collections.abc import Sequence

import nbgrader
import nbgrader.apps.api
import nbgrader.apps.autogradeapp
from nbformat.notebooknode import NotebookNode
from nbgrader.converters import Autograde, GenerateFeedback
from nbgrader.preprocessors import AssignLatePenalties, Execute, NbGraderPreprocessor, SaveAutoGrades
from traitlets import TraitType
from traitlets.config import Config, Configurable

from grading.converter import TakingIn, in_a_sentence, submitted_timestamp
from grading.judge import Judge
from grading.late import DailyPenalty
from grading.pages.feedback import FeedbackPage
from grading.pages.formgrader import SEAMS
from grading.pages.waiting import MarkWaiting
from grading.restore import JUDGED, TAKEN_IN, RestoreCells

# What nbgrader does cell by cell, so that whoever is killed between leaves a half: see `transaction`.
_WRITING = (SaveAutoGrades, AssignLatePenalties)


class Refusal(Exception):
    """Something would be graded without the intake, or without the judge."""


class OnlyTakenIn(NbGraderPreprocessor):
    """Lets no notebook through that comes straight from a folder that somebody has handed in."""

    def preprocess(self, nb: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
        if TAKEN_IN not in resources["nbgrader"]:
            raise Refusal("this submission was not taken in, so its files may be anything; see put_in_the_intake")
        return nb, resources


class JudgeFollows(NbGraderPreprocessor):
    """Lets no submission through to steps in which there is no judge, whoever has changed them."""

    def preprocess(self, nb: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
        steps = self.config.Autograde.get("autograde_preprocessors", [])
        if not any(step in (Judge, f"{Judge.__module__}.{Judge.__name__}") for step in steps):
            raise Refusal(
                f"Autograde.autograde_preprocessors is set to {steps}, so nothing would be judged; leave it as "
                "nbgrader_config.py of this course sets it"
            )
        return nb, resources


class OnlyJudged(NbGraderPreprocessor):
    """Lets no notebook through that does not bear the judge's mark."""

    def preprocess(self, nb: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
        if not nb.metadata.get(JUDGED):
            raise Refusal(
                "this notebook was graded without the judge, so its points mean nothing. Grade it again: nbgrader "
                "autograde --force, in the folder of this course's nbgrader_config.py"
            )
        return nb, resources


def put_in_the_judge(c: Config) -> None:
    """nbgrader's own steps, after one that puts the notebook right, and with the judge where it would run the tests.

    Feedback is written of notebooks alone that bear the judge's mark.

    Raises:
        Refusal: this version of nbgrader has other steps, so that the judge would not be called.
    """
    c.Autograde.sanitize_preprocessors = [
        OnlyTakenIn,
        JudgeFollows,
        RestoreCells,
        *_usual(Autograde, "sanitize_preprocessors"),
    ]
    c.Autograde.autograde_preprocessors = with_judge(_usual(Autograde, "autograde_preprocessors"))
    c.AssignLatePenalties.plugin_class = DailyPenalty
    c.GenerateFeedback.preprocessors = [OnlyJudged, *_usual(GenerateFeedback, "preprocessors"), MarkWaiting]


def put_in_the_intake() -> None:
    """Let nbgrader's commands and the formgrader take in what was handed in, before they copy any of it.

    nbgrader's configuration has no place for this: its hooks are called late, and what they raise is passed over.

    Raises:
        Refusal: this version of nbgrader grades in another way, so that the intake would not be called.
    """
    apps = nbgrader.apps
    for place in (apps.autogradeapp, apps.api):
        if not issubclass(getattr(place, "Autograde", object), Autograde):
            raise Refusal(
                f"nbgrader {nbgrader.__version__} has no Autograde in {place.__name__}, in whose place submissions "
                "would be taken in; install the version that pyproject.toml names"
            )
        place.Autograde = TakingIn
    apps.api.capture_log = in_a_sentence(nbgrader.utils.capture_log)
    apps.api.NbGraderAPI.get_submitted_timestamp = submitted_timestamp


def put_in_the_pages(c: Config) -> None:
    """The pages of this course in the place of nbgrader's: the feedback, and formgrader's where it is loaded.

    Raises:
        Refusal: this version of nbgrader makes its pages in another way.
    """
    if _trait(GenerateFeedback, "exporter_class") is None or any(not hasattr(owner, name) for owner, name, _ in SEAMS):
        raise Refusal(
            f"nbgrader {nbgrader.__version__} makes its pages in another way, so what students hand in could run in "
            "them; install the version that pyproject.toml names"
        )
    c.GenerateFeedback.exporter_class = FeedbackPage
    for owner, name, ours in SEAMS:
        setattr(owner, name, ours)


def with_judge(steps: Sequence[type]) -> list[type]:
    """The `steps` with the judge in the place of the one in which nbgrader executes notebooks.

    Those that write into the gradebook are left out: the intake does that, when all the others are done.
    """
    if (count := list(steps).count(Execute)) != 1:
        raise Refusal(
            f"nbgrader {nbgrader.__version__} executes notebooks in {count} of its steps "
            f"({', '.join(getattr(step, '__name__', str(step)) for step in steps)}); the judge takes the place of one. "
            "Install the version that pyproject.toml names"
        )
    if missing := [step.__name__ for step in _WRITING if list(steps).count(step) != 1]:
        raise Refusal(
            f"nbgrader {nbgrader.__version__} writes grades otherwise than by {' and '.join(missing)}, in whose place "
            "they would be written in one transaction; install the version that pyproject.toml names"
        )
    return [Judge if step is Execute else step for step in steps if step not in _WRITING]


def _usual(converter: type[Configurable], name: str) -> list[type]:
    trait = _trait(converter, name)
    steps = None if trait is None else trait.default()
    if steps is None:
        raise Refusal(
            f"nbgrader {nbgrader.__version__} has no {converter.__name__}.{name}, in which the judge would be put; "
            "install the version that pyproject.toml names"
        )
    return list(steps)


def _trait(converter: type[Configurable], name: str) -> TraitType | None:
    return converter.class_traits().get(name)
