"""make.py with a real environment and a real pip, for a project whose packages are a few lines each.

Nothing is downloaded. Its torch and torchvision have two builds, as PyTorch's have, and its uv knows where the small
ones lie: in another folder.
"""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

PYPROJECT = """[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]

[project]
name = "small"
version = "1"
dependencies = ["torch>=2.6,<3", "torchvision>=0.21,<1"]
optional-dependencies = {test = ["checker>=1,<2"]}
"""

# What builds the project, in the place of setuptools, which pip would download
BACKEND = """
import sys
from pathlib import Path

sys.path.insert(0, {tests!r})
from test_make_for_real import write_wheel


def build_editable(folder, config_settings=None, metadata_directory=None):
    needs = ["torch>=2.6,<3", "torchvision>=0.21,<1", "checker>=1,<2; extra == 'test'"]
    pth = {{"small.pth": str(Path.cwd())}}
    return write_wheel(Path(folder), "small", "1", pth, needs, extras=["test"]).name


build_wheel = None
"""

UV = """
import pathlib, subprocess, sys

assert sys.argv[1:3] == ["pip", "install"]
options = [word for word in sys.argv[3:] if not word.startswith("--torch-backend")]
backend, = [word.partition("=")[2] for word in sys.argv if word.startswith("--torch-backend=")]
at = options.index("--python")
options[at:at + 2] = []
wheels = pathlib.Path({folder!r}) / backend
sys.exit(subprocess.call([sys.executable, "-m", "pip", "install", "--find-links", str(wheels), *options]))
"""


def write_wheel(folder, name, version, files, needs=(), extras=()):
    """A wheel with these files, by hand: setuptools would need a second or two for each."""
    info = f"{name}-{version}.dist-info"
    metadata = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}"]
    metadata += [f"Provides-Extra: {extra}" for extra in extras] + [f"Requires-Dist: {need}" for need in needs]
    files = files | {
        f"{info}/METADATA": "\n".join(metadata) + "\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for name, text in files.items():
            wheel.writestr(name, text)
    return path


def write_torch(folder, build):
    """torch and torchvision, which can be imported beside each other only if they are of one build."""
    torch, torchvision = f"2.15.0{build}", f"0.29.2{build}"
    write_wheel(folder, "torch", torch, {"torch.py": f"__version__ = {torch!r}\n"})
    fits = f"import torch\nassert torch.__version__ == {torch!r}\n__version__ = {torchvision!r}\n"
    write_wheel(folder, "torchvision", torchvision, {"torchvision.py": fits}, ["torch==2.15.0"])


def test_a_set_up_from_nothing_with_the_small_wheels(tmp_path):
    """In a folder with a space and an umlaut. pip leaves the CPU builds where they are, whenever it comes again."""
    wheels = tmp_path / "wheels"
    write_torch(wheels / "pypi", "")
    write_torch(wheels / "cpu", "+cpu")
    write_wheel(wheels / "pypi", "uv", "0.9", {"uv/__init__.py": "", "uv/__main__.py": UV.format(folder=str(wheels))})
    for version in ("1.5", "1.6"):
        write_wheel(wheels / "pypi", "checker", version, {"checker.py": f"__version__ = {version!r}\n"})
    folder = tmp_path / "über zip"
    (folder / "notebooks").mkdir(parents=True)
    shutil.copy(ROOT / "make.py", folder)
    (folder / "pyproject.toml").write_text(PYPROJECT)
    (folder / "backend.py").write_text(BACKEND.format(tests=str(ROOT / "tests")))
    (folder / "constraints.txt").write_text("torch==2.15.0\ntorchvision==0.29.2\nchecker==1.5\n")
    (folder / "notebooks" / "run.py").write_text(
        "import backend, checker, torch, torchvision\n"  # backend.py is where the project is
        "print('run with', checker.__version__, torch.__version__, torchvision.__version__)\n"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "TORCH", "UV_"))}
    environment |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": (wheels / "pypi").as_uri(), "PIP_CONFIG_FILE": os.devnull}

    def make(*words):
        line = [sys.executable, "make.py", "run", *words]
        done = subprocess.run(line, cwd=folder, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.splitlines()

    first = make("TORCH=cpu")
    assert "Successfully installed checker-1.5 small-1" in first
    assert first[-1] == "run with 1.5 2.15.0+cpu 0.29.2+cpu"
    assert make()[1:] == first[-1:]
    (folder / "constraints.txt").write_text("torch==2.15.0\ntorchvision==0.29.2\nchecker==1.6\n")
    assert make()[-1] == "run with 1.6 2.15.0+cpu 0.29.2+cpu"
