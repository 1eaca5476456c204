"""The project as "Download ZIP" gives it, without a git folder, and with what commands leave in it.

Where no git folder keeps them away, the tools of `make test` must know by themselves what is not the project's.
"""

import importlib.util
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# How to ask a tool what it looks at. ruff format names each file that it would write otherwise.
ASK = {
    "ruff check": ["--show-files"],
    "ruff format": [],
    "mypy": ["--verbose", "--follow-imports=skip"],
    "pytest": ["--collect-only", "-q"],
}

NOTEBOOK = """{
"cells": [
    {"cell_type": "code", "execution_count": 1, "id": "a", "metadata": {}, "outputs": [], "source": "x   =  1"}
],
"metadata": {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}},
"nbformat": 4, "nbformat_minor": 5}
"""

LINES = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
IGNORED = [line.rstrip("/") for line in LINES if line.endswith("/") and not line.startswith("#")]


def git(*words):
    """What git prints; None where there is none, or no clone."""
    try:
        done = subprocess.run(["git", "-c", "user.name=-", "-c", "user.email=-", *words], cwd=ROOT, capture_output=True)
    except OSError:
        return None
    return done.stdout.decode().strip() if done.returncode == 0 else None


def unpack(folder):
    """The project's files as they are now, committed or not; where this is no clone, without what is left there."""
    archive = folder.with_suffix(".zip")
    if git("archive", "--output", str(archive), git("stash", "create") or "HEAD") is None:
        names = [name.rpartition("/")[2] for name in IGNORED]
        shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(*names, "*-ubyte"))
    else:
        with zipfile.ZipFile(archive) as files:
            files.extractall(folder)


def plant(folder, name):
    """Files that a tool would look at if nothing kept it away."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"test_{name}.py").write_text("import   os\ndef test(): assert   False\n")
    (folder / f"{name}.ipynb").write_text(NOTEBOOK)
    (folder / f"{name}.md").write_text("[nowhere](nowhere.md)\n")


@pytest.fixture(scope="module")
def downloaded(tmp_path_factory):
    """The project with files of yours in three folders, and others in each folder that .gitignore names."""
    folder = tmp_path_factory.mktemp("downloads") / "über zip"
    unpack(folder)
    for name in IGNORED:
        # a name alone may stand in any folder
        others = (
            ()
            if "/" in name
            else ("helpers", "tests", "notebooks", "notebooks/going_further", "notebooks/solutions", "docs")
        )
        for place in (".", *others):
            plant(folder / place / name.lstrip("/").replace("*", "inside_lenet5"), "planted_left")
    for place in ("helpers", "tests", "notebooks"):
        plant(folder / place, "planted_kept")
    return folder


def commands():
    spec = importlib.util.spec_from_file_location("the_make", ROOT / "make.py")
    make = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make)
    # What tries the claims is given its notebooks by name.
    return [words for words in make.TESTS if words[0] != "replication"]


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_the_tools_of_make_test_look_at_the_projects_files_alone(words, downloaded):
    ask = next(ask for tool, ask in ASK.items() if " ".join(words).startswith(tool))
    done = subprocess.run([sys.executable, "-m", *words, *ask], cwd=downloaded, capture_output=True, text=True)
    said = done.stdout + done.stderr
    assert done.returncode < 2, said
    assert "planted_kept" in said
    assert [line for line in said.splitlines() if "planted_left" in line] == []
