"""What a kernel answers is read as data: any answer comes back equal, and any file gives a value or a reason, in little
memory.
"""

import io
import json
import os
import subprocess
import sys
import threading
import tracemalloc
import warnings
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from grading import remote
from grading.answers import NoAnswer, read
from hypothesis import given, settings
from hypothesis import strategies as st
from submissions import ROOT
from torch import nn

MOST_MEGABYTES = 50


def sent(thing, folder):
    """`thing` as the judge has it, after the way from the kernel."""
    (folder / "answer").write_bytes(remote.pack({"value": thing}))
    return read(folder / "answer")


def equal(one, other):
    """Whether two answers are the same, types and all; numbers that are none are equal."""
    if isinstance(one, torch.Tensor):
        same_kind = isinstance(other, torch.Tensor) and (one.dtype, one.shape) == (other.dtype, other.shape)
        return same_kind and one.contiguous().flatten().view(torch.uint8).equal(other.flatten().view(torch.uint8))
    if type(one) is not type(other):
        return False
    if isinstance(one, list):
        return len(one) == len(other) and all(map(equal, one, other))
    if isinstance(one, dict):
        return equal(list(one), list(other)) and equal(list(one.values()), list(other.values()))
    return one == other or one != one and other != other


@st.composite
def tensors(draw):
    dtype = draw(st.sampled_from(sorted(remote.REAL, key=str) + [torch.complex64, torch.complex128]))
    shape = draw(st.lists(st.integers(0, 3), max_size=4))
    size = torch.tensor(shape).prod().int().item() * dtype.itemsize
    content = torch.tensor(list(draw(st.binary(min_size=size, max_size=size))), dtype=torch.uint8)
    # Of what is true or false, there are two bytes.
    content = content % 2 if dtype == torch.bool else content
    return content.view(dtype).view(shape)


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec="utf-8"))
things = st.recursive(
    scalars | tensors(), lambda inner: st.lists(inner, max_size=4) | st.dictionaries(scalars, inner, max_size=4)
)


@settings(max_examples=300, deadline=None)
@given(thing=things)
def test_whatever_can_be_said_comes_back_equal(thing, tmp_path_factory):
    assert equal(thing, sent(thing, tmp_path_factory.getbasetemp()))


class Sub(torch.Tensor):
    pass


def quantized():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that quantization is going to move elsewhere
        return torch.quantize_per_tensor(torch.zeros(2), 1.0, 0, torch.qint8)


GRID = torch.arange(12.0).reshape(3, 4)
IMAGINARY = torch.tensor([1 + 2j, 3 - 4j])
TENSORS = {
    "needs its gradient": (lambda: GRID.clone().requires_grad_() * 1, GRID),
    "parameter": (lambda: nn.Parameter(GRID), GRID),
    "of a class of its own": (lambda: GRID.as_subclass(Sub), GRID),
    "turned": (lambda: GRID.T, GRID.T),
    "with gaps": (lambda: GRID[::2, 1::2], GRID[::2, 1::2]),
    "one number many times": (lambda: torch.ones(1).expand(4, 5), torch.ones(4, 5)),
    "conjugated": (lambda: IMAGINARY.conj(), torch.tensor([1 - 2j, 3 + 4j])),
    "negated": (lambda: IMAGINARY.conj().imag, torch.tensor([-2.0, 4.0])),
    "of NumPy": (lambda: np.arange(3)[::-1], torch.tensor([2, 1, 0])),
    "made without gradients": (torch.inference_mode()(lambda: GRID * 1), GRID),
    "sparse": (lambda: GRID.to_sparse(), {"@type": "tensor that is not dense"}),
    "nested": (lambda: torch.nested.nested_tensor([[1.0], [2.0]]), {"@type": "tensor that is not dense"}),
    "without numbers": (lambda: torch.zeros(10**12, device="meta"), {"@type": "tensor without numbers"}),
    "quantized": (quantized, {"@type": "tensor of torch.qint8"}),
    "half complex": (lambda: torch.zeros(4).half().view(torch.complex32), {"@type": "tensor of torch.complex32"}),
}


@pytest.mark.parametrize("name", TENSORS)
@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors|ComplexHalf support")
def test_a_tensor_comes_back_as_a_plain_one_with_its_numbers(name, tmp_path):
    make, wanted = TENSORS[name]
    assert equal(wanted, sent(make(), tmp_path))


def test_tensors_that_share_memory_come_back_apart(tmp_path):
    shared = torch.zeros(4)
    one, other, part = sent([shared, shared, shared[1:]], tmp_path)
    one.add_(1)
    assert other.tolist() == [0, 0, 0, 0] and part.tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("thing", "wanted"),
    [
        ((1, (2,)), [1, [2]]),
        (torch.Size([2, 3]), [2, 3]),
        (OrderedDict(a=1), {"a": 1}),
        ({np.int64(3): np.float32(0.5), np.str_("a"): np.True_}, {3: 0.5, "a": True}),
        ({torch.tensor(0): 1, (1, 2): 3}, {"Tensor": 1, "tuple": 3}),
        ([torch.float32, 1j, b"", object()], [{"@type": n} for n in ("dtype", "complex", "bytes", "object")]),
        ([np.longdouble(1), np.datetime64(0, "s")], [{"@type": "longdouble"}, {"@type": "datetime"}]),
        (["half \ud83d", {"\ud83d": 3}], ["half ?", {"?": 3}]),
        ("x" * 100_000, {"@type": "str"}),
        ("x" * 49_998, "x" * 49_998),
        ({"a": [0.25] * 20_000, "b": 3}, {"a": {"@type": "list"}, "b": 3}),
        ([list(torch.arange(3000)), GRID], [{"@type": "list"}, GRID]),
    ],
    ids=lambda thing: str(thing)[:30],
)
def test_what_can_not_be_said_is_named(thing, wanted, tmp_path):
    assert equal(wanted, sent(thing, tmp_path))


@pytest.mark.parametrize(
    ("thing", "reason"),
    [
        (lambda: torch.zeros(1).expand(1_000_000_000), "it is far too large"),
        (lambda: [torch.zeros(1_000_000)] * 3, "it is far too large"),
        (lambda: torch.zeros(1_000_001), "1,000,001 numbers are far too many"),
    ],
    ids=["one number", "thrice", "one too many"],
)
def test_what_is_too_large_is_said_and_not_written(thing, reason, tmp_path):
    question = {"function": "f", "arguments": [], "keep": "", "stand_ins": []}
    torch.save(question, tmp_path / "question.pt")
    remote.answer(str(tmp_path / "question.pt"), str(tmp_path / "answer"), {"f": thing})
    assert (tmp_path / "answer").stat().st_size < 1000
    with pytest.raises(NoAnswer) as caught:
        read(tmp_path / "answer")
    assert str(caught.value) == f"its answer can't be read (ValueError: {reason})"


# Files that somebody else than `remote` has made.


def file_of(header, data=b""):
    words = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(words).to_bytes(8, "little") + words + data


def entry(dtype, shape, start, end):
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


def says(text, **others):
    """A file whose structure is `text`, with other tensors of 8 bits."""
    content = [text.encode() if isinstance(text, str) else text, *others.values()]
    header, start = {}, 0
    for name, one in zip(["structure", *others], content, strict=True):
        header[name] = entry("U8", [len(one)], start, start := start + len(one))
    return file_of(header, b"".join(content))


def value(text):
    return says(f'{{"dict": [["value", {text}]]}}')


def with_tensor(dtype, shape, start, end, data):
    text = b'{"dict": [["value", {"tensor": "0"}]]}'
    header = {
        "0": entry(dtype, shape, start, end),
        "structure": entry("U8", [len(text)], len(data), len(data) + len(text)),
    }
    return file_of(header, data + text)


def unfolding(megabytes):
    """A file of torch.save in which a tensor's numbers take a thousandth of the memory that they need when read."""
    saved, folded = io.BytesIO(), io.BytesIO()
    torch.save({"value": torch.zeros(1)}, saved)
    with zipfile.ZipFile(saved) as source, zipfile.ZipFile(folded, "w") as file:
        for name in source.namelist():
            about = zipfile.ZipInfo(name)
            if not name.endswith("data/0"):
                file.writestr(about, source.read(name))
                continue
            about.compress_type = zipfile.ZIP_DEFLATED
            with file.open(about, "w") as numbers:
                for _ in range(megabytes):
                    numbers.write(bytes(10**6))
    return folded.getvalue()


def many(count, dtype="U8", shape=(0,)):
    """A file of as many tensors, and no structure."""
    return file_of({str(number): entry(dtype, list(shape), 0, 0) for number in range(count)})


# The bytes of a file, or what makes them; and what the judge reads, or why it does not.
FILES = {
    "largest": (lambda: with_tensor("F64", [10**6], 0, 8 * 10**6, bytes(8 * 10**6)), torch.zeros(10**6).double()),
    "eight large ones": (lambda: says('{"dict": [["value", 3]]}', **{str(k): bytes(10**6) for k in range(8)}), 3),
    "unfolds": (lambda: unfolding(400), "its header is .* bytes long; 65,536 are allowed"),
    "empty": (b"", "SafetensorError"),
    "header of 7 MB": (lambda: many(110_000), "its header is 7,.* bytes long; 65,536 are allowed"),
    "header of many tensors": (many(1000), "KeyError: 'structure'"),
    "header without an end": ((2**64 - 1).to_bytes(8, "little"), "its header is 18,446,744,073,709,551,615 bytes"),
    "header longer than the file": ((60_000).to_bytes(8, "little") + b"{}", "SafetensorError"),
    "header is a list": (file_of([]), "SafetensorError"),
    "header is nested": (file_of(b'{"a": ' + b"[" * 60_000), "SafetensorError"),
    "header holds NaN": (file_of(b'{"structure": NaN}'), "SafetensorError"),
    "tensors overlap": (with_tensor("F32", [2], 2, 10, bytes(10)), "SafetensorError"),
    "tensor of another length": (with_tensor("F32", [3], 0, 8, bytes(8)), "SafetensorError"),
    "tensor ends before it begins": (with_tensor("F32", [2], 8, 0, bytes(8)), "SafetensorError"),
    "tensor lies outside": (with_tensor("F32", [2], 0, 2**63, bytes(8)), "SafetensorError"),
    "negative shape": (with_tensor("F32", [-2], 0, 8, bytes(8)), "SafetensorError"),
    "huge shape": (with_tensor("F32", [2**62], 0, 8, bytes(8)), "SafetensorError"),
    "huge shape of nothing": (with_tensor("F32", [2**62, 2**62, 0], 0, 0, b""), "SafetensorError"),
    "shape that overflows to its length": (with_tensor("F32", [2**32, 2**32, 2], 0, 0, b""), "SafetensorError"),
    "many dimensions": (with_tensor("U8", [1] * 20_000, 0, 1, b"1"), "20,000 dimensions are far too many"),
    "unknown numbers": (with_tensor("I128", [1], 0, 16, bytes(16)), "SafetensorError"),
    "numbers of 4 bits": (with_tensor("F4", [2], 0, 1, b"1"), "F4|SafetensorError"),
    "complex numbers": (with_tensor("C64", [1], 0, 8, bytes(8)), "numbers of torch.complex64 are not allowed"),
    "too many numbers": (with_tensor("U8", [1_000_001], 0, 1_000_001, bytes(1_000_001)), "1,000,001 numbers are far"),
    "too many bytes": (lambda: with_tensor("F64", [2, 10**6], 0, 16 * 10**6, bytes(16 * 10**6)), "it is far too large"),
    "bytes that belong to nothing": (value("3") + b"more", "SafetensorError"),
    "same name twice": (
        file_of(b'{"structure": %b, "structure": %b}' % ((json.dumps(entry("U8", [4], 0, 4)).encode(),) * 2), b"null"),
        "neither a value nor an error",
    ),
    "no structure": (many(1), "structure"),
    "structure of real numbers": (file_of({"structure": entry("F32", [1], 0, 4)}, bytes(4)), "structure"),
    "structure is too large": (value('"' + "x" * 65_536 + '"'), "its structure is far too large"),
    "structure is no text": (says(b"\xff\xfe"), "UnicodeDecodeError"),
    "structure is no JSON": (says("value: 3"), "JSONDecodeError"),
    "structure is of many parts": (value("[" + "[]," * 21_000 + "[]]"), [[]] * 21_001),
    "structure is of many things": (value("[" + '{"dict":[]},' * 5_000 + "3]"), [{}] * 5_000 + [3]),
    "structure is deep": (value("[" * 60_000), "nested more than 100 deep"),
    "structure is deep behind a text": (value('["' + "]" * 20_000 + '"' + ",[" * 20_000), "nested more than 100 deep"),
    "text without an end": (value('"' + '\\"' * 30_000), "JSONDecodeError"),
    "NaN and infinity": (value("[NaN, -Infinity, 1e999]"), [float("nan"), -float("inf"), float("inf")]),
    "number of many digits": (value("9" * 60_000), "ValueError"),
    "no character": (value('"\\ud800"'), "UnicodeEncodeError"),
    "key twice": (value('{"dict": [[1, 2], [1, 3]]}'), {1: 3}),
    "form twice": (value('{"other": "a", "other": "b"}'), {"@type": "b"}),
    "key that is a list": (value('{"dict": [[[], 2]]}'), "unhashable"),
    "pair of three": (value('{"dict": [[1, 2, 3]]}'), "ValueError"),
    "form of nothing": (value('{"kept": "cnn"}'), "stands for nothing"),
    "form with another": (value('{"tensor": ["structure"]}'), "stands for nothing"),
    "tensor that is not there": (value('{"tensor": "7"}'), "7"),
    "tensor named twice": (says('{"dict": [["value", [{"tensor": "a"}, {"tensor": "a"}]]]}', a=b"1"), "KeyError: 'a'"),
    "complex without a pair": (value('{"complex": "structure"}'), "view_as_complex"),
    "neither value nor error": (says('{"dict": [["else", 3]]}'), "neither a value nor an error"),
    "error that is no text": (says('{"dict": [["error", 3]]}'), "neither a value nor an error"),
    "list": (says("[3]"), "neither a value nor an error"),
}

# What makes something at a path that is no small plain file, and why the judge does not read it.
PLACES = {
    "eight gigabytes of nothing": (lambda path: (path.touch(), os.truncate(path, 8 * 2**30)), "it is far too large"),
    "folder": (Path.mkdir, "IsADirectoryError"),
    "link to a good one": (
        lambda path: (path.with_suffix(".x").write_bytes(value("3")), path.symlink_to(path.with_suffix(".x"))),
        "OSError",
    ),
    "pipe": (os.mkfifo, "it is no plain file"),
    "nothing": (lambda path: None, "FileNotFoundError"),
}

READING = """
import json, sys
from grading import answers, remote

def kilobytes(name):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(name))

def look(path):
    # The peak is that since this is written.
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
    before = kilobytes("VmRSS")
    try:
        answers.read(path)
    except answers.NoAnswer:
        pass
    return (kilobytes("VmHWM") - before) / 1000

look(sys.argv[1])
print(json.dumps([look(path) for path in sys.argv[1:]]))
"""


def laid(name, folder):
    """The path of the file, or other thing, `name` in `folder`, where it is made."""
    path = folder / name
    if name in PLACES:
        PLACES[name][0](path)
    else:
        content = FILES[name][0]
        path.write_bytes(content() if callable(content) else content)
    return path


@pytest.mark.parametrize("name", FILES | PLACES)
def test_any_file_gives_a_value_or_a_reason(name, tmp_path):
    path, (_, wanted) = laid(name, tmp_path), (FILES | PLACES)[name]
    if not isinstance(wanted, str):
        assert equal(wanted, read(path))
        return
    with pytest.raises(NoAnswer, match=rf"^its answer can't be read \(.*({wanted})"):
        read(path)


@pytest.fixture(scope="module")
def peaks(tmp_path_factory):
    """By how many megabytes another process grows, at most, while it reads each of the files."""
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("only Linux tells what a process has taken at most")
    folder = tmp_path_factory.mktemp("files")
    paths = [laid(name, folder) for name in FILES | PLACES]
    done = subprocess.run(
        [sys.executable, "-c", READING, *map(str, paths)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "assignment")))},
        **{"capture_output": True, "text": True, "check": True},
    )
    return dict(zip(FILES | PLACES, json.loads(done.stdout), strict=True))


@pytest.mark.parametrize("name", FILES | PLACES)
def test_no_file_takes_much_memory(name, peaks):
    assert peaks[name] < MOST_MEGABYTES


def test_a_file_that_changes_while_it_is_read(tmp_path):
    path, good, ended = tmp_path / "answer", laid("largest", tmp_path).read_bytes(), threading.Event()

    def change():
        while not ended.is_set():
            path.write_bytes(good)
            os.truncate(path, 2**30)
            os.truncate(path, 1000)

    changing = threading.Thread(target=change)
    path.touch()
    changing.start()
    tracemalloc.start()
    try:
        for _ in range(100):
            try:
                assert len(read(path)) == 1_000_000
            except NoAnswer as reason:
                assert str(reason).startswith("its answer can't be read")
        assert tracemalloc.get_traced_memory()[1] < MOST_MEGABYTES * 1e6
    finally:
        tracemalloc.stop()
        ended.set()
        changing.join()


def test_what_can_not_be_read_leaves_no_file_open(tmp_path):
    paths = [laid(name, tmp_path) for name in [*PLACES, "empty"]]
    before = len(os.listdir("/dev/fd"))
    for path in paths:
        with pytest.raises(NoAnswer):
            read(path)
    assert len(os.listdir("/dev/fd")) == before


@st.composite
def damaged(draw):
    """The bytes of an answer, some of them others."""
    content = bytearray(remote.pack({"value": draw(things)}))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(content)))
        content[start : start + draw(st.integers(0, 8))] = draw(st.binary(max_size=8))
    return bytes(content)


json_things = st.recursive(
    scalars | st.sampled_from(["structure", "0", "value", "error"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["tensor", "complex", "dict", "other", "dtype", "shape", "data_offsets", "structure"]),
            inner,
            max_size=3,
        )
    ),
)
headers = json_things.map(lambda header: file_of(header, bytes(16)))
structures = json_things.map(lambda thing: value(json.dumps(thing)))


@settings(max_examples=600, deadline=None)
@given(content=st.binary(max_size=200) | damaged() | headers | structures)
def test_any_bytes_give_a_value_or_a_reason(content, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "damaged"
    path.write_bytes(content)
    try:
        read(path)
    except NoAnswer as reason:
        str(reason).encode()


FORGING = """
import pathlib
def write(path, content):
    with open(path, "wb") as file:
        file.write(FORGED)
pathlib.Path.write_bytes = write
"""


def test_a_file_that_the_notebook_has_written_in_place_of_the_answer_is_a_file_like_any_other(open_kernel):
    kernel = open_kernel(f"FORGED = {unfolding(1)!r}", FORGING)
    for index in range(2):
        kernel.run(index)
    with pytest.raises(NoAnswer, match="its answer can't be read .*its header is .* bytes long; 65,536 are allowed"):
        kernel.ask(1, "@read", 3)


def test_words_that_no_file_can_hold_are_changed_before_they_are_said(open_kernel):
    kernel = open_kernel("def rectify(signal):\n    raise ValueError('half \\ud83d')")
    kernel.run(0)
    with pytest.raises(NoAnswer, match=r"^ValueError: half \?, at "):
        kernel.ask(0, "rectify", 3)
