"""In the sandbox a submission is graded as outside, and its code finds what it needs and nothing else."""

import json
import os
import pwd
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path

import nbformat
import pytest
from course import LIMITS, NAME
from grading import sandbox as sandboxing
from grading.limits import Limits
from grading.released import DATA, PROJECT
from submissions import ROOT, fill, parts_of, solution, with_cell

LIMITS_OF_ALL = Limits(1, 1, 1, 1, 1, 1)

# Each line tries one thing, and says whether it went well.
EXPLORING = """
import os, pathlib, socket
def tries(what):
    try:
        return bool(what())
    except OSError:
        return False
course, project = pathlib.Path(COURSE), pathlib.Path(PROJECT)
print("sees the grades:", tries((course / "gradebook.db").exists))
print("sees the source:", tries((course / "source").exists))
print("sees others:", tries(lambda: [path for path in (course / "submitted").iterdir()]))
print("reads the answers:", tries((project / "helpers" / "deconvnet" / "ways_back.py").read_text))
print("writes into the project:", tries(lambda: (project / "trace").write_text("I was here")))
environments = [path.read_bytes() for path in pathlib.Path("/proc").glob("[0-9]*/environ")]
print("knows the secret:", any(b"SECRET_OF_THE_LECTURER" in each for each in environments) or "HOSTNAME" in os.environ)
print("sees processes:", len([path for path in pathlib.Path("/proc").iterdir() if path.name.isdigit()]) > 4)
print("has a network:", len(socket.if_nameindex()) > 1)
print("leaves a virtual machine:", tries(lambda: socket.socket(socket.AF_VSOCK)))
print("writes beside itself:", tries(lambda: pathlib.Path("mine").write_text("here")))
"""

# All that is there, from the top, with the numbers by which the outside knows it; and what could be read of it. A
# thousand files a message: there may be hundreds of thousands, and a message that is too large is dropped.
WALKING = """
import json, os, stat
found, sockets = [], []
def tell():
    print(json.dumps([found, sockets]), flush=True)
    found.clear(), sockets.clear()
def walk(folder):
    for entry in os.scandir(folder):
        about = entry.stat(follow_symlinks=False)
        if stat.S_ISDIR(about.st_mode):
            if entry.path not in ("/proc", "/dev"):
                walk(entry.path)
        elif stat.S_ISSOCK(about.st_mode):
            sockets.append(entry.path)
        elif stat.S_ISREG(about.st_mode):
            try:
                os.close(os.open(entry.path, os.O_RDONLY))
                found.append((about.st_dev, about.st_ino, entry.path))
            except OSError:
                pass
        if len(found) == 1000:
            tell()
print(os.getuid(), flush=True)
walk("/")
tell()
"""


def test_a_submission_is_graded_as_outside_and_reaches_nothing(in_the_sandbox, new_course, monkeypatch):
    monkeypatch.setenv("SECRET_OF_THE_LECTURER", "42")
    monkeypatch.setenv("HOSTNAME", "theirs")
    course = new_course()
    right, parts = solution("transposed"), parts_of("deconvnet", "pictures")
    steps = fill(course.template(), {part: right[part] for part in parts})
    where = f"COURSE, PROJECT = {str(course.folder)!r}, {str(ROOT)!r}\n"
    notebook = with_cell(steps, where + EXPLORING, at=0)
    course.hand_in("explorer", {f"{NAME}.ipynb": nbformat.writes(notebook)})
    said = course.nbgrader("autograde", NAME, *LIMITS)
    points = course.points("explorer")
    assert all(points[part][0] == points[part][1] for part in parts), said
    assert course.graded("explorer").cells[1].outputs[0].text.splitlines() == [
        "sees the grades: False",
        "sees the source: False",
        "sees others: False",
        "reads the answers: False",
        "writes into the project: False",
        "knows the secret: False",
        "sees processes: False",
        "has a network: False",
        "leaves a virtual machine: False",
        "writes beside itself: True",
    ]
    assert not os.path.exists(ROOT / "trace")


@pytest.fixture
def private(tmp_path_factory):
    """What nobody should see: in a home folder, in another clone, and beside this project; and a socket."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    places = [Path.home() / ".of-the-lecturer", elsewhere / "clone", ROOT / "build" / "of-the-lecturer"]
    for place in places:
        place.mkdir(parents=True)
        (place / "gradebook.db").write_text("secret")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(elsewhere / "socket"))
        yield [place / "gradebook.db" for place in places]
    for place in places:
        shutil.rmtree(place)


def test_nothing_that_can_be_read_is_anybodys_own(in_the_sandbox, open_kernel, private):
    """What is found inside is looked up outside: there it lies in the environment or the data, or is the system's."""
    kernel = open_kernel(WALKING, text_kb=100_000, timeout=600)
    kernel.run(0)
    uid, *told = map(json.loads, kernel.nb.cells[0].outputs[0].text.splitlines())
    found, sockets = ([each for part in parts for each in part] for parts in zip(*told, strict=True))
    assert uid == os.getuid() and len(found) > 1000
    # For the kernel's five channels.
    assert {Path(path).parent for path in sockets} == {Path("/answers")} and len(sockets) == 5

    names = ("shadow", "passwd", "group", "hosts", "machine-id", "ssh/ssh_host_ed25519_key")
    private += [path for name in names if (path := Path("/etc", name)).exists()]
    assert not {_number(path) for path in private} & {(device, inode) for device, inode, _ in found}

    allowed = {Path(place).resolve() for place in (sys.prefix, sys.base_prefix, PROJECT / DATA)}
    others = [path for *_, path in found if not _in(path, allowed)]
    elsewhere = {path for device, inode, path in found if _number(path) != (device, inode)}
    # Of the judge, of the student, and of the kernel itself.
    assert {path.split("/")[1] for path in elsewhere} <= {"judge", "handed_in", "tmp"}
    system = [path for path in others if path not in elsewhere]
    assert {path.split("/")[1] for path in system} <= {"usr", "etc", "lib", "lib32", "lib64", "bin"}
    assert [path for path in system if _in(path, [PROJECT, ROOT, *_homes()])] == []


def _number(path):
    """By which a file is known, inside and outside."""
    try:
        about = os.lstat(path)
    except OSError:
        return None
    return about.st_dev, about.st_ino


def _in(path, places):
    return path.startswith(tuple(f"{place}/" for place in places))


def _homes():
    people = [person for person in pwd.getpwall() if person.pw_uid in (0, os.getuid()) or person.pw_uid >= 1000]
    return [home for person in people if len((home := Path(person.pw_dir)).parts) > 1] + [Path("/home")]


def test_what_others_have_mounted_below_is_not_seen(in_the_sandbox):
    """As root of namespaces of its own, so that nothing of this machine is changed."""
    place = next(path for path in Path("/usr/lib").iterdir() if path.is_dir() and not path.is_symlink())
    program = f"""
import subprocess, sys
sys.path[:0] = {[str(ROOT), str(ROOT / "assignment")]!r}
from grading import sandbox
from grading.limits import Limits
print(subprocess.run([*sandbox.words(Limits(1, 1, 1, 1, 1, 1)), "ls", {str(place)!r}], check=True))
"""
    mounting = f'mount -t tmpfs theirs "{place}" && echo theirs > "{place}/theirs" && ls "{place}" && exec "$@"'
    line = [
        "unshare",
        "--user",
        "--map-root-user",
        "--mount",
        "sh",
        "-c",
        mounting,
        "sh",
        sys.executable,
        "-c",
        program,
    ]
    done = subprocess.run(line, capture_output=True, text=True)
    if "unshare:" in done.stderr or "mount:" in done.stderr:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr
    # Outside, and not a second time inside.
    assert done.stdout.splitlines()[0] == "theirs" and "theirs" not in "".join(done.stdout.splitlines()[1:])


# Each is given what it has already.
CHANGING = """
import os, pathlib, stat
setting = pathlib.Path("/proc/sys/kernel/core_pattern")
for name, change in {
    "a setting": lambda: setting.write_text(setting.read_text()),
    **{name: lambda name=name: os.chmod(f"/dev/{name}", stat.S_IMODE(os.stat(f"/dev/{name}").st_mode))
       for name in ("null", "zero", "full", "random", "urandom", "tty")},
}.items():
    try:
        change()
        print("changes", name)
    except OSError:
        pass
open("/dev/null", "w").write("works")
"""


def test_nothing_of_this_machine_can_be_changed(in_the_sandbox):
    """If root grades, the code would be root for whatever asks for no more than that."""
    line = [*sandboxing.words(LIMITS_OF_ALL), sys.executable, "-S", "-c", CHANGING]
    done = subprocess.run(line, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("", "")


STANDING = """
import os
lines = [line.split() for line in open("/proc/self/status")]
about = {line[0].rstrip(":"): line[1] for line in lines if line[0].startswith(("Cap", "NoNewPrivs"))}
print(about.pop("NoNewPrivs"), {int(value, 16) for value in about.values()}, os.getsid(0) > 0)
"""


def test_the_code_is_nobody_in_particular(in_the_sandbox):
    """It has no right of root's, can get none, and has a session of its own, not that of your terminal."""
    line = [*sandboxing.words(LIMITS_OF_ALL), sys.executable, "-S", "-c", STANDING]
    done = subprocess.run(line, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("1 {0} True\n", "")


def test_wherever_the_code_can_write_there_is_an_end(in_the_sandbox):
    """In megabytes; these file systems lie in memory."""
    program = "import os; print([os.statvfs(name).f_blocks * os.statvfs(name).f_frsize // 10**6 for name in PLACES])"
    program = program.replace("PLACES", "('/tmp', '/dev/shm', '/answers')")
    line = [*sandboxing.words(LIMITS_OF_ALL), sys.executable, "-S", "-c", program]
    done = subprocess.run(line, capture_output=True, text=True)
    assert done.stdout == "[1, 1000, 32]\n", done.stderr


def test_the_code_ends_with_whoever_grades(in_the_sandbox):
    """Killed, so that nothing can be tidied up."""
    inside = [*sandboxing.words(LIMITS_OF_ALL), sys.executable, "-S", "-c", "print(1, flush=True); input()"]
    program = f"import subprocess; subprocess.run({inside!r})"
    with subprocess.Popen(
        [sys.executable, "-S", "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as grading:
        assert grading.stdout.readline() == "1\n"
        grading.kill()
        # It has the other end of this, for as long as it runs.
        ended = threading.Thread(target=grading.stdout.read, daemon=True)
        ended.start()
        ended.join(10)
        goes_on = ended.is_alive()
        grading.stdin.close()
        ended.join()
    assert not goes_on


def test_what_the_kernel_tells_root_alone_is_not_told(in_the_sandbox):
    """Where its memory lies, what is in use, and all users' keys: root's own files in /proc are root's inside, too."""
    wanted = [path for path in Path("/proc").iterdir() if path.is_file() and not path.stat().st_mode & 0o004]
    wanted += [Path("/proc/keys"), Path("/proc/key-users")]
    program = f"""
for name in {[str(path) for path in wanted]}:
    try:
        with open(name, "rb") as file:
            if file.read(100):
                print(name)
    except OSError:
        pass
"""
    line = [*sandboxing.words(LIMITS_OF_ALL), sys.executable, "-S", "-c", program]
    done = subprocess.run(line, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("", "")


@pytest.mark.parametrize("version", ["python-3", "python 3"], ids=["", "with a space"])
def test_an_interpreter_is_found_behind_links(in_the_sandbox, tmp_path, monkeypatch, version):
    """As tools that install Python leave it: beside it, a link to its folder."""
    (tmp_path / "real" / "bin").mkdir(parents=True)
    python = tmp_path / version / "bin" / "python"
    (tmp_path / version).symlink_to("real")
    python.symlink_to(Path(sys.executable).resolve())
    (tmp_path / "private.txt").touch()
    interpreter = str(Path(sys.base_prefix).resolve())
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(sys, "base_prefix", str(tmp_path / version))
        elsewhere.setattr(sys, "executable", str(python))
        words = sandboxing.words(LIMITS_OF_ALL, more=["--ro-bind", interpreter, interpreter])
    program = "import os, sys; print([os.path.exists(name) for name in sys.argv[1:]])"
    line = [*words, str(python), "-S", "-c", program, str(python), str(tmp_path / "private.txt")]
    done = subprocess.run(line, capture_output=True, text=True)
    assert done.stdout == "[True, False]\n", done.stderr


def test_what_is_missing_for_it_is_named(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert "bubblewrap is not installed (Debian: apt-get install bubblewrap)" in sandboxing.why_not.__wrapped__()
    monkeypatch.setattr(sys, "platform", "darwin")
    said = sandboxing.why_not.__wrapped__()
    assert "bubblewrap needs Linux" in said and "--Judge.sandboxed=False" in said and said.count(". ") == 1


def test_where_it_is_forbidden_bubblewrap_says_why(in_the_sandbox, monkeypatch, tmp_path):
    (tmp_path / "bwrap").write_text("#!/bin/sh\necho No permissions to create new namespace >&2\nexit 1\n")
    (tmp_path / "bwrap").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert "says: No permissions to create new namespace. " in sandboxing.why_not.__wrapped__()


def test_without_a_sandbox_grading_stops_and_leaves_nothing(new_course, monkeypatch, tmp_path):
    course = new_course()
    (tmp_path / "bwrap").write_text("#!/bin/sh\necho No permissions to create new namespace >&2\nexit 1\n")
    (tmp_path / "bwrap").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    for student in ("ada", "bob"):
        course.hand_in(student, {f"{NAME}.ipynb": nbformat.writes(course.template())})
    said = course.nbgrader("autograde", NAME, "--Judge.sandboxed=True")
    assert "Traceback" not in said
    assert "Nothing is graded, as there is no sandbox for students' code: " in said.splitlines()[-1]
    assert said.count("Nothing is graded") == 1
    assert not list((course.folder / "autograded").glob(f"*/{NAME}"))
