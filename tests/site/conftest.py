"""The pages of build/site in one Chromium: from a static server of Python's own, and as files."""

import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from built import SITE, is_foreign
from timed import tell

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "browser"))

from chromium import launched  # noqa: E402
from npm import package  # noqa: E402

AXE = "4.14.1"


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


@pytest.fixture(scope="session")
def axe():
    return (package("axe-core", AXE) / "axe.min.js").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def live_page(server):
    """The address of the live page, on a host or as a file."""
    return lambda where: (server if where == "server" else SITE.as_uri() + "/") + "live.html"


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


def pytest_terminal_summary(terminalreporter):
    tell(terminalreporter)
