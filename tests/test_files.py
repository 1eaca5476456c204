"""helpers.files: a file is written whole or not at all."""

import os
import stat

import pytest

from helpers.files import write_atomically


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
