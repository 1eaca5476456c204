"""The pictures below a notebook's cells: what they show in words, their width, and where an explorer belongs."""

import json
import re
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

# The function that draws it: the name by which the page's script finds its place.
EXPLORERS = {
    "explore_switches": "switches",
    "explore_steps": "steps",
    "explore_feature_maps": "feature-maps",
    "draw_a_digit": "drawing",
}
CALL = re.compile(rf"^(?:\w+ = )?(?:show\()?\s*({'|'.join(EXPLORERS)})\(", re.MULTILINE)


class Outputs(SphinxTransform):
    default_priority = 110

    def apply(self, **_) -> None:
        path = Path(self.env.doc2path(self.env.docname))
        if path.suffix != ".ipynb":
            return
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        for container in list(self.document.findall(nodes.container)):
            if container.get("nb_element") == "cell_code":
                describe(container, cells[container["cell_index"]])


def describe(container: nodes.container, cell: dict) -> None:
    """Give the pictures of a cell the words and the width that its outputs have, and an explorer its place."""
    stored = [output["metadata"]["image/png"] for output in cell["outputs"] if "image/png" in output.get("data", {})]
    pictures = list(container.findall(nodes.image))
    for picture, metadata in zip(pictures, stored, strict=True):
        picture["alt"] = metadata["alt"]
        if "width" in metadata:
            picture["width"] = f"{metadata['width']}px"
    called = CALL.search("".join(cell["source"]))
    if called and pictures:
        picture = pictures[-1]
        start = f'<div class="live-explorer" data-explorer="{EXPLORERS[called[1]]}">'
        picture.replace_self([nodes.raw("", start, format="html"), picture, nodes.raw("", "</div>", format="html")])


def load_explorers(app: Sphinx, name: str, template: str, context: dict, doctree: nodes.document | None) -> None:
    """Let a page that has a place for an explorer load what fills it (`live/page.py`)."""
    if 'class="live-explorer"' in context.get("body", ""):
        app.add_css_file("live/live.css")
        app.add_js_file("live/live.js", loading_method="defer")


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_transform(Outputs)
    app.connect("html-page-context", load_explorers)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
