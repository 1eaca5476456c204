"""The explorer of feature maps: what a map saw in an image, among all maps of its layer."""

from torch import Tensor

from helpers.deconvnet import DeconvNet
from helpers.explorers.controls import Selection, Slider
from helpers.explorers.explorer import Explorer, Picture, Thumbnails
from helpers.explorers.subject import COUNTS, check, choice, end_of, range_of, remember_last, state
from helpers.lenet5 import LeNet5
from helpers.plotting import Panel, signed_limit
from helpers.training import predict


def explore_feature_maps(model: LeNet5, images: Tensor, labels: Tensor) -> Explorer:
    """Choose a digit and a feature map: what the network reads, the map, and what it saw, among all maps of its layer.

    Controls: `digit` (0 to 9), `example` (which of its images, from 0), `layer` (1 or 2), `map`, and `show`
    (`"whole map"` or `"peak"`). The reconstructions of a layer share one scale, in which 99.5 % of their pixels lie. A
    click on one of them chooses its map.

    Args, Raises: as `explore_switches`.
    """
    check_again = check(model, images, labels, "explore_feature_maps")
    images = images.detach()
    of_digit = {d: (labels == d).nonzero()[:, 0].tolist() for d in labels.unique().tolist()}
    digit, example = Selection([(f"{d}", d) for d in of_digit]), Slider(0, 0)
    layer, number, part = Slider(1, 2), Slider(0, 5), choice(["whole map", "peak"])
    image, feature_map, seen = (Picture() for _ in range(3))
    thumbnails = Thumbnails(16, lambda k: number.set_trait("value", k))

    @remember_last  # to look at another map of the same layer is no reason to project them all again
    def look(_: object, i: int, pool: str, select: str) -> tuple[Tensor, Tensor, Tensor, float]:
        net = DeconvNet(model.features)
        trace = net.record(images[i : i + 1])
        pictures = net.project(trace, pool, select=select)[0, :, 0]
        probabilities = predict(model, images[i : i + 1])[0].exp()
        return probabilities, trace.activations[pool][0], pictures, signed_limit(pictures)

    def draw() -> None:
        example.max = len(of_digit[digit.value]) - 1
        number.max = COUNTS[layer.value] - 1
        i, k = of_digit[digit.value][example.value], number.value
        check_again(i)
        select = "peak" if part.value == "peak" else "map"
        probabilities, maps, pictures, end = look(state(model, images[i]), i, f"pool{layer.value}", select)
        read = int(probabilities.argmax())

        misread = "" if read == digit.value else ": misread"
        image.show(
            f"a {digit.value}, read as {read}{misread}",
            [Panel(images[i, 0])],
            1,
            f"with a probability of {probabilities[read]:.0%}",
            probabilities,
        )
        feature_map.show(
            f"map {k} of layer {layer.value}",
            [Panel(maps[k], kind="activation")],
            end_of(maps),
            f"{maps.shape[1]}×{maps.shape[2]}: {range_of(maps[k])}",
        )
        what = "it" if part.value == "whole map" else "its peak"
        seen.show(f"what {what} saw", [Panel(pictures[k], kind="signed")], end, f"in pixels: {range_of(pictures[k])}")
        places = [[Panel(one, kind="signed")] for one in pictures]
        thumbnails.show([f"{n}" for n in range(len(places))], places, end, k, "map")

    return Explorer(
        "Choose a digit and a feature map: what did it see?",
        {"digit": digit, "example": example, "layer": layer, "map": number, "show": part},
        [image, feature_map, seen, thumbnails],
        draw,
    )
