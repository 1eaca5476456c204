"""The controls that choose a feature map."""

from collections.abc import Mapping

from helpers.deconvnet import Trace
from helpers.explorers.controls import Control, Selection, Slider


class LayerAndMap:
    """A layer by its name, and the number of one of its maps.

    Attributes:
        controls: `layer`, if there are a few, and `map`.

    Args:
        layers: what they are called here, each with its name in `trace`.
    """

    def __init__(self, layers: Mapping[object, str], trace: Trace) -> None:
        self._layers = layers
        self._layer = Selection([(f"{called}", called) for called in layers])
        self._map = Slider(0, trace.activations[self.layer].shape[1] - 1)
        self.controls: dict[str, Control] = {"layer": self._layer} if len(layers) > 1 else {}
        self.controls["map"] = self._map

    @property
    def layer(self) -> str:
        """The layer's name in a trace."""
        return self._layers[self._layer.value]

    @property
    def called(self) -> str:
        """What the layer is called here: `layer 1`."""
        return f"layer {self._layer.value}"

    @property
    def number(self) -> int:
        """The map's."""
        return self._map.value

    def fit(self, trace: Trace) -> None:
        """Choose among the maps that the layer has there."""
        self._map.max = trace.activations[trace.value(self.layer).names[0]].shape[1] - 1

    def pick(self, number: int, called: object = None) -> None:
        """Choose another map."""
        self._map.value = number


class EveryMap:
    """The maps of all layers, one after the other.

    Attributes:
        controls: `map`, whose value is what the layer is called here, and the map's number.

    Args: as those of `LayerAndMap`.
    """

    def __init__(self, layers: Mapping[object, str], trace: Trace) -> None:
        self._layers = layers
        counts = {called: trace.activations[layer].shape[1] for called, layer in layers.items()}
        self._map = Selection([(f"{called}·{k}", (called, k)) for called, n in counts.items() for k in range(n)])
        self.controls: dict[str, Control] = {"map": self._map}

    @property
    def layer(self) -> str:
        """The layer's name in a trace."""
        return self._layers[self._map.value[0]]

    @property
    def called(self) -> str:
        """What the layer is called here: `layer 1`."""
        return f"layer {self._map.value[0]}"

    @property
    def number(self) -> int:
        """The map's."""
        return self._map.value[1]

    def fit(self, trace: Trace) -> None:
        """Nothing: what can be chosen stays."""

    def pick(self, number: int, called: object = None) -> None:
        """Choose another map, of that layer."""
        self._map.value = (self._map.value[0] if called is None else called, number)
