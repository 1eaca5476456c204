"""How often the judge found each fault in a class, from the data that lie beside the graded notebooks."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from grading.restore import FAULTS
from helpers.messages import Message, from_data


@dataclass(frozen=True)
class Common:
    """A fault in a part.

    Attributes:
        said: the fault with the values that were found most often.
        found: in how many submissions it was found, with whatever values.
        so: in how many with these.
        judged: in how many submissions something was written for the part, and judged.
    """

    part: str
    said: Message
    found: int
    so: int
    judged: int


def faults_of_class(graded: Iterable[Path]) -> list[Common]:
    """The faults in the folders STUDENT/ASSIGNMENT of graded submissions, the commonest first.

    A submission counts once for a fault, however often it makes it, and not at all for a part in which nothing was
    written. What can't be read is left out.
    """
    judged: Counter[str] = Counter()
    found: Counter[tuple[str, str]] = Counter()
    values: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for _, data in _found(graded):
        unanswered = data.get("unanswered", ())
        parts = {part: found for part, found in data["parts"].items() if part not in unanswered or found["earned"]}
        judged.update(parts.keys())
        for part, of_part in parts.items():
            faults = {json.dumps(one, sort_keys=True): (part, one["code"]) for one in of_part["faults"]}
            found.update(set(faults.values()))
            for fault, key in faults.items():
                values[key][fault] += 1
    common = []
    for key, times in found.items():
        ((fault, so),) = values[key].most_common(1)
        common.append(Common(key[0], from_data(json.loads(fault)), times, so, judged[key[0]]))
    return sorted(common, key=lambda one: (-one.found, one.part, one.said.code))


def unanswered_in_class(graded: Iterable[Path]) -> dict[str, set[str]]:
    """For each student, by the same folders, the parts in which nothing was written."""
    return {folder.parent.name: set(data.get("unanswered", ())) for folder, data in _found(graded)}


def _found(graded: Iterable[Path]) -> Iterator[tuple[Path, dict]]:
    for folder in sorted(graded):
        try:
            data = json.loads((folder / FAULTS).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if "parts" in data:
            yield folder, data
