"""The catalogues: each code has a sentence in each language, with the values that the code comes with."""

import ast
import gettext
import re
from collections import defaultdict
from io import BytesIO
from string import Formatter

import pytest
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from grading import settings
from submissions import ROOT, SOURCE

from helpers import messages
from helpers.messages import SENTENCES, as_data, from_data, message, sentence

LANGUAGES = sorted(path.stem for path in SENTENCES.glob("*.po"))
GRADING = ROOT / "assignment" / "grading"


def catalogue(language):
    with open(SENTENCES / f"{language}.po", encoding="utf-8") as file:
        return read_po(file, locale=language)


def entries(language):
    """For each speaker and code, its sentence, or those in the singular and in the plural."""
    found = {}
    for entry in catalogue(language):
        if entry.id:
            code = entry.id[0] if entry.pluralizable else entry.id
            found[entry.context or "", code] = entry.string if entry.pluralizable else (entry.string,)
    return found


def fields(text):
    """The values that are named in a sentence."""
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def calls(source):
    """The codes in Python source with the names of their values. A code is written where it is used."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "message":
            (code,) = node.args
            assert isinstance(code, ast.Constant), ast.unparse(node)
            assert all(value.arg for value in node.keywords), ast.unparse(node)
            yield code.value, frozenset(value.arg for value in node.keywords)


def said():
    """For each speaker and code, the sets of values with which it is used."""
    found = defaultdict(set)
    for path in (SOURCE / "check.py", ROOT / "helpers" / "messages.py", *GRADING.rglob("*.py")):
        speaker = "check" if path.name == "check.py" else ""
        for code, values in calls(path.read_text(encoding="utf-8")):
            found[speaker, code].add(values)
    for path in GRADING.rglob("*.j2"):
        for code, values in re.findall(r'\bsay\("([\w.]+)"(.*?)\)', path.read_text(encoding="utf-8")):
            found["", code].add(frozenset(re.findall(r"(\w+)=", values)))
    assert len(found) > 200
    return found


SAID = said()


def entry_for(speaker, code, known):
    return (speaker, code) if (speaker, code) in known else ("", code)


def test_there_are_the_languages_that_the_settings_may_name():
    assert LANGUAGES == sorted(settings.LANGUAGES) and "de" in LANGUAGES


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_code_has_a_sentence_and_each_sentence_is_used(language):
    known = entries(language)
    assert {entry_for(*one, known) for one in SAID} == set(known)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_sentence_names_the_values_of_its_code(language):
    known = entries(language)
    wrong = {}
    for one, used in SAID.items():
        for text in known[entry_for(*one, known)]:
            if used != {frozenset(fields(text))}:
                wrong[one] = (used, text)
    assert wrong == {}


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_counted_has_a_plural_and_nothing_else(language):
    plural = {one for one, texts in entries(language).items() if len(texts) == 2}
    counted = {one for one, used in SAID.items() if any("count" in values for values in used)}
    assert plural == counted and len(plural) > 1


@pytest.mark.parametrize("language", [language for language in LANGUAGES if language != "en"])
def test_a_translation_is_whole_and_no_copy(language):
    english, other = entries("en"), entries(language)
    assert english.keys() == other.keys()
    assert [one for one in english if english[one] == other[one] or not all(other[one])] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_read_was_made_of_what_is_written(language):
    """If not: pybabel compile -i helpers/sentences/LANGUAGE.po -o helpers/sentences/LANGUAGE.mo -l LANGUAGE"""
    made = BytesIO()
    write_mo(made, catalogue(language))
    made.seek(0)
    written, read = gettext.GNUTranslations(made)._catalog, messages._catalogue(language)._catalog
    assert {code: text for code, text in written.items() if code} == {code: text for code, text in read.items() if code}


@pytest.mark.parametrize(
    ("said", "language", "words"),
    [
        (message("train.reads", share=0.98314), "en", "it reads 98.31%"),
        (message("train.reads", share=0.98314), "de", "es liest 98,31 % richtig"),
        (message("limit.files", count=10_000), "en", "the limit of 10,000 files was met"),
        (message("limit.files", count=1), "en", "the limit of 1 file was met"),
        (message("limit.files", count=10_000), "de", "die Grenze von 10.000 Dateien wurde erreicht"),
        (message("limit.files", count=1), "de", "die Grenze von 1 Datei wurde erreicht"),
        (message("page.points", earned=7.5, points=10.0), "de", "7,5 von 10 Punkten"),
        (message("digits", first=[0, 1, 5], last=8), "de", "0, 1, 5 und 8"),
        (message("raised", error="ValueError: {oops} 3.5, 50%"), "en", "ValueError: {oops} 3.5, 50%"),
    ],
)
def test_values_are_written_as_the_language_does(said, language, words):
    assert sentence(said, language) == words


def test_the_check_has_words_of_its_own_for_the_same_fault():
    fault = message("filter_back.flipped_one_way", axis=message("axis.height"))
    assert sentence(fault, "en") == "the filters are flipped top to bottom only"
    assert sentence(fault, "en", "check").endswith("upright. You leave it mirrored left to right")


def test_a_message_can_be_written_as_json_and_read_again():
    said = message("look_inside.missing", missing=["pooled1", "pooled2"], has=message("nothing"))
    data = {"missing": ["pooled1", "pooled2"], "has": {"code": "nothing", "values": {}}}
    assert as_data(said) == {"code": "look_inside.missing", "values": data}
    assert from_data(as_data(said)) == said


def test_a_language_that_is_not_there_is_named():
    with pytest.raises(ValueError, match="there are no sentences in the language 'fr'; there are in: de, en"):
        sentence(message("not_written"), "fr")
