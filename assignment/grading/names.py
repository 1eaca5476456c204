"""How what somebody else wrote is written down: in the record, the log and the graded notebook."""

import re
from collections.abc import Sequence

from helpers.messages import Message, message

_SHOWN = 3
# What a spreadsheet takes for the beginning of a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def some(names: Sequence[str]) -> list[str] | Message:
    """The first of the names, for a person, and how many there are beside."""
    first, more = [shown(name) for name in names[:_SHOWN]], len(names) - _SHOWN
    return first if more <= 0 else message("some", names=first, more=more)


def one_line(text: str) -> str:
    """What somebody else may have written, as one line that a terminal only shows."""
    return "".join(letter if letter.isprintable() else "?" for letter in " ".join(text.split()))


def whole(text: str) -> str:
    """The text without half characters, which JSON can hold, and no file."""
    return text.encode("utf-8", "replace").decode()


def shown(name: str) -> str:
    """A name that somebody else chose, as text in which nothing has a meaning: not to a page, nor to a terminal."""
    plain = re.sub(r"[^\w .,()+=@/-]", "?", name)
    return f"`{plain[:100]}`"
