"""The intake by itself: a folder as it came in, a clean folder out, and a record of what was left out and why."""

import io
import json
import os
import shutil
import stat
import zipfile
from pathlib import Path

import nbformat
import pytest
from grading.handed_in import Limits
from grading.intake import take_in
from grading.which_notebook import Assignment, NotGraded
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from helpers.messages import sentence

ASSIGNMENT = Assignment(
    name="work",
    gaps={"add": "def add(a, b): ...", "words": "*Your words*"},
    tests=frozenset({"test_add"}),
    given=frozenset({"import check"}),
    files=frozenset({"check.py"}),
)
DONE = "def add(a, b):\n    return a + b"


def notebook(add: str = DONE, *more: str, names=("add", "test_add", "words")) -> bytes:
    sources = {"add": add, "test_add": "check.add(add)", "words": "*Your words*"}
    cells = [new_code_cell(source) for source in ("import check", *more)]
    for name in names:
        new = new_markdown_cell if name == "words" else new_code_cell
        cells.append(new(sources[name], metadata={"nbgrader": {"grade_id": name}}))
    return nbformat.writes(new_notebook(cells=cells)).encode()


TEMPLATE = notebook(ASSIGNMENT.gaps["add"])


class Taking:
    """Takes in what a test has put into the folder; afterwards the folder is as it was."""

    def __init__(self, path: Path) -> None:
        self.folder, self.clean = path / "handed in", path / "clean"
        self.folder.mkdir()

    def put(self, name: str, content: bytes | str, age: float = 0) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        os.utime(path, (1_800_000_000 - age, 1_800_000_000 - age))
        return path

    def __call__(self, **settings) -> list[str]:
        before = self._state()
        try:
            return [sentence(note, "en") for note in take_in(self.folder, self.clean, ASSIGNMENT, **settings)]
        finally:
            assert self._state() == before
            assert all(stat.S_IMODE(path.lstat().st_mode) in (0o600, 0o700) for path in self.clean.rglob("*"))

    def _state(self) -> dict:
        paths = [self.folder, *self.folder.rglob("*")]
        return {path: (about.st_mode, about.st_size, about.st_mtime_ns) for path in paths if (about := path.lstat())}

    @property
    def add(self) -> str:
        cells = nbformat.read(self.clean / "work.ipynb", as_version=4).cells
        return next(cell.source for cell in cells if cell.metadata.get("nbgrader", {}).get("grade_id") == "add")

    @property
    def files(self) -> set[str]:
        return {path.relative_to(self.clean).as_posix() for path in self.clean.rglob("*") if path.is_file()}


@pytest.fixture
def taking(tmp_path) -> Taking:
    return Taking(tmp_path)


def packed(files: dict[str, bytes | str], **settings) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED, **settings) as archive:
        for name, one in files.items():
            archive.writestr(name, one)
    return content.getvalue()


def test_a_folder_as_it_should_be_gives_a_clean_one_and_an_empty_record(taking):
    taking.put("work.ipynb", notebook())
    taking.put("own/numbers.txt", "1 2 3")
    taking.put("check.py", "the student's own")
    taking.put("data/large.bin", "ignored")
    assert taking(ignore=["data"]) == []
    assert taking.files == {"work.ipynb", "own/numbers.txt"}
    assert taking.add == DONE


def test_what_is_no_plain_file_is_left_out(taking, tmp_path):
    taking.put("work.ipynb", notebook())
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "letter.txt").write_text("private")
    (taking.folder / "link.txt").symlink_to(secret / "letter.txt")
    (taking.folder / "folder").symlink_to(secret)
    (taking.folder / "nowhere").symlink_to(tmp_path / "nowhere")
    os.link(secret / "letter.txt", taking.folder / "second name.txt")
    os.mkfifo(taking.folder / "pipe")
    assert taking() == [
        "left out, as it is a link: `folder`, `link.txt`, `nowhere`.",
        "left out, as it is a pipe: `pipe`.",
        "left out, as it has a second name elsewhere (a hard link): `second name.txt`.",
    ]
    assert taking.files == {"work.ipynb"}


def test_a_file_that_becomes_a_link_after_it_was_found_is_not_followed(taking, tmp_path, monkeypatch):
    from grading import intake

    taking.put("work.ipynb", notebook())
    own = taking.put("own.txt", "mine")
    folder = taking.put("folder/own.txt", "mine").parent
    (tmp_path / "own.txt").write_text("private")
    search = intake.Search.search

    def exchange_meanwhile(self, files, depth=0):
        search(self, files, depth)
        own.unlink()
        own.symlink_to(tmp_path / "own.txt")
        folder.rename(tmp_path / "moved")
        folder.symlink_to(tmp_path)

    monkeypatch.setattr(intake.Search, "search", exchange_meanwhile)
    record = [sentence(note, "en") for note in take_in(taking.folder, taking.clean, ASSIGNMENT)]
    assert record == ["left out, as it can't be read: `own.txt`, `folder/own.txt`."]
    assert taking.files == {"work.ipynb"}


def test_a_folder_that_is_a_link_or_none_is_not_graded(taking, tmp_path):
    taking.put("work.ipynb", notebook())
    (tmp_path / "link").symlink_to(taking.folder)
    (tmp_path / "file").write_text("text")
    for name, why in {"link": "is a link", "file": "is no folder", "nothing": "is no folder"}.items():
        with pytest.raises(NotGraded, match=f"what was handed in {why}"):
            take_in(tmp_path / name, taking.clean, ASSIGNMENT)


def test_times_and_pages_of_the_student_are_left_out(taking):
    taking.put("work.ipynb", notebook())
    times = ["timeSTAMP.txt", "in/time\u017ftamp.txt", "sub/TimeStamp.TXT"]
    for name in (*times, "work.html", "x.SVG", "timestamp.txt.txt"):
        taking.put(name, "2020")
    for name, content in {
        "a": "<!DOCTYPE html>",
        "b.txt": "\n\f<Script>",
        "c.csv": "<5, 3",
        "d.md": "<!-- -->",
    }.items():
        taking.put(name, content)
    assert taking() == [
        "left out, as it is a page for a browser: `a`, `b.txt`, `d.md` and 2 more.",
        f"left out, as it would tell the time of handing in: {', '.join(f'`{name}`' for name in times)}.",
    ]
    assert taking.files == {"work.ipynb", "timestamp.txt.txt", "c.csv"}


def test_the_time_beside_the_notebook_is_no_part_of_what_was_handed_in(taking):
    """Nobody can tell who wrote it: a platform's is put there by `collect`, and nbgrader's exchange writes one, too."""
    taking.put("timestamp.txt", "2026-12-02 09:30:00 UTC")
    with pytest.raises(NotGraded, match="^there is nothing in the folder$"):
        taking()
    taking.put("essay.pdf", "%PDF")
    with pytest.raises(NotGraded, match="^there is no notebook, only `essay.pdf`$"):
        taking()
    taking.put("work.ipynb", notebook())
    assert taking() == [] and taking.files == {"work.ipynb", "essay.pdf"}
    shutil.rmtree(taking.clean)
    assert taking(time_is_known=False) == [
        "the time of handing in that `timestamp.txt` tells is not believed: nbgrader's exchange writes such a file, "
        "and so can you."
    ]


def test_what_was_typed_on_the_platform_is_called_so(taking):
    taking.put("timestamp.txt", "2026-12-02 09:30:00 UTC")
    taking.put("onlinetext.html", "<p>see attached</p>")
    with pytest.raises(NotGraded, match="^there is no notebook, only a text that was typed on the platform$"):
        taking()
    taking.put("essay.pdf", "%PDF")
    with pytest.raises(NotGraded, match="^there is no notebook, only `essay.pdf`$"):
        taking()


@pytest.mark.parametrize("folder", ["timestamp.txt", "check.py", "CHECK.PY", "work.ipynb", "a/page.html"])
def test_folders_that_are_named_like_files_are_left_out(taking, folder):
    taking.put("other.ipynb", notebook())
    taking.put(f"{folder}/inside", "1")
    assert f"left out, as it lies in a folder that is named like a file: `{folder}/inside`." in taking()
    assert taking.files == {"work.ipynb"}


def test_names_that_can_not_be_shown_are_left_out(taking):
    taking.put("work.ipynb", notebook())
    names = [b"bell\a", b"line\nline", b"\xff\xfe", "right to left \u202e".encode()]
    for name in names:
        taking.put(os.fsdecode(name), "1")
    (line,) = taking()
    assert line.startswith("left out, as it has a name that can't be shown: `bell?`, `line?line`")
    assert line.isprintable() and taking.files == {"work.ipynb"}


def test_names_mean_nothing_to_a_page_or_a_terminal(taking):
    taking.put("work.ipynb", notebook())
    (taking.folder / "<img src=x onerror=alert(1)>`$x$").symlink_to("/")
    assert taking() == ["left out, as it is a link: `?img src=x onerror=alert(1)???x?`."]


@pytest.mark.parametrize("bom", [b"\xef\xbb\xbf", b"\n\r\n"])
def test_what_stands_before_the_notebook_does_not_matter(taking, bom):
    taking.put("work.ipynb", bom + notebook())
    assert taking() == []
    assert taking.add == DONE


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "utf-8-sig"])
def test_the_encoding_does_not_matter(taking, encoding):
    taking.put("work.ipynb", notebook().decode().encode(encoding))
    assert taking() == []
    assert taking.add == DONE


@pytest.mark.parametrize(
    "name",
    [
        *(
            "work (1).ipynb",
            "WORK.IPYNB",
            "work.ipynb.txt",
            "work.ipynb.json",
            "work.json",
            "work",
            "work.ipynb (1).zip",
        ),
        *(
            "работа.ipynb",
            "課題.ipynb",
            "a/b/c/work.ipynb",
            "work.ipynb/work.ipynb",
            "😀.pdf",
            "-rf *.ipynb",
            "notes.txt",
        ),
    ],
)
def test_the_notebook_is_found_whatever_it_is_called(taking, name):
    taking.put(name, notebook())
    taking.put("readme.txt", "see attached")
    (line,) = taking()
    assert line.startswith("the notebook was handed in as `")
    assert taking.add == DONE


@pytest.mark.parametrize("version", [(4, 4), (4, 0), (3, 0)])
def test_older_formats_are_known_by_their_grade_ids(taking, version):
    found = json.loads(notebook())
    found["nbformat"], found["nbformat_minor"] = version
    for cell in found["cells"]:
        del cell["id"]
    if version[0] == 3:
        for cell in found["cells"]:
            if cell["cell_type"] == "code":
                cell["input"] = cell.pop("source")
        found["worksheets"] = [{"cells": found.pop("cells")}]
    taking.put("old.ipynb", json.dumps(found))
    taking()
    assert taking.add == DONE


def test_of_several_the_newest_is_taken_that_is_more_than_the_template(taking):
    taking.put("work.ipynb", TEMPLATE, age=0)
    taking.put("work (1).ipynb", notebook("def add(a, b): return 1"), age=100)
    taking.put("work (2).ipynb", notebook(), age=50)
    assert taking() == [
        "the notebook was handed in as `work (2).ipynb`.",
        "3 notebooks of this assignment were handed in. Graded is `work (2).ipynb`, the newest in which something was "
        "done; not graded: `work (1).ipynb`, `work.ipynb`.",
    ]
    assert taking.add == DONE
    assert taking.files == {"work.ipynb"}


def test_a_cell_of_the_students_own_is_more_than_the_template(taking):
    taking.put("work.ipynb", TEMPLATE, age=0)
    taking.put("mine.ipynb", notebook(ASSIGNMENT.gaps["add"], "x = 1"), age=50)
    assert taking()[0] == "the notebook was handed in as `mine.ipynb`."


def test_if_nothing_was_done_in_any_of_them_one_is_taken(taking):
    taking.put("work.ipynb", TEMPLATE)
    taking.put("work (1).ipynb", TEMPLATE)
    assert "as nothing was done in any of them" in taking()[-1]


def test_several_that_are_equally_new_are_not_graded(taking):
    taking.put("work.ipynb", notebook())
    taking.put("work (1).ipynb", notebook("def add(a, b): return 1"), age=1)
    why = "there are 2 notebooks .* differ and are equally new, `work.ipynb`, `work \\(1\\).ipynb`; keep the one that"
    with pytest.raises(NotGraded, match=why):
        taking()
    assert not taking.clean.exists()


def test_copies_of_one_are_one(taking):
    taking.put("work.ipynb", notebook())
    taking.put("backup/work.ipynb", notebook())
    taking.put("all.zip", packed({"work.ipynb": notebook()}))
    assert taking()[0].startswith("3 notebooks of this assignment were handed in. Graded is `work.ipynb`")


def test_a_notebook_with_one_copied_cell_is_not_one_of_the_assignment(taking):
    taking.put("work.ipynb", notebook(), age=100)
    taking.put("scratch.ipynb", notebook("def add(a, b): return 1", names=["add"]), age=0)
    taking()
    assert taking.add == DONE


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({}, "there is nothing in the folder"),
        ({"solution.txt": "see attached", "me.jpg": "JFIF"}, "there is no notebook, only `me.jpg`, `solution.txt`"),
        ({"work.ipynb": ""}, "there is no notebook, only `work.ipynb`"),
        ({"work.ipynb": "{'cells': oops"}, "`work.ipynb`: it is no JSON; there is a fault in line 1"),
        ({"work.ipynb": notebook()[:300]}, "`work.ipynb`: it is no JSON; "),
        ({"work.ipynb": b"\x89PNG"}, "`work.ipynb`: it is no JSON"),
        ({"work.ipynb": '{"a": 1}'}, "`work.ipynb`: it is JSON, but no notebook"),
        ({"work.ipynb": '{"a":' * 100_000}, "`work.ipynb`: it is no JSON that can be read"),
        ({"work.ipynb": '{"a": ' + "[]," * 2_000_000}, "`work.ipynb`: it is far too large inside"),
        ({"work.ipynb": b'{"a": "\xe4"}'}, "`work.ipynb`: it is no text in UTF-8"),
        ({"work.ipynb": nbformat.writes(new_notebook())}, "none of its cells is one of this assignment"),
        ({"work.rar": b"Rar!"}, "there is no notebook, only `work.rar`"),
        ({"work.zip": b"PK\3\4 and then nothing"}, "`work.zip`: it is a zip that can't be read"),
        ({"work.zip": packed({"../work.ipynb": notebook()})}, "left out, as it would land outside of its folder"),
    ],
)
def test_what_can_not_be_graded_is_said_in_a_sentence(taking, files, why):
    for name, content in files.items():
        taking.put(name, content)
    with pytest.raises(NotGraded) as reason:
        taking()
    assert why in str(reason.value) and str(reason.value).isprintable()
    assert not taking.clean.exists()


def test_damaged_cells_are_left_out_and_counted(taking):
    found = json.loads(notebook())
    found["cells"][0] = None
    found["cells"].append({"cell_type": "code", "source": 7})
    found["cells"].append({"cell_type": "dance", "source": "x"})
    found["metadata"] = {"kernelspec": "<script>"}
    taking.put("work.ipynb", json.dumps(found))
    assert taking() == ["3 cells of the notebook were damaged and are left out."]
    whole = nbformat.read(taking.clean / "work.ipynb", as_version=4)
    nbformat.validate(whole)
    assert len(whole.cells) == 3 and "kernelspec" not in whole.metadata


def test_pictures_in_text_are_kept_and_outputs_are_not(taking):
    found = json.loads(notebook())
    found["cells"][-1]["attachments"] = {"a.png": {"image/png": "iVBOR", "text/html": "<script>"}, "b": 7}
    found["cells"][0]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "x"}]
    taking.put("work.ipynb", json.dumps(found))
    taking()
    cells = nbformat.read(taking.clean / "work.ipynb", as_version=4).cells
    assert cells[-1].attachments == {"a.png": {"image/png": "iVBOR"}} and cells[0].outputs == []


def test_a_zip_is_opened_and_its_files_lie_beside_the_notebook(taking):
    files = {"me/work.ipynb": notebook(), "me/own/x.txt": "1", "me/check.py": "", "me\\windows.txt": "2", "up.txt": "3"}
    taking.put("all.zip", packed(files | {"me/data/y": "4"}))
    taking.put("beside.txt", "5")
    assert taking(ignore=["data"]) == ["the notebook was handed in as `all.zip/me/work.ipynb`."]
    assert taking.files == {"work.ipynb", "own/x.txt", "windows.txt", "up.txt", "beside.txt"}


def test_a_zip_in_a_zip_is_opened(taking):
    taking.put("all.zip", packed({"inside.zip": packed({"work.ipynb": notebook(), "x": "1"})}))
    assert taking() == ["the notebook was handed in as `all.zip/inside.zip/work.ipynb`."]
    assert taking.files == {"work.ipynb", "x"}


def test_a_zip_without_a_notebook_stays_what_it_is(taking):
    taking.put("work.ipynb", notebook())
    taking.put("numbers.zip", packed({"x": "1"}))
    assert taking() == []
    assert taking.files == {"work.ipynb", "numbers.zip"}


def test_nothing_in_a_zip_leads_elsewhere(taking, tmp_path):
    link = zipfile.ZipInfo("link.txt")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    device = zipfile.ZipInfo("device")
    device.external_attr = (stat.S_IFCHR | 0o666) << 16
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("work.ipynb", notebook())
        archive.writestr(link, "/etc/passwd")
        archive.writestr(device, "")
        for name in ("../out.txt", "a/../../out.txt", "/out.txt", "C:/out.txt", "..\\out.txt"):
            archive.writestr(name, "out")
        archive.writestr("lzma", "1", compress_type=zipfile.ZIP_LZMA)
    taking.put("all.zip", content.getvalue())
    record = taking()
    assert "left out, as it is a link: `all.zip/link.txt`." in record
    assert "left out, as it is no plain file: `all.zip/device`." in record
    assert "left out, as it is packed in an unusual way: `all.zip/lzma`." in record
    assert [line for line in record if "outside of its folder: `all.zip/../out.txt`" in line and "and 2 more" in line]
    assert taking.files == {"work.ipynb"} and {path.name for path in tmp_path.iterdir()} == {"handed in", "clean"}


def test_of_two_files_of_one_name_in_a_zip_the_first_is_taken(taking):
    with pytest.warns(UserWarning, match="Duplicate"):
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            for name, text in (("work.ipynb", notebook()), ("x/y", "1"), ("x/y", "2"), ("x", "a file")):
                archive.writestr(name, text)
            archive.writestr("x/y", "2")
    taking.put("all.zip", content.getvalue())
    assert "left out, as it has the name of another: `all.zip/x/y`, `all.zip/x`, `all.zip/x/y`." in taking()
    assert (taking.clean / "x" / "y").read_text() == "1"


def test_bombs_do_not_go_off(taking):
    taking.put("work.ipynb", notebook(), age=10**9)
    taking.put(
        "bomb.zip", packed({"work.ipynb": b'{"cells": "' + b" " * 50_000_000, "x": notebook(DONE + " ")}), age=-9
    )
    record = taking()
    assert "left out, as it unfolds to more than 200 times its size: `bomb.zip/work.ipynb`." in record
    assert taking.files == {"work.ipynb"}


def test_what_a_zip_says_of_sizes_is_not_believed(taking):
    """The file says of itself that it is small, and goes on."""
    honest = packed({"work.ipynb": notebook(), "x.txt": b"1" * 100_000})
    size = (100_000).to_bytes(4, "little")
    assert honest.count(size) == 2
    taking.put("all.zip", honest.replace(size, (10).to_bytes(4, "little")))
    assert "left out, as it can't be read: `all.zip/x.txt`." in taking()
    assert taking.files == {"work.ipynb"}


def test_a_zip_with_a_list_without_end_is_not_read(taking):
    taking.put("all.zip", packed({f"{number:060}": "" for number in range(20_000)} | {"work.ipynb": notebook()}))
    with pytest.raises(NotGraded, match="`all.zip`: it is a zip with far too many files"):
        taking()


def test_there_are_limits_on_number_and_size(taking):
    taking.put("work.ipynb", notebook())
    for number in range(8):
        taking.put(f"{number}.txt", "12345")
    record = taking(limits=Limits(files=3))
    assert record == ["left out, as it comes after 3 other files: `3.txt`, `4.txt`, `5.txt` and 2 more."]
    assert len(taking.files) == 4


def test_bytes_have_a_limit_in_all(taking):
    taking.put("work.ipynb", notebook())
    for number in range(4):
        taking.put(f"{number}.txt", "1" * 4000)
    with open(taking.folder / "sparse", "wb") as file:
        file.truncate(10**12)
    assert taking(limits=Limits(bytes=10_000)) == [
        "left out, as it is larger than 0.002 MB: `2.txt`, `3.txt`, `sparse`."
    ]


def test_a_notebook_that_is_too_large_is_not_graded(taking):
    taking.put("work.ipynb", notebook("x" * 2_000_000))
    with pytest.raises(NotGraded, match="`work.ipynb`: it is larger than 1 MB"):
        taking(limits=Limits(notebook_bytes=1_000_000))


def test_far_too_many_files_do_not_hide_a_notebook_that_lies_above_them(taking):
    taking.put("work.ipynb", notebook())
    for number in range(50):
        taking.put(f"many/{number}", "")
    assert taking(limits=Limits(looked_at=20)) == ["more than 20 files were handed in; the rest was not looked at."]


def test_far_too_many_files_without_a_notebook_are_not_graded(taking):
    for number in range(50):
        taking.put(f"many/{number}", "")
    with pytest.raises(NotGraded, match="there are more than 20 files in the folder; hand in fewer"):
        taking(limits=Limits(looked_at=20))
