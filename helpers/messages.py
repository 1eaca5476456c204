"""What the course says to students: codes and values, of which a catalogue makes sentences in a language.

The catalogues are files of gettext: `sentences/en.po` and its like are written by hand, `.mo` is made of them.
"""

import gettext
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

SENTENCES = Path(__file__).with_name("sentences")


@dataclass(frozen=True)
class Message:
    """A code, such as `filter_back.wrong_size`, and the values that its sentence names.

    A value may be a message itself, where it is said in words, or a list, which a sentence puts commas into.
    """

    code: str
    values: Mapping[str, "Value"] = field(default_factory=dict)

    def __hash__(self) -> int:
        return hash(self.code)


Value = str | int | float | Message | Sequence[str | int | Message]


def message(code: str, /, **values: Value) -> Message:
    """The message of this code. If a value is called `count`, the sentence has a singular and a plural."""
    return Message(code, values)


def sentence(said: Message, language: str, speaker: str = "") -> str:
    """What a message says in this language.

    The `speaker` may have words of its own for a code. So the check and the judge find the same fault, and the check,
    which knows another example, can say where to look.

    Raises:
        ValueError: there is no catalogue in this language.
    """
    return _Writer(_catalogue(language), speaker).text(said)


def written(number: float, form: str, language: str) -> str:
    """A number in one of Python's forms, such as `".2%"`, as it is written in this language."""
    return _Writer(_catalogue(language), "").format_field(number, form)


def as_data(said: Message) -> dict:
    """The message as JSON can hold it: `{"code": ..., "values": {...}}`, and so are the messages among its values."""
    return {"code": said.code, "values": {name: _plain(value) for name, value in said.values.items()}}


def from_data(data: Mapping) -> Message:
    """The message of which `as_data` made these."""
    return Message(data["code"], {name: _value(plain) for name, plain in data["values"].items()})


def _plain(value: object) -> object:
    if isinstance(value, Message):
        return as_data(value)
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value


def _value(plain: Any) -> Any:
    if isinstance(plain, Mapping):
        return from_data(plain)
    return [_value(one) for one in plain] if isinstance(plain, list) else plain


@cache
def _catalogue(language: str) -> gettext.GNUTranslations:
    try:
        with open(SENTENCES / f"{language}.mo", "rb") as file:
            return gettext.GNUTranslations(file)
    except FileNotFoundError:
        known = ", ".join(sorted(path.stem for path in SENTENCES.glob("*.mo")))
        raise ValueError(f"there are no sentences in the language {language!r}; there are in: {known}") from None


def _with_article(word: str) -> Message:
    """`{found:a}` in a sentence: the word with its article, which in English hangs on how the word begins."""
    # Two are spoken with a vowel, though they are not written with one: eight, and en-d-array.
    if word[0].lower() in "aeio8" or word == "ndarray":
        return message("article.an", word=word)
    return message("article.a", word=word)


class _Writer(string.Formatter):
    def __init__(self, catalogue: gettext.GNUTranslations, speaker: str) -> None:
        self.catalogue, self.speaker = catalogue, speaker
        # English numbers, such as 61,706 or 98.3%, as they are written in the language.
        signs = {",": message("written.thousands"), ".": message("written.decimal"), "%": message("written.percent")}
        self.signs = str.maketrans({sign: self._template(said) for sign, said in signs.items()})

    def text(self, said: Message) -> str:
        return self.vformat(self._template(said), (), said.values)

    def format_field(self, value: object, format_spec: str) -> str:
        if isinstance(value, Message):
            return self.text(value)
        if format_spec == "a":
            return self.text(_with_article(format(value)))
        if isinstance(value, list | tuple):
            return ", ".join(self.format_field(one, "") for one in value)
        text = format(value, format_spec)
        return text.translate(self.signs) if format_spec else text

    def _template(self, said: Message) -> str:
        code, count = said.code, said.values.get("count")
        if isinstance(count, int):
            own = self.catalogue.npgettext(self.speaker, code, code, count)
            return own if own != code else self.catalogue.ngettext(code, code, count)
        own = self.catalogue.pgettext(self.speaker, code)
        return own if own != code else self.catalogue.gettext(code)
