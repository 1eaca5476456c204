"""What explorers look at, a model and images: what is asked of them, how they are shown, whether they have changed."""

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from helpers.checks import check_images, check_ink, check_labels, check_shown, per_channel
from helpers.deconvnet import DeconvNet, Trace, scores_layer
from helpers.explorers.controls import Choice, Control, Selection, Slider
from helpers.explorers.explorer import SIDE, number
from helpers.lenet5 import LeNet5
from helpers.plotting import Panel

_MOST = 256  # pixels on the screen of a large picture

# LeNet-5's layers have numbers, as in the notebooks.
_LENET5 = {1: "features.pool1", 2: "features.pool2"}


class Subject:
    """A model, the images that it is shown, and what they are called.

    Attributes:
        model, images: as given.
        is_lenet5: whether it is a LeNet5, whose images have digits for names.
        classes: what each class is called; none if the model does not end with scores of classes.
        scores: the name of the layer with these scores; None without.
        side: of a large picture, in pixels of the screen.

    Args:
        images: `(N, C, H, W)`, as the model takes them, C 1 or 3.
        labels: `(N,)`, int64, the class that each shows. For a LeNet5 they are needed.
        names: of the classes.
        mean, std: what was taken off the images, and by what they were divided then: a number, or one for each channel.
        wanted_by: the explorer's name.

    Raises:
        TypeError, ValueError: the model or the images are none, or do not fit each other or the rest.
    """

    def __init__(
        self,
        model: nn.Module,
        images: Tensor,
        labels: Tensor | None,
        names: Sequence[str] | None,
        mean: Tensor | Sequence[float] | float,
        std: Tensor | Sequence[float] | float,
        wanted_by: str,
    ) -> None:
        check_model(model, wanted_by)
        check_images(images, wanted_by)
        self.model, self.images, self.is_lenet5 = model, images.detach(), isinstance(model, LeNet5)
        self._wanted_by, self._labels, self._named = wanted_by, labels, None
        channels = images.shape[1]
        if self.is_lenet5 and images.shape[1:] != (1, 28, 28):
            raise ValueError(f"images have the shape {tuple(images.shape)}; {wanted_by} needs (N, 1, 28, 28)")
        if channels not in (1, 3):
            raise ValueError(
                f"images have {channels} channels; {wanted_by} can show 1, which is grey, and 3, in colour"
            )
        self._mean, self._std = (per_channel(one, channels, name) for name, one in (("mean", mean), ("std", std)))
        if not (self._std > 0).all():
            raise ValueError(f"std is {std!r}; it must be above zero")
        self._check_pixels(images)
        if labels is not None or self.is_lenet5:
            check_labels(labels, images, wanted_by)  # type: ignore[arg-type]
            self._named = labels.clone()  # type: ignore[union-attr]
            if self.is_lenet5 and self._named.max() > 9:
                raise ValueError(f"labels hold {int(self._named.max())}; {wanted_by} needs the digits 0 to 9")
        self.trace = self.net().record(self.images[:1])
        try:
            self.scores: str | None = scores_layer(self.trace)
        except ValueError:
            self.scores = None
        count = self.trace.activations[self.scores].shape[1] if self.scores else 0
        if names is not None and self.scores and len(names) != count:
            raise ValueError(f"{len(names)} names for {count} classes; {wanted_by} needs as many of each")
        self.classes = [f"{k}" for k in range(count)] if names is None else [f"{name}" for name in names]
        if self._named is not None and self.classes and self._named.max() >= len(self.classes):
            raise ValueError(
                f"labels hold {int(self._named.max())}; {wanted_by} needs the classes 0 to {len(self.classes) - 1}"
            )
        longest = max(images.shape[2:])
        few = -(-longest // _MOST)
        self.side = longest * max(1, round(SIDE / longest)) if few == 1 else -(-longest // few)

    def net(self, rule: str = "deconvnet") -> DeconvNet:
        """The model's deconvnet, of the layers that it has now."""
        return DeconvNet(self.model, rule=rule)

    def check_again(self, i: int) -> None:
        """Raise unless image `i` can still be shown: all may have changed since.

        Raises:
            TypeError, ValueError: as when it was made.
        """
        check_model(self.model, self._wanted_by)
        self._check_pixels(self.images[i])
        if self._named is not None and not self._named.equal(self._labels):  # type: ignore[arg-type]
            raise ValueError(
                f"the labels have changed, and the controls name the old ones; call {self._wanted_by} again"
            )

    def _check_pixels(self, images: Tensor) -> None:
        if self.is_lenet5 and not self.says_what_was_taken_off:
            check_ink(images, self._wanted_by)
            return
        check_shown(images, self._mean, self._std, self._wanted_by)

    def panel(self, image: Tensor) -> Panel:
        """`image` `(C, H, W)` as it was before anything was taken off."""
        return Panel(_plane((image * self._std + self._mean).clamp(0, 1)))

    @property
    def says_what_was_taken_off(self) -> str:
        """In a sentence; nothing if nothing was."""
        if not self._mean.any() and (self._std == 1).all():
            return ""
        return f"The images are shown as they were: times {_in_words(self._std)}, plus {_in_words(self._mean)}."

    def taken_off(self, images: Tensor) -> Tensor:
        """What the model is given of `images` `(N, C, H, W)`, whose pixels are from 0 to 1."""
        return (images - self._mean) / self._std

    def title(self, i: int) -> str:
        """What image `i` is called."""
        if self._named is None:
            return f"image {i}"
        label = int(self._named[i])
        if self.is_lenet5:
            return f"digit {label}"
        return f"image {i}, {self.classes[label] if self.classes else label}"

    def is_misread(self, i: int, read: int) -> bool:
        """Whether image `i` has a label, and another than the class `read`."""
        return self._named is not None and int(self._named[i]) != read

    def layers(self, wanted: Callable[[str], bool] = lambda layer: True) -> dict[object, str]:
        """The layers that can be chosen, up to the scores, and that are `wanted`; each with what it is called here."""
        if self.is_lenet5:
            return {number: layer for number, layer in _LENET5.items() if wanted(layer)}
        layers = list(self.trace.activations)
        if self.scores:
            layers = layers[: layers.index(self.scores) + 1]
        shapes = {layer: self.trace.activations[layer].shape for layer in layers}
        return {
            layer: layer for layer in layers if len(shapes[layer]) in (2, 4) and shapes[layer][0] == 1 and wanted(layer)
        }

    def image_control(self) -> dict[str, Control]:
        """What chooses one of the images: its value is the image's number."""
        if self.is_lenet5:
            assert self._named is not None
            return {"digit": Selection([(f"{digit}", i) for i, digit in enumerate(self._named.tolist())])}
        return {"image": Slider(0, len(self.images) - 1)}

    def by_digit(self) -> dict[int, list[int]]:
        """The numbers of the images of each digit."""
        assert self._named is not None
        return {digit: (self._named == digit).nonzero()[:, 0].tolist() for digit in self._named.unique().tolist()}

    def probabilities(self, trace: Trace) -> Tensor | None:
        """Of each class `(classes,)`, for the only image of `trace`; None if the model does not end with scores."""
        if self.scores is None:
            return None
        return trace.activations[self.scores][0].float().log_softmax(dim=0).exp()

    def state(self, i: int) -> object:
        """All that an answer about image `i` hangs on, as `state`."""
        return state(self.model, self.images[i])

    def state_of_all(self) -> object:
        """All that an answer about all images hangs on, but for changes of theirs that leave their sum as it was."""
        return state(self.model), float(self.images.sum())


def in_pixels(pixels: Tensor) -> Panel:
    """A projection `(C, H, W)`."""
    return Panel(_plane(pixels), kind="signed")


def _in_words(values: Tensor) -> str:
    """Those of the channels, or the one that they share."""
    words = [f"{value:.3g}" for value in values.flatten().tolist()]
    return words[0] if len(set(words)) == 1 else f"({', '.join(words)})"


def strongest_first(activation: Tensor) -> list[int]:
    """The numbers of the maps `(C, ...)`, that with the largest activation first."""
    return activation.reshape(len(activation), -1).amax(dim=1).argsort(descending=True, stable=True).tolist()


def as_map(values: Tensor, signed: bool) -> Panel:
    """A map `(h, w)`, or of one number; `signed` if one of those on its scale goes below zero."""
    return Panel(values.view(1, 1) if values.dim() == 0 else values, kind="signed" if signed else "activation")


def _plane(pixels: Tensor) -> Tensor:
    return pixels[0] if len(pixels) == 1 else pixels


def remember_last(function: Callable) -> Callable:
    """`function`, which gives its last answer again if it is asked the same again."""
    last: tuple | None = None

    def remembered(*arguments: object) -> object:
        nonlocal last
        if last is None or last[0] != arguments:
            last = arguments, function(*arguments)
        return last[1]

    return remembered


def state(model: nn.Module, *images: Tensor) -> object:
    """All that an answer about `images` hangs on. It equals an earlier one only if nothing has changed in between.

    That are the layers with their settings, the weights, and the pixels, byte by byte: PyTorch's own count of changes
    misses fused optimizers and `weight.data`. What hooks do can't be seen, so a model that has some is never the same.
    """
    if any(layer._forward_hooks or layer._forward_pre_hooks for layer in model.modules()):
        return object()
    tensors = (*model.parameters(), *model.buffers(), *images)
    # Traces ask `parts.state_of` instead, which keeps no copy of a large network, in half to a fifth of the time.
    # It goes by the sum of the magnitudes: that of a shifted digit, or of weights with another sign, is the same.
    # In 0.1 ms. Not by torch.equal, which may wait for other threads, and holds NaN for unlike itself.
    return repr(model), [tensor.detach().cpu().numpy().tobytes() for tensor in tensors]


def _acts_otherwise(module: nn.Module) -> bool:
    """Whether it may act otherwise in train mode. What is put in the place of a layer comes in train mode."""
    return isinstance(module, nn.modules.dropout._DropoutNd) or next(module.parameters(), None) is not None


def check_model(model: nn.Module, wanted_by: str) -> None:
    """Raise unless an explorer can show it.

    Raises:
        TypeError: it is no module.
        ValueError: it is in train mode, or not on the CPU.
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"model is a {type(model).__name__}; {wanted_by} needs a module, such as a LeNet5 or your own")
    if model.training or any(module.training and _acts_otherwise(module) for module in model.modules()):
        raise ValueError(f"the model is in train mode; call model.eval() before {wanted_by}")
    for weights in model.parameters():
        if weights.device.type != "cpu":
            raise ValueError(f"the model is on {weights.device}; {wanted_by} needs it on the CPU: call model.cpu()")


def end_of(*maps: Tensor) -> float:
    """The end of a scale for these maps, from zero or around it. Never zero."""
    return max(float(one.abs().max()) for one in maps) or 1.0


def range_of(values: Tensor) -> str:
    """The smallest and the largest of them, in words."""
    return f"from {number(float(values.min()))} to {number(float(values.max()))}"


def choice(options: Sequence[str]) -> Choice:
    return Choice([(option, option) for option in options])
