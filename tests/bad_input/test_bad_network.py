"""Networks that have no way back, images that they can't take, and maps that they don't have."""

from collections import OrderedDict

import numpy as np
import pytest
import torch
from networks import Written
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from helpers.deconvnet import DeconvNet


def chain_of(*layers):
    return lambda: DeconvNet(nn.Sequential(*layers).eval())


def record(images):
    return lambda: DeconvNet(nn.Sequential(nn.Conv2d(1, 2, 3), nn.MaxPool2d(2)).eval()).record(images)


def stream(images):
    return lambda: DeconvNet(nn.Sequential(nn.Conv2d(1, 2, 3)).eval()).stream(images)


def record_with(parameter, value, *more, layer=0):
    """With one number of one layer's weight or bias set to `value`."""

    def run():
        chain = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), *more).eval()
        with torch.no_grad():
            getattr(chain[layer], parameter).view(-1)[1] = value
        DeconvNet(chain).record(torch.rand(2, 1, 8, 8))

    return run


def all_nan(layer):
    for parameter in layer.parameters():
        nn.init.constant_(parameter, float("nan"))


def conv_of_1e30():
    conv = nn.Conv2d(1, 1, 1)
    nn.init.constant_(conv.weight, -1e30)
    return conv


def project_through(layer):
    """From the last of three layers, of which this is the one in the middle."""

    def run():
        layers = OrderedDict(first=nn.Conv2d(1, 2, 3, padding=1), middle=layer, last=nn.Conv2d(2, 1, 1))
        net = DeconvNet(nn.Sequential(layers).eval())
        trace = net.record(torch.rand(2, 1, 8, 8))
        # What lies below has its way back.
        assert net.project(trace, "first").any()
        net.project(trace, "last")

    return run


def record_in_train_mode():
    DeconvNet(nn.Sequential(nn.Conv2d(1, 2, 3)).train()).record(torch.rand(1, 1, 8, 8))


def record_on_another_device():
    DeconvNet(nn.Sequential(nn.Conv2d(1, 2, 3)).eval().to("meta")).record(torch.rand(1, 1, 8, 8))


def project(*args, **options):
    def run():
        net = DeconvNet(nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU()).eval())
        net.project(net.record(torch.rand(1, 1, 8, 8)), *args, **options)

    return run


def project_the_trace_of_another_network():
    one, other = (DeconvNet(nn.Sequential(nn.Conv2d(1, 2, 3)).eval()) for _ in range(2))
    other.project(one.record(torch.rand(1, 1, 8, 8)), "0")


def project_a_mask_of_scores():
    net = DeconvNet(nn.Sequential(nn.Flatten(), nn.Linear(64, 3)).eval())
    net.project(net.record(torch.rand(1, 1, 8, 8)), "1", select=torch.ones(1, dtype=torch.bool))


class OnlyBelow(nn.Module):
    """Refuses with an error of its own what is not below `limit`."""

    def __init__(self, limit):
        super().__init__()
        self.limit = limit

    def forward(self, x):
        if not x.max() < self.limit:
            raise KeyError("too large")
        return x.relu()


NOT_FINITE = "^images hold NaN or infinity; record needs finite pixels$"
NAN, PLUS, MINUS = (torch.zeros(1, 1, 8, 8).index_fill(2, torch.tensor(3), float(v)) for v in ("nan", "inf", "-inf"))


# what goes wrong: (how, the error, a piece of its message)
CASES = {
    "unknown rule": (
        lambda: DeconvNet(nn.Sequential(), rule="relu"),
        ValueError,
        "rule 'relu' is not known; choose one of deconvnet, gradient, guided",
    ),
    "no module": (
        lambda: DeconvNet(nn.Conv2d(1, 2, 3).weight),
        TypeError,
        "model is a Parameter; a DeconvNet needs a module, such as model",
    ),
    "leaky ReLU": (
        project_through(nn.LeakyReLU()),
        ValueError,
        r"^layer 'last' can't be projected: leaky_relu in 'middle' has no way back: .*ReLU",
    ),
    "layer normalisation": (
        project_through(nn.LayerNorm(8)),
        ValueError,
        "^layer 'last' can't be projected: layer_norm in 'middle' has no way back: it normalises by what ",
    ),
    "batch normalisation without statistics": (
        project_through(nn.BatchNorm2d(2, track_running_stats=False)),
        ValueError,
        "^layer 'last' can't be projected: batch_norm in 'middle' has no way back: .*running statistics",
    ),
    "pooling in three dimensions": (
        project_through(nn.MaxPool3d(1)),
        ValueError,
        "^layer 'last' can't be projected: max_pool3d in 'middle' has no way back: ",
    ),
    "train mode": (
        record_in_train_mode,
        ValueError,
        r"^the model is in train mode; call model.eval\(\) before record$",
    ),
    "another device": (record_on_another_device, ValueError, "images are on cpu, the weights on meta"),
    "a list": (
        record([torch.rand(1, 8, 8)]),
        TypeError,
        r"images are list; record needs a tensor of floating-point pixels: torch.stack\(images\)",
    ),
    "an array": (
        record(np.zeros((1, 1, 8, 8))),
        TypeError,
        r"images are ndarray; .* pixels: torch.from_numpy\(images\).float\(\) makes one$",
    ),
    "no images": (record(None), TypeError, "images are NoneType; record needs a tensor of floating-point pixels$"),
    "a DataLoader": (
        record(DataLoader(TensorDataset(torch.rand(3, 1, 8, 8)))),
        TypeError,
        "images are DataLoader; .* pixels: take its batches, `for images, labels in loader`$",
    ),
    "a DataLoader to stream": (
        stream(DataLoader(TensorDataset(torch.rand(3, 1, 8, 8)))),
        TypeError,
        r"images are DataLoader; stream needs a tensor .*: take its batches, `for images, labels in loader`",
    ),
    "a list to stream": (stream([torch.rand(1, 8, 8)]), TypeError, r"images are list; stream needs .* torch.stack"),
    "one image to stream": (
        stream(torch.rand(1, 8, 8)),
        ValueError,
        r"images have the shape \(1, 8, 8\); stream needs \(N, C, H, W\)",
    ),
    "a number to stream": (stream(torch.tensor(1.0)), ValueError, r"shape \(\); stream needs \(N, C, H, W\)"),
    "bytes": (
        record(torch.zeros(1, 1, 8, 8, dtype=torch.uint8)),
        TypeError,
        r"torch.uint8; record needs .* floating-point pixels: images.float\(\) / 255 makes them of bytes",
    ),
    "double": (
        record(torch.zeros(1, 1, 8, 8).double()),
        TypeError,
        "images are torch.float64, the weights torch.float32",
    ),
    "one image without its batch": (record(torch.zeros(1, 8, 8)), ValueError, r"shape \(1, 8, 8\); .*\(N, C, H, W\)"),
    "no image": (record(torch.zeros(0, 1, 8, 8)), ValueError, r"shape \(0, 1, 8, 8\)"),
    "smaller than a filter": (record(torch.zeros(1, 1, 2, 2)), ValueError, "shape"),
    "smaller than a pooling window": (
        lambda: DeconvNet(nn.Sequential(nn.MaxPool2d(3)).eval()).record(torch.zeros(1, 1, 2, 2)),
        ValueError,
        r"shape \(1, 1, 2, 2\) can't pass layer '0'",
    ),
    "a window of padding alone": (
        lambda: DeconvNet(nn.Sequential(nn.MaxPool2d(2, padding=1, dilation=2)).eval()).record(torch.ones(1, 1, 1, 1)),
        ValueError,
        "layer '0': a pooling window holds nothing but padding",
    ),
    "colour": (
        record(torch.zeros(1, 3, 8, 8)),
        ValueError,
        r"images of the shape \(1, 3, 8, 8\) can't pass layer '0': .* to have 1 channels, but got 3 channels",
    ),
    "not a number": (record(NAN), ValueError, NOT_FINITE),
    "infinity": (record(PLUS), ValueError, NOT_FINITE),
    "minus infinity": (record(MINUS), ValueError, NOT_FINITE),
    "not a number, and nothing multiplies it": (lambda: chain_of(nn.ReLU())().record(NAN), ValueError, NOT_FINITE),
    "minus infinity, and a ReLU": (lambda: chain_of(nn.ReLU())().record(MINUS), ValueError, NOT_FINITE),
    "not a number, in the weights neither": (
        lambda: chain_of(nn.Conv2d(1, 2, 3).apply(all_nan))().record(NAN),
        ValueError,
        NOT_FINITE,
    ),
    "not a number, of which the network says something else": (
        lambda: chain_of(OnlyBelow(2))().record(NAN),
        ValueError,
        NOT_FINITE,
    ),
    "a number of which the network says something": (
        lambda: chain_of(OnlyBelow(2))().record(torch.full((1, 1, 8, 8), 3.0)),
        KeyError,
        "too large",
    ),
    "NaN in a weight": (
        record_with("weight", float("nan")),
        ValueError,
        "^layer '0' has NaN or infinity in its weight; load or train the network again$",
    ),
    "NaN in a bias": (record_with("bias", float("nan")), ValueError, "layer '0' has NaN or infinity in its bias; load"),
    "NaN all over": (
        lambda: chain_of(nn.Conv2d(1, 2, 3).apply(all_nan))().record(torch.rand(1, 1, 8, 8)),
        ValueError,
        "^layer '0' has NaN or infinity in its weight and bias; load",
    ),
    "NaN in what is no parameter": (
        lambda: chain_of(Written(lambda self, x: x * torch.tensor(float("nan"))))().record(torch.rand(1, 1, 8, 8)),
        ValueError,
        "^layer '0' has NaN or infinity in its weights; load",
    ),
    "an infinite weight": (record_with("weight", float("inf")), ValueError, "layer '0' has NaN or infinity in its we"),
    # A ReLU makes a zero of it, so that nothing would show at the end of the chain.
    "an infinite bias below zero, and a ReLU": (
        record_with("bias", float("-inf"), nn.ReLU(), nn.Conv2d(2, 2, 1)),
        ValueError,
        "layer '0' has NaN or infinity in its bias",
    ),
    "an infinite bias below zero, and a pool that pads": (
        record_with("bias", float("-inf"), nn.MaxPool2d(2, padding=1)),
        ValueError,
        "layer '0' has NaN or infinity in its bias",
    ),
    "NaN in a later layer": (
        record_with("weight", float("nan"), nn.ReLU(), nn.Conv2d(2, 2, 1, bias=False), layer=2),
        ValueError,
        "layer '2' has NaN or infinity in its weight",
    ),
    "numbers too large": (
        lambda: chain_of(nn.MaxPool2d(1), nn.Conv2d(1, 1, 1), conv_of_1e30(), nn.ReLU())().record(
            torch.full((1, 1, 4, 4), 1e30)
        ),
        ValueError,
        "^layer '2' gives NaN or infinity: the images or the weights are too large for torch.float32$",
    ),
    "an unhashable rule": (
        lambda: DeconvNet(nn.Sequential(), rule=["guided"]),
        ValueError,
        r"rule \['guided'\] is not known",
    ),
    "layer by number": (
        project(1),
        TypeError,
        "^layer is 1; it must be a name, one of '0', '1'$",
    ),
    "layer by itself": (project(nn.ReLU()), TypeError, r"^layer is ReLU\(\); it must be a name, one of '0', '1'$"),
    "layers in a list": (project(["1"]), TypeError, r"layer is \['1'\]; it must be a name"),
    "unknown layer": (project("pool3"), ValueError, "layer 'pool3' is not in this network; it has 0, 1"),
    "another network": (
        project_the_trace_of_another_network,
        ValueError,
        "^the trace was recorded with another network; record the images with this one$",
    ),
    "channel too large": (project("1", [0, 2]), ValueError, "channel 2 does not exist; .* 0 to 1"),
    "channel below zero": (project("1", [-1]), ValueError, "channel -1 does not exist"),
    "channel by name": (project("1", ["0"]), TypeError, r"channels is \[.0.\]; .* such as \[3, 7\]"),
    "mask of channels": (
        project("1", [True, False]),
        TypeError,
        r"^channels is \[True, False\]; .* such as \[3, 7\]: True is none; those of a mask are in mask.nonzero",
    ),
    "mask of NumPy": (project("1", np.array([True, False])), TypeError, "channels is array.*True is none; .* a mask"),
    "mask of PyTorch": (project("1", torch.tensor([True])), TypeError, "channels is tensor.*True is none; .* a mask"),
    "masks of a list": (project("1", [torch.tensor(True)]), TypeError, r"tensor\(True\) is none; those of a mask"),
    "NumPy's truth": (project("1", list(np.array([True]))), TypeError, "True_? is none; those of a mask"),
    "True among channels": (project("1", [0, True]), TypeError, r"channels is \[0, True\]; .*: True is none"),
    "channels as bytes": (project("1", b"\x00"), TypeError, "a sequence of integers, .*: bytes is none"),
    "channels with fractions": (project("1", np.array([0.0])), TypeError, "a sequence of integers, .*: 0.0 is none"),
    "a table of channels": (
        project("1", torch.tensor([[0, 1]])),
        TypeError,
        "a sequence of integers, .*: Tensor is none, or has not one dimension",
    ),
    "a set of channels": (project("1", {0, 1}), TypeError, r"channels is \{0, 1\}; .* a sequence of .*: set is none"),
    "NumPy's channel too large": (project("1", np.arange(3)), ValueError, "^channel 2 does not exist"),
    "one channel, not in a list": (project("1", 0), TypeError, "channels is 0; .* a sequence of integers"),
    "channels as a text": (project("1", "01"), TypeError, "channels is '01'; .* a sequence of integers"),
    "images in the place of a trace": (
        lambda: DeconvNet(nn.Sequential(nn.ReLU()).eval()).project(torch.rand(1, 1, 8, 8), "0"),
        TypeError,
        "trace is a Tensor; a DeconvNet needs what record returned",
    ),
    "unknown selection": (
        project("1", select="max"),
        ValueError,
        "select is 'max'; it must be 'map', 'peak' or a mask",
    ),
    "a mask of numbers": (
        project("1", select=torch.ones(6, 6)),
        TypeError,
        "^select is torch.float32; it must be 'map', 'peak', or a mask: a tensor of bool, such as mask > 0$",
    ),
    "a mask of bytes": (project("1", select=torch.ones(6, 6, dtype=torch.uint8)), TypeError, "select is torch.uint8;"),
    "a mask as an array": (project("1", select=np.ones((6, 6), dtype=bool)), TypeError, "select is ndarray; it must"),
    "no selection": (project("1", select=None), TypeError, "select is NoneType; it must be"),
    "a mask of the pixels": (
        project("1", select=torch.ones(8, 8, dtype=torch.bool)),
        ValueError,
        r"^select has the shape \(8, 8\); this layer needs a mask of \(6, 6\), its places, or \(1, 6, 6\), those of "
        "each image$",
    ),
    "a mask of the maps": (
        project("1", select=torch.ones(1, 2, 6, 6, dtype=torch.bool)),
        ValueError,
        r"select has the shape \(1, 2, 6, 6\)",
    ),
    "masks of more images": (
        project("1", select=torch.ones(2, 6, 6, dtype=torch.bool)),
        ValueError,
        r"select has the shape \(2, 6, 6\)",
    ),
    "a mask elsewhere": (
        project("1", select=torch.ones(6, 6, dtype=torch.bool, device="meta")),
        ValueError,
        "^select is on meta, the layer on cpu; move the mask there$",
    ),
    "a mask of one number": (
        project_a_mask_of_scores,
        ValueError,
        "^select is a mask, but this layer has one number a channel, and no places to choose from$",
    ),
}


@pytest.mark.parametrize(("run", "error", "message"), CASES.values(), ids=CASES)
def test_bad_input_is_named(run, error, message):
    with pytest.raises(error, match=message):
        run()
