"""Explorers that no output shows any more are closed; they open again when they are shown again.

ipywidgets keeps each widget until it is closed, with all that its callbacks hold, as a browser may ask for it at any
time: a page that is loaded again asks for all. A cell that makes an explorer of a hundred widgets and is run thirty
times would leave three thousand.
"""

from weakref import WeakKeyDictionary, WeakSet

import ipywidgets as widgets
from IPython import get_ipython
from IPython.core.interactiveshell import ExecutionResult

# The cells whose outputs show an explorer, by their ids. None stands for an output that is never replaced, as far as
# can be seen from here: that of a callback, or of a cell without an id.
_cells: WeakKeyDictionary[widgets.Widget, set[str | None]] = WeakKeyDictionary()
_shown_now: WeakSet[widgets.Widget] = WeakSet()  # in the run of a cell that has not ended yet


def note_shown(explorer: widgets.Widget) -> None:
    """Say that `explorer` goes to an output. It is closed when all cells that showed it have been run again without.

    Until then it lives, however often another one is made. Outside IPython nothing is noted.
    """
    shell = get_ipython()
    if shell is not None:
        shell.events.register("pre_run_cell", _begin)
        shell.events.register("post_run_cell", _end)
        _shown_now.add(explorer)


def _begin(_: object) -> None:
    _assign(None)  # what was shown while no cell ran


def _end(result: ExecutionResult) -> None:
    """The cell of `result` has been run: its output, by now, shows what this run has shown, and nothing else."""
    cell = getattr(result.info, "cell_id", None)
    if cell is not None:
        for cells in _cells.values():
            cells.discard(cell)
    _assign(cell)
    for explorer in [explorer for explorer, cells in _cells.items() if not cells]:
        del _cells[explorer]
        explorer.close()


def _assign(cell: str | None) -> None:
    for explorer in _shown_now:
        _cells.setdefault(explorer, set()).add(cell)
    _shown_now.clear()
