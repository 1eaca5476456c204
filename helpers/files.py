"""Where the notebooks write, and how: a file whole or not at all."""

import os
import tempfile
from pathlib import Path


def write_atomically(path: Path, content: bytes) -> None:
    """Put `content` into the file `path`; whoever reads it sees the old file or the new one, never a part.

    Raises:
        OSError: the folder does not exist or can't be written; the old file stays as it was.
    """
    path = Path(path)
    handle, scratch = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        # mkstemp makes the file private to its owner; a new file elsewhere is readable by all.
        os.chmod(scratch, 0o644)
        os.replace(scratch, path)
    except BaseException:
        os.unlink(scratch)
        raise


def output_folder(folder: Path) -> Path:
    """`folder`, unless the environment names another place for all that is written: `$INSIDE_LENET5_OUTPUT/name`.

    So tests execute the notebooks without writing over anybody's figures and weights. The folder is made if need be.
    """
    if elsewhere := os.environ.get("INSIDE_LENET5_OUTPUT"):
        folder = Path(elsewhere) / folder.name
        folder.mkdir(parents=True, exist_ok=True)
    return folder
