"""What a page of feedback says of the points that it shows, so that it is seen whether they still hold."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from html.parser import HTMLParser
from pathlib import Path

# It stands before everything that a student may have written.
_HEAD = 20_000


@dataclass(frozen=True)
class AsOf:
    """The points and comments that the page was written with.

    Attributes:
        parts: the points of each; None where a person has yet to give them.
        late: what being late takes off.
        comments: of each cell that may have one, the digest of what a person wrote.
    """

    parts: Mapping[str, float | None]
    late: float
    comments: Mapping[str, str]

    def text(self) -> str:
        """For the attribute `content` of the page's `<meta name="points">`."""
        return json.dumps(asdict(self))

    def is_still_true(self, now: "AsOf") -> bool:
        """Whether the page would show the same now. Of cells that it does not show, no comment is wanted."""
        comments = {cell: now.comments.get(cell, digest_of("")) for cell in self.comments}
        return (_plain(self), dict(self.comments)) == (_plain(now), comments)


def as_of(parts: Mapping[str, float | None], late: float, comments: Mapping[str, str]) -> AsOf:
    """Of these points, and of these comments by the names of the cells."""
    return AsOf(parts, late, {cell: digest_of(comment) for cell, comment in comments.items()})


def digest_of(comment: str) -> str:
    return hashlib.sha256(comment.encode(errors="replace")).hexdigest()[:16]


def read(page: Path) -> AsOf | None:
    """What the page says; None if it says nothing, as of what was written before pages did."""
    with open(page, encoding="utf-8", errors="replace") as file:
        found = _Meta(file.read(_HEAD)).content
    return None if found is None else AsOf(**json.loads(found))


def _plain(one: AsOf) -> tuple[dict[str, float | None], float]:
    parts = {name: None if points is None else round(points, 2) for name, points in one.parts.items()}
    return parts, round(one.late, 2)


class _Meta(HTMLParser):
    """Finds the content of the first `<meta name="points">`."""

    def __init__(self, head: str) -> None:
        super().__init__()
        self.content: str | None = None
        self.feed(head)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        if tag == "meta" and given.get("name") == "points" and self.content is None:
            self.content = given.get("content")
