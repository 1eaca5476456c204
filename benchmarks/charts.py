"""The results as pictures."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from benchmarks.growth import Growth
from benchmarks.measures import Measure
from helpers import pictures
from helpers.plotting import STYLE, WIDTH

# Farther than this no bar is drawn.
FARTHEST = 10


def targets(measures: Sequence[Measure], machine: str) -> Figure:
    """A bar for each measure that has a target: how many times better it is than asked for."""
    asked = [(measure, measure.margin) for measure in measures if measure.margin is not None]
    met = [measure for measure in measures if measure.met]
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(WIDTH, 1.1 + 0.42 * len(asked)), layout="constrained")
        for row, (measure, margin) in enumerate(asked):
            axes.barh(
                row,
                min(max(margin, 1 / FARTHEST), FARTHEST) - 1,
                left=1,
                height=0.5,
                color="#3b6ea8" if measure.met else "white",
                edgecolor="black",
                hatch="" if measure.met else "//////",
            )
            axes.annotate(
                f"{number(measure.median, measure.unit)}\n{asked_for(measure)}",
                (1, row),
                xytext=(8, 0),
                xycoords=("axes fraction", "data"),
                textcoords="offset points",
                va="center",
                weight="normal" if measure.met else "bold",
            )
        axes.axvline(1, color="black")
        axes.set_xscale("log")
        axes.set_xlim(1 / min(FARTHEST, max(2, 1 / min(margin for _, margin in asked))), FARTHEST)
        axes.xaxis.set_major_locator(FixedLocator([0.1, 0.2, 0.5, 1, 2, 5, 10]))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}×" if value < FARTHEST else f"{FARTHEST}× or more")
        axes.set_yticks(range(len(asked)), [measure.name.replace(", ", ",\n", 1) for measure, _ in asked])
        axes.invert_yaxis()
        axes.set_xlabel("how many times better than asked for; hatched: missed")
        axes.spines[["top", "right"]].set_visible(False)
        figure.suptitle(f"{len(met)} of {len(asked)} targets are met, with {machine}")
    return figure


def straight_lines(growths: Sequence[Growth], machine: str) -> Figure:
    """For each growth its points, and the line on which they lie if twice as many take twice the time."""
    with plt.rc_context(STYLE):
        figure, row = plt.subplots(1, len(growths), figsize=(WIDTH, 3.4), layout="constrained")
        for axes, growth in zip(row, growths, strict=True):
            most, longest = growth.counts[-1], growth.seconds[-1]
            line = [1e3 * longest * count / most for count in growth.counts]
            straight = axes.loglog(growth.counts, line, color="0.6", linestyle="--")[0]
            measured = axes.loglog(growth.counts, [1e3 * time for time in growth.seconds], color="black", marker="o")[0]
            axes.set_title(f"{growth.what}\n{growth.where}")
            axes.set_xticks(growth.counts, [f"{count:,}" for count in growth.counts], minor=False)
            axes.xaxis.set_minor_locator(NullLocator())
            axes.spines[["top", "right"]].set_visible(False)
        row[0].set_ylabel("milliseconds")
        figure.legend(
            [measured, straight],
            ["measured (median of three)", "twice as many, twice the time: straight line through the last point"],
            loc="outside lower center",
            ncols=2,
            frameon=False,
        )
        figure.suptitle(f"How the time grows, with {machine}")
    return figure


def number(value: float, unit: str) -> str:
    """`value` to three digits, with its unit."""
    digits = f"{value:.2f}" if unit == "%" else f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{digits}×" if unit == "×" else f"{digits} {unit}"


def asked_for(measure: Measure) -> str:
    """The target of `measure` in words; nothing without one."""
    if measure.at_least is not None:
        return f"at least {number(measure.at_least, measure.unit)}"
    if measure.at_most is not None:
        return f"at most {number(measure.at_most, measure.unit)}"
    return ""


def png(figure: Figure) -> bytes:
    """`figure` as a PNG file; it is closed."""
    content = pictures.png(figure)
    plt.close(figure)
    return content
