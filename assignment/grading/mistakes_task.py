"""The part in which students say what went wrong in the strips of the bank, and the key to it, which stays here."""

import hashlib
import json
import runpy
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from grading.answers import NoAnswer
from grading.marks import Marks, Student, kind
from grading.settings import COURSE, BadSettings
from helpers.messages import Message, message

# In the folder of the course: what each strip of template/bank.npz shows.
KEY = "key_of_the_bank.json"


@cache
def bank() -> Mapping[str, Any]:
    """The names of the students' own bank.py."""
    return runpy.run_path(str(COURSE / "template" / "bank.py"))


WORDS: tuple[str, ...] = bank()["WORDS"]
_COUNT: int = bank()["COUNT"]
address_of: Callable[[object], str | None] = bank()["address_of"]


def key_of(course: Path = COURSE) -> list[str]:
    """What each strip of the bank shows, one of `WORDS`.

    Raises:
        BadSettings: there is no key, or it is that of another bank.
    """
    path, bank = course / KEY, course / "template" / "bank.npz"
    try:
        key = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadSettings(f"{path} can't be read ({error}); make given writes it beside a new bank") from None
    if key.get("bank") != hashlib.sha256(bank.read_bytes()).hexdigest():
        raise BadSettings(f"{path} is the key of another bank than {bank}; put back both from one run of make given")
    return key["mistakes"]


def answers_to(address: str, course: Path = COURSE) -> list[str]:
    """What the six strips of an address show.

    Raises:
        BadSettings: as `key_of`.
    """
    key = key_of(course)
    return [key[place] for place in bank()["places_of"](address, len(key))]


def mistakes(student: Student) -> Marks:
    """The right words are not told to those who miss them: their strips may be somebody else's, too."""
    marks = Marks()
    faults: list[Message | None]
    try:
        marks.address = _address(student)
        said = _words(student)
        right = answers_to(marks.address)
        faults = [_fault(strip, said[strip - 1], right[strip - 1]) for strip in range(1, _COUNT + 1)]
    except NoAnswer as reason:
        faults = [reason.fault for _ in range(_COUNT)]
    for strip, fault in enumerate(faults, 1):
        marks.add(1, not fault, message("mistakes.wants", strip=strip), fault)
    return marks


def _address(student: Student) -> str:
    email = student.ask("@value", "email")
    if email == "":
        raise NoAnswer(message("mistakes.no_address"))
    address = address_of(email)
    if address is None:
        raise NoAnswer(message("mistakes.strange_address", found=_short(email)))
    return address


def _words(student: Student) -> list[object]:
    said = student.ask("@value", "mistakes")
    if not isinstance(said, list):
        raise NoAnswer(message("mistakes.no_list", found=kind(said)))
    if len(said) != _COUNT:
        raise NoAnswer(message("mistakes.not_six", found=len(said)))
    return said


def _fault(strip: int, said: object, right: str) -> Message | None:
    word = said.strip().lower() if isinstance(said, str) else None
    if word not in WORDS:
        return message("mistakes.no_such_word", strip=strip, found=_short(said), words=list(WORDS))
    return None if word == right else message("mistakes.wrong", found=word)


def _short(answer: object) -> str | Message:
    """What somebody has written, or what kind of thing it is."""
    return f"'{answer[:50]}'" if isinstance(answer, str) else kind(answer)


PARTS = {"mistakes": mistakes}
