"""MNIST as tensors.

The four official files lie in `data/MNIST/raw`. torchvision verifies and unpacks them, and downloads those that are
missing. It is imported only then, as that takes as long as the import of torch.
"""

import hashlib
import os
import shutil
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from helpers.checks import kind_of

DATA = Path(__file__).resolve().parents[1] / "data"

# torchvision knows the sums of the compressed files only; these are of the files unpacked.
_UNPACKED_MD5 = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}
_PREFIXES = {"train": "train", "test": "t10k"}


def load_mnist(split: str, root: Path = DATA) -> tuple[Tensor, Tensor]:
    """The images and labels of MNIST's training or test set.

    Args:
        split: `"train"` (60,000 images) or `"test"` (10,000).
        root: the folder that holds `MNIST/raw`.

    Returns:
        images `(N, 1, 28, 28)`, float32, 0 for paper and 1 for ink; labels `(N,)`, int64, the digits 0 to 9.

    Raises:
        ValueError: `split` is neither.
        OSError: the folder can't be written, so that the files can't be unpacked.
        RuntimeError: a file is missing or damaged and could not be downloaded.

    Source: LeCun, Bottou, Bengio & Haffner (1998), "Gradient-based learning applied to document recognition".
    """
    if split not in tuple(_PREFIXES):
        raise ValueError(f"split is {split!r}; it must be 'train' or 'test'")
    raw = Path(root) / "MNIST" / "raw"
    wanted = {name: md5 for name, md5 in _UNPACKED_MD5.items() if name.startswith(_PREFIXES[split])}
    if not all(_is_whole(raw / name, md5) for name, md5 in wanted.items()):
        _unpack(raw)
    images, labels = (_read_idx(raw / name) for name in wanted)
    return images[:, None].float().div_(255), labels.long()


def as_mnist(drawing: Tensor) -> Tensor:
    """A drawing as MNIST's digits were made: as large as fits in 20×20, its centre of mass in the middle of 28×28.

    Args:
        drawing: `(H, W)`, floating point, 0 for paper and 1 for ink, with some ink anywhere in it.

    Returns:
        `(1, 1, 28, 28)`, of the same dtype. As in MNIST, there are 256 levels of grey, the digit moves by whole pixels,
        and its centre of mass comes to lie within half a pixel of row 14, column 14, counted from 0; farther away only
        if the digit would not fit.

    Raises:
        TypeError: `drawing` is no tensor of floating-point numbers.
        ValueError: it is not `(H, W)`, holds numbers outside 0 to 1, or no ink.

    Source: LeCun, Bottou, Bengio & Haffner (1998), section III.A.
    """
    if not isinstance(drawing, Tensor) or not drawing.is_floating_point():
        raise TypeError(f"drawing is {kind_of(drawing)}; as_mnist needs a tensor of floating-point pixels")
    if drawing.dim() != 2:
        raise ValueError(f"drawing has the shape {tuple(drawing.shape)}; as_mnist needs (H, W)")
    if not ((drawing >= 0) & (drawing <= 1)).all():
        raise ValueError("drawing holds numbers outside 0 to 1; as_mnist needs 0 for paper, 1 for ink")
    ink = drawing.nonzero()
    if len(ink) == 0:
        raise ValueError("drawing holds no ink; as_mnist needs some, to know how large it is and where")
    (top, left), (bottom, right) = ink.amin(dim=0).tolist(), ink.amax(dim=0).tolist()
    cropped = drawing[top : bottom + 1, left : right + 1]
    height, width = (max(1, round(20 * side / max(cropped.shape))) for side in cropped.shape)
    digit = F.interpolate(cropped[None, None], size=(height, width), mode="area")[0, 0]
    digit = (255 * digit).round() / 255
    corner = []
    for dim, side in enumerate((height, width)):
        along = digit.sum(dim=1 - dim)
        centre = (along * torch.arange(side)).sum() / along.sum()
        corner.append(min(max(0, round(14 - centre.item())), 28 - side))
    image = digit.new_zeros(1, 1, 28, 28)
    image[..., corner[0] : corner[0] + height, corner[1] : corner[1] + width] = digit
    return image


def _is_whole(path: Path, md5: str) -> bool:
    """Whether there is a file at `path`, and its checksum is `md5`."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, partial(hashlib.md5, usedforsecurity=False)).hexdigest() == md5


def _read_idx(path: Path) -> Tensor:
    """An IDX file of bytes, uint8: its header says how many dimensions there are, and how long each is."""
    content = bytearray(path.read_bytes())
    dimensions = content[3]
    shape = np.frombuffer(content, ">i4", dimensions, offset=4)
    return torch.frombuffer(content, dtype=torch.uint8, offset=4 * (1 + dimensions)).view(*shape.tolist())


def _unpack(raw: Path) -> None:
    """Unpack the files of `raw` beside themselves, downloading those that are missing or damaged.

    torchvision unpacks in place and later trusts whatever stands there. So it works in a scratch folder, and what it
    has finished is moved here: a reader that comes in between, or after a crash, meets no half-written file.
    """
    from torchvision.datasets import MNIST

    try:
        raw.mkdir(parents=True, exist_ok=True)
        scratch = tempfile.TemporaryDirectory(dir=raw, prefix=".unpacking-")
    except OSError as error:
        raise OSError(
            f"can't unpack MNIST into {raw}: {error.strerror}; make this folder writable, "
            "or copy it to one that is and pass that as load_mnist(split, root=...)"
        ) from error
    with scratch:
        scratch_raw = Path(scratch.name) / "MNIST" / "raw"
        scratch_raw.mkdir(parents=True)
        faults = []
        for name, md5 in MNIST.resources:
            if _is_whole(raw / name, md5):
                shutil.copyfile(raw / name, scratch_raw / name)
            else:
                faults.append(f"{raw / name} is {'damaged' if (raw / name).exists() else 'missing'}")
        try:
            MNIST(scratch.name, download=True)
        except (RuntimeError, OSError) as error:
            if not faults:
                raise OSError(f"can't unpack MNIST into {raw}: {error}") from error
            raise RuntimeError(
                f"{'; '.join(faults)}; and downloading failed. Bring the file back with "
                "`git checkout -- data/MNIST/raw`, or connect to the internet and try again"
            ) from error
        for name, md5 in (_UNPACKED_MD5 | dict(MNIST.resources)).items():
            if not _is_whole(raw / name, md5):
                os.replace(scratch_raw / name, raw / name)
