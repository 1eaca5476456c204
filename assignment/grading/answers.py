"""Reads what a student's kernel answers. The file may be anything: it is data, and nothing in it is run.

It is a file of safetensors: eight bytes that say how long the header is, the header, which says where each tensor lies,
and the numbers. The tensor `structure` holds JSON. Lists, strings, numbers and None stand there as they are; besides:

    {"tensor": NAME}                          a tensor of the file, which is named once
    {"complex": NAME}                         its last dimension holds real and imaginary parts
    {"dict": [[KEY, VALUE], ...]}             a dictionary, whose keys need not be strings
    {"other": NAME}                           a thing of this type, of which no more is known; read as {"@type": NAME}

The whole is a dictionary: `{"value": VALUE}`, or one of the errors that `_fault` knows. `remote.pack` writes it. All
sizes are looked at before what they are the sizes of.
"""

import json
import os
import re
import stat
from pathlib import Path

import torch
from safetensors.torch import load
from torch import Tensor

from grading.remote import MOST_BYTES, MOST_NUMBERS, REAL
from helpers.messages import Message, message, sentence

_MOST_HEADER = _MOST_STRUCTURE = 64 * 1024
_DEEPEST = 100
_MOST_DIMENSIONS = 16


class NoAnswer(Exception):
    """The student's function gave none; the `fault` says why."""

    def __init__(self, fault: Message) -> None:
        super().__init__(fault)
        self.fault = fault

    def __str__(self) -> str:
        return sentence(self.fault, "en")


def read(path: Path) -> object:
    """The answer in the file at `path`, which the student's code may have written, and may still be writing.

    Reading takes less than 50 MB of memory, whatever the file.

    Raises:
        NoAnswer: the function gave none, or there is no such file, or none that can be read.
    """
    try:
        reply = _unpacked(_content(path))
        fault = None if "value" in reply else _fault(reply)
    except Exception as error:  # the file is the student's, so it may be anything
        raise NoAnswer(message("unreadable", why=f"{type(error).__name__}: {str(error)[:200]}")) from error
    if fault is not None:
        raise NoAnswer(fault)
    return reply["value"]


def _fault(reply: dict) -> Message:
    """Why there is no value. Raises ValueError if the reply does not say it as `remote` does."""
    match reply:
        case {"error": "not written"}:
            return message("not_written")
        case {"error": "missing", "name": str(name)}:
            return message("missing", name=name[:100])
        case {"error": "unreadable", "why": str(why)}:
            return message("unreadable", why=why[:200])
        case {"error": "raised", "what": str(what), "line": ""}:
            return message("raised", error=what[:1000])
        case {"error": "raised", "what": str(what), "line": str(line)}:
            return message("raised_at", error=what[:1000], line=line[:200])
    raise ValueError("it is neither a value nor an error")


def _content(path: Path) -> bytes:
    """What is in a plain file, none too large. It is copied before it is looked at: it may change at any time."""
    most = 8 + _MOST_HEADER + _MOST_STRUCTURE + MOST_BYTES
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK)) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ValueError("it is no plain file")
        content = file.read(most + 1)
    if len(content) > most:
        raise ValueError("it is far too large")
    return content


def _unpacked(content: bytes) -> dict:
    """The reply, a dictionary. Raises whatever a file that is none leads to."""
    if (header := int.from_bytes(content[:8], "little")) > _MOST_HEADER:
        raise ValueError(f"its header is {header:,} bytes long; {_MOST_HEADER:,} are allowed")
    tensors = load(content)
    for tensor in tensors.values():
        _check(tensor)
    structure = tensors["structure"]
    if structure.dtype != torch.uint8 or structure.numel() > _MOST_STRUCTURE:
        raise ValueError("its structure is far too large")
    text = structure.numpy().tobytes().decode()
    _check_depth(text)
    # Raises where a string holds what is no character: the graded notebook could not be written with it.
    json.dumps(json.loads(text), ensure_ascii=False).encode()
    reply = json.loads(text, object_hook=lambda form: _thing(form, tensors))
    if not isinstance(reply, dict):
        raise ValueError("it is neither a value nor an error")
    return reply


def _check(tensor: Tensor) -> None:
    if tensor.dtype not in REAL:
        raise ValueError(f"numbers of {tensor.dtype} are not allowed")
    if tensor.numel() > MOST_NUMBERS:
        raise ValueError(f"{tensor.numel():,} numbers are far too many")
    if tensor.ndim > _MOST_DIMENSIONS:
        raise ValueError(f"{tensor.ndim:,} dimensions are far too many")


def _check_depth(text: str) -> None:
    depth = 0
    # A string, closed or not, is passed over as one.
    for token in re.findall(r'"(?:[^"\\]|\\.)*"?|[\[{}\]]', text, flags=re.DOTALL):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(token, 0)
        if depth > _DEEPEST:
            raise ValueError(f"it is nested more than {_DEEPEST} deep")


def _thing(form: dict, tensors: dict[str, Tensor]) -> object:
    """What a JSON object of the structure stands for; what is in it has been read."""
    match form:
        case {"tensor": str(name)}:
            # Named many times, it would fill the judge's memory where each is copied.
            return tensors.pop(name)
        case {"complex": str(name)}:
            return torch.view_as_complex(tensors.pop(name))
        case {"dict": list(pairs)}:
            return dict(pairs)
        case {"other": str(name)}:
            return {"@type": name}
    raise ValueError(f"{str(form)[:50]} stands for nothing")
