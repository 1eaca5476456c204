import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "browser"))
import pytest
from chromium import launched

LIVE = Path(__file__).resolve().parents[2] / "site" / "live"


@pytest.fixture(scope="session")
def browser():
    with launched() as one:
        yield one


@pytest.fixture(scope="module")
def modules_page(browser):
    page = browser.new_page()

    def fulfil(route):
        name = route.request.url.rpartition("/")[2]
        if not name:
            route.fulfill(body="<!doctype html><title>modules</title>", content_type="text/html")
        else:
            route.fulfill(path=LIVE / name, content_type="text/javascript")

    page.route("http://live.test/**", fulfil)
    page.goto("http://live.test/")
    yield page
    page.close()
