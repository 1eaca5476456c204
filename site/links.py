"""Links as the notebooks and docs have them, which lead from file to file, as links from page to page."""

import json
import os
import posixpath
import re
from pathlib import Path
from urllib.parse import unquote

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

ROOT = Path(__file__).resolve().parents[1]
# The start page stands for it, and has its headings.
README = "README.md"
FRAGMENT = re.compile(r"(\]\([^()\s#]*#)([^()\s]+)(\))")


def slug(heading: str) -> str:
    """The end of an address that leads to a heading, as GitHub has it. What JupyterLab has becomes the same."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def with_slugs(markdown: str) -> str:
    """The text of a notebook's cell, with links to headings as GitHub has them."""
    return FRAGMENT.sub(lambda found: found[1] + slug(unquote(found[2])) + found[3], markdown)


def change_notebook(app: Sphinx, docname: str, source: list[str]) -> None:
    """Before a notebook is parsed: its links to headings, and what JupyterLab folds."""
    if Path(app.env.doc2path(docname)).suffix != ".ipynb":
        return
    notebook = json.loads(source[0])
    for cell in notebook["cells"]:
        text, metadata = "".join(cell["source"]), cell["metadata"]
        if cell["cell_type"] == "markdown":
            cell["source"] = with_slugs(text)
            if metadata.get("jp-MarkdownHeadingCollapsed"):
                cell["source"] = "{.folded}\n" + cell["source"]
        elif metadata.get("jupyter", {}).get("source_hidden") or text.startswith("# You can skip this cell."):
            metadata["tags"] = [*metadata.get("tags", []), "hide-input"]
    source[0] = json.dumps(notebook)


class LinksToFiles(SphinxTransform):
    """A link to a file that is no page leads to the repository, if it is known where that is; else it is plain text."""

    default_priority = 100

    def apply(self, **_) -> None:
        for link in list(self.document.findall(pending_xref)):
            if link["reftype"] != "myst" or link.get("refdomain") == "doc":
                continue
            path, _, fragment = link["reftarget"].partition("#")
            path = posixpath.normpath(posixpath.join(posixpath.dirname(self.env.docname), path))
            if path == README:
                link.update_basic_atts({})
                link["refdomain"], link["reftarget"], link["reftargetid"] = "doc", "index", fragment or None
            elif (ROOT / path).exists():
                address = self.config.site_source
                shown = nodes.reference(refuri=f"{address.rstrip('/')}/{path}") if address else nodes.inline()
                shown.extend(link.children)
                link.replace_self(shown)


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_config_value("site_source", os.environ.get("SOURCE", ""), "env", [str])
    app.connect("source-read", change_notebook)
    app.add_transform(LinksToFiles)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
