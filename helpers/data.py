"""MNIST as tensors.

The four official files lie in `data/MNIST/raw`. torchvision verifies, unpacks and reads them, and downloads those that
are missing.
"""

import os
import shutil
import tempfile
from pathlib import Path

from torch import Tensor
from torchvision.datasets import MNIST
from torchvision.datasets.utils import check_integrity

DATA = Path(__file__).resolve().parents[1] / "data"

# torchvision knows the sums of the compressed files only; these are of the files unpacked.
_UNPACKED_MD5 = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}


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
    if split not in ("train", "test"):
        raise ValueError(f"split is {split!r}; it must be 'train' or 'test'")
    raw = Path(root) / "MNIST" / "raw"
    if not all(check_integrity(raw / name, md5) for name, md5 in _UNPACKED_MD5.items()):
        _unpack(raw)
    mnist = MNIST(root, train=split == "train")
    return mnist.data[:, None].float().div_(255), mnist.targets


def _unpack(raw: Path) -> None:
    """Unpack the files of `raw` beside themselves, downloading those that are missing or damaged.

    torchvision unpacks in place and later trusts whatever stands there. So it works in a scratch folder, and what it
    has finished is moved here: a reader that comes in between, or after a crash, meets no half-written file.
    """
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
            if check_integrity(raw / name, md5):
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
            if not check_integrity(raw / name, md5):
                os.replace(scratch_raw / name, raw / name)
