"""A submission finds of this project what is released, and nothing else: in the sandbox, whatever it tries."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from grading import released, shown
from grading import sandbox as sandboxing
from grading.judge import PARTS as JUDGED
from grading.kernel import StudentKernel
from grading.limits import Limits
from grading.marks import Student
from submissions import ROOT

LIMITS = Limits(1, 1, 1, 1, 1, 1)
RELEASED = {Path(name).stem for name in released.HELPERS if name.endswith(".py")}
# Each module of the project as it would be imported from its root, or from one of its folders.
MODULES = sorted(
    ".".join(path.relative_to(ROOT / folder).with_suffix("").parts)
    for folder in ("", "assignment", "assignment/template", "tests", "tests/assignment", "notebooks")
    for path in (ROOT / folder).rglob("*.py")
    if not any(part.startswith(".") or part in ("build", "mutants") for part in path.relative_to(ROOT).parts)
)

# Undoes what was closed in this kernel, and tries every module from every folder.
IMPORTING = """
import importlib, json, os, pathlib, sys
sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__name__ != "_Released"]
sys.path += [folder for folder, *_ in os.walk(PROJECT) if not folder.startswith(sys.prefix)]
found = {}
for name in MODULES:
    try:
        found[name] = importlib.import_module(name).__file__
    except Exception:
        pass
print(json.dumps(found))
"""

# Each file of the project that can be seen, and each helper anywhere that Python looks.
WALKING = """
import json, pathlib, sys
project, environment = pathlib.Path(PROJECT), pathlib.Path(sys.prefix)
seen = [path for path in project.rglob("*") if path.is_file() and environment not in path.parents]
helpers = [path.name for place in sys.path for path in pathlib.Path(place).glob("helpers/**/*")]
print(json.dumps([[str(path.relative_to(project)) for path in seen], helpers]))
"""

TAKING = """
from torch import nn
def filter_back(signal, conv):
    from helpers.deconvnet.fast import to_few_channels
    return to_few_channels(signal, conv.weight, conv.padding)
"""


@pytest.fixture(params=[False, True], ids=["without", "in the sandbox"])
def sandboxed(request):
    if request.param:
        if reason := sandboxing.why_not():
            pytest.skip(reason)
    return request.param


def said(kernel: StudentKernel, index: int) -> object:
    kernel.run(index)
    (output,) = kernel.nb.cells[index].outputs
    return json.loads(output.text)


def test_nothing_but_the_released_helpers_can_be_imported(in_the_sandbox, open_kernel):
    assert {"helpers.deconvnet.fast", "benchmarks.measures", "grading.judge", "assignment.build", "submissions"} < set(
        MODULES
    )
    given = f"PROJECT, MODULES = {str(ROOT)!r}, {MODULES!r}"
    kernel = open_kernel(given, "import helpers.data", IMPORTING, sandboxed=True, timeout=600)
    kernel.run(0)
    kernel.run(1)
    found = said(kernel, 2)
    # What has such a name and is another package's, such as one that is called tests, is the environment's.
    theirs = [name for name, file in found.items() if file is None or not Path(file).is_relative_to(sys.prefix)]
    assert set(theirs) == {f"helpers.{name}" for name in RELEASED}


def test_nothing_of_the_project_but_the_data_can_be_seen(in_the_sandbox, open_kernel):
    kernel = open_kernel(f"PROJECT = {str(ROOT)!r}\nimport helpers", WALKING, sandboxed=True)
    kernel.run(0)
    seen, helpers = said(kernel, 1)
    assert {str(Path(path).parent) for path in seen} == {released.DATA}
    assert {name for name in helpers if "." in name} <= {Path(name).name for name in released.HELPERS}


def test_no_answer_can_be_taken_from_the_helpers(sandboxed, open_kernel):
    kernel = open_kernel(TAKING, sandboxed=sandboxed, timeout=600, call_timeout=600)
    kernel.run(0)
    student = Student(lambda *asked, **how: kernel.ask(0, *asked, **how), torch.Generator().manual_seed(0), {}, ())
    marks = JUDGED["filter_back"](student)
    assert marks.share == 0
    assert "No module named 'helpers.deconvnet'" in "".join(marks.lines(13, "en"))


def test_captum_is_not_there(sandboxed, open_kernel):
    trying = "import sys\nfor finder in list(sys.meta_path):\n    if type(finder).__name__ == '_Released':\n        {}"
    again = trying.format("sys.meta_path.remove(finder)") + "\nfrom captum.attr import Deconvolution"
    kernel = open_kernel("import captum", *[again] * sandboxed, sandboxed=sandboxed, timeout=600)
    for index, cell in enumerate(kernel.nb.cells):
        kernel.run(index)
        assert cell.outputs[-1].ename in ("ModuleNotFoundError", "ImportError")


def test_what_is_released_needs_nothing_else(sandboxed, open_kernel):
    names = [f"helpers.{name}" for name in sorted(RELEASED - {"__init__"})]
    imports = "\n".join(f"import {name}" for name in names)
    loads = "import json\nprint(json.dumps(list(helpers.data.load_mnist('test')[0].shape)))"
    kernel = open_kernel(imports, loads, sandboxed=sandboxed, timeout=600)
    kernel.run(0)
    assert kernel.record == []
    assert said(kernel, 1) == [10_000, 1, 28, 28]


def test_the_project_on_the_path_is_not_found(open_kernel, monkeypatch):
    """As it is where it was installed in another of setuptools' ways, or named in PYTHONPATH."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    files = "import benchmarks", "import helpers.deconvnet.fast", "import helpers.files"
    kernel = open_kernel(*files, sandboxed=False)
    for index in range(3):
        kernel.run(index)
    assert [bool(cell.outputs) for cell in kernel.nb.cells] == [True, True, False]


# Where the project, the environment and the course may lie: each must be hidden, or seen, all the same.
PLACES = {
    "the environment in the project": ("project", "project/.venv"),
    "the environment beside the project": ("project", "environment"),
    "the project in the environment": ("environment/src/project", "environment"),
    "a path with a space and an umlaut": ("my prüject", "my prüject/.venv"),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("temporary", [True, False], ids=["in the folder of what is temporary", "elsewhere"])
def test_it_hides_and_shows_the_same_wherever_the_project_lies(in_the_sandbox, tmp_path, monkeypatch, place, temporary):
    if not temporary:
        beside = Path(__file__).parents[2] / "build"
        beside.mkdir(exist_ok=True)
    root = tmp_path if temporary else Path(shutil.copytree(tmp_path, beside / "places", dirs_exist_ok=True))
    try:
        project, environment = (root / name for name in PLACES[place])
        for file in ("helpers/data.py", "tests/test.py", released.DATA + "/images.gz", "../work/mine.txt"):
            (project / file).parent.mkdir(parents=True, exist_ok=True)
            (project / file).write_text("here")
        (environment / "bin").mkdir(parents=True)
        (environment / "bin" / "python").write_text("here")
        monkeypatch.setattr(shown, "PROJECT", project)
        monkeypatch.setattr(sys, "prefix", str(environment))
        beside = str((project / "../work").resolve())
        words = sandboxing.words(LIMITS, more=["--bind", beside, beside])
        script = 'for file in "$@"; do test -e "$file" && echo "$file"; done; true'
        files = [project / "helpers/data.py", project / "tests/test.py", project / released.DATA / "images.gz"]
        files += [environment / "bin/python", (project / "../work/mine.txt").resolve()]
        done = subprocess.run(
            [*words, "sh", "-c", script, "sh", *map(str, files)], capture_output=True, text=True, check=True
        )
        assert done.stdout.splitlines() == [str(file) for file in files[2:]]
    finally:
        if not temporary:
            shutil.rmtree(root)


def test_an_environment_that_is_the_project_is_refused(monkeypatch):
    monkeypatch.setattr(sandboxing.shutil, "which", lambda name: name)
    monkeypatch.setattr(sys, "prefix", str(released.PROJECT))
    assert re.search("are the same folder, .*make the environment in a folder of its own", why_not_now())


def test_an_environment_that_is_a_home_folder_is_refused(monkeypatch):
    monkeypatch.setattr(sandboxing.shutil, "which", lambda name: name)
    monkeypatch.setattr(sys, "base_prefix", str(Path.home().parent if Path.home().parts[2:] else Path.home()))
    assert re.search("in which the home folder .* lies; make the environment in a folder of its own", why_not_now())


def why_not_now():
    return sandboxing.why_not.__wrapped__()
