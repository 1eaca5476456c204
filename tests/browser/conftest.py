"""One JupyterLab and one Chromium for all tests here; each notebook is opened and run once."""

import any_network
import lenet5_alone
import numpy as np
import pytest
from chromium import launched
from lab import jupyterlab, new_page, open_notebook, run_all
from latency import LATENCIES, TARGETS


@pytest.fixture(scope="session")
def chromium():
    with launched() as browser:
        yield browser


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lab")
    with jupyterlab(folder) as address:
        any_network.write(folder / "notebooks")
        lenet5_alone.write(folder / "notebooks")
        yield address


@pytest.fixture(scope="session")
def requests():
    """The addresses that the opened notebooks have asked for so far."""
    return []


@pytest.fixture(scope="session")
def opened(chromium, lab, requests):
    """A function that opens a notebook and runs it, the first time it is asked for it, and gives its page."""
    pages = {}

    def page_of(name):
        if name not in pages:
            pages[name] = new_page(chromium)
            pages[name].on("request", lambda request: requests.append(request.url))
            open_notebook(pages[name], lab, f"notebooks/{name}")
            assert run_all(pages[name]) == []
        pages[name].bring_to_front()
        return pages[name]

    return page_of


@pytest.fixture(params=["Light", "Dark"])
def theme(request):
    return request.param


@pytest.fixture(params=[1200, 400])
def width(request):
    return request.param


def pytest_terminal_summary(terminalreporter):
    if not LATENCIES:
        return
    write = terminalreporter.write_line
    terminalreporter.section("milliseconds from a slider's event to its pixels on the screen")
    heads = f"{'values':>6}{'events':>8}{'median':>8}{'95 %':>8}{'most':>8}  median, wanted"
    write(f"{'explorer':34}{'slider':12}{heads}")
    lenet5 = [second for call, name, _, seconds in LATENCIES if (call, name) not in TARGETS for second in seconds]
    for call, name, values, seconds in [*LATENCIES, ("all of LeNet-5", "", "", lenet5)]:
        times = 1000 * np.quantile(seconds or [np.nan], [0.5, 0.95, 1])
        row = f"{call:34}{name:12}{values:>6}{len(seconds):>8}{times[0]:8.0f}{times[1]:8.0f}{times[2]:8.0f}"
        write(f"{row}{TARGETS.get((call, name), ''):>8}")
