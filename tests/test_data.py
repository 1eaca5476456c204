"""helpers.data: the real files as torchvision reads them, and every way in which a file can be missing or damaged."""

import gzip
import hashlib
import os
import re
import shutil
import stat
import struct
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision.datasets.utils
from torchvision.datasets import MNIST

from helpers import data
from helpers.data import DATA, as_mnist, load_mnist

RAW = DATA / "MNIST" / "raw"
NAMES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


@pytest.fixture
def offline(monkeypatch):
    """No mirror answers."""
    monkeypatch.setattr(MNIST, "mirrors", ["http://127.0.0.1:9/"])
    monkeypatch.setenv("no_proxy", "*")


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def idx(values: np.ndarray) -> bytes:
    """`values` in the format of the official files: a magic number, the sizes, the bytes."""
    return struct.pack(f">{1 + values.ndim}i", 0x800 + values.ndim, *values.shape) + values.tobytes()


# --- the real files -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("split", "count"), [("train", 60_000), ("test", 10_000)])
def test_tensors_hold_what_torchvision_reads(split, count):
    images, labels = load_mnist(split)
    assert images.shape == (count, 1, 28, 28) and images.dtype == torch.float32
    assert labels.shape == (count,) and labels.dtype == torch.int64
    assert (images.min(), images.max()) == (0, 1)
    assert labels.unique().tolist() == list(range(10))
    theirs = MNIST(DATA, train=split == "train")
    pixels = theirs.data.numpy()
    assert pixels.shape == (count, 28, 28)
    for start in range(0, count, 10_000):  # in pieces, as all at once takes half a gigabyte
        piece = slice(start, start + 10_000)
        assert np.array_equal(images[piece, 0].numpy(), pixels[piece].astype(np.float32) / np.float32(255))
    assert labels.equal(theirs.targets)


def test_reading_does_not_wait_for_torchvision():
    """To import it takes as long as to import torch. It is needed to unpack the files, once."""
    load_mnist("test")
    script = (
        "import sys; from helpers import data, deconvnet, drawing, explorer, lenet5, plotting, training, widgets; "
        "data.load_mnist('test'); sys.exit('torchvision' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_the_four_official_files_unpack_without_a_network(tmp_path, offline):
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name in NAMES:
        shutil.copy(RAW / f"{name}.gz", raw)
    images, labels = load_mnist("test", tmp_path)
    assert len(images) == len(labels) == 10_000
    for name in NAMES:
        with gzip.open(raw / f"{name}.gz") as packed:
            assert md5((raw / name).read_bytes()) == md5(packed.read())
    assert sorted(os.listdir(raw)) == sorted([*NAMES, *(f"{name}.gz" for name in NAMES)])
    shutil.rmtree(tmp_path)  # pytest would keep these 70 MB


@pytest.mark.parametrize("split", ["training", "Test", "", None, 0, ["test"]])
def test_an_unknown_split_is_named(split):
    with pytest.raises(ValueError, match=f"split is {re.escape(repr(split))}; it must be 'train' or 'test'"):
        load_mnist(split)


# --- the ways in which files are missing or damaged, on a small set in the same format ------------------------------


class Small:
    """A set of few images: `packed` and `unpacked` are the true contents of its files, `raw` is where they belong."""

    def __init__(self, root: Path):
        self.root = root
        self.raw = root / "MNIST" / "raw"
        random = np.random.default_rng(0)
        self.arrays = {}
        for prefix, count in (("train", 5), ("t10k", 3)):
            self.arrays[f"{prefix}-images-idx3-ubyte"] = random.integers(0, 256, (count, 28, 28), np.uint8)
            self.arrays[f"{prefix}-labels-idx1-ubyte"] = random.integers(0, 10, count, np.uint8)
        self.unpacked = {name: idx(values) for name, values in self.arrays.items()}
        self.packed = {f"{name}.gz": gzip.compress(content, mtime=0) for name, content in self.unpacked.items()}

    def write(self, contents: dict[str, bytes]) -> None:
        self.raw.mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            (self.raw / name).write_bytes(content)

    def files(self) -> dict[str, bytes | None]:
        return {path.name: path.read_bytes() if path.is_file() else None for path in self.raw.iterdir()}

    def assert_loads(self) -> None:
        """Both splits are as they were made, and all files lie where they belong, whole, and nothing else does."""
        for split, prefix in (("train", "train"), ("test", "t10k")):
            images, labels = load_mnist(split, self.root)
            assert np.array_equal((images[:, 0] * 255).round().numpy(), self.arrays[f"{prefix}-images-idx3-ubyte"])
            assert np.array_equal(labels.numpy(), self.arrays[f"{prefix}-labels-idx1-ubyte"])
        assert self.files() == self.packed | self.unpacked


@pytest.fixture
def small(tmp_path, monkeypatch, offline) -> Small:
    small = Small(tmp_path)
    monkeypatch.setattr(MNIST, "resources", [(name, md5(content)) for name, content in small.packed.items()])
    monkeypatch.setattr(data, "_UNPACKED_MD5", {name: md5(content) for name, content in small.unpacked.items()})
    small.write(small.packed)
    return small


def half(content: bytes) -> bytes:
    return content[: len(content) // 2]


def one_byte_flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 0xFF]) + content[middle + 1 :]


def test_small_set_unpacks_without_a_network(small):
    small.assert_loads()


def test_unpacked_files_are_enough(small):
    small.write(small.unpacked)
    for name in small.packed:
        (small.raw / name).unlink()
    images, _ = load_mnist("test", small.root)
    assert len(images) == 3
    assert small.files() == small.unpacked


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("damage", [half, one_byte_flipped, lambda _: b""], ids=["half", "one byte flipped", "empty"])
def test_a_damaged_unpacked_file_is_replaced_and_not_used(damage, name, small):
    small.write({**small.unpacked, name: damage(small.unpacked[name])})
    small.assert_loads()


def test_whole_files_are_not_written_again(small):
    small.assert_loads()
    (small.raw / NAMES[3]).unlink()
    for path in small.raw.iterdir():
        os.utime(path, (0, 0))
    small.assert_loads()
    assert [path.name for path in small.raw.iterdir() if path.stat().st_mtime != 0] == [NAMES[3]]


WAY_OUT = (
    "and downloading failed. Bring the file back with `git checkout -- data/MNIST/raw`, "
    "or connect to the internet and try again$"
)


@pytest.mark.parametrize("name", [f"{name}.gz" for name in NAMES])
@pytest.mark.parametrize("damage", [half, one_byte_flipped], ids=["half", "one byte flipped"])
def test_a_damaged_packed_file_without_a_network_is_named_with_the_way_out(damage, name, small):
    small.write({name: damage(small.packed[name])})
    before = small.files()
    with pytest.raises(RuntimeError, match=rf"{re.escape(str(small.raw / name))} is damaged; {WAY_OUT}"):
        load_mnist("test", small.root)
    assert small.files() == before


@pytest.mark.parametrize("name", [f"{name}.gz" for name in NAMES])
def test_a_missing_packed_file_without_a_network_is_named_with_the_way_out(name, small):
    (small.raw / name).unlink()
    before = small.files()
    with pytest.raises(RuntimeError, match=rf"{re.escape(str(small.raw / name))} is missing; {WAY_OUT}"):
        load_mnist("test", small.root)
    assert small.files() == before


def test_all_faults_are_named_at_once(small):
    (small.raw / f"{NAMES[0]}.gz").unlink()
    small.write({f"{NAMES[3]}.gz": b""})
    with pytest.raises(RuntimeError, match=f"{NAMES[0]}.gz is missing; .*{NAMES[3]}.gz is damaged; "):
        load_mnist("test", small.root)


class Mirror(SimpleHTTPRequestHandler):
    def log_request(self, code="-", size="-"):
        self.server.answered.append((self.command, self.path, int(code)))

    def log_message(self, *args):
        pass


@pytest.fixture
def mirror(tmp_path_factory, monkeypatch, small):
    """A server with the four files; `folder` is where they lie, `answered` lists what it was asked for."""
    folder = tmp_path_factory.mktemp("mirror")
    for name, content in small.packed.items():
        (folder / name).write_bytes(content)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Mirror, directory=folder)) as server:
        server.folder, server.answered = folder, []
        monkeypatch.setattr(MNIST, "mirrors", [f"http://127.0.0.1:{server.server_port}/"])
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("damage", [None, half, one_byte_flipped], ids=["missing", "half", "one byte flipped"])
def test_a_missing_or_damaged_packed_file_is_downloaded_and_no_other(damage, small, mirror):
    name = f"{NAMES[2]}.gz"
    if damage is None:
        (small.raw / name).unlink()
    else:
        small.write({name: damage(small.packed[name])})
    small.assert_loads()
    assert {path for _, path, _ in mirror.answered} == {f"/{name}"}


def test_an_empty_folder_is_filled_from_the_network(small, mirror):
    shutil.rmtree(small.root / "MNIST")
    small.assert_loads()
    assert {path for _, path, _ in mirror.answered} == {f"/{name}" for name in small.packed}


@pytest.mark.parametrize("damage", [half, one_byte_flipped], ids=["half", "one byte flipped"])
def test_what_a_mirror_sends_is_verified(damage, small, mirror):
    name = f"{NAMES[2]}.gz"
    (small.raw / name).unlink()
    (mirror.folder / name).write_bytes(damage(small.packed[name]))
    before = small.files()
    with pytest.raises(RuntimeError, match=f"{name} is missing; and downloading failed"):
        load_mnist("test", small.root)
    assert ("GET", f"/{name}", 200) in mirror.answered
    assert small.files() == before


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError("No space left on device")], ids=repr)
@pytest.mark.parametrize("file", range(4))
def test_a_crash_while_unpacking_leaves_nothing_half_written(file, error, small, monkeypatch):
    extract, begun = torchvision.datasets.utils.extract_archive, []

    def crash(archive, folder, *args):
        begun.append(archive)
        if len(begun) <= file:
            return extract(archive, folder, *args)
        name = Path(archive).name
        Path(folder, name.removesuffix(".gz")).write_bytes(half(small.unpacked[name.removesuffix(".gz")]))
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(torchvision.datasets.utils, "extract_archive", crash)
        with pytest.raises(type(error)) as raised:
            load_mnist("test", small.root)
    if isinstance(error, OSError):
        assert str(raised.value) == f"can't unpack MNIST into {small.raw}: No space left on device"
    assert len(begun) == file + 1
    assert small.files() == small.packed
    small.assert_loads()


def test_until_all_files_are_unpacked_none_is_in_place(small, monkeypatch):
    extract, seen = torchvision.datasets.utils.extract_archive, []

    def look(*args):
        extract(*args)
        seen.extend(path.name for path in small.raw.iterdir() if path.is_file())
        (scratch,) = (path.name for path in small.raw.iterdir() if path.is_dir())
        assert scratch.startswith(".unpacking-"), "the name that .gitignore knows"

    monkeypatch.setattr(torchvision.datasets.utils, "extract_archive", look)
    small.assert_loads()
    assert set(seen) == set(small.packed)


def test_what_a_killed_process_left_is_no_hindrance(small):
    scratch = small.raw / ".unpacking-left" / "MNIST" / "raw"
    scratch.mkdir(parents=True)
    (scratch / NAMES[0]).write_bytes(half(small.unpacked[NAMES[0]]))
    assert len(load_mnist("train", small.root)[0]) == 5


# --- a folder that can't be written ---------------------------------------------------------------------------------


@pytest.fixture
def public_small(small):
    """The small set in a folder into which other users can look; pytest's own folders are private."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        small.root, small.raw = Path(folder), Path(folder) / "MNIST" / "raw"
        small.write(small.packed)
        yield small


@contextmanager
def read_only(folder: Path):
    """Meanwhile `folder` can't be written: its mode forbids it, and root, whom no mode stops, is nobody."""
    mode, user = stat.S_IMODE(folder.stat().st_mode), os.geteuid()
    os.chmod(folder, 0o555)
    try:
        if user == 0:
            os.seteuid(65534)
        yield
    finally:
        os.seteuid(user)
        os.chmod(folder, mode)


modes = pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")


@modes
def test_a_folder_that_cannot_be_written_is_named_with_the_way_out(public_small):
    message = (
        rf"can't unpack MNIST into {re.escape(str(public_small.raw))}: Permission denied; make this folder writable, "
        r"or copy it to one that is and pass that as load_mnist\(split, root=\.\.\.\)$"
    )
    with read_only(public_small.raw), pytest.raises(OSError, match=message):
        load_mnist("test", public_small.root)
    assert public_small.files() == public_small.packed


@modes
def test_a_folder_that_cannot_be_made_is_named(public_small):
    shutil.rmtree(public_small.root / "MNIST")
    message = rf"can't unpack MNIST into {re.escape(str(public_small.raw))}"
    with read_only(public_small.root), pytest.raises(OSError, match=message):
        load_mnist("test", public_small.root)


@modes
def test_a_folder_that_cannot_be_written_is_read_when_it_holds_the_files(public_small):
    public_small.write(public_small.unpacked)
    with read_only(public_small.raw):
        public_small.assert_loads()


# --- drawings


@pytest.fixture(scope="module")
def thousand():
    return load_mnist("test")[0][:1000]


@pytest.mark.parametrize("scale", [1, 3, 10])
def test_a_digit_of_mnist_that_was_enlarged_and_moved_comes_back_as_it_was(scale, thousand):
    """So it is made as those were: its size, its place and its grey levels."""
    sheet = torch.zeros(40 * scale, 50 * scale)
    for image in thousand[:200]:
        large = image[0].repeat_interleave(scale, 0).repeat_interleave(scale, 1)
        sheet[:] = 0
        sheet[3 * scale : 31 * scale, 20 * scale : 48 * scale] = large
        rows, columns = (image[0].amax(dim=dim).nonzero() for dim in (1, 0))
        if max(rows.max() - rows.min(), columns.max() - columns.min()) + 1 == 20:
            torch.testing.assert_close(as_mnist(sheet)[0], image, rtol=0, atol=0.6 / 255)


@pytest.mark.parametrize("shape", [(280, 280), (60, 200), (11, 7)], ids=str)
def test_a_drawing_fits_in_twenty_pixels_with_its_centre_of_mass_in_the_middle(shape):
    generator = torch.Generator().manual_seed(0)
    for _ in range(50):
        top, bottom = sorted(torch.randint(shape[0], (2,), generator=generator).tolist())
        left, right = sorted(torch.randint(shape[1], (2,), generator=generator).tolist())
        sheet = torch.zeros(shape)
        patch = sheet[top : bottom + 1, left : right + 1]
        patch[:] = torch.rand(patch.shape, generator=generator).clamp(min=0.1)
        image = as_mnist(sheet)
        assert image.shape == (1, 1, 28, 28) and image.dtype == torch.float32
        sides = [image[0, 0].amax(dim=dim).count_nonzero().item() for dim in (1, 0)]
        ratio = min(patch.shape) / max(patch.shape)
        assert max(sides) == 20 and min(sides) == pytest.approx(max(1, 20 * ratio), abs=0.51)
        for dim in (0, 1):
            along = image[0, 0].sum(dim=1 - dim)
            assert abs((along * torch.arange(28)).sum() / along.sum() - 14) < 0.52


def test_a_digit_whose_mass_lies_at_one_end_stays_in_the_image():
    sheet = torch.zeros(100, 100)
    sheet[0:4] = 1
    sheet[4:, 50] = 0.01
    image = as_mnist(sheet)[0, 0]
    assert image[8].sum() > 10  # the bar; its centre of mass would lie at 14, and the other end at 33
    assert image[27].any() and not image[:8].any()


def test_the_digits_of_mnist_are_centred_at_row_14_column_14(thousand):
    """What as_mnist promises is what the files hold."""
    for dim in (2, 3):
        along = thousand.sum(dim=5 - dim)[:, 0]
        centres = (along * torch.arange(28)).sum(dim=1) / along.sum(dim=1)
        assert ((centres - 14).abs() < 0.55).all()
