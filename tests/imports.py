"""Which packages a Python file or a notebook imports, by the names that pip knows."""

import ast
import sys
from pathlib import Path

import nbformat
from IPython.core.inputtransformer2 import TransformerManager
from packaging.utils import canonicalize_name
from stored import code_cells

# PyPI's name for what is imported by another.
_RENAMED = {"PIL": "pillow", "sklearn": "scikit-learn", "yaml": "pyyaml", "zmq": "pyzmq"}


def packages(path: Path) -> set[str]:
    """What the file at `path` imports anywhere in it, but for Python's own; a notebook may hold magics."""
    if path.suffix == ".ipynb":
        cells = code_cells(nbformat.read(path, as_version=4))
        source = "\n".join(TransformerManager().transform_cell(cell.source) for cell in cells)
    else:
        source = path.read_text(encoding="utf-8")
    modules = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            modules |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            modules.add(node.module.partition(".")[0])
    return {canonicalize_name(_RENAMED.get(name, name)) for name in modules - sys.stdlib_module_names}


def modules_in(*folders: Path) -> set[str]:
    """The modules and packages that lie in these folders, named as `packages` names what is imported."""
    return {
        canonicalize_name(path.stem)
        for folder in folders
        for path in folder.iterdir()
        if path.suffix == ".py" or any(path.glob("*.py"))
    }
