"""Build what students get of each assignment that has settings, or of those that are named: build/NAME.zip."""

import io
import os
import re
import shutil
import sys
import sysconfig
import tempfile
import zipfile
from pathlib import Path

from filling import text_of, untranslated
from grading.judge import PARTS
from grading.released import DATA, HELPERS
from grading.settings import BadSettings, Settings, names, settings_of
from nbgrader.apps import NbGraderAPI
from source_folder import MADE, ChangedByHand, make
from traitlets.config import Config

from helpers.files import write_atomically

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent


def release(settings: Settings, course: Path) -> Path:
    """The notebook with gaps as nbgrader makes it of the source, in a copy of the course in the folder `course`."""
    # nbgrader calls alembic by its name, which is found only in an environment that is active.
    os.environ["PATH"] = os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]])
    shutil.copytree(settings.source, course / "source" / settings.name, ignore=shutil.ignore_patterns(MADE))
    config = Config()
    config.CourseDirectory.root = str(course)
    result = NbGraderAPI(config=config).generate_assignment(settings.name)
    if not result["success"]:
        sys.exit(f"nbgrader could not generate the assignment:\n{result['log']}\n{result.get('error', '')}")
    return course / "release" / settings.name


def contents(settings: Settings, released: Path) -> dict[str, Path]:
    """For each file of the zip, where its content lies."""
    files = {path.name: path for path in (HERE / "student").iterdir()}
    text = text_of(settings.readme.read_text(encoding="utf-8"), settings, str(settings.readme))
    (released / "README.md").write_text(text, encoding="utf-8")
    files |= {path.name: path for path in released.iterdir() if path.is_file()}
    files |= {name: ROOT / name for name in HELPERS}
    files |= {f"{DATA}/{path.name}": path for path in (*(ROOT / DATA).glob("*.gz"), ROOT / DATA / "README.md")}
    files["LICENSE"] = ROOT / "LICENSE"
    return dict(sorted(files.items()))


def build(settings: Settings) -> None:
    make(settings)
    with tempfile.TemporaryDirectory() as folder:
        files = contents(settings, release(settings, Path(folder) / "course"))
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, file in files.items():
                archive.write(file, f"{settings.name}/{name}")
        readme = files["README.md"].read_text(encoding="utf-8")
    path = ROOT / "build" / f"{settings.name}.zip"
    path.parent.mkdir(exist_ok=True)
    write_atomically(path, content.getvalue())
    print(f"{path.relative_to(ROOT)}, {path.stat().st_size / 1e6:.0f} MB, holds:")
    for name in files:
        print(f"    {settings.name}/{name}")
    if others := [part for part in settings.points if part not in PARTS]:
        print(f"\nPoints that the judge does not give: {', '.join(others)}")
    if missing := untranslated(settings):
        file = (settings.translations / "notebook.md").relative_to(ROOT)
        print(f"\nNot translated yet, in {file}: the cells {', '.join(missing)}")
    if places := re.findall(r"\[([A-Z]{2}[A-Z ]+)[\]:]", readme):
        print(f"\nStill to be filled in, in {settings.readme.relative_to(ROOT)}: {', '.join(places)}")


def main(wanted: list[str]) -> None:
    try:
        for settings in [settings_of(name) for name in wanted or names()]:
            build(settings)
    except (BadSettings, ChangedByHand) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main(sys.argv[1:])
