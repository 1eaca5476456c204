"""Other settings, for several groups in one clone: nbgrader grades what is right, and a mistake, as they say."""

import json
import os
import re
import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor

import nbformat
import pytest
from course import LIMITS, Course
from grading.settings import settings_of
from nbgrader.api import Gradebook
from source_folder import make
from submissions import EVERYTHING, SETTINGS, TASKS, copy_of_the_course, fill, mistaken, solution
from test_grading import COSTS, untrained

ALL = {**dict.fromkeys(EVERYTHING, 5), **SETTINGS.points}
WITHOUT_1B = {part: worth for part, worth in ALL.items() if part != "look_inside"}
WITHOUT_TASK_1 = {part: worth for part, worth in ALL.items() if part not in TASKS["network"]}
TASK_2 = dict.fromkeys(TASKS["deconvnet"], 2.5)

# The title, the digits, the points of the parts, and a mistake. Each list is a clone.
CLONES = [
    {
        "more_for_unpool": ("What?", [0, 1, 5, 8], ALL | {"unpool": 16, "words": 2}, "7 upsampled"),
        "without_1b": ("Was sieht eine Merkmalskarte?", [9, 2, 4], WITHOUT_1B, "1 not flipped"),
    },
    {
        "task_2_alone": ("Deconvnet", [3, 7], TASK_2, "10 biases added"),
        "without_task_1": ("What?", [6, 0], WITHOUT_TASK_1 | {"to_uint8": 14}, "4 cast without scaling"),
        "one_step": ("ReLU", [1, 2], {"rectify": 1}, "6 not rectified"),
    },
]
GROUPS = {name: (clone, *group) for clone, groups in enumerate(CLONES) for name, group in groups.items()}

GENERATE = """
import sys
from nbgrader.apps import NbGraderAPI
from traitlets.config import Config
config = Config()
config.CourseDirectory.root = sys.argv[1]
for name in sys.argv[2:]:
    assert NbGraderAPI(config=config).generate_assignment(name)["success"], name
"""


@pytest.fixture(scope="module")
def clones(tmp_path_factory, trained):
    """Two courses with their assignments, in each of which two students are graded: one has a mistake."""

    def grade(groups):
        course = Course(copy_of_the_course(tmp_path_factory.mktemp("a clone") / "of mine"))
        for name, (title, digits, points, _) in groups.items():
            lines = [f"title = {json.dumps(title)}", f"digits = {digits}", "[points]"]
            lines += [f"{part} = {worth}" for part, worth in points.items()]
            (course.folder / "courses" / f"{name}.toml").write_text("\n".join(lines), encoding="utf-8")
            make(settings_of(name, course.folder))
        path = os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]])  # as in an active environment
        line = [sys.executable, "-W", "ignore", "-c", GENERATE, course.folder, *groups]
        subprocess.run(line, env=os.environ | {"PATH": path}, check=True, capture_output=True)
        for name, (*_, points, mistake) in groups.items():
            right = solution("transposed", points)
            template = nbformat.read(course.folder / "release" / name / f"{name}.ipynb", as_version=4)
            for student, code in {"right": right, "mistaken": mistaken(right, mistake)[1]}.items():
                notebook = nbformat.writes(untrained(fill(template, code)))
                folder = course.folder / "submitted" / student / name
                folder.mkdir(parents=True)
                (folder / f"{name}.ipynb").write_text(notebook, encoding="utf-8")
                (folder / "weights.pt").write_bytes(trained)
            course.said = course.nbgrader("autograde", name, *LIMITS)
        return course

    with ThreadPoolExecutor() as both:
        return list(both.map(grade, CLONES))


def points_of(course, name, student):
    with Gradebook(f"sqlite:///{course.folder / 'gradebook.db'}") as gradebook:
        (notebook,) = gradebook.find_submission(name, student).notebooks
        return {grade.name: (grade.score, grade.max_score) for grade in notebook.grades if grade.name != "words"}


@pytest.mark.parametrize("name", GROUPS)
def test_each_group_is_graded_by_its_own_settings(clones, name):
    clone, _, digits, points, mistake = GROUPS[name]
    course = clones[clone]
    worth = {part: points[part] for part in points if part != "words"}
    assert points_of(course, name, "right") == {part: (most, most) for part, most in worth.items()}, course.said
    lost = {part: most - got for part, (got, most) in points_of(course, name, "mistaken").items() if got < most}
    ((part, cost),) = lost.items()
    assert cost == pytest.approx(points[part] * COSTS[mistake], abs=0.01)
    graded = nbformat.read(course.folder / "autograded" / "right" / name / f"{name}.ipynb", as_version=4)
    said = "".join(str(cell.get("outputs", "")) for cell in graded.cells)
    if "choose" in points:
        listed = f"{', '.join(map(str, digits[:-1]))} and {digits[-1]}"
        assert f"chosen, for {listed}" in said


@pytest.mark.parametrize("name", GROUPS)
def test_each_group_reads_its_own_settings(clones, name):
    clone, title, digits, points, _ = GROUPS[name]
    released = clones[clone].folder / "release" / name
    text = "\n".join(cell.source for cell in nbformat.read(released / f"{name}.ipynb", as_version=4).cells)
    assert text.startswith(f"# {title}\n")
    promised = [float(worth) for worth in re.findall(r"^## \d\w · .*\((\S+) points\)$", text, re.MULTILINE)]
    assert promised == list(points.values())
    assert json.loads((released / "settings.json").read_text())["digits"] == digits
