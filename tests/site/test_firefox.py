"""Some pages, the live one among them, in Firefox, which Playwright's Python can't drive as Debian has it."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from built import is_foreign
from npm import package

PUPPETEER = "24.43.1"
LIVE = "live.html#steps?digit=0&map=2-11"


@pytest.fixture(scope="session")
def firefox():
    path = shutil.which("firefox-esr") or shutil.which("firefox")
    if path is None:
        pytest.exit("there is no Firefox; install one (Debian: apt-get install firefox-esr)", returncode=1)
    return path


def test_firefox_shows_the_pages(firefox, address):
    names = ["index.html", "notebooks/03_implement_the_deconvnet.html", "search.html?q=switch", LIVE]
    script = Path(__file__).with_name("firefox.mjs")
    words = [
        "node",
        str(script),
        str(package("puppeteer-core", PUPPETEER)),
        firefox,
        *(address + name for name in names),
    ]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    start, notebook, search, live = said["seen"]
    assert start["heading"].startswith("Inside LeNet-5")
    assert notebook["heading"].startswith("3 · Implement the deconvnet")
    assert search["found"] > 0
    # The map that a key has chosen, of the digit that the link asks for.
    assert {"digit 0. its map 12 of layer 2 goes down"} < set(live["shown"])
    for shown in said["seen"]:
        assert shown["broken"] == []
        assert shown["width"] <= 0
    assert said["errors"] == []
    # Firefox tells of no request for a file.
    assert len(said["asked"]) > (10 if address.startswith("http:") else 0)
    assert [url for url in said["asked"] if is_foreign(url)] == []
