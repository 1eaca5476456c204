"""Checks that you can run as often as you like. Each says what is wrong, or that it found nothing.

They know small examples only. Your work is graded with other weights, other images and other sizes.
"""

import copy
import math

import torch
from given import given_network
from torch import Tensor, nn

# Of the network that the table describes, with the weights that build_cnn, below, sets.
_OUTPUTS = [-1.606, -2.708, -3.385, -2.097, -1.789, -3.157, -3.075, -1.738, -2.2, -3.398]


class Wrong(Exception):
    """What a check found. The notebook shows the message alone."""

    def _render_traceback_(self) -> list[str]:
        return [f"✗ {self}"]


def build_cnn(build) -> None:
    model = _call(build)
    if not isinstance(model, nn.Module):
        raise Wrong(f"build_cnn returns {_kind(model)}; a torch.nn.Module is wanted")
    model.eval()
    with torch.no_grad():
        outputs = _call(model, torch.rand(3, 1, 28, 28), named="your network")
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
    with torch.no_grad():
        for parameter in sorted(model.parameters(), key=lambda one: tuple(one.shape)):
            parameter.copy_(0.2 * _waves(parameter.shape))
        outputs = model(_waves((1, 1, 28, 28)).abs())
    if not torch.allclose(outputs[0], torch.tensor(_OUTPUTS), atol=1e-2):
        raise Wrong(
            "with weights that the check sets, your network gives other outputs than the layers of the table. "
            "Is each ReLU there, and none too many? Is it max pooling?"
        )
    other = _call(build, 3, 7)
    convs = [parameter.shape[0] for parameter in other.parameters() if parameter.dim() == 4]
    if convs != [3, 7]:
        raise Wrong(f"build_cnn(3, 7) has convolutions with {convs} feature maps; [3, 7] are wanted")
    with torch.no_grad():
        _tensor(
            _call(other, torch.rand(2, 1, 28, 28), named="build_cnn(3, 7)"),
            (2, 10),
            "build_cnn(3, 7)",
            "log-probabilities",
        )
    _found_nothing("build_cnn", "10 log-probabilities, 61,706 weights and biases")


def look_inside(look, build) -> None:
    model = _call(build).eval()
    inside = _call(look, model, torch.rand(2, 1, 28, 28))
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
    _found_nothing("look_inside", "all six shapes, and positions inside their windows")


def trained(model, images: Tensor, labels: Tensor) -> None:
    if not isinstance(model, nn.Module):
        raise Wrong(f"my_network is {_kind(model)}; a network is wanted")
    model.eval()
    with torch.no_grad():
        predictions = torch.cat([model(batch).argmax(dim=1) for batch in images.split(1000)])
    share = (predictions == labels).double().mean().item()
    if share < 0.98:
        raise Wrong(
            f"my_network reads {share:.2%} of the test images; 98 % are wanted. About 10 % is guessing: "
            "then nothing was learnt. A little below 98 %: train longer, or with smaller batches"
        )
    _found_nothing("my_network", "it reads more than 98 % of the test images")


def unpool(function) -> None:
    signal = torch.tensor([[[[7.0, 3.0], [2.0, 5.0]]]])
    switches = torch.tensor([[[[5, 3], [8, 15]]]])
    wanted = torch.tensor([[0.0, 0, 0, 3], [0, 7, 0, 0], [2, 0, 0, 0], [0, 0, 0, 5]])
    back = _call(function, signal, switches, (4, 4))
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
    back = _call(function, signal.expand(2, 3, 2, 2), switches.expand(2, 3, 2, 2), (4, 4))
    _tensor(back, (2, 3, 4, 4), "unpool of 2 images with 3 maps", "the same number of images and maps")
    if not back.equal(wanted.expand(2, 3, 4, 4)):
        raise Wrong("with 2 images of 3 maps, the values of one land in another: each map has its own switches")
    for size, places in (((5, 5), [6, 3, 10, 18]), ((4, 6), [7, 2, 18, 15])):
        back = _call(function, signal, torch.tensor(places).view(1, 1, 2, 2), size)
        _tensor(back, (1, 1, *size), f"unpool of 2×2 values to {size[0]}×{size[1]}", "the size before pooling")
        if not all(back[0, 0].flatten()[place] == value for place, value in zip(places, signal.flatten(), strict=True)):
            raise Wrong(
                f"in a map of {size[0]}×{size[1]}, the values land elsewhere than the switches {places} say: positions "
                f"count row by row, and a row is {size[1]} long"
            )
    _found_nothing("unpool", "each value is back in its place")


def rectify(function) -> None:
    signal = torch.tensor([[-2.0, 0.0, 3.0]])
    back = _call(function, signal)
    _tensor(back, (1, 3), "rectify of 1×3 values", "the shape stays")
    if (back < 0).any():
        raise Wrong(f"rectify({signal.tolist()}) still has negative values: {back.tolist()}")
    if not back.equal(torch.tensor([[0.0, 0.0, 3.0]])):
        raise Wrong(f"rectify({signal.tolist()}) is {back.tolist()}: what is negative becomes zero, the rest stays")
    _found_nothing("rectify", "nothing negative comes through")


def filter_back(function) -> None:
    for side, padding, size in ((5, 2, 28), (5, 0, 14)):
        conv = _conv(torch.rand(4, 2, side, side), padding)
        small = size + 2 * padding - side + 1
        back = _call(function, torch.rand(3, 4, small, small), conv)
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
    if _call(function, torch.zeros(1, 4, 10, 10), _conv(torch.rand(4, 2, 5, 5), 0)).any():
        raise Wrong("a signal that is zero everywhere gives a picture: have you added the biases? They stay out")
    stamp = torch.tensor([[1.0, 2, 3], [4, 5, 6], [7, 8, 9]])
    one = torch.zeros(1, 1, 7, 7)
    one[0, 0, 3, 3] = 1
    back = _call(function, one, _conv(stamp[None, None], 1))[0, 0, 2:5, 2:5]
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
    x, y, conv = torch.rand(1, 2, 9, 8), torch.rand(1, 3, 7, 6), _conv(torch.randn(3, 2, 3, 3), 0, bias=False)
    back = _call(function, y, conv)
    _tensor(back, (1, 2, 9, 8), "filter_back of 1×3×7×6 by filters of 3×3", "no padding")
    if not torch.allclose((conv(x) * y).sum(), (x * back).sum(), rtol=1e-3):
        raise Wrong("⟨Ax, y⟩ = ⟨x, Aᵀy⟩ does not hold: are the right filters joined to the right maps?")
    _found_nothing("filter_back", "sizes, filters and biases")


def keep_alone(function) -> None:
    maps = torch.arange(1.0, 13).view(1, 3, 2, 2)
    before = maps.clone()
    alone = _call(function, maps, 1)
    _tensor(alone, (1, 3, 2, 2), "keep_alone of 3 maps", "all maps stay, most of them zero")
    if not maps.equal(before):
        raise Wrong("keep_alone writes into the maps that it is given; you need them again. Work on a copy")
    if alone[:, [0, 2]].any():
        raise Wrong("the other maps are not zero: then every channel gives the same picture")
    if not alone[:, 1].equal(maps[:, 1]):
        raise Wrong("the chosen map itself has changed; it stays as it is")
    _found_nothing("keep_alone", "one map is left")


def project(function) -> None:
    features = _where_all_maps_speak()
    images = torch.rand(2, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    for layer in (1, 2):
        back = _call(function, features, images, layer, 1)
        _tensor_of_4(back, "project")
        if back.shape != images.shape:
            raise Wrong(
                f"your reconstruction is {_sizes(back)}, the input {_sizes(images)}: is the padding right, and the "
                "size that unpool is told?"
            )
        if back.equal(_call(function, features, images, layer, 2)):
            raise Wrong(f"maps 1 and 2 of layer {layer} give the same picture: are the other maps set to zero?")
        if not (back < 0).any():
            raise Wrong("the picture has no negative value at all: rectify comes before filter_back, not after")
        alone = torch.cat([_call(function, features, image[None], layer, 1) for image in images])
        if not torch.allclose(back, alone, atol=1e-4):
            raise Wrong(
                "two images together give other pictures than one by one: each needs its own switches, and nothing may "
                "be scaled over all of them"
            )
    silent = copy.deepcopy(features)
    silent[3].bias.data[1] = -1000.0
    if _call(function, silent, images, 2, 1).any():
        raise Wrong(
            "map 1 of layer 2 is zero everywhere and gives a picture: have you added the biases, "
            "or projected another map?"
        )
    _by_hand(function)
    _found_nothing("project", "sizes, separate maps, separate images")


def _by_hand(function) -> None:
    """A network of 1×1 filters, so small that you can follow each number."""
    conv1 = _conv(torch.tensor([1.0, -1.0]).view(2, 1, 1, 1), 0)
    conv1.bias.data = torch.tensor([0.0, 0.5])
    conv2 = _conv(torch.tensor([2.0, -1.0]).view(1, 2, 1, 1), 0, bias=False)
    features = nn.Sequential(conv1, nn.ReLU(), nn.MaxPool2d(2), conv2, nn.ReLU(), nn.MaxPool2d(2))
    left = torch.tensor([[0.1, 0.2, 0.0, 0.0], [0.6, 0.3, 0.0, 0.4], [0.9, 0.8, 0.0, 0.1], [0.7, 0.6, 0.3, 0.2]])
    right = torch.tensor([[0.9, 0.1, 0.0, 0.2], [0.5, 0.4, 0.3, 0.1], [0.2, 0.0, 0.1, 0.3], [0.1, 0.1, 0.0, 0.2]])
    image = torch.cat([left, right], dim=1)
    wanted = torch.zeros(4, 8)
    wanted[2, 0], wanted[0, 4] = 3.6, 2.8
    back = _call(function, features, image[None, None], 2, 0)
    _tensor(back, (1, 1, 4, 8), "project on an image of 4×8", "the shape of the image")
    if not torch.allclose(back[0, 0], wanted, atol=1e-3):
        raise Wrong(
            f"for the image {_rounded(image)} and 1×1 filters with the weights 1, −1 (biases 0, 0.5) and then 2, −1, "
            "map 0 of layer 2 gives 3.6 in row 2, column 0, and 2.8 in row 0, column 4. "
            f"Yours is {_rounded(back[0, 0])}. "
            "Is there a ReLU on the way up, and rectify at both layers on the way down?"
        )


def choose(function) -> None:
    labels, predictions = torch.tensor([3, 5, 5, 1, 5]), torch.tensor([3, 6, 5, 1, 5])
    index = _call(function, 5, predictions, labels)
    index = index.item() if hasattr(index, "item") and getattr(index, "size", 0) != 0 else index
    if not isinstance(index, int):
        raise Wrong(f"choose returns {_kind(index)}; an index is wanted, an integer")
    if not 0 <= index < 5:
        raise Wrong(f"choose returns {index}; there are 5 images")
    if labels[index] != 5:
        raise Wrong(f"asked for a 5, you choose image {index}, which is a {labels[index]}")
    if predictions[index] != 5:
        raise Wrong(
            f"image {index} is a 5 that the network reads as a {predictions[index]}. Its maps would not show how the "
            "network sees a 5"
        )
    _found_nothing("choose", "the right digit, read correctly")


def visualise(function, project_function) -> None:
    features = _where_all_maps_speak()
    image = torch.rand(1, 1, 28, 28, generator=torch.Generator().manual_seed(1))
    maps = _call(function, features, image)
    _tensor(maps, (22, 28, 28), "visualise", "6 maps of layer 1, then 16 of layer 2")
    for position, (layer, channel) in {0: (1, 0), 5: (1, 5), 6: (2, 0), 21: (2, 15)}.items():
        if not torch.allclose(
            maps[position], _call(project_function, features, image, layer, channel)[0, 0], atol=1e-4
        ):
            raise Wrong(f"picture {position} is not map {channel} of layer {layer}, as your project gives it")
    _found_nothing("visualise", "22 pictures, in order")


def shades(function) -> None:
    maps = torch.tensor([[[-2.0, 0.0, 1.0]], [[0.0, 0.5, -0.5]]])
    for given, wanted in (
        (maps, [[[1, 128, 192]], [[128, 160, 96]]]),
        (-maps, [[[255, 128, 64]], [[128, 96, 160]]]),
    ):
        grey = _call(function, given)
        _tensor(grey, (2, 1, 3), "shades", "the shape of the maps")
        if grey.dtype != torch.uint8:
            raise Wrong(f"shades returns {grey.dtype}; whole numbers of 8 bits are wanted, torch.uint8")
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
            f"shades({given.tolist()}) is {grey.tolist()}; {wanted} is wanted: 128 + 127 · value / largest magnitude. "
            "The magnitude of −2 is 2, and 256 in 8 bits is 0"
        )
    _found_nothing("shades", "zero is 128, one scale for all")


def grids(pictures) -> None:
    if not isinstance(pictures, dict) or set(pictures) != {0, 1, 5, 8}:
        raise Wrong("grids must be a dictionary with one entry for each of the digits 0, 1, 5 and 8")
    for digit, grid in pictures.items():
        _tensor(grid, (22, 28, 28), f"grids[{digit}]", "22 pictures")
        if grid.dtype != torch.uint8:
            raise Wrong(f"grids[{digit}] is {grid.dtype}; what shades returns is wanted, torch.uint8")
        if len(grid.unique()) < 3:
            raise Wrong(f"grids[{digit}] is all one grey")
    if grids_are_equal := [(a, b) for a in pictures for b in pictures if a < b and pictures[a].equal(pictures[b])]:
        raise Wrong(f"the pictures of {grids_are_equal[0][0]} and {grids_are_equal[0][1]} are the same")
    _found_nothing("grids", "22 pictures for each of four digits")


def _call(function, *arguments, named: str = ""):
    """What the student's function returns; an error of its own comes through, with a word on how it was called."""
    name = named or getattr(function, "__name__", "your function")
    try:
        answer = function(*arguments)
        # Double precision, and gradients, do no harm.
        return answer.detach().float() if isinstance(answer, Tensor) and answer.is_floating_point() else answer
    except NotImplementedError:
        raise Wrong(f"{name} is not written yet: put your code in the place of `raise NotImplementedError()`") from None
    except Exception as error:
        given = ", ".join(
            _sizes(one) if isinstance(one, Tensor) else type(one).__name__ if isinstance(one, nn.Module) else str(one)
            for one in arguments
        )
        error.add_note(f"This happened when the check called {name} with: {given or 'nothing'}")
        raise


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


def _waves(shape: tuple[int, ...]) -> Tensor:
    """Numbers between −1 and 1 that are the same on each machine."""
    return torch.arange(math.prod(shape)).mul(1.7).sin().view(shape)


def _found_nothing(what: str, checked: str) -> None:
    print(f"✓ {what}: {checked}. Nothing wrong found.")
