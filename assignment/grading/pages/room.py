"""How much of a page may come from what was handed in: time to make it, and characters in it."""

from time import monotonic

# Of an honest notebook, a page is made in a second and has a few megabytes. A short text can name a large picture, or
# a long address, thousands of times; and for each library there is some text that takes it seconds to read.
_SECONDS, _CHARACTERS = 20, 50_000_000


class Room:
    """What is left for one page."""

    def __init__(self) -> None:
        self._until, self._left = monotonic() + _SECONDS, _CHARACTERS

    @property
    def is_left(self) -> bool:
        """Whether there is time and place for more."""
        return self._left > 0 and monotonic() < self._until

    def take(self, characters: int) -> bool:
        """Take so many characters of it, if they are left."""
        if characters > self._left:
            self._left = 0
            return False
        self._left -= characters
        return True
