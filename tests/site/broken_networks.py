"""Files that are no network, or a broken one; and what the page says of each."""

import json
import struct
from collections.abc import Callable, Iterator
from typing import Any

import torch

from helpers.network_file import save_network


def parts_of(content: bytes) -> tuple[dict[str, Any], bytes]:
    """The header of a safetensors file, and what stands behind it."""
    end = 8 + int.from_bytes(content[:8], "little")
    return json.loads(content[8:end]), content[end:]


def joined(header: Any, data: bytes) -> bytes:
    """The file of this header, which may be bytes that are no JSON."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def _changed(content: bytes, change: Callable[[dict[str, Any]], object]) -> bytes:
    """The file, once the header's plain data has been changed."""
    header, data = parts_of(content)
    change(header)
    return joined(header, data)


def _steps(content: bytes, change: Callable[[dict[str, Any]], object]) -> bytes:
    """The file, once the recipe has been changed."""

    def within(header: dict[str, Any]) -> None:
        recipe = json.loads(header["__metadata__"]["network"])
        change(recipe)
        header["__metadata__"]["network"] = json.dumps(recipe)

    return _changed(content, within)


def _first(content: bytes, name: str, numbers: bytes) -> bytes:
    """The file, with other bytes at the beginning of a tensor."""
    header, data = parts_of(content)
    start = header[name]["data_offsets"][0]
    return joined(header, data[:start] + numbers + data[start + len(numbers) :])


def _many_steps(recipe: dict[str, Any]) -> None:
    relu = {"function": "relu", "inputs": [0], "shape": [1, 1, 12, 12]}
    recipe["steps"] = [relu] * 3_000


def _setting(step: int, name: str, value: Any) -> Callable[[dict[str, Any]], object]:
    return lambda recipe: recipe["steps"][step].__setitem__(name, value)


def _tensor(name: str, key: str, value: Any) -> Callable[[dict[str, Any]], object]:
    return lambda header: header[name].__setitem__(key, value)


def _hidden(recipe: dict[str, Any]) -> None:
    recipe["steps"][0]["__proto__"] = {"groups": recipe["steps"][0].pop("groups")}


def _divided(recipe: dict[str, Any]) -> None:
    normalised = {"function": "local_response_norm", "inputs": [0], "shape": [1, 1, 12, 12], "size": 1}
    recipe["steps"] = [normalised | {"alpha": 0, "beta": 1000, "k": 0.001}]
    recipe["layers"], recipe["classes"] = [{"name": "normalised", "value": 1}], []


def good(path: Any) -> bytes:
    """A small network's file: a convolution, ReLU, pooling, a transposed matrix, and the scores of three classes."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 3, padding=1),
        torch.nn.ReLU(),
        torch.nn.MaxPool2d(2),
        torch.nn.Upsample(scale_factor=2, mode="bilinear"),
        torch.nn.ReflectionPad2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(4 * 14 * 14, 3),
    ).eval()
    save_network(path, model, torch.rand(2, 1, 12, 12), labels=torch.tensor([0, 2]), names=["a", "b", "c"])
    return path.read_bytes()


def broken(content: bytes) -> Iterator[tuple[str, bytes, str]]:
    """What is wrong, the file, and words of the sentence that says it. `content` is that of `good`."""
    header, data = parts_of(content)
    end = len(content) - len(data)
    huge = {"function": "relu", "inputs": [0], "shape": [2**12, 2**12]}
    large = {"function": "adaptive_max_pool2d", "inputs": [0], "shape": [1, 1, 2**10, 2**10]}

    # other files
    yield "nothing", b"", "is empty"
    yield "three bytes", b"abc", "too short"
    yield "torch.save", b"PK\x03\x04" + bytes(100), "torch.save"
    yield "a pickle", b"\x80\x02}q\x00(X\x05\x00\x00\x00" + bytes(100), "pickle"
    yield "a picture", b"\x89PNG\r\n\x1a\n" + bytes(100), "picture"
    yield "a photograph", b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(100), "picture"
    yield "a page", b"<!doctype html><title>Not found</title>", "HTML"
    yield "a pointer", b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "Git LFS"
    yield "a text", b"Once upon a time there was a network.", "no safetensors file"
    yield "weights alone", joined({"images": header["images"]}, data[: 4 * 288]), "not the steps"
    # cut off, or damaged
    yield "half of it", content[: len(content) // 2], "cut off"
    yield "half of its header", content[: end // 2], "cut off"
    yield "one byte less", content[:-1], "cut off"
    yield "one byte more", content + b"\0", "goes on behind"
    yield "a huge header", struct.pack("<Q", 2**63 - 1) + content[8:], "header is too long"
    yield "a header of 3 MB", joined(b" " * 3_000_000, data), "header is too long"
    yield "a header that is no text", joined(b"\xff" * 200, data), "no text"
    yield "a header that is no JSON", joined(b"{'a': 1}", data), "no JSON"
    yield "a header that is nested a million times", joined(b"[" * 1_000_000, data), "no JSON"
    yield "a header that is a list", joined([1, 2], data), "no JSON"
    # tensors
    yield "tensors over each other", _changed(content, _tensor("0.7.bias", "data_offsets", [0, 12])), "lies over"
    yield (
        "a gap",
        joined({**header, "far": {"dtype": "F32", "shape": [1], "data_offsets": [2**40, 2**40 + 4]}}, data),
        "gap",
    )
    yield "half precision", _changed(content, _tensor("images", "dtype", "F16")), "of the type “F16”"
    yield "a shape of NaN", content.replace(b'"shape":[2,1,12,12]', b'"shape":[NaN,1,1,1]'), "no JSON"
    yield (
        "a shape below zero",
        _changed(content, _tensor("images", "shape", [-2, 1, 12, -12])),
        "has a shape that is none",
    )
    yield (
        "a shape that overflows",
        _changed(content, _tensor("images", "shape", [2**26] * 8)),
        "another size than its shape",
    )
    yield (
        "a tensor that is nested",
        _changed(content, _tensor("images", "shape", [[[[2]]]])),
        "has a shape that is none",
    )
    yield "no weight", _changed(content, lambda header: header.update(other=header.pop("0.1.weight"))), "has no weight"
    yield "a weight that is NaN", _first(content, "0.1.weight", struct.pack("<f", float("nan"))), "holds NaN or inf"
    yield "an index beyond", _first(content, "0.5.index", struct.pack("<i", 10**9)), "reads beyond its input"
    yield "rows in disorder", _first(content, "0.4.starts", struct.pack("<ii", 0, 10**9)), "rows that don't follow"
    many = {"dtype": "F32", "shape": [20_000, 1, 1, 1], "data_offsets": [0, 80_000]}
    alone = {"__metadata__": header["__metadata__"], "images": many}
    yield "20,000 images", joined(alone, bytes(80_000)), "holds 20000 images"
    yield "labels of no class", _first(content, "labels", struct.pack("<i", 7)), "label"
    # steps
    yield "a later version", _steps(content, lambda recipe: recipe.update(version=2)), "another version"
    yield (
        "steps that are no JSON",
        _changed(content, lambda header: header["__metadata__"].update(network="{")),
        "no JSON",
    )
    yield (
        "steps that are nested",
        _changed(content, lambda header: header["__metadata__"].update(network="[" * 500_000)),
        "no JSON",
    )
    yield "3,000 steps", _steps(content, _many_steps), "takes 3000 steps"
    yield (
        "an unknown function",
        _steps(content, _setting(1, "function", "gelu")),
        "“gelu”, which the page does not know",
    )
    yield "a function called __proto__", _steps(content, _setting(1, "function", "__proto__")), "“__proto__”, which"
    yield "settings called __proto__", _steps(content, _hidden), "groups that don't fit"
    yield "a step that takes itself", _steps(content, _setting(2, "inputs", [3])), "takes what does not come before"
    yield (
        "a shape of another size",
        _steps(content, _setting(1, "shape", [1, 4, 12, 13])),
        "does not give what its shape says",
    )
    yield "a map without end", _steps(content, lambda recipe: recipe.update(steps=[huge])), "too many for the page"
    yield (
        "maps without end",
        _steps(content, lambda recipe: recipe.update(steps=[large] * 20)),
        "too large for the page",
    )
    yield "a window of a million places", _steps(content, _setting(2, "kernel", [1000, 1000])), "has no kernel"
    yield (
        "a layer that is no step",
        _steps(content, lambda recipe: recipe["layers"][0].update(value=99)),
        "none of its steps",
    )
    yield "a class too few", _steps(content, lambda recipe: recipe.update(classes=["a", "b"])), "names 2 classes"
    yield "divided by zero", _steps(content, lambda recipe: recipe.update(std=[0])), "divided by zero"
    yield "a division by nothing", _steps(content, _divided), "gives NaN or infinity"
