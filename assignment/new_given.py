"""What the assignment gives, anew for another year: `make given SEED=...`.

A trained network, template/given_network.pt; the numbers of the small examples in the checks, template/given.json; and
strips of pictures in which something may be wrong, template/bank.npz, with the key to them. Whoever knows the seed can
make that key, so no file that students get holds the seed.

The judge draws its questions anew for each submission, and needs nothing.
"""

import copy
import hashlib
import io
import json
import runpy
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
import torch.nn.functional as F
from grading.given_network import WINDOWS
from grading.mistakes_task import KEY
from grading.settings import COURSE
from new_mistakes import bank_of, key_to
from torch import Tensor, nn

from helpers import deconvnet
from helpers.data import load_mnist
from helpers.files import write_atomically
from helpers.lenet5 import LeNet5
from helpers.training import fit

TEMPLATE = COURSE / "template"

# A network that reads less is no good example.
_READS = 0.98
# The value at a place is told from zero, and from another in its window, by at least this much.
_CLEAR = 0.05
# And the outputs of a network from those of one with a mistake: three times what the check lets pass.
_APART = 0.003
# Of so many images, that is taken which tells them apart best.
_IMAGES = 200


def network(
    seed: int, images: Tensor, labels: Tensor, epochs: int = 3, windows: tuple[int, ...] = WINDOWS
) -> nn.Sequential:
    """A LeNet-5 with these pooling windows, trained with this seed: a chain of two chains without names, in eval mode.

    The windows of the given network overlap.
    """
    torch.manual_seed(seed)
    model = LeNet5()
    model.features.pool1, model.features.pool2 = nn.MaxPool2d(*windows), nn.MaxPool2d(*windows)
    fit(model, images, labels, epochs=epochs, seed=seed)
    chains = {"features": model.features, "classifier": model.classifier}
    found = nn.Sequential()
    for name, chain in chains.items():
        found.add_module(name, nn.Sequential(*chain))
    return found.eval()


def numbers(seed: int) -> dict[str, object]:
    """Those of the examples in the checks: in form, as template/check.py describes them."""
    check = _checks(seed)
    model, images = check["_fill"](LeNet5().eval()), check["_mixed"]((2, 1, 28, 28)).abs()
    features = deconvnet.DeconvNet(model.features)
    trace = features.record(images)
    inside = [
        _inside(trace.activations[f"relu{layer}"][1])
        | {"means": _rounded(trace.activations[f"pool{layer}"].mean(dim=(0, 2, 3)))}
        for layer in (1, 2)
    ]
    chain = check["_other_chain"]()
    net = deconvnet.DeconvNet(chain)
    pixels = net.project(net.record(check["_mixed"]((1, 1, 23, 18)).abs()), "5", channels=[1])[0, 0, 0]
    rows, columns = _strongest(pixels, 6)
    return {
        # All that the checks take of it, and too little to find the key of the bank.
        "seed": seed % 997,
        **_outputs(check),
        "inside": inside,
        "projected": [rows, columns, _rounded(pixels[rows, columns])],
    }


def strips(seed: int) -> tuple[bytes, bytes]:
    """The files of the bank and of its key. Its network has windows as in the gallery, and nobody is given it."""
    own = int.from_bytes(hashlib.sha256(f"bank {seed}".encode()).digest()[:7])
    content, words = bank_of(own, network(own, *load_mnist("train"), windows=(2, 2)), *load_mnist("test"))
    return content, key_to(content, words)


def _checks(seed: int) -> dict:
    """The names of check.py with this seed, and no examples yet."""
    with TemporaryDirectory() as folder:
        for name in ("check.py", "given.py", "bank.py"):
            shutil.copy(TEMPLATE / name, folder)
        (Path(folder) / "settings.json").write_text('{"digits": [0, 1], "language": "en"}')
        (Path(folder) / "given.json").write_text(json.dumps({"seed": seed}))
        sys.path.insert(0, folder)
        try:
            return runpy.run_path(str(Path(folder) / "check.py"))
        finally:
            sys.path.remove(folder)
            for name in ("given", "bank"):
                sys.modules.pop(name, None)


@torch.no_grad()
def _outputs(check: dict) -> dict[str, object]:
    """Of the network, with 3 and 7 maps, and with mistakes; for the image that tells them apart best."""
    model, other = check["_fill"](LeNet5().eval()), LeNet5().eval()
    other.features.conv1, other.features.conv2 = nn.Conv2d(1, 3, 5, padding=2), nn.Conv2d(3, 7, 5)
    other.classifier.linear1 = nn.Linear(175, 120)
    images = check["_mixed"]((_IMAGES, 1, 28, 28)).abs()
    relus = [[f"relu{layer}"] for layer in (1, 2, 3, 4)]
    right = model(images)
    average = _with(model, ["pool1", "pool2"], nn.AvgPool2d(2))(images)
    without = torch.stack([_with(model, names, nn.Identity())(images) for names in relus])
    leaky = torch.stack([_with(model, names, nn.LeakyReLU())(images) for names in relus])
    apart = (torch.cat([average[None], without, leaky]) - right).abs().amax(dim=2).amin(dim=0)
    image = int(apart.argmax())
    if apart[image] < _APART:
        raise ValueError("no image tells a network from those with a mistake; take another seed")
    return {
        "image": image,
        "outputs": {
            "right": _rounded(right[image]),
            "average_pooling": _rounded(average[image]),
            "no_relu": [_rounded(one) for one in without[:, image]],
            "other_maps": _rounded(check["_fill"](other)(images[image : image + 1])[0]),
        },
    }


def _with(model: LeNet5, names: list[str], layer: nn.Module) -> LeNet5:
    """A copy of the model with another layer in the place of those of these names."""
    changed = copy.deepcopy(model)
    for name in names:
        chain = changed.features if hasattr(changed.features, name) else changed.classifier
        setattr(chain, name, layer)
    return changed


def _inside(rectified: Tensor) -> dict[str, object]:
    """Of maps before pooling, the place in the last row of windows at which the most maps have one clear maximum."""
    windows = F.unfold(rectified[:, None], 2, stride=2).view(len(rectified), 4, -1)
    highest, second = windows.topk(2, dim=1).values.unbind(dim=1)
    clear = (highest > _CLEAR) & (highest - second > _CLEAR)
    pooled, switches = F.max_pool2d(rectified, 2, return_indices=True)
    row, side = pooled.shape[-2] - 1, pooled.shape[-1]
    column = int(clear.view(-1, row + 1, side)[:, row].sum(dim=0).argmax())
    maps = clear.view(-1, row + 1, side)[:, row, column].nonzero().flatten().tolist()
    return {
        "place": [row, column],
        "pooled": _rounded(pooled[:, row, column]),
        "maps": maps,
        "switches": switches[maps, row, column].tolist(),
    }


def _strongest(pixels: Tensor, count: int) -> tuple[list[int], list[int]]:
    """Rows and columns of the strongest values, no two beside each other."""
    left = pixels.abs().clone()
    rows, columns = [], []
    for _ in range(count):
        row, column = divmod(int(left.argmax()), left.shape[1])
        left[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2] = 0
        rows.append(row)
        columns.append(column)
    return rows, columns


def _rounded(values: Tensor) -> list[float]:
    return [round(value, 3) for value in values.tolist()]


def main(words: Sequence[str]) -> None:
    seed = int(words[0])
    model = network(seed, *load_mnist("train"))
    images, labels = load_mnist("test")
    with torch.no_grad():
        reads = (model(images).argmax(dim=1) == labels).double().mean().item()
    if reads < _READS:
        sys.exit(f"with the seed {seed}, the network reads {reads:.2%} of the test images; take another seed")
    content = io.BytesIO()
    torch.save(model, content)
    text = json.dumps(numbers(seed), indent=1) + "\n"
    content_of_bank, key = strips(seed)
    write_atomically(TEMPLATE / "given_network.pt", content.getvalue())
    write_atomically(TEMPLATE / "given.json", text.encode())
    write_atomically(TEMPLATE / "bank.npz", content_of_bank)
    write_atomically(COURSE / KEY, key)
    print(f"assignment/template/given_network.pt reads {reads:.2%} of the test images")
    print("assignment/template/given.json holds the numbers of the checks")
    print(f"assignment/template/bank.npz holds the strips of the part mistakes, assignment/{KEY} what they show")


if __name__ == "__main__":
    main(sys.argv[1:])
