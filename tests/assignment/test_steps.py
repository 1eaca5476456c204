"""nbgrader's steps: the intake comes before them and the judge is one of them, or nothing is graded."""

import pytest
from grading.converter import TakingIn
from grading.judge import Judge
from grading.pages.feedback import FeedbackPage
from grading.pages.formgrader import SEAMS
from grading.restore import RestoreCells
from grading.steps import (
    JudgeFollows,
    OnlyJudged,
    OnlyTakenIn,
    Refusal,
    put_in_the_intake,
    put_in_the_judge,
    put_in_the_pages,
    with_judge,
)
from nbconvert.preprocessors import ClearMetadataPreprocessor
from nbformat.v4 import new_notebook
from nbgrader.apps import api, autogradeapp
from nbgrader.converters import Autograde, GenerateFeedback
from nbgrader.preprocessors import AssignLatePenalties, Execute, LimitOutput, SaveAutoGrades
from traitlets.config import Config


@pytest.fixture
def course():
    config = Config()
    put_in_the_judge(config)
    return config


def test_the_judge_is_where_nbgrader_would_run_the_tests(course):
    steps = course.Autograde.autograde_preprocessors
    assert Execute not in steps and steps.index(Judge) < steps.index(ClearMetadataPreprocessor)
    # What they would write, the intake does, in one transaction.
    assert SaveAutoGrades not in steps and AssignLatePenalties not in steps
    first, second, third, *others = course.Autograde.sanitize_preprocessors
    assert (first, second, third) == (OnlyTakenIn, JudgeFollows, RestoreCells) and len(others) >= 5


def test_it_is_in_the_steps_that_nbgrader_takes(course):
    """Not only in the configuration, which another version might not read."""
    assert Autograde(config=course).autograde_preprocessors == course.Autograde.autograde_preprocessors
    assert Autograde(config=course).sanitize_preprocessors == course.Autograde.sanitize_preprocessors
    assert GenerateFeedback(config=course).preprocessors[0] is OnlyJudged


@pytest.mark.parametrize(("steps", "count"), [([LimitOutput], 0), ([Execute, LimitOutput, Execute], 2)])
def test_other_steps_of_nbgrader_are_refused(steps, count):
    with pytest.raises(Refusal, match=f"executes notebooks in {count} of its steps .*LimitOutput.*Install the version"):
        with_judge(steps)


@pytest.mark.parametrize("steps", [[Execute, SaveAutoGrades], [Execute, SaveAutoGrades, *2 * [AssignLatePenalties]]])
def test_a_version_of_nbgrader_that_writes_grades_otherwise_is_refused(steps):
    with pytest.raises(Refusal, match="writes grades otherwise than by AssignLatePenalties, .*; install the version"):
        with_judge(steps)


@pytest.mark.parametrize("name", ["sanitize_preprocessors", "autograde_preprocessors"])
def test_a_version_of_nbgrader_without_these_steps_is_refused(monkeypatch, name):
    traits = {key: trait for key, trait in Autograde.class_traits().items() if key != name}
    monkeypatch.setattr(Autograde, "class_traits", lambda: traits)
    with pytest.raises(Refusal, match=f"has no Autograde.{name}, in which the judge would be put"):
        put_in_the_judge(Config())


@pytest.mark.parametrize("steps", [[], ["nbgrader.preprocessors.Execute"], [Execute, SaveAutoGrades]])
def test_steps_without_the_judge_are_refused(course, steps):
    course.Autograde.autograde_preprocessors = steps
    with pytest.raises(Refusal, match="nothing would be judged; leave it as nbgrader_config.py of this course sets it"):
        JudgeFollows(config=course).preprocess(new_notebook(), {})


@pytest.mark.parametrize("steps", [None, ["grading.judge.Judge"]])
def test_steps_with_the_judge_are_let_through(course, steps):
    if steps:
        course.Autograde.autograde_preprocessors = steps
    notebook = new_notebook()
    assert JudgeFollows(config=course).preprocess(notebook, {}) == (notebook, {})


def test_only_what_was_judged_gets_feedback():
    with pytest.raises(Refusal, match="graded without the judge, so its points mean nothing. Grade it again"):
        OnlyJudged().preprocess(new_notebook(), {})
    judged = new_notebook(metadata={"judged": True})
    assert OnlyJudged().preprocess(judged, {}) == (judged, {})


def test_what_was_not_taken_in_is_refused():
    with pytest.raises(Refusal, match="was not taken in, so its files may be anything"):
        OnlyTakenIn().preprocess(new_notebook(metadata={"taken in": []}), {"nbgrader": {}})
    notebook, resources = new_notebook(), {"nbgrader": {"taken in": []}}
    assert OnlyTakenIn().preprocess(notebook, resources) == (notebook, resources)


@pytest.mark.parametrize("place", [autogradeapp, api])
def test_a_version_of_nbgrader_that_would_not_call_the_intake_is_refused(monkeypatch, place):
    monkeypatch.delattr(place, "Autograde")
    with pytest.raises(Refusal, match=f"has no Autograde in {place.__name__}, in whose place submissions would"):
        put_in_the_intake()


def test_the_command_and_the_formgrader_take_in(monkeypatch):
    for place in (autogradeapp, api):
        monkeypatch.setattr(place, "Autograde", Autograde)
        put_in_the_intake()
        put_in_the_intake()
        assert place.Autograde is TakingIn


@pytest.fixture
def seams(monkeypatch):
    """What nbgrader's classes have before, and again afterwards."""
    for owner, name, _ in SEAMS:
        monkeypatch.setattr(owner, name, getattr(owner, name))


def test_the_pages_are_put_where_nbgrader_takes_them_from(seams):
    config = Config()
    put_in_the_pages(config)
    assert GenerateFeedback(config=config).exporter_class is FeedbackPage
    assert all(getattr(owner, name) is ours for owner, name, ours in SEAMS)


def test_a_version_of_nbgrader_with_another_exporter_is_refused(seams, monkeypatch):
    traits = {key: trait for key, trait in GenerateFeedback.class_traits().items() if key != "exporter_class"}
    monkeypatch.setattr(GenerateFeedback, "class_traits", lambda: traits)
    config = Config()
    with pytest.raises(Refusal, match="makes its pages in another way, so what students hand in could run in them"):
        put_in_the_pages(config)
    assert "GenerateFeedback" not in config


@pytest.mark.parametrize("seam", range(len(SEAMS)))
def test_a_version_of_nbgrader_with_other_pages_is_refused(seams, monkeypatch, seam):
    """And nothing is changed by halves."""
    owner, name, ours = SEAMS[seam]
    monkeypatch.setattr("grading.steps.SEAMS", SEAMS[:seam] + [(owner, f"{name}_of_old", ours)] + SEAMS[seam + 1 :])
    before = [getattr(owner, name) for owner, name, _ in SEAMS]
    with pytest.raises(Refusal, match="install the version that pyproject.toml names"):
        put_in_the_pages(Config())
    assert [getattr(owner, name) for owner, name, _ in SEAMS] == before
