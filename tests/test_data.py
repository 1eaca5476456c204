"""helpers.data: the real files as torchvision reads them, other files of that format, and every way to go wrong."""

import gzip
import hashlib
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.datasets import MNIST

from helpers import data
from helpers.data import DATA, as_mnist, load_idx, load_mnist

RAW = DATA / "MNIST" / "raw"
NAMES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
TEST_NAMES = NAMES[2:]


@pytest.fixture
def offline(monkeypatch):
    """No mirror answers."""
    monkeypatch.setattr(MNIST, "mirrors", ["http://127.0.0.1:9/"])
    monkeypatch.setenv("no_proxy", "*")


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def idx(values: np.ndarray) -> bytes:
    """`values` in the format of the official files: a magic number, the sizes, the bytes."""
    return np.array([0x800 + values.ndim, *values.shape], ">i4").tobytes() + values.tobytes()


# --- the real files -------------------------------------------------------------------------------------------------


def test_the_sums_are_those_that_torchvision_checks():
    assert [(f"{name}.gz", packed) for name, (packed, _) in data._MD5.items()] == MNIST.resources


@pytest.fixture(scope="module")
def unpacked_by_torchvision(tmp_path_factory):
    """A folder as torchvision leaves it: it holds each file twice, compressed and unpacked."""
    root = tmp_path_factory.mktemp("torchvision")
    (root / "MNIST" / "raw").mkdir(parents=True)
    for name in NAMES:
        shutil.copy(RAW / f"{name}.gz", root / "MNIST" / "raw")
    MNIST(root, download=True)
    yield root
    shutil.rmtree(root)  # pytest would keep these 70 MB


@pytest.mark.parametrize(("split", "count"), [("train", 60_000), ("test", 10_000)])
def test_tensors_hold_what_torchvision_reads(split, count, unpacked_by_torchvision):
    images, labels = load_mnist(split)
    assert images.shape == (count, 1, 28, 28) and images.dtype == torch.float32
    assert labels.shape == (count,) and labels.dtype == torch.int64
    assert (images.min(), images.max()) == (0, 1)
    assert labels.unique().tolist() == list(range(10))
    theirs = MNIST(unpacked_by_torchvision, train=split == "train")
    pixels = theirs.data.numpy()
    assert pixels.shape == (count, 28, 28)
    for start in range(0, count, 10_000):  # in pieces, as all at once takes half a gigabyte
        piece = slice(start, start + 10_000)
        assert np.array_equal(images[piece, 0].numpy(), pixels[piece].astype(np.float32) / np.float32(255))
    assert labels.equal(theirs.targets)


def test_a_folder_with_unpacked_files_only_is_read(unpacked_by_torchvision, tmp_path, offline, test_set):
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name in TEST_NAMES:
        shutil.copy(unpacked_by_torchvision / "MNIST" / "raw" / name, raw)
    for ours, official in zip(load_mnist("test", tmp_path), test_set, strict=True):
        assert ours.equal(official)


def test_reading_does_not_wait_for_torchvision():
    """To import it takes as long as to import torch. It is needed to download what is missing."""
    script = (
        "import sys; from helpers import data, deconvnet, explorers, lenet5, plotting, training; "
        "data.load_mnist('test'); sys.exit('torchvision' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize("split", ["training", "Test", "", None, 0, ["test"]])
def test_an_unknown_split_is_named(split):
    with pytest.raises(ValueError, match=f"split is {re.escape(repr(split))}; it must be 'train' or 'test'"):
        load_mnist(split)


# --- the ways in which files are missing, damaged or others, on a small set in the same format ----------------------


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

    def assert_loads(self, root: Path | str | None = None) -> None:
        """Both splits are as they were made."""
        for split, prefix in (("train", "train"), ("test", "t10k")):
            images, labels = load_mnist(split, self.root if root is None else root)
            assert np.array_equal((images[:, 0] * 255).round().numpy(), self.arrays[f"{prefix}-images-idx3-ubyte"])
            assert np.array_equal(labels.numpy(), self.arrays[f"{prefix}-labels-idx1-ubyte"])


@pytest.fixture
def small(tmp_path, monkeypatch, offline) -> Small:
    small = Small(tmp_path)
    sums = {name: (md5(small.packed[f"{name}.gz"]), md5(small.unpacked[name])) for name in NAMES}
    monkeypatch.setattr(data, "_MD5", sums)
    small.write(small.packed)
    return small


def half(content: bytes) -> bytes:
    return content[: len(content) // 2]


def one_byte_flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 0xFF]) + content[middle + 1 :]


def of_another_dataset(content: bytes) -> bytes:
    """Of the same shape, as Fashion-MNIST's files are; compressed if the content is."""
    packed = content.startswith(b"\x1f\x8b")
    values = bytearray(gzip.decompress(content) if packed else content)
    start = 4 * (1 + values[3])
    values[start:] = bytes(255 - value for value in values[start:])
    return gzip.compress(values, mtime=0) if packed else bytes(values)


DAMAGES = {"half": half, "one byte flipped": one_byte_flipped, "empty": lambda _: b"", "another": of_another_dataset}
damages = pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)


def test_files_are_read_as_they_lie_and_none_is_written(small):
    small.assert_loads()
    assert small.files() == small.packed


def test_the_home_of_the_user_is_found(small, monkeypatch):
    for variable in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, str(small.root.parent))
    small.assert_loads(f"~/{small.root.name}")


def test_unpacked_files_are_enough(small):
    small.write(small.unpacked)
    for name in small.packed:
        (small.raw / name).unlink()
    small.assert_loads()
    assert small.files() == small.unpacked


@damages
def test_beside_the_compressed_files_unpacked_ones_are_neither_used_nor_written_over(damage, small):
    small.write({name: damage(content) for name, content in small.unpacked.items()})
    before = small.files()
    small.assert_loads()
    assert small.files() == before


@damages
def test_beside_whole_unpacked_files_damaged_compressed_ones_are_neither_used_nor_written_over(damage, small):
    small.write(small.unpacked | {name: damage(content) for name, content in small.packed.items()})
    before = small.files()
    small.assert_loads()
    assert small.files() == before


WAY_OUT = (
    "not MNIST's file, by its checksum, but damaged or of another dataset. "
    "Read a dataset of your own with helpers.data.load_idx(images, labels). "
    "If you want MNIST, move the file elsewhere, and load_mnist downloads the right one"
)


@damages
@pytest.mark.parametrize("name", TEST_NAMES)
@pytest.mark.parametrize("packed", [True, False], ids=["compressed", "unpacked"])
def test_a_file_that_is_not_mnists_is_named_and_never_written_over(packed, name, damage, small, mirror):
    (small.raw / f"{name}.gz").unlink()
    path = small.raw / (f"{name}.gz" if packed else name)
    path.write_bytes(damage((small.packed | small.unpacked)[path.name]))
    before = small.files()
    with pytest.raises(ValueError, match=f"^{re.escape(f'{path}: {WAY_OUT}')}$"):
        load_mnist("test", small.root)
    assert small.files() == before
    assert mirror.answered == []


def test_where_neither_file_is_mnists_both_are_named(small):
    name = NAMES[2]
    small.write({f"{name}.gz": b"mine", name: b"mine, too"})
    with pytest.raises(ValueError, match=f"^{re.escape(f'{small.raw / name}.gz and {small.raw / name}: not MNIST')}"):
        load_mnist("test", small.root)


@pytest.mark.parametrize("name", TEST_NAMES)
def test_a_missing_file_without_a_network_is_named_with_the_way_out(name, small):
    path = small.raw / f"{name}.gz"
    path.unlink()
    before = small.files()
    with pytest.raises(RuntimeError) as raised:
        load_mnist("test", small.root)
    assert str(raised.value).startswith(f"{path} is missing, and could not be downloaded (")
    assert str(raised.value).endswith(
        "Connect to the internet and try again; or copy the file there from a fresh download of this project, "
        "where it lies in data/MNIST/raw"
    )
    assert small.files() == before


def test_without_a_network_no_empty_folder_is_left(tmp_path, offline):
    with pytest.raises(RuntimeError, match="is missing"):
        load_mnist("test", tmp_path / "new")
    assert not (tmp_path / "new").exists()


class Mirror(SimpleHTTPRequestHandler):
    def log_request(self, code="-", size="-"):
        self.server.answered.append((self.command, self.path, int(code)))

    def log_message(self, *args):
        pass


@pytest.fixture
def mirror(monkeypatch, small):
    """A server with the four files; `folder` is where they lie, `answered` lists what it was asked for."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.chmod(folder, 0o755)  # also for who is nobody, see read_only
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


def test_only_a_missing_file_is_downloaded(small, mirror):
    name = f"{NAMES[2]}.gz"
    (small.raw / name).unlink()
    for path in small.raw.iterdir():
        os.utime(path, (0, 0))
    small.assert_loads()
    assert small.files() == small.packed
    assert [path.name for path in small.raw.iterdir() if path.stat().st_mtime != 0] == [name]
    assert {path for _, path, _ in mirror.answered} == {f"/{name}"}


def test_an_empty_folder_is_filled_from_the_network(small, mirror):
    shutil.rmtree(small.root / "MNIST")
    small.assert_loads()
    assert small.files() == small.packed
    assert {path for _, path, _ in mirror.answered} == {f"/{name}" for name in small.packed}


def test_the_next_mirror_is_asked_when_one_fails(small, mirror, monkeypatch):
    monkeypatch.setattr(MNIST, "mirrors", ["http://127.0.0.1:9/", *MNIST.mirrors])
    shutil.rmtree(small.root / "MNIST")
    small.assert_loads()


@pytest.mark.parametrize("damage", [half, one_byte_flipped], ids=["half", "one byte flipped"])
def test_what_a_mirror_sends_is_verified(damage, small, mirror):
    name = f"{NAMES[2]}.gz"
    (small.raw / name).unlink()
    (mirror.folder / name).write_bytes(damage(small.packed[name]))
    before = small.files()
    with pytest.raises(RuntimeError, match=f"{name} is missing, and could not be downloaded"):
        load_mnist("test", small.root)
    assert ("GET", f"/{name}", 200) in mirror.answered
    assert small.files() == before


# --- files of one's own ---------------------------------------------------------------------------------------------


def own_set(folder: Path, count: int = 4, size: tuple[int, int] = (9, 7)) -> tuple[np.ndarray, np.ndarray]:
    """A set of other sizes and classes, in files `images` and `labels` and, compressed, `images.gz` and `labels.gz`."""
    random = np.random.default_rng(1)
    pixels, classes = random.integers(0, 256, (count, *size), np.uint8), random.integers(1, 27, count, np.uint8)
    for name, values in (("images", pixels), ("labels", classes)):
        (folder / name).write_bytes(idx(values))
        (folder / f"{name}.gz").write_bytes(gzip.compress(idx(values)))
    return pixels, classes


@pytest.mark.parametrize("ends", [("", ""), (".gz", ".gz"), (".gz", "")], ids=["plain", "compressed", "mixed"])
def test_own_files_are_read_as_they_are(ends, tmp_path, monkeypatch):
    pixels, classes = own_set(tmp_path)
    for variable in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, str(tmp_path))
    for folder in (tmp_path, str(tmp_path), "~"):
        images, labels = load_idx(
            *(f"{folder}/{name}{end}" for name, end in zip(("images", "labels"), ends, strict=True))
        )
        assert images.dtype == torch.float32 and labels.dtype == torch.int64
        assert np.array_equal(images.numpy(), pixels[:, None].astype(np.float32) / np.float32(255))
        assert np.array_equal(labels.numpy(), classes)
    images += 1  # no file, and no other tensor, shares their memory


def test_what_compresses_does_not_depend_on_the_name(tmp_path):
    pixels, _ = own_set(tmp_path)
    (tmp_path / "images.gz").replace(tmp_path / "images")
    assert len(load_idx(tmp_path / "images", tmp_path / "labels.gz")[0]) == len(pixels)


# what goes wrong: (what the file of images holds, what is said after its path)
BAD_IDX = {
    "a text": (b"hello", "is no idx file of images: it begins with the bytes 68 65 6c 6c, not with 00 00 08 03$"),
    "nothing": (b"", "is no idx file of images: it begins with the bytes (none), not with 00 00 08 03$"),
    "labels": (
        idx(np.arange(4, dtype=np.uint8)),
        "is no idx file of images: it begins with the bytes 00 00 08 01, not with 00 00 08 03; "
        "are images and labels exchanged?$",
    ),
    "integers of four bytes": (
        b"\0\0\x0c\x03" + bytes(100),
        "is no idx file of images: it begins with the bytes 00 00 0c 03, not with 00 00 08 03$",
    ),
    "a byte too few": (
        idx(np.zeros((4, 9, 7), np.uint8))[:-1],
        "is damaged: its header announces 4 × 9 × 7 bytes, but 251 follow$",
    ),
    "a byte too many": (
        idx(np.zeros((4, 9, 7), np.uint8)) + b"\0",
        "is damaged: its header announces 4 × 9 × 7 bytes, but 253 follow$",
    ),
    "half a header": (
        idx(np.zeros((4, 9, 7), np.uint8))[:10],
        "is damaged: its header announces 4 × 0 × 0 bytes, but 0 follow$",
    ),
    "a huge header": (
        b"\0\0\x08\x03" + b"\xff" * 12,
        "is damaged: its header announces 4294967295 × 4294967295 × 4294967295 bytes, but 0 follow$",
    ),
    "no images": (idx(np.zeros((0, 9, 7), np.uint8)), "holds no images: its header announces 0 × 9 × 7 bytes$"),
    "half of a compressed file": (
        half(gzip.compress(idx(np.zeros((4, 9, 7), np.uint8)))),
        "is damaged, and can't be unp",
    ),
    "a compressed file with a wrong byte": (
        one_byte_flipped(gzip.compress(bytes(range(256)))),
        "is damaged, and can't be unpacked: ",
    ),
    "a compressed text": (gzip.compress(b"hello"), "is no idx file of images: it begins with the bytes 68 65 6c 6c"),
}


@pytest.mark.parametrize("case", BAD_IDX)
def test_a_bad_idx_file_is_named(case, tmp_path):
    content, message = BAD_IDX[case]
    own_set(tmp_path)
    path = tmp_path / "bad"
    path.write_bytes(content)
    message = re.escape(message.removesuffix("$")) + "$" * message.endswith("$")
    with pytest.raises(ValueError, match=f"^{re.escape(str(path))} {message}"):
        load_idx(path, tmp_path / "labels")


def test_images_in_the_place_of_labels_are_named(tmp_path):
    own_set(tmp_path)
    message = (
        "images is no idx file of labels: it begins with the bytes 00 00 08 03, not with 00 00 08 01; are images and"
    )
    with pytest.raises(ValueError, match=message):
        load_idx(tmp_path / "images", tmp_path / "images")


def test_images_and_labels_that_do_not_match_are_named(tmp_path):
    own_set(tmp_path)
    (tmp_path / "fewer").write_bytes(idx(np.zeros(3, np.uint8)))
    message = (
        f"^{re.escape(str(tmp_path / 'images'))} holds 4 images, but {re.escape(str(tmp_path / 'fewer'))} holds 3 "
    )
    with pytest.raises(ValueError, match=message):
        load_idx(tmp_path / "images", tmp_path / "fewer")


def test_a_missing_file_of_ones_own_is_named(tmp_path):
    own_set(tmp_path)
    with pytest.raises(FileNotFoundError, match="nobodys"):
        load_idx(tmp_path / "nobodys", tmp_path / "labels")


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
def test_a_folder_that_cannot_be_written_is_read(public_small):
    with read_only(public_small.raw):
        public_small.assert_loads()
    assert public_small.files() == public_small.packed


@modes
def test_a_folder_into_which_nothing_can_be_downloaded_is_named_with_the_way_out(public_small, mirror):
    name = f"{NAMES[2]}.gz"
    (public_small.raw / name).unlink()
    message = (
        f"can't write {name} into {public_small.raw}: Permission denied; make this folder writable, "
        "or name one that is: load_mnist(split, root=...)"
    )
    with read_only(public_small.raw), pytest.raises(OSError, match=f"^{re.escape(message)}$"):
        load_mnist("test", public_small.root)


@modes
def test_a_folder_that_cannot_be_made_is_named(public_small, mirror):
    shutil.rmtree(public_small.root / "MNIST")
    message = rf"can't write {NAMES[2]}.gz into {re.escape(str(public_small.raw))}: Permission denied"
    with read_only(public_small.root), pytest.raises(OSError, match=message):
        load_mnist("test", public_small.root)


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


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(st.data())
def test_whatever_is_drawn_becomes_an_image_or_is_refused_in_plain_words(data):
    kind = data.draw(st.sampled_from([np.float16, np.float32, np.float64]))
    shape = data.draw(hnp.array_shapes(min_dims=2, max_dims=2, max_side=50))
    ink = st.one_of(st.just(0.0), st.floats(0, 1, width=16), st.sampled_from([1e-7, 0.001, 0.0019, 0.002, 0.004, 1.0]))
    sheet = data.draw(hnp.arrays(np.float64, shape, elements=ink, fill=st.just(0.0))).astype(kind)
    enlarged = np.zeros([side * data.draw(st.sampled_from([1, 30])) for side in shape], kind)
    enlarged[: shape[0], : shape[1]] = sheet
    enlarged[-1, -1] = data.draw(ink)  # far away
    try:
        image = as_mnist(torch.from_numpy(enlarged))
    except ValueError as error:
        assert re.match("drawing (holds no ink|is .* pixels large, with strokes so thin that none is left)", str(error))
        return
    assert image.shape == (1, 1, 28, 28) and image.any()
    assert ((image >= 0) & (image <= 1)).all()  # NaN is neither


def test_what_is_paper_among_256_levels_is_paper_in_a_drawing():
    """Noise as a scanner leaves it does not count as ink: the digit is as large as if there were none."""
    sheet = torch.zeros(100, 100)
    sheet[30:70, 40:60] = 1
    noise = torch.full_like(sheet, 0.0019)
    assert as_mnist(torch.maximum(sheet, noise)).equal(as_mnist(sheet))
    sheet[0, 0] = 0.002
    assert as_mnist(sheet).count_nonzero() < 100 < as_mnist(torch.maximum(sheet, 10 * noise)).count_nonzero()
