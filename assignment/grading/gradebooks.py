"""Where the gradebook of the course is: nbgrader's own configuration says it, or else a command's --db."""

from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path

from nbgrader.apps.baseapp import NbGrader
from sqlalchemy.exc import SQLAlchemyError

_SQLITE = "sqlite:///"


class NoGradebook(Exception):
    """It can't be used. The message is a sentence for the lecturer."""


def add_option(parser: ArgumentParser) -> None:
    """The option by which a command is told of another gradebook."""
    parser.add_argument("--db", help="another gradebook than that of nbgrader_config.py (CourseDirectory.db_url)")


def gradebook_of(course: Path) -> str:
    """nbgrader's `CourseDirectory.db_url`, as its own commands find it in the folder of the course."""
    with chdir(course):
        nbgrader = NbGrader()
        nbgrader.initialize([])
        url = nbgrader.coursedir.db_url
    # A path may be meant from there.
    return f"{_SQLITE}{course / url.removeprefix(_SQLITE)}" if url.startswith(_SQLITE) else url


@contextmanager
def said_in_a_sentence() -> Iterator[None]:
    """Whatever the database says.

    Raises:
        NoGradebook: it said something.
    """
    try:
        yield
    except SQLAlchemyError as error:
        # Not all of it: where it can't be reached, the rest may name a password.
        why = " ".join(str(getattr(error, "orig", None) or error).split())
        raise NoGradebook(f"The gradebook can't be used ({why}); if nbgrader is new, try nbgrader db upgrade") from None
