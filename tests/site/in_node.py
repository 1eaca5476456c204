"""The modules of the live page in node: what a program that uses them prints, or writes into a file of numbers."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from built import SITE

from helpers.explorers.page import module

HERE = Path(__file__).resolve().parent
LOADED = SITE / "_static" / "live"


def run(program: str, folder: Path, **numbers: np.ndarray) -> np.ndarray | object:
    """What `program` returns: a Float64Array, as an array, or anything that JSON can hold.

    It finds in `live` what everything.js exports, in `loaded(name)` the tensors of a file of the page, and each of the
    `numbers` under its name.
    """
    if shutil.which("node") is None:
        pytest.skip("there is no node to run the modules in")
    for name, array in numbers.items():
        (folder / name).write_bytes(np.ascontiguousarray(array, np.float64).tobytes())
    text = module(HERE / "everything.js").replace("export default", "const live =")
    file = folder / "program.mjs"
    file.write_text(
        f"""
import {{ readFileSync, writeFileSync }} from "node:fs";
{text}
const loaded = (name) => live.unpack(readFileSync({json.dumps(LOADED.as_posix())} + `/${{name}}.bin`));
const [{", ".join(numbers)}] = {json.dumps([(folder / name).as_posix() for name in numbers])}.map(
  (path) => new Float64Array(new Uint8Array(readFileSync(path)).buffer),
);
const result = await (async () => {{ {program} }})();
const answer = result instanceof Float64Array ? result : JSON.stringify(result);
writeFileSync({json.dumps((folder / "result").as_posix())}, answer);
""",
        encoding="utf-8",
    )
    done = subprocess.run(["node", str(file)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    content = (folder / "result").read_bytes()
    return json.loads(content) if content[:1] in b"[{" and content[-1:] in b"]}" else np.frombuffer(content)
