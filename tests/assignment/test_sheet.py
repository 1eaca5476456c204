"""The sheet for assistants: each part with a solution, what points are for, and what the judge says of mistakes."""

import json
import re
import shutil
from dataclasses import replace

import pytest
from downloads import unzipped
from grading import sheet
from grading.settings import BadSettings, settings_of
from submissions import NAME, PARTS, SOURCE


@pytest.fixture
def settings(tmp_path):
    settings = replace(settings_of(NAME), course=tmp_path)
    shutil.copytree(SOURCE, settings.source)
    return settings


def test_each_part_has_its_number_its_points_a_solution_and_mistakes(settings):
    sections, works = sheet.sections_of(settings)
    assert [one.name for one in sections] == list(settings.points) and works == 0
    assert [one.points for one in sections] == list(settings.points.values())
    assert all(re.fullmatch(r"\d[a-z]", one.number) and one.solution for one in sections)
    assert not any("BEGIN SOLUTION" in one.solution for one in sections)
    by_name = {one.name: one for one in sections}
    assert by_name["rectify"].solution == "return F.relu(signal)"
    for name in PARTS:
        assert by_name[name].wants and by_name[name].faults, name
    said = [fault.said for fault in by_name["choose"].faults]
    assert "chosen has no …" in said
    assert not any(set(one.wants) & {fault.said for fault in one.faults} for one in sections)
    # The sentences of the student's check are others.
    assert "grids[…]" not in " ".join(fault.said for fault in by_name["grids"].faults)
    assert by_name["project"].solution.splitlines()[-1].startswith("return ")
    assert "…" in " ".join(said) and "{" not in " ".join(said)
    assert [one.name for one in sections if one.is_by_hand] == ["words"]
    assert "4 for" not in by_name["words"].solution and "1 for a doubt" in by_name["words"].solution
    assert "answers" not in by_name["mistakes"].solution


def test_the_commonest_mistakes_come_first_with_how_often_they_were_found(settings):
    codes = {"ada": ["filter_back.transposed"], "bob": ["filter_back.not_flipped", "filter_back.transposed"]}
    for student, found in codes.items():
        parts = {"filter_back": {"faults": [{"code": code, "values": {}} for code in [*found, *found]]}}
        unzipped(settings.course / "autograded" / student / NAME, {"faults.json": json.dumps({"parts": parts})})
    sections, works = sheet.sections_of(settings)
    (counts,) = [[fault.count for fault in one.faults] for one in sections if one.name == "filter_back"]
    assert works == 2 and counts[:3] == [2, 1, 0]
    page = sheet.page_of(settings)
    assert "<li><b>2</b> " in page and "of the 2 graded works" in page


@pytest.mark.parametrize("language", ["en", "de"])
def test_no_line_of_a_part_is_said_twice_or_says_nothing(settings, language):
    for one in sheet.sections_of(replace(settings, language=language))[0]:
        said = [*one.wants, *(fault.said for fault in one.faults)]
        assert len(said) == len(set(said)), one.name
        assert not [line for line in said if not re.search(r"\w", line)], one.name


def test_it_speaks_the_language_of_the_course(settings):
    english, german = (sheet.sections_of(replace(settings, language=language))[0] for language in ("en", "de"))
    assert english[0].wants != german[0].wants


def test_the_page_shows_code_as_text(settings):
    path = settings.source / f"{NAME}.ipynb"
    path.write_text(path.read_text(encoding="utf-8").replace("return F.relu(signal)", "return '<script>'"), "utf-8")
    page = sheet.page_of(settings)
    assert "return &#39;&lt;script&gt;&#39;" in page and "<script>" not in page


def test_without_a_source_notebook_it_says_what_to_do(settings, monkeypatch):
    shutil.rmtree(settings.source)
    monkeypatch.setattr(sheet, "settings_of", lambda name: settings)
    with pytest.raises(SystemExit, match="there is no .*: make assignment"):
        sheet.main([NAME])
    with pytest.raises(BadSettings):
        sheet.sections_of(settings)


def test_the_command_writes_the_page(settings, monkeypatch, capsys):
    monkeypatch.setattr(sheet, "settings_of", lambda name: settings)
    monkeypatch.setattr(sheet, "COURSE", settings.course)
    sheet.main([NAME])
    path = settings.course / "exported" / NAME / "sheet.html"
    assert capsys.readouterr().out == f"{path}\n"
    assert "return F.relu(signal)" in path.read_text(encoding="utf-8")
