"""nbgrader's own commands grade a class of made submissions, and each gets what it deserves."""

import csv
import re
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle

import nbformat
import pytest
from course import LIMITS, NAME, Course
from submissions import (
    ADDRESS,
    IN_DOUBLE_PRECISION,
    MISTAKES,
    NORMALISED,
    PARTS,
    SETTINGS,
    SOURCE,
    answered,
    cell_named,
    fill,
    mistaken,
    parts_of,
    solution,
    with_cell,
)

TRAINING = "my_network = build_cnn()\ntrain(my_network, images, labels)"
# Handed in along with the notebook by those whose training is not what is tested here.
STEPS = [part for part in parts_of("deconvnet") if part != "project"]
# Below the first cells, which import and load.
BEFORE_THE_PARTS = 4
LOADING = """my_network = build_cnn()
for parameter, value in zip(my_network.parameters(), torch.load("weights.pt"), strict=True):
    parameter.data.copy_(value)"""

GREEDY = "hoard = [bytearray(10 * 2**30)]\nfor k in range(0, 10 * 2**30, 4096):\n    hoard[0][k] = 1"
TALKATIVE = "for k in range(50_000):\n    print('blah ' * 200)"

# Within a function that the judge calls; and a message that is none.
DISPLAYING = """
rectify_quietly = rectify
def rectify(signal):
    from IPython.display import display
    bar = display("starts", display_id=True)
    bar.update("ends")
    kernel = get_ipython().kernel
    kernel.session.send(kernel.iopub_socket, "display_data", {"metadata": {}}, parent=kernel.get_parent())
    return rectify_quietly(signal)
"""

# Everything that code in the student's kernel might try, with nothing solved.
TAMPERING = """
import builtins, sys
from IPython import get_ipython
from IPython.display import display

class Yes:
    def __eq__(self, other): return True
    def __getattr__(self, name): return self
    def __call__(self, *given, **named): return self
    def __bool__(self): return True

torch.allclose = torch.equal = builtins.all = lambda *given, **named: True
torch.Tensor.equal = lambda *given: True
sys.modules["grading"] = sys.modules["grading.judge"] = Yes()
check.Wrong = type("Wrong", (SystemExit,), {})
shell = get_ipython()
shell.events.register("post_run_cell", lambda result: display({"text/plain": "10"}, raw=True, display_id="points"))
for name in ("build_cnn", "look_inside", "train", "unpool", "rectify", "filter_back", "keep_channel", "project",
             "choose", "visualise", "to_uint8", "my_network", "chosen", "grids", "email", "mistakes"):
    shell.user_ns[name] = Yes()
"""


UNGRADABLE = {
    "hands in a text": {"solution.txt": "see attached"},
    "hands in rubbish": {f"{NAME}.ipynb": "{'cells': oops"},
}


def untrained(notebook):
    for cell in notebook.cells:
        if cell.source == TRAINING:
            cell.source = LOADING
    return notebook


@pytest.fixture(scope="module")
def the_class(new_course, trained) -> dict[str, Course]:
    """The graded students, and for each one the course: there are two, which are graded at the same time."""
    courses, handed_in = cycle([new_course(), new_course()]), {}
    course = next(courses)
    template = course.template()
    right = solution("transposed")
    filled = untrained(fill(template, right))

    def hand_in(student, notebook, name=f"{NAME}.ipynb", start=""):
        handed_in[student] = next(courses)
        notebook = nbformat.from_dict(notebook)
        for cell in notebook.cells:
            if ADDRESS in cell.source:
                cell.source = answered(f"{student.replace(' ', '.')}@example.org")
        handed_in[student].hand_in(student, {name: start + nbformat.writes(notebook), "weights.pt": trained})

    hand_in("template", template)
    hand_in("transposed", fill(template, right))
    # As a browser calls the second download, and as some editors begin a file.
    hand_in("loops", fill(template, solution("loops")), name=f"{NAME} (1).ipynb", start="\ufeff")
    # `network` is what task 2 gives, so that is in double precision from there on.
    images, network = IN_DOUBLE_PRECISION.rsplit("\n", 1)
    doubled = with_cell(fill(template, right), network, at=_place(template, "unpool_solution"))
    hand_in("in double precision", with_cell(doubled, images, at=BEFORE_THE_PARTS))
    hand_in("normalises", with_cell(fill(template, right), NORMALISED, at=BEFORE_THE_PARTS))
    for name in MISTAKES:
        hand_in(name, untrained(fill(template, mistaken(right, name)[1])))

    without_task_1 = {part: code for part, code in right.items() if part not in parts_of("network")}
    hand_in("task 1 missing", fill(template, without_task_1))
    broken = {"build_cnn": "def build_cnn(: oops", "train": "import nothing"}
    hand_in("task 1 broken", fill(template, right | {part: broken[part] for part in broken if part in PARTS}))
    hand_in("only steps", fill(template, {part: right[part] for part in STEPS}))
    hand_in("only order", fill(template, {part: right[part] for part in ("project", "visualise")}))
    given = "my_network = build_cnn()\nfor a, b in zip(my_network.parameters(), given_network().parameters()):\n"
    if "train" in PARTS:
        hand_in("given", with_cell(filled, given + "    a.data.copy_(b)", at=_place(filled, "train")))

    hand_in("leaves", with_cell(filled, "import sys\nsys.exit()", at=1))
    hand_in("kills", with_cell(filled, "import os\nos._exit(0)", at=_place(filled, "unpool")))
    hand_in("kills when called", fill(filled, {"rectify": "def rectify(signal):\n    __import__('os').abort()\n"}))
    hand_in("greedy", with_cell(filled, GREEDY, at=1))
    hand_in("talkative", with_cell(filled, TALKATIVE, at=1))
    hand_in("fails at once", with_cell(filled, "raise ValueError('no coffee')", at=0))

    deleted = nbformat.from_dict(filled)
    gone = ("rectify_solution", "rectify", "filter_back", "choose")
    deleted.cells = [c for c in deleted.cells if c.metadata.get("nbgrader", {}).get("grade_id") not in gone]
    hand_in("deletes", deleted)
    changed = nbformat.from_dict(fill(filled, {"rectify": "rectify = None"}))
    cell_named(changed, "rectify").source = "3"
    cell_named(changed, "rectify").metadata.nbgrader["points"] = 1000
    hand_in("changes tests", changed)
    copied = nbformat.from_dict(filled)
    pasted = nbformat.from_dict(cell_named(copied, "rectify_solution") | {"id": "pasted"})
    copied.cells.insert(_place(copied, "rectify"), pasted)
    hand_in("copies a cell", copied)
    strange = nbformat.from_dict(filled)
    cell_named(strange, "rectify_solution").metadata.nbgrader["schema_version"] = 99
    cell_named(strange, "unpool").metadata.nbgrader |= {"solution": True, "locked": False, "grade": "yes"}
    cell_named(strange, "project").metadata.nbgrader = 7
    hand_in("strange data", strange)
    hand_in("displays", fill(filled, {"rectify": right["rectify"] + DISPLAYING}))
    hand_in("tampers", with_cell(template, TAMPERING, at=BEFORE_THE_PARTS + 1))
    for student, files in UNGRADABLE.items():
        handed_in[student] = course
        course.hand_in(student, files)

    def grade(course):
        course.said = course.nbgrader("autograde", NAME, *LIMITS)
        course.nbgrader("generate_feedback", NAME)

    with ThreadPoolExecutor() as both:
        list(both.map(grade, [course, next(one for one in handed_in.values() if one is not course)]))
    return handed_in


def _place(notebook, name):
    return notebook.cells.index(cell_named(notebook, name))


def lost(graded, student):
    """The parts in which `student` has lost points, but for the words, which a person reads."""
    points = graded[student].points(student)
    assert {part: most for part, (_, most) in points.items()} == MOST
    return {part: most - earned for part, (earned, most) in points.items() if earned < most and part != "words"}


MOST = dict(SETTINGS.points)


def test_the_reference_gets_all_points(new_course):
    """It leans on the helpers that students don't have, so here nothing is withheld."""
    course = new_course()
    course.hand_in("reference", {f"{NAME}.ipynb": (SOURCE / f"{NAME}.ipynb").read_bytes()})
    course.nbgrader("autograde", NAME, "--Judge.released=helpers", *LIMITS)
    assert lost({"reference": course}, "reference") == {}


def test_the_template_gets_none(the_class):
    points = the_class["template"].points("template")
    assert {part: earned for part, (earned, _) in points.items() if earned} == {}


def test_without_the_judge_nothing_is_given(new_course):
    """If the configuration is lost, nbgrader runs the test cells itself, and the hidden part of each raises."""
    course = new_course()
    (course.folder / "nbgrader_config.py").write_text('c = get_config()\nc.CourseDirectory.course_id = "a"\n')
    rectify = {"rectify": solution("transposed")["rectify"]}
    course.hand_in("careless", {f"{NAME}.ipynb": nbformat.writes(fill(course.template(), rectify))})
    course.nbgrader("autograde", NAME)
    assert {part: earned for part, (earned, _) in course.points("careless").items() if earned} == {}
    assert "the judge gives these points; nbgrader_config.py names it" in str(
        cell_named(course.graded("careless"), "rectify").outputs
    )


@pytest.mark.parametrize("student", ["transposed", "loops", "in double precision"])
def test_right_solutions_get_all_points(the_class, student):
    assert lost(the_class, student) == {}
    usual = f"the notebook was handed in as `{NAME} (1).ipynb`." if student == "loops" else "nothing unusual happened."
    assert the_class[student].record(student) == f"**Record of the grading**\n\n- {usual}"


def test_normalised_images_cost_points_of_what_is_made_of_them(the_class):
    """The checks say so beforehand: in the grading, images are as they were handed out."""
    assert {"grids"} <= set(lost(the_class, "normalises")) <= {"train", "choose", "grids"}


def test_grading_is_refused_where_the_judge_is_taken_out(new_course):
    course = new_course()
    course.hand_in("somebody", {f"{NAME}.ipynb": nbformat.writes(course.template())})
    said = course.nbgrader("autograde", NAME, "--Autograde.autograde_preprocessors=nbgrader.preprocessors.Execute")
    assert "nothing would be judged; leave it as nbgrader_config.py of this course sets it" in said
    assert not (course.folder / "autograded" / "somebody" / NAME).exists()


def test_there_is_no_feedback_on_what_was_not_judged(new_course):
    course = new_course()
    course.hand_in("somebody", {f"{NAME}.ipynb": nbformat.writes(course.template())})
    configuration = course.folder / "nbgrader_config.py"
    ours = configuration.read_text()
    configuration.write_text('c = get_config()\nc.CourseDirectory.course_id = "inside_lenet5"\n')
    course.nbgrader("autograde", NAME)
    configuration.write_text(ours)
    assert "graded without the judge, so its points mean nothing" in course.nbgrader("generate_feedback", NAME)
    assert not (course.folder / "feedback" / "somebody" / NAME / f"{NAME}.html").exists()


@pytest.mark.parametrize("name", MISTAKES)
def test_each_mistake_costs_points_of_its_own_part_alone(the_class, name):
    assert list(lost(the_class, name)) == [MISTAKES[name][0]]


# Of the points of its part. How much a misread image costs depends on which one is chosen.
COSTS = {
    **{"1 not flipped": 6 / 13, "2 transposed": 6 / 13, "3 wrong padding": 4 / 13, "3 no padding": 4 / 13},
    **{"10 biases added": 3 / 13, "6 not rectified": 1, "6 rectified after": 1, "8 zeroed again": 0.7},
    **{"7 other switches": 0.2, "7 upsampled": 1, "8 others not zeroed": 1},
    **{"4 cast without scaling": 4 / 5, "5 own scale": 4 / 5},
}


def test_partial_credit_is_as_the_text_says(the_class):
    costs = {name: lost(the_class, name)[MISTAKES[name][0]] / MOST[MISTAKES[name][0]] for name in MISTAKES}
    assert costs.pop("9 misread", 1) >= 0.6
    assert costs == pytest.approx({name: COSTS[name] for name in costs}, abs=0.01)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("1 not flipped", "the filters come out upside down and mirrored"),
        ("2 transposed", "height and width of the filters are exchanged"),
        ("3 wrong padding", "it is 26×26, the input 28×28"),
        ("4 cast without scaling", "wrap round"),
        ("5 own scale", "wanted: zero is 128 in all maps. Found: it is"),
        ("6 not rectified", "negative values come through"),
        ("6 rectified after", "it is rectified after filtering; rectify comes before"),
        ("7 upsampled", "each value fills its window"),
        ("7 other switches", "the switches of the first image are used for all"),
        ("8 others not zeroed", "the other maps are not zero"),
        ("9 misread", "that is read as a"),
        ("10 biases added", "the biases are added on the way back"),
    ],
)
def test_the_feedback_names_the_mistake(the_class, name, words):
    assert words in the_class[name].feedback(name)


def test_the_feedback_shows_no_hidden_test(the_class):
    assert "HIDDEN TESTS" not in the_class["transposed"].feedback("transposed")


@pytest.mark.parametrize("student", ["task 1 missing", "task 1 broken"])
def test_without_task_1_the_points_of_the_others_remain(the_class, student):
    assert lost(the_class, student) == {part: MOST[part] for part in parts_of("network")}


def test_steps_count_without_their_order_and_the_order_without_the_steps(the_class):
    assert set(PARTS) - set(lost(the_class, "only steps")) == set(STEPS)
    assert set(PARTS) - set(lost(the_class, "only order")) == {"project", "visualise"}


def test_the_weights_of_the_given_network_are_no_training(the_class):
    assert lost(the_class, "given") == {"train": 0.6 * MOST["train"]}
    assert "it computes what the given network does" in the_class["given"].feedback("given")


@pytest.mark.parametrize(
    ("student", "loses", "says"),
    [
        ("leaves", set(), r"SystemExit in the cell `import sys`"),
        ("kills", set(), r"the kernel died in the cell `import os`"),
        ("kills when called", {"rectify"}, r"the kernel died when `rectify` was called"),
        ("greedy", set(), r"MemoryError in the cell `hoard = "),
        ("talkative", set(), r"puts out more than 50 kB; cut"),
        ("fails at once", set(), r"ValueError in the cell `raise ValueError\('no coffee'\)`: no coffee"),
        ("deletes", {"rectify"}, r"the cell `choose` was missing; it was put back"),
        ("copies a cell", set(), "nothing unusual happened"),
        ("strange data", set(), r"the data of the cell `unpool` had been changed; they were put back"),
        ("displays", set(), r"a message of the kernel could not be read"),
        ("changes tests", {"rectify"}, r"the cell `rectify` had been changed; it was put back"),
    ],
)
def test_trouble_costs_its_own_part_alone_and_is_on_record(the_class, student, loses, says):
    assert set(lost(the_class, student)) == loses
    assert re.search(says, the_class[student].record(student))
    assert "Record of the grading" in the_class[student].feedback(student)


def test_whatever_is_done_in_the_kernel_gives_no_points(the_class):
    points = the_class["tampers"].points("tampers")
    assert {part: earned for part, (earned, _) in points.items() if earned} == {}


def test_what_can_not_be_graded_is_named(the_class):
    said = the_class["hands in a text"].said
    assert "Not graded: hands in a text: there is no notebook, only `solution.txt`" in said
    assert "Not graded: hands in rubbish: there is no notebook of this assignment. `inside_lenet5.ipynb`: it" in said
    assert "Traceback" not in said


def test_megabytes_of_output_do_not_reach_the_feedback(the_class):
    assert len(the_class["talkative"].feedback("talkative")) < 2_000_000


def test_the_points_can_be_exported(the_class):
    student = "1 not flipped"
    course = the_class[student]
    course.nbgrader("export", "--to=grades.csv")
    with open(course.folder / "grades.csv", newline="") as file:
        scores = {row["student_id"]: float(row["score"]) for row in csv.DictReader(file)}
    assert scores[student] == pytest.approx(sum(MOST[part] for part in PARTS) - MOST["filter_back"] * 6 / 13, abs=0.01)
    assert set(scores) == {name for name in the_class if the_class[name] is course} - set(UNGRADABLE)
