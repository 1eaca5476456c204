"""Feature maps back in pixels: how long, how much memory, and against what."""

import warnings
from collections.abc import Callable, Iterator
from unittest import mock

import torch
import torchvision
from captum.attr import NeuronDeconvolution
from torch import Tensor, nn

from benchmarks.measures import Measure, in_turn, peak_memory, ratios
from helpers.data import load_mnist
from helpers.deconvnet import DeconvNet, Trace, windows
from helpers.lenet5 import load_lenet5

POOLS = ("pool1", "pool2")


def captum(model: nn.Module, layer: nn.Module, images: Tensor, channels: range, select: str = "map") -> list[Tensor]:
    """What `DeconvNet.project` gives, by one call of Captum for each feature map: of each `(N, C, H, W)`."""
    attribution = NeuronDeconvolution(model, layer)
    chosen = (lambda maps: maps.flatten(1)) if select == "map" else (lambda maps: maps.flatten(1).max(1, True).values)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Setting backward hooks on ReLU activations")
        warnings.filterwarnings("ignore", message="Input Tensor 0 did not already require gradients")
        # The derivative of half the square is the map itself: that is the signal which goes back.
        return [
            attribution.attribute(images, lambda output, k=channel: (chosen(output[:, k]) ** 2).sum(1) / 2)
            for channel in channels
        ]


def lenet5_by_captum(model: nn.Module, images: Tensor) -> None:
    captum(model, model.get_submodule("features.pool1"), images, range(6))
    captum(model, model.get_submodule("features.pool2"), images, range(16))


def all_maps(net: DeconvNet, trace: Trace) -> None:
    """LeNet-5's 22 maps."""
    for pool in POOLS:
        net.project(trace, pool)


def one_image() -> Iterator[Measure]:
    model, image = load_lenet5(), load_mnist("test")[0][:1]
    net = DeconvNet(model.features)

    def ours() -> None:
        all_maps(net, net.record(image))

    def ours_twenty_times() -> None:
        for _ in range(20):
            ours()

    def theirs() -> None:
        lenet5_by_captum(model, image)

    in_turn(3, ours_twenty_times, theirs)
    our_times, their_times = in_turn(40, ours_twenty_times, theirs)
    yield Measure("22 maps of one image, against Captum", "×", ratios(their_times, our_times, 20), at_least=30)
    yield Measure("22 maps of one image", "ms", [1e3 * time / 20 for time in our_times], at_most=1)


def test_set() -> Iterator[Measure]:
    model, images = load_lenet5(), load_mnist("test")[0]
    net = DeconvNet(model.features)

    def ours() -> None:
        for _, trace in net.stream(images):
            all_maps(net, trace)

    def one_by_one() -> None:
        for image in images[:100].split(1):
            lenet5_by_captum(model, image)

    def in_batches() -> None:
        lenet5_by_captum(model, images[:250])

    def forward() -> None:
        with torch.no_grad():
            for batch in images.split(250):
                model(batch)

    in_turn(1, forward, in_batches)
    before, highest = peak_memory(ours)
    our_times, one_by_one_times, in_batches_times, forward_times = in_turn(3, ours, one_by_one, in_batches, forward)
    name = "22 maps of 10,000 images"
    yield Measure(
        f"{name}, against Captum on 100 of them, one by one", "×", ratios(one_by_one_times, our_times, 100), at_least=80
    )
    yield Measure(f"{name}, against Captum on 250 of them at once", "×", ratios(in_batches_times, our_times, 40))
    yield Measure(name, "s", our_times, at_most=3)
    yield Measure(f"{name}, memory above the data", "MB", [highest - before], at_most=500)
    yield Measure(f"{name}, as many forward passes of them", "×", ratios(our_times, forward_times), at_most=15)


def vgg16(maps: int = 64, side: int = 224) -> Iterator[Measure]:
    """Maps of the last layer. Only a quarter goes one at a time, a sixteenth by Captum: the rest would take as long."""
    torch.manual_seed(0)
    model = torchvision.models.vgg16(weights=None).features.eval()
    image, top = torch.rand(1, 3, side, side), str(len(model) - 1)
    net = DeconvNet(model)
    alone, by_captum, highest = maps // 8, maps // 32, []

    def all_at_once() -> None:
        highest.append(peak_memory(lambda: net.project(net.record(image), top, range(maps)))[1])

    def one_at_a_time() -> None:
        trace = net.record(image)
        for channel in range(alone):
            net.project(trace, top, [channel])

    def theirs() -> None:
        captum(model, model[-1], image, range(by_captum))

    in_turn(1, lambda: net.project(net.record(image), top, [0]), lambda: captum(model, model[-1], image, range(1)))
    # Before and after the long one, so that a machine that grows slower meanwhile is no one's gain.
    alone_before, theirs_before, our_times, theirs_after, alone_after = in_turn(
        1, one_at_a_time, theirs, all_at_once, theirs, one_at_a_time
    )
    alone_times, their_times = [sum(alone_before + alone_after)], [sum(theirs_before + theirs_after)]
    name = f"{maps} maps of VGG-16 at {side}×{side}"
    yield Measure(f"{name}, against one map at a time", "×", ratios(alone_times, our_times, 4), at_least=1)
    yield Measure(f"{name}, against Captum", "×", ratios(their_times, our_times, 16), at_least=1)
    yield Measure(f"{name}, memory of the whole process", "MB", highest, at_most=2000)


def for_captum(model: nn.Module) -> nn.Module:
    """`model` in eval mode, with no ReLU that works in place."""
    for module in model.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False
    return model.eval()


def whole_maps(maps: int = 32) -> Iterator[Measure]:
    """Maps of larger networks, against Captum."""
    torch.manual_seed(0)
    for name, model, layer, side in (
        ("SqueezeNet 1.1, its features as a chain", torchvision.models.squeezenet1_1(weights=None).features, "12", 227),
        ("SqueezeNet 1.1", torchvision.models.squeezenet1_1(weights=None), "features.12", 227),
        ("ResNet-18", torchvision.models.resnet18(weights=None), "layer3", 224),
    ):
        model = for_captum(model)
        net, image = DeconvNet(model), torch.rand(1, 3, side, side)

        def ours(net: DeconvNet = net, image: Tensor = image, layer: str = layer) -> None:
            net.project(net.record(image), layer, range(maps))

        def theirs(model: nn.Module = model, image: Tensor = image, layer: str = layer) -> None:
            captum(model, model.get_submodule(layer), image, range(maps))

        in_turn(1, ours, theirs)
        our_times, their_times = in_turn(3, ours, theirs)
        yield Measure(f"{maps} maps of {name}, against Captum", "×", ratios(their_times, our_times), at_least=2.7)


def peaks(maps: int = 32) -> Iterator[Measure]:
    """Peaks of SqueezeNet's maps, once they are recorded: against Captum, and against the same in whole planes."""
    torch.manual_seed(0)
    model = for_captum(torchvision.models.squeezenet1_1(weights=None))
    net, image = DeconvNet(model), torch.rand(1, 3, 227, 227)
    trace = net.record(image)
    for layer, wanted in (("2", 60), ("3", 60), ("6", 30), ("9", 8), ("12", None)):
        name = f"{maps} peaks of SqueezeNet 1.1 at features.{layer}"
        submodule = model.get_submodule(f"features.{layer}")

        def ours(layer: str = f"features.{layer}") -> None:
            net.project(trace, layer, range(maps), select="peak")

        def whole(ours: Callable[[], None] = ours) -> None:
            with mock.patch.object(windows, "plan", return_value=None):
                ours()

        def theirs(submodule: nn.Module = submodule) -> None:
            captum(model, submodule, image, range(maps), "peak")

        in_turn(1, ours, whole, theirs)
        our_times, whole_times, their_times = in_turn(5, ours, whole, theirs)
        yield Measure(f"{name}, against Captum", "×", ratios(their_times, our_times), at_least=wanted)
        if layer != "12":  # whose peaks are planned in whole planes
            yield Measure(f"{name}, against whole planes", "×", ratios(whole_times, our_times), at_least=1)


def recording() -> Iterator[Measure]:
    """What the notes cost, beyond the pass that they are of."""
    model, image = load_lenet5(), load_mnist("test")[0][:1]
    net = DeconvNet(model.features)

    def noted() -> None:
        for _ in range(50):
            net.record(image)

    def plain() -> None:
        with torch.no_grad():
            for _ in range(50):
                model.features(image)

    in_turn(3, noted, plain)
    with_notes, without = in_turn(40, noted, plain)
    cost = [1e6 * (one - other) / 50 for one, other in zip(with_notes, without, strict=True)]
    yield Measure("recording one image in LeNet-5, beyond its pass", "µs", cost, at_most=113)
