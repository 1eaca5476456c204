"""Checks that you can run as often as you like. Each says what is wrong, or that it found nothing.

They know small examples only. Your work is graded with other weights, other images and other sizes. As there, they work
in single precision and on the CPU, whatever you have set, and with the images as they were handed out.
"""

import copy
import json
import math
from collections.abc import Callable
from functools import partial, wraps
from pathlib import Path
from time import monotonic

import torch
from bank import COUNT, WORDS, address_of
from given import given_network
from torch import Tensor, nn

from helpers.data import load_mnist
from helpers.messages import Message, message, sentence

_SETTINGS = json.loads(Path(__file__).with_name("settings.json").read_text(encoding="utf-8"))
_DIGITS = _SETTINGS["digits"]

# Numbers of small examples, and the seed of the weights and images that lead to them.
#   "image": which of the images of `_mixed` tells a network from those with a mistake.
#   "outputs": for this image, of the network that the table describes, with the weights of `_fill`; with 3 and 7 maps;
#       and with mistakes.
#   "inside": in it, for each layer and two other images: the "means" of the pooled maps; and in the second image the
#       pooled values of all maps at one "place", some "switches" there, and of which "maps".
#   "projected": what project makes of map 1 of layer 2 of `_other_chain`, for an image of 23×18: rows, columns, values.
_GIVEN = json.loads(Path(__file__).with_name("given.json").read_text(encoding="utf-8"))

# Of 2 images with 3 maps each: positions in maps of 4×4, no two alike.
_SWITCHES = [
    [[[5, 3], [8, 15]], [[0, 2], [13, 10]], [[1, 7], [12, 11]]],
    [[[4, 6], [9, 11]], [[0, 3], [8, 14]], [[5, 2], [9, 10]]],
]

_NUMBERS = (
    *(message("number.two"), message("number.three"), message("number.four"), message("number.five")),
    *(message("number.six"), message("number.seven"), message("number.eight"), message("number.nine")),
    message("number.ten"),
)
_YOUR_NETWORK = message("what.your_network")

# In the grading, a call takes no longer.
_MOST_SECONDS = 30


class Wrong(Exception):
    """What a check found. The notebook shows the sentence alone."""

    def __init__(self, fault: Message) -> None:
        super().__init__(_say(fault))
        self.fault = fault

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
        raise Wrong(message("build_cnn.no_module", found=_kind(model)))
    outputs, misfit = _first_outputs(model)
    _tensor(outputs, (3, 10), message("what.network_given_3"), message("why.one_for_each_digit"))
    if (outputs >= 0).all() and torch.allclose(outputs.sum(dim=1), torch.ones(3), atol=1e-4):
        raise Wrong(message("build_cnn.probabilities"))
    if not torch.allclose(outputs.exp().sum(dim=1), torch.ones(3), atol=1e-4):
        raise Wrong(message("build_cnn.no_log_probabilities"))
    found = sum(parameter.numel() for parameter in model.parameters())
    shapes = [_sizes(parameter) for parameter in model.parameters()]
    if found != 61_706:
        raise Wrong(misfit or message("build_cnn.wrong_number", found=found, wanted=61_706, shapes=shapes))
    if sorted(parameter.dim() for parameter in model.parameters()) != [1] * 5 + [2] * 3 + [4] * 2:
        raise Wrong(message("build_cnn.wrong_shapes", shapes=shapes))
    image, wanted = _mixed((_GIVEN["image"] + 1, 1, 28, 28))[-1:].abs(), _GIVEN["outputs"]
    outputs = _outputs(_fill(model), image, _YOUR_NETWORK)
    if not _agree(outputs[0], wanted["right"]):
        missing = [layer for layer, given in enumerate(wanted["no_relu"], start=1) if _agree(outputs[0], given)]
        if missing:
            raise Wrong(message("build_cnn.no_relu", layers=str(missing[0])))
        if _agree(outputs[0], wanted["average_pooling"]):
            raise Wrong(message("build_cnn.average_pooling"))
        raise Wrong(misfit or message("build_cnn.wrong_outputs"))
    other = _call(build, 3, 7)
    outputs = _outputs(other, torch.rand(2, 1, 28, 28), "build_cnn(3, 7)")
    _tensor(outputs, (2, 10), message("what.build_cnn_given_2"), message("why.log_probabilities"))
    convs = sorted((one for one in other.parameters() if one.dim() == 4), key=lambda one: one.shape[1])
    if [len(one) for one in convs] != [3, 7]:
        raise Wrong(message("build_cnn.other_maps", found=str([len(one) for one in convs])))
    found = sum(parameter.numel() for parameter in other.parameters())
    if found != 32_744:
        raise Wrong(message("build_cnn.other_number", found=found, wanted=32_744))
    if not _agree(_outputs(_fill(other), image, "build_cnn(3, 7)")[0], wanted["other_maps"]):
        raise Wrong(message("build_cnn.other_outputs"))
    _found_nothing("build_cnn", message("checked.build_cnn"))


def _agree(outputs: Tensor, given: list[float]) -> bool:
    return torch.allclose(outputs, torch.tensor(given), atol=1e-3)


def _first_outputs(model: nn.Module) -> tuple[Tensor, Message | None]:
    """What the network returns for 3 images; and which of its layers has another size than the table says, if any."""
    convs: list[tuple[Tensor, Tensor]] = []
    linear: list[tuple[nn.Linear, Tensor]] = []
    hooks = []
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            hooks.append(layer.register_forward_hook(lambda _, given, made: convs.append((given[0], made))))
        elif isinstance(layer, nn.Linear):
            hooks.append(layer.register_forward_pre_hook(lambda one, given: linear.append((one, given[0]))))
    try:
        outputs = _outputs(model, torch.rand(3, 1, 28, 28), _YOUR_NETWORK)
    except Wrong:
        raise
    except Exception:
        if misfit := _misfit(convs, linear):
            raise Wrong(misfit) from None
        raise
    finally:
        for hook in hooks:
            hook.remove()
    return outputs, _misfit(convs, linear)


def _misfit(convs: list[tuple[Tensor, Tensor]], linear: list[tuple[nn.Linear, Tensor]]) -> Message | None:
    for layer, (given, made) in enumerate(convs[:2], start=1):
        if layer == 2 and (found := _sizes(given[0, 0])) != "14×14":
            return message("build_cnn.wrong_pooling", found=found)
        wanted = "28×28" if layer == 1 else "10×10"
        if (found := _sizes(made[0, 0])) != wanted:
            return message("build_cnn.wrong_padding", layer=layer, found=found, wanted=wanted)
    for one, given in linear:
        if given.shape[-1] != one.in_features:
            return message("build_cnn.wrong_linear", found=given.shape[-1], takes=one.in_features)
    return None


@_as_graded
def look_inside(look, build) -> None:
    model = _call(build).eval()
    _call(model, torch.rand(2, 1, 28, 28), named=_YOUR_NETWORK)  # a lazy one has its weights only now
    inside = _call(look, _fill(model), _mixed((2, 1, 28, 28)).abs())
    if not isinstance(inside, dict):
        raise Wrong(message("look_inside.no_dictionary", found=_kind(inside)))
    wanted = {
        **{"filters1": (6, 1, 5, 5), "pooled1": (2, 6, 14, 14), "switches1": (2, 6, 14, 14)},
        **{"filters2": (16, 6, 5, 5), "pooled2": (2, 16, 5, 5), "switches2": (2, 16, 5, 5)},
    }
    if missing := [name for name in wanted if name not in inside]:
        has = [str(name) for name in inside] or message("nothing")
        raise Wrong(message("look_inside.missing", missing=missing, has=has))
    for name, shape in wanted.items():
        why = message("why.all_weights") if "filters" in name else message("why.2_images")
        _tensor(inside[name], shape, name, why)
    own = {parameter.shape: parameter.detach() for parameter in model.parameters()}
    for layer in (1, 2):
        filters = inside[f"filters{layer}"].detach().cpu().float()
        if filters.shape in own and not torch.allclose(filters, own[filters.shape], atol=1e-4):
            raise Wrong(message("look_inside.wrong_filters", layer=layer))
    for layer, width in ((1, 28), (2, 10)):
        switches, pooled = inside[f"switches{layer}"], inside[f"pooled{layer}"]
        if switches.dtype != torch.int64:
            raise Wrong(message("look_inside.not_int64", layer=layer, found=str(switches.dtype)))
        rows = torch.arange(pooled.shape[-2])[:, None]
        if not (switches // width // 2 == rows).all() or not (switches % width // 2 == rows.T).all():
            raise Wrong(message("look_inside.outside_window", layer=layer, width=width, example=width + 2))
        if (pooled < 0).any():
            raise Wrong(message("look_inside.negative", layer=layer))
        example = _GIVEN["inside"][layer - 1]
        (row, column), values = example["place"], torch.tensor(example["pooled"])
        numbers = pooled.detach().cpu().float()
        means = torch.tensor(example["means"])
        if not torch.allclose(numbers[1, :, row, column], values, atol=1e-2) or not torch.allclose(
            numbers.mean(dim=(0, 2, 3)), means, atol=3e-3
        ):
            raise Wrong(message("look_inside.wrong_values", layer=layer))
        if switches[1, example["maps"], row, column].tolist() != example["switches"]:
            raise Wrong(message("look_inside.not_largest", layer=layer))
    alone = _call(look, model, _mixed((2, 1, 28, 28))[1:].abs())
    for name in ("pooled1", "switches1", "pooled2", "switches2"):
        one = alone.get(name) if isinstance(alone, dict) else alone
        _tensor(one, (1, *wanted[name][1:]), name, message("why.1_image"))
        # Of equal values, another may be the first in a batch of another size: so no word on the switches.
        if "pooled" in name and not torch.allclose(
            *(part.detach().cpu().float() for part in (one, inside[name][1:])), atol=1e-3
        ):
            raise Wrong(message("look_inside.images_not_apart", name=name))
    _found_nothing("look_inside", message("checked.look_inside"))


class _Simple(nn.Sequential):
    """A model that learns fast, and counts how often it is called. A copy of it counts by itself."""

    calls = 0

    def forward(self, images: Tensor) -> Tensor:
        self.calls += 1
        return super().forward(images)


@_as_graded
def train(function) -> None:
    """The labels are others than usual, so that nothing helps but learning from what is given."""
    images, usual = load_mnist("train")
    labels = (usual[:25_000] + 3) % 10
    model = _Simple(nn.Flatten(), nn.Linear(784, 10), nn.LogSoftmax(dim=1))
    before = copy.deepcopy(model.state_dict())
    _call(function, model, images[:20_000], labels[:20_000])
    if _is_unchanged(model, before):
        raise Wrong(message("train.no_step") if model.calls else message("train.another_model"))
    outputs = _outputs(model, images[20_000:25_000], message("what.simple_model"))
    read = outputs.argmax(dim=1)
    share = (read == labels[20_000:]).double().mean().item()
    if share < 0.7:
        if (read == usual[20_000:25_000]).double().mean() > 0.5:
            raise Wrong(message("train.other_labels"))
        if share < 0.25:
            loss = -outputs.gather(1, labels[20_000:, None]).mean().item()
            # With labels drawn at random, it stays near 2.3.
            raise Wrong(message("train.uphill", loss=loss) if loss > 10 else message("train.guesses", share=share))
        raise Wrong(message("train.not_learnt", share=share))
    _found_nothing("train", message("checked.train"))


@_as_graded
def trained(model, images: Tensor, labels: Tensor) -> None:
    if not isinstance(model, nn.Module):
        raise Wrong(message("train.no_network", found=_kind(model)))
    if sum(parameter.numel() for parameter in model.parameters()) < 1000:
        raise Wrong(message("train.hardly_any_weights"))
    test_images, test_labels = load_mnist("test")
    outputs = torch.cat([_outputs(model, batch, "my_network") for batch in test_images.split(1000)])
    _tensor(outputs, (10_000, 10), message("what.my_network_given"), message("why.one_for_each_digit"))
    # First, as the given weights read too little with the windows of task 1.
    for features in (given_network().features, _with_windows_of_task_1(given_network().features)):
        with torch.no_grad():
            given = given_network().classifier(features(test_images[:500]))
        if (outputs[:500] - given).norm() < 0.05 * given.norm():
            raise Wrong(message("train.given_network"))
    share = (outputs.argmax(dim=1) == test_labels).double().mean().item()
    if share < 0.98 and not _is_same(images, test_images):
        raise Wrong(message("train.changed_images", share=share))
    if share < 0.98:
        raise Wrong(message("train.reads", share=share))
    _found_nothing("my_network", message("checked.trained"))


@_as_graded
def unpool(function) -> None:
    signal = torch.tensor([[[[7.0, -3.0], [2.5, 5.0]]]])
    switches = torch.tensor([[[[5, 3], [8, 15]]]])
    wanted = torch.tensor([[0.0, 0, 0, -3], [0, 7, 0, 0], [2.5, 0, 0, 0], [0, 0, 0, 5]])
    back = _numbers(function, signal, switches, (4, 4))
    _tensor(back, (1, 1, 4, 4), message("what.unpool", size="4×4"), message("why.size_before_pooling"))
    if (back != 0).sum() > 4:
        raise Wrong(message("unpool.fills_windows", found=int((back != 0).sum())))
    if not back[0, 0].equal(wanted):
        values, places, found = (str(one[0, 0].tolist()) for one in (signal, switches, back))
        if (back[0, 0] != 0).equal(wanted != 0):
            raise Wrong(message("unpool.values", signal=values, switches=places, found=found))
        raise Wrong(message("unpool.elsewhere", signal=values, switches=places, found=found))
    signal, switches = signal.repeat(2, 3, 1, 1), torch.tensor(_SWITCHES)
    signal[1, 2] = 1.5
    back = _numbers(function, signal.clone(), switches.clone(), (4, 4))
    _tensor(back, (2, 3, 4, 4), message("what.unpool_many"), message("why.same_number"))
    if not back.equal(_one_by_one(function, signal, switches)):
        for first in (switches[:1, :1], switches[:, :1], switches[:1]):
            if back.equal(_one_by_one(function, signal, first.expand_as(switches))):
                raise Wrong(message("unpool.first_switches"))
        raise Wrong(message("unpool.in_another_map"))
    signal = signal[:1, :1]
    for size, places in (((5, 5), [6, 3, 10, 18]), ((5, 4), [7, 2, 18, 15])):
        back = _numbers(function, signal.clone(), torch.tensor(places).view(1, 1, 2, 2), size)
        shape = f"{size[0]}×{size[1]}"
        _tensor(back, (1, 1, *size), message("what.unpool", size=shape), message("why.size_before_pooling"))
        if not all(back[0, 0].flatten()[place] == value for place, value in zip(places, signal.flatten(), strict=True)):
            raise Wrong(message("unpool.wrong_width", size=shape, switches=str(places), width=size[1]))
    values, places = [1.5, -2.0, 4.0, 3.0, 0.5, -1.0], [7, 2, 11, 18, 15, 16]
    back = _numbers(function, torch.tensor(values).view(1, 1, 2, 3), torch.tensor(places).view(1, 1, 2, 3), (4, 6))
    _tensor(back, (1, 1, 4, 6), message("what.unpool_wide"), message("why.size_before_pooling"))
    if back.flatten()[places].tolist() != values:
        raise Wrong(message("unpool.wide", found=str(back[0, 0].tolist())))
    _where_two_meet(function)
    _found_nothing("unpool", message("checked.unpool"))


def _one_by_one(function, signal: Tensor, switches: Tensor) -> Tensor:
    """Each of the maps of `signal` unpooled by itself."""
    pairs = zip(signal.flatten(0, 1), switches.flatten(0, 1), strict=True)
    each = [_numbers(function, one[None, None].clone(), where[None, None].clone(), (4, 4)) for one, where in pairs]
    return torch.cat(each).view(*signal.shape[:2], 4, 4)


def _where_two_meet(function) -> None:
    """As in windows that overlap, two switches name the same position."""
    signal = torch.tensor([[[[7.0, -3.0], [2.5, 5.0]]]])
    switches = torch.tensor([[[[5, 3], [8, 5]]]])
    back = _numbers(function, signal.clone(), switches.clone(), (4, 4))
    _tensor(back, (1, 1, 4, 4), message("what.unpool", size="4×4"), message("why.size_before_pooling"))
    values, places, found = (str(one[0, 0].tolist()) for one in (signal, switches, back))
    right = back[0, 0] == torch.tensor([[0.0, 0, 0, -3], [0, 12, 0, 0], [2.5, 0, 0, 0], [0, 0, 0, 0]])
    if right.sum() == 15 and back[0, 0, 1, 1] in (7, 5):
        raise Wrong(message("unpool.overwritten", signal=values, switches=places, found=found))
    if not right.all():
        raise Wrong(message("unpool.values", signal=values, switches=places, found=found))


@_as_graded
def rectify(function) -> None:
    for values in ([[-2.0, 0.0, 3.0]], [[[[-0.5, 0.25], [1.5, -7.0]]]]):
        signal = torch.tensor(values)
        back = _numbers(function, signal.clone())
        what = message("what.rectify", shape=_sizes(signal))
        _tensor(back, tuple(signal.shape), what, message("why.shape_stays"))
        if (back < 0).any():
            raise Wrong(message("rectify.negative", given=str(values), found=str(back.tolist())))
        if not back.equal(torch.where(signal > 0, signal, 0.0)):
            if back[signal > 0].equal(signal[signal > 0]):
                raise Wrong(message("rectify.not_zero", given=str(values), found=str(back.tolist())))
            raise Wrong(message("rectify.changed", given=str(values), found=str(back.tolist())))
    _found_nothing("rectify", message("checked.rectify"))


@_as_graded
def filter_back(function) -> None:
    for side, padding, size in ((5, 2, 28), (5, 0, 14)):
        conv = _conv(torch.rand(4, 2, side, side), padding)
        small = size + 2 * padding - side + 1
        back = _filtered(function, torch.rand(3, 4, small, small), conv)
        _tensor_of_4(back, "filter_back")
        if back.shape[-2:] != (size, size):
            found, wanted = f"{back.shape[-2]}×{back.shape[-1]}", f"{size}×{size}"
            filters = f"{side}×{side}"
            raise Wrong(message("filter_back.wrong_size", found=found, wanted=wanted, padding=padding, filters=filters))
        if back.shape[:2] != (3, 2):
            raise Wrong(message("filter_back.wrong_channels", found=_sizes(back), wanted=f"3×2×{size}×{size}"))
    if _filtered(function, torch.zeros(1, 4, 10, 10), _conv(torch.rand(4, 2, 5, 5), 0)).any():
        raise Wrong(message("filter_back.biases_added"))
    stamp = torch.tensor([[1.0, 2, 3], [4, 5, 6], [7, 8, 9]])
    one = torch.zeros(1, 1, 7, 7)
    one[0, 0, 3, 3] = 1
    back = _filtered(function, one, _conv(stamp[None, None], 1))
    _tensor(back, (1, 1, 7, 7), message("what.filter_back_by_one"), message("why.padding_1"))
    back = back[0, 0, 2:5, 2:5]
    for fault, wrong in (
        (message("filter_back.not_flipped"), stamp.flip(0, 1)),
        (message("filter_back.transposed"), stamp.T),
        (message("filter_back.transposed_and_flipped"), stamp.T.flip(0, 1)),
        # Only the one axis was flipped, so the other is the wrong way round.
        (message("filter_back.flipped_one_way", axis=message("axis.width")), stamp.flip(0)),
        (message("filter_back.flipped_one_way", axis=message("axis.height")), stamp.flip(1)),
    ):
        if torch.allclose(back, wrong):
            raise Wrong(fault)
    if not torch.allclose(back, stamp):
        raise Wrong(message("filter_back.wrong_values", filter=str(stamp.tolist()), found=str(back.tolist())))
    conv = _conv(_mixed((3, 2, 3, 3)), 0, bias=False)
    y = _mixed((2, 3, 7, 6))
    back = _filtered(function, y.clone(), conv)
    _tensor(back, (2, 2, 9, 8), message("what.filter_back_by_many"), message("why.no_padding"))
    for x in torch.eye(2 * 2 * 9 * 8).view(-1, 2, 2, 9, 8)[::7]:
        if not torch.allclose((conv(x) * y).sum(), (x * back).sum(), atol=1e-3):
            raise Wrong(message("filter_back.not_the_transpose"))
    _found_nothing("filter_back", message("checked.filter_back"))


def _filtered(function, signal: Tensor, conv: nn.Conv2d) -> Tensor:
    """What filter_back returns. It must leave `conv` as it is."""
    before, padding = copy.deepcopy(conv.state_dict()), conv.padding[0]
    try:
        back = _numbers(function, signal, conv)
    except Wrong:
        raise
    except Exception as error:
        # As many channels in as out: does it work then?
        alike = _conv(torch.rand(4, 4, *conv.kernel_size), int(padding))
        try:
            _numbers(function, signal[:, :1].expand(-1, 4, -1, -1).clone(), alike)
        except Exception:
            raise error from None
        raise Wrong(message("filter_back.channels_not_exchanged", error=_first_line(error))) from None
    if not _is_unchanged(conv, before):
        raise Wrong(message("filter_back.changes_conv"))
    return back


def _is_unchanged(module: nn.Module, before: dict[str, Tensor]) -> bool:
    """Whether its weights are those that were copied before."""
    now = module.state_dict()
    return now.keys() == before.keys() and all(now[name].cpu().float().equal(before[name].float()) for name in now)


def _gives(features: nn.Sequential, images: Tensor, maps: Tensor) -> bool:
    """Whether the images still become these maps: the settings of a layer are not among its weights."""
    try:
        return bool(features(images).equal(maps))
    except Exception:
        return False


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".split("\n")[0][:200]


@_as_graded
def keep_channel(function) -> None:
    for count, channel in ((3, 1), (5, 4)):
        before = torch.arange(count * 12) - 10.5
        before = before.view(2, count, 3, 2)
        maps = before.clone()
        alone = _numbers(function, maps, channel)
        _tensor(alone, (2, count, 3, 2), message("what.keep_channel", maps=count), message("why.all_maps_stay"))
        if not maps.equal(before):
            raise Wrong(message("keep_channel.written_over"))
        if alone[:, [other for other in range(count) if other != channel]].any():
            raise Wrong(message("keep_channel.others_not_zero"))
        if not alone[:, channel].equal(maps[:, channel]):
            raise Wrong(message("keep_channel.changed"))
    _found_nothing("keep_channel", message("checked.keep_channel"))


@_as_graded
def project(function) -> None:
    features = _where_all_maps_speak()
    before, fainter = copy.deepcopy(features.state_dict()), copy.deepcopy(features)
    fainter[0].weight.data /= 2
    images = torch.rand(2, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    maps = features(images)
    for layer in (1, 2):
        back = _numbers(function, features, images, layer, 1)
        _tensor_of_4(back, "project")
        if back.shape != images.shape:
            raise Wrong(message("project.wrong_size", found=_sizes(back), wanted=_sizes(images)))
        if not _is_unchanged(features, before) or not _gives(features, images, maps):
            raise Wrong(message("project.changes_features"))
        if back.equal(_numbers(function, fainter, images, layer, 1)):
            raise Wrong(message("project.another_network"))
        if back.equal(_numbers(function, features, images, layer, 2)):
            raise Wrong(message("project.others_not_zero", layer=layer))
        if not (back < 0).any():
            raise Wrong(message("project.rectified_after"))
        if layer == 1 and max(back[0, 0].any(dim=side).sum() for side in (0, 1)) <= features[0].kernel_size[0]:
            raise Wrong(message("project.one_place"))
        alone = torch.cat([_numbers(function, features, image[None], layer, 1) for image in images])
        if not torch.allclose(back, alone, atol=1e-4):
            raise Wrong(message("project.images_not_apart"))
    silent = copy.deepcopy(features)
    silent[3].bias.data[1] = -1000.0
    if _numbers(function, silent, images, 2, 1).any():
        raise Wrong(message("project.picture_of_nothing"))
    image = _mixed((1, 1, 23, 18)).abs()
    back = _of_other_sizes(function, _other_chain(), image, 2, 1, size="23×18")
    _tensor(back, (1, 1, 23, 18), message("what.project_on_odd"), message("why.shape_of_image"))
    _windows(function, features, images)
    _where_four_meet(function)
    _by_hand(function)
    rows, columns, values = _GIVEN["projected"]
    if not torch.allclose(back[0, 0, rows, columns], torch.tensor(values), atol=2e-2):
        raise Wrong(message("project.wrong_on_odd"))
    _found_nothing("project", message("checked.project"))


def _windows(function, features: nn.Sequential, images: Tensor) -> None:
    """With windows of another side, distance or padding, the picture is another: so they are read from `features`."""
    for layer, position in ((1, 2), (2, 5)):
        back = _numbers(function, features, images, layer, 1)
        for setting, other in (("kernel_size", 2), ("stride", 3), ("padding", 0)):
            changed = copy.deepcopy(features)
            setattr(changed[position], setting, other)
            if back.equal(_numbers(function, changed, images, layer, 1)):
                raise Wrong(message("project.own_windows", setting=setting, position=position))


def _where_four_meet(function) -> None:
    """Filters of 1×1, and an image in which four windows choose the same position."""
    convs = [_conv(torch.ones(1, 1, 1, 1), 0, bias=False) for _ in range(2)]
    image = torch.zeros(1, 1, 4, 4)
    image[0, 0, 1, 1] = 0.9
    back = _numbers(function, _chain(*((conv, (3, 2, 1)) for conv in convs)), image, 1, 0)
    if back.shape == image.shape and abs(back[0, 0, 1, 1] - 0.9) < 1e-3:
        raise Wrong(message("project.overwritten"))


def _by_hand(function) -> None:
    """A network of 1×1 filters, so small that you can follow each number."""
    conv1 = _conv(torch.tensor([1.0, -1.0, -0.5]).view(3, 1, 1, 1), 0)
    conv1.bias.data = torch.tensor([0.0, 0.5, 0.6])
    conv2 = _conv(torch.tensor([2.0, -1.0, 1.0]).view(1, 3, 1, 1), 0, bias=False)
    features = nn.Sequential(conv1, nn.ReLU(), nn.MaxPool2d(2), conv2, nn.ReLU(), nn.MaxPool2d(2)).eval()
    left = torch.tensor([[0.1, 0.2, 0.3, 0.0], [0.6, 0.4, 0.5, 0.2], [0.9, 0.8, 0.0, 0.1], [0.7, 0.6, 0.3, 0.2]])
    right = torch.tensor([[0.9, 0.1, 0.0, 0.2], [0.5, 0.4, 0.3, 0.1], [0.2, 0.0, 0.1, 0.3], [0.1, 0.3, 0.0, 0.2]])
    image = torch.cat([left, right], dim=1)
    for layer, channel, *wanted in (
        (1, 2, (0, 0, -0.275), (0, 3, -0.3), (2, 2, -0.3), (3, 1, -0.15))
        + ((0, 5, -0.275), (0, 6, -0.3), (2, 5, -0.3), (3, 6, -0.3)),
        (2, 0, (2, 0, 4.2), (3, 1, -1.05), (0, 4, 3.9), (0, 5, -0.975)),
    ):
        back = _of_other_sizes(function, features, image[None, None], layer, channel, size="4×8")
        _tensor(back, (1, 1, 4, 8), message("what.project_on_small"), message("why.shape_of_image"))
        if _is_picture(back, *wanted):
            continue
        picture, found = str(_rounded(image)), str(_rounded(back[0, 0]))
        if layer == 1:
            raise Wrong(message("project.wrong_by_hand_1", image=picture, found=found))
        for fault, *others in (
            (message("project.zeroed_again"), (2, 0, 4.2), (0, 4, 3.9)),
            (message("project.zeroed_again"), (3, 1, -1.05), (0, 5, -0.975)),
            (message("project.zeroed_again"),),
            (message("project.not_rectified"), (2, 0, 6.3), (3, 1, -1.05), (0, 4, 3.9), (0, 5, 0.975)),
            (message("project.zeroed_and_not_rectified"), (2, 0, 2.1), (0, 5, 1.95)),
            (message("project.no_relu"), (2, 0, 4.4), (3, 1, -1.1), (0, 4, 3.9), (0, 5, -0.975)),
        ):
            if _is_picture(back, *others):
                raise Wrong(fault)
        raise Wrong(message("project.wrong_by_hand", image=picture, found=found))


def _is_picture(back: Tensor, *wanted: tuple[int, int, float]) -> bool:
    """Whether `back` is zero everywhere but for some values: row, column, value."""
    picture = torch.zeros_like(back)
    for row, column, value in wanted:
        picture[0, 0, row, column] = value
    return torch.allclose(back, picture, atol=1e-3)


def _of_other_sizes(function, *given, size: str):
    """As `_numbers`, where the function has worked with the sizes of the given network."""
    try:
        return _numbers(function, *given)
    except Wrong:
        raise
    except Exception as error:
        name = getattr(function, "__name__", message("what.your_function"))
        raise Wrong(message("typed_in", name=name, size=size, error=_first_line(error))) from None


@_as_graded
def choose(function) -> None:
    # First and last stand others that are read as the digit, and the digit read as others.
    labels = torch.tensor([3, 5, 4, 8, 1, 7, 0, 5, 1, 0, 5, 1, 0, 6, 1, 2, 5, 9, 0])
    predictions = torch.tensor([3, 6, 5, 1, 7, 0, 8, 5, 1, 0, 5, 1, 0, 5, 2, 1, 3, 0, 4])
    for digit in (5, 1, 0):
        answer = _call(function, digit, predictions.clone(), labels.clone())
        index = _index(answer, message("what.choose_returns"), len(labels))
        if labels[index] != digit:
            raise Wrong(message("choose.other_digit", digit=digit, index=index, found=int(labels[index])))
        if predictions[index] != digit:
            raise Wrong(message("choose.misread", digit=digit, index=index, read=int(predictions[index])))
    _found_nothing("choose", message("checked.choose"))


@_as_graded
def chosen(indices) -> None:
    """Of the test images as they were handed out, as the given network reads them."""
    if not isinstance(indices, dict) or set(indices) != set(_DIGITS):
        raise Wrong(message("chosen.no_dictionary", digits=_digits()))
    images, labels = load_mnist("test")
    for digit, index in indices.items():
        index = _index(index, message("what.chosen_is", digit=digit), len(images))
        if labels[index] != digit:
            raise Wrong(message("chosen.other_digit", digit=digit, index=index, found=int(labels[index])))
        with torch.no_grad():
            read = given_network()(images[index : index + 1]).argmax().item()
        if read != digit:
            raise Wrong(message("chosen.misread", digit=digit, index=index, read=read))
    _found_nothing("chosen", message("checked.chosen", number=_NUMBERS[len(_DIGITS) - 2]))


def _index(answer, what: Message, images: int) -> int:
    """`answer`, an index below the number of `images`: an integer, or an array or tensor with one."""
    if hasattr(answer, "tolist"):
        numbers = answer.reshape(-1).tolist()
        if len(numbers) != 1:
            raise Wrong(message("choose.several", what=what, found=_kind(answer)))
        answer = numbers[0]
    if isinstance(answer, bool) or not isinstance(answer, int):
        raise Wrong(message("choose.no_index", what=what, found=_kind(answer)))
    if not 0 <= answer < images:
        raise Wrong(message("choose.beyond", what=what, index=answer, images=images))
    return answer


@_as_graded
def visualise(function, project_function) -> None:
    for features, counts, size in ((_where_all_maps_speak(), (6, 16), (28, 28)), (_other_chain(), (3, 5), (20, 17))):
        image, shape = torch.rand(1, 1, *size, generator=torch.Generator().manual_seed(1)), f"{size[0]}×{size[1]}"
        call = _numbers if counts == (6, 16) else partial(_of_other_sizes, size=shape)
        maps = call(function, features, image)
        why = message("why.both_layers", first=counts[0], second=counts[1])
        _tensor(maps, (sum(counts), *size), message("what.visualise", size=shape), why)
        both = [(layer, channel) for layer, count in enumerate(counts, start=1) for channel in range(count)]
        alone = []
        for layer, channel in both:
            picture = _numbers(project_function, features, image, layer, channel)
            _tensor(picture, image.shape, message("what.your_project"), message("why.shape_of_image"))
            alone.append(picture[0, 0])
        if torch.allclose(maps, torch.stack(alone[counts[0] :] + alone[: counts[0]]), atol=1e-4):
            raise Wrong(message("visualise.layer_2_first"))
        for position, (layer, channel) in enumerate(both):
            if not torch.allclose(maps[position], alone[position], atol=1e-4):
                raise Wrong(message("visualise.wrong_picture", picture=position, channel=channel, layer=layer))
    _found_nothing("visualise", message("checked.visualise"))


@_as_graded
def to_uint8(function) -> None:
    maps = torch.tensor([[[-2.0, 0.0, 1.0]], [[0.0, 0.5, -0.5]]])
    for given, wanted in (
        (maps, [[[1, 128, 192]], [[128, 160, 96]]]),
        (-maps, [[[255, 128, 64]], [[128, 96, 160]]]),
    ):
        grey = _call(function, given)
        _tensor(grey, (2, 1, 3), "to_uint8", message("why.shape_of_maps"))
        if grey.dtype != torch.uint8:
            raise Wrong(message("to_uint8.wrong_type", found=str(grey.dtype)))
        if (grey.int() - torch.tensor(wanted)).abs().max() <= 1:
            continue
        if (grey.int() - given.int()).remainder(256).eq(0).all():
            raise Wrong(message("to_uint8.cast"))
        first, second = int(grey[0, 0, 1]), int(grey[1, 0, 0])
        if abs(first - second) > 1:
            raise Wrong(message("to_uint8.zero_differs", first=first, second=second))
        if abs(first - 128) > 1:
            raise Wrong(message("to_uint8.zero_not_128", found=first))
        if (grey.int() - 128 - 127 * given / given.abs().amax(dim=(1, 2), keepdim=True)).abs().max() <= 1:
            raise Wrong(message("to_uint8.own_scale"))
        if (grey.int()[given < 0] > 129).any():
            raise Wrong(message("to_uint8.wrong_signs"))
        found = str(grey.tolist())
        raise Wrong(message("to_uint8.wrong_values", given=str(given.tolist()), found=found, wanted=str(wanted)))
    _found_nothing("to_uint8", message("checked.to_uint8"))


@_as_graded
def grids(pictures, indices, visualise_function, to_uint8_function) -> None:
    if not isinstance(pictures, dict) or set(pictures) != set(_DIGITS):
        raise Wrong(message("grids.no_dictionary", digits=_digits()))
    if not isinstance(indices, dict) or set(indices) != set(_DIGITS):
        raise Wrong(message("chosen.no_dictionary", digits=_digits()))
    for digit, grid in pictures.items():
        _tensor(grid, (22, 28, 28), f"grids[{digit}]", message("why.22_pictures"))
        if grid.dtype != torch.uint8:
            raise Wrong(message("grids.wrong_type", digit=digit, found=str(grid.dtype)))
        if len(grid.unique()) < 3:
            raise Wrong(message("grids.one_grey", digit=digit))
    if grids_are_equal := [(a, b) for a in pictures for b in pictures if a < b and pictures[a].equal(pictures[b])]:
        first, second = grids_are_equal[0]
        raise Wrong(message("grids.same", first=first, second=second))
    images, _ = load_mnist("test")
    for digit, grid in pictures.items():
        index = _index(indices[digit], message("what.chosen_is", digit=digit), len(images))
        maps = _call(visualise_function, given_network().features, images[index : index + 1])
        if _are_pictures(grid, maps, to_uint8_function):
            continue
        if isinstance(maps, Tensor) and (grid.cpu().int() - maps.int()).remainder(256).eq(0).all():
            raise Wrong(message("grids.cast", digit=digit))
        for fault, image in (
            (message("grids.digit_as_index", digit=digit, index=index), images[digit : digit + 1]),
            (message("grids.training_image", digit=digit, index=index), load_mnist("train")[0][index : index + 1]),
        ):
            maps = _call(visualise_function, given_network().features, image)
            if _are_pictures(grid, maps, to_uint8_function):
                raise Wrong(fault)
        raise Wrong(message("grids.wrong_pictures", digit=digit, index=index))
    _found_nothing("grids", message("checked.grids", number=_NUMBERS[len(_DIGITS) - 2]))


def _are_pictures(grid: Tensor, maps: Tensor, to_uint8_function) -> bool:
    again = _call(to_uint8_function, maps)
    _tensor(again, (22, 28, 28), message("what.pictures_again"), message("why.22_pictures"))
    return bool((grid.cpu().int() - again.int()).abs().max() <= 1)


@_as_graded
def mistakes(said, email) -> None:
    """Whether they can be graded. What is right, nobody knows here."""
    if email == "":
        raise Wrong(message("mistakes.no_address"))
    if address_of(email) is None:
        raise Wrong(message("mistakes.strange_address", found=_short(email)))
    if not isinstance(said, list | tuple):
        raise Wrong(message("mistakes.no_list", found=_kind(said)))
    if len(said) != COUNT:
        raise Wrong(message("mistakes.not_six", found=len(said)))
    for strip, word in enumerate(said, 1):
        if not isinstance(word, str) or word.strip().lower() not in WORDS:
            raise Wrong(message("mistakes.no_such_word", strip=strip, found=_short(word), words=list(WORDS)))
    _found_nothing("mistakes", message("checked.mistakes"))


def _short(answer) -> str | Message:
    return f"'{answer[:50]}'" if isinstance(answer, str) else _kind(answer)


def _call(function, *arguments, named: str | Message = ""):
    """What the student's function returns; an error of its own comes through, with a word on how it was called."""
    name, began = named or getattr(function, "__name__", message("what.your_function")), monotonic()
    try:
        answer = function(*arguments)
    except NotImplementedError:
        raise Wrong(message("not_written", name=name)) from None
    except Exception as error:
        given = [
            _sizes(one) if isinstance(one, Tensor) else type(one).__name__ if isinstance(one, nn.Module) else str(one)
            for one in arguments
        ]
        error.add_note(_say(message("called_with", name=name, given=given or message("nothing"))))
        raise
    if (took := monotonic() - began) > _MOST_SECONDS:
        raise Wrong(message("too_long", name=name, seconds=took, most=_MOST_SECONDS))
    if isinstance(answer, Tensor) and answer.layout != torch.strided:
        raise Wrong(message("returns.not_dense", name=name))
    if isinstance(answer, Tensor) and (answer.is_complex() or not answer.isfinite().all()):
        raise Wrong(message("returns.not_finite", name=name))
    # Gradients, a GPU and double precision do no harm.
    answer = answer.detach().cpu() if isinstance(answer, Tensor) else answer
    return answer.float() if isinstance(answer, Tensor) and answer.is_floating_point() else answer


def _numbers(function, *arguments):
    """As `_call`; of a tensor, whole numbers are as good as others."""
    answer = _call(function, *arguments)
    return answer.float() if isinstance(answer, Tensor) else answer


def _outputs(model: nn.Module, images: Tensor, named: str | Message):
    """What the model returns, in eval mode. It may have been trained in double precision, or on a GPU."""
    own = next(model.parameters(), images)
    model.eval()
    with torch.no_grad():
        return _call(model, images.to(own.device, own.dtype), named=named)


def _is_same(images, wanted: Tensor) -> bool:
    if not isinstance(images, Tensor) or images.shape != wanted.shape:
        return False
    return torch.allclose(images.detach().cpu().float(), wanted)


def _tensor(thing, shape: tuple[int, ...], what: str | Message, why: Message) -> None:
    wanted = "×".join(map(str, shape))
    if not isinstance(thing, Tensor):
        raise Wrong(message("returns.no_tensor", what=what, found=_kind(thing), wanted=wanted, why=why))
    if thing.shape != shape:
        raise Wrong(message("returns.wrong_shape", what=what, found=_sizes(thing), wanted=wanted, why=why))


def _tensor_of_4(thing, name: str) -> None:
    if not isinstance(thing, Tensor) or thing.dim() != 4:
        raise Wrong(message("returns.not_four_dimensions", name=name, found=_kind(thing)))


def _kind(thing) -> Message:
    if thing is None:
        return message("kind.none")
    if isinstance(thing, Tensor):
        return message("kind.tensor", shape=_sizes(thing))
    name = type(thing).__name__
    kind = message("kind.a", type=name)
    return message("kind.numpy", kind=kind) if type(thing).__module__ == "numpy" else kind


def _rounded(values: Tensor) -> list:
    return [[round(value, 2) for value in row] for row in values.tolist()]


def _sizes(tensor: Tensor) -> str | Message:
    return "×".join(map(str, tensor.shape)) or message("shape.number")


def _conv(weight: Tensor, padding: int, bias: bool = True) -> nn.Conv2d:
    layer = nn.Conv2d(weight.shape[1], weight.shape[0], weight.shape[-1], padding=padding)
    layer.weight.data = weight
    layer.bias.data.fill_(1.0 if bias else 0.0)
    return layer.requires_grad_(False)


def _with_windows_of_task_1(features: nn.Sequential) -> nn.Sequential:
    return nn.Sequential(*(nn.MaxPool2d(2) if isinstance(layer, nn.MaxPool2d) else layer for layer in features))


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
    return _chain((convs[0], (3, 2, 0)), (convs[1], (4, 3, 1)))


def _chain(*layers: tuple[nn.Conv2d, tuple[int, int, int]]) -> nn.Sequential:
    """Of convolutions, each with the side, distance and padding of the pooling windows that follow."""
    return nn.Sequential(*(one for conv, windows in layers for one in (conv, nn.ReLU(), nn.MaxPool2d(*windows)))).eval()


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


def _digits() -> Message:
    *first, last = _DIGITS
    return message("digits", first=first, last=last)


def _found_nothing(name: str, checked: Message) -> None:
    print(f"✓ {_say(message('found_nothing', name=name, checked=checked))}")


def _say(said: Message) -> str:
    return sentence(said, _SETTINGS["language"], speaker="check")
