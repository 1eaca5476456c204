"""What explorers look at, a model and images: what is asked of them, whether they have changed, their names."""

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from helpers.checks import check_images, check_ink, check_labels
from helpers.explorers.controls import Choice, Selection
from helpers.lenet5 import LeNet5

COUNTS = {1: 6, 2: 16}  # feature maps a layer


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


def check_model(model: LeNet5, wanted_by: str) -> None:
    if not isinstance(model, LeNet5):
        raise TypeError(f"model is a {type(model).__name__}; {wanted_by} needs a LeNet5")
    if model.training:
        raise ValueError(f"the model is in train mode; call model.eval() before {wanted_by}")
    for weights in model.parameters():
        if weights.device.type != "cpu":
            raise ValueError(f"the model is on {weights.device}; {wanted_by} needs it on the CPU: call model.cpu()")


def check(model: LeNet5, images: Tensor, labels: Tensor, wanted_by: str) -> Callable[[int], None]:
    """Raise unless an explorer can be made of these.

    Returns:
        what raises unless the image of that number can still be shown: all three may change while it stands there.
    """
    check_model(model, wanted_by)
    check_images(images, wanted_by)
    if images.shape[1:] != (1, 28, 28):
        raise ValueError(f"images have the shape {tuple(images.shape)}; {wanted_by} needs (N, 1, 28, 28)")
    check_ink(images, wanted_by)
    check_labels(labels, images, wanted_by)
    if labels.max() > 9:
        raise ValueError(f"labels hold {int(labels.max())}; {wanted_by} needs the digits 0 to 9")
    named = labels.clone()

    def check_again(i: int) -> None:
        check_model(model, wanted_by)
        check_ink(images[i], wanted_by)
        if not labels.equal(named):
            raise ValueError(f"the labels have changed, and the controls name the old ones; call {wanted_by} again")

    return check_again


def end_of(*maps: Tensor) -> float:
    """The end of a scale for these activations. Never zero."""
    return max(float(one.max()) for one in maps) or 1.0


def range_of(values: Tensor) -> str:
    return f"from {float(values.min()):.2f} to {float(values.max()):.2f}".replace("-", "−")


def digits(labels: Tensor) -> Selection:
    return Selection([(f"{digit}", i) for i, digit in enumerate(labels.tolist())])


def every_map() -> Selection:
    return Selection([(f"{layer}·{k}", (layer, k)) for layer, count in COUNTS.items() for k in range(count)])


def choice(options: Sequence[str]) -> Choice:
    return Choice([(option, option) for option in options])
