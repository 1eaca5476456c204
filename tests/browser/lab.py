"""A real JupyterLab in a real Chromium, and hands to use it with: mouse, keys and eyes."""

import io
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Browser, Locator, Page

ROOT = Path(__file__).resolve().parents[2]
PROMPT = ["--ServerApp.kernel_websocket_connection_class=helpers.server.PromptConnection"]  # as make lab does
PATIENCE = 60  # seconds until what does not come is taken for missing: a slow machine is no fault


@contextmanager
def jupyterlab(folder: Path) -> Iterator[str]:
    """Serve two copies of the notebooks from `folder`: `notebooks/`, to be run, and `unrun/`, as they are stored.

    Gives the address that the path of a notebook completes.
    """
    for name, copy in (("notebooks", "notebooks"), ("notebooks", "unrun"), ("figures", "figures")):
        shutil.copytree(ROOT / name, folder / copy, ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
    exposed = ["--expose-app-in-browser", "--JupyterNotebookApp.expose_app_in_browser=True"]
    with served(folder, folder, *exposed, *PROMPT) as address:
        yield f"{address}lab/tree"


@contextmanager
def served(course: Path, folder: Path, *options: str) -> Iterator[str]:
    """`jupyter lab` in the folder `course`, which keeps its settings and notes in `folder`. Gives its address."""
    settings = folder / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    (settings / "themes.jupyterlab-settings").write_text(json.dumps({"theme": "JupyterLab Light"}))
    # Else it asks on the first start whether it may fetch news.
    (settings / "notification.jupyterlab-settings").write_text(json.dumps({"fetchNews": "false"}))
    environment = os.environ | {
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "INSIDE_LENET5_OUTPUT": str(folder / "output"),
        "OMP_WAIT_POLICY": os.environ.get("OMP_WAIT_POLICY", "PASSIVE"),
    }
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
    command += [f"--port={free_port()}", "--IdentityProvider.token=", *options]
    with (folder / "lab.log").open("w") as log:
        server = subprocess.Popen(command, cwd=course, env=environment, stdout=log, stderr=subprocess.STDOUT)
        try:
            wait_for(lambda: address_of(server, folder), f"JupyterLab does not start, see {folder}/lab.log")
            yield address_of(server, folder)
        finally:
            server.terminate()
            server.wait(30)


def free_port() -> int:
    """A port that nobody listens on. If somebody comes first all the same, JupyterLab takes another one."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def address_of(server: subprocess.Popen, folder: Path) -> str | None:
    """Where JupyterLab says that it answers, as soon as it does."""
    assert server.poll() is None, f"JupyterLab has stopped, see {folder}/lab.log"
    try:
        (note,) = (folder / "runtime").glob("jpserver-*.json")
        address = json.loads(note.read_text())["url"]
        with urllib.request.urlopen(f"{address}api"):
            return address
    except (ValueError, urllib.error.URLError, ConnectionError):  # not written yet, or not listening yet
        return None


def wait_for(condition: Callable[[], object], otherwise: str, seconds: float = PATIENCE) -> None:
    """Ask until `condition` holds.

    Raises:
        TimeoutError: it does not within so many seconds.
    """
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"{otherwise} (waited {seconds} s)")
        time.sleep(0.02)


def new_page(browser: Browser) -> Page:
    page = browser.new_page(viewport={"width": 1200, "height": 1500})
    page.set_default_timeout(1000 * PATIENCE)
    return page


def open_notebook(page: Page, address: str, name: str) -> None:
    """Open a notebook, alone and without the file browser, and wait until its kernel is ready."""
    page.goto(f"{address}/{name}?reset")
    page.wait_for_selector(".jp-Notebook")
    page.evaluate(
        """async () => {
            const app = window.jupyterapp;
            await app.restored;
            const browser = document.querySelector('#jp-left-stack');
            if (browser?.offsetWidth) await app.commands.execute('application:toggle-left-area');
            await app.shell.currentWidget.context.ready;
            await app.shell.currentWidget.sessionContext.ready;
        }"""
    )


def run_all(page: Page) -> list[str]:
    """Run all cells, as the menu does, and wait for the last. What went wrong, an error each."""
    return page.evaluate(
        """async () => {
            const app = window.jupyterapp;
            await app.commands.execute('notebook:run-all-cells');
            const faults = [];
            for (const cell of app.shell.currentWidget.content.model.cells)
                for (const output of cell.toJSON().outputs ?? [])
                    if (output.output_type === 'error') faults.push(`${output.ename}: ${output.evalue}`);
            return faults;
        }"""
    )


def run_cell(page: Page, call: str) -> None:
    """Run the cell with `call` in its code, as Shift and Enter do, and wait for it."""
    scroll_to(page, call)
    page.evaluate("async () => await window.jupyterapp.commands.execute('notebook:run-cell')")


def execute(page: Page, code: str) -> None:
    """Run `code` in the notebook's kernel, beside its cells."""
    page.evaluate(
        """async (code) => {
            const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
            const reply = await kernel.requestExecute({code}).done;
            if (reply.content.status !== 'ok') throw new Error(reply.content.evalue);
        }""",
        code,
    )


@contextmanager
def busy(page: Page, folder: Path) -> Iterator[None]:
    """The notebook's kernel does something else meanwhile, until a file in `folder` tells it to end."""
    told = folder / "told"
    page.evaluate(
        """(told) => {
            const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
            const code = `import os, time\nwhile not os.path.exists(${JSON.stringify(told)}): time.sleep(0.01)`;
            kernel.requestExecute({code});
        }""",
        str(told),
    )
    try:
        yield
    finally:
        told.touch()


def explorer(page: Page, call: str) -> Locator:
    """The explorer that the cell with `call` in its code shows, scrolled to."""
    scroll_to(page, call)
    box = page.locator(f"[data-call='{call}'] .explorer")
    box.locator("canvas").first.wait_for()
    box.scroll_into_view_if_needed()
    rest(box)
    return box


def scroll_to(page: Page, call: str) -> None:
    """Bring the cell with `call` in its code to the top, and mark it."""
    page.evaluate(
        """async (call) => {
            const notebook = window.jupyterapp.shell.currentWidget.content;
            const k = notebook.widgets.findIndex(cell => cell.model.sharedModel.getSource().includes(call));
            notebook.activeCellIndex = k;
            await notebook.scrollToItem(k, 'start');
            notebook.widgets[k].node.setAttribute('data-call', call);
        }""",
        call,
    )


def rest(box: Locator) -> None:
    """Wait until the explorer has come to rest."""
    wait_for(lambda: settled(box), "the explorer does not come to rest")


def settled(box: Locator) -> bool:
    """Whether nothing has moved for a tenth of a second."""
    places = (
        """box => [...box.querySelectorAll('*')].map(e => e.getBoundingClientRect()).map(r => [r.x, r.y, r.width])"""
    )
    before = box.evaluate(places)
    time.sleep(0.1)
    return box.evaluate(places) == before


def slider(box: Locator, name: str) -> Locator:
    """The slider that a screen reader finds under that name."""
    return box.get_by_role("slider", name=name, exact=True)


def readout(box: Locator, name: str) -> str:
    return slider(box, name).locator("..").locator("output").inner_text()


def way(box: Locator, name: str) -> Callable[[float], tuple[float, float]]:
    """Where on the screen the slider's handle stands at each share of its way."""
    place = slider(box, name).bounding_box()
    half = 8  # of the handle's width
    return lambda share: (place["x"] + half + share * (place["width"] - 2 * half), place["y"] + place["height"] / 2)


def take(box: Locator, name: str) -> None:
    """Press the mouse's button on the slider's handle."""
    share = slider(box, name).evaluate("e => (e.value - e.min) / ((e.max - e.min) || 1)")
    box.page.mouse.move(*way(box, name)(share))
    box.page.mouse.down()


def drag(box: Locator, name: str, share: float) -> None:
    """Take the slider's handle with the mouse, and bring it to that share of its way."""
    rest(box)  # the way may have become another
    take(box, name)
    box.page.mouse.move(*way(box, name)(share))
    box.page.mouse.up()


def press(box: Locator, name: str, key: str, times: int = 1) -> None:
    """Press a key while the slider of that name has the focus."""
    slider(box, name).focus()
    for _ in range(times):
        box.page.keyboard.press(key)


SEVEN = [[(70, 60), (210, 60)], [(210, 60), (120, 230)], [(100, 150), (190, 150)]]  # with a bar, on 280×280


def stroke(box: Locator, points: list[tuple[float, float]], steps: int = 12) -> None:
    """Draw through `points` with the mouse, in the paper's 280×280."""
    place = box.locator(".paper canvas").bounding_box()
    scale, mouse = place["width"] / 280, box.page.mouse
    for k, (x, y) in enumerate(points):
        mouse.move(place["x"] + x * scale, place["y"] + y * scale, steps=1 if k == 0 else steps)
        if k == 0:
            mouse.down()
    mouse.up()


def pictures(box: Locator) -> list[Locator]:
    """The large pictures."""
    return box.locator(".picture canvas").all()


def sheets(box: Locator) -> list[Locator]:
    """The sheets of thumbnails."""
    return box.locator(".thumbnails").all()


def pixels(locator: Locator) -> np.ndarray:
    """What stands on the screen there, `(H, W, 3)`, 0 to 255."""
    box = {side: round(length) for side, length in locator.bounding_box().items()}
    shot = locator.page.screenshot(clip=box)
    return np.asarray(Image.open(io.BytesIO(shot)).convert("RGB"), dtype=int)


def values(screen: np.ndarray, shape: tuple[int, int], corner: tuple[int, int] = (0, 0), side: int = 196) -> np.ndarray:
    """The colours `(H, W, 3)` in the middles of the blocks of a map of that shape, drawn in a square of `side`."""
    block = side // max(shape)
    top, left = (corner[i] + (side - block * shape[i]) // 2 + block // 2 for i in (0, 1))
    return screen[top : top + block * shape[0] : block, left : left + block * shape[1] : block]
