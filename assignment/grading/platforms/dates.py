"""The time in a cell of Moodle's worksheet, which is written out in the language of the lecturer."""

import re
from datetime import datetime
from functools import cache

from babel.dates import get_month_names

from grading.platforms.names import folded

# No name means another month in another of these.
LANGUAGES = ("en", "de", "fr", "es", "ca", "it", "pt", "nl", "sv", "da", "nb")

_TIME = re.compile(r"(?<!\d)(\d{1,2})[:.h](\d{2})(?::\d{2})?\s*([ap])?\.?\s*m?\b", re.IGNORECASE)
_YEAR = re.compile(r"(?<!\d)(\d{4})(?!\d)")
_DAY = re.compile(r"(?<!\d)(\d{1,2})(?!\d)")
_NUMBERS = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})|(\d{4})-(\d{1,2})-(\d{1,2})")


def moment(text: str) -> datetime | None:
    """The moment that is written there, without a time zone. None if it is none, or can't be read for sure.

    It is read in `LANGUAGES`, as in `Tuesday, 2 December 2025, 10:37 AM` or `Dienstag, 2. Dezember 2025, 10:37`, and in
    numbers if their order is sure, as in `2.12.2025, 10:37`.
    """
    plain = folded(text)
    date, plain = _date(plain)
    times = _TIME.findall(plain)
    if date is None or len(times) != 1:
        return None
    hour, minute, half = int(times[0][0]), int(times[0][1]), times[0][2]
    if half:
        hour = hour % 12 + 12 * (half == "p")
    try:
        return datetime(*date, hour, minute)
    except ValueError:
        return None


def _date(plain: str) -> tuple[tuple[int, int, int] | None, str]:
    """The year, month and day, and the rest of the text."""
    if found := _NUMBERS.search(plain):
        rest = plain[: found.start()] + " " + plain[found.end() :]
        if found[1]:
            return (int(found[3]), int(found[2]), int(found[1])), rest
        return (int(found[4]), int(found[5]), int(found[6])), rest
    without_time = _TIME.sub(" ", plain)
    months = {_months()[word] for word in re.findall(r"[^\W\d_]+", plain) if word in _months()}
    years, days = _YEAR.findall(without_time), _DAY.findall(_YEAR.sub(" ", without_time))
    if len(months) == len(years) == len(days) == 1:
        return (int(years[0]), months.pop(), int(days[0])), plain
    return None, plain


@cache
def _months() -> dict[str, int]:
    names: dict[str, int] = {}
    for language in LANGUAGES:
        for form in ("format", "stand-alone"):
            for number, name in get_month_names("wide", form, language).items():
                names.update((word, number) for word in re.findall(r"[^\W\d_]{3,}", folded(name)))
    return names
