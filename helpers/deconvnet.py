"""The deconvnet of Zeiler & Fergus (2013): feature maps back in pixels.

Up: `DeconvNet.record` runs a chain of layers and notes what the way back needs. Down: `DeconvNet.project` takes one
feature map at a time and undoes the layers in reverse, each by its own step: `unpool`, `rectify`, `filter_back`.
`DeconvNet.walk` does just that, where you can watch. `project` arranges the same steps for speed.
"""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from helpers import fast
from helpers.checks import as_integers, check_count, check_images, check_integer, check_layout, kind_of

# In eval mode these hand their input on as it is.
_IDENTITY = (nn.Identity, nn.Dropout, nn.Dropout2d)

# Bytes of the largest signal that `project` works on at a time, so that it stays in the processor's cache.
_AT_A_TIME = 2**24


def unpool(signal: Tensor, switches: Tensor, size: Sequence[int]) -> Tensor:
    """Put each value back where its switch says the maximum stood; all else is zero.

    Where pooling windows overlap, one position can win several of them: the values add up. (`torch.nn.MaxUnpool2d`
    keeps only one of them.)

    Args:
        signal: `(..., h, w)`, one value a pooling window.
        switches: `(..., h, w)`, int64, broadcast to `signal`: positions counted row by row through the `(H, W)` plane,
            as `torch.nn.MaxPool2d(return_indices=True)` gives them.
        size: `(H, W)` before pooling.

    Returns:
        `(..., H, W)`.

    Raises:
        TypeError: the switches are not int64.
        ValueError: they do not fit the signal, or lead out of the plane.

    Source: Zeiler & Fergus (2013), section 2.1, "Unpooling".
    """
    height, width = _plane(size)
    if not isinstance(switches, Tensor) or switches.dtype != torch.int64:
        raise TypeError(
            f"switches are {kind_of(switches)}; unpool needs int64, as max pooling with return_indices=True gives"
        )
    if not isinstance(signal, Tensor) or signal.dim() < 2:
        raise ValueError(f"signal is {_given(signal)}; unpool needs a tensor (..., h, w)")
    planes = signal.new_zeros(*signal.shape[:-2], height * width)
    try:
        planes.scatter_add_(-1, switches.expand_as(signal).flatten(-2), signal.flatten(-2))
    except RuntimeError as error:
        raise ValueError(
            f"switches of the shape {tuple(switches.shape)} can't bring a signal of the shape {tuple(signal.shape)} "
            f"back to {height}×{width}: {error}"
        ) from error
    return planes.unflatten(-1, (height, width))


def rectify(signal: Tensor) -> Tensor:
    """`max(signal, 0)`, for any shape. Source: Zeiler & Fergus (2013), section 2.1, "Rectification"."""
    return signal.clamp(min=0)


def filter_back(signal: Tensor, conv: nn.Conv2d, size: Sequence[int]) -> Tensor:
    """The transposed convolution: each filter flipped vertically and horizontally, input and output channels exchanged.

    The bias is not used: what it added carries no trace of the image.

    Args:
        signal: `(N, conv.out_channels, h, w)`.
        conv: the layer that was applied on the way up.
        size: `(H, W)` of what `conv` was applied to. Rows that its stride never reached come back as zeros.

    Returns:
        `(N, conv.in_channels, H, W)`.

    Raises:
        TypeError: `conv` is no convolution, or its filters have another dtype than the signal.
        ValueError: it can't be reversed, or never gives such a signal, or not from planes of this size.

    Source: Zeiler & Fergus (2013), section 2.1, "Filtering".
    """
    if not isinstance(conv, nn.Conv2d):
        raise TypeError(f"conv is a {type(conv).__name__}; filter_back needs a Conv2d")
    _check_reversible(conv, "conv")
    height, width = _plane(size)
    if not isinstance(signal, Tensor) or signal.dim() != 4 or signal.shape[1] != conv.out_channels:
        raise ValueError(f"signal is {_given(signal)}; filter_back needs a tensor (N, {conv.out_channels}, h, w)")
    weight = conv.weight
    if signal.dtype != weight.dtype:
        raise TypeError(f"signal is {signal.dtype}, the filters {weight.dtype}; filter_back needs both to be the same")
    padding = _padding(conv)
    reached = [
        (signal.shape[2 + i] - 1) * conv.stride[i] - 2 * padding[i] + conv.dilation[i] * (conv.kernel_size[i] - 1) + 1
        for i in (0, 1)
    ]
    unreached = [height - reached[0], width - reached[1]]
    if not all(0 <= unreached[i] < conv.stride[i] for i in (0, 1)):
        given = f"{signal.shape[2]}×{signal.shape[3]}"
        raise ValueError(
            f"signal is {given}, size {height}×{width}; this convolution makes {given} from {reached[0]}×{reached[1]}"
        )
    if fast.applies(conv, padding) and conv.in_channels <= fast.FEW:
        return fast.to_few_channels(signal, weight, padding)
    return F.conv_transpose2d(
        signal,
        weight,
        stride=conv.stride,
        padding=padding,
        output_padding=unreached,
        groups=conv.groups,
        dilation=conv.dilation,
    )


def _plane(size: Sequence[int]) -> tuple[int, int]:
    try:
        sides = as_integers(size)
    except TypeError:
        sides = []
    if len(sides) != 2 or min(sides) <= 0:
        raise ValueError(f"size is {size!r}; it must be (H, W), two integers above zero")
    return sides[0], sides[1]


def _given(signal: object) -> str:
    return f"of the shape {tuple(signal.shape)}" if isinstance(signal, Tensor) else f"a {type(signal).__name__}"


# What the way back does at a ReLU, and the one place where the three methods differ: `(signal, activation) -> signal`.
RULES: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    # Zeiler & Fergus (2013), section 2.1
    "deconvnet": lambda signal, activation: rectify(signal),
    # Simonyan, Vedaldi & Zisserman (2013), arXiv:1312.6034
    "gradient": lambda signal, activation: torch.where(activation > 0, signal, 0),
    # Springenberg et al. (2014), arXiv:1412.6806, "Deconvolution"
    "guided": lambda signal, activation: torch.where(activation > 0, rectify(signal), 0),
}


@dataclass(frozen=True)
class Trace:
    """What one forward pass leaves for the way back.

    Attributes:
        features: the chain that was run.
        images: `(N, C, H, W)`, its input.
        activations: the output of each layer by its name, in order, `(N, C, h, w)`.
        switches: for each max pooling by its name, `(N, C, h, w)`, int64: where in the plane before pooling each
            maximum stood, counted row by row.
    """

    features: nn.Sequential
    images: Tensor
    activations: Mapping[str, Tensor]
    switches: Mapping[str, Tensor]


class DeconvNet:
    """Maps the feature maps of a chain of layers back to pixels.

    The chain is not copied: if its weights change, record again.

    Args:
        features: a Sequential of `Conv2d`, `ReLU` and `MaxPool2d`, in eval mode, and of layers that then do nothing
            (`Dropout`, `Identity`). Layers without names have their indices as names: `"0"`, `"1"`, …
        rule: what happens at a ReLU on the way back: `"deconvnet"`, `"gradient"` or `"guided"`.

    Raises:
        TypeError: a layer is none of these.
        ValueError: the rule is unknown, or a layer has settings that can't be reversed.

    Source: Zeiler & Fergus (2013), "Visualizing and Understanding Convolutional Networks", arXiv:1311.2901,
        section 2.1.
    """

    def __init__(self, features: nn.Sequential, rule: str = "deconvnet") -> None:
        if not isinstance(rule, str) or rule not in RULES:
            raise ValueError(f"rule {rule!r} is not known; choose one of {', '.join(RULES)}")
        if not isinstance(features, nn.Sequential):
            raise TypeError(
                f"features is a {type(features).__name__}; a DeconvNet needs a Sequential, such as model.features"
            )
        self.features = features
        self.rule = rule
        # named_children would pass over a layer that stands in the chain twice.
        self.layers = {
            name: layer for name, layer in features.named_modules(remove_duplicate=False) if name and "." not in name
        }
        for position, (name, layer) in enumerate(self.layers.items()):
            _check_reversible(layer, f"layer {position} ({name!r}, {type(layer).__name__})")

    def record(self, images: Tensor) -> Trace:
        """Run `images` `(N, C, H, W)` through the chain and keep what the way back needs.

        Raises:
            TypeError: `images` is not a tensor of the chain's dtype.
            ValueError: `images` has a shape or values that the chain can't take, the chain is in train mode, or one of
                its layers gives NaN or infinity.
        """
        self._check_images(images)
        activations, switches = {}, {}
        signal = images
        with torch.no_grad():
            for name, layer in self.layers.items():
                try:
                    signal, places = _step_up(layer, signal)
                except RuntimeError as error:
                    shape = tuple(images.shape)
                    raise ValueError(f"images of the shape {shape} can't pass layer {name!r}: {error}") from error
                if isinstance(layer, nn.Conv2d):  # from finite numbers nothing else makes NaN or infinity
                    _check_finite(signal, name, layer)
                activations[name] = signal
                if places is not None:
                    switches[name] = places
        return Trace(self.features, images, activations, switches)

    def stream(self, images: Tensor, batch_size: int = 250, start: int = 0) -> Iterator[tuple[slice, Trace]]:
        """`record` a whole dataset, batch after batch, with a progress bar; no trace is kept.

            for part, trace in net.stream(images):
                ink[part] = net.project(trace, "pool2").clamp(min=0).sum(dim=(2, 3, 4))

        Stop whenever you like; `start=part.stop` goes on where you stopped.

        Args:
            images: `(N, C, H, W)`. They may be more than memory holds, in a tensor that is mapped to a file.
            batch_size: how many images to record at a time; take few where they are large.
            start: the first image to record, counted from 0.

        Yields:
            which of the images they are, and their trace.

        Raises:
            TypeError: `images` is no tensor of floating-point pixels, or `batch_size` or `start` no integer.
            ValueError: `images` has another shape, `batch_size` is not positive, or `start` not from 0 to N; and as
                `record`, when it comes to that batch.
        """
        check_layout(images, "stream")
        batch_size = check_count("batch_size", batch_size)
        start = check_integer("start", start)
        if not 0 <= start <= len(images):
            raise ValueError(f"start is {start}; it must be from 0 to {len(images)}, the number of images")
        return self._stream(images, batch_size, start)

    def _stream(self, images: Tensor, batch_size: int, start: int) -> Iterator[tuple[slice, Trace]]:
        # On stdout, as notebooks show stderr as an error.
        with tqdm(total=len(images), initial=start, desc="images", unit="image", file=sys.stdout) as bar:
            for first in range(start, len(images), batch_size):
                part = slice(first, min(first + batch_size, len(images)))
                yield part, self.record(images[part])
                bar.update(part.stop - part.start)

    def project(self, trace: Trace, layer: str, channels: Sequence[int] | None = None, select: str = "map") -> Tensor:
        """Each chosen feature map of `layer`, alone, back in pixels.

        All other maps of that layer are set to zero, once, at the top; on the way down nothing is.

        Args:
            trace: what `record` returned for the images.
            layer: the name of the layer whose output is projected.
            channels: the numbers of the feature maps, K of them, also as an array or a tensor; None for all.
            select: `"map"` projects the whole map, `"peak"` only its strongest activation, as in the paper's figure 2.

        Returns:
            `(N, K, C, H, W)`, signed and not rescaled: positive where the filters ask for ink, negative for paper.

        Raises:
            TypeError: `trace` is no Trace, `layer` is no name, or `channels` no sequence of integers.
            ValueError: the trace is of another chain, or the layer, a channel or `select` does not exist.
        """
        self._check_walk(trace, layer)
        activation = trace.activations[layer]
        wanted = _numbers(activation, channels)
        maps = _chosen(activation, wanted, select)
        pixels = maps.new_empty(*maps.shape[:2], *trace.images.shape[1:])
        way_down = self._way_down(trace, layer)
        with torch.no_grad():
            for images, chosen in _portions(trace, *maps.shape[:2]):
                numbers = chosen if channels is None else wanted[chosen]
                pixels[images, chosen] = self._project(maps[images, chosen], trace, way_down, images, numbers)
        return pixels

    def walk(
        self, trace: Trace, layer: str, channels: Sequence[int] | None = None, select: str = "map"
    ) -> Iterator[tuple[str, Tensor]]:
        """The way of `project`, one layer at a time, and nothing but the paper's three steps.

        Yields:
            the name of the layer that was just undone, from `layer` down to the first, and the signal below it,
            `(N, K, C, h, w)`. The last signal is what `project` returns, but for rounding.

        Raises:
            TypeError, ValueError: as `project`, before the first step.
        """
        self._check_walk(trace, layer)
        return self._walk(_alone(trace.activations[layer], channels, select), trace, layer)

    def _walk(self, signal: Tensor, trace: Trace, layer: str) -> Iterator[tuple[str, Tensor]]:
        for name, size in self._way_down(trace, layer):
            # Left before each yield: whoever takes the signal may want gradients of their own.
            with torch.no_grad():
                signal = self._step_back(name, signal, _recorded(trace, name)[:, None], size)
            yield name, signal

    def _project(
        self,
        maps: Tensor,
        trace: Trace,
        way_down: Sequence[tuple[str, Sequence[int]]],
        images: slice,
        channels: slice | Tensor,
    ) -> Tensor:
        """`project` of some images and channels, whose `maps` are `(N, K, h, w)`: `(N, K, C, H, W)`.

        Down to the first convolution each map is the only one of its layer that is not zero, and goes alone.
        """
        signal, alone = maps[:, :, None], True
        for name, size in way_down:
            conv = self.layers[name]
            if alone and isinstance(conv, nn.Conv2d):
                alone = False
                if fast.applies(conv, _padding(conv)):
                    signal = fast.of_single_channels(signal[:, :, 0], conv.weight[channels], _padding(conv))
                    continue
                signal = _among_zeros(signal[:, :, 0], channels, conv.out_channels)
            recorded = _recorded(trace, name)
            own = recorded[images, channels, None] if alone else recorded[images, None]
            signal = self._step_back(name, signal, own, size)
        return _among_zeros(signal[:, :, 0], channels, trace.images.shape[1]) if alone else signal

    def _way_down(self, trace: Trace, layer: str) -> list[tuple[str, Sequence[int]]]:
        """The layers from `layer` down to the first, each with the size `(H, W)` of what it was applied to."""
        names = list(self.layers)
        names = names[: names.index(layer) + 1]
        below = [trace.images, *(trace.activations[name] for name in names)]
        return [(name, signal.shape[2:]) for name, signal in zip(names, below, strict=False)][::-1]

    def _step_back(self, name: str, signal: Tensor, recorded: Tensor, size: Sequence[int]) -> Tensor:
        """Undo the layer `name`: `(N, K, C, h, w)` above it to `(N, K, C', H, W)` below, where `size` is `(H, W)`.

        `recorded` is what the way up left of this layer, `(N, 1, C, h, w)` or as the signal.
        """
        match self.layers[name]:
            case nn.MaxPool2d():
                return unpool(signal, recorded, size)
            case nn.ReLU():
                return RULES[self.rule](signal, recorded)
            case nn.Conv2d() as conv:
                return filter_back(signal.flatten(0, 1), conv, size).unflatten(0, signal.shape[:2])
        return signal

    def _check_walk(self, trace: Trace, layer: str) -> None:
        if not isinstance(trace, Trace):
            raise TypeError(f"trace is a {type(trace).__name__}; a DeconvNet needs what record returned")
        if trace.features is not self.features:
            raise ValueError("the trace was recorded with another network; record the images with this one")
        if not isinstance(layer, str):
            raise TypeError(f"layer is {layer!r}; it must be a name, one of {', '.join(map(repr, self.layers))}")
        if layer not in self.layers:
            raise ValueError(f"layer {layer!r} is not in this network; it has {', '.join(self.layers)}")

    def _check_images(self, images: Tensor) -> None:
        if self.features.training:
            raise ValueError("the chain is in train mode; call model.eval() before record")
        check_images(images, "record")
        first = next((layer for layer in self.layers.values() if isinstance(layer, nn.Conv2d)), None)
        if first is None:
            return
        weights = first.weight
        if images.dtype != weights.dtype:
            raise TypeError(f"images are {images.dtype}, the weights {weights.dtype}; record needs both to be the same")
        if images.device != weights.device:
            raise ValueError(f"images are on {images.device}, the weights on {weights.device}; move one to the other")
        if images.shape[1] != first.in_channels:
            raise ValueError(f"images have {images.shape[1]} channels; this chain takes {first.in_channels}")


def _step_up(layer: nn.Module, signal: Tensor) -> tuple[Tensor, Tensor | None]:
    """What `layer` makes of `signal` `(N, C, H, W)`, and its switches if it pools."""
    match layer:
        case nn.Conv2d():
            return layer(signal), None
        case nn.ReLU():
            # Not layer(signal): with inplace=True that would write over the activation before it.
            return F.relu(signal), None
        case nn.MaxPool2d():
            size = (layer.kernel_size, layer.stride, layer.padding, layer.dilation, layer.ceil_mode)
            pooled, switches = F.max_pool2d(signal, *size, return_indices=True)
            if layer.padding not in (0, (0, 0)) and pooled.isneginf().any():
                raise RuntimeError("a pooling window holds nothing but padding")
            return pooled, switches
    return signal, None


def _check_finite(signal: Tensor, name: str, conv: nn.Conv2d) -> None:
    """Raise unless all of `signal`, which the layer `name` has just made, is finite; say why it is not.

    Later is too late: a ReLU turns minus infinity into zero.
    """
    # A sum with NaN or infinity in it is not finite either, and one pass. Without them it may still be too large.
    if isfinite(signal.sum().item()) or signal.isfinite().all():
        return
    parameters = {"weight": conv.weight, "bias": conv.bias}
    broken = [of for of, numbers in parameters.items() if numbers is not None and not numbers.isfinite().all()]
    if broken:
        raise ValueError(
            f"layer {name!r} has NaN or infinity in its {' and '.join(broken)}; load or train the network again"
        )
    raise ValueError(
        f"layer {name!r} gives NaN or infinity: the images or the weights are too large for {signal.dtype}"
    )


def _portions(trace: Trace, images: int, maps: int) -> Iterator[tuple[slice, slice]]:
    """Slices of so many images and maps that together cover all, each small enough for its signals to fit the cache."""
    largest = max(signal.nbytes for signal in (trace.images, *trace.activations.values())) // len(trace.images)
    at_a_time = max(1, _AT_A_TIME // largest)
    maps_at_a_time = max(1, min(maps, at_a_time))
    images_at_a_time = max(1, at_a_time // maps_at_a_time)
    for image in range(0, images, images_at_a_time):
        for first in range(0, maps, maps_at_a_time):
            yield slice(image, image + images_at_a_time), slice(first, first + maps_at_a_time)


def _recorded(trace: Trace, layer: str) -> Tensor:
    """What the way back needs of `layer`: the switches of a pooling, the activations of any other."""
    return trace.switches.get(layer, trace.activations[layer])


def _numbers(activation: Tensor, channels: Sequence[int] | None) -> slice | Tensor:
    """`channels` of `activation` `(N, C, h, w)`, checked, and on its device: later steps then move nothing there."""
    if channels is None:
        return slice(None)  # takes all of them without a copy
    try:
        numbers = as_integers(channels)
    except TypeError as error:
        wanted = "a sequence of integers, such as [3, 7]"
        raise TypeError(f"channels is {channels!r}; project needs {wanted}: {error}") from None
    count = activation.shape[1]
    for channel in numbers:
        if not 0 <= channel < count:
            raise ValueError(f"channel {channel} does not exist; this layer has the feature maps 0 to {count - 1}")
    return torch.tensor(numbers, dtype=torch.int64, device=activation.device)


def _chosen(activation: Tensor, channels: slice | Tensor, select: str) -> Tensor:
    """These K channels of `activation` `(N, C, h, w)`, whole or only their peaks: `(N, K, h, w)`."""
    maps = activation[:, channels]
    if select == "map":
        return maps
    if select != "peak":
        raise ValueError(f"select is {select!r}; it must be 'map' or 'peak'")
    flat = maps.flatten(2)
    peak = flat.argmax(dim=-1, keepdim=True)
    return torch.zeros_like(flat).scatter(-1, peak, flat.gather(-1, peak)).view_as(maps)


def _among_zeros(maps: Tensor, channels: slice | Tensor, count: int) -> Tensor:
    """`maps` `(N, K, h, w)`, which are these of `count` channels, each with the others as zeros: `(N, K, C, h, w)`."""
    alone = maps.new_zeros(*maps.shape[:2], count, *maps.shape[2:])
    if isinstance(channels, slice):
        channels = torch.arange(count, device=maps.device)[channels]
    alone[:, torch.arange(maps.shape[1], device=maps.device), channels] = maps
    return alone


def _alone(activation: Tensor, channels: Sequence[int] | None, select: str) -> Tensor:
    """K copies of `activation` `(N, C, h, w)`, each with all but one channel set to zero: `(N, K, C, h, w)`."""
    wanted = _numbers(activation, channels)
    return _among_zeros(_chosen(activation, wanted, select), wanted, activation.shape[1])


def _check_reversible(layer: nn.Module, where: str) -> None:
    if not isinstance(layer, (nn.Conv2d, nn.ReLU, nn.MaxPool2d, *_IDENTITY)):
        raise TypeError(f"{where} can't be reversed; a DeconvNet takes Conv2d, ReLU, MaxPool2d, Dropout and Identity")
    if isinstance(layer, nn.Conv2d):
        if layer.padding_mode != "zeros":
            raise ValueError(f"{where} pads with {layer.padding_mode!r}; only padding with zeros can be reversed")
        if layer.padding == "same" and any(layer.dilation[i] * (layer.kernel_size[i] - 1) % 2 for i in (0, 1)):
            raise ValueError(f"{where} pads more on one side than on the other; use an odd kernel size")


def _padding(conv: nn.Conv2d) -> tuple[int, int]:
    """The rows and columns of zeros on each side, also where PyTorch lets one write `"same"` or `"valid"`."""
    if conv.padding == "valid":
        return (0, 0)
    if conv.padding == "same":
        return tuple(conv.dilation[i] * (conv.kernel_size[i] - 1) // 2 for i in (0, 1))
    return conv.padding
