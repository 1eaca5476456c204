"""Checks that you can run as often as you like. Each says what is wrong, or that it found nothing.

They know small examples only. Your work is graded with other weights, other images and other sizes. As there, they work
in single precision and on the CPU, whatever you have set, and with the images as they were handed out.
"""

import copy
import json
import math
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from time import monotonic

import torch
from given import given_network
from torch import Tensor, nn

from helpers.data import load_mnist

_SETTINGS = json.loads(Path(__file__).with_name("settings.json").read_text(encoding="utf-8"))
_DIGITS = _SETTINGS["digits"]
_LISTED = f"{', '.join(map(str, _DIGITS[:-1]))} and {_DIGITS[-1]}"
_COUNT = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")[len(_DIGITS) - 2]

# Numbers of small examples, and the seed of the weights and images that lead to them.
#   "outputs": of the network that the table describes, with the weights of `_fill`, for the first image of
#       `_mixed((2, 1, 28, 28))`.
#   "inside": in it, for each layer and the second image: the pooled values of all maps at one "place"; some "switches"
#       there, and of which "maps".
#   "projected": what project makes of map 1 of layer 2 of `_other_chain`, for an image of 23×18: rows, columns, values.
_GIVEN = json.loads(Path(__file__).with_name("given.json").read_text(encoding="utf-8"))

# Each of 3 maps of 2 images.
_POSITIONS = [(image, channel) for image in range(2) for channel in range(3)]

# In the grading, a call takes no longer.
_MOST_SECONDS = 30


class Wrong(Exception):
    """What a check found. The notebook shows the message alone."""

    def _render_traceback_(self) -> list[str]:
        return [f"✗ {self}"]


def _as_graded(check: Callable) -> Callable:
    """The check in single precision and on the CPU."""

    @wraps(check)
    def run(*given) -> None:
        precision = torch.get_default_dtype()
        torch.set_default_dtype(torch.float32)
        try:
            with torch.device("cpu"):
                check(*given)
        finally:
            torch.set_default_dtype(precision)

    return run


@_as_graded
def build_cnn(build) -> None:
    model = _call(build)
    if not isinstance(model, nn.Module):
        raise Wrong(f"build_cnn returns {_kind(model)}; a torch.nn.Module is wanted")
    outputs = _outputs(model, torch.rand(3, 1, 28, 28), "your network")
    _tensor(outputs, (3, 10), "your network, given 3 images,", "one number for each digit")
    if not torch.allclose(outputs.exp().sum(dim=1), torch.ones(3), atol=1e-4):
        raise Wrong(
            "exp of the ten outputs does not add up to 1, so they are no log-probabilities: "
            "is log-softmax the last layer, and over the ten classes (dim=1)?"
        )
    found = sum(parameter.numel() for parameter in model.parameters())
    if found != 61_706:
        raise Wrong(
            f"your network has {found:,} weights and biases; the layers of the table have 61,706. "
            f"Yours: {', '.join(_sizes(parameter) for parameter in model.parameters())}"
        )
    outputs = _outputs(_fill(model), _mixed((2, 1, 28, 28)).abs(), "your network")
    if not torch.allclose(outputs[0], torch.tensor(_GIVEN["outputs"]), atol=5e-3):
        raise Wrong(
            "with weights that the check sets, your network gives other outputs than the layers of the table. "
            "Is each ReLU there, and none too many? Is it max pooling?"
        )
    other = _call(build, 3, 7)
    outputs = _outputs(other, torch.rand(2, 1, 28, 28), "build_cnn(3, 7)")
    _tensor(outputs, (2, 10), "build_cnn(3, 7), given 2 images,", "log-probabilities")
    convs = [parameter.shape[0] for parameter in other.parameters() if parameter.dim() == 4]
    if convs != [3, 7]:
        raise Wrong(f"build_cnn(3, 7) has convolutions with {convs} feature maps; [3, 7] are wanted")
    found = sum(parameter.numel() for parameter in other.parameters())
    if found != 32_744:
        raise Wrong(f"build_cnn(3, 7) has {found:,} weights and biases; the layers of the table have 32,744")
    _found_nothing("build_cnn", "10 log-probabilities, 61,706 weights and biases")


@_as_graded
def look_inside(look, build) -> None:
    model = _call(build).eval()
    _call(model, torch.rand(2, 1, 28, 28), named="your network")  # a lazy one has its weights only now
    inside = _call(look, _fill(model), _mixed((2, 1, 28, 28)).abs())
    if not isinstance(inside, dict):
        raise Wrong(f"look_inside returns {_kind(inside)}; a dictionary is wanted")
    wanted = {
        **{"filters1": (6, 1, 5, 5), "pooled1": (2, 6, 14, 14), "switches1": (2, 6, 14, 14)},
        **{"filters2": (16, 6, 5, 5), "pooled2": (2, 16, 5, 5), "switches2": (2, 16, 5, 5)},
    }
    if missing := [name for name in wanted if name not in inside]:
        raise Wrong(f"look_inside has no {', '.join(missing)}; it has {', '.join(map(str, inside)) or 'nothing'}")
    for name, shape in wanted.items():
        _tensor(inside[name], shape, name, "all weights of the layer" if "filters" in name else "2 images were given")
    own = {parameter.shape: parameter.detach() for parameter in model.parameters()}
    for layer in (1, 2):
        filters = inside[f"filters{layer}"].detach().cpu().float()
        if filters.shape in own and not torch.allclose(filters, own[filters.shape], atol=1e-4):
            raise Wrong(f"filters{layer} are not the weights of the convolution: leave them as they are")
    for layer, width in ((1, 28), (2, 10)):
        switches, pooled = inside[f"switches{layer}"], inside[f"pooled{layer}"]
        if switches.dtype != torch.int64:
            raise Wrong(f"switches{layer} are {switches.dtype}; positions are int64, as max pooling can return them")
        rows = torch.arange(pooled.shape[-2])[:, None]
        if not (switches // width // 2 == rows).all() or not (switches % width // 2 == rows.T).all():
            raise Wrong(
                f"switches{layer} name positions outside their windows: they count row by row through the whole "
                f"{width}×{width} map before pooling, so row 1, column 2 is {width + 2}"
            )
        if (pooled < 0).any():
            raise Wrong(f"pooled{layer} has negative values: is there a ReLU before the pooling?")
        example = _GIVEN["inside"][layer - 1]
        (row, column), values = example["place"], torch.tensor(example["pooled"])
        if not torch.allclose(pooled[1, :, row, column].detach().cpu().float(), values, atol=1e-2):
            raise Wrong(
                f"pooled{layer} has the right shape and wrong values, with weights and images of the check: is it what "
                "the pooling in your network returns, for the images as they are given?"
            )
        if switches[1, example["maps"], row, column].tolist() != example["switches"]:
            raise Wrong(f"switches{layer} do not name the place of the largest value in each window")
    _found_nothing("look_inside", "all six shapes, and positions inside their windows")


@_as_graded
def train(function) -> None:
    """The labels are others than usual, so that nothing helps but learning from what is given."""
    images, labels = load_mnist("train")
    labels = (labels[:25_000] + 3) % 10
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 10), nn.LogSoftmax(dim=1))
    _call(function, model, images[:20_000], labels[:20_000])
    outputs = _outputs(model, images[20_000:25_000], "a simple model after train")
    share = (outputs.argmax(dim=1) == labels[20_000:]).double().mean().item()
    if share < 0.7:
        raise Wrong(
            f"given a simple model and labels that are each 3 higher, train leaves it reading {share:.0%} of other "
            "images; 70 % is wanted. train must change the model that it is given, in place, and learn from the images "
            "and labels that it is given, as they are"
        )
    _found_nothing("train", "it learns from what it is given")


@_as_graded
def trained(model, images: Tensor, labels: Tensor) -> None:
    if not isinstance(model, nn.Module):
        raise Wrong(f"my_network is {_kind(model)}; a network is wanted")
    if sum(parameter.numel() for parameter in model.parameters()) < 1000:
        raise Wrong("my_network has hardly any weights of its own: is it the network that train has trained?")
    test_images, test_labels = load_mnist("test")
    outputs = torch.cat([_outputs(model, batch, "my_network") for batch in test_images.split(1000)])
    _tensor(outputs, (10_000, 10), "my_network, given the test images,", "one number for each digit")
    share = (outputs.argmax(dim=1) == test_labels).double().mean().item()
    if share < 0.98 and not _is_same(images, test_images):
        raise Wrong(
            "test_images are not as they were handed out: have you normalised them? In the grading, my_network is "
            f"given the images as load_mnist returns them, and of these it reads {share:.2%}. Train it on such images"
        )
    if share < 0.98:
        raise Wrong(
            f"my_network reads {share:.2%} of the test images; 98 % are wanted. About 10 % is guessing: "
            "then nothing was learnt. A little below 98 %: train longer, or with smaller batches"
        )
    with torch.no_grad():
        given = given_network()(test_images[:500])
    if (outputs[:500] - given).norm() < 0.05 * given.norm():
        raise Wrong("my_network computes what the given network does: train one of your own")
    _found_nothing("my_network", "it reads more than 98 % of the test images")


@_as_graded
def unpool(function) -> None:
    signal = torch.tensor([[[[7.0, -3.0], [2.5, 5.0]]]])
    switches = torch.tensor([[[[5, 3], [8, 15]]]])
    wanted = torch.tensor([[0.0, 0, 0, -3], [0, 7, 0, 0], [2.5, 0, 0, 0], [0, 0, 0, 5]])
    back = _numbers(function, signal, switches, (4, 4))
    _tensor(back, (1, 1, 4, 4), "unpool of 2×2 values to 4×4", "the size before pooling")
    if (back != 0).sum() > 4:
        raise Wrong(
            f"4 values came in, {int((back != 0).sum())} are in the result: each value has one position, "
            "the one that its switch names. All else is zero"
        )
    if not back[0, 0].equal(wanted):
        raise Wrong(
            f"from the values {signal[0, 0].tolist()} with the switches {switches[0, 0].tolist()} you make "
            f"{back[0, 0].tolist()}; position 5 of a 4×4 map is row 1, column 1"
        )
    signal, switches = signal.repeat(2, 3, 1, 1), switches.repeat(2, 3, 1, 1)
    signal[1, 2], switches[0, 1], switches[1, 2] = (
        1.5,
        torch.tensor([[0, 2], [13, 10]]),
        torch.tensor([[4, 6], [9, 11]]),
    )
    back = _numbers(function, signal.clone(), switches.clone(), (4, 4))
    _tensor(back, (2, 3, 4, 4), "unpool of 2 images with 3 maps", "the same number of images and maps")
    each = [_numbers(function, signal[n : n + 1, [c]], switches[n : n + 1, [c]], (4, 4)) for n, c in _POSITIONS]
    if not back.flatten(0, 1).equal(torch.cat(each)[:, 0]):
        raise Wrong("with 2 images of 3 maps, the values of one land in another: each map has its own switches")
    signal = signal[:1, :1]
    for size, places in (((5, 5), [6, 3, 10, 18]), ((4, 6), [7, 2, 18, 15])):
        back = _numbers(function, signal.clone(), torch.tensor(places).view(1, 1, 2, 2), size)
        _tensor(back, (1, 1, *size), f"unpool of 2×2 values to {size[0]}×{size[1]}", "the size before pooling")
        if not all(back[0, 0].flatten()[place] == value for place, value in zip(places, signal.flatten(), strict=True)):
            raise Wrong(
                f"in a map of {size[0]}×{size[1]}, the values land elsewhere than the switches {places} say: positions "
                f"count row by row, and a row is {size[1]} long"
            )
    _found_nothing("unpool", "each value is back in its place")


@_as_graded
def rectify(function) -> None:
    for values in ([[-2.0, 0.0, 3.0]], [[[[-0.5, 0.25], [1.5, -7.0]]]]):
        signal = torch.tensor(values)
        back = _numbers(function, signal.clone())
        _tensor(back, tuple(signal.shape), f"rectify of {_sizes(signal)} values", "the shape stays")
        if (back < 0).any():
            raise Wrong(f"rectify({values}) still has negative values: {back.tolist()}")
        if not back.equal(torch.where(signal > 0, signal, 0.0)):
            raise Wrong(f"rectify({values}) is {back.tolist()}: what is negative becomes zero, the rest stays")
    _found_nothing("rectify", "nothing negative comes through")


@_as_graded
def filter_back(function) -> None:
    for side, padding, size in ((5, 2, 28), (5, 0, 14)):
        conv = _conv(torch.rand(4, 2, side, side), padding)
        small = size + 2 * padding - side + 1
        back = _numbers(function, torch.rand(3, 4, small, small), conv)
        _tensor_of_4(back, "filter_back")
        if back.shape[-2:] != (size, size):
            raise Wrong(
                f"your reconstruction is {back.shape[-2]}×{back.shape[-1]}, the input {size}×{size}: look at the "
                f"padding on the way back. On the way up it was {padding}, with a filter of {side}×{side}"
            )
        if back.shape[:2] != (3, 2):
            raise Wrong(
                f"3 images with 4 maps come back as {_sizes(back)}; 3×2×{size}×{size} is wanted. The convolution made "
                "4 maps out of 2: on the way back, input and output channels are exchanged"
            )
    if _numbers(function, torch.zeros(1, 4, 10, 10), _conv(torch.rand(4, 2, 5, 5), 0)).any():
        raise Wrong("a signal that is zero everywhere gives a picture: have you added the biases? They stay out")
    stamp = torch.tensor([[1.0, 2, 3], [4, 5, 6], [7, 8, 9]])
    one = torch.zeros(1, 1, 7, 7)
    one[0, 0, 3, 3] = 1
    back = _numbers(function, one, _conv(stamp[None, None], 1))
    _tensor(back, (1, 1, 7, 7), "filter_back of 1×1×7×7 by a filter of 3×3", "padding 1")
    back = back[0, 0, 2:5, 2:5]
    flip = "With conv2d, flip it in both directions first; a transposed convolution does that by itself"
    names = {
        f"upside down and mirrored. {flip}": stamp.flip(0, 1),
        "with rows and columns exchanged. A flip reverses both; it does not exchange them": stamp.T,
        "with rows and columns exchanged, and flipped": stamp.T.flip(0, 1),
        "upside down": stamp.flip(0),
        "mirrored left to right": stamp.flip(1),
    }
    for name, wrong in names.items():
        if torch.allclose(back, wrong):
            raise Wrong(f"a single 1 must leave the filter where it stands, upright. You leave it {name}")
    if not torch.allclose(back, stamp):
        raise Wrong(f"a single 1 must leave the filter {stamp.tolist()} where it stands; you leave {back.tolist()}")
    conv = _conv(_mixed((3, 2, 3, 3)), 0, bias=False)
    y = _mixed((2, 3, 7, 6))
    back = _numbers(function, y.clone(), conv)
    _tensor(back, (2, 2, 9, 8), "filter_back of 2×3×7×6 by filters of 3×3", "no padding")
    for x in torch.eye(2 * 2 * 9 * 8).view(-1, 2, 2, 9, 8)[::7]:
        if not torch.allclose((conv(x) * y).sum(), (x * back).sum(), atol=1e-3):
            raise Wrong(
                "⟨Ax, y⟩ = ⟨x, Aᵀy⟩ does not hold: are the right filters joined to the right maps, and is nothing "
                "changed or cut off but by the filters? The signal and the filters are negative in places"
            )
    _found_nothing("filter_back", "sizes, filters and biases")


@_as_graded
def keep_channel(function) -> None:
    before = torch.arange(-10.5, 13).view(2, 3, 2, 2)
    maps = before.clone()
    alone = _numbers(function, maps, 1)
    _tensor(alone, (2, 3, 2, 2), "keep_channel of 2 images with 3 maps", "all maps stay, most of them zero")
    if not maps.equal(before):
        raise Wrong("keep_channel writes into the maps that it is given; you need them again. Work on a copy")
    if alone[:, [0, 2]].any():
        raise Wrong("the other maps are not zero: then every channel gives the same picture")
    if not alone[:, 1].equal(maps[:, 1]):
        raise Wrong("the chosen map itself has changed; it stays as it is, in all images")
    _found_nothing("keep_channel", "one map is left")


@_as_graded
def project(function) -> None:
    features = _where_all_maps_speak()
    images = torch.rand(2, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    for layer in (1, 2):
        back = _numbers(function, features, images, layer, 1)
        _tensor_of_4(back, "project")
        if back.shape != images.shape:
            raise Wrong(
                f"your reconstruction is {_sizes(back)}, the input {_sizes(images)}: is the padding right, and the "
                "size that unpool is told?"
            )
        if back.equal(_numbers(function, features, images, layer, 2)):
            raise Wrong(f"maps 1 and 2 of layer {layer} give the same picture: are the other maps set to zero?")
        if not (back < 0).any():
            raise Wrong("the picture has no negative value at all: rectify comes before filter_back, not after")
        alone = torch.cat([_numbers(function, features, image[None], layer, 1) for image in images])
        if not torch.allclose(back, alone, atol=1e-4):
            raise Wrong(
                "two images together give other pictures than one by one: each needs its own switches, and nothing may "
                "be scaled over all of them"
            )
    silent = copy.deepcopy(features)
    silent[3].bias.data[1] = -1000.0
    if _numbers(function, silent, images, 2, 1).any():
        raise Wrong(
            "map 1 of layer 2 is zero everywhere and gives a picture: have you added the biases, "
            "or projected another map?"
        )
    _by_hand(function)
    image = _mixed((1, 1, 23, 18)).abs()
    back = _numbers(function, _other_chain(), image, 2, 1)
    _tensor(back, (1, 1, 23, 18), "project on an image of 23×18, with 3 and 5 filters of 3×3", "the shape of the image")
    rows, columns, values = _GIVEN["projected"]
    if not torch.allclose(back[0, 0, rows, columns], torch.tensor(values), atol=2e-2):
        raise Wrong(
            "with an image of 23×18 and a chain of other sizes, the values are wrong, though not with even sizes: what "
            "size is unpool told? Pooling drops the last row of an odd height. What padding does each layer have?"
        )
    _found_nothing("project", "sizes, separate maps, separate images")


def _by_hand(function) -> None:
    """A network of 1×1 filters, so small that you can follow each number."""
    conv1 = _conv(torch.tensor([1.0, -1.0, -0.5]).view(3, 1, 1, 1), 0)
    conv1.bias.data = torch.tensor([0.0, 0.5, 0.6])
    conv2 = _conv(torch.tensor([2.0, -1.0, 1.0]).view(1, 3, 1, 1), 0, bias=False)
    features = nn.Sequential(conv1, nn.ReLU(), nn.MaxPool2d(2), conv2, nn.ReLU(), nn.MaxPool2d(2)).eval()
    left = torch.tensor([[0.1, 0.2, 0.3, 0.0], [0.6, 0.4, 0.5, 0.2], [0.9, 0.8, 0.0, 0.1], [0.7, 0.6, 0.3, 0.2]])
    right = torch.tensor([[0.9, 0.1, 0.0, 0.2], [0.5, 0.4, 0.3, 0.1], [0.2, 0.0, 0.1, 0.3], [0.1, 0.3, 0.0, 0.2]])
    image = torch.cat([left, right], dim=1)
    wanted = torch.zeros(4, 8)
    wanted[2, 0], wanted[3, 1], wanted[0, 4], wanted[0, 5] = 4.2, -1.05, 3.9, -0.975
    back = _numbers(function, features, image[None, None], 2, 0)
    _tensor(back, (1, 1, 4, 8), "project on an image of 4×8", "the shape of the image")
    if not torch.allclose(back[0, 0], wanted, atol=1e-3):
        raise Wrong(
            f"for the image {_rounded(image)} and 1×1 filters with the weights 1, −1, −0.5 (biases 0, 0.5, 0.6) and "
            "then 2, −1, 1 (bias 0), map 0 of layer 2 gives 4.2 in row 2, column 0, and −1.05 in row 3, column 1; 3.9 "
            f"in row 0, column 4, and −0.975 beside it. Yours is {_rounded(back[0, 0])}. "
            "Is there a ReLU on the way up, and rectify at both layers on the way down? Is nothing set to zero again?"
        )


@_as_graded
def choose(function) -> None:
    labels, predictions = torch.tensor([3, 5, 5, 1, 1, 5]), torch.tensor([3, 6, 5, 7, 1, 5])
    for digit in (5, 1):
        index = _index(_call(function, digit, predictions, labels), "choose returns", 6)
        if labels[index] != digit:
            raise Wrong(f"asked for a {digit}, you choose image {index}, which is a {labels[index]}")
        if predictions[index] != digit:
            raise Wrong(
                f"image {index} is a {digit} that the network reads as a {predictions[index]}. Its maps would not show "
                f"how the network sees a {digit}"
            )
    _found_nothing("choose", "the right digit, read correctly")


@_as_graded
def chosen(indices) -> None:
    """Of the test images as they were handed out, as the given network reads them."""
    if not isinstance(indices, dict) or set(indices) != set(_DIGITS):
        raise Wrong(f"chosen must be a dictionary with one entry for each of the digits {_LISTED}")
    images, labels = load_mnist("test")
    for digit, index in indices.items():
        index = _index(index, f"chosen[{digit}] is", len(images))
        if labels[index] != digit:
            raise Wrong(f"chosen[{digit}] is {index}, but test image {index} is a {labels[index]}: are labels changed?")
        with torch.no_grad():
            read = given_network()(images[index : index + 1]).argmax().item()
        if read != digit:
            raise Wrong(
                f"chosen[{digit}] is {index}, which the given network reads as a {read}, with the images as they were "
                "handed out: have you changed test_images, or the network?"
            )
    _found_nothing("chosen", f"{_COUNT} digits, read correctly")


def _index(answer, what: str, count: int) -> int:
    """`answer`, an index below `count`: an integer, or an array or tensor with one."""
    if hasattr(answer, "tolist"):
        numbers = answer.reshape(-1).tolist()
        if len(numbers) != 1:
            raise Wrong(f"{what} {_kind(answer)}; one index is wanted, an integer")
        answer = numbers[0]
    if isinstance(answer, bool) or not isinstance(answer, int):
        raise Wrong(f"{what} {_kind(answer)}; an index is wanted, an integer")
    if not 0 <= answer < count:
        raise Wrong(f"{what} {answer}; there are {count} images")
    return answer


@_as_graded
def visualise(function, project_function) -> None:
    for features, counts, size in ((_where_all_maps_speak(), (6, 16), (28, 28)), (_other_chain(), (3, 5), (20, 17))):
        image = torch.rand(1, 1, *size, generator=torch.Generator().manual_seed(1))
        maps = _numbers(function, features, image)
        why = f"{counts[0]} maps of layer 1, then {counts[1]} of layer 2"
        _tensor(maps, (sum(counts), *size), f"visualise of an image of {size[0]}×{size[1]}", why)
        both = [(layer, channel) for layer, count in enumerate(counts, start=1) for channel in range(count)]
        for position, (layer, channel) in enumerate(both):
            alone = _numbers(project_function, features, image, layer, channel)
            _tensor(alone, image.shape, "your project", "the shape of the image")
            if not torch.allclose(maps[position], alone[0, 0], atol=1e-4):
                raise Wrong(f"picture {position} is not map {channel} of layer {layer}, as your project gives it")
    _found_nothing("visualise", "22 pictures, in order")


@_as_graded
def to_uint8(function) -> None:
    maps = torch.tensor([[[-2.0, 0.0, 1.0]], [[0.0, 0.5, -0.5]]])
    for given, wanted in (
        (maps, [[[1, 128, 192]], [[128, 160, 96]]]),
        (-maps, [[[255, 128, 64]], [[128, 96, 160]]]),
    ):
        grey = _call(function, given)
        _tensor(grey, (2, 1, 3), "to_uint8", "the shape of the maps")
        if grey.dtype != torch.uint8:
            raise Wrong(f"to_uint8 returns {grey.dtype}; whole numbers of 8 bits are wanted, torch.uint8")
        if (grey.int() - torch.tensor(wanted)).abs().max() <= 1:
            continue
        if (grey.int() - given.int()).remainder(256).eq(0).all():
            raise Wrong("the values are cast to 8 bits as they are, and negative ones wrap round. Scale first")
        if abs(int(grey[0, 0, 1]) - int(grey[1, 0, 0])) > 1:
            raise Wrong(f"zero is {grey[0, 0, 1]} in one map and {grey[1, 0, 0]} in the other: give all maps one scale")
        if abs(int(grey[0, 0, 1]) - 128) > 1:
            raise Wrong(f"zero is {grey[0, 0, 1]}; the middle grey, 128, is wanted")
        if (grey.int() - 128 - 127 * given / given.abs().amax(dim=(1, 2), keepdim=True)).abs().max() <= 1:
            raise Wrong("each map has a scale of its own: the second is weaker than the first, and must look weaker")
        raise Wrong(
            f"to_uint8({given.tolist()}) is {grey.tolist()}; {wanted} is wanted: 128 + 127 · value / largest "
            "magnitude. The magnitude of −2 is 2, and 256 in 8 bits is 0"
        )
    _found_nothing("to_uint8", "zero is 128, one scale for all")


@_as_graded
def grids(pictures, indices, visualise_function, to_uint8_function) -> None:
    if not isinstance(pictures, dict) or set(pictures) != set(_DIGITS):
        raise Wrong(f"grids must be a dictionary with one entry for each of the digits {_LISTED}")
    for digit, grid in pictures.items():
        _tensor(grid, (22, 28, 28), f"grids[{digit}]", "22 pictures")
        if grid.dtype != torch.uint8:
            raise Wrong(f"grids[{digit}] is {grid.dtype}; what to_uint8 returns is wanted, torch.uint8")
        if len(grid.unique()) < 3:
            raise Wrong(f"grids[{digit}] is all one grey")
    if grids_are_equal := [(a, b) for a in pictures for b in pictures if a < b and pictures[a].equal(pictures[b])]:
        raise Wrong(f"the pictures of {grids_are_equal[0][0]} and {grids_are_equal[0][1]} are the same")
    images, _ = load_mnist("test")
    for digit, grid in pictures.items():
        index = _index(indices[digit], f"chosen[{digit}] is", len(images))
        maps = _call(visualise_function, given_network().features, images[index : index + 1])
        again = _call(to_uint8_function, maps)
        _tensor(again, (22, 28, 28), "what your to_uint8 makes of what your visualise returns", "22 pictures")
        if (grid.cpu().int() - again.cpu().int()).abs().max() > 1:
            raise Wrong(
                f"grids[{digit}] is not what your visualise and to_uint8 make of test image {index} and the given "
                "network: is it this image, as it was handed out? Have you normalised test_images, or changed the "
                "network?"
            )
    _found_nothing("grids", f"22 pictures for each of {_COUNT} digits")


def _call(function, *arguments, named: str = ""):
    """What the student's function returns; an error of its own comes through, with a word on how it was called."""
    name, began = named or getattr(function, "__name__", "your function"), monotonic()
    try:
        answer = function(*arguments)
    except NotImplementedError:
        raise Wrong(f"{name} is not written yet: put your code in the place of `raise NotImplementedError()`") from None
    except Exception as error:
        given = ", ".join(
            _sizes(one) if isinstance(one, Tensor) else type(one).__name__ if isinstance(one, nn.Module) else str(one)
            for one in arguments
        )
        error.add_note(f"This happened when the check called {name} with: {given or 'nothing'}")
        raise
    if (took := monotonic() - began) > _MOST_SECONDS:
        raise Wrong(f"{name} took {took:.0f} s here; in the grading, a call is ended after {_MOST_SECONDS} s")
    if isinstance(answer, Tensor) and answer.layout != torch.strided:
        raise Wrong(f"{name} returns a tensor that is not dense; an ordinary one is wanted")
    if isinstance(answer, Tensor) and (answer.is_complex() or not answer.isfinite().all()):
        raise Wrong(f"{name} returns numbers that are not finite and real: infinity, NaN, or complex ones")
    # Gradients, a GPU and double precision do no harm.
    answer = answer.detach().cpu() if isinstance(answer, Tensor) else answer
    return answer.float() if isinstance(answer, Tensor) and answer.is_floating_point() else answer


def _numbers(function, *arguments, named: str = ""):
    """As `_call`; of a tensor, whole numbers are as good as others."""
    answer = _call(function, *arguments, named=named)
    return answer.float() if isinstance(answer, Tensor) else answer


def _outputs(model: nn.Module, images: Tensor, named: str):
    """What the model returns, in eval mode. It may have been trained in double precision, or on a GPU."""
    own = next(model.parameters(), images)
    model.eval()
    with torch.no_grad():
        return _call(model, images.to(own.device, own.dtype), named=named)


def _is_same(images, wanted: Tensor) -> bool:
    if not isinstance(images, Tensor) or images.shape != wanted.shape:
        return False
    return torch.allclose(images.detach().cpu().float(), wanted)


def _tensor(thing, shape: tuple[int, ...], what: str, why: str) -> None:
    wanted = "×".join(map(str, shape))
    if not isinstance(thing, Tensor):
        raise Wrong(f"{what} is {_kind(thing)}; a tensor of {wanted} is wanted ({why})")
    if thing.shape != shape:
        raise Wrong(f"{what} is {_sizes(thing)}; {wanted} is wanted ({why})")


def _tensor_of_4(thing, what: str) -> None:
    if not isinstance(thing, Tensor) or thing.dim() != 4:
        raise Wrong(f"{what} returns {_kind(thing)}; a tensor (N, C, H, W) is wanted")


def _kind(thing) -> str:
    if thing is None:
        return "nothing (None): is there a `return`?"
    if isinstance(thing, Tensor):
        return f"a tensor of {_sizes(thing)}"
    article = "an" if type(thing).__name__[0] in "aeiou" else "a"
    return f"{article} {type(thing).__name__}" + (" (NumPy)" if type(thing).__module__ == "numpy" else "")


def _rounded(values: Tensor) -> list:
    return [[round(value, 2) for value in row] for row in values.tolist()]


def _sizes(tensor: Tensor) -> str:
    return "×".join(map(str, tensor.shape)) or "a single number"


def _conv(weight: Tensor, padding: int, bias: bool = True) -> nn.Conv2d:
    layer = nn.Conv2d(weight.shape[1], weight.shape[0], weight.shape[-1], padding=padding)
    layer.weight.data = weight
    layer.bias.data.fill_(1.0 if bias else 0.0)
    return layer.requires_grad_(False)


def _where_all_maps_speak() -> nn.Sequential:
    """The given network with biases so high that each of its maps is above zero nearly everywhere."""
    features = copy.deepcopy(given_network().features)
    for layer, bias in ((0, 3.0), (3, 30.0)):
        features[layer].bias.data.fill_(bias)
    return features


def _other_chain() -> nn.Sequential:
    """Of the kind of `network.features`, in other sizes; each map is above zero in each window."""
    convs = [_conv(_mixed((3, 1, 3, 3)), 1), _conv(_mixed((5, 3, 3, 3)), 0)]
    for conv, bias in zip(convs, (3.0, 30.0), strict=True):
        conv.bias.data.fill_(bias)
    return nn.Sequential(*(layer for conv in convs for layer in (conv, nn.ReLU(), nn.MaxPool2d(2)))).eval()


def _fill(model: nn.Module) -> nn.Module:
    """The model with weights that are the same on each machine, whatever order the layers stand in."""
    with torch.no_grad():
        for parameter in model.parameters():
            scale = math.sqrt(6 / math.prod(parameter.shape[1:])) if parameter.dim() > 1 else 0.1
            parameter.copy_(scale * _mixed(tuple(parameter.shape)))
    return model


def _mixed(shape: tuple[int, ...]) -> Tensor:
    """Numbers between −1 and 1 in no order, the same on each machine."""
    k = torch.arange(math.prod(shape)) + _GIVEN["seed"] % 997
    return ((31 * k * k + 17 * k) % 997 / 498 - 1).view(shape)


def _found_nothing(what: str, checked: str) -> None:
    print(f"✓ {what}: {checked}. Nothing wrong found.")
