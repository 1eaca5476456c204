"""Receptive fields against what really changes an activation: NaN in the image, sent through the model as it is."""

from functools import cache, partial

import pytest
import torch
from reference_any import outputs_of
from torchvision import models

from helpers.deconvnet import DeconvNet, receptive_field
from helpers.lenet5 import LeNet5

NETWORKS = {
    "lenet5": (LeNet5, (1, 28, 28)),
    "squeezenet1_1": (partial(models.squeezenet1_1, weights=None), (3, 72, 65)),
    "resnet18": (partial(models.resnet18, weights=None), (3, 64, 75)),
    "densenet121": (partial(models.densenet121, weights=None), (3, 64, 49)),
}


@cache
def network(name):
    """The network with random weights, and an image."""
    build, shape = NETWORKS[name]
    torch.manual_seed(0)
    return build().eval(), torch.rand(1, *shape)


def seen_along(model, image, dim):
    """`(positions, 2)` for each module's output: the first and one past the last pixel along `dim` of the image that
    reach any number at this position along `dim` of the output; `(0, 0)` where none does.
    """
    images = image.repeat(image.shape[dim], 1, 1, 1)
    for index, one in enumerate(images):
        one.select(dim - 1, index).fill_(torch.nan)
    found = {}
    for path, output in outputs_of(model, images).items():
        reached = output.isnan().movedim(dim, 1).flatten(2) if output.dim() == 4 else output.isnan()[:, None]
        reached = reached.any(2).int()
        windows = torch.stack([reached.argmax(0), len(reached) - reached.flip(0).argmax(0)], dim=1)
        found[path] = windows * reached.any(0)[:, None]
    return found


@pytest.fixture
def recorded_once(monkeypatch):
    """To record again for each layer of a large network would take most of the time."""
    record, traces = DeconvNet.record, {}

    def once(net, images):
        if net.model not in traces:
            traces[net.model] = record(net, images)
        return traces[net.model]

    monkeypatch.setattr(DeconvNet, "record", once)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_layer_sees_what_changes_it(name, recorded_once):
    model, image = network(name)
    rows, columns = seen_along(model, image, 2), seen_along(model, image, 3)
    for path in rows:
        field = receptive_field(model, path, image)
        assert field.rows.equal(rows[path]), path
        assert field.columns.equal(columns[path]), path
    assert len(rows) > 10 and len({tuple(one.flatten().tolist()) for one in rows.values()}) > 3


# Two of each network, far up and far down.
PLACES = [
    ("lenet5", "features.conv1"),
    ("lenet5", "features.pool2"),
    ("squeezenet1_1", "features.3"),
    ("squeezenet1_1", "features.7"),
    ("resnet18", "layer1.1"),
    ("resnet18", "layer2.0.downsample"),
    ("densenet121", "features.denseblock1.denselayer2"),
    ("densenet121", "features.transition1"),
]


@pytest.mark.parametrize(("name", "layer"), PLACES)
def test_a_place_is_changed_by_each_side_of_its_window_and_by_nothing_outside(name, layer):
    model, image = network(name)
    field = receptive_field(model, layer, image)
    height, width = len(field.rows), len(field.columns)
    for row in (0, 1, height // 2, height - 1):
        for column in (0, width // 3, width - 1):
            rows, columns = field.window(row, column)
            sides = [
                (rows.start, columns),
                (rows.stop - 1, columns),
                (rows, columns.start),
                (rows, columns.stop - 1),
            ]
            images = image.repeat(5, 1, 1, 1)
            images[0] = torch.nan
            images[0, :, rows, columns] = image[0, :, rows, columns]
            for marked, (down, across) in zip(images[1:], sides, strict=True):
                marked[:, down, across] = torch.nan
            outputs = outputs_of(model, torch.cat([image, images]))[layer][..., row, column]
            torch.testing.assert_close(outputs[1], outputs[0])
            assert outputs[2:].isnan().flatten(1).any(1).all()
