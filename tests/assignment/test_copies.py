"""Solutions that are alike are found, whatever their names, and those that share nothing are not."""

import re
import shutil
import sqlite3
from datetime import UTC, datetime
from itertools import combinations

import nbformat
import pytest
from copydetect import compare_files
from downloads import table
from grading import alike, copies
from grading.alike import ALIKE, SHORT, Work, fingerprint, groups_of, pairs_of, work_of
from grading.platforms.collected import Collected, path_of, write_collected
from grading.settings import Settings
from grading.which_notebook import Assignment
from submissions import MISTAKES, NAME, SOURCE, fill, mistaken, solution

SOLUTION = re.compile(r" *### BEGIN SOLUTION.*?### END SOLUTION", re.DOTALL)


@pytest.fixture(scope="module")
def template():
    notebook = nbformat.read(SOURCE / f"{NAME}.ipynb", as_version=4)
    for cell in notebook.cells:
        cell.source = SOLUTION.sub("    raise NotImplementedError()", cell.source)
    return notebook


@pytest.fixture(scope="module")
def assignment(template):
    cells = {cell.metadata.nbgrader.grade_id: cell for cell in template.cells if "nbgrader" in cell.metadata}
    gaps = {name: cell.source for name, cell in cells.items() if cell.metadata.nbgrader.solution}
    return Assignment(NAME, gaps, frozenset(cells.keys() - gaps.keys()))


@pytest.fixture
def hand_in(tmp_path, template, assignment):
    """Puts code into a student's folder, and gives what is compared of it."""

    def put(who: str, code: dict[str, str]):
        folder = tmp_path / "submitted" / who / NAME
        folder.mkdir(parents=True)
        nbformat.write(fill(template, code), folder / f"{NAME}.ipynb")
        return work_of(who, folder, assignment)

    return put


@pytest.fixture
def write(assignment):
    """What is compared of code, without a notebook."""

    def work(who: str, code: dict[str, str]) -> Work:
        given = {part: fingerprint(assignment.gaps[f"{part}_solution"]).hashes for part in code}
        return Work(who, {part: fingerprint(source, handed_out=given[part]) for part, source in code.items()})

    return work


def renamed(code: dict[str, str]) -> dict[str, str]:
    """The same with other names, comments and empty lines."""
    names = {"signal": "s", "switches": "idx", "maps": "feature_maps", "channel": "k", "features": "net", "images": "x"}
    changed = {}
    for part, source in code.items():
        for old, new in names.items():
            source = re.sub(rf"\b{old}\b", new, source)
        changed[part] = "# all mine\n\n" + source.replace("\n\n", "\n")
    return changed


def test_a_copy_with_other_names_is_found_in_each_part_that_is_not_short(hand_in):
    code = solution("transposed")
    (pair,) = pairs_of([hand_in("ada", code), hand_in("eve", renamed(code))])
    assert {pair.one, pair.other} == {"ada", "eve"}
    assert {part.name for part in pair.parts} >= {
        "build_cnn",
        "look_inside",
        "train",
        "unpool",
        "filter_back",
        "project",
    }
    assert pair.tokens > 10 * SHORT


def test_two_right_solutions_that_share_nothing_are_left_alone(hand_in):
    pairs = pairs_of([hand_in("ada", solution("transposed")), hand_in("bob", solution("loops"))])
    assert all(part.is_short for pair in pairs for part in pair.parts)


def test_what_was_handed_out_is_in_no_comparison(hand_in):
    assert pairs_of([hand_in("ada", {}), hand_in("bob", {})]) == []


def test_one_part_of_another_is_found_alone(hand_in):
    mixed = solution("loops") | {"project": renamed(solution("transposed"))["project"]}
    (pair,) = pairs_of([hand_in("ada", solution("transposed")), hand_in("bob", mixed)])
    assert [part.name for part in pair.parts if not part.is_short] == ["project"]


def test_words_are_compared_without_capitals_and_line_breaks():
    text = "The last step is a filtering, and the filters are signed: so the picture is negative where paper is wanted."
    one, other = fingerprint(text, is_code=False), fingerprint(text.upper().replace(" ", "\n", 3), is_code=False)
    assert set(one.hashes) == set(other.hashes) and len(one.hashes) > SHORT


def test_earlier_works_are_compared_with_those_of_now_alone(write):
    code = solution("transposed")
    now, *before = [write("now", code), write("a", code), write("b", renamed(code)), write("c", solution("loops"))]
    assert {(pair.one, pair.other) for pair in pairs_of([now], before) if pair.tokens} == {("now", "a"), ("now", "b")}


def test_twelve_renamed_copies_are_one_group(write):
    code = solution("transposed")
    works = [write(f"{n:02}", renamed(code) if n % 2 else code) for n in range(12)]
    pairs = [pair for pair in pairs_of([*works, write("other", solution("loops"))]) if pair.tokens]
    assert len(pairs) == 66 and groups_of(pairs) == [[work.who for work in works]]


def test_those_who_are_alike_over_others_are_one_group():
    pairs = [alike.Pair(*names, ()) for names in (("c", "d"), ("a", "b"), ("x", "y"), ("b", "c"))]
    assert groups_of(pairs) == [["a", "b", "c", "d"], ["x", "y"]]


def test_what_is_counted_for_all_at_once_agrees_with_copydetect_for_each_pair(write):
    code = solution("transposed")
    codes = [code, solution("loops"), renamed(code), *(mistaken(code, name)[1] for name in MISTAKES)]
    works = [write(str(number), each) for number, each in enumerate(codes)]
    wanted = {}
    for one, other in combinations(works, 2):
        for name in one.parts:
            share = min(1.0, *compare_files(one.parts[name], other.parts[name])[1])
            if share >= ALIKE:
                wanted[one.who, other.who, name] = share
    assert len([share for share in wanted.values() if share < 1]) > 10
    assert {(pair.one, pair.other, part.name): part.share for pair in pairs_of(works) for part in pair.parts} == wanted


def test_equal_solutions_are_compared_once(write, monkeypatch):
    compared = []
    monkeypatch.setattr(alike, "compare_files", lambda *two: compared.append(two) or compare_files(*two))
    kinds = [solution("transposed"), renamed(solution("transposed")), solution("loops")]
    works = [write(f"{number:02}", kinds[number % 3]) for number in range(30)]
    earlier = [write(f"before {number}", {"train": f"{number}\n{kinds[0]['train']}"}) for number in range(9)]
    pairs = [pair for pair in pairs_of(works, earlier) if pair.tokens]
    assert len([pair for pair in pairs if "before" not in pair.other]) == 20 * 19 // 2 + 10 * 9 // 2
    # Once for each part of each kind, and once for each of the earlier.
    alike_at_all = [max(compare_files(*two)[1]) for two in compared]
    assert len(compared) <= 3 * len(kinds[0]) + 9 and min(alike_at_all) >= ALIKE


def test_the_page_shows_the_group_and_the_code_as_text(hand_in, tmp_path):
    code = solution("transposed")
    code["project"] += "\nx = '<script>alert(1)</script>'"
    works = [hand_in("ada", code), hand_in("eve", renamed(code)), hand_in("bob", solution("loops"))]
    settings = Settings(NAME, "a", {"project": 3}, (0, 1), course=tmp_path)
    labels = {"ada": "Ada L. (4711, 2026)", "eve": "<i>Eve</i>"} | {"bob": "Bob"}
    page, pairs = copies.page_of(settings, works, [], labels)
    assert [(pair.one, pair.other) for pair in pairs] == [("ada", "eve")]
    assert "<li>2: Ada L. (4711, 2026), &lt;i&gt;Eve&lt;/i&gt;</li>" in page and "This is no verdict" in page
    assert "<h2>Ada L. (4711, 2026) and &lt;i&gt;Eve&lt;/i&gt;: " in page and "3 works were compared" in page
    assert "<script>" not in page and "&lt;script&gt;" in page
    assert "<td>project</td><td>33.3 %</td>" in page and f"Parts of fewer than {SHORT} tokens don't count" in page
    page, _ = copies.page_of(settings, works[:1], works[1:], labels)
    assert "<td>project</td><td>50.0 %</td>" in page and "1 work was compared" in page


def test_the_page_shows_the_hundred_pairs_with_the_most_in_common(write, tmp_path):
    project = {"project": solution("transposed")["project"]}
    works = [write(f"{number:02}", project) for number in range(14)] + [write("a", solution("transposed"))] * 2
    settings = Settings(NAME, "a", {"project": 3}, (0, 1), course=tmp_path)
    page, pairs = copies.page_of(settings, works, [], {work.who: work.who for work in works})
    assert len(pairs) == 120 and page.count("Both, beside each other") == 100 and "And 20 pairs more" in page
    assert (pairs[0].one, pairs[0].other) == ("a", "a")


def test_without_a_gradebook_the_command_says_what_to_do(tmp_path):
    with pytest.raises(SystemExit, match="There is no gradebook .*: nbgrader generate_assignment"):
        copies.main([NAME, "--db", f"sqlite:///{tmp_path / 'nothing.db'}"])


class TestTheCommand:
    """The command, in a course with a class of this year's and one of an earlier year."""

    @pytest.fixture
    def course(self, hand_in, tmp_path, assignment, monkeypatch):
        """Ada's, in the folder of an earlier year, and Eve's, which is the same with other names."""
        deadline = datetime(2027, 2, 1, tzinfo=UTC)
        settings = Settings(NAME, "a", {"project": 3}, (0, 1), deadline=deadline, course=tmp_path)
        hand_in("4711", solution("transposed"))
        (tmp_path / "course_of_2026").mkdir()
        shutil.copytree(tmp_path / "submitted" / "4711", tmp_path / "submitted" / ".4711")
        (tmp_path / "submitted").rename(tmp_path / "course_of_2026" / "submitted")
        hand_in("4711", renamed(solution("transposed")))
        monkeypatch.setattr(copies, "settings_of", lambda name: settings)
        monkeypatch.setattr(copies, "has_gradebook", lambda url: True)
        asked = []
        monkeypatch.setattr(copies, "handed_out", lambda url, *given: asked.append(url) or assignment)
        configuration = "get_config().CourseDirectory.db_url = 'sqlite:///of nbgrader.db'"
        (tmp_path / "nbgrader_config.py").write_text(configuration)
        yield tmp_path
        assert set(asked) == {f"sqlite:///{tmp_path / 'of nbgrader.db'}"}

    @pytest.fixture
    def said(self, course, capsys):
        def run(*earlier) -> str:
            copies.main([NAME, "--earlier", *map(str, earlier or [course / "course_of_2026" / "submitted"])])
            return capsys.readouterr().out

        return run

    def test_it_takes_in_last_years_folder(self, course, said):
        assert f"{course / 'exported' / NAME / 'copies.html'}: 1 pair is alike, of 1 works and 1 earlier ones" in said()
        with pytest.raises(SystemExit, match="there is no folder"):
            said(course / "nothing")

    def test_it_shows_the_year_and_the_name_of_both(self, course, said):
        """The number is the same, but in another year it is somebody else's."""
        assert "    2: 4711 (2026), 4711 (2027)\n" in said()
        table(course / "students.csv", [["id", "first_name"], ["4711", "Eve"]])
        collected = {"4711": Collected("Ada Lovelace", "", "", "2025-12-02 09:30:00 UTC")}
        write_collected(path_of(course / "course_of_2026", "another"), collected)
        assert "    2: Ada Lovelace (4711, 2026), Eve (4711, 2027)\n" in said()
        page = (course / "exported" / NAME / "copies.html").read_text(encoding="utf-8")
        assert "<h2>Eve (4711, 2027) and Ada Lovelace (4711, 2026): " in page and "submitted" not in page

    def test_where_no_folder_says_the_year_the_times_of_handing_in_do(self, course, said):
        earlier = course / "a" / "b" / "submitted"
        earlier.parent.mkdir(parents=True)
        (course / "course_of_2026" / "submitted").rename(earlier)
        assert "    2: 4711, 4711 (2027)\n" in said(earlier)
        times = ("2025-12-02 09:30:00 UTC", "2025-12-02 09:31:00 UTC", "2026-01-01 00:10:00 UTC", "")
        collected = {str(number): Collected("", "", "", time) for number, time in enumerate(times)}
        write_collected(path_of(earlier.parent, NAME), collected)
        assert "    2: 4711 (2025), 4711 (2027)\n" in said(earlier)

    def test_the_names_of_the_other_years_gradebook_are_read_and_it_is_left_alone(self, course, said):
        earlier = course / "course_of_2026"
        with sqlite3.connect(earlier / "gradebook.db") as book:
            book.execute("CREATE TABLE student (id, first_name, last_name)")
            book.execute("INSERT INTO student VALUES ('4711', 'Ada', NULL)")
        book.close()
        before = (earlier / "gradebook.db").read_bytes()
        assert "    2: Ada (4711, 2026), 4711 (2027)\n" in said()
        assert (earlier / "gradebook.db").read_bytes() == before
        assert not (course / "gradebook.db").exists()

    def test_an_unpacked_download_of_moodles_says_the_names_itself(self, course, said):
        folder = course / "2024"
        folder.mkdir()
        before = course / "course_of_2026" / "submitted" / "4711"
        before.rename(folder / "Ada Lovelace_12_assignsubmission_file")
        assert "    2: Ada Lovelace (12, 2024), 4711 (2027)\n" in said(folder)
