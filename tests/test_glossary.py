"""docs/glossary.md: a term is used where it is said to be introduced; its first use in a notebook leads there."""

import re

import nbformat
import pytest
from stored import NOTEBOOKS, SERIES, markdown_cells
from test_notebooks import ROOT, anchor_of, anchors, links

GLOSSARY = ROOT / "docs" / "glossary.md"
ENTRY = re.compile(r"^## (?P<term>.+)\n\n(?P<sentence>.+) \[(?P<number>\w)\]\((?P<target>[^)]+)\)$", re.MULTILINE)
ENTRIES = {entry["term"]: entry for entry in ENTRY.finditer(GLOSSARY.read_text(encoding="utf-8"))}

# How a term is written where it is not the term itself, or its plural
FORMS = {
    "bias": r"bias(?:es)?",
    "convolution": r"(?<!transposed )convolutions?(?! layer)",
    "double precision": r"(?:double|single) precision",
    "feature": r"features?(?! maps?)",
    "gradient": r"(?<!integrated )gradients?(?! ascent)",
    "loss": r"loss(?:es)?",
    "max pooling": r"max[ -]pooling",
    "overfitting": r"overfit\w*",
    "PCA": r"PCA|principal component analysis",
    "rectify": r"rectif\w+",
    "regulariser": r"regularis\w+",
    "saliency map": r"saliency(?: maps?)?",
    "softmax": r"(?:log-)?softmax",
    "switch": r"switch(?:es)?",
    "tie": r"tie[sd]?",
    "unpooling": r"unpool\w*",
}
# No use of a term: code, formulas, headings, pictures, and links to other places than the glossary
NO_USE = re.compile(
    r"^ *```.*?^ *```|``.*?``|`[^`\n]*`|\$\$.*?\$\$|\$[^$\n]*\$|^#.*?$|!\[[^\]]*\]\([^)]*\)"
    r"|\[(?:[^\[\]]|\[[^\]]*\])*\]\((?![^)]*glossary\.md#)[^)]*\)|<[^>]+>",
    re.MULTILINE | re.DOTALL,
)
LINK = re.compile(r"\[(?P<text>[^\[\]]*)\]\((?P<target>[^)]*)\)")


def form(term):
    words = FORMS.get(term, re.escape(term) + "s?").replace("\\ ", r"\s").replace(" ", r"\s")
    return re.compile(rf"(?<![\w-])(?:{words})(?![\w-])", re.IGNORECASE)


def text(path):
    """What a notebook says before its exercises, whose words the solutions repeat."""
    whole = "\n\n".join(cell.source for cell in markdown_cells(nbformat.read(path, as_version=4)))
    return whole.partition("\n## Exercises\n")[0]


def first_uses(source):
    """`{term: the address that its first use in the text leads to, or None}`"""
    prose = NO_USE.sub(lambda match: " " * len(match[0]), source)
    leads = list(LINK.finditer(prose))
    words = LINK.sub(lambda link: f"[{link['text']}]".ljust(len(link[0])), prose)
    uses = {term: use.start() for term in ENTRIES if (use := form(term).search(words))}
    return {
        term: next((link["target"] for link in leads if link.start() < start < link.end()), None)
        for term, start in uses.items()
    }


def test_an_entry_is_one_sentence_in_the_order_of_the_alphabet():
    headings = re.findall(r"^## (.+)$", GLOSSARY.read_text(encoding="utf-8"), re.MULTILINE)
    assert headings == list(ENTRIES) == sorted(ENTRIES, key=str.lower)
    for entry in ENTRIES.values():
        assert re.fullmatch(r"[^.]+\.", entry["sentence"]), entry["sentence"]
    assert {anchor_of(term) for term in ENTRIES} <= anchors(GLOSSARY)


@pytest.mark.parametrize("term", ENTRIES)
def test_a_term_is_used_where_it_is_introduced(term):
    path = (GLOSSARY.parent / ENTRIES[term]["target"]).resolve()
    assert path in NOTEBOOKS
    assert path.name.lower().startswith((f"0{ENTRIES[term]['number']}_", f"{ENTRIES[term]['number'].lower()}_"))
    assert term in first_uses(text(path))


@pytest.mark.parametrize("path", SERIES, ids=lambda p: p.stem)
def test_the_first_use_of_a_term_leads_to_the_glossary(path):
    to = "../docs/glossary.md" if path.parent.name == "notebooks" else "../../docs/glossary.md"
    assert first_uses(text(path)) == {term: f"{to}#{anchor_of(term)}" for term in first_uses(text(path))}


def test_a_first_use_that_leads_nowhere_is_found():
    linked = "A [feature\nmap](../docs/glossary.md#feature-map) of `filter`s, **[filters](x.md#filter)** and a filter."
    assert first_uses(linked.replace("x.md", "glossary.md")) == {
        "feature map": "../docs/glossary.md#feature-map",
        "filter": "glossary.md#filter",
    }
    assert first_uses("Two feature maps. [feature map](glossary.md#feature-map)") == {"feature map": None}
    assert links(linked)[0].endswith("#feature-map")
