"""The pages of build/site in one Chromium: from a static server of Python's own, and as files. `make site` builds them."""

import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from built import SITE, is_foreign

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "browser"))

from chromium import launched  # noqa: E402


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_) -> None:
        pass


@pytest.fixture(scope="session")
def chromium():
    with launched() as browser:
        yield browser


@pytest.fixture(scope="session")
def server():
    """The address of a host on which the site lies in a folder, not at the top."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=SITE.parent)) as host:
        Thread(target=host.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{host.server_port}/site/"
        host.shutdown()


@pytest.fixture(params=["server", "file"])
def address(request):
    """Where the site is: on a host, and as files."""
    return request.getfixturevalue("server") if request.param == "server" else SITE.as_uri() + "/"


@pytest.fixture
def page(chromium):
    """A page that fails its test if it asks another host for anything, or if a script in it fails."""
    context = chromium.new_context()
    context.set_default_timeout(10_000)
    page = context.new_page()
    asked, errors = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    context.close()
    assert [url for url in asked if is_foreign(url)] == []
    assert errors == []
