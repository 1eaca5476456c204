"""The JavaScript modules of the explorers and the live page, without a browser: their types, as their comments say."""

import json
import shutil
import subprocess

import pytest
from lab import ROOT
from npm import package

from helpers.explorers.page import FOLDER, module

TYPESCRIPT = "5.9.3"
LIVE = ROOT / "site" / "live"


@pytest.fixture(scope="session")
def typescript():
    """The folder of the compiler."""
    return package("typescript", TYPESCRIPT)


def tsc(typescript, folder):
    """What the compiler says of the modules in `folder`; nothing if all is well."""
    settings = json.loads((ROOT / "tests" / "browser" / "tsconfig.json").read_text(encoding="utf-8"))
    settings["include"] = [f"{folder}/*.js"]
    file = ROOT / "build" / "tsconfig.json"
    file.write_text(json.dumps(settings), encoding="utf-8")
    words = ["node", str(typescript / "bin" / "tsc"), "--project", str(file)]
    return subprocess.run(words, capture_output=True, text=True).stdout


@pytest.mark.parametrize("folder", [FOLDER, LIVE], ids=["explorers", "live"])
def test_the_types_are_right(typescript, folder):
    assert tsc(typescript, folder) == ""


def test_a_wrong_type_is_found(typescript, tmp_path):
    shutil.copytree(FOLDER, tmp_path, dirs_exist_ok=True)
    text = (tmp_path / "picture.js").read_text(encoding="utf-8")
    (tmp_path / "picture.js").write_text(text.replace("middle(gap, 0)", 'middle(gap, "0")', 1), encoding="utf-8")
    assert "picture.js" in tsc(typescript, tmp_path)


@pytest.mark.parametrize("name", [FOLDER / "explorer.js", LIVE / "live.js"], ids=["explorers", "live"])
def test_what_the_page_gets_is_one_module(name, tmp_path):
    """No name is declared twice, and nothing is imported."""
    if shutil.which("node") is None:
        pytest.skip("there is no node to read the module with")
    (tmp_path / "one.mjs").write_text(module(name), encoding="utf-8")
    done = subprocess.run(["node", "--check", str(tmp_path / "one.mjs")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
