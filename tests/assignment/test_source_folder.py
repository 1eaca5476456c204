"""What nbgrader reads is made of the template and the settings, and what was changed in it by hand is not lost."""

import json
import re
import subprocess
import sys

import nbformat
import pytest
from filling import notebook_of, text_of, untranslated
from grading.settings import BadSettings, settings_of
from nbformat.v4 import new_code_cell, new_markdown_cell
from source_folder import ChangedByHand, make
from submissions import EVERYTHING, NAME, ROOT, cell_named, copy_of_the_course

ALL = 'title = "Title"\ndigits = [0, 1, 5, 8]\n[points]\n' + "".join(
    f"{part} = {points}\n" for part, points in zip([*EVERYTHING, "words"], range(1, 15), strict=True)
)


@pytest.fixture
def course(tmp_path):
    return copy_of_the_course(tmp_path / "course")


@pytest.fixture
def made(course):
    """The notebook that is made with these settings."""

    def make_of(text):
        (course / "courses" / "other.toml").write_text(text)
        return notebook_of(settings_of("other", course))

    return make_of


def written(notebook):
    return "\n\n".join(cell.source for cell in notebook.cells)


def test_points_digits_and_title_stand_where_they_belong(made):
    notebook = made(ALL.replace("[0, 1, 5, 8]", "[7, 3]").replace("Title", "Titel"))
    points = {cell.metadata.nbgrader.grade_id: cell.metadata.nbgrader.get("points") for cell in notebook.cells
              if cell.metadata.get("nbgrader", {}).get("grade")}  # fmt: skip
    assert points == dict(zip([*EVERYTHING, "words"], range(1, 15), strict=True))
    text = written(notebook)
    assert text.startswith("# Titel\n") and "{{" not in text and "{%" not in text
    assert "## 2c · Filter (6 points)" in text and "# Task 2 · The deconvnet (30 points)" in text
    assert "| **2** | the deconvnet: unpool, rectify, filter | 30 |\n| **3** |" in text
    assert "for digit in (7, 3)}" in text
    assert text.count("digits 7 and 3") == 4 and "0, 1, 5" not in text
    # 6 points of 13 for the filters, of what is now 6 points
    assert "**Points:** filters and channels: 2.77; size: 1.85; bias: 1.38." in text


def test_what_is_left_out_is_gone_and_the_rest_is_counted_anew(made):
    text = written(made(ALL.replace("look_inside = 2\n", "")))
    assert "look_inside" not in text and "as in 1b" not in text
    assert "## 1b · Train it (3 points)" in text and "# Task 1 · The network (4 points)" in text
    assert "A **switch** says where a maximum stood." in text  # which 1b would have said
    text = written(made(re.sub("(build_cnn|look_inside|train) = .*\n", "", ALL)))
    assert "# Task 1 · The deconvnet (30 points)" in text and "my_network" not in text
    assert "**The given network.**" in text and "**Before you hand in:**" in text


def own_part(*cells):
    return [new_markdown_cell("## {{ number.mine }} · My own ({{ points.mine }} points)"), *cells]


def graded(name, source="assert True"):
    data = {"grade": True, "solution": False, "locked": True, "points": 0, "grade_id": name, "schema_version": 3}
    return new_code_cell(source, metadata={"nbgrader": data | {"task": False}})


def add_to_the_template(course, *cells):
    path = course / "template" / "notebook.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[-1:-1] = cells
    nbformat.write(notebook, path)


def test_a_part_of_ones_own_gets_points_and_a_number(course, made):
    add_to_the_template(course, *own_part(graded("mine")))
    notebook = made(ALL + "mine = 20")
    assert "## 3g · My own (20 points)" in written(notebook)
    assert "# Task 3 · The 22 visualisations (89 points)" in written(notebook)
    assert cell_named(notebook, "mine").metadata.nbgrader.points == 20
    assert "My own" not in written(made(ALL))


def test_what_is_not_translated_is_named(course, made):
    heading, test = own_part(graded("mine"))
    add_to_the_template(course, heading, test)
    made(ALL + "mine = 20")
    assert untranslated(settings_of("other", course)) == []
    made('language = "de"\n' + ALL + "mine = 20")
    assert untranslated(settings_of("other", course)) == [heading.id]


def test_a_template_that_does_not_fit_is_named(course, made):
    add_to_the_template(course, *own_part(graded("mine"), graded("mine_too")))
    with pytest.raises(BadSettings, match=r"the cell mine_too of the template gives points, and \[points\] has no"):
        made(ALL + "mine = 20")
    add_to_the_template(course, new_markdown_cell("---\nRemember {{ number.look_inside }}?"))
    with pytest.raises(
        BadSettings, match=r"of the template can't be filled in .*look_inside.*does it name a part that"
    ):
        made(ALL.replace("look_inside = 2\n", ""))


def test_the_deadline_stands_in_what_students_read(course):
    (course / "courses" / "other.toml").write_text("deadline = 2027-02-01T23:59:00+01:00\n" + ALL)
    readme = (course / "student" / "README.md").read_text(encoding="utf-8")
    text = text_of(readme, settings_of("other", course), "README.md")
    assert "**Hand in by** 2027-02-01 23:59, UTC+01:00\n" in text
    assert "# Assignment: Title\n" in text and "other.ipynb" in text and "[DEADLINE]" not in text
    assert "**Hand in by** [DEADLINE]\n" in text_of(readme, settings_of(NAME, course), "README.md")


@pytest.fixture
def settings(course):
    found = settings_of(NAME, course)
    make(found)
    return found


def change_notebook(settings, change):
    path = settings.source / f"{NAME}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    change(notebook)
    nbformat.write(notebook, path)


def other_points(notebook):
    cell_named(notebook, "rectify").metadata.nbgrader["points"] = 99


def other_text(notebook):
    notebook.cells[2].source += " And 0.5 is grey."


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (other_points, "the cell rectify was changed by hand."),
        (other_text, "the cell `Images are tensors `(N, C, H, W)`: numbe` was changed by"),
        (
            lambda notebook: notebook.cells.remove(cell_named(notebook, "unpool")),
            "the cell unpool was deleted by hand.",
        ),
        (lambda notebook: notebook.cells.insert(3, new_code_cell("2 + 2")), "the cell `2 + 2` was added by hand."),
        (lambda notebook: notebook.cells.insert(3, notebook.cells.pop(5)), "the order of the cells was changed by"),
    ],
)
def test_a_change_by_hand_is_named_and_not_lost(settings, change, says):
    change_notebook(settings, change)
    before = (settings.source / f"{NAME}.ipynb").read_bytes()
    with pytest.raises(ChangedByHand) as error:
        make(settings)
    assert says in str(error.value) and "make your change there" in str(error.value)
    assert (settings.source / f"{NAME}.ipynb").read_bytes() == before


def test_a_change_of_the_checks_by_hand_is_named(settings):
    path = settings.source / "check.py"
    path.write_text(path.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    with pytest.raises(ChangedByHand, match="the file check.py was changed by hand"):
        make(settings)


def test_what_was_run_by_hand_is_made_anew(settings):
    """With outputs, as JupyterLab stores it; and where a change was carried over, nothing is lost either."""

    def run(notebook):
        for number, cell in enumerate(cell for cell in notebook.cells if cell.cell_type == "code"):
            cell.execution_count = number

    change_notebook(settings, run)
    make(settings)
    change_notebook(settings, other_points)
    path = settings.course / "courses" / f"{NAME}.toml"
    path.write_text(re.sub("rectify = .*", "rectify = 99", path.read_text(encoding="utf-8")), encoding="utf-8")
    make(settings_of(NAME, settings.course))
    notebook = nbformat.read(settings.source / f"{NAME}.ipynb", as_version=4)
    assert cell_named(notebook, "rectify").metadata.nbgrader.points == 99
    assert [cell for cell in notebook.cells if cell.get("execution_count") is not None] == []


def test_a_folder_that_was_not_made_is_left_alone(settings):
    (settings.source / "made.json").unlink()
    with pytest.raises(ChangedByHand, match="it was not made by this command"):
        make(settings)


def test_the_command_names_what_is_wrong_in_a_line():
    done = subprocess.run([sys.executable, ROOT / "assignment" / "build.py", "no_such"], capture_output=True, text=True)
    assert done.returncode == 1
    assert re.fullmatch(r"there is no file .*no_such.toml; the assignments in that folder are .*\n", done.stderr)


def test_what_is_made_can_be_read_by_the_checks(settings):
    assert json.loads((settings.source / "settings.json").read_text())["digits"] == list(settings.digits)
