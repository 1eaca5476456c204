"""Build what students get: build/inside_lenet5.zip."""

import io
import os
import re
import shutil
import sys
import sysconfig
import tempfile
import zipfile
from pathlib import Path

from grading.released import DATA, HELPERS
from nbgrader.apps import NbGraderAPI
from traitlets.config import Config

from helpers.files import write_atomically

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
NAME = "inside_lenet5"
ZIP = ROOT / "build" / f"{NAME}.zip"


def release(course: Path) -> Path:
    """The template as nbgrader makes it of the source, in a copy of the course in the folder `course`."""
    # nbgrader calls alembic by its name, which is found only in an environment that is active.
    os.environ["PATH"] = os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]])
    shutil.copytree(HERE / "source", course / "source")
    config = Config()
    config.CourseDirectory.root = str(course)
    result = NbGraderAPI(config=config).generate_assignment(NAME)
    if not result["success"]:
        sys.exit(f"nbgrader could not generate the assignment:\n{result['log']}\n{result.get('error', '')}")
    return course / "release" / NAME


def contents(template: Path) -> dict[str, Path]:
    """For each file of the zip, where its content lies."""
    files = {path.name: path for path in template.iterdir() if path.is_file()}
    files |= {path.name: path for path in (HERE / "student").iterdir()}
    files |= {name: ROOT / name for name in HELPERS}
    files |= {f"{DATA}/{path.name}": path for path in (*(ROOT / DATA).glob("*.gz"), ROOT / DATA / "README.md")}
    files["LICENSE"] = ROOT / "LICENSE"
    return dict(sorted(files.items()))


def main() -> None:
    ZIP.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        files = contents(release(Path(folder) / "course"))
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, path in files.items():
                archive.write(path, f"{NAME}/{name}")
    write_atomically(ZIP, content.getvalue())
    print(f"{ZIP.relative_to(ROOT)}, {ZIP.stat().st_size / 1e6:.0f} MB, holds:")
    for name in files:
        print(f"    {NAME}/{name}")
    if places := re.findall(r"\[([A-Z]{2}[A-Z ]+)[\]:]", (HERE / "student" / "README.md").read_text(encoding="utf-8")):
        print(f"\nStill to be filled in, in assignment/student/README.md: {', '.join(places)}")


if __name__ == "__main__":
    main()
