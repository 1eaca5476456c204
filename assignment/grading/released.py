"""What students have of this project. All else holds answers, or says how the grading works.

The zip is made of this list, and a submission finds nothing of the project but what stands here. So a new module is
kept from students until somebody adds it.
"""

import shutil
from collections.abc import Iterable
from pathlib import Path

import helpers

# Where `helpers` lies and `data` beside it, whether or not the course is a copy somewhere else.
PROJECT = Path(helpers.__file__).resolve().parents[1]
HELPERS = [
    *(f"helpers/{name}.py" for name in ("__init__", "checks", "data", "files", "messages", "pictures", "plotting")),
    *(f"helpers/sentences/{language}.mo" for language in ("de", "en")),
]
DATA = "data/MNIST/raw"


def lay_out(folder: Path, released: Iterable[str] = HELPERS) -> None:
    """Put a copy of what is `released`, files or whole folders of the project, into `folder`, and beside it the data.

    The data are a link, as they are large.
    """
    for name in released:
        copy = shutil.copytree if (PROJECT / name).is_dir() else shutil.copy
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        copy(PROJECT / name, folder / name)
    (folder / DATA).parent.mkdir(parents=True)
    (folder / DATA).symlink_to((PROJECT / DATA).resolve())
