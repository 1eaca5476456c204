"""Downloads of Moodle, of Canvas and plain folders are taken in: every student's, under the platform's numbers."""

import io
import shutil
import time
import zipfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from downloads import TIMES, WORKSHEETS, gradebook, in_a_zip, table, unzipped, worksheet, zipped
from grading import collect as command
from grading.collect import BEFORE, CHANGED, LEFT, MISSING, NEW, TYPED, collect, unfit
from grading.handed_in import File
from grading.platforms import canvas, dates, moodle
from grading.platforms.collected import path_of, read_collected
from grading.platforms.dates import moment
from grading.platforms.downloads import BadDownload, Download, HandedIn
from grading.platforms.names import same_name
from grading.platforms.roster import read_roster
from grading.platforms.tables import BadTable, read_table, write_table
from grading.settings import Settings

NAME = "work"
STUDENTS = {
    "4711": "Ada Lovelace",
    "4712": "Jörg Müller",
    "4713": "Siobhán O'Brien",
    "4714": "Jörg Müller",
    "4715": "Émilie du Châtelet",
    "7": "Kim",
}
BERLIN = timezone(timedelta(hours=1))


@pytest.fixture
def settings(tmp_path):
    return Settings(NAME, "a", {"rectify": 3}, (0, 1), deadline=datetime(2026, 12, 1, tzinfo=BERLIN), course=tmp_path)


@pytest.fixture
def downloads(tmp_path):
    folder = tmp_path / "downloads"
    folder.mkdir()
    return folder


def placed(settings: Settings) -> dict[str, list[str]]:
    """For each student, the files in the folder that nbgrader reads."""
    return {
        folder.name: sorted(
            str(file.relative_to(folder / NAME)) for file in (folder / NAME).rglob("*") if file.is_file()
        )
        for folder in (settings.course / "submitted").iterdir()
    }


def states(report) -> dict[str, str]:
    return {line.number: line.state for line in report.lines}


def doubts(report) -> dict[str, list[str]]:
    return {line.number: line.doubts for line in report.lines if line.doubts}


MOODLE = {
    "Ada Lovelace_4711_assignsubmission_file/inside_lenet5.ipynb": "ada",
    "Jörg Müller_4712_assignsubmission_file/inside_lenet5 (1).ipynb": "first",
    "Jörg Müller_4712_assignsubmission_file/inside_lenet5.ipynb": "second",
    "Siobhán OBrien_4713_assignsubmission_file/inside/inside_lenet5.ipynb": "in a folder",
    "Kim_7_assignsubmission_file/inside_lenet5.ipynb": "kim",
    "Jörg Müller_4714_assignsubmission_file_/all.zip": in_a_zip({"inside/inside_lenet5.ipynb": "in a zip"}),
}
FILES = {
    "4711": ["inside_lenet5.ipynb", "timestamp.txt"],
    "4712": ["inside_lenet5 (1).ipynb", "inside_lenet5.ipynb", "timestamp.txt"],
    "4713": ["inside/inside_lenet5.ipynb", "timestamp.txt"],
    "4714": ["all.zip", "timestamp.txt"],
    "7": ["inside_lenet5.ipynb", "timestamp.txt"],
}


@pytest.mark.parametrize("language", WORKSHEETS)
def test_moodles_zip_with_two_of_a_name_two_notebooks_a_zip_and_a_subfolder(settings, downloads, language):
    roster = read_roster(worksheet(downloads / "sheet.csv", language, STUDENTS))
    report = collect(settings, zipped(downloads / "all.zip", MOODLE), roster)
    assert states(report) == dict.fromkeys(FILES, NEW) | {"4715": MISSING}
    assert doubts(report) == {}
    assert placed(settings) == FILES
    for number in FILES:
        written = settings.course / "submitted" / number / NAME / "timestamp.txt"
        assert written.read_text() == "2026-12-02 09:30:00 UTC\n"
    assert "From Moodle: 5 new, 1 missing; 0 doubtful" in report.text() and "Without --roster" not in report.text()
    assert "    missing         4715 Émilie du Châtelet" in report.text()


@pytest.mark.parametrize("around", ["", "work-2027/"])
def test_an_unpacked_download_is_read_like_the_zip(settings, downloads, around):
    unzipped(downloads / "unpacked", {f"{around}{name}": content for name, content in MOODLE.items()})
    report = collect(settings, downloads / "unpacked")
    assert report.platform == "Moodle" and set(states(report)) == set(FILES)
    assert "Without --roster nobody can be missing, and no name is checked." in report.text()
    assert placed(settings) == {number: files[:-1] for number, files in FILES.items()}


def test_moodles_download_without_folders(settings, downloads):
    files = {
        "Ada Lovelace_4711_assignsubmission_file_my_own_work.ipynb": "ada",
        "Siobhán OBrien_4713_assignsubmission_file_a.ipynb": "one",
        "Siobhán OBrien_4713_assignsubmission_file_b.ipynb": "two",
        "Jörg Müller_4712_assignsubmission_onlinetext_onlinetext.html": "<p>see attached</p>",
    }
    report = collect(settings, zipped(downloads / "all.zip", files))
    assert placed(settings) == {"4711": ["my_own_work.ipynb"], "4713": ["a.ipynb", "b.ipynb"]}
    assert states(report)["4712"] == TYPED
    kept = read_collected(path_of(settings.course, NAME))
    assert kept["4711"].back == "Ada Lovelace_4711_assignsubmission_file_"


def test_the_names_of_moodles_folders_are_kept_as_they_came(settings, downloads):
    collect(settings, zipped(downloads / "all.zip", MOODLE))
    kept = read_collected(path_of(settings.course, NAME))
    assert kept["4713"].back == "Siobhán OBrien_4713_assignsubmission_file/"
    assert kept["4714"].back == "Jörg Müller_4714_assignsubmission_file_/"


class TestTyped:
    """What a student has typed on the platform is no file of theirs."""

    TEXT = {"Jörg Müller_4712_assignsubmission_onlinetext/onlinetext.html": "<p>see attached</p>"}
    FILE = {"Jörg Müller_4712_assignsubmission_file/work.ipynb": "work"}

    def test_a_text_alone_is_called_so_and_is_not_missing(self, settings, downloads):
        roster = read_roster(worksheet(downloads / "sheet.csv", "en", {"4712": "Jörg Müller", "4711": "Ada Lovelace"}))
        report = collect(settings, zipped(downloads / "all.zip", self.TEXT), roster)
        said = report.text()
        assert "From Moodle: 1 only typed, 1 missing; 1 doubtful" in said
        wanted = (
            "    only typed      4712 Jörg Müller  doubtful: a text was typed on the platform, and there is no file"
        )
        assert wanted in said
        assert not (settings.course / "submitted").exists() and "as well" not in said
        kept = read_collected(path_of(settings.course, NAME))["4712"]
        assert (kept.typed, kept.time, kept.name) == ("a text", "2026-12-02 09:30:00 UTC", "Jörg Müller")
        # Nor is it in a later download of the others.
        ada = {"Ada Lovelace_4711_assignsubmission_file/work.ipynb": "ada"}
        assert states(collect(settings, zipped(downloads / "late.zip", ada), roster)) == {"4711": NEW}

    def test_a_file_after_it_is_new(self, settings, downloads):
        collect(settings, zipped(downloads / "all.zip", self.TEXT))
        assert states(collect(settings, zipped(downloads / "all.zip", self.FILE))) == {"4712": NEW}
        assert placed(settings) == {"4712": ["work.ipynb"]}
        assert read_collected(path_of(settings.course, NAME))["4712"].typed == ""

    def test_it_takes_the_place_of_no_file(self, settings, downloads):
        collect(settings, zipped(downloads / "all.zip", self.FILE))
        before = read_collected(path_of(settings.course, NAME))
        report = collect(settings, zipped(downloads / "all.zip", self.TEXT))
        assert states(report) == {"4712": LEFT} and doubts(report)["4712"] == [
            "a text was typed on the platform, and there is no file"
        ]
        assert placed(settings) == {"4712": ["work.ipynb"]}
        assert read_collected(path_of(settings.course, NAME)) == before

    def test_a_text_beside_a_file_is_named(self, settings, downloads):
        report = collect(settings, zipped(downloads / "all.zip", self.TEXT | self.FILE))
        assert states(report) == {"4712": NEW} and placed(settings) == {"4712": ["work.ipynb"]}
        said = "Typed something on Moodle as well, which is not taken in: 4712 Jörg Müller (a text)"
        assert said in report.text()

    @pytest.mark.parametrize(
        ("name", "typed"),
        [
            ("A_7_assignsubmission_file/x", ""),
            ("A_7_assignsubmission_onlinetext", "a text"),
            ("A_7_assignsubmission_mahara", "something by Moodle's mahara"),
        ],
    )
    def test_what_moodle_calls_otherwise_is_no_file(self, name, typed):
        place = moodle.place_of(name.partition("/")[0])
        assert place is not None and place.typed == typed

    @pytest.mark.parametrize(("kind", "typed"), [("text", "a text"), ("link", "a link"), ("1_text.html", "")])
    def test_so_it_is_with_canvas(self, kind, typed):
        place = canvas.place_of(f"lovelaceada_4711_{kind}".removesuffix(".html") + ".html")
        assert place is not None and place.typed == typed


CANVAS = {
    "lovelaceada_4711_9001_inside_lenet5.ipynb": "ada",
    "müllerjörg_4712_9002_inside_lenet5-1.ipynb": "again",
    "obriensiobhán_LATE_4713_9003_inside_lenet5.ipynb": "late",
    "müllerjörg_4714_9004_a.ipynb": "one",
    "müllerjörg_4714_9005_all.zip": in_a_zip({"inside_lenet5.ipynb": "in a zip"}),
    "châteletémiliedu_LATE_4715_text.html": "<p>typed</p>",
}
SORTED = {
    "4711": "Lovelace, Ada",
    "4712": "Müller, Jörg",
    "4713": "O'Brien, Siobhán",
    "4714": "Müller, Jörg",
    "4715": "Châtelet, Émilie du",
    "4716": "Noether, Emmy",
}


def test_canvas_zip_with_late_marks_two_of_a_name_and_several_files(settings, downloads):
    roster = read_roster(gradebook(downloads / "book.csv", SORTED, "Work (55)"))
    report = collect(settings, zipped(downloads / "submissions.zip", CANVAS), roster)
    new = dict.fromkeys(["4711", "4712", "4713", "4714"], NEW)
    assert states(report) == new | {"4715": TYPED, "4716": MISSING}
    assert doubts(report) == {"4715": ["a text was typed on the platform, and there is no file"]}
    assert placed(settings) == {
        "4711": ["inside_lenet5.ipynb"],
        "4712": ["inside_lenet5-1.ipynb"],
        "4713": ["inside_lenet5.ipynb"],
        "4714": ["a.ipynb", "all.zip"],
    }
    late = "Marked as late by Canvas, without a time: 4713 O'Brien, Siobhán, 4715 Châtelet, Émilie du"
    assert late in report.text()


def test_a_second_download_of_canvas_is_known_by_the_students_number(settings, downloads):
    collect(settings, zipped(downloads / "first.zip", {"lovelaceada_4711_9001_inside_lenet5.ipynb": "first"}))
    files = {
        "lovelaceada_LATE_4711_9107_inside_lenet5-1.ipynb": "second",
        "noetheremmy_4716_9106_inside_lenet5.ipynb": "new",
    }
    report = collect(settings, zipped(downloads / "second.zip", files))
    assert states(report) == {"4711": CHANGED, "4716": NEW}
    assert placed(settings) == {"4711": ["inside_lenet5-1.ipynb"], "4716": ["inside_lenet5.ipynb"]}


def test_two_files_of_one_name_of_a_students_are_both_kept(settings, downloads):
    files = {"a_4711_9001_x.ipynb": "one", "a_4711_9002_x.ipynb": "two"}
    collect(settings, zipped(downloads / "submissions.zip", files))
    folder = settings.course / "submitted" / "4711" / NAME
    assert {file.name: file.read_text() for file in folder.iterdir()} == {"x.ipynb": "one", "x (2).ipynb": "two"}


def test_a_plain_folder_has_students_folders_or_files_with_their_names(settings, downloads):
    roster = read_roster(
        table(downloads / "list.csv", [["id", "first_name"], ["ada", "Ada"], ["ada2", "A"], ["b", ""]])
    )
    files = {"ada/inside_lenet5.ipynb": "1", "ada2_inside.ipynb": "2", "b.zip": in_a_zip({"x.ipynb": ""}), "c.txt": ""}
    report = collect(settings, unzipped(downloads / "plain", files), roster)
    assert placed(settings) == {
        "ada": ["inside_lenet5.ipynb"],
        "ada2": ["ada2_inside.ipynb"],
        "b": ["b.zip"],
        "c": ["c.txt"],
    }
    assert doubts(report) == {"c": ["not in the roster"]}


def test_a_folder_of_a_students_own_is_no_other_students(settings, downloads):
    theirs = "Ada Lovelace_4711_assignsubmission_file/x.ipynb"
    files = {f"Jörg Müller_4712_assignsubmission_file/{theirs}": "mine", f"eve/{theirs}": "mine"}
    moodles = collect(settings, unzipped(downloads / "moodle", dict([list(files.items())[0]])))
    assert states(moodles) == {"4712": NEW}
    plain = collect(settings, unzipped(downloads / "plain", {"bob/x.ipynb": "", **dict([list(files.items())[1]])}))
    assert states(plain) == {"bob": NEW, "eve": NEW}


def test_who_is_called_otherwise_or_not_in_the_roster_is_named_and_taken_in(settings, downloads):
    roster = read_roster(worksheet(downloads / "sheet.csv", "en", {"4711": "Charles Babbage"}))
    report = collect(settings, zipped(downloads / "all.zip", MOODLE), roster)
    assert doubts(report) == {
        "4711": ["the download calls 4711 Ada Lovelace"],
        **{number: ["not in the roster"] for number in ("4712", "4713", "4714", "7")},
    }
    assert set(placed(settings)) == set(FILES)


def test_where_names_are_hidden_none_is_another(settings, downloads):
    roster = read_roster(worksheet(downloads / "sheet.csv", "en", {"4711": "", "4712": "Jörg Müller"}))
    files = {"Participant 1_4711_assignsubmission_file/x.ipynb": "", "_4712_assignsubmission_file/x.ipynb": ""}
    report = collect(settings, zipped(downloads / "all.zip", files), roster)
    assert set(states(report)) == {"4711", "4712"} and doubts(report) == {}


@pytest.mark.parametrize("number", [".hidden", "a/../../outside"])
def test_what_can_be_no_folder_of_a_students_is_not_taken_in(settings, downloads, monkeypatch, number):
    student = HandedIn(number, files={("work.ipynb",): File(("work.ipynb",), 1, 0, lambda: io.BytesIO(b"x"))})
    monkeypatch.setattr(command, "read_download", lambda *given: Download("", {number: student}, []))
    assert doubts(collect(settings, downloads)) == {number: ["no name for a folder"]}
    assert not (settings.course / "submitted").exists() and not (settings.course / "outside").exists()


def test_a_file_keeps_its_time_by_which_the_newest_is_graded(settings, downloads):
    with zipfile.ZipFile(downloads / "all.zip", "w") as archive:
        about = zipfile.ZipInfo("Ada Lovelace_4711_assignsubmission_file/work.ipynb", (2026, 12, 1, 10, 30, 20))
        archive.writestr(about, "ada")
    collect(settings, downloads / "all.zip")
    changed = (settings.course / "submitted" / "4711" / NAME / "work.ipynb").stat().st_mtime
    assert datetime.fromtimestamp(changed) == datetime(2026, 12, 1, 10, 30, 20)


def test_what_is_in_no_students_place_is_named(settings, downloads):
    files = MOODLE | {"readme.txt": "hello", "__MACOSX/._x": ""}
    report = collect(settings, zipped(downloads / "all.zip", files))
    assert report.strangers == ["readme.txt"]
    assert "Not looked at, as its name is not one of Moodle's: readme.txt" in report.text()


class TestAgain:
    """A second download of the same students."""

    FOLDER = "Ada Lovelace_4711_assignsubmission_file"

    @pytest.fixture
    def again(self, settings, downloads):
        """Collects what Ada hands in at a minute of the hour."""

        def hand_in(content: str, minute: int | None):
            times = {"4711": f"Wednesday, 2 December 2026, 10:{minute} AM"}
            roster = read_roster(worksheet(downloads / "s.csv", "en", {"4711": "Ada Lovelace"}, times))
            files = {f"{self.FOLDER}/work.ipynb": content}
            report = collect(settings, zipped(downloads / "all.zip", files), roster if minute else None)
            is_said = "What is new or changed, nbgrader autograde grades" in report.text()
            assert is_said is (report.lines[0].state in (NEW, CHANGED))
            return report.lines[0]

        assert hand_in("first", 20).state == NEW
        return hand_in

    @pytest.fixture
    def folder(self, settings):
        return settings.course / "submitted" / "4711" / NAME

    def test_the_same_is_as_before_and_changes_nothing(self, again, folder):
        before = (folder / "work.ipynb").stat()
        assert again("first", 20).state == BEFORE
        after = (folder / "work.ipynb").stat()
        assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)

    def test_a_later_version_replaces_the_earlier_with_its_time(self, again, folder):
        (folder.parents[2] / "autograded").mkdir()
        assert again("second", 40).state == CHANGED
        assert (folder / "work.ipynb").read_text() == "second"
        assert (folder / "timestamp.txt").read_text() == "2026-12-02 09:40:00 UTC\n"
        assert sorted(path.name for path in folder.parents[1].iterdir()) == ["4711"]

    def test_another_version_of_the_same_minute_replaces_it(self, again, folder):
        assert again("second", 20).state == CHANGED and (folder / "work.ipynb").read_text() == "second"

    def test_the_time_is_kept_where_it_is_not_said_again(self, again, folder):
        assert again("first", None).state == BEFORE
        assert (folder / "timestamp.txt").read_text() == "2026-12-02 09:20:00 UTC\n"
        assert again("older", 10).state == LEFT
        # Of a new version, none is known.
        assert again("second", None).state == CHANGED and not (folder / "timestamp.txt").exists()
        # It may be said later.
        assert again("second", 40).state == BEFORE
        assert (folder / "timestamp.txt").read_text() == "2026-12-02 09:40:00 UTC\n"

    def test_what_lies_there_already_is_as_before_whoever_put_it_there(self, again, settings, downloads):
        unzipped(settings.course / "submitted", {f"4712/{NAME}/work.ipynb": "the same"})
        files = {"Jörg Müller_4712_assignsubmission_file/work.ipynb": "the same"}
        report = collect(settings, zipped(downloads / "all.zip", files))
        assert states(report) == {"4712": BEFORE} and doubts(report) == {}

    def test_an_earlier_version_replaces_nothing(self, again, folder):
        line = again("older", 10)
        assert line.state == LEFT and "older (2026-12-02 09:10:00 UTC) than what was collected before" in line.doubts[0]
        assert (folder / "work.ipynb").read_text() == "first"

    def test_what_was_mended_by_hand_stays(self, again, folder):
        (folder / "work.ipynb").write_text("mended")
        assert again("first", 20).state == BEFORE
        line = again("second", 40)
        assert line.state == LEFT and line.doubts == [
            "submitted/4711/work is not as it was collected; delete it to have what is new"
        ]
        assert (folder / "work.ipynb").read_text() == "mended"
        shutil.rmtree(folder)
        assert again("second", 40).state == NEW

    def test_what_nobody_collected_stays(self, again, settings, downloads):
        unzipped(settings.course / "submitted", {f"4712/{NAME}/work.ipynb": "by hand"})
        files = {"Jörg Müller_4712_assignsubmission_file/work.ipynb": "from Moodle"}
        report = collect(settings, zipped(downloads / "all.zip", files))
        assert states(report) == {"4712": LEFT}
        assert (settings.course / "submitted" / "4712" / NAME / "work.ipynb").read_text() == "by hand"

    def test_who_was_collected_before_is_not_missing(self, again, settings, downloads):
        roster = read_roster(worksheet(downloads / "s.csv", "en", STUDENTS))
        files = {"Jörg Müller_4712_assignsubmission_file/work.ipynb": "late"}
        report = collect(settings, zipped(downloads / "late.zip", files), roster)
        assert {number for number, state in states(report).items() if state == MISSING} == {"4713", "4714", "4715", "7"}


def test_one_students_files_do_not_stop_the_others(settings, downloads, monkeypatch):
    put = command.put

    def fails_for_ada(folder, *given):
        if folder.parent.name == "4711":
            raise OSError("the disk is full")
        put(folder, *given)

    monkeypatch.setattr(command, "put", fails_for_ada)
    report = collect(settings, zipped(downloads / "all.zip", MOODLE))
    assert doubts(report) == {"4711": ["OSError: the disk is full"]}
    assert set(placed(settings)) == set(FILES) - {"4711"}


def test_a_students_own_time_and_what_leads_out_stay_out(settings, downloads):
    folder = "Ada Lovelace_4711_assignsubmission_file"
    files = {f"{folder}/work.ipynb": "ada", f"{folder}/Timestamp.txt": "1999-01-01", f"{folder}/../../x": "out"}
    report = collect(settings, zipped(downloads / "all.zip", files))
    assert placed(settings) == {"4711": ["work.ipynb"]}
    assert "it would tell the time of handing in" in doubts(report)["4711"][0]
    assert len(report.left_out) == 1 and "would land outside" in report.left_out[0]
    assert not (downloads.parent / "x").exists()


def test_what_everybody_has_is_not_collected(settings, downloads):
    folder = "Ada Lovelace_4711_assignsubmission_file"
    others = (".ipynb_checkpoints/work-checkpoint.ipynb", "data/MNIST/raw/x.gz", "helpers/data.py", "__MACOSX/._work")
    files = {f"{folder}/mine/{name}": "" for name in ("work.ipynb", *others)}
    report = collect(settings, zipped(downloads / "all.zip", files))
    assert placed(settings) == {"4711": ["mine/work.ipynb"]} and report.strangers == report.left_out == []


def test_links_in_a_folder_are_not_followed(settings, downloads):
    (downloads / "secret").write_text("secret")
    unzipped(downloads / "plain", {"ada/work.ipynb": "ada"})
    (downloads / "plain" / "ada" / "b.ipynb").symlink_to(downloads / "secret")
    report = collect(settings, downloads / "plain")
    assert placed(settings) == {"ada": ["work.ipynb"]}
    assert report.left_out == ["ada/b.ipynb, as it is a link"]


def test_who_can_not_be_graded_is_doubtful_at_once(settings, downloads):
    from test_intake import ASSIGNMENT, notebook

    files = {
        "Ada Lovelace_4711_assignsubmission_file/work.ipynb": notebook(),
        "Jörg Müller_4712_assignsubmission_file/solution.pdf": b"%PDF",
    }
    report = collect(settings, zipped(downloads / "all.zip", files), why_not=unfit(ASSIGNMENT))
    assert doubts(report) == {"4712": ["can't be graded: there is no notebook, only `solution.pdf`"]}
    said = (
        "    new             4712 Jörg Müller  doubtful: can't be graded: there is no notebook, only `solution.pdf`\n"
    )
    assert said in report.text() and "4711" not in report.text()


def test_what_is_not_collected_is_no_reason_to_grade(tmp_path):
    from test_intake import ASSIGNMENT, notebook

    unzipped(tmp_path / "ada", {"data/work.ipynb": notebook()})
    assert unfit(ASSIGNMENT)(tmp_path / "ada") == ""
    assert unfit(ASSIGNMENT, ["data"])(tmp_path / "ada") == "there is nothing in the folder"


@pytest.mark.parametrize("content", [b"no zip", None])
def test_what_is_no_download_is_refused_in_a_sentence(settings, downloads, content):
    path = downloads / "x.zip"
    if content:
        path.write_bytes(content)
    with pytest.raises(BadDownload, match=r"x\.zip is neither a folder nor a zip that can be read"):
        collect(settings, path)


def test_what_is_no_roster_is_refused_in_a_sentence(downloads):
    with pytest.raises(BadTable, match="begins with a, b: Moodle's worksheet for grading, Canvas' exported"):
        read_roster(table(downloads / "x.csv", [["a", "b"], ["1", "2"]]))


def test_a_time_that_can_not_be_read_is_said(settings, downloads):
    times = {"4711": "2026年12月2日 10:30", "4712": "-"}
    roster = read_roster(worksheet(downloads / "sheet.csv", "en", STUDENTS, times))
    report = collect(settings, zipped(downloads / "all.zip", MOODLE), roster)
    assert doubts(report) == {"4711": ["the time of handing in can't be read: 2026年12月2日 10:30"]}
    assert "timestamp.txt" not in placed(settings)["4712"]


class TestWorksheet:
    """Columns are found by each other, whatever else there is."""

    @pytest.mark.parametrize("language", WORKSHEETS)
    def test_each_language(self, tmp_path, language):
        sheet = moodle.worksheet(read_table(worksheet(tmp_path / "s.csv", language, STUDENTS)))
        assert sheet is not None
        assert (sheet.name, sheet.grade, sheet.most, sheet.submitted, sheet.comment) == (1, 4, 5, 7, 9)
        assert moodle.highest(sheet)[0] == 100

    def test_more_columns(self, tmp_path):
        header = (
            'ID,Vollständiger Name,ID-Nummer,E-Mail-Adresse,Status,Gruppe,Bewertung,Bestwertung,"Bewertung kann '
            'geändert werden","Zuletzt geändert (Abgabe)","Texteingabe online","Zuletzt geändert (Bewertung)",'
            '"Feedback als Kommentar"'
        ).replace('"', "")
        row = ["Teilnehmer/in12", "A B", "7", "a@b.c", "", "G (1)", "", "100,00", "Ja", TIMES["de"], "", "-", ""]
        sheet = moodle.worksheet(read_table(table(tmp_path / "s.csv", [header.split(","), row], ";")))
        assert sheet is not None
        assert (sheet.name, sheet.grade, sheet.most, sheet.submitted, sheet.comment) == (1, 6, 7, 9, 12)
        assert sheet.number(row) == "12" and sheet.time(row) == datetime(2026, 12, 2, 10, 30)

    def test_the_heading_counts_more_than_the_place(self, tmp_path):
        header, before, most = WORKSHEETS["fr"]
        header = header.replace("modifiée,", "modifiée,État de l'évaluation,")
        row = [f"{before}7", "Kim", "a@b.c", "", "", most, "", "", TIMES["fr"], "-", ""]
        sheet = moodle.worksheet(read_table(table(tmp_path / "s.csv", [header.split(","), row])))
        assert sheet is not None and (sheet.grade, sheet.most, sheet.submitted) == (4, 5, 8)

    def test_where_grading_is_blind_there_are_no_names(self, tmp_path):
        header = "Identifier,Status,Grade,Maximum Grade,Can be changed,Last modified (submission),Last modified (grade)"
        rows = [[f"Participant {n}", "Submitted for grading", "", "100.00", "Yes", "-", "-"] for n in (1, 2, 3)]
        sheet = moodle.worksheet(read_table(table(tmp_path / "s.csv", [header.split(","), *rows])))
        assert sheet is not None
        assert (sheet.name, sheet.grade, sheet.submitted, sheet.comment) == (None, 2, 5, None)

    def test_where_the_language_bends_the_word_the_place_counts(self, tmp_path):
        header = [
            "Id",
            "Name",
            "Mail",
            "Stato",
            "Valutazione",
            "Max",
            "Mod",
            "Ultima (consegna)",
            "Ultima (valutazioni)",
        ]
        row = ["P 1", "A", "a@b.c", "", "", "10,00", "", "-", "-"]
        sheet = moodle.worksheet(read_table(table(tmp_path / "s.csv", [header, row])))
        assert sheet is not None and sheet.grade == 4

    def test_it_is_written_back_as_it_came(self, tmp_path):
        path = worksheet(tmp_path / "s.csv", "de", STUDENTS)
        write_table(tmp_path / "t.csv", read_table(path))
        assert (tmp_path / "t.csv").read_bytes() == path.read_bytes()


@pytest.mark.parametrize("language", TIMES)
def test_a_time_is_read_in_each_language(language):
    assert moment(TIMES[language]) == datetime(2026, 12, 2, 10, 30)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Wednesday, December 2, 2026, 12:05 AM", datetime(2026, 12, 2, 0, 5)),
        ("Wednesday, 2 December 2026, 12:05 PM", datetime(2026, 12, 2, 12, 5)),
        ("jeudi 1 août 2027, 23:59", datetime(2027, 8, 1, 23, 59)),
        ("lunedì, 31 maggio 2027, 09:05", datetime(2027, 5, 31, 9, 5)),
        ("02.12.2026, 10:30", datetime(2026, 12, 2, 10, 30)),
        ("2026-12-02 10:30:59", datetime(2026, 12, 2, 10, 30)),
        ("2/12/2026, 10:30", None),
        ("31 February 2027, 10:30", None),
        ("-", None),
        ("", None),
    ],
)
def test_a_time_is_read_only_if_it_is_sure(text, wanted):
    assert moment(text) == wanted


def test_no_month_of_one_language_is_another_month_of_another():
    from babel.dates import get_month_names

    for language in dates.LANGUAGES:
        for number, name in get_month_names("wide", "format", language).items():
            assert moment(f"3 {name} 2027, 10:30") == datetime(2027, number, 3, 10, 30), (language, name)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Siobhán O'Brien", "Siobhan OBrien", True),
        ("O'Brien, Siobhán", "obriensiobhan", True),
        ("Müller Jörg", "Jörg Müller", True),
        ("Ada Lovelace", "Ada Byron", False),
    ],
)
def test_names_are_compared_without_signs(one, other, same):
    assert same_name(one, other) is same


@pytest.mark.parametrize("name", ["anon_x7f3q_9001_work.ipynb", "LATE_anon_x7f3q_9001_work.ipynb"])
def test_where_canvas_hides_names_its_own_sign_is_the_number(name):
    place = canvas.place_of(name)
    assert place is not None and (place.number, place.file) == ("anon_x7f3q", "work.ipynb")
    assert place.late is name.startswith("LATE")


def test_the_command_reads_the_list_in_the_courses_folder(settings, downloads, monkeypatch, capsys):
    monkeypatch.setattr(command, "COURSE", settings.course)
    monkeypatch.setattr(command, "settings_of", lambda name: settings)
    asked = []
    monkeypatch.setattr(command, "looking", lambda settings, url: asked.append(url) or (lambda folder: ""))
    configuration = "get_config().CourseDirectory.db_url = 'sqlite:///of nbgrader.db'"
    (settings.course / "nbgrader_config.py").write_text(configuration)
    table(settings.course / "students.csv", [["id", "first_name"], *STUDENTS.items()])
    command.main([NAME, str(zipped(downloads / "all.zip", MOODLE))])
    assert "5 new, 1 missing; 0 doubtful" in capsys.readouterr().out
    # The gradebook is where nbgrader's configuration says.
    assert asked == [f"sqlite:///{settings.course / 'of nbgrader.db'}"]
    command.main([NAME, str(downloads / "all.zip"), "--db", "sqlite:///another.db"])
    assert asked[1:] == ["sqlite:///another.db"]
    with pytest.raises(SystemExit, match="there is no such time zone"):
        command.main([NAME, str(downloads), "--zone", "Mars/Olympus"])
    with pytest.raises(SystemExit, match="neither a folder nor a zip"):
        command.main([NAME, str(downloads / "nothing")])


def test_without_a_deadline_the_time_zone_is_this_computers(settings, downloads, monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        roster = read_roster(worksheet(downloads / "sheet.csv", "en", STUDENTS))
        collect(replace(settings, deadline=None), zipped(downloads / "all.zip", MOODLE), roster)
    finally:
        monkeypatch.undo()
        time.tzset()
    written = Path(settings.course / "submitted" / "4711" / NAME / "timestamp.txt")
    assert written.read_text() == "2026-12-02 01:30:00 UTC\n"


def test_the_time_zone_is_the_deadlines_or_the_one_that_is_said(settings, downloads):
    roster = read_roster(worksheet(downloads / "sheet.csv", "en", STUDENTS))
    collect(settings, zipped(downloads / "all.zip", MOODLE), roster, UTC)
    written = Path(settings.course / "submitted" / "4711" / NAME / "timestamp.txt")
    assert written.read_text() == "2026-12-02 10:30:00 UTC\n"
