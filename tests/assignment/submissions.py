"""Made submissions: right ones, each of the thirteen known mistakes, and what goes wrong with a class of students."""

import atexit
import re
import runpy
import shutil
import sys
from collections.abc import Collection
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
import torch
from nbformat.notebooknode import NotebookNode
from nbformat.v4 import new_code_cell

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "assignment"))
from grading.mistakes_task import answers_to  # noqa: E402
from grading.secret import SECRET  # noqa: E402
from grading.settings import settings_of  # noqa: E402
from source_folder import make  # noqa: E402

from helpers.data import load_mnist  # noqa: E402

NAME = "inside_lenet5"
SOLUTIONS = Path(__file__).with_name("solutions")

# What all may ask for, and what is asked for.
TASKS = {
    "network": ["build_cnn", "look_inside", "train"],
    "deconvnet": ["unpool", "rectify", "filter_back", "keep_channel", "project"],
    "pictures": ["choose", "visualise", "to_uint8", "grids", "mistakes"],
}
EVERYTHING = [part for parts in TASKS.values() for part in parts]
SETTINGS = settings_of(NAME)
PARTS = [part for part in EVERYTHING if part in SETTINGS.points]
DIGITS = SETTINGS.digits


def parts_of(*tasks: str) -> list[str]:
    """The parts of these tasks that are asked for."""
    return [part for task in tasks for part in TASKS[task] if part in PARTS]


def copy_of_the_course(folder: Path) -> Path:
    """The folder of the assignment as it comes, without what is made in it."""
    made = (
        "source",
        "release",
        "submitted",
        "autograded",
        "feedback",
        "downloaded",
        "collected",
        "exported",
        "gradebook.db",
        SECRET,
        "__pycache__",
    )
    shutil.copytree(ROOT / "assignment", folder, ignore=shutil.ignore_patterns(*made))
    return folder


_FOLDER = TemporaryDirectory()
atexit.register(_FOLDER.cleanup)
_MADE = settings_of(NAME, copy_of_the_course(Path(_FOLDER.name) / "course"))
make(_MADE)
SOURCE = _MADE.source


def read_right(digit: int, which: int = 0) -> int:
    """A test image of this digit which the given network reads correctly."""
    return _images(digit, True)[which]


def misread(digit: int) -> int:
    """A test image of this digit which the given network reads as another."""
    return _images(digit, False)[0]


def _images(digit: int, rightly: bool) -> list[int]:
    images, labels = load_mnist("test")
    of_digit = (labels == digit).nonzero().flatten()
    with torch.no_grad():
        read = runpy.run_path(str(SOURCE / "given.py"))["given_network"]()(images[of_digit]).argmax(dim=1)
    return of_digit[(read == digit) == rightly].tolist()


def solution(name: str, parts: Collection[str] = PARTS) -> dict[str, str]:
    """The code of these parts in `solutions/name.py`. That of others comes before the next, as it may lean on it."""
    _, *pieces = re.split(r"^# %% (\w+)\n", (SOLUTIONS / f"{name}.py").read_text(encoding="utf-8"), flags=re.MULTILINE)
    found = dict(zip(pieces[::2], pieces[1::2], strict=True))
    found["mistakes"] = answered(ADDRESS)
    assert list(found) == EVERYTHING
    kept, before = {}, ""
    for part, code in found.items():
        before += code
        if part in parts:
            kept[part], before = before, ""
    return kept


# Of whoever has no other.
ADDRESS = "somebody@example.org"


def answered(address: str) -> str:
    """The right words for the strips of this address."""
    return f"email = {address!r}\nmistakes = {answers_to(address)!r}"


def fill(template: NotebookNode, code: dict[str, str]) -> NotebookNode:
    """The template with `code` in the gaps of the parts that it names."""
    notebook = nbformat.from_dict(template)
    for part, source in code.items():
        cell_named(notebook, f"{part}_solution").source = source
    return notebook


def cell_named(notebook: NotebookNode, name: str) -> NotebookNode:
    return next(cell for cell in notebook.cells if cell.metadata.get("nbgrader", {}).get("grade_id") == name)


# (the part that loses points, the part that is changed, what in the solution, into what): the gallery of notebook 3.
EVERY_MISTAKE = {
    "1 not flipped": ("filter_back", "conv.weight,", "conv.weight.flip(2, 3),"),
    "2 transposed": ("filter_back", "conv.weight,", "conv.weight.mT,"),
    "3 wrong padding": (
        "filter_back",
        "padding=conv.padding",
        "padding=conv.padding[0] + 1",
    ),
    "3 no padding": ("filter_back", "padding=conv.padding", "padding=0"),
    "4 cast without scaling": ("to_uint8", "(maps / scale * 127 + 128).round().byte()", "maps.int().byte()"),
    "5 own scale": (
        "to_uint8",
        "    scale = maps.abs().max()\n    return (maps / scale * 127 + 128).round().byte()",
        "    low, high = maps.amin((1, 2), keepdim=True), maps.amax((1, 2), keepdim=True)\n"
        "    return ((maps - low) / (high - low).clamp(min=1e-9) * 255).byte()",
    ),
    "6 not rectified": ("rectify", "F.relu(signal)", "signal"),
    "6 rectified after": (
        "project",
        "        x = rectify(x)\n        x = filter_back(x, conv)",
        "        x = filter_back(x, conv)\n        x = rectify(x)",
    ),
    "7 upsampled": (
        "unpool",
        "    return flat.view(n, c, *size)",
        "    return F.interpolate(signal, size=tuple(size))",
    ),
    "7 other switches": ("project", "unpool(x, where, size)", "unpool(x, where[:1].expand_as(where), size)"),
    "8 others not zeroed": ("keep_channel", "mask = torch.zeros(", "mask = torch.ones("),
    "8 zeroed again": (
        "project",
        "        x = filter_back(x, conv)",
        "        x = filter_back(x, conv)\n        x = keep_channel(x, 0) if x.shape[1] > 1 else x",
    ),
    "9 misread": ("choose", "(predictions == labels) & ", ""),
    "10 biases added": (
        "filter_back",
        "conv_transpose2d(signal,",
        "conv_transpose2d(signal + conv.bias[:, None, None],",
    ),
}
MISTAKES = {name: mistake for name, mistake in EVERY_MISTAKE.items() if mistake[0] in PARTS}


# Mistakes that show in other images, sizes or signs only than a careless check would try: the same form, and what the
# check says of them.
HARD_TO_SEE = {
    "no ReLU after the first layer": (
        (
            "build_cnn",
            "F.max_pool2d(conv(x).relu(),",
            "F.max_pool2d(conv(x) if len(conv.weight) < 16 else conv(x).relu(),",
        ),
        "no ReLU follows layer 1 of the five that have weights",
    ),
    "leaky ReLU": (
        ("build_cnn", "conv(x).relu()", "F.leaky_relu(conv(x))"),
        "Is each ReLU there, and none too many?",
    ),
    "filters for display": (
        ("look_inside", 'f"filters{number}": weight', 'f"filters{number}": weight / weight.abs().max()'),
        "filters1 are not the weights of the convolution",
    ),
    "pooled values of other images": (
        ("look_inside", "model.stages(images)", "model.stages((images - 0.1307) / 0.3081)"),
        "pooled1 has the right shape and wrong values",
    ),
    "another place in the window": (
        ("look_inside", 'f"switches{number}": where', 'f"switches{number}": where ^ 1'),
        "switches1 do not name the place of the largest value",
    ),
    "trains a copy": (
        ("train", "    optimizer = ", "    model = __import__('copy').deepcopy(model)\n    optimizer = "),
        "have you trained a copy, or a new one?",
    ),
    "trains on what is outside": (
        ("train", "model(images[batch]), labels[batch]", "model(images[batch]), usual_labels[batch]"),
        "the model reads the usual labels, not those that were given",
    ),
    "unpools what is positive": (
        ("unpool", "signal.flatten(2))", "signal.relu().flatten(2))"),
        "from the values [[7.0, -3.0], [2.5, 5.0]]",
    ),
    "unpools whole numbers": (
        ("unpool", "    return flat.view(n, c, *size)", "    return flat.view(n, c, *size).long()"),
        "from the values [[7.0, -3.0], [2.5, 5.0]]",
    ),
    "one map's switches for all": (
        ("unpool", "switches.flatten(2), signal", "switches[:1, :1].expand_as(switches).flatten(2), signal"),
        "each map has its own switches",
    ),
    "overwrites where two meet": (
        ("unpool", "flat.scatter_add_(2,", "flat.scatter_(2,"),
        "two values return to position 5, and one of them is lost",
    ),
    "rectifies to whole numbers": (
        ("rectify", "F.relu(signal)", "F.relu(signal).round()"),
        "what is negative becomes zero, the rest stays",
    ),
    "unpools twice as much": (
        ("unpool", "signal.flatten(2))", "2 * signal.flatten(2))"),
        "the positions are right, the values are not",
    ),
    "takes magnitudes": (("rectify", "F.relu(signal)", "signal.abs()"), "what is negative becomes zero"),
    "rectifies in filter_back": (
        ("filter_back", "conv_transpose2d(signal,", "conv_transpose2d(signal.relu(),"),
        "The signal and the filters are negative in places",
    ),
    "keeps a map of the first image": (
        (
            "keep_channel",
            "return maps * mask[:, None, None]",
            "return torch.cat([maps[:1] * mask[:, None, None], 0 * maps[1:]])",
        ),
        "it stays as it is, in all images",
    ),
    "takes sizes to be even": (
        ("project", "before.shape[2:]", "[side + side % 2 for side in before.shape[2:]]"),
        "project on an image of 23×18, with 3 and 5 filters of 3×3 is 1×1×24×18",
    ),
    "the windows of task 1": (
        ("project", "pool.kernel_size, pool.stride, pool.padding,", "2,"),
        "whatever the kernel_size of the pooling layer features[2] is, the picture is the same",
    ),
    "the given windows typed in": (
        ("project", "pool.kernel_size, pool.stride, pool.padding,", "3, 2, 1,"),
        "whatever the kernel_size of the pooling layer features[2] is, the picture is the same",
    ),
    "the side of the windows alone": (
        ("project", "pool.kernel_size, pool.stride, pool.padding,", "pool.kernel_size,"),
        "whatever the stride of the pooling layer features[2] is, the picture is the same",
    ),
    "overwrites in project": (
        (
            "project",
            "x = unpool(x, where, size)",
            "x = torch.zeros(*x.shape[:2], size[0] * size[1]).scatter(2, where.flatten(2), x.flatten(2))\n"
            "        x = x.unflatten(2, tuple(size))",
        ),
        "Each brings back 0.9; you leave one of them",
    ),
    "chooses a 5 always": (("choose", "(labels == digit)", "(labels == 5)"), "asked for a 1, you choose image"),
}
HARD_TO_SEE = {name: (mistake, said) for name, (mistake, said) in HARD_TO_SEE.items() if mistake[0] in PARTS}


def mistaken(code: dict[str, str], name: str) -> tuple[str, dict[str, str]]:
    """The part in which the mistake `name` is, and `code` with it."""
    part, right, wrong = EVERY_MISTAKE[name] if name in EVERY_MISTAKE else HARD_TO_SEE[name][0]
    assert code[part].count(right) == 1
    return part, code | {part: code[part].replace(right, wrong)}


# What students do to the images and the network, for all that follows. The one costs points, the other none.
NORMALISED = "images, test_images = (images - 0.1307) / 0.3081, (test_images - 0.1307) / 0.3081"
IN_DOUBLE_PRECISION = """torch.set_default_dtype(torch.float64)
images, test_images = images.double(), test_images.double()
network = given_network().double()"""

# Goes on when it is interrupted.
STUBBORN = "while True:\n    try:\n        while True:\n            pass\n    except BaseException:\n        pass"


def with_cell(notebook: NotebookNode, source: str, at: int) -> NotebookNode:
    notebook = nbformat.from_dict(notebook)
    notebook.cells.insert(at, new_code_cell(source))
    return notebook
