"""The controls of an explorer: what can be chosen, and what is."""

from collections.abc import Sequence
from typing import Any as Anything

from traitlets import Any, CInt, HasTraits, List, TraitError, observe, validate


class Slider(HasTraits):
    """A whole number; one beyond the ends is drawn to the nearer end.

    Attributes:
        value, min, max: these may change.
    """

    kind = "slider"
    min, max, value = CInt(), CInt(), CInt()

    def __init__(self, low: int, high: int) -> None:
        super().__init__(min=low, max=high, value=0 if low <= 0 <= high else low)

    @validate("value")
    def _clamp(self, proposal: dict) -> int:
        return min(max(proposal["value"], self.min), self.max)

    @observe("min", "max")
    def _clamp_again(self, _: object) -> None:
        self.value = self.value

    @property
    def label(self) -> str:
        """The value in words."""
        return f"{self.value}"

    @property
    def at(self) -> int:
        """Where it stands: the value."""
        return self.value

    @at.setter
    def at(self, number: int) -> None:
        self.value = number

    @property
    def range(self) -> dict[str, Anything]:
        """Where it can stand, for the page."""
        return {"low": self.min, "high": self.max}

    def in_words(self, name: str) -> str:
        """How it stands: `map ───●───── 5`."""
        return _in_words(name, self.value - self.min, self.max - self.min, self.label)


class Selection(HasTraits):
    """One of a few options, on a slider.

    Attributes:
        options: each with its label. They may change; what is no longer among them gives way to the first.
        value: that of the chosen option.

    Raises:
        TraitError: a value is set that is none of the options'.
    """

    kind = "slider"
    options: List = List()
    value = Any()

    def __init__(self, options: Sequence[tuple[str, Anything]]) -> None:
        super().__init__(options=list(options), value=options[0][1])

    @validate("value")
    def _check(self, proposal: dict) -> Anything:
        if proposal["value"] not in self._values:
            raise TraitError("it is none of the options")
        return proposal["value"]

    @observe("options")
    def _choose_again(self, _: object) -> None:
        if self.value not in self._values:
            self.value = self._values[0]

    @property
    def _values(self) -> list[Anything]:
        return [value for _, value in self.options]

    @property
    def label(self) -> str:
        """The label of the chosen option."""
        return self.options[self.at][0]

    @property
    def at(self) -> int:
        """Where it stands: the number of the chosen option."""
        return self._values.index(self.value)

    @at.setter
    def at(self, number: int) -> None:
        self.value = self._values[min(max(number, 0), len(self.options) - 1)]

    @property
    def range(self) -> dict[str, Anything]:
        """Where it can stand, for the page."""
        return {"low": 0, "high": len(self.options) - 1, "labels": [label for label, _ in self.options]}

    def in_words(self, name: str) -> str:
        """How it stands: `map ───●───── 2·3`."""
        return _in_words(name, self.at, len(self.options) - 1, self.label)


class Choice(Selection):
    """One of a few options, on buttons."""

    kind = "buttons"

    def in_words(self, name: str) -> str:
        """How it stands: `○ whole map  ● peak`."""
        return "  ".join(f"{'●' if label == self.label else '○'} {label}" for label, _ in self.options)


Control = Slider | Selection


def _in_words(name: str, at: int, last: int, label: str) -> str:
    before = round(6 * at / max(last, 1))
    return f"{name} {'─' * before}●{'─' * (6 - before)} {label}"
