"""The commands of this project, on Windows, macOS and Linux: `python make.py run` is what `make run` calls.

Each command first sets up what it needs: .venv, and in it the packages in the versions of constraints.txt.
"""

import hashlib
import json
import os
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
ENVIRONMENT = ROOT / ".venv"
PYTHON = ENVIRONMENT / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

# An older Python has to read this file in order to say so: it is written in the syntax of Python 3.6, and up to here in
# its library too. Once .venv is there, any Python will do.
if sys.version_info < (3, 11):  # noqa: UP036
    if PYTHON.exists() and Path(sys.prefix).resolve() != ENVIRONMENT.resolve():
        sys.exit(subprocess.call([str(PYTHON), str(ROOT / "make.py")] + sys.argv[1:]))
    sys.exit(
        f"Python 3.11 or newer is needed; this is {sys.version.split()[0]}. "
        "Name another: make PYTHON=python3.12 ..., or python3.12 make.py ..."
    )

# The wheels of torch and torchvision that .venv takes
WHEELS = {
    "cpu": "the small ones, for a computer without a GPU",
    "auto": "those that fit this computer's GPU, or the small ones",
    "pypi": "PyPI's, as pip installs them; this is the default",
}
VARIABLES = ("TORCH=", "COURSE=", "SEED=", "SOURCE=")
CHOSEN = ENVIRONMENT / ".torch"
UV = "uv>=0.7.14,<1"

QUICK = ("02_inspect_switches", "03_implement_the_deconvnet", "04_generate_activation_grids")
CORES = os.cpu_count() or 1
# Files of tests beside each other, one for each core. More than four would need more memory than many computers have.
SIDE_BY_SIDE = ["--numprocesses", str(min(CORES, 4)), "--dist", "loadfile"]
# Times are taken with nothing beside them.
LATENCIES = "tests/browser/test_latency.py"
# More where tests wait a good deal, for kernels to start or limits to be met. The longest files come first, as sorted.
GRADING = ["--numprocesses", str(min(CORES + 2, 4)), "--dist", "loadfile", "--no-loadscope-reorder"]
# What has a command of its own, and needs more than the others.
APART = ("browser", "assignment", "site")
TESTS = [
    ["ruff", "check"],
    ["ruff", "format", "--check"],
    ["mypy"],
    # Two runs, as one process that holds torch beside a kernel that holds it too takes 2 GB.
    ["pytest", "tests", *(word for name in APART for word in ("--ignore", f"tests/{name}")), *SIDE_BY_SIDE],
    ["pytest", "notebooks", *SIDE_BY_SIDE],
    # One other network on the notebooks that take it the least. make replicate runs all, on six.
    ["replication", "--seed", "1", *(f"notebooks/{name}.ipynb" for name in QUICK)],
]

COMMANDS = {}


def command(function):
    COMMANDS[function.__name__.replace("_", "-")] = function
    return function


@command
def run():
    """execute the four notebooks and draw figures/"""
    set_up()
    call("notebooks/run.py")


@command
def further():
    """execute the five that go further: notebooks/going_further"""
    set_up()
    call("notebooks/run.py", *notebooks("going_further"))


@command
def lab():
    """open JupyterLab on the notebooks"""
    set_up()
    prompt = "--ServerApp.kernel_websocket_connection_class=helpers.server.PromptConnection"
    call("-m", "jupyterlab", "--notebook-dir=.", prompt, "notebooks/01_build_and_train_lenet5.ipynb")


@command
def test():
    """run the unit tests, and the notebooks as tests"""
    set_up()
    for words in TESTS:
        # What runs beside others takes one core.
        call("-m", *words, **({"OMP_NUM_THREADS": "1"} if "pytest" in words else {}))


@command
def test_browser():
    """move every slider in JupyterLab, in Chromium, and time them"""
    # Chromium must be installed (Debian: apt-get install chromium).
    add("browser")
    call("-m", "pytest", "tests/browser", "--ignore", LATENCIES, *SIDE_BY_SIDE, OMP_NUM_THREADS="1")
    call("-m", "pytest", LATENCIES)


@command
def site():
    """build the web edition: build/site, pages for any host or to be opened as files"""
    add("site")
    call("site/build.py")


@command
def test_site():
    """look at every page of the web edition in Chromium and in Firefox"""
    # Chromium and Firefox must be installed (Debian: apt-get install chromium firefox-esr), and npm.
    site()
    add("browser")
    call("-m", "pytest", "tests/site")


@command
def assignment():
    """build what students get: build/inside_lenet5.zip"""
    add("assignment")
    call("assignment/build.py", *filter(None, [os.environ.get("COURSE")]))


@command
def given():
    """another given network and other numbers for the assignment: make given SEED=a secret number"""
    seed = os.environ.get("SEED", "")
    if not (seed.isdecimal() and 12 <= len(seed) <= 18):
        sys.exit(
            f"SEED={seed}: a whole number of 12 to 18 digits is wanted, which you keep to yourself: with it, answers "
            f"to 3e can be found. For example: make given SEED={10**17 + secrets.randbelow(9 * 10**17)}"
        )
    set_up()
    call("assignment/new_given.py", seed)


@command
def test_assignment():
    """grade a class of made students with nbgrader"""
    add("assignment")
    # Its pages are looked at in Chromium.
    add("browser")
    call("-m", "pytest", "tests/assignment", *GRADING, OMP_NUM_THREADS="1")


@command
def bench():
    """measure how fast all this is, and against what"""
    set_up()
    # With PyTorch's threads as they come: nothing else runs beside it.
    call("-m", "benchmarks", OMP_WAIT_POLICY=None)


@command
def accept():
    """execute all notebooks and keep their new outputs and figures"""
    set_up()
    folders = (".", "going_further", "solutions")
    call("notebooks/run.py", "--in-place", *(name for folder in folders for name in notebooks(folder)))


@command
def replicate():
    """run the notebooks on six networks, and say which of their claims fall (twenty-two minutes)"""
    set_up()
    call("-m", "replication")


@command
def mutation():
    """change the helpers in thousands of small ways, and see that the tests notice (many hours)"""
    add("mutation")
    shutil.rmtree(ROOT / "mutants", ignore_errors=True)
    # One thread: mutmut forks a process that has used torch, and its threads do not come along.
    call("-m", "mutmut", "run", OMP_NUM_THREADS="1")
    call("-m", "mutmut", "results")
    call("-m", "mutmut", "export-cicd-stats", stdout=subprocess.DEVNULL)
    stats = json.loads((ROOT / "mutants" / "mutmut-cicd-stats.json").read_text(encoding="utf-8"))
    share = 100 * (stats["killed"] + stats["timeout"]) / stats["total"]
    print(f"{share:.1f} % of {stats['total']} mutants fail a test; 95 % are asked for")
    sys.exit(share < 95)


def notebooks(folder: str = ".") -> list[str]:
    here = ROOT / "notebooks"
    return sorted(path.relative_to(ROOT).as_posix() for path in (here / folder).glob("*.ipynb"))


def set_up() -> None:
    """Make .venv and install into it, or do nothing where all is there already.

    Whether it is, .venv/.ready says, which is deleted first and written last: what was not finished is begun anew.
    """
    asked = os.environ.get("TORCH", "")
    if is_ready() and asked in ("", read(CHOSEN)):
        return
    make_environment()
    wheels = choose_wheels(asked)
    mark().unlink(missing_ok=True)
    CHOSEN.write_text(wheels, encoding="utf-8")
    if wheels != "pypi":
        # uv knows where the other wheels lie. pip then keeps them, as 2.15.0+cpu is a build of 2.15.0.
        call("-m", "pip", "install", UV)
        pair = ["--constraint", "constraints.txt", "torch", "torchvision"]
        call("-m", "uv", "pip", "install", "--python", str(PYTHON), f"--torch-backend={wheels}", *pair)
    call("-m", "pip", "install", "--constraint", "constraints.txt", "--editable", ".[test]")
    if subprocess.run([str(PYTHON), "-c", "import torchvision"], cwd=ROOT).returncode != 0:
        sys.exit("torch and torchvision do not fit together: delete the folder .venv, and run this again")
    write_mark()


def add(extra: str) -> None:
    """Set up, and install what this extra of pyproject.toml asks for beside the rest."""
    import tomllib  # which an older Python lacks

    set_up()
    if is_ready(extra):
        return
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    mark(extra).unlink(missing_ok=True)
    call("-m", "pip", "install", "--constraint", "constraints.txt", *project["optional-dependencies"][extra])
    write_mark(extra)


def mark(extra: str = "") -> Path:
    return ENVIRONMENT / (f".ready-{extra}" if extra else ".ready")


def state() -> str:
    """What an environment is made for and of. A file's time would not do: those of a zip are older than any .venv."""
    files = [(ROOT / name).read_bytes() for name in ("pyproject.toml", "constraints.txt")]
    return json.dumps({"folder": str(ROOT), "files": hashlib.sha256(b"\0".join(files)).hexdigest()})


def is_ready(extra: str = "") -> bool:
    return PYTHON.exists() and read(mark(extra)) == state()


def write_mark(extra: str = "") -> None:
    mark(extra).write_text(state(), encoding="utf-8")


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def make_environment() -> None:
    """A .venv with a Python that is new enough, and with pip."""
    if not ENVIRONMENT.exists():
        start(sys.executable, "-m", "venv", str(ENVIRONMENT))
    version = answer("import sys; print(*sys.version_info[:2], sep='.')")
    if version is None:
        sys.exit("no Python runs in the folder .venv: delete this folder, and run this again")
    if tuple(map(int, version.split("."))) < (3, 11):
        sys.exit(f"Python 3.11 or newer is needed; .venv has {version}: delete this folder, and run this again")
    if answer("import pip._internal.cli.main") is None:
        if answer("import ensurepip") is None:
            sys.exit("there is no pip in .venv; on Debian and Ubuntu, install python3-venv, and run this again")
        call("-m", "ensurepip")


def choose_wheels(asked: str) -> str:
    """The wheels of torch that are asked for, if they can be had, or those that .venv takes already."""
    before = read(CHOSEN) or "pypi"
    if asked in ("", before):
        return before
    there = answer("import importlib.util as u\nif u.find_spec('torch'): import torch; print(torch.__version__)")
    # What was begun may be changed. And a CPU build is one, whoever has installed it; on macOS, all are.
    if there == "" or (asked == "cpu" and there and there.partition("+")[2] in ("", "cpu")):
        return asked
    sys.exit(
        f"TORCH={asked} is asked for, and .venv holds torch {there or '(broken)'}, as TORCH={before} installs it: "
        "delete the folder .venv, and run this again"
    )


def answer(program: str) -> str | None:
    """What the program prints in .venv's Python; None if it fails there."""
    try:
        done = subprocess.run([str(PYTHON), "-c", program], cwd=ROOT, capture_output=True, text=True)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def call(*words: str, stdout: int | None = None, **variables: str | None) -> None:
    """Run .venv's Python in the project's folder, as `start` does."""
    start(str(PYTHON), *words, stdout=stdout, **variables)


def start(*words: str, stdout: int | None = None, **variables: str | None) -> None:
    """Run a program in the project's folder, and stop with its exit status where that is not 0."""
    shown = [word.replace(f"{ROOT}{os.sep}", "") for word in words]
    print(subprocess.list2cmdline(shown) if os.name == "nt" else shlex.join(shown), flush=True)
    # Threads that wait for each other by spinning train up to twenty times slower when another program wants the cores.
    merged = {"OMP_WAIT_POLICY": "PASSIVE"} | os.environ | variables
    environment = {name: value for name, value in merged.items() if value is not None}
    status = subprocess.run(words, cwd=ROOT, env=environment, stdout=stdout).returncode
    if status != 0:
        sys.exit(status if status > 0 else 128 - status)


def usage() -> str:
    lines = ["make COMMAND, or without make: python make.py COMMAND", ""]
    lines += [f"{name:<16} {function.__doc__}" for name, function in COMMANDS.items()]
    lines += [
        "",
        "Which assignment, as in make assignment COURSE=inside_lenet5: all in assignment/courses, if left out",
        "Where links to files that are no pages lead, as in make site SOURCE=https://host/project/blob/main: nowhere",
    ]
    lines += ["", "Which wheels of torch and torchvision are installed, as in make run TORCH=cpu:", ""]
    return "\n".join(lines + [f"TORCH={name:<10} {what}" for name, what in WHEELS.items()])


def main(words: list[str]) -> None:
    chosen = dict(word.split("=", 1) for word in words if word.startswith(VARIABLES))
    names = [word for word in words if not word.startswith(VARIABLES)]
    if not names or {"help", "-h", "--help"} & set(names):
        print(usage())
        return
    unknown = [name for name in names if name not in COMMANDS]
    if unknown:
        sys.exit(f"there is no command {unknown[0]!r}; there are {', '.join(COMMANDS)}")
    os.environ.update(chosen)
    if os.environ.get("TORCH", "") not in ("", *WHEELS):
        sys.exit(f"TORCH={os.environ['TORCH']} is not known; it is {', '.join(WHEELS)}, or left out")
    # Control-C is for the program that runs: JupyterLab asks a question then.
    signal.signal(signal.SIGINT, lambda *_: None)
    for name in names:
        COMMANDS[name]()


if __name__ == "__main__":
    main(sys.argv[1:])
