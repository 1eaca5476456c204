"""Measure all that is in the table, say whether its targets are met, and write results.json and two charts.

They go to build/benchmarks/, with --keep to benchmarks/, where the README shows them. It takes some seven minutes.
"""

import argparse
import contextlib
import io
import json
import os
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

import psutil
import torch

from benchmarks import charts
from benchmarks.figure2 import figure2, memory
from benchmarks.growth import growth
from benchmarks.measures import Measure
from benchmarks.projection import one_image, peaks, recording, test_set, vgg16, whole_maps
from benchmarks.start import first_picture, four_notebooks
from benchmarks.training import training
from helpers.files import write_atomically

ROOT = Path(__file__).resolve().parents[1]
T = TypeVar("T")
PACKAGES = ("torch", "torchvision", "numpy", "captum")


def machine() -> dict[str, object]:
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "memory in GB": round(psutil.virtual_memory().total / 1e9),
        "system": platform.system(),
    }


def _processor() -> str:
    """Its name; Linux tells it in a file only."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def line(measure: Measure) -> str:
    values = charts.number(measure.median, measure.unit)
    if len(measure.values) > 1:
        values += f" ({min(measure.values):.3g} to {max(measure.values):.3g})"
    if measure.met is None:
        return f"{measure.name:<70} {values:>24}"
    return f"{measure.name:<70} {values:>24}   {charts.asked_for(measure):<18} {'yes' if measure.met else 'NO'}"


def _quietly(part: Callable[[], Iterator[T]]) -> list[T]:
    """All of `part`, without the progress bars of training and streaming, which would stand in the table."""
    with contextlib.redirect_stdout(io.StringIO()):
        return list(part())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", action="store_true", help="write to benchmarks/ instead of build/benchmarks/")
    folder = ROOT / "benchmarks" if parser.parse_args().keep else ROOT / "build" / "benchmarks"
    start = time.perf_counter()
    here = machine()
    versions = {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}
    print(", ".join(f"{name} {value}" for name, value in (here | versions).items()))
    print(f"\n{'what':<70} {'median (lowest to highest)':>24}   {'target':<18} met")
    measures = []
    parts = (
        one_image,
        recording,
        test_set,
        vgg16,
        whole_maps,
        peaks,
        figure2,
        memory,
        first_picture,
        training,
        four_notebooks,
    )
    for part in parts:
        for measure in _quietly(part):
            measures.append(measure)
            print(line(measure), flush=True)
    growths = _quietly(growth)
    results = {
        "date": date.today().isoformat(),
        "machine": here,
        "versions": versions,
        "measures": [asdict(measure) | {"median": measure.median, "met": measure.met} for measure in measures],
        "growth": [asdict(one) for one in growths],
    }
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / "results.json", (json.dumps(results, indent=1) + "\n").encode())
    name = f"{here['threads']} threads of {here['processor']}"
    for file, figure in (("targets", charts.targets(measures, name)), ("growth", charts.straight_lines(growths, name))):
        write_atomically(folder / f"{file}.png", charts.png(figure))
    print(f"\nresults.json, targets.png and growth.png are in {folder}, after {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
