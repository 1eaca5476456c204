"""helpers.files: a file is written whole or not at all, and where the environment says."""

import os
import stat
import subprocess
import sys

import pytest

from helpers.files import output_folder, write_atomically


def test_writes_a_new_file(tmp_path):
    write_atomically(tmp_path / "new", b"content")
    assert (tmp_path / "new").read_bytes() == b"content"
    assert os.listdir(tmp_path) == ["new"]


def test_takes_a_path_as_text(tmp_path):
    write_atomically(f"{tmp_path}/new", b"content")
    assert (tmp_path / "new").read_bytes() == b"content"


def test_replaces_an_old_file(tmp_path):
    (tmp_path / "old").write_bytes(b"a longer content than the new one")
    write_atomically(tmp_path / "old", b"new")
    assert (tmp_path / "old").read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["old"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_everybody_may_read_the_file(tmp_path):
    write_atomically(tmp_path / "new", b"")
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o644


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()], ids=repr)
@pytest.mark.parametrize("step", ["fdopen", "replace"])
def test_an_interruption_leaves_the_old_file_and_no_litter(step, error, tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"old")
    work = getattr(os, step)

    def interrupted(*args):
        if step == "fdopen":
            with work(*args) as half:
                half.write(b"n")
        raise error

    monkeypatch.setattr(os, step, interrupted)
    with pytest.raises(type(error)):
        write_atomically(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_until_it_is_whole_the_old_file_stands(tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"old")
    replace = os.replace

    def look_first(scratch, path):
        assert path.read_bytes() == b"old"
        with open(scratch, "rb") as file:
            assert file.read() == b"new"
        replace(scratch, path)

    monkeypatch.setattr(os, "replace", look_first)
    write_atomically(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"new"


def test_a_missing_folder_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="missing"):
        write_atomically(tmp_path / "missing" / "file", b"")


KILLED_IN_BETWEEN = """
import os, signal, sys
from pathlib import Path
from helpers.files import write_atomically

os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
write_atomically(Path(sys.argv[1]), b"new")
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signal")
def test_a_process_that_is_killed_in_between_leaves_the_old_file(tmp_path):
    """The scratch file stays, under a name that no reader asks for."""
    (tmp_path / "file").write_bytes(b"old")
    killed = subprocess.run([sys.executable, "-c", KILLED_IN_BETWEEN, tmp_path / "file"])
    assert killed.returncode < 0
    assert (tmp_path / "file").read_bytes() == b"old"
    (scratch,) = (path for path in tmp_path.iterdir() if path.name != "file")
    assert scratch.name.startswith(".file-") and scratch.read_bytes() == b"new"


def test_what_is_written_stays_in_its_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("INSIDE_LENET5_OUTPUT", raising=False)
    assert output_folder(tmp_path / "figures") == tmp_path / "figures"
    assert os.listdir(tmp_path) == []


def test_the_environment_can_send_it_elsewhere(tmp_path, monkeypatch):
    monkeypatch.setenv("INSIDE_LENET5_OUTPUT", str(tmp_path / "new" / "output"))
    for _ in range(2):
        assert output_folder(tmp_path / "figures") == tmp_path / "new" / "output" / "figures"
    assert (tmp_path / "new" / "output" / "figures").is_dir()
