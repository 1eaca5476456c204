"""A network of your own in one file, for the page of the web edition: `docs/network_file.md` says what stands in it."""

import copy
import json
from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path

from safetensors.torch import save
from torch import Tensor, nn

from helpers.checks import check_images, check_labels, check_shown, per_channel
from helpers.deconvnet.net import recorded
from helpers.deconvnet.ready import unwrapped
from helpers.deconvnet.recipe import Recipe, Step, check_same_way, recipe_of
from helpers.files import write_atomically
from helpers.state_dicts import check_weights

# What the page reads at most.
_MOST = {
    "bytes of weights and images": 2**26,
    "bytes of names and steps": 2**21,
    "weights": 2**22,
    "numbers in all layers of an image": 2**24,
    "numbers in one layer of an image": 2**22,
    "multiplications for an image": 2**30,
    "steps": 1000,
    "sets of weights": 256,
    "images": 10_000,
}
# Layers of more maps than this can't be chosen.
_MAPS = 2**17


def save_network(
    path: Path | str,
    model: nn.Module,
    images: Tensor,
    labels: Tensor | None = None,
    names: Sequence[str] | None = None,
    mean: Tensor | Sequence[float] | float = 0.0,
    std: Tensor | Sequence[float] | float = 1.0,
    checkpoints: Mapping[str, Mapping[str, Tensor]] | None = None,
) -> None:
    """Write `model` to the file `path`, as what it does to an image, up to the scores of the classes.

    The page of the web edition shows each feature map's way back for these images. Nothing of the model is left in the
    file but the functions that an image goes through, and their numbers, in single precision.

    Args:
        path: ends with `.safetensors`. What lies there is written over.
        model: what a `DeconvNet` takes, in eval mode. It is not changed.
        images: `(N, C, H, W)`, as the model takes them, C 1 or 3. A few are enough.
        labels: `(N,)`, int64, the class that each shows.
        names: of the classes.
        mean, std: what was taken off the images, and by what they were divided then: a number, or one for each channel.
        checkpoints: more weights, for a slider over the training: `state_dict`s by what they are called, such as
            `"step 100"`, in their order. The model's own come last, as `"trained"`, unless the last of these are they.

    Raises:
        TypeError: the model is no module, or the images or the labels are no tensors of their kind.
        ValueError: a function on the way to the scores has no way back or can't be written, which is named; the images,
            the labels, the names or a checkpoint don't fit the model; the network does not do the same for all of them;
            or it is too large for the page.
        OSError: the file can't be written.
    """
    wanted_by = "save_network"
    if Path(path).suffix != ".safetensors":
        raise ValueError(f"path is {str(path)!r}; it must end with .safetensors, by which the page knows the file")
    model = copy.deepcopy(unwrapped(model)).cpu()
    check_images(images, wanted_by)
    _check_count("images", len(images))
    images, channels = images.detach().cpu(), images.shape[1]
    if channels not in (1, 3):
        raise ValueError(f"images have {channels} channels; {wanted_by} takes 1, which is grey, or 3, in colour")
    means, stds = (per_channel(one, channels, name) for name, one in (("mean", mean), ("std", std)))
    if not (stds > 0).all():
        raise ValueError(f"std is {std!r}; it must be above zero")
    check_shown(images, means, stds, wanted_by)
    networks = _networks(model, checkpoints or {})
    traces = [recorded(network, images[:1]) for network in networks.values()]
    recipe = recipe_of(traces)
    for i in range(1, len(images)):
        check_same_way(traces[-1], recorded(model, images[i : i + 1]))
    classes = _classes(recipe, names)
    if labels is not None:
        check_labels(labels.cpu(), images, wanted_by)
        if classes and labels.max() >= len(classes):
            raise ValueError(f"labels hold {int(labels.max())}; {wanted_by} needs 0 to {len(classes) - 1}")
    header = {
        "version": 1,
        "steps": [
            {"function": step.function, "inputs": step.inputs, "shape": step.shape, **step.settings}
            for step in recipe.steps
        ],
        "layers": [
            {"name": name, "value": value} for name, value in recipe.layers.items() if _maps(recipe, value) <= _MAPS
        ],
        "classes": classes,
        "mean": means.flatten().tolist(),
        "std": stds.flatten().tolist(),
        "weights": _short(list(networks)),
    }
    tensors = {"images": images.float().contiguous()} | _weights(recipe)
    if labels is not None:
        tensors["labels"] = labels.cpu().int().contiguous()
    content = save(tensors, {"format": "deconvnet", "network": json.dumps(header)})
    _check_size(recipe, len(networks), content)
    write_atomically(Path(path), content)


def _networks(model: nn.Module, checkpoints: Mapping[str, Mapping[str, Tensor]]) -> dict[str, nn.Module]:
    """A network for each checkpoint, by its name; the model itself is the last."""
    networks = {}
    for name, state in checkpoints.items():
        networks[f"{name}"] = copy.deepcopy(model)
        networks[f"{name}"].load_state_dict(check_weights(state, model, f"checkpoint {name!r}"))
    last = list(networks.values())[-1:]
    if last and all(one.equal(own) for one, own in zip(*(net.state_dict().values() for net in (*last, model)))):  # noqa: B905
        return networks
    if "trained" in networks:
        raise ValueError("a checkpoint is called 'trained', but it is not the last and not what the model is now")
    return networks | {"trained": model}


def _maps(recipe: Recipe, value: int) -> int:
    """How many maps a value has."""
    return (recipe.steps[value - 1].shape if value else recipe.shape)[1]


def _classes(recipe: Recipe, names: Sequence[str] | None) -> list[str]:
    """What the classes are called; none if the network does not end with scores."""
    if recipe.scores is None:
        if names is not None:
            raise ValueError(f"{len(names)} names, but the network does not end with scores of classes, (N, classes)")
        return []
    count = recipe.steps[-1].shape[1]
    if names is not None and len(names) != count:
        raise ValueError(f"{len(names)} names for {count} classes; save_network needs as many of each")
    return _short([f"{name}" for name in (range(count) if names is None else names)])


def _short(names: list[str]) -> list[str]:
    """These names, which the page has room for."""
    if any(not 0 < len(name) <= 200 for name in names):
        raise ValueError("the page takes names of 1 to 200 letters; one of these is shorter or longer")
    return names


def _weights(recipe: Recipe) -> dict[str, Tensor]:
    """Those of each step, by the number of the network, the number of the step, and what they are in it.

    What is the same as in the first network stands there alone.
    """
    tensors: dict[str, Tensor] = {}
    for number, step in enumerate(recipe.steps, start=1):
        for part, own in step.tensors.items():
            for network, tensor in enumerate(own):
                if network == 0 or not tensor.equal(own[0]):
                    plain = tensor.detach().cpu()
                    plain = plain.float() if plain.is_floating_point() else plain.int()
                    tensors[f"{network}.{number}.{part}"] = plain.contiguous().clone()
    return tensors


def _check_size(recipe: Recipe, sets: int, content: bytes) -> None:
    header = int.from_bytes(content[:8], "little")
    _check_count("bytes of weights and images", len(content) - header)
    _check_count("bytes of names and steps", header)
    _check_count("weights", sum(own[0].numel() for step in recipe.steps for own in step.tensors.values()))
    _check_count("numbers in all layers of an image", sum(prod(step.shape) for step in recipe.steps))
    _check_count("numbers in one layer of an image", max(prod(step.shape) for step in recipe.steps))
    _check_count("multiplications for an image", sum(map(_multiplications, recipe.steps)))
    _check_count("steps", len(recipe.steps))
    _check_count("sets of weights", sets)


def _check_count(what: str, count: int) -> None:
    if count > _MOST[what]:
        raise ValueError(
            f"the file would hold {count:,} {what}; the page reads up to {_MOST[what]:,}: "
            "give it fewer images or checkpoints, smaller images, or a smaller network"
        )


def _multiplications(step: Step) -> int:
    match step.function:
        case "conv2d":
            return prod(step.shape[-2:]) * step.tensors["weight"][0].numel()
        case "linear" | "matrix":
            return step.settings.get("planes", 1) * step.tensors["weight"][0].numel()
    return prod(step.shape)
