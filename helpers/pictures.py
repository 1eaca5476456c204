"""A figure as a PNG file that also says in words and numbers what it shows.

The same figure comes out with other pixels where the fonts are drawn differently. So each file carries a description,
in the field that PNG calls "Description": where its maps lie, with their scales and ranges, its lines and its texts.
With it two pictures can be compared for what they show.
"""

import io
import json
import zlib

import numpy as np
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.cm import ScalarMappable
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.transforms import Bbox
from numpy.typing import ArrayLike
from PIL import Image
from PIL.PngImagePlugin import PngInfo


class _Reader(RendererAgg):
    """Draws, and notes which texts it draws and where."""

    def __init__(self, width: float, height: float, dpi: float) -> None:
        super().__init__(width, height, dpi)
        self.texts: list[dict[str, object]] = []

    def draw_text(self, gc, x, y, s, prop: FontProperties, angle, ismath=False, mtext=None) -> None:
        width, height, descent = self.get_text_width_height_descent(s, prop, ismath)
        if angle == 90:
            box = (x - height + descent, y - width, x + descent, y)
        else:
            box = (x, y - height + descent, x + width, y + descent)
        self.texts.append({"text": s, "box": [round(side) for side in box]})
        super().draw_text(gc, x, y, s, prop, angle, ismath, mtext)


def png(figure: Figure) -> bytes:
    """`figure` as a PNG file with a description, a JSON object with three lists.

    `panels`: for each image and colour bar its `box` in pixels of the file (left, top, right, bottom), its `shape`
    `(H, W)`, the two ends of its `scale`, the smallest, largest and mean of its `values`, and the row and column of the
    `dots` on it. `lines`: the `x` and `y` of the points of each. `texts`: each line of `text` and its `box`.
    """
    reader = _Reader(*figure.bbox.size, figure.dpi)
    figure.draw(reader)
    panels, lines = [], []
    for axes in figure.axes:
        bars = [bar for bar in axes.collections if isinstance(bar, QuadMesh)]
        dots = [
            dot for scatter in axes.collections if scatter not in bars for dot in np.asanyarray(scatter.get_offsets())
        ]
        panels += [_panel(image, image.get_window_extent(reader), reader.height, dots) for image in axes.images]
        panels += [_panel(bar, axes.get_window_extent(reader), reader.height, []) for bar in bars]
        lines += [{"x": _short(line.get_xdata()), "y": _short(line.get_ydata())} for line in axes.lines]
    file = io.BytesIO()
    described = PngInfo()
    contents = {"panels": panels, "lines": lines, "texts": reader.texts}
    described.add_text("Description", json.dumps(contents, separators=(",", ":")), zip=True)
    # Nothing is transparent, and notebooks hold these files: without the fourth channel they are a seventh smaller.
    opaque = np.ascontiguousarray(np.asarray(reader.buffer_rgba())[..., :3])
    # Pillow compresses by a strategy for photographs unless told otherwise; for flat colours this one saves 4 % more.
    smallest = {"compress_level": 9, "compress_type": zlib.Z_DEFAULT_STRATEGY}
    Image.fromarray(opaque).save(file, "PNG", dpi=(figure.dpi, figure.dpi), pnginfo=described, **smallest)
    return file.getvalue()


def _panel(mappable: ScalarMappable, extent: Bbox, height: float, dots: list) -> dict:
    # What is drawn stands on whole pixels: a fraction in the figure's height is cut off.
    top, bottom = int(height) - extent.ymax, int(height) - extent.ymin
    values = mappable.get_array()
    assert values is not None  # as it is drawn
    shape = list(values.shape[:2]) if values.ndim > 1 else [len(values), 1]
    if values.ndim == 3:
        # in colour: bytes, 0 and 255 at the two ends of the scale, behind them how opaque each pixel is
        low, high = mappable.get_clim()
        values = low + values[values[..., 3] > 0][:, :3] / 255 * (high - low)
    return {
        "box": [round(float(side), 1) for side in (extent.xmin, top, extent.xmax, bottom)],
        "shape": shape,
        "scale": _short(mappable.get_clim()),
        "values": _short((values.min(), values.max(), values.mean())),
        "dots": [[round(float(y), 1), round(float(x), 1)] for x, y in dots],
    }


def _short(numbers: ArrayLike) -> list[float]:
    """To four digits: the fifth may differ on another processor."""
    return [float(f"{number:.4g}") for number in np.asanyarray(numbers)]
