"""Builds the web edition: build/site, a folder of pages for any static host, or to be opened as a file."""

import shutil
from pathlib import Path

from live.page import write_live
from sphinx.cmd.build import build_main

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
SITE = ROOT / "build" / "site"
# What Sphinx reads, and what it notes: nothing of it belongs on a host.
WORK = ROOT / "build" / "site-work"
# What the pages are made of. Their folders stay, and so do the links between them.
PAGES = ["notebooks/**/*.ipynb", "docs/*.md", "docs/*.png", "figures/*.png", "benchmarks/*.png", "data/**/README.md"]
# Sphinx's and the theme's, which no page needs: for debuggers, for other projects, and for the next build.
LEFT_OUT = ["_static/**/*.map", "objects.inv", ".buildinfo", ".buildinfo.bak"]


def gather(folder: Path) -> None:
    """Copy what the pages are made of. What has not changed keeps its time, so that Sphinx reads it once."""
    shutil.rmtree(folder, ignore_errors=True)
    files = [path for pattern in PAGES for path in ROOT.glob(pattern) if ".ipynb_checkpoints" not in path.parts]
    for path in [*files, HERE / "index.md"]:
        copy = folder / ("index.md" if path.parent == HERE else path.relative_to(ROOT))
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, copy)


def main() -> int:
    shutil.rmtree(SITE, ignore_errors=True)
    gather(WORK / "source")
    # A warning is an error. All are shown first.
    words = ["-b", "html", "-W", "--keep-going", "-q", "-j", "auto", "-c", HERE, "-d", WORK / "doctrees"]
    status = build_main([str(word) for word in [*words, WORK / "source", SITE]])
    if status != 0:
        return status
    for path in [path for pattern in LEFT_OUT for path in SITE.glob(pattern)]:
        path.unlink()
    shutil.rmtree(SITE / "_sources", ignore_errors=True)
    write_live(SITE)
    pages = list(SITE.rglob("*.html"))
    megabytes = sum(path.stat().st_size for path in SITE.rglob("*") if path.is_file()) / 1e6
    print(f"{len(pages)} pages, {megabytes:.1f} MB: open {(SITE / 'index.html').relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
