"""What `make site` has built, and which requests would lead away from it."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "build" / "site"
if not (SITE / "index.html").exists():
    pytest.exit("there are no pages in build/site: make site", returncode=1)

PAGES = sorted(path.relative_to(SITE).as_posix() for path in SITE.rglob("*.html"))


def is_foreign(url: str) -> bool:
    return not url.startswith(("http://127.0.0.1:", "file:", "data:", "blob:", "about:"))
