"""A figure as a PNG file that also says in words and numbers what it shows.

The same figure comes out with other pixels where the fonts are drawn differently. So each file carries a description,
in the field that PNG calls "Description": where its maps lie, with their scales and ranges, and every text. With it two
pictures can be compared for what they show.
"""

import io
import json

import matplotlib.pyplot as plt
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties


class _Reader(RendererAgg):
    """Draws, and notes which texts it draws and where."""

    def __init__(self, width: float, height: float, dpi: float) -> None:
        super().__init__(width, height, dpi)
        self.texts = []

    def draw_text(self, gc, x, y, s, prop: FontProperties, angle, ismath=False, mtext=None) -> None:
        width, height, descent = self.get_text_width_height_descent(s, prop, ismath)
        if angle == 90:
            box = (x - height + descent, y - width, x + descent, y)
        else:
            box = (x, y - height + descent, x + width, y + descent)
        self.texts.append({"text": s, "box": [round(side) for side in box]})
        super().draw_text(gc, x, y, s, prop, angle, ismath, mtext)


def png(figure: Figure) -> bytes:
    """`figure` as a PNG file with a description, a JSON object with two lists.

    `panels`: for each image its `box` in pixels of the file (left, top, right, bottom), its `shape` `(H, W)`, the two
    ends of its `scale`, the smallest, largest and mean of its `values`, and the row and column of the `dots` on it.
    `texts`: each line of `text` and its `box`.
    """
    width, height = figure.bbox.size
    reader = _Reader(width, height, figure.dpi)
    figure.draw(reader)
    panels = []
    for image in (image for axes in figure.axes for image in axes.images):
        dots = [dot for scatter in image.axes.collections for dot in scatter.get_offsets()]
        extent, values = image.get_window_extent(reader), image.get_array()
        panels.append(
            {
                "box": [round(side, 1) for side in (extent.x0, height - extent.y1, extent.x1, height - extent.y0)],
                "shape": list(values.shape[:2]),
                "scale": _short(image.norm.vmin, image.norm.vmax),
                "values": _short(values.min(), values.max(), values.mean()),
                "dots": [[round(float(y), 1), round(float(x), 1)] for x, y in dots],
            }
        )
    file = io.BytesIO()
    description = json.dumps({"panels": panels, "texts": reader.texts}, separators=(",", ":"))
    metadata = {"Description": description, "Software": None}
    plt.imsave(file, reader.buffer_rgba(), format="png", dpi=figure.dpi, metadata=metadata)
    return file.getvalue()


def _short(*numbers: float) -> list[float]:
    """To four digits: the fifth may differ on another processor."""
    return [float(f"{number:.4g}") for number in numbers]
