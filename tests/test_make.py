"""make.py: what it installs and runs, when, and what it says.

Nothing is installed here: the programs that it starts are noted. test_make_for_real.py lets pip install.
"""

import ast
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).resolve().parents[1]
PYPROJECT = """[project]
name = "small"
optional-dependencies = {test = ["pytest"], browser = ["playwright>=1"], assignment = ["nbgrader"], site = ["sphinx"]}
"""
VENV = "python -m venv"
PIP = "python -m pip install --constraint constraints.txt"
BASE = f"{PIP} --editable .[test]"
UV = "python -m uv pip install --python .venv/bin/python --torch-backend={}"
PAIR = "--constraint constraints.txt torch torchvision"
RUN = "python notebooks/run.py"


class Computer:
    """A folder with make.py in it, and a subprocess.run that notes what is started and starts nothing."""

    def __init__(self, folder: Path):
        self.folder = folder
        shutil.copy(ROOT / "make.py", folder)
        (folder / "pyproject.toml").write_text(PYPROJECT)
        (folder / "constraints.txt").write_text("torch==2.15.0\n")
        self.python = folder / ".venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        self.started: list[str] = []
        self.environments: list[dict[str, str]] = []
        self.failing: dict[str, int] = {}  # the exit statuses of commands with these words in them
        self.answers = {"sys.version_info": "3.11", "torch.__version__": ""}  # to programs with these words in them

    def run(self, words, cwd, env=None, **options):
        assert Path(cwd) == self.folder
        if words[1] == "-c":
            return self.answer(words[2])
        line = " ".join(words).replace(str(self.python), ".venv/bin/python")
        line = "python" + line.removeprefix(".venv/bin/python").removeprefix(sys.executable)
        assert words[0] == (sys.executable if line.startswith(VENV) else str(self.python))
        self.started.append(line.removesuffix(f" {self.folder / '.venv'}"))
        self.environments.append(env)
        status = next((status for part, status in self.failing.items() if part in line), 0)
        if line.startswith(VENV) and status == 0:
            self.python.parent.mkdir(parents=True)
            self.python.touch()
        return SimpleNamespace(returncode=status)

    def answer(self, program):
        found = next((answer for part, answer in self.answers.items() if part in program), "")
        return SimpleNamespace(returncode=int(found is None), stdout=f"{found}\n")

    def make(self, *words: str) -> list[str]:
        """What is started by make.py with these words."""
        self.started, self.environments = [], []
        module(self.folder).main(list(words))
        return self.started

    def fails(self, *words: str) -> str | int:
        """The exit status, or the last words, of make.py that fails with these words."""
        with pytest.raises(SystemExit) as stopped:
            self.make(*words)
        assert stopped.value.code not in (0, None)
        return stopped.value.code


@pytest.fixture
def computer(tmp_path, monkeypatch):
    """As a zip is unpacked: in a folder with a space and an umlaut, and without a git folder."""
    folder = tmp_path / "über zip"
    folder.mkdir()
    made = Computer(folder)
    monkeypatch.setattr(subprocess, "run", made.run)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    for name in ("TORCH", "COURSE", "SEED"):
        monkeypatch.setenv(name, "")  # which main() may set; monkeypatch brings it back
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    return made


def module(folder=ROOT):
    """The make.py in this folder."""
    spec = importlib.util.spec_from_file_location("the_make", folder / "make.py")
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


# The commands


def test_the_makefile_has_the_same_commands():
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(r"^COMMANDS := (.*)$", text, re.MULTILINE)[1].split() == list(module().COMMANDS)
    assert re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE)[1] == "help $(COMMANDS)"


@pytest.fixture(scope="module")
def make(tmp_path_factory):
    """Runs make with a Python of ours, which says how it was called."""
    if shutil.which("make") is None:
        pytest.skip("there is no make on this computer")
    python = tmp_path_factory.mktemp("a python") / "python.py"
    others = "*(f'{name}={os.environ[name]}' for name in ('COURSE', 'SEED') if name in os.environ)"
    python.write_text(f"import os, sys\nprint(*sys.argv[1:], 'TORCH=' + os.environ.get('TORCH', ''), {others})\n")

    def call(*words):
        line = ["make", f"PYTHON='{sys.executable}' '{python}'", *words]
        # without what make says to a make that it calls: these tests may run in `make test` themselves
        unwanted = ("TORCH", "COURSE", "SEED", "MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES")
        environment = {name: value for name, value in os.environ.items() if name not in unwanted}
        done = subprocess.run(line, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
        return done.stdout.splitlines()

    return call


def test_make_alone_lists_the_commands(make):
    assert make() == ["make.py TORCH="]
    done = subprocess.run([sys.executable, "make.py"], cwd=ROOT, capture_output=True, text=True, check=True)
    listed = re.findall(r"^([a-z-]+)  +(.*)$", done.stdout, re.MULTILINE)
    assert listed == [(name, function.__doc__) for name, function in module().COMMANDS.items()]
    assert re.findall(r"^TORCH=(\S+)", done.stdout, re.MULTILINE) == ["cpu", "auto", "pypi"]


def test_make_hands_on_the_command_and_the_wheels(make):
    assert make("test-browser", "TORCH=cpu") == ["make.py test-browser TORCH=cpu"]
    assert make("-j4", "test", "run") == ["make.py test TORCH=", "make.py run TORCH="]


def test_make_hands_on_which_assignment_and_which_year(make):
    assert make("assignment", "COURSE=group_b") == ["make.py assignment TORCH= COURSE=group_b"]
    assert make("given", "SEED=2027") == ["make.py given TORCH= SEED=2027"]


def test_a_command_that_is_none_is_named(computer):
    assert computer.fails("rum") == f"there is no command 'rum'; there are {', '.join(module().COMMANDS)}"
    assert computer.started == []


def test_the_test_commands_run_one_after_the_other_until_one_fails(computer):
    computer.make("run")
    lines = ["python -m " + " ".join(words) for words in module().TESTS]
    assert len(lines) == 6
    assert computer.make("test") == lines
    replication = lines[-1].removeprefix("python -m replication --seed 1 ").split()
    assert len(replication) == 3 and all((ROOT / name).exists() for name in replication)
    computer.failing = {"ruff format": 2}
    assert computer.fails("test", "run") == 2
    assert computer.started == lines[:2]
    computer.failing = {"ruff check": -9}  # as it says that a signal ended a program
    assert computer.fails("test") == 137


def test_commands_name_the_notebooks_in_order(computer, monkeypatch):
    glob = Path.glob
    monkeypatch.setattr(Path, "glob", lambda *of: sorted(glob(*of), reverse=True))  # as a disk may give them
    further = computer.folder / "notebooks" / "going_further"
    further.mkdir(parents=True)
    (computer.folder / "notebooks" / "solutions").mkdir()
    names = ["02_b.ipynb", "01_a.ipynb", "run.py", "going_further/b.ipynb", "going_further/a.ipynb"]
    for name in [*names, "solutions/b.ipynb", "solutions/01_a.ipynb"]:
        (computer.folder / "notebooks" / name).touch()
    computer.make("run")
    names = ["notebooks/going_further/a.ipynb", "notebooks/going_further/b.ipynb"]
    assert computer.make("further") == [" ".join([RUN, *names])]
    names = ["notebooks/01_a.ipynb", "notebooks/02_b.ipynb", *names]
    names += ["notebooks/solutions/01_a.ipynb", "notebooks/solutions/b.ipynb"]
    assert computer.make("accept") == [" ".join([RUN, "--in-place", *names])]


def test_replicate_runs_all_notebooks_on_all_networks(computer):
    computer.make("run")
    assert computer.make("replicate") == ["python -m replication"]


def test_threads_wait_without_spinning_except_where_it_is_measured(computer, monkeypatch):
    def policy(name):
        computer.make(name)
        return computer.environments[-1].get("OMP_WAIT_POLICY")

    assert policy("run") == "PASSIVE"
    assert policy("bench") is None
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    assert policy("run") == "ACTIVE"
    assert policy("bench") is None


@pytest.mark.parametrize(("killed", "passes"), [(95, True), (94, False)])
def test_mutation_asks_for_95_percent(killed, passes, computer, monkeypatch, capsys):
    stats = f'{{"killed": {killed - 4}, "timeout": 4, "total": 100}}'
    run = computer.run

    def mutmut(words, **options):
        if "export-cicd-stats" in words:
            (computer.folder / "mutants").mkdir()
            (computer.folder / "mutants" / "mutmut-cicd-stats.json").write_text(stats)
        return run(words, **options)

    monkeypatch.setattr(subprocess, "run", mutmut)
    (computer.folder / "pyproject.toml").write_text(PYPROJECT.replace("browser", "mutation"))
    with pytest.raises(SystemExit) as stopped:
        computer.make("mutation")
    assert stopped.value.code == (not passes)
    assert f"{killed}.0 % of 100 mutants fail a test; 95 % are asked for" in capsys.readouterr().out
    assert computer.environments[-3]["OMP_NUM_THREADS"] == "1"


# Setting up


def test_the_first_command_sets_up_and_the_second_does_not(computer):
    assert computer.make("run") == [VENV, BASE, RUN]
    assert computer.make("run") == [RUN]
    assert computer.make("run", "run") == [RUN, RUN]


def test_what_is_ready_is_not_even_asked(computer):
    """A question to .venv's Python takes as long as a Python takes to start."""
    computer.make("run")
    computer.answers = {"": None}
    assert computer.make("run") == [RUN]


@pytest.mark.parametrize("step", [VENV, "--editable"])
def test_what_was_not_finished_does_not_count(step, computer):
    computer.failing = {step: 1}
    assert computer.fails("run") == 1
    assert step in computer.started[-1]
    computer.failing = {}
    assert computer.make("run")[-2:] == [BASE, RUN]


def test_a_new_set_up_that_was_not_finished_does_not_count(computer):
    """Although what was there before was ready."""
    computer.make("run")
    before = (computer.folder / "constraints.txt").read_text()
    (computer.folder / "constraints.txt").write_text("torch==2.16.0\n")
    computer.failing = {"pip": 1}
    assert computer.fails("run") == 1
    computer.failing = {}
    (computer.folder / "constraints.txt").write_text(before)
    assert computer.make("run") == [BASE, RUN]


def test_torch_and_torchvision_that_do_not_fit_together_do_not_count(computer):
    computer.answers["import torchvision"] = None
    for _ in range(2):
        assert computer.fails("run") == (
            "torch and torchvision do not fit together: delete the folder .venv, and run this again"
        )
        assert computer.started[-1] == BASE


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt"])
def test_packages_are_installed_again_when_others_are_asked_for(name, computer):
    """Whatever the file's time: one from a zip is as old as its commit, and a checkout makes all files new."""
    computer.make("run")
    file = computer.folder / name
    os.utime(file, (2e9, 2e9))
    assert computer.make("run") == [RUN]
    file.write_text(file.read_text() + "# another\n")
    os.utime(file, (1e9, 1e9))
    assert computer.make("run") == [BASE, RUN]
    assert computer.make("run") == [RUN]


def test_a_folder_that_was_moved_is_set_up_again(computer, tmp_path):
    """Or notebooks would look for helpers where the folder was."""
    computer.make("run")
    computer.folder.rename(tmp_path / "moved")
    computer.folder = tmp_path / "moved"
    computer.python = computer.folder / computer.python.relative_to(tmp_path / "über zip")
    assert computer.make("run") == [BASE, RUN]
    assert computer.make("run") == [RUN]


def test_an_environment_whose_python_has_gone_is_not_ready(computer):
    computer.make("run")
    computer.python.unlink()
    computer.answers["sys.version_info"] = None
    assert computer.fails("run").startswith("no Python runs in the folder .venv")


def test_an_environment_of_yours_is_taken(computer):
    computer.python.parent.mkdir(parents=True)
    computer.python.touch()
    assert computer.make("run") == [BASE, RUN]


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ({"sys.version_info": None}, "no Python runs in the folder .venv: delete this folder, and run this again"),
        (
            {"sys.version_info": "3.9"},
            "Python 3.11 or newer is needed; .venv has 3.9: delete this folder, and run this again",
        ),
        (
            {"import pip": None, "import ensurepip": None},
            "there is no pip in .venv; on Debian and Ubuntu, install python3-venv, and run this again",
        ),
    ],
)
def test_an_environment_that_can_not_be_used_is_named(answers, words, computer):
    computer.python.parent.mkdir(parents=True)
    computer.python.touch()
    computer.answers |= answers
    assert computer.fails("run") == words
    assert computer.started == []


def test_pip_is_put_where_there_is_none(computer):
    """Other tools than Python's own make environments without it."""
    computer.answers["import pip"] = None
    assert computer.make("run") == [VENV, "python -m ensurepip", BASE, RUN]


# An older Python: the first lines of make.py run in it


def test_an_older_python_can_read_it():
    ast.parse((ROOT / "make.py").read_text(encoding="utf-8"), feature_version=(3, 7))


def in_python_3_6(folder, *words):
    program = (
        "import runpy, sys\n"
        "sys.version_info, sys.version = (3, 6, 9), '3.6.9 (default)'\n"
        f"sys.argv = ['make.py', *{list(words)}]\n"
        f"runpy.run_path({str(folder / 'make.py')!r}, run_name='__main__')"
    )
    return subprocess.run([sys.executable, "-c", program], cwd=folder.parent, capture_output=True, text=True)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.delenv("TORCH", raising=False)
    shutil.copy(ROOT / "make.py", tmp_path)
    return tmp_path


def test_an_older_python_is_told_what_is_needed(folder):
    done = in_python_3_6(folder, "run")
    assert done.returncode == 1
    assert done.stderr == (
        "Python 3.11 or newer is needed; this is 3.6.9. "
        "Name another: make PYTHON=python3.12 ..., or python3.12 make.py ...\n"
    )


@pytest.fixture
def environment(folder):
    """In the place of .venv, a link to this Python."""
    if os.name == "nt":
        pytest.skip("Windows makes symbolic links for administrators alone")
    (folder / ".venv" / "bin").mkdir(parents=True)
    (folder / ".venv" / "bin" / "python").symlink_to(sys.executable)
    return folder / ".venv"


def test_an_older_python_lets_that_of_the_environment_go_on(folder, environment):
    """So `make PYTHON=python3.12 run` once is enough."""
    done = in_python_3_6(folder, "rum")
    assert done.returncode == 1
    assert done.stderr.startswith("there is no command 'rum'")


# Control-C


def test_control_c_is_left_to_the_program_that_runs(folder, environment):
    """JupyterLab asks a question then, and make.py must not end it before the answer."""
    for name in ("pyproject.toml", "constraints.txt"):
        (folder / name).touch()
    (environment / ".ready").write_text(module(folder).state())
    (folder / "notebooks").mkdir()
    (folder / "notebooks" / "run.py").write_text(
        "import sys\n"
        "try:\n"
        "    print('runs', flush=True)\n"
        "    sys.stdin.read()\n"
        "except KeyboardInterrupt:\n"
        "    print('answered', sys.stdin.readline(), flush=True)\n"
        "    sys.exit(3)\n"
    )
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    line = [sys.executable, "make.py", "run"]
    with subprocess.Popen(line, cwd=folder, start_new_session=True, **streams) as process:
        while process.stdout.readline() not in ("runs\n", ""):
            pass
        os.killpg(process.pid, signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=1)  # subprocess gives a program a quarter of a second
        printed, said = process.communicate("yes\n")
    assert (process.returncode, printed, said) == (3, "answered yes\n\n", "")


# Which wheels of torch


def asks_for(wheels):
    return ["python -m pip install uv>=0.7.14,<1", f"{UV.format(wheels)} {PAIR}", BASE]


@pytest.mark.parametrize("wheels", ["cpu", "auto"])
@pytest.mark.parametrize("where", ["word", "variable"])
def test_other_wheels_are_installed_first(where, wheels, computer, monkeypatch):
    """With the versions of constraints.txt, in one call, so that the two are of one kind."""
    if where == "variable":
        monkeypatch.setenv("TORCH", wheels)
    words = [f"TORCH={wheels}"] * (where == "word")
    assert computer.make("run", *words) == [VENV, *asks_for(wheels), RUN]
    assert computer.make("run", *words) == [RUN]


def test_the_wheels_stay_what_they_are_when_nothing_is_said(computer, monkeypatch):
    computer.make("run", "TORCH=cpu")
    monkeypatch.setenv("TORCH", "")
    assert computer.make("run") == [RUN]
    (computer.folder / "constraints.txt").write_text("torch==2.16.0\n")
    assert computer.make("run") == [*asks_for("cpu"), RUN]


@pytest.mark.parametrize("step", ["uv>=", "uv pip", "--editable"])
def test_other_wheels_that_were_not_finished_are_begun_again(step, computer, monkeypatch):
    computer.failing = {step: 1}
    assert computer.fails("run", "TORCH=cpu") == 1
    assert step in computer.started[-1]
    computer.failing = {}
    monkeypatch.setenv("TORCH", "")
    assert computer.make("run") == [*asks_for("cpu"), RUN]


def test_a_set_up_that_was_stopped_before_torch_came_can_go_on_with_other_wheels(computer):
    """As someone does who sees gigabytes coming, and reads on."""
    computer.failing = {"--editable": 130}
    assert computer.fails("run") == 130
    computer.failing = {}
    assert computer.make("run", "TORCH=cpu") == [*asks_for("cpu"), RUN]


@pytest.mark.parametrize(
    ("before", "there", "asked"),
    [
        ("pypi", "2.15.0+cu132", "cpu"),
        ("pypi", "2.15.0+cu132", "auto"),
        ("cpu", "2.15.0+cpu", "auto"),
        ("cpu", "2.15.0+cpu", "pypi"),
        ("auto", "2.15.0+rocm7.1", "cpu"),
        ("auto", None, "cpu"),
    ],
)
def test_other_wheels_than_those_that_are_there_are_refused(before, there, asked, computer):
    """uv would find torch in the right version, and do nothing; and CUDA's gigabytes would stay."""
    computer.make("run", f"TORCH={before}")
    computer.answers["torch.__version__"] = there
    assert computer.fails("run", f"TORCH={asked}") == (
        f"TORCH={asked} is asked for, and .venv holds torch {there or '(broken)'}, as TORCH={before} installs it: "
        "delete the folder .venv, and run this again"
    )
    assert computer.started == []
    assert computer.make("run", f"TORCH={before}") == [RUN]


@pytest.mark.parametrize("there", ["2.15.0+cpu", "2.15.0"])
def test_a_cpu_build_that_is_there_is_taken_for_one(there, computer):
    """From an environment of yours, on Windows, or, without a word in its version, on macOS."""
    computer.make("run")
    computer.answers["torch.__version__"] = there
    assert computer.make("run", "TORCH=cpu") == [*asks_for("cpu"), RUN]
    assert computer.make("run", "TORCH=cpu") == [RUN]


@pytest.mark.parametrize("wheels", ["gpu", "CPU", "cu130"])
def test_other_wheels_that_are_not_known_are_refused(wheels, computer):
    assert computer.fails("run", f"TORCH={wheels}") == (
        f"TORCH={wheels} is not known; it is cpu, auto, pypi, or left out"
    )
    assert computer.started == []


# Extras


def test_an_extra_is_installed_when_it_is_needed_and_once(computer):
    computer.make("run")
    latencies, side_by_side = module().LATENCIES, " ".join(module().SIDE_BY_SIDE)
    browser = [
        f"python -m pytest tests/browser --ignore {latencies} {side_by_side}",
        f"python -m pytest {latencies}",
    ]
    assert computer.make("test-browser") == [f"{PIP} playwright>=1", *browser]
    assert computer.make("test-browser") == browser
    grading = " ".join(module().GRADING)
    assert computer.make("test-assignment") == [f"{PIP} nbgrader", f"python -m pytest tests/assignment {grading}"]
    assert computer.environments[-1]["OMP_NUM_THREADS"] == "1"
    assert computer.make("assignment") == ["python assignment/build.py"]


def test_the_pages_are_built_before_they_are_looked_at(computer):
    computer.make("test-browser")
    assert computer.make("site") == [f"{PIP} sphinx", "python site/build.py"]
    assert computer.make("test-site") == ["python site/build.py", "python -m pytest tests/site"]


def test_one_assignment_is_built_where_it_is_named(computer):
    computer.make("assignment")
    assert computer.make("assignment", "COURSE=group_b") == ["python assignment/build.py group_b"]


def test_a_year_has_a_seed(computer):
    computer.make("run")
    for wrong in ([], ["SEED="], ["SEED=next year"], ["SEED=-1"], ["SEED=2027"], [f"SEED={10**18}"]):
        assert "a whole number of 12 to 18 digits is wanted, which you keep" in computer.fails("given", *wrong)
        assert computer.started == []
    assert computer.make("given", "SEED=202720272027") == ["python assignment/new_given.py 202720272027"]


def test_an_extra_that_could_not_be_installed_leaves_the_rest_ready(computer):
    """Without a network, say."""
    computer.make("run")
    computer.failing = {"playwright": 1}
    for _ in range(2):
        assert computer.fails("test-browser") == 1
        assert computer.started == [f"{PIP} playwright>=1"]
    assert computer.make("run") == [RUN]


def test_an_extra_is_installed_again_when_others_are_asked_for(computer):
    """And when they were, and could not be had."""
    computer.make("test-browser")
    before = (computer.folder / "constraints.txt").read_text()
    (computer.folder / "constraints.txt").write_text("playwright==2\n")
    computer.failing = {"playwright": 1}
    assert computer.fails("test-browser") == 1
    assert computer.started[-2:] == [BASE, f"{PIP} playwright>=1"]
    computer.failing = {}
    (computer.folder / "constraints.txt").write_text(before)
    assert computer.make("test-browser")[:2] == [BASE, f"{PIP} playwright>=1"]


def test_the_project_has_the_extras_that_are_asked_for():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    asked = set(re.findall(r'\badd\("(\w+)"\)', (ROOT / "make.py").read_text(encoding="utf-8")))
    assert asked
    assert asked <= extras.keys()
