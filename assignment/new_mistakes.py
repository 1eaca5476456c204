"""The strips of which students say what went wrong, anew for another year: a part of `make given`.

A strip is a digit and three of its reconstructions, made with one mistake of the gallery in notebook 03, or with none.
The network, the images, the maps, the mistakes and their order are drawn by the seed, and only pictures are handed out:
without the seed, nobody can make the strips again and compare.
"""

import hashlib
import io
import itertools
import json
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from helpers.deconvnet import rectify, unpool

# So many strips show each mistake.
EACH = 18
# Two of the ways to draw a strip differ by at least this share of the stronger one's contrast, in each strip.
APART = 0.6
# Light asks for ink. Of the light in a right picture at least this share lies on ink, and with filters that are not
# flipped at most that. Without this, three right strips of thirty were taken for such ones.
_ON_INK, _BESIDE_INK = 0.75, 0.5
# Of the strongest map of a digit, a map must reach this share. Weaker ones would be all grey.
_LOUD = 0.3
_MAPS = 3


class Way:
    """The way up of one image through two layers, and the way back without a mistake. Each mistake changes one method.

    Args:
        features: convolution, ReLU and 2×2 max pooling, twice.
        image: `(1, 1, H, W)`.
    """

    def __init__(self, features: nn.Sequential, image: Tensor) -> None:
        self.convs = [layer for layer in features if isinstance(layer, nn.Conv2d)]
        self.switches, self.sizes = [], []
        signal = image
        for conv in self.convs:
            before = F.relu(conv(signal))
            signal, switches = F.max_pool2d(before, 2, return_indices=True)
            self.switches.append(switches)
            self.sizes.append(before.shape[-2:])
        self.maps = signal

    def alone(self, channel: int) -> Tensor:
        maps = torch.zeros_like(self.maps)
        maps[:, channel] = self.maps[:, channel]
        return maps

    def unpool(self, signal: Tensor, layer: int) -> Tensor:
        return unpool(signal, self.switches[layer], self.sizes[layer])

    def filter_back(self, signal: Tensor, conv: nn.Conv2d) -> Tensor:
        return _filtered(signal, conv, conv.weight)

    def down(self, signal: Tensor, layer: int) -> Tensor:
        return self.filter_back(rectify(self.unpool(signal, layer)), self.convs[layer])

    def picture(self, channel: int) -> Tensor:
        """The map back in pixels, `(H, W)`."""
        return self.down(self.down(self.alone(channel), 1), 0)[0, 0]

    def drawn(self, pictures: Tensor) -> Tensor:
        """Of pictures `(K, H, W)`: 8 bits, zero is 128, one scale for all."""
        return (128 + 127 * pictures / pictures.abs().max()).round().to(torch.uint8)


def _filtered(signal: Tensor, conv: nn.Conv2d, weight: Tensor) -> Tensor:
    return F.conv_transpose2d(signal, weight, padding=conv.padding)


class NotFlipped(Way):
    def filter_back(self, signal: Tensor, conv: nn.Conv2d) -> Tensor:
        return _filtered(signal, conv, conv.weight.flip(2, 3))


class BiasesAdded(Way):
    def filter_back(self, signal: Tensor, conv: nn.Conv2d) -> Tensor:
        return super().filter_back(signal + conv.bias[:, None, None], conv)


class RectifiedAfter(Way):
    def down(self, signal: Tensor, layer: int) -> Tensor:
        return rectify(self.filter_back(self.unpool(signal, layer), self.convs[layer]))


class Upsampled(Way):
    def unpool(self, signal: Tensor, layer: int) -> Tensor:
        return F.interpolate(signal, size=tuple(self.sizes[layer]))


class OthersNotZeroed(Way):
    def alone(self, channel: int) -> Tensor:
        return self.maps


class CastUnscaled(Way):
    def drawn(self, pictures: Tensor) -> Tensor:
        return pictures.to(torch.int32).remainder(256).to(torch.uint8)


class OwnScale(Way):
    def drawn(self, pictures: Tensor) -> Tensor:
        low, high = pictures.amin((1, 2), keepdim=True), pictures.amax((1, 2), keepdim=True)
        return (255 * (pictures - low) / (high - low)).round().to(torch.uint8)


# By the words of template/bank.py.
WAYS: dict[str, type[Way]] = {
    "right": Way,
    "not flipped": NotFlipped,
    "biases added": BiasesAdded,
    "rectified after": RectifiedAfter,
    "upsampled": Upsampled,
    "others not zeroed": OthersNotZeroed,
    "cast unscaled": CastUnscaled,
    "own scale": OwnScale,
}


def drawings(features: nn.Sequential, image: Tensor, maps: Sequence[int]) -> dict[str, Tensor]:
    """The pictures `(K, H, W)` of these maps, in each of the `WAYS`."""
    ways = {word: kind(features, image) for word, kind in WAYS.items()}
    return {word: way.drawn(torch.stack([way.picture(channel) for channel in maps])) for word, way in ways.items()}


def least_apart(drawn: dict[str, Tensor]) -> float:
    """How far the two most alike of the drawings are apart, as a share of the contrast of the stronger one."""
    greys = [pictures.double() - 128 for pictures in drawn.values()]
    return min(
        ((one - two).norm() / max(one.norm(), two.norm())).item() for one, two in itertools.combinations(greys, 2)
    )


def on_ink(pictures: Tensor, digit: Tensor) -> Tensor:
    """Of drawn pictures `(K, H, W)`, the share of the light, squared, that lies on the ink of the digit `(H, W)`."""
    light = (pictures.double() - 128).clamp(min=0) ** 2
    return (light * (digit > 0.3)).sum((1, 2)) / light.sum((1, 2))


def _are_clear(drawn: dict[str, Tensor], digit: Tensor) -> bool:
    right, wrong = (on_ink(drawn[word], digit) for word in ("right", "not flipped"))
    return bool(right.min() >= _ON_INK and wrong.max() <= _BESIDE_INK) and least_apart(drawn) >= APART


def _loud_maps(features: nn.Sequential, image: Tensor, random: torch.Generator) -> list[int]:
    """Three of the maps that show at all beside the strongest, or none if there are fewer."""
    way = Way(features, image)
    strongest = torch.stack([way.picture(channel).abs().max() for channel in range(way.maps.shape[1])])
    loud = (strongest >= _LOUD * strongest.max()).nonzero().flatten()
    return loud[torch.randperm(len(loud), generator=random)[:_MAPS]].tolist() if len(loud) >= _MAPS else []


@torch.no_grad()
def bank_of(seed: int, model: nn.Module, images: Tensor, labels: Tensor) -> tuple[bytes, list[str]]:
    """The file of the strips, and what each of them shows.

    A digit and its maps are taken only if all ways to draw them can be told apart. Which of them is shown was drawn
    before, so neither the digit nor the maps say anything about it.

    Args:
        model: a network that nobody else has, with the chain `features`.
        images: `(N, 1, H, W)`, of which those are drawn that the model reads.
    """
    random = torch.Generator().manual_seed(seed)
    features = model.get_submodule("features")
    read = (model(images).argmax(dim=1) == labels).nonzero().flatten()
    words = [word for word in WAYS for _ in range(EACH)]
    words = [words[place] for place in torch.randperm(len(words), generator=random).tolist()]
    strips: list[tuple[Tensor, Tensor, list[int]]] = []
    for place in read[torch.randperm(len(read), generator=random)].tolist():
        image = images[place : place + 1]
        if not (maps := _loud_maps(features, image, random)):
            continue
        drawn = drawings(features, image, maps)
        if _are_clear(drawn, image[0, 0]):
            strips.append(((255 * image[0, 0]).round().to(torch.uint8), drawn[words[len(strips)]], maps))
        if len(strips) == len(words):
            break
    if len(strips) < len(words):
        raise ValueError(f"only {len(strips)} digits show each mistake clearly; {len(words)} are needed")
    digits, pictures, channels = zip(*strips, strict=True)
    content = io.BytesIO()
    np.savez_compressed(
        content,
        digits=torch.stack(digits).numpy(),
        pictures=torch.stack(pictures).numpy(),
        maps=np.array(channels, np.uint8),
    )
    return content.getvalue(), words


def key_to(bank: bytes, words: list[str]) -> bytes:
    """The file that says what each strip shows, and of which bank."""
    digest = hashlib.sha256(bank).hexdigest()
    return (json.dumps({"bank": digest, "mistakes": words}, indent=1) + "\n").encode()
