"""The table of claims in docs/verification.md: what its rows name is compared in the notebooks, and fills them.

A row is | claim | notebook | `what is compared` | here | on six |, the notebook by its number or letter. What is
compared is one side of a comparison, which gives numbers; or all of it, which holds or falls.
"""

import re
from collections.abc import Mapping

from replication.claims import Claim, span

ROW = re.compile(r"^(\| .+ \| (\w+) \| `([^`]+)` \|) [^|]* \| [^|]* \|$", re.MULTILINE)


def fill(page: str, found: Mapping[str, Mapping[int, list[Claim]]]) -> str:
    """`page` with its rows filled anew; `found` are the claims by notebook and by seed, 0 for the first network.

    Raises:
        ValueError: a row names what its notebook does not compare, on one of the networks.
    """

    def filled(row: re.Match[str]) -> str:
        start, notebook, source = row.groups()
        by_seed = next((some for name, some in found.items() if name.startswith(f"{notebook.lower()}_")), None)
        if by_seed is None:
            return row[0]
        return f"{start} {' | '.join(_cells(source, by_seed, notebook))} |"

    return ROW.sub(filled, page)


def _cells(source: str, by_seed: Mapping[int, list[Claim]], notebook: str) -> tuple[str, str]:
    numbers = {
        seed: [value for claim in claims for value in claim.values.get(source, [])] for seed, claims in by_seed.items()
    }
    if all(numbers.values()):
        return span(numbers[0]), span([value for some in numbers.values() for value in some])
    whole = {seed: [claim for claim in claims if claim.text == source] for seed, claims in by_seed.items()}
    if not all(whole.values()):
        raise ValueError(f"notebook {notebook} compares no {source}, which a row of the table asks for")
    held = {seed: not any(claim.falls for claim in some) for seed, some in whole.items()}
    return "holds" if held[0] else "falls", f"holds for {sum(held.values())}"
