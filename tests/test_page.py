"""helpers.explorers.page: what stands in modules of their own comes to the page as one."""

import re
import tomllib
from pathlib import Path

from helpers.explorers.page import FOLDER, module

ROOT = Path(__file__).resolve().parents[1]
# Each begins with a comment, of which this much tells it from the others.
BEGINNINGS = {path.name: path.read_text(encoding="utf-8").partition("*/")[0][:60] for path in FOLDER.glob("*.js")}


def test_a_module_comes_after_those_that_it_imports_each_once():
    text = module("explorer.js")
    places = {name: text.find(beginning) for name, beginning in BEGINNINGS.items()}
    assert all(place >= 0 for place in places.values()), "a module is imported by none"
    assert max(places, key=places.get) == "explorer.js" and min(places, key=places.get) == "make.js"
    for beginning in BEGINNINGS.values():
        assert text.count(beginning) == 1


def test_nothing_is_imported_and_one_thing_exported():
    text = module("explorer.js")
    assert not re.search(r"^\s*import\b", text, re.MULTILINE)
    assert re.findall(r"^export .*", text, re.MULTILINE) == ["export default { render };"]


def test_an_installed_package_has_them():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    assert FOLDER.relative_to(ROOT).as_posix().replace("/", ".") in settings["packages"]
    named = {path for pattern in settings["package-data"]["helpers.explorers.page"] for path in FOLDER.glob(pattern)}
    assert {path for path in FOLDER.iterdir() if path.suffix != ".py" and path.is_file()} == named
