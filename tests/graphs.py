"""Random networks that are no chains: branches, layers that run twice, functions and modules, in place or not."""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from hypothesis import strategies as st
from torch import Tensor, nn

# Each way to write a ReLU: those in place give the tensor that they were given.
RECTIFIERS = {
    "nn.ReLU()": nn.ReLU(),
    "nn.ReLU(inplace=True)": nn.ReLU(inplace=True),
    "F.relu": F.relu,
    "F.relu(inplace=True)": lambda x: F.relu(x, inplace=True),
    "F.relu(input=)": lambda x: F.relu(input=x),
    "torch.relu": torch.relu,
    "torch.relu_": torch.relu_,
    "x.relu()": lambda x: x.relu(),
    "x.relu_()": lambda x: x.relu_(),
    "x.clamp(min=0)": lambda x: x.clamp(min=0),
    "torch.clamp_min": lambda x: torch.clamp_min(x, 0),
    "x.clamp_(0, 2)": lambda x: x.clamp_(0, 2),
    "nn.ReLU6()": nn.ReLU6(),
    "F.relu6": F.relu6,
    "F.hardtanh(x, 0, 1, True)": lambda x: F.hardtanh(x, 0, 1, True),
    "F.threshold": lambda x: F.threshold(x, 0, 0),
    "torch.maximum": lambda x: torch.maximum(x, torch.zeros((), dtype=x.dtype)),
}


@dataclass
class Step:
    """What is called with the values at the places `of`; it gives one value more."""

    call: Any
    of: tuple[int, ...]
    shown: str

    def __repr__(self) -> str:
        return f"{self.shown}{self.of}"


class Graph(nn.Module):
    """The steps one after the other; `top` hands on what the step `chosen` gives, before the next one."""

    def __init__(self, steps: list[Step], chosen: int) -> None:
        super().__init__()
        self.steps, self.chosen, self.top = steps, chosen, nn.Identity()
        self.layers = nn.ModuleList(dict.fromkeys(step.call for step in steps if isinstance(step.call, nn.Module)))

    def extra_repr(self) -> str:
        return f"{self.steps}, top after {self.chosen}"

    def forward(self, images: Tensor) -> Tensor:
        values = [images]
        for i, step in enumerate(self.steps):
            values.append(step.call(*[values[place] for place in step.of]))
            if i == self.chosen:
                self.top(values[-1])
        return values[-1]


def _sides(draw, low, high):
    return draw(st.tuples(st.integers(low, high), st.integers(low, high)))


def _conv(draw, x, earlier):
    """A module, a function, or a module that has run before."""
    again = [step.call for step in earlier if isinstance(step.call, nn.Conv2d) and step.call.in_channels == x.shape[1]]
    if again and draw(st.booleans()):
        return draw(st.sampled_from(again)), "again"
    channels = x.shape[1]
    groups = draw(st.sampled_from([g for g in range(1, channels + 1) if channels % g == 0]))
    mode = draw(st.sampled_from(["zeros", "zeros", "zeros", "reflect", "replicate", "circular"]))
    padding = draw(st.just("same") | st.tuples(st.integers(0, 2), st.integers(0, 2)))
    stride = 1 if padding == "same" else _sides(draw, 1, 2)
    conv = nn.Conv2d(
        channels,
        groups * draw(st.integers(1, max(1, 6 // groups))),
        _sides(draw, 1, 4),
        stride,
        padding,
        _sides(draw, 1, 2),
        groups,
        draw(st.booleans()),
        mode,
    ).double()
    if mode == "zeros" and draw(st.booleans()):
        weight, bias = conv.weight.detach(), None if conv.bias is None else conv.bias.detach()
        settings = {"stride": stride, "padding": padding, "dilation": conv.dilation, "groups": groups}
        module = _Function(lambda self, x: F.conv2d(x, self.weight, self.bias, **settings), weight=weight, bias=bias)
        return module, "F.conv2d"
    return conv, repr(conv)


class _Function(nn.Module):
    """A function of x, and of buffers."""

    def __init__(self, function, **buffers):
        super().__init__()
        self.function = function
        for name, buffer in buffers.items():
            self.register_buffer(name, buffer)

    def forward(self, x):
        return self.function(self, x)


def _max_pool(draw, x, earlier):
    kernel = _sides(draw, 1, 3)
    padding = tuple(draw(st.integers(0, side // 2)) for side in kernel)
    settings = dict(stride=_sides(draw, 1, 2), padding=padding, ceil_mode=draw(st.booleans()))
    settings["dilation"] = _sides(draw, 1, 2)
    match draw(st.sampled_from(["module", "function", "with indices", "adaptive"])):
        case "module":
            call = nn.MaxPool2d(kernel, **settings)
        case "function":
            call = lambda x: F.max_pool2d(x, kernel, **settings)  # noqa: E731
        case "with indices":
            call = lambda x: F.max_pool2d(x, kernel, return_indices=True, **settings)[0]  # noqa: E731
        case "adaptive":
            call = nn.AdaptiveMaxPool2d(kernel)
    return call, f"max_pool{kernel, settings}"


def _average_pool(draw, x, earlier):
    kernel = _sides(draw, 1, 3)
    padding = tuple(draw(st.integers(0, side // 2)) for side in kernel)
    settings = dict(stride=_sides(draw, 1, 2), padding=padding, ceil_mode=draw(st.booleans()))
    settings["count_include_pad"] = draw(st.booleans())
    call = draw(
        st.sampled_from(
            [
                nn.AvgPool2d(kernel, **settings),
                lambda x: F.avg_pool2d(x, kernel, **settings),
                nn.AdaptiveAvgPool2d(kernel),
            ]
        )
    )
    return call, f"average_pool{kernel, settings}"


def _batch_norm(draw, x, earlier):
    norm = nn.BatchNorm2d(x.shape[1], affine=draw(st.booleans())).double().eval()
    norm.running_mean.normal_(0, 0.1)
    norm.running_var.uniform_(0.5, 1.5)
    if norm.affine:
        nn.init.uniform_(norm.weight, -1.5, 1.5)
        nn.init.normal_(norm.bias, 0, 0.1)
    if draw(st.booleans()):
        return norm, "BatchNorm2d"
    weight, bias = (norm.weight.detach(), norm.bias.detach()) if norm.affine else (None, None)
    function = lambda self, x: F.batch_norm(x, self.mean, self.variance, self.weight, self.bias)  # noqa: E731
    module = _Function(function, mean=norm.running_mean, variance=norm.running_var, weight=weight, bias=bias)
    return module.eval(), "F.batch_norm"


def _rectify(draw, x, earlier):
    name = draw(st.sampled_from(list(RECTIFIERS)))
    return RECTIFIERS[name], name


class Branches(nn.Module):
    """The sum of several ways, or one behind the other."""

    def __init__(self, ways, adds):
        super().__init__()
        self.ways, self.adds = nn.ModuleList(ways), adds

    def forward(self, x):
        outputs = [way(x) for way in self.ways]
        return sum(outputs[1:], outputs[0]) if self.adds else torch.cat(outputs, 1)


def _branch(draw, x, earlier):
    channels, ways = x.shape[1], []
    for _ in range(draw(st.integers(2, 3))):
        conv = nn.Conv2d(channels, channels, _sides(draw, 1, 4), 1, "same", _sides(draw, 1, 2)).double()
        pool = nn.MaxPool2d((3, 5), 1, (1, 2))
        ways.append(draw(st.sampled_from([nn.Identity(), conv, nn.Sequential(conv, nn.ReLU(True)), pool])))
    return Branches(ways, draw(st.booleans())), "branch"


OF_ONE = {"conv": _conv, "max": _max_pool, "average": _average_pool, "norm": _batch_norm, "rectify": _rectify}

OTHERS = {
    "x * 3": lambda x: x * 3,
    "x.mul_(-2)": lambda x: x.mul_(-2),
    "x / buffer": lambda x: x / torch.arange(1, x.shape[1] + 1, dtype=x.dtype).view(-1, 1, 1),
    "1 - x": lambda x: 1 - x,
    "x += 0.5": lambda x: x.add_(0.5),
    "dropout": nn.Dropout(),
    "first half": lambda x: x[:, : (x.shape[1] + 1) // 2],
    "last chunk": lambda x: x.chunk(2, 1)[-1].clone(),  # autograd lets nobody write into a chunk
    "split": lambda x: torch.cat(x.split(1, dim=1)[::-1], 1),
    "rows as images": lambda x: x.reshape(-1, 1, *x.shape[2:]).mul(2).reshape(x.shape),
    "flatten and back": lambda x: torch.flatten(x, 1).view(len(x), *x.shape[1:]),
    "first channel": lambda x: x[:, :1].relu_(),
    "upsample": lambda x: F.interpolate(x, scale_factor=1.5, mode="bilinear", align_corners=False),
    "pad": lambda x: F.pad(x, (1, 0, 0, 1), value=0.3),
    "mean of channels": lambda x: x.mean(1, keepdim=True),
    "mean of places": lambda x: x.mean((2, 3), keepdim=True),
    "write a channel": lambda x: _write(x),
}


def _write(x):
    x[:, 0] = x[:, -1] / 2
    return x


OF_TWO = {
    "a + b": lambda a, b: a + b,
    "a += b": lambda a, b: a.add_(b),
    "add(alpha=-0.5)": lambda a, b: torch.add(a, b, alpha=-0.5),
    "a - b": lambda a, b: a - b,
    "a -= 2 b": lambda a, b: a.sub_(b, alpha=2),
}


# Each place comes from places near it.
LOCAL = {
    "pad": OTHERS["pad"],
    "clone": lambda x: x.clone(),
    "local_response_norm": lambda x: F.local_response_norm(x, 2),
}


@st.composite
def graphs(draw, local=False):
    """`(model, images)`: each step is tried as it is drawn, so that it fits.

    Args:
        local: whether to draw larger images, more branches, and else mostly functions in which each place comes from
            places near it.
    """
    sides, others = ((9, 20), LOCAL) if local else ((5, 9), OTHERS)
    kinds = ["conv", "conv", "rectify", "rectify", *OF_ONE, "other", "two", "two", "cat", *["branch"] * 4 * local]
    torch.manual_seed(draw(st.integers(0, 2**16)))
    images = torch.randn(draw(st.integers(1, 4)), draw(st.integers(1, 3)), *_sides(draw, *sides), dtype=torch.float64)
    values, steps = [images.clone()], []
    for _ in range(draw(st.integers(2, 9))):
        # Mostly what has just been made, else there are only branches that nothing is made of.
        first = draw(st.sampled_from([len(values) - 1, len(values) - 1, *range(len(values))]))
        x = values[first]
        mates = [i for i, y in enumerate(values) if _broadcasts(y, x)]
        parts = [i for i, y in enumerate(values) if y.dim() == x.dim() and y.shape[2:] == x.shape[2:]]
        kind = draw(st.sampled_from(kinds))
        if kind in OF_ONE or kind == "branch":
            call, shown = {**OF_ONE, "branch": _branch}[kind](draw, x, steps)
            step = Step(call, (first,), shown)
        elif kind == "other":
            shown = draw(st.sampled_from(list(others)))
            step = Step(others[shown], (first,), shown)
        elif kind == "two":
            shown = draw(st.sampled_from(list(OF_TWO)))
            step = Step(OF_TWO[shown], (first, draw(st.sampled_from(mates))), shown)
        else:
            step = Step(lambda *parts: torch.cat(parts, 1), (first, draw(st.sampled_from(parts))), "cat")
        try:
            with torch.no_grad():
                made = step.call(*[values[i] for i in step.of])
        except RuntimeError:  # Nothing is left of so small an image, or a window holds nothing but padding.
            continue
        if made.numel() and made.isfinite().all() and made.shape[1] <= 12 and max(made.shape[2:]) < 2 * sides[1]:
            steps.append(step)
            values.append(made)
    if not steps:
        steps.append(Step(F.relu, (0,), "F.relu"))
    return Graph(steps, draw(st.just(len(steps) - 1) | st.integers(0, len(steps) - 1))).eval(), images


def _broadcasts(small: Tensor, large: Tensor) -> bool:
    sides = zip(small.shape[1:], large.shape[1:], strict=True)
    return small.dim() == large.dim() and all(one in (1, other) for one, other in sides)
