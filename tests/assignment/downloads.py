"""Made downloads: as Moodle and Canvas write them by their public sources and documents, in several languages."""

import csv
import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

# The headings of Moodle's worksheet, what it writes before a student's number, and how it writes the highest grade.
WORKSHEETS = {
    "en": (
        "Identifier,Full name,Email address,Status,Grade,Maximum Grade,Grade can be changed,"
        "Last modified (submission),Last modified (grade),Feedback comments",
        "Participant ",
        "100.00",
    ),
    "de": (
        "ID,Vollständiger Name,E-Mail-Adresse,Status,Bewertung,Bestwertung,Bewertung kann geändert werden,"
        "Zuletzt geändert (Abgabe),Zuletzt geändert (Bewertung),Feedback als Kommentar",
        "Teilnehmer/in",
        "100,00",
    ),
    "fr": (
        "Identifiant,Nom complet,Adresse de courriel,Statut,Note,Note maximale,La note peut être modifiée,"
        "Dernière modification (travail remis),Dernière modification (note),Feedback par commentaires",
        "Participant",
        "100,00",
    ),
    "es": (
        "Identificador,Nombre completo,Dirección de correo,Estado,Calificación,Calificación máxima,"
        "La calificación puede ser cambiada,Última modificación (entrega),Última modificación (calificación),"
        "Comentarios de retroalimentación",
        "Participante ",
        "100,00",
    ),
}
# The same moment, as each language writes it: half past ten in the morning of 2 December 2026.
TIMES = {
    "en": "Wednesday, 2 December 2026, 10:30 AM",
    "de": "Mittwoch, 2. Dezember 2026, 10:30",
    "fr": "mercredi 2 décembre 2026, 10:30",
    "es": "miércoles, 2 de diciembre de 2026, 10:30",
}


def worksheet(path: Path, language: str, students: Mapping[str, str], times: Mapping[str, str] | None = None) -> Path:
    """Moodle's worksheet. Who has no time of their own has handed in at that of `TIMES`."""
    header, before, most = WORKSHEETS[language]
    rows = [
        [f"{before}{number}", name, f"s{number}@example.org", "", "", most, "", (times or {}).get(number), "-", ""]
        for number, name in students.items()
    ]
    rows = [[TIMES[language] if cell is None else cell for cell in row] for row in rows]
    return table(path, [header.split(","), *rows])


def gradebook(path: Path, students: Mapping[str, str], *assignments: str, comma: bool = False) -> Path:
    """Canvas' gradebook, with the rows that are no student's, and the lecturer's own view as one."""
    point = "," if comma else "."
    header = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", *assignments, "Final Score"]
    empty = [""] * len(assignments)
    rows = [
        ["", "", "", "", "", *["Manual Posting"] * len(assignments), ""],
        ["    Points Possible", "", "", "", "", *[f"100{point}00"] * len(assignments), "(read only)"],
        *([name, number, f"U{number}", f"login{number}", "01", *empty, ""] for number, name in students.items()),
        ["Student, Test", "99999", "", "abcdef0123", "01", *empty, ""],
    ]
    return table(path, [header, *rows], delimiter=";" if comma else ",")


def table(path: Path, rows: Sequence[Sequence[str]], delimiter: str = ",") -> Path:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter).writerows(rows)
    path.write_text(text.getvalue(), encoding="utf-8-sig", newline="")
    return path


def zipped(path: Path, files: Mapping[str, bytes | str]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def unzipped(path: Path, files: Mapping[str, bytes | str]) -> Path:
    for name, content in files.items():
        file = path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def in_a_zip(files: Mapping[str, bytes | str]) -> bytes:
    """What a student hands in as a zip. It is only stored, so that its end can be seen in a zip around it."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return content.getvalue()
