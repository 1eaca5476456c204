"""What JupyterLab folds below a heading is folded on the page: the heading opens it, without a script."""

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform


class Folds(SphinxPostTransform):
    """Only now, as the table of contents looks for the heading first in its section."""

    default_priority = 300
    formats = ("html",)

    def run(self, **_) -> None:
        for section in self.document.findall(nodes.section):
            if "folded" in section["classes"]:
                title, *rest = section.children
                start, middle, end = (
                    nodes.raw("", text, format="html") for text in ("<details><summary>", "</summary>", "</details>")
                )
                section.children = []
                section.extend([start, title, middle, *rest, end])


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_post_transform(Folds)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
