"""A class is graded by several workers; workers, server and the whole are killed, and all grades are as one by one.

How many are graded, and of how many kinds, stands in CLASS; of more kinds than the few, all parts are asked for.
"""

import csv
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack, suppress
from itertools import cycle, islice

import nbformat
import psutil
import pytest
from course import LIMITS, NAME, Course, can_be_sandboxed
from database import Server, programs
from grading.settings import settings_of
from nbgrader.api import Gradebook
from source_folder import make
from submissions import HARD_TO_SEE, MISTAKES, PARTS, copy_of_the_course, fill, mistaken, solution, with_cell

COUNT, KINDS = map(int, os.environ.get("CLASS", "12 4").split())
SETTINGS = 'title = "a"\ndigits = [0, 1]\n[points]\nrectify = 3\nunpool = 10\n'
FEW = ("right", "6 not rectified", "7 upsampled", "raises")
# Each ends the worker that grades it: once, at a point, or always.
ONCE = ("in the transaction", "before it is in its place", "before its mark")
ALWAYS = "ends its worker"
ENDING = f"""
c.CourseDirectory.db_url = URL
import os, signal
from grading import worker
from nbgrader.preprocessors import SaveAutoGrades

def end(point):
    file = HERE / point
    if not file.exists():
        file.touch()
        os.kill(os.getpid(), signal.SIGKILL)

def at(point, owner, name, is_there):
    usual = getattr(owner, name)
    def ending(*given, **named):
        if is_there(*given):
            end(point)
        return usual(*given, **named)
    setattr(owner, name, ending)

at("{ONCE[0]}", SaveAutoGrades, "_add_comment", lambda step, *given: step.student_id == "{ONCE[0]}")
at("{ONCE[1]}", Path, "rename", lambda path, to: "{ONCE[1]}" in str(path) and ".being_graded" in str(path))
at("{ONCE[2]}", worker, "write_atomically", lambda path, content: "{ONCE[2]}" in str(path))
c.TakingIn.pre_convert_hook = (
    lambda assignment, student, notebooks: student == "{ALWAYS}" and os.kill(os.getpid(), signal.SIGKILL)
)
"""
BEING_GRADED = "autograded/.being_graded"
NOTHING = "hands in a text"


@pytest.fixture(scope="module")
def server():
    found = programs()
    if found is None:
        pytest.skip("PostgreSQL's initdb is not there (Debian: apt-get install postgresql)")
    server = Server.make(found)
    yield server
    server.delete()


def kinds(template) -> dict[str, nbformat.NotebookNode]:
    few = "train" not in {cell.metadata.get("nbgrader", {}).get("grade_id") for cell in template.cells}
    right = solution("transposed", ["rectify", "unpool"] if few else PARTS)
    names = FEW if few else ("right", "raises", *MISTAKES, *HARD_TO_SEE)
    found = {}
    for name in names[:KINDS]:
        code = right if name in ("right", "raises") else mistaken(right, name)[1]
        found[name] = fill(template, code)
        if name == "raises":
            found[name] = with_cell(found[name], "raise ValueError('no coffee')", at=1)
    assert len(found) == KINDS
    return found


def grading(course, *arguments, **environment):
    """The command, begun."""
    sandboxed = [] if can_be_sandboxed() else ["--Judge.sandboxed=False"]
    line = [sys.executable, "-W", "ignore", "-m", "grading", NAME, *LIMITS, *sandboxed, *arguments]
    with open(course.folder / "said", "w") as said:
        return subprocess.Popen(line, cwd=course.folder, env=os.environ | environment, stdout=said, stderr=said)


def said(course) -> str:
    return (course.folder / "said").read_text()


def until(process, is_so):
    """Waits; the process ends some time, whatever happens."""
    while not (found := is_so()) and process.poll() is None:
        time.sleep(0.02)
    assert found
    return found


def whole(course):
    """The graded notebooks to which nothing is missing, and when they were written."""
    return {
        path.parents[1].name: next(path.parent.glob("*.ipynb")).stat().st_mtime_ns
        for path in course.folder.glob(f"autograded/*/{NAME}/done.mark")
    }


def largest(process) -> int:
    """MB of the largest of the workers, which are its children."""
    return max(child.memory_info().rss for child in process.children()) // 10**6


def in_a_kernel(process) -> psutil.Process | None:
    """A worker, while it runs a submission."""
    for child in process.children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if child.name() == "bwrap" or "--HistoryManager.enabled=False" in child.cmdline():
                above = [child, *child.parents()]
                return above[above.index(process) - 1]
    return None


@pytest.fixture(scope="module")
def one_by_one(tmp_path_factory):
    """A course in which each kind was graded by nbgrader's own command, and the points of each."""
    course = Course(copy_of_the_course(tmp_path_factory.mktemp("a class") / "of mine"))
    if "CLASS" not in os.environ:
        (course.folder / "courses" / f"{NAME}.toml").write_text(SETTINGS, encoding="utf-8")
    make(settings_of(NAME, course.folder))
    course.nbgrader("generate_assignment", NAME)
    course.kinds = kinds(course.template())
    for name, notebook in course.kinds.items():
        course.hand_in(name, {f"{NAME}.ipynb": nbformat.writes(notebook)})
    began = time.monotonic()
    log = course.nbgrader("autograde", NAME, *LIMITS)
    print(f"one by one: {(time.monotonic() - began) / KINDS:.1f} s a submission")
    course.expected = {name: course.points(name) for name in course.kinds}
    assert len(set(map(str, course.expected.values()))) > 1 and not (course.folder / BEING_GRADED).exists(), log
    return course


def test_every_grade_is_as_one_by_one_whatever_is_killed(one_by_one, server):
    course = one_by_one
    for folder in ("autograded", "submitted"):
        shutil.rmtree(course.folder / folder)
    config = course.folder / "nbgrader_config.py"
    config.write_text(config.read_text(encoding="utf-8") + ENDING.replace("URL", repr(server.url)), encoding="utf-8")
    log = course.nbgrader("generate_assignment", NAME, "--force")
    students = {f"{kind} {k}": kind for k, kind in enumerate(islice(cycle(course.kinds), COUNT - len(ONCE)))}
    students |= dict.fromkeys(ONCE, "right")
    for student, kind in [*students.items(), (ALWAYS, "right")]:
        course.hand_in(student, {f"{NAME}.ipynb": nbformat.writes(course.kinds[kind])})
    course.hand_in(NOTHING, {"solution.txt": "see attached"})

    began = time.monotonic()
    run = grading(course, "--workers", "2")
    process = psutil.Process(run.pid)
    until(run, lambda: len(whole(course)) >= COUNT // 6)
    until(run, lambda: in_a_kernel(process)).kill()
    until(run, lambda: len(whole(course)) >= COUNT // 4)
    at_first = largest(process)
    server.restart()
    until(run, lambda: len(whole(course)) >= COUNT // 2)
    print(f"the largest worker: {at_first} MB with a quarter graded, {largest(process)} with half (target: no more)")
    workers = process.children(recursive=True)
    run.kill()
    run.wait()
    assert psutil.wait_procs(workers, timeout=60)[1] == []
    assert re.search(rf"{NAME}: .*{re.escape(next(iter(whole(course))))}", said(course)), log + said(course)
    said_first, before = said(course), whole(course)

    with ExitStack() as ends:
        address, environment = a_cluster(course, ends)
        run = grading(course, "--scheduler", address, **environment)
        assert run.wait() == 1, said(course)
    seconds = time.monotonic() - began
    # In a large class, its turn may come after the first was killed.
    assert f"Not graded: {NOTHING}: " in said_first + said(course)
    for student, kind in students.items():
        with Gradebook(server.url) as gradebook:
            submission = gradebook.find_submission(NAME, student)
            points = {g.name: (g.score, g.max_score) for notebook in submission.notebooks for g in notebook.grades}
        assert points == course.expected[kind], student
        assert "points" in course.feedback(student)
    with Gradebook(server.url) as gradebook:
        assert {student.id for student in gradebook.students} == students.keys()
    after = whole(course)
    assert after.keys() == students.keys() and {student: after[student] for student in before} == before
    assert all((course.folder / point).exists() for point in ONCE)
    counts = re.search(r"^(\d+) graded, (\d+) as before, 1 not gradable, 1 lost", said(course), re.MULTILINE)
    assert counts and int(counts[1]) + int(counts[2]) == COUNT and int(counts[2]) >= len(before), said(course)
    assert f"{ALWAYS}: 3 workers ended while they graded it" in said(course)
    assert not (course.folder / BEING_GRADED).exists()
    with open(course.folder / "exported" / NAME / "table.csv", encoding="utf-8-sig", newline="") as file:
        states = Counter(row["state"] for row in csv.DictReader(file))
    assert states == {"graded": COUNT, "not graded yet": 1, "not gradable": 1}
    assert f"{COUNT}" in (course.folder / "feedback" / f"+report_{NAME}.html").read_text(encoding="utf-8")
    print(f"{COUNT} by two workers, with all that was killed: {seconds / COUNT:.1f} s a submission (target 8)")


def a_cluster(course, ends):
    """A scheduler and two workers that somebody has started by hand, and what finds them."""
    words = [sys.executable, "-m", "grading.certificates", "key"]
    made = subprocess.run(words, cwd=course.folder, capture_output=True, text=True, check=True).stdout
    environment = {"DASK_CONFIG": made.partition("=")[2].strip(), "PYTHONPATH": str(course.folder)}
    with open(course.folder / "cluster", "w") as log:
        how = {"cwd": course.folder, "env": os.environ | environment, "stdout": log, "stderr": log}
        file = course.folder / "scheduler.json"
        line = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(file)]
        scheduler = subprocess.Popen([sys.executable, "-m", "distributed.cli.dask_scheduler", *line], **how)
        ends.callback(ended, scheduler)
        until(scheduler, file.exists)
        line = ["--scheduler-file", str(file), "--nworkers", "2", "--nthreads", "1", "--no-dashboard"]
        ends.callback(ended, subprocess.Popen([sys.executable, "-m", "distributed.cli.dask_worker", *line], **how))
    return until(scheduler, lambda: re.search(r"tls://[\d.:]+", file.read_text()))[0], environment


def ended(process):
    process.send_signal(signal.SIGTERM)
    process.wait()


def test_without_a_sandbox_nothing_is_graded(one_by_one, tmp_path):
    run = grading(one_by_one, "--force", "--Judge.sandboxed=True", PATH=str(tmp_path))
    assert run.wait() == 1 and "Nothing is graded, as there is no sandbox" in said(one_by_one)
