"""How long a notebook takes to read, so that all of them say it by one measure.

200 words a minute, ten lines of code a minute, half a minute for each picture, and three minutes for each explorer,
where you try things. What is folded is counted apart: sections below a collapsed heading, hidden code, and remarks.
Exercises are not counted.
"""

import re

import nbformat

WORDS, LINES, PICTURE, EXPLORER = 200, 10, 0.5, 3
_HEADING = re.compile(r"^(#{1,6}) ", re.MULTILINE)
_REMARK = re.compile(r"<details>.*?</details>", re.DOTALL)
_EXERCISES = re.compile(r"^## Exercises.*", re.MULTILINE | re.DOTALL)
# the text of a link counts, its target does not; nor does a picture, or what is there for the machine
_NO_WORDS = re.compile(r"!\[[^\]]*\]\([^)]*\)|(?<=\])\([^)]*\)|<[^>]*>|^\|[ |:-]+\|$", re.MULTILINE)


def minutes(notebook: nbformat.NotebookNode) -> tuple[float, float]:
    """To read what is open, and what is folded."""
    read, folded_below = [0.0, 0.0], 7
    for cell in notebook.cells:
        found = _HEADING.match(cell.source) if cell.cell_type == "markdown" else None
        if found and len(found[1]) <= folded_below:
            folded_below = len(found[1]) if cell.metadata.get("jp-MarkdownHeadingCollapsed") else 7
        hidden = cell.metadata.get("jupyter", {}).get("source_hidden", False)
        below = folded_below < 7
        if cell.cell_type == "markdown":
            text = _EXERCISES.sub("", cell.source)
            read[below] += _words(_REMARK.sub("", text)) / WORDS
            read[1] += sum(map(_words, _REMARK.findall(text))) / WORDS
        else:
            read[below or hidden] += sum(bool(line.strip()) for line in cell.source.splitlines()) / LINES
            shown = sum("image/png" in output.get("data", {}) for output in cell.outputs)
            read[below] += shown * (EXPLORER if re.search(r"\bexplore_|\bdraw_a_digit\(", cell.source) else PICTURE)
    return read[0], read[1]


def _words(text: str) -> int:
    return sum(any(map(str.isalnum, word)) for word in _NO_WORDS.sub(" ", text).split())
