"""Packages of npm for the tests, each installed into a folder of its own in build/npm the first time."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

BUILD = Path(__file__).resolve().parents[2] / "build" / "npm"


def package(name: str, version: str) -> Path:
    """The folder of the package."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip(f"there is no npm to install {name} with")
    folder = BUILD / name
    file = folder / "node_modules" / name / "package.json"
    if not file.exists() or json.loads(file.read_text(encoding="utf-8"))["version"] != version:
        folder.mkdir(parents=True, exist_ok=True)
        words = ["install", "--no-save", "--no-audit", "--no-fund", f"{name}@{version}"]
        done = subprocess.run([npm, *words, "--prefix", str(folder)], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    return file.parent
