"""MNIST as tensors, other datasets in its format, and drawings brought to its size and place.

The four official files lie in `data/MNIST/raw`, compressed, and are read as they lie there. No file that lies somewhere
is ever written over. Only to download one that is missing, torchvision is imported: that takes as long as the import of
torch.
"""

import gzip
import hashlib
import tempfile
import zlib
from math import prod
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from helpers.checks import kind_of
from helpers.files import write_atomically

DATA = Path(__file__).resolve().parents[1] / "data"

_FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
# The sum of the compressed file, and of the file that torchvision unpacks beside it. Some have only that one.
_MD5 = {
    "train-images-idx3-ubyte": ("f68b3c2dcbeaaa9fbdd348bbdeb94873", "6bbc9ace898e44ae57da46a324031adb"),
    "train-labels-idx1-ubyte": ("d53e105ee54ea40749a09fcbcd1e9432", "a25bea736e30d166cdddb491f175f624"),
    "t10k-images-idx3-ubyte": ("9fb629c4189551a2d022fa330f9573f3", "2646ac647ad5339dbf082846283269ea"),
    "t10k-labels-idx1-ubyte": ("ec29112dd5afa0611ce80d1b7f02629c", "27ae3e4e09519cfbb04c329615203637"),
}


def load_mnist(split: str, root: Path | str = DATA) -> tuple[Tensor, Tensor]:
    """The images and labels of MNIST's training or test set.

    Files that are missing are downloaded. A file that lies there is never written over, whatever it holds.

    Args:
        split: `"train"` (60,000 images) or `"test"` (10,000).
        root: the folder that holds `MNIST/raw`. `~` is your home.

    Returns:
        images `(N, 1, 28, 28)`, float32, 0 for paper and 1 for ink; labels `(N,)`, int64, the digits 0 to 9.

    Raises:
        ValueError: `split` is neither, or a file under one of MNIST's names is damaged or of another dataset.
        RuntimeError: a file is missing and could not be downloaded.
        OSError: a file can't be read, or one that was downloaded can't be written.

    Source: LeCun, Bottou, Bengio & Haffner (1998), "Gradient-based learning applied to document recognition".
    """
    if split not in tuple(_FILES):
        raise ValueError(f"split is {split!r}; it must be 'train' or 'test'")
    raw = Path(root).expanduser() / "MNIST" / "raw"
    return load_idx(*(_official(raw, name) for name in _FILES[split]))


def load_idx(images: Path | str, labels: Path | str) -> tuple[Tensor, Tensor]:
    """Images and labels of your own, or of any dataset in MNIST's format: Fashion-MNIST, Kuzushiji-MNIST, EMNIST.

    EMNIST's images are transposed, rows for columns: `images.mT` turns them.

    Args:
        images: the file of images, compressed by gzip or not, such as `"~/fashion/t10k-images-idx3-ubyte.gz"`.
        labels: the file of their labels.

    Returns:
        images `(N, 1, H, W)`, float32, 0 to 1 (the files hold 0 to 255); labels `(N,)`, int64.

    Raises:
        OSError: a file is missing or can't be read.
        ValueError: a file is damaged, holds something else, or there are not as many labels as images.
    """
    paths = [Path(path).expanduser() for path in (images, labels)]
    pixels, classes = (_read_idx(path, what) for path, what in zip(paths, _MAGIC, strict=True))
    if len(pixels) != len(classes):
        raise ValueError(f"{paths[0]} holds {len(pixels)} images, but {paths[1]} holds {len(classes)} labels")
    return pixels[:, None].float().div_(255), classes.long()


def as_mnist(drawing: Tensor) -> Tensor:
    """A drawing as MNIST's digits were made: as large as fits in 20×20, its centre of mass in the middle of 28×28.

    Args:
        drawing: `(H, W)`, floating point, 0 for paper and 1 for ink, with some ink anywhere in it. What is fainter than
            half of one of 256 levels of grey is paper.

    Returns:
        `(1, 1, 28, 28)`, of the same dtype. As in MNIST, there are 256 levels of grey, the digit moves by whole pixels,
        and its centre of mass comes to lie within half a pixel of row 14, column 14, counted from 0; farther away only
        if the digit would not fit.

    Raises:
        TypeError: `drawing` is no tensor of floating-point numbers.
        ValueError: it is not `(H, W)`, holds numbers outside 0 to 1, no ink, or so little that none is left.

    Source: LeCun, Bottou, Bengio & Haffner (1998), section III.A.
    """
    if not isinstance(drawing, Tensor) or not drawing.is_floating_point():
        raise TypeError(f"drawing is {kind_of(drawing)}; as_mnist needs a tensor of floating-point pixels")
    if drawing.dim() != 2:
        raise ValueError(f"drawing has the shape {tuple(drawing.shape)}; as_mnist needs (H, W)")
    if not ((drawing >= 0) & (drawing <= 1)).all():
        raise ValueError("drawing holds numbers outside 0 to 1; as_mnist needs 0 for paper, 1 for ink")
    if not drawing.any():
        raise ValueError("drawing holds no ink; as_mnist needs some, to know how large it is and where")
    ink = _in_256_levels(drawing).nonzero()
    if len(ink) == 0:
        raise ValueError(
            f"drawing holds no ink above {drawing.max():.2g}, which is paper among 256 levels of grey; "
            "as_mnist needs darker strokes, at best 1"
        )
    (top, left), (bottom, right) = ink.amin(dim=0).tolist(), ink.amax(dim=0).tolist()
    cropped = drawing[top : bottom + 1, left : right + 1]
    height, width = (max(1, round(20 * side / max(cropped.shape))) for side in cropped.shape)
    digit = F.interpolate(cropped[None, None], size=(height, width), mode="area")[0, 0]
    digit = _in_256_levels(digit)
    if not digit.any():
        raise ValueError(
            f"drawing is {cropped.shape[0]}×{cropped.shape[1]} pixels large, with strokes so thin that none is left "
            f"when it is reduced to {height}×{width}; as_mnist needs thicker ones"
        )
    corner = []
    for dim, side in enumerate((height, width)):
        along = digit.sum(dim=1 - dim)
        centre = (along * torch.arange(side, device=digit.device)).sum() / along.sum()
        corner.append(min(max(0, round(14 - centre.item())), 28 - side))
    image = digit.new_zeros(1, 1, 28, 28)
    image[..., corner[0] : corner[0] + height, corner[1] : corner[1] + width] = digit
    return image


def _in_256_levels(pixels: Tensor) -> Tensor:
    """`pixels`, 0 to 1, each rounded to the nearest of 256 levels of grey."""
    return (255 * pixels).round() / 255


def _official(raw: Path, name: str) -> Path:
    """Where MNIST's file `name` lies in `raw`: compressed or unpacked, whichever is whole; if neither is, downloaded.

    Raises:
        ValueError: what lies there is something else.
        RuntimeError: nothing lies there, and it could not be downloaded.
    """
    strange = []
    for path, md5 in zip((raw / f"{name}.gz", raw / name), _MD5[name], strict=True):
        if path.exists():
            if _md5(path) == md5:
                return path
            strange.append(str(path))
    if strange:
        raise ValueError(
            f"{' and '.join(strange)}: not MNIST's file, by its checksum, but damaged or of another dataset. "
            "Read a dataset of your own with helpers.data.load_idx(images, labels). "
            "If you want MNIST, move the file elsewhere, and load_mnist downloads the right one"
        )
    return _download(raw, f"{name}.gz", _MD5[name][0])


def _md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def _download(raw: Path, name: str, md5: str) -> Path:
    """Fetch a file of MNIST into `raw`: whole, or not at all."""
    from torchvision.datasets import MNIST
    from torchvision.datasets.utils import download_url

    path, errors = raw / name, []
    with tempfile.TemporaryDirectory() as scratch:
        for mirror in MNIST.mirrors:
            try:
                download_url(f"{mirror}{name}", scratch, name, md5)
                break
            except (RuntimeError, OSError) as error:
                errors.append(error)
        else:
            raise RuntimeError(
                f"{path} is missing, and could not be downloaded ({errors[0]}). Connect to the internet and try again; "
                f"or copy the file there from a fresh download of this project, where it lies in data/MNIST/raw"
            ) from errors[0]
        content = (Path(scratch) / name).read_bytes()
    try:
        raw.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content)
    except OSError as error:
        raise OSError(
            f"can't write {name} into {raw}: {error.strerror}; make this folder writable, "
            "or name one that is: load_mnist(split, root=...)"
        ) from error
    return path


# What the files begin with: two zeros, 8 for bytes, and the number of dimensions.
_MAGIC = {"images": b"\0\0\x08\x03", "labels": b"\0\0\x08\x01"}


def _read_idx(path: Path, what: str) -> Tensor:
    """The bytes of an IDX file of images `(N, H, W)` or labels `(N,)`, uint8: after the magic number come the sizes.

    Raises:
        ValueError: it is damaged, or no such file.
    """
    content = path.read_bytes()
    if content[:2] == b"\x1f\x8b":
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise ValueError(f"{path} is damaged, and can't be unpacked: {error}") from error
    magic = _MAGIC[what]
    if content[:4] != magic:
        exchanged = "; are images and labels exchanged?" if content[:4] in _MAGIC.values() else ""
        raise ValueError(
            f"{path} is no idx file of {what}: it begins with the bytes {content[:4].hex(' ') or '(none)'}, "
            f"not with {magic.hex(' ')}{exchanged}"
        )
    start = 4 * (1 + magic[3])
    shape = [int.from_bytes(content[at : at + 4]) for at in range(4, start, 4)]
    if len(content) != start + prod(shape):
        raise ValueError(
            f"{path} is damaged: its header announces {' × '.join(map(str, shape))} bytes, "
            f"but {max(0, len(content) - start)} follow"
        )
    if 0 in shape:
        raise ValueError(f"{path} holds no {what}: its header announces {' × '.join(map(str, shape))} bytes")
    # PyTorch wants memory that can be written.
    return torch.frombuffer(bytearray(content), dtype=torch.uint8, offset=start).view(shape)
