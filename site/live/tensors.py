"""Tensors as one file, for a page to read (`tensors.js`): the format safetensors, compressed by gzip."""

import gzip
import json
from collections.abc import Mapping

import numpy as np

_NAMES = {"uint8": "U8", "int8": "I8", "int16": "I16", "float32": "F32"}


def packed(tensors: Mapping[str, np.ndarray], about: Mapping[str, str] | None = None) -> bytes:
    """These tensors, and what is told `about` them.

    Single precision is stored byte by byte, the first bytes of all numbers first: so it gets smaller by a sixth, not by
    a fourteenth.
    """
    header: dict[str, object] = {"__metadata__": {**(about or {}), "layout": "planes"}}
    numbers = b""
    for name, tensor in tensors.items():
        content = tensor.tobytes()
        if tensor.dtype == np.float32:
            content = np.frombuffer(content, np.uint8).reshape(-1, 4).T.tobytes()
        offsets = [len(numbers), len(numbers) + len(content)]
        header[name] = {"dtype": _NAMES[tensor.dtype.name], "shape": tensor.shape, "data_offsets": offsets}
        numbers += content
    told = json.dumps(header).encode()
    return gzip.compress(len(told).to_bytes(8, "little") + told + numbers, mtime=0)
