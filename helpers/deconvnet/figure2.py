"""The paper's figure 2: the images of a dataset that excite each feature map most, and what it saw in them."""

import sys
from collections.abc import Iterable, Iterator, Sequence, Sized
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, RandomSampler
from tqdm import tqdm

from helpers.checks import check_count, check_layout, kind_of
from helpers.deconvnet import net as deconvnet
from helpers.deconvnet import places
from helpers.deconvnet.fields import receptive_field
from helpers.deconvnet.net import DeconvNet
from helpers.deconvnet.trace import Trace


@dataclass(frozen=True, eq=False)
class Strongest:
    """For each of C maps the k images in which it is strongest, strongest first, and where it is.

    Attributes:
        layer: whose maps they are.
        images: `(C, k)`, int64, the numbers of the images, counted from 0 as they came.
        values: `(C, k)`, the largest activation in each of them.
        rows, columns: `(C, k)`, int64, where in the map it stands. Zeros where the layer has one number a channel.
    """

    layer: str
    images: Tensor
    values: Tensor
    rows: Tensor
    columns: Tensor


def strongest(net: DeconvNet, images: Tensor | Iterable[Any], layer: str, k: int = 9) -> Strongest:
    """For each map of `layer` the k images with the largest activations, one place an image, in one pass.

    Of equal activations that of the earlier image comes first. Within an image it is the place that `project` takes for
    the peak. The images are recorded a few at a time, and no further than to the layer: at any time there is one trace,
    of 256 MiB or of one image, however many images there are.

    Args:
        images: `(N, C, H, W)`, also in a tensor that is mapped to a file. Or batches of such, as a `DataLoader` gives
            them, alone or with others behind, as in `(images, labels)`.

    Returns:
        tensors on the CPU.

    Raises:
        TypeError: `images` are neither, a batch is no tensor of floating-point pixels, or `k` is no integer.
        ValueError: there are fewer images than k; a DataLoader shuffles them; the layer does not exist, or gives
            neither `(N, C)` nor `(N, C, h, w)`; and as `DeconvNet.record`.

    Source: Zeiler & Fergus (2013), section 4.1 and figure 2.
    """
    k = check_count("k", k)
    best: list[Tensor] = []
    count = 0
    for activation in _activations(net, images, layer):
        numbers = torch.arange(count, count + len(activation), device=activation.device)
        count += len(activation)
        there = places.peaks(activation)
        width = activation.shape[3] if activation.dim() == 4 else 1
        values = activation.reshape(*there.shape, -1).gather(2, there.unsqueeze(2)).squeeze(2)
        found = [values.T, numbers.expand(len(values.T), -1), there.T // width, there.T % width]
        best = [torch.cat(both, dim=1) for both in zip(best, found, strict=True)] if best else found
        order = best[0].argsort(dim=1, descending=True, stable=True)[:, :k]
        best = [one.gather(1, order) for one in best]
    if count < k:
        raise ValueError(f"k is {k}, but there are only {count} images")
    values, numbers, rows, columns = (one.cpu() for one in best)
    return Strongest(layer, numbers, values, rows, columns)


def _activations(net: DeconvNet, images: Tensor | Iterable[Any], layer: str) -> Iterator[Tensor]:
    """The output of `layer` for a few images at a time, with a progress bar."""
    if isinstance(images, Tensor):
        check_layout(images, "strongest")
    elif isinstance(images, Dataset) or not isinstance(images, Iterable):
        wanted = "a tensor (N, C, H, W), or batches of such, as DataLoader(dataset, batch_size=32) gives them"
        raise TypeError(f"images are {kind_of(images)}; strongest needs {wanted}")
    elif isinstance(images, DataLoader) and isinstance(images.sampler, RandomSampler):
        raise ValueError(
            "the DataLoader shuffles: the numbers of its images would say nothing; shuffle=False keeps them"
        )
    shape, at_a_time = torch.Size(), 1
    # On stdout, as notebooks show stderr as an error.
    with tqdm(total=_count(images), desc="images", unit="image", file=sys.stdout) as bar:
        for batch in [images] if isinstance(images, Tensor) else images:
            batch = _without_labels(batch)
            check_layout(batch, "strongest")
            if batch.shape[1:] != shape:
                shape = batch.shape[1:]
                at_a_time = deconvnet.fitting(deconvnet.recorded(net.model, batch[:1], until=layer))
            for some in batch.split(at_a_time):
                yield _activation(deconvnet.recorded(net.model, some, until=layer), layer)
                bar.update(len(some))


def _count(images: Any) -> int | None:
    """How many images there are, where that can be told before they have come."""
    if isinstance(images, Tensor):
        return len(images)
    return len(images.sampler) if isinstance(images, DataLoader) and isinstance(images.sampler, Sized) else None


def _without_labels(thing: Any) -> Any:
    return thing[0] if isinstance(thing, (tuple, list)) and thing else thing


def _activation(trace: Trace, layer: str) -> Tensor:
    activation = deconvnet.maps_of(trace, layer)
    if activation.dim() not in (2, 4):
        shape = tuple(activation.shape)
        raise ValueError(f"layer {layer!r} gives the shape {shape}; strongest needs (N, C) or (N, C, h, w)")
    return activation


def patches(
    net: DeconvNet, images: Tensor | Sequence[Any], found: Strongest, channels: Sequence[int] | None = None
) -> tuple[Tensor, Tensor]:
    """What excites each map most, and what it saw there: patches of the images, and their projections.

    Each projection is that of the strongest place alone. Both are cropped to what this place sees, its receptive field.
    They have the size of the largest that the layer has; where one ends at the border of the image, zeros stand beyond,
    as they did for the network. Each image is recorded once. Beside the result there is one trace at a time, of one
    image, and what `DeconvNet.project` needs.

    Args:
        images: those that `strongest` was given, in the same order, of one size: a tensor `(N, C, H, W)`, or anything
            else that gives the image `(C, H, W)` of a number, alone or with others behind, such as a `Dataset`.
        found: what `strongest` has returned.
        channels: the numbers of the feature maps, K of them; None for all.

    Returns:
        patches and projections, `(K, k, C, h, w)` each. The patches are as the network takes them; the projections are
        on one scale.

    Raises:
        TypeError: `found` is no Strongest, `channels` no sequence of integers, or an image no tensor of floating-point
            pixels.
        ValueError: a channel or an image does not exist, `found` has not as many maps as the layer, the images are of
            several sizes, or a function between the layer and the pixels has no way back.

    Source: Zeiler & Fergus (2013), section 4.1 and figure 2.
    """
    if not isinstance(found, Strongest):
        raise TypeError(f"found is a {type(found).__name__}; patches needs what strongest returned")
    first = _image(images, 0)
    field = receptive_field(net.model, found.layer, first)
    sides = [int((ends[:, 1] - ends[:, 0]).max()) for ends in (field.rows, field.columns)]
    chosen = deconvnet.channels_of(found.values.T, channels)
    maps = torch.arange(len(found.images))[chosen]
    numbers, rows, columns = found.images[chosen], found.rows[chosen], found.columns[chosen]
    patches, projections = first.new_zeros(2, *numbers.shape, first.shape[1], *sides)
    for number in tqdm(numbers.unique().tolist(), desc="patches", unit="image", file=sys.stdout):
        image = _image(images, number)
        if image.shape != first.shape:
            shapes = f"image {number} has the shape {tuple(image.shape[1:])}, image 0 {tuple(first.shape[1:])}"
            raise ValueError(f"{shapes}; patches needs images of one size")
        trace = deconvnet.recorded(net.model, image, until=found.layer)
        activation = _activation(trace, found.layer)
        if (count := activation.shape[1]) != len(found.images):
            raise ValueError(
                f"found has {len(found.images)} maps, but layer {found.layer!r} has {count}; patches needs all that "
                "strongest returned, and the channels that you want"
            )
        for some in (numbers == number).nonzero().split(max(1, deconvnet.CHUNK // image.nbytes)):
            i, j = some.T
            pixels = _from_places(net, trace, found.layer, activation, maps[i], rows[i, j], columns[i, j])
            for (a, b), one in zip(some.tolist(), pixels, strict=True):
                window = field.window(int(rows[a, b]), int(columns[a, b]))
                _put(patches[a, b], image[0], *window)
                _put(projections[a, b], one, *window)
    return patches, projections


def _image(images: Any, number: int) -> Tensor:
    """The image of this number, `(1, C, H, W)`."""
    if not hasattr(images, "__getitem__"):
        wanted = "a tensor, or a dataset that gives the image of a number, such as loader.dataset"
        raise TypeError(f"images are {kind_of(images)}; patches needs {wanted}")
    try:
        image = _without_labels(images[number])
    except IndexError as error:
        raise ValueError(f"image {number} does not exist; patches needs the images that strongest was given") from error
    image = image[None] if isinstance(image, Tensor) else image
    check_layout(image, "patches")
    return image


def _from_places(
    net: DeconvNet, trace: Trace, layer: str, activation: Tensor, channels: Tensor, rows: Tensor, columns: Tensor
) -> Iterable[Tensor]:
    """Each of these maps of one image from its place alone, back in pixels: `(C, H, W)`."""
    plane = activation.shape[2:]
    there = rows * plane[1] + columns if plane else rows
    if places.peaks(activation)[0].cpu()[channels].equal(there):
        return net.project(trace, layer, channels.tolist(), "peak")[0]
    # In another batch numbers are rounded otherwise, and of two that are almost equal another may be the larger.
    masks = torch.zeros(len(there), plane.numel(), dtype=torch.bool).scatter(1, there[:, None], True)
    masks = masks.unflatten(1, plane).to(activation.device)
    return [net.project(trace, layer, [k], mask)[0, 0] for k, mask in zip(channels.tolist(), masks, strict=True)]


def _put(frame: Tensor, image: Tensor, rows: slice, columns: slice) -> None:
    """Crop `image` `(C, H, W)`, and put it where it lies in its `frame`, of which a part may be beyond a border."""
    height, width = rows.stop - rows.start, columns.stop - columns.start
    top = frame.shape[1] - height if rows.start == 0 else 0
    left = frame.shape[2] - width if columns.start == 0 else 0
    frame[:, top : top + height, left : left + width] = image[:, rows, columns]
