"""What nbval leaves out: the pictures that a cell draws are compared with the stored ones."""

import os
import shutil
import tempfile
from pathlib import Path

import compare_pictures
import pytest
from compare_pictures import differences, leave, pictures_of
from nbval.plugin import IPyNbCell

# What a cell with this tag draws comes of many steps in single precision, such as a training: it
# differs between processors.
NOT_COMPARED = "varies-by-processor"
NOTEBOOKS = Path(__file__).resolve().parent
DIFFERENCES = NOTEBOOKS.parent / "build" / "differences"
# Readers have settings of their own. These change every picture that heeds them.
SETTINGS = Path(compare_pictures.__file__).with_name("hostile.matplotlibrc")


def pytest_configure(config):
    """The notebooks run under hostile settings, and write to a folder of the tests."""
    output = tempfile.TemporaryDirectory()
    config.add_cleanup(output.cleanup)
    os.environ["INSIDE_LENET5_OUTPUT"] = output.name
    os.environ["MATPLOTLIBRC"] = str(SETTINGS)
    if not hasattr(config, "workerinput"):  # those who work for this one find them in use
        shutil.rmtree(DIFFERENCES, ignore_errors=True)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    result = yield
    if isinstance(item, IPyNbCell) and NOT_COMPARED not in item.cell.metadata.get("tags", []):
        # Solutions have the name of their notebook.
        name = "-".join(item.path.relative_to(NOTEBOOKS).with_suffix("").parts)
        if faults := compare(name, item.cell_num, item.cell.outputs, item.test_outputs):
            item.raise_cell_error("the pictures differ from the stored ones\n" + "\n".join(faults))
    return result


def compare(notebook, cell, stored, drawn):
    """The faults of the pictures among a cell's outputs; those that differ are left in a folder."""
    stored, drawn = pictures_of(stored), pictures_of(drawn)
    if len(stored) != len(drawn):
        return [f"the cell draws {len(drawn)} pictures; {len(stored)} are stored"]
    faults = []
    for k, ((expected, before), (actual, after)) in enumerate(zip(stored, drawn, strict=True)):
        found = differences(expected, actual)
        if found:
            name = f"{notebook}-cell-{cell}-{k}"
            leave(DIFFERENCES, name, expected, actual)
            found.append(f"look at build/differences/{name}-(expected|actual|difference).png")
        if before != after:
            found.append(f"the alternative text is {after!r}, not {before!r}")
        faults += [f"picture {k}: {line}" for line in found]
    return [*faults, "if this is wanted: make accept"] if faults else []
