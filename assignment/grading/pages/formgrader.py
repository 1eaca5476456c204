"""nbgrader's formgrader, the lecturer's own Jupyter: its pages show what students handed in, and do nothing else.

nbgrader puts names and notebooks into its pages as they are. There, a script of a student's would have all the rights
of the lecturer. Here the templates escape, and each page names the scripts that may run, which are nbgrader's own.
"""

import base64
import hashlib
import re
import secrets
from collections.abc import Callable
from pathlib import Path

import nbformat
from jinja2 import Environment, FileSystemLoader
from nbgrader.server_extensions.formgrader import handlers
from nbgrader.server_extensions.formgrader.base import BaseApiHandler, BaseHandler
from tornado.web import HTTPError

from grading.pages.cells import cells_of
from grading.pages.feedback import environment, style_of_cells, take_record, words_in
from grading.settings import settings_of

COURSE = Path(__file__).resolve().parents[2]


class _TheirTemplates(FileSystemLoader):
    """nbgrader's templates; their scripts and styles bear the nonce, and JavaScript can read the values in them."""

    def get_source(self, environment: Environment, template: str) -> tuple[str, str, Callable[[], bool]]:
        source, name, is_up_to_date = super().get_source(environment, template)
        source = re.sub(r"<(script|link)\b", r'<\1 nonce="{{ nonce }}"', source)
        source = re.sub(r'(var \w+ = )"\{\{ *(\w+) *\}\}"', r"\1{{ \2 | tojson }}", source)
        return source, name, is_up_to_date


_TEMPLATES = environment(_TheirTemplates(handlers.template_path))


def _hashes() -> str:
    """What their templates do on a click, by the hashes that let it through."""
    sources = [path.read_text(encoding="utf-8") for path in Path(handlers.template_path).glob("*.tpl")]
    clicks = {click for source in sources for click in re.findall(r'(?i)\bonclick="([^"]*)"', source)}
    digests = (base64.b64encode(hashlib.sha256(click.encode()).digest()).decode() for click in sorted(clicks))
    return " ".join(f"'sha256-{digest}'" for digest in digests)


_CLICKS = _hashes()


def policy(nonce: str) -> str:
    """What a page may do: run and look like what bears the `nonce`, and ask its own server."""
    return (
        f"default-src 'none'; script-src 'nonce-{nonce}' 'unsafe-hashes' {_CLICKS}; "
        f"style-src 'nonce-{nonce}'; style-src-attr 'unsafe-inline'; "
        "img-src data:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'"
    )


def _render(handler: BaseHandler, name: str, **values: object) -> str:
    """A page of the template `name`; the answer that it is part of says what the page may do."""
    nonce = secrets.token_urlsafe(16)
    # Beside Jupyter's own, which says who may frame it. A browser holds to both.
    handler.add_header("Content-Security-Policy", policy(nonce))
    values = {"base_url": handler.base_url} | values
    return _TEMPLATES.get_template(name).render(nonce=nonce, **values)


class _Submissions:
    """Stands where formgrader expects the exporter that makes the page of a submission."""

    def __init__(self, handler: BaseHandler) -> None:
        self.handler = handler

    def from_filename(self, filename: str, resources: dict) -> tuple[str, dict]:
        nb = nbformat.read(filename, as_version=4)
        notes = take_record(nb)
        language = settings_of(resources["assignment_id"]).language
        cells = cells_of(nb, Path(filename).parent, language)
        sheet = style_of_cells("submission.css")
        values = resources | words_in(language)
        html = _render(self.handler, "submission.html.j2", notes=notes, cells=cells, style=sheet, **values)
        return html, resources


def _no_files(handler: BaseHandler, *path: str, **settings: object) -> None:
    """Pictures are in the page. Whatever else lies in a student's folder would come with the rights of this server."""
    raise HTTPError(404)


_open = handlers.FormgraderHandler.get


def _open_this_course(handler: BaseHandler) -> None:
    """A link could name another folder, such as a student's: formgrader would run the configuration in it."""
    path = handler.get_argument("path", "")
    if path and Path(path).resolve() != COURSE:
        raise HTTPError(403, f"this server shows the course in {COURSE}; to show another, start Jupyter there")
    _open(handler)


_default_headers = BaseApiHandler.set_default_headers


def _as_text(handler: BaseApiHandler) -> None:
    """Data with names in it, which nbgrader calls HTML."""
    _default_headers(handler)
    handler.set_header("Content-Type", "text/plain; charset=UTF-8")


# What stands in nbgrader's classes, and what takes its place.
SEAMS: list[tuple[type, str, object]] = [
    (BaseHandler, "render", _render),
    (BaseHandler, "exporter", property(_Submissions)),
    (BaseApiHandler, "set_default_headers", _as_text),
    (handlers.FormgraderHandler, "get", _open_this_course),
    (handlers.SubmissionFilesHandler, "get", _no_files),
]
