"""What makes the way back fast, against the transposed convolution; and mistakes in it, which Captum must show."""

from itertools import product
from weakref import WeakSet

import pytest
import torch
import torch.nn.functional as F
from reference import by_walk, maps_by_autograd, maps_by_captum, relative_difference
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from helpers.deconvnet import DeconvNet, fast, ways_back
from helpers.deconvnet import net as net_module

# (kernel size, padding, size of the signal): of blocks whole and cut, of every smallest kind, and as long as wide.
GEOMETRIES = [
    ((5, 5), (2, 2), (28, 28)),
    ((5, 5), (0, 0), (10, 10)),
    ((3, 4), (1, 0), (7, 9)),
    ((1, 1), (0, 0), (5, 6)),
    ((2, 5), (1, 3), (6, 11)),
    ((7, 3), (6, 1), (8, 1)),
]
TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-5}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize(("kernel", "padding", "size"), GEOMETRIES)
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_blocks_of_pixels_equal_the_transposed_convolution(channels, kernel, padding, size, dtype):
    torch.manual_seed(0)
    signal, weight = torch.randn(2, 3, *size, dtype=dtype), torch.randn(3, channels, *kernel, dtype=dtype)
    ours = fast.to_few_channels(signal, weight, padding)
    theirs = F.conv_transpose2d(signal, weight, padding=padding)
    assert relative_difference(ours, theirs) < TOLERANCE[dtype]


@pytest.mark.parametrize(("channels", "made"), [(1, 16), (2, 8), (3, 12), (4, 16)])
def test_a_block_fills_what_a_processor_makes_at_once(channels, made, monkeypatch):
    """The larger the block, the sooner; but 17 channels take as long as 32."""
    shapes, conv2d = [], F.conv2d
    monkeypatch.setattr(
        fast.F, "conv2d", lambda *args, **more: [shapes.append(args[1].shape), conv2d(*args, **more)][1]
    )
    fast.to_few_channels(torch.randn(1, 5, 9, 9), torch.randn(5, channels, 3, 3), (1, 1))
    assert [shape[0] for shape in shapes] == [made]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize(("kernel", "padding", "size"), GEOMETRIES)
@pytest.mark.parametrize("channels", [1, 3, 7])
def test_single_channels_equal_the_transposed_convolution_of_each_among_zeros(channels, kernel, padding, size, dtype):
    torch.manual_seed(0)
    signal, weight = torch.randn(2, 3, *size, dtype=dtype), torch.randn(3, channels, *kernel, dtype=dtype)
    ours = fast.of_single_channels(signal, weight, padding)
    theirs = torch.stack(
        [F.conv_transpose2d(signal * torch.eye(3)[k].view(3, 1, 1), weight, padding=padding) for k in range(3)]
    )
    assert relative_difference(ours, theirs.to(dtype)) < TOLERANCE[dtype]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize(("stride", "padding", "dilation"), [((2, 2), (3, 3), (1, 1)), ((3, 1), (0, 2), (1, 2))])
@pytest.mark.parametrize(("channels", "kernel"), [(3, (7, 5)), (1, (2, 3)), (9, (1, 1))])
def test_columns_equal_the_transposed_convolution(channels, kernel, stride, padding, dilation, dtype):
    """Also with rows and columns that no filter has reached."""
    torch.manual_seed(0)
    padding = tuple(min(padding[i], dilation[i] * (kernel[i] - 1)) for i in (0, 1))
    size, weight = (31, 29), torch.randn(6, channels, *kernel, dtype=dtype)
    signal = torch.randn_like(
        F.conv2d(torch.zeros(4, channels, *size, dtype=dtype), weight, None, stride, padding, dilation)
    )
    ours = fast.by_columns(signal, weight, size, stride, padding, dilation)
    theirs = ways_back.filter_back(signal, weight, size, stride, padding, dilation, 1)
    assert relative_difference(ours, theirs) < TOLERANCE[dtype]


@pytest.mark.parametrize(
    ("settings", "applies"),
    [
        ({}, True),
        ({"padding": (2, 2)}, True),
        ({"padding": "same"}, True),
        ({"padding": 3}, False),
        ({"padding": (3, 0)}, False),
        ({"padding": (0, 3)}, False),
        ({"stride": (1, 2)}, False),
        ({"dilation": (2, 1)}, False),
        ({"groups": 2}, False),
    ],
    ids=str,
)
def test_project_is_right_where_the_fast_way_applies_and_where_not(settings, applies):
    torch.manual_seed(0)
    chain = nn.Sequential(nn.Conv2d(2, 4, 3, **settings), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 6, 3, **settings))
    chain = chain.double().eval()
    images = torch.randn(2, 2, 14, 15, dtype=torch.float64)
    conv = chain[0]
    given = conv.weight, conv.bias, conv.stride, conv.padding, conv.dilation, conv.groups
    assert fast.reversible(conv.weight, ways_back.settings_of(images, *given)) is applies
    net = DeconvNet(chain)
    maps = net.project(net.record(images), "3")
    assert relative_difference(maps, maps_by_autograd(chain, 3, images, "deconvnet")) < 1e-10


def test_lenet5_goes_the_fast_way(model, images, monkeypatch):
    """Otherwise it would be right, and slow."""
    ways = []
    for name in ("of_single_channels", "to_few_channels"):
        way = getattr(fast, name)
        monkeypatch.setattr(fast, name, lambda *args, name=name, way=way: [ways.append(name), way(*args)][1])
    net = DeconvNet(model.features)
    trace = net.record(images)
    net.project(trace, "pool2")
    assert ways == ["of_single_channels", "to_few_channels"]
    net.project(trace, "pool1")
    assert ways[2:] == ["of_single_channels"]


def test_portions_of_any_size_give_the_same_pictures(model, images, monkeypatch):
    """They run from one map of one image to all maps of several images; their last one is cut."""
    net = DeconvNet(model.double().features)
    trace = net.record(images.double())
    whole = {select: by_walk(net, trace, "pool2", select=select) for select in ("map", "peak")}
    one_map = 6 * 28 * 28 * 8
    sizes = {}
    for at_a_time in (1, 5 * one_map, 16 * one_map, 70 * one_map):
        monkeypatch.setattr(net_module, "CHUNK", at_a_time)
        way = trace.way(trace.value("pool2"))
        sizes[at_a_time // one_map] = len(list(net_module._portions(trace, way, 16)))
        for select, channels in product(("map", "peak"), (None, [3, 7, 7, 0, 12, 11])):
            expected = whole[select] if channels is None else whole[select][:, channels]
            assert relative_difference(net.project(trace, "pool2", channels, select), expected) < 1e-12
    assert sizes == {0: 20 * 16, 5: 20 * 4, 16: 20, 70: 5}


class Memory(TorchDispatchMode):
    """Counts the most bytes that tensors hold at one time of those that are made meanwhile."""

    def __init__(self):
        super().__init__()
        self.storages, self.others, self.most = WeakSet(), WeakSet(), 0

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        self.others |= self._of((args, kwargs)) - self.storages
        result = operation(*args, **(kwargs or {}))
        self.storages |= self._of(result) - self.others
        self.most = max(self.most, sum(storage.nbytes() for storage in self.storages))
        return result

    def _of(self, thing):
        return WeakSet(tensor.untyped_storage() for tensor in tree_leaves(thing) if torch.is_tensor(tensor))


def test_memory_is_counted_until_it_is_given_back():
    before = torch.ones(9999)
    with Memory() as memory:
        before.view(9, 1111)[0].t()
        for _ in range(3):
            held = torch.ones(1000)
            del held
        kept = torch.ones(500)
        kept.view(50, 10).t().contiguous()
    assert memory.most == 4000


def test_memory_does_not_grow_with_the_number_of_maps(monkeypatch):
    """What comes back grows. The signals of all these 256 maps take 67 MB, those of four 1 MB."""
    layers = nn.Conv2d(1, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(64, 256, 3)
    net = DeconvNet(nn.Sequential(*layers).eval())
    trace = net.record(torch.rand(1, 1, 32, 32))

    def most(maps, at_a_time):
        monkeypatch.setattr(net_module, "CHUNK", at_a_time)
        with Memory() as memory:
            pixels = net.project(trace, "3", range(maps))
        return memory.most - pixels.nbytes

    assert most(256, 2**20) < 1.1 * most(8, 2**20) < 5 * 2**20
    assert most(256, 2**30) > 67e6


@pytest.mark.parametrize(("last", "parted"), [(nn.Conv2d(16, 16, 3), True), (nn.ConvTranspose2d(16, 16, 3), False)])
def test_memory_does_not_grow_with_the_number_of_images(last, parted, monkeypatch):
    """The signals of all 1,024 maps take 67 MB, those of four 0.3 MB. What can't be parted goes one map at a time."""
    net = DeconvNet(nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), last).eval())
    trace = net.record(torch.rand(64, 1, 32, 32))
    one_map = 16 * 32 * 32 * 4

    def most(at_a_time):
        monkeypatch.setattr(net_module, "CHUNK", at_a_time)
        with Memory() as memory:
            pixels = net.project(trace, "3")
        return memory.most - pixels.nbytes

    allowed = (4 if parted else 64) * one_map
    assert most(allowed) < 5 * allowed
    assert most(2**30) > 67e6


MISTAKES = {
    "single channels: not flipped": ("of_single_channels", lambda way: lambda s, w, p: way(s, w.flip(2, 3), p)),
    "single channels: transposed": ("of_single_channels", lambda way: lambda s, w, p: way(s, w.transpose(2, 3), p)),
    "single channels: each by its neighbour's filters": (
        "of_single_channels",
        lambda way: lambda s, w, p: way(s, w.roll(1, 0), p),
    ),
    "blocks: not flipped": ("to_few_channels", lambda way: lambda s, w, p: way(s, w.flip(2, 3), p)),
    "blocks: transposed": ("to_few_channels", lambda way: lambda s, w, p: way(s, w.transpose(2, 3), p)),
    "blocks: rows and columns exchanged": (
        "to_few_channels",
        lambda way: (
            lambda s, w, p: F.pixel_shuffle(
                F.pixel_unshuffle(way(s, w, p), 4).unflatten(1, (4, 4)).transpose(1, 2).flatten(1, 2), 4
            )
        ),
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_comparison_with_captum_catches(mistake, model, images, monkeypatch):
    name, planted = MISTAKES[mistake]
    net = DeconvNet(model.double().features)
    trace = net.record(images.double())
    theirs = maps_by_captum(model, model.features.pool2, images.double(), "deconvnet")
    assert relative_difference(net.project(trace, "pool2"), theirs) < 1e-10
    monkeypatch.setattr(fast, name, planted(getattr(fast, name)))
    assert relative_difference(net.project(trace, "pool2"), theirs) > 0.01
