"""Whether two names are one person's: platforms leave out signs, and change the order."""

import re
import unicodedata


def same_name(one: str, other: str) -> bool:
    """Whether the names are the same but for accents, signs, capitals, and the order of their words."""
    return _letters(one) == _letters(other) or _words(one) == _words(other)


def folded(text: str) -> str:
    """The text in small letters without accents."""
    apart = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in apart if not unicodedata.combining(letter))


def _letters(name: str) -> str:
    return re.sub(r"[\W_]", "", folded(name))


def _words(name: str) -> list[str]:
    # Moodle leaves out the sign in O'Brien; a comma parts words.
    return sorted(re.sub(r"[\W_]", "", word) for word in re.split(r"[\s,]+", folded(name)) if word)
