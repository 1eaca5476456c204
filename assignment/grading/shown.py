"""What a sandbox shows of this machine: a list of what may be read. Whatever is not on it is not there."""

import os
import pwd
import re
import site
import sys
from collections.abc import Iterable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

from grading.released import DATA, PROJECT

COURSE = Path(__file__).resolve().parents[1]

# The system's programs and libraries, and the files by which these find each other. Nothing here is anybody's own.
_SYSTEM = [
    *("/bin", "/lib", "/lib32", "/lib64", "/usr/bin", "/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/local/lib"),
    *("/etc/ld.so.cache", "/etc/alternatives", "/etc/nsswitch.conf", "/etc/fonts"),
    *("/usr/share/fonts", "/usr/share/fontconfig", "/usr/share/zoneinfo"),
]
# An environment there is the system's own, and lies in the folders above.
_SYSTEM_PREFIXES = {Path("/"), Path("/usr"), Path("/usr/local")}


class NotApart(Exception):
    """What must be shown, and what must not be, can't be told apart. The message says which folder it is."""


def show(withheld: Sequence[str] = ()) -> list[str]:
    """The words of bubblewrap that show the system's libraries, the Python environment and the data, read-only.

    Of an environment's folder all is shown but the packages `withheld`, the project's files, and other file systems
    that are mounted below.

    Raises:
        NotApart: the environment is a home folder, or the folder of the project or the course.
    """
    links: dict[Path, str] = {}
    wanted = [*map(Path, _SYSTEM), *_environment(), PROJECT / DATA]
    hidden = _hidden(withheld)
    found = {place for one in wanted if os.path.exists(place := _follow(one, links))}
    shown = {place for place in found if not any(_seen_in(above, place, hidden) for above in found)}
    if both := shown & hidden:
        raise NotApart(
            f"the environment and what the sandbox hides are the same folder, {both.pop()}; make the environment in a "
            "folder of its own, such as .venv in the project"
        )
    mounts = {place: ["--ro-bind", str(place), str(place)] for place in shown}
    for link, target in links.items():
        if not _within(link, shown):
            mounts[link] = ["--symlink", target, str(link)]
    covered = {place for place in hidden | _mounted() if _within(place, shown) and place not in shown}
    for place in covered:
        mounts[place] = ["--tmpfs", str(place)] if os.path.isdir(place) else ["--ro-bind", "/dev/null", str(place)]
    # What lies deeper comes later, so that it is seen in what lies above it.
    words = [word for place in sorted(mounts, key=lambda path: len(path.parts)) for word in mounts[place]]
    # What hides is empty, and stays so.
    return words + [word for place in covered if os.path.isdir(place) for word in ("--remount-ro", str(place))]


def _environment() -> Iterator[Path]:
    """The folders of this Python: its own, that of the interpreter behind it, and where packages lie beside them."""
    for prefix in dict.fromkeys([sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix]):
        real = Path(prefix).resolve()
        if real in _SYSTEM_PREFIXES:
            continue
        if home := next((home for home in _homes() if home.is_relative_to(real)), None):
            raise NotApart(
                f"the environment is the folder {real}, in which the home folder {home} lies; make the environment in "
                "a folder of its own, such as .venv in the project"
            )
        yield Path(prefix)
    yield Path(sys.executable)
    yield from map(Path, site.getsitepackages())


def _homes() -> set[Path]:
    homes = [Path(entry.pw_dir) for entry in pwd.getpwall()]
    return {home.resolve() for home in [*homes, Path.home()] if home != Path("/")}


def _hidden(withheld: Sequence[str]) -> set[Path]:
    # Where the helpers are installed among other packages, what lies beside them is not the project's.
    installed = PROJECT.name in ("site-packages", "dist-packages")
    places = [COURSE, PROJECT / "helpers" if installed else PROJECT]
    for name in withheld:
        if spec := find_spec(name):
            places += map(Path, spec.submodule_search_locations or ())
    return {place.resolve() for place in places}


def _mounted() -> set[Path]:
    """Where something is mounted."""
    lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    places = [re.sub(r"\\(\d{3})", lambda code: chr(int(code[1], 8)), line.split(" ")[4]) for line in lines]
    return {Path(place) for place in places if os.path.lexists(place)}


def _follow(path: Path, links: dict[Path, str]) -> Path:
    """Where `path` really lies; the links on the way there are added to `links`."""
    done, parts = Path("/"), list(reversed(path.absolute().parts[1:]))
    for _ in range(10_000):
        if not parts:
            break
        part = parts.pop()
        if part in ("", "."):
            continue
        step = done.parent if part == ".." else done / part
        if not step.is_symlink():
            done = step
            continue
        links[step] = target = os.readlink(step)
        if os.path.isabs(target):
            done = Path("/")
        parts += reversed([part for part in Path(target).parts if part != "/"])
    return done


def _seen_in(above: Path, place: Path, hidden: Iterable[Path]) -> bool:
    """Whether `place` is shown where `above` is, with nothing `hidden` between them."""
    return _within(place, [above]) and not any(
        place.is_relative_to(between) and between.is_relative_to(above) for between in hidden
    )


def _within(place: Path, places: Iterable[Path]) -> bool:
    return any(place != above and place.is_relative_to(above) for above in places)
