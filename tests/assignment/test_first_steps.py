"""What a student meets first: the first cell, wherever the notebook is opened, and the drawing at the end."""

import re
import subprocess
import sys
import zipfile
from itertools import pairwise
from types import SimpleNamespace

import nbformat
import pytest
import torch
from course import NAME
from submissions import DIGITS, PARTS, ROOT, SOURCE


def cells():
    return [cell for cell in nbformat.read(SOURCE / f"{NAME}.ipynb", as_version=4).cells if cell.cell_type == "code"]


def run_first_cell(folder, before="", after="", **variables):
    program = f"import sys\nsys.path.insert(0, '')\n{before}\n{cells()[0].source}\n{after}"
    env = {"PATH": "", "MPLBACKEND": "Agg", "HOME": str(folder)} | variables
    return subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, env=env)


LOOKS = """
class Finder:
    def find_spec(name, *given):
        if name == "torch":
            import os
            print("torch is imported with", os.environ.get("OMP_WAIT_POLICY"))
sys.meta_path.insert(0, Finder)
"""


@pytest.mark.parametrize(("variables", "found"), [({}, "PASSIVE"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE")])
def test_threads_wait_without_spinning_unless_it_is_wanted(variables, found):
    """The variable is there before PyTorch reads it."""
    done = run_first_cell(SOURCE, LOOKS, **variables)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == f"torch is imported with {found}"


def test_the_notebook_alone_says_what_to_do(tmp_path):
    last = run_first_cell(tmp_path).stderr.splitlines()[-1]
    assert "unpack the whole zip, and open the notebook in its folder" in last
    assert "No module named" not in last


@pytest.mark.parametrize("language", ["student", "translations/de"])
def test_the_readme_leads_to_the_folder_on_colab(language, tmp_path, monkeypatch):
    """The two lines for its first cell, by what they do here."""
    readme = (ROOT / "assignment" / language / "README.md").read_text(encoding="utf-8").replace("{{ name }}", NAME)
    (archive,) = re.findall(r"^ +!unzip -qo (\S+)$", readme, re.MULTILINE)
    (folder,) = re.findall(r"^ +%cd (\S+)$", readme, re.MULTILINE)
    subprocess.run([sys.executable, ROOT / "assignment" / "build.py", NAME], check=True, capture_output=True)
    with zipfile.ZipFile(ROOT / "build" / archive) as opened:
        opened.extractall(tmp_path)
    done = run_first_cell(tmp_path / folder, after="print('ready')")
    assert (done.returncode, done.stdout) == (0, "ready\n"), done.stderr


@pytest.mark.skipif("grids" not in PARTS, reason="these settings leave out grids")
def test_all_digits_are_drawn_on_one_scale_and_the_title_says_so():
    shown, names = [], {"torch": torch, "chosen": {digit: at for at, digit in enumerate(DIGITS)}}
    maps = {at: torch.linspace(-1, 1, 22 * 784).view(22, 28, 28) * (at + 1) for at in range(len(DIGITS))}
    to_uint8 = {at: (128 + 127 * one / one.abs().max()).round().byte() for at, one in maps.items()}
    names |= {
        "grids": {digit: to_uint8[at] for digit, at in names["chosen"].items()},
        "test_images": torch.arange(len(DIGITS)).view(-1, 1, 1, 1).expand(-1, 1, 28, 28),
        "network": SimpleNamespace(features=None),
        "visualise": lambda features, image: maps[int(image[0, 0, 0, 0])],
        "Panel": lambda pixels, label: pixels,
        "panels": lambda rows, title: shown.append((rows, title)),
        "show": lambda figure, alt: None,
    }
    (drawing,) = (cell.source for cell in cells() if cell.source.startswith("strongest = "))
    exec(drawing, names)
    ends = [rows[-1][-1].max().item() - 128 / 255 for rows, _ in shown]
    # The last pixel of each digit's last map is one time, two times, three times the first digit's.
    assert ends == pytest.approx([127 / 255 * (at + 1) / len(DIGITS) for at in range(len(DIGITS))], abs=1e-6)
    assert all(one < other for one, other in pairwise(ends))
    assert all(f"all digits on one scale: white is {len(DIGITS):.1f}" in title for _, title in shown)
