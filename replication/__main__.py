"""Run the claims of the notebooks on each of six networks, and say which fall.

The networks are those of helpers.lenet5.SHIPPED; what a notebook trains itself begins from seed 0 to 5. Only asserts
are looked at: outputs and pictures are not compared. Nothing is written but build/replication/verification.md, the page
of docs/ with its table of claims filled anew.
"""

import argparse
import multiprocessing
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import torch
from tqdm import tqdm

from helpers.files import write_atomically
from helpers.lenet5 import SHIPPED
from replication.claims import Claim, claims_of
from replication.table import fill

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "verification.md"
BUILD = ROOT / "build" / "replication"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m replication", description=__doc__)
    parser.add_argument("--seed", type=int, choices=range(len(SHIPPED)), help="only the network of this seed")
    parser.add_argument("notebooks", nargs="*", type=Path, help="which, if not all")
    given = parser.parse_args()
    folders = (ROOT / "notebooks" / name for name in (".", "going_further", "solutions"))
    everything = [path for folder in folders for path in folder.glob("*.ipynb")]
    # Notebook E is of another network, and so are its solutions.
    everything = [path for path in everything if not path.name.startswith("e_")]
    paths = sorted(given.notebooks or everything, key=lambda path: path.name)
    seeds = list(range(len(SHIPPED))) if given.seed is None else [given.seed]
    start = time.perf_counter()
    found = run(paths, seeds)
    if len(seeds) > 1:
        print("\nSaid of one network alone, and of how many it holds:")
        for name, by_seed in found.items():
            for line in said_of_one(by_seed):
                print(f"{name}, {line}")
        BUILD.mkdir(parents=True, exist_ok=True)
        page = fill(PAGE.read_text(encoding="utf-8"), found)
        write_atomically(BUILD / PAGE.name, page.encode())
        print(f"\nThe table of docs/{PAGE.name}, filled anew, is in {BUILD / PAGE.name}")
    claims = [claim for by_seed in found.values() for some in by_seed.values() for claim in some]
    fallen = sum(falls(claim) for claim in claims)
    minutes = (time.perf_counter() - start) / 60
    runs = f"notebooks: {len(paths)}, networks: {len(seeds)}, minutes: {minutes:.0f}"
    print(f"\n{runs}; of {len(claims)} claims, {fallen or 'none'} fall")
    sys.exit(fallen > 0)


def run(paths: list[Path], seeds: list[int]) -> dict[str, dict[int, list[Claim]]]:
    """The claims of each notebook, by its name and the network's seed; those that fall are printed as they do."""
    found: dict[str, dict[int, list[Claim]]] = {name_of(path): {} for path in paths}
    asked = [(path, seed) for seed in seeds for path in paths]
    # A new process for each: what one notebook sets is gone with it. Each takes one thread and up to 2 GB of memory.
    spawn = multiprocessing.get_context("spawn")
    workers = min(os.cpu_count() or 1, 4)
    with (
        ProcessPoolExecutor(workers, spawn, torch.set_num_threads, (1,), max_tasks_per_child=1) as pool,
        tqdm(total=len(asked), unit="notebook", file=sys.stdout, ncols=100) as bar,
    ):
        switches = [{"weights": SHIPPED[seed], "seed": seed} for _, seed in asked]
        answers = pool.map(claims_of, [path for path, _ in asked], switches)
        for (path, seed), claims in zip(asked, answers, strict=True):
            found[name_of(path)][seed] = claims
            for claim in filter(falls, claims):
                bar.write(f"{name_of(path)}, {SHIPPED[seed]}, {claim}")
            bar.update()
    return found


def name_of(path: Path) -> str:
    """The name of the notebook at `path`; solutions have that of their notebook, and their folder before it."""
    return f"solutions/{path.stem}" if path.parent.name == "solutions" else path.stem


def falls(claim: Claim) -> bool:
    return claim.falls > 0 and not claim.here


def said_of_one(by_seed: dict[int, list[Claim]]) -> list[str]:
    """For each claim of one network alone, for how many of the networks it holds."""
    held: dict[tuple[int, str], list[bool]] = {}
    for claims in by_seed.values():
        for claim in claims:
            if claim.here:
                held.setdefault((claim.cell, claim.text), []).append(claim.falls == 0)
    return [f"cell {cell}: {text}: {sum(some)} of {len(some)}" for (cell, text), some in held.items()]


if __name__ == "__main__":
    main()
