"""Runs in the student's kernel before all else: what students do not have is not there to be imported."""

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path


def close(released: str, project: str, withheld: Sequence[str]) -> None:
    """From now on `helpers` is the one in the folder `released`, and `withheld` packages are missing.

    Nothing else of the folder `project` is found, however it came to be on the path, but the environment in it.
    """
    sys.path[:] = [place for place in sys.path if not _belongs_to(project, place)]
    sys.meta_path.insert(0, _Released(released, withheld))


def _belongs_to(project: str, place: str) -> bool:
    # The working directory is the student's.
    if not place:
        return False
    path, prefix = Path(place).resolve(), Path(sys.prefix).resolve()
    return path.is_relative_to(project) and not path.is_relative_to(prefix)


class _Released:
    """Comes before all other finders, so that none of them finds the project's own `helpers`."""

    def __init__(self, released: str, withheld: Sequence[str]) -> None:
        self.released, self.withheld = released, withheld

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: object = None) -> ModuleSpec | None:
        package = name.partition(".")[0]
        if package == "helpers":
            if spec := PathFinder.find_spec(name, [self.released] if path is None else path):
                return spec
        elif package not in self.withheld:
            return None
        raise ModuleNotFoundError(f"No module named {name!r} among what students have", name=name)
