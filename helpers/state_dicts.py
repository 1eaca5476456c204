"""Files of weights: read what torch.save has written, and say in a line what else a file holds."""

import re
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from pickle import UnpicklingError
from zipfile import ZipFile

import torch
from torch import Tensor, nn


def load_weights(network: nn.Module, path: Path) -> None:
    """Give `network` the weights in the file `path`: the `state_dict` of such a network, as torch.save writes it.

    Raises:
        OSError: the file can't be read.
        ValueError: it is damaged, holds more than tensors, weights that are wrapped or of another network, or NaN or
            infinity.
    """
    state = _read(path)
    if wrapping := _wrapping(state, network.state_dict().keys(), path):
        raise ValueError(f"{path} holds the weights {wrapping}")
    network.load_state_dict(check_weights(state, network, str(path)))


def check_weights(state: object, network: nn.Module, source: str) -> Mapping[str, Tensor]:
    """`state`, which is a `state_dict` of a network like `network`, and finite.

    Args:
        source: what the message calls the place from which the state comes.

    Raises:
        ValueError: a name or a shape differs, or a number is NaN or infinite; the first one is named.
    """
    wanted = network.state_dict()
    fault = f"it is of the type {type(state).__name__}, not a dictionary of tensors"
    if not isinstance(state, Mapping) or (fault := _difference(state, wanted)):
        raise ValueError(f"{source} does not hold the weights of a {type(network).__name__}: {fault}")
    for name, weights in wanted.items():
        # What is finite in double precision may be infinite in single.
        if not state[name].to(weights.dtype).isfinite().all():
            raise ValueError(f"{source} holds weights that are NaN or infinite ({name!r}): that training went wrong")
    return state


def _read(path: Path) -> object:
    """What torch.save has written to `path`, if it is tensors and nothing else.

    Its old format, from before version 1.6, can be read, too. It has no checksums: numbers that changed go unnoticed.

    Raises:
        OSError: the file can't be read.
        ValueError: it is something else, or damaged.
    """
    with path.open("rb") as file:
        start = file.read(100)
    if not start:
        raise ValueError(f"{path} is empty; fetch it, or save it, again")
    if start.startswith(b"version https://git-lfs"):
        raise ValueError(f"{path} is a pointer of Git LFS, not the file itself; fetch that with `git lfs pull`")
    if start.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<"):
        raise ValueError(f"{path} is a page of HTML, not weights: the download went wrong; fetch the file itself")
    if not start.startswith((b"PK", b"\x80")):  # a zip, and a pickle, as the old format was
        raise ValueError(f"{path} is no file that torch.save has written: it begins with {start[:20]!r}")
    # torch.load does not look at the checksums that torch.save has written.
    if start.startswith(b"PK"):
        try:
            with ZipFile(path) as archive:
                broken = archive.testzip()
        except Exception as error:  # zipfile, too, has many
            raise ValueError(f"{path} is damaged, as if only a part of it had been fetched") from error
        if broken:
            raise ValueError(f"{path} is damaged: the checksum of {broken} in it is wrong")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a pickle that is none of torch.save's; it is refused below
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # so has torch.load, of damaged bytes
        if isinstance(error, UnpicklingError) and (objects := re.search(r"GLOBAL (\S+)", str(error))):
            raise ValueError(
                f"{path} holds Python objects ({objects[1]}) besides tensors, as torch.save(model) writes them; they "
                "could run code, so they are refused. Save the weights alone: torch.save(model.state_dict(), ...)"
            ) from error
        raise ValueError(f"{path} is damaged, or is no file that torch.save has written") from error


def _wrapping(state: object, names: Iterable[str], path: Path) -> str:
    """How the weights of these names are wrapped in `state`, and the line that takes them out; or nothing."""
    if not isinstance(state, Mapping):
        return ""
    for key, inner in [(None, state), *state.items()]:
        prefix = _prefix(inner, names) if isinstance(inner, Mapping) else None
        if prefix is None or (key is None and not prefix):
            continue
        line, how = f"torch.load({str(path)!r}, map_location='cpu', weights_only=True)", []
        if key is not None:
            line += f"[{key!r}]"
            how.append(f"in a dictionary, under {key!r}")
        if prefix:
            line = f"{{name.removeprefix({prefix!r}): value for name, value in {line}.items()}}"
            makers = {"module.": "DataParallel", "_orig_mod.": "torch.compile"}
            by = [maker for mark, maker in makers.items() if mark in prefix] or ["a larger model"]
            how.append(f"wrapped by {' and '.join(by)}, with {prefix!r} before each name")
        unwrapped = path.with_stem(f"{path.stem}_unwrapped")
        return f"{' and '.join(how)}; take them out with torch.save({line}, {str(unwrapped)!r}), and load that file"
    return ""


def _prefix(state: Mapping, names: Iterable[str]) -> str | None:
    """What stands before each name in `state`, if these are `names` otherwise."""
    first = next(iter(names))
    for name in state:
        if str(name).endswith(first):
            prefix = str(name).removesuffix(first)
            if {prefix + name for name in names} == state.keys():
                return prefix
    return None


def _difference(state: Mapping, wanted: Mapping[str, Tensor]) -> str:
    """The first thing in which `state` is not as `wanted`; empty if there is none."""
    missing = [f"{name!r} is missing" for name in wanted if name not in state]
    unknown = [f"{name!r} is unknown" for name in state if name not in wanted]
    if missing or unknown:
        return " and ".join(missing[:1] + unknown[:1])
    for name, weights in wanted.items():
        given = state[name]
        if not isinstance(given, Tensor):
            return f"{name!r} is of the type {type(given).__name__}, not a tensor"
        if given.shape != weights.shape:
            return f"{name!r} has the shape {tuple(given.shape)}, not {tuple(weights.shape)}"
    return ""
