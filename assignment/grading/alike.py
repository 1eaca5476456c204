"""Which solutions are alike: their code without names, comments and layout is compared, part by part."""

import io
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations, product
from pathlib import Path

import nbformat
import numpy as np
from copydetect import CodeFingerprint, compare_files

from grading.intake import take_in
from grading.restore import grade_id
from grading.which_notebook import Assignment, NotGraded

_SOLUTION = "_solution"
# What is compared are runs of so many tokens: a name is one token, and so is a text in quotes.
_RUN = 12
# A part of two solutions is alike if so much of each is in the other.
ALIKE = 0.8
# Where a solution has fewer tokens, there are few ways to write it.
SHORT = 60


@dataclass(frozen=True)
class Work:
    """What one student has written, without what was handed out."""

    who: str
    parts: dict[str, CodeFingerprint]


@dataclass(frozen=True)
class Part:
    """A part in which two solutions are alike.

    Attributes:
        share: how much of each is in the other, from 0 to 1.
        tokens: how long that is.
        is_short: it is so short that it says little.
    """

    name: str
    share: float
    tokens: int
    is_short: bool
    sources: tuple[str, str]


@dataclass(frozen=True)
class Pair:
    """Two students whose solutions are alike in these parts."""

    one: str
    other: str
    parts: tuple[Part, ...]

    @property
    def tokens(self) -> int:
        """How much is alike, without what is so short that it says little."""
        return sum(part.tokens for part in self.parts if not part.is_short)


def work_of(who: str, folder: Path, assignment: Assignment, ignore: Sequence[str] = ()) -> Work | None:
    """What somebody has written in the gaps of the notebook in a folder; None if there is no such notebook."""
    with tempfile.TemporaryDirectory(prefix="compared-") as clean:
        try:
            take_in(folder, Path(clean) / "clean", assignment, ignore=ignore)
        except NotGraded:
            return None
        notebook = nbformat.read(Path(clean) / "clean" / f"{assignment.name}.ipynb", as_version=4)
    parts = {}
    for cell in notebook.cells:
        name = grade_id(cell) or ""
        if name in assignment.gaps and name.removesuffix(_SOLUTION) not in parts:
            is_code = cell.cell_type == "code"
            given = _runs_in(assignment.gaps[name], is_code)
            parts[name.removesuffix(_SOLUTION)] = fingerprint(cell.source, is_code, given)
    return Work(who, parts)


def fingerprint(source: str, is_code: bool = True, handed_out: Iterable[int] = ()) -> CodeFingerprint:
    """A solution as it is compared. What was handed out is no part of it."""
    text = source if is_code else " ".join(source.casefold().split())
    return CodeFingerprint("cell.py", _RUN, 1, boilerplate=list(handed_out), filter=is_code, fp=io.StringIO(text))


@cache
def _runs_in(gap: str, is_code: bool) -> frozenset[int]:
    """Those of what was handed out, which is the same for all: half of the time goes into fingerprints."""
    return frozenset(fingerprint(gap, is_code).hashes)


def pairs_of(works: Sequence[Work], earlier: Sequence[Work] = ()) -> list[Pair]:
    """All pairs that are alike in some part, those with the most first: in a class, and with earlier ones."""
    everybody = [*works, *earlier]
    found: dict[tuple[int, int], list[Part]] = defaultdict(list)
    for name in dict.fromkeys(name for work in works for name in work.parts):
        # The same code, but for names and layout, is compared with others once, whoever wrote it.
        same: dict[str, list[int]] = defaultdict(list)
        for place, work in enumerate(everybody):
            if name in work.parts and work.parts[name].hashes:
                same[work.parts[name].filtered_code].append(place)
        writers = list(same.values())
        prints = [everybody[places[0]].parts[name] for places in writers]
        of_now = sum(places[0] < len(works) for places in writers)
        for one, other in _candidates(prints, of_now):
            share, tokens = _measured(prints[one], prints[other])
            if share < ALIKE:
                continue
            is_short = min(prints[one].token_coverage, prints[other].token_coverage) < SHORT
            for pair in _pairs(writers[one], writers[other], len(works)):
                sources = (everybody[pair[0]].parts[name].raw_code, everybody[pair[1]].parts[name].raw_code)
                found[pair].append(Part(name, share, tokens, is_short, sources))
    pairs = [Pair(everybody[one].who, everybody[other].who, tuple(parts)) for (one, other), parts in found.items()]
    return sorted(pairs, key=lambda pair: (-pair.tokens, pair.one, pair.other))


def _pairs(some: Sequence[int], others: Sequence[int], of_now: int) -> Iterator[tuple[int, int]]:
    """Each pair of theirs once, the smaller number first, and none of two that are both of earlier years."""
    for pair in combinations(some, 2) if some is others else product(some, others):
        if min(pair) < of_now:
            yield min(pair), max(pair)


def _candidates(prints: Sequence[CodeFingerprint], of_now: int) -> Iterator[tuple[int, int]]:
    """The pairs of which the other may be alike to the one, which is one of the first `of_now`.

    copydetect compares two at a time; a class of 300 has some 45,000 pairs in each part. So how much of each solution
    is in the others is counted here for all others at once.
    """
    columns = {run: column for column, run in enumerate(set().union(*(one.hashes for one in prints)))}
    has = np.zeros((len(prints), len(columns)), bool)
    for row, one in zip(has, prints, strict=True):
        row[[columns[run] for run in one.hashes]] = True
    for number, one in enumerate(prints[:of_now]):
        runs = [(begin, columns[run]) for run, begins in one.hash_idx.items() for begin in begins]
        begins, which = map(list, zip(*runs, strict=True))
        # In front of the tokens stand as many as a run has: so each is covered that has a run's beginning before it.
        found = np.zeros((len(prints) - number, _RUN + len(one.filtered_code)), np.int32)
        found[:, _RUN + np.array(begins)] = has[number:, which]
        found.cumsum(axis=1, out=found)
        covered = (found[:, _RUN:] > found[:, :-_RUN]).sum(axis=1)
        for other in np.flatnonzero(covered / one.token_coverage >= ALIKE):
            yield number, number + int(other)


def _measured(one: CodeFingerprint, other: CodeFingerprint) -> tuple[float, int]:
    """How much of each is in the other, from 0 to 1, and how many tokens that are."""
    _, shares, _ = compare_files(one, other)
    tokens = round(min(shares[0] * one.token_coverage, shares[1] * other.token_coverage))
    return min(1.0, *map(float, shares)), tokens


def groups_of(pairs: Sequence[Pair]) -> list[list[str]]:
    """Who is alike, over others as well; the largest group first."""
    groups: list[set[str]] = []
    for pair in pairs:
        touched = [group for group in groups if {pair.one, pair.other} & group]
        groups = [group for group in groups if group not in touched]
        groups.append({pair.one, pair.other}.union(*touched))
    return sorted((sorted(group) for group in groups), key=lambda group: (-len(group), group))
