"""Tables as files of CSV: read as a platform or a spreadsheet wrote them, and written back in the same form."""

import csv
import io
from dataclasses import dataclass
from pathlib import Path

from grading.names import FORMULA
from helpers.files import write_atomically

_DELIMITERS = ",;\t"


class BadTable(Exception):
    """A file is not the table that is wanted. The message is a sentence for the lecturer."""


@dataclass
class Table:
    """A table and the form of its file.

    Attributes:
        rows: below the header, each as long as it came.
    """

    header: list[str]
    rows: list[list[str]]
    delimiter: str = ","
    encoding: str = "utf-8"
    newline: str = "\r\n"


def read_table(path: Path) -> Table:
    """The table in a file.

    Raises:
        BadTable: there is no such file, or no header in it.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadTable(f"{path} can't be read: {error.strerror}") from None
    text, encoding = _decoded(content)
    delimiter = max(_DELIMITERS, key=lambda one: len(next(csv.reader(io.StringIO(text), delimiter=one), [])))
    try:
        header, *rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    except (ValueError, csv.Error) as error:
        raise BadTable(f"{path} is no table of CSV: {error}") from None
    return Table([name.strip() for name in header], rows, delimiter, encoding, "\r\n" if "\r\n" in text else "\n")


def write_table(path: Path, table: Table) -> None:
    """Write the table. What is in it is not changed: text of others goes through `harmless` first."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=table.delimiter, lineterminator=table.newline)
    writer.writerows([table.header, *table.rows])
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, text.getvalue().encode(table.encoding, "replace"))


def harmless(text: str) -> str:
    """The text, so that no spreadsheet takes it for a formula."""
    return f"'{text}" if text.startswith(FORMULA) else text


def number_in(text: str) -> float | None:
    """The number that a cell holds, with a decimal point or comma; None if it holds none."""
    try:
        return float(text.strip().replace(",", "."))
    except ValueError:
        return None


def written_like(number: float, example: str) -> str:
    """The number with two digits behind the point, or behind a comma if the example has one."""
    text = f"{number:.2f}"
    return text.replace(".", ",") if "," in example else text


def _decoded(content: bytes) -> tuple[str, str]:
    # A spreadsheet that saved the file may have chosen another.
    encodings = ["utf-16"] if content[:2] in (b"\xff\xfe", b"\xfe\xff") else []
    encodings.append("utf-8-sig" if content.startswith(b"\xef\xbb\xbf") else "utf-8")
    for encoding in [*encodings, "cp1252"]:
        try:
            return content.decode(encoding), encoding
        except UnicodeError:
            continue
    return content.decode("latin-1"), "latin-1"
