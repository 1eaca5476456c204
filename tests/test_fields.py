"""Receptive fields against what really changes an activation: NaN in the image, sent through the model as it is."""

from functools import cache, partial

import pytest
import torch
import torch.nn.functional as F
from networks import Written
from reference_any import outputs_of
from torch import nn
from torch.nn import AvgPool2d, Conv2d, ConvTranspose2d, MaxPool2d
from torchvision import models

from helpers.deconvnet import DeconvNet, receptive_field
from helpers.lenet5 import LeNet5

# PyTorch says that padding="same" copies where a kernel is even.
pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")

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


def seen_along(model, image, dim, mark=torch.nan):
    """`(positions, 2)` for each module's output: the first and one past the last pixel along `dim` of the image that
    reach any number at this position along `dim` of the output; `(0, 0)` where none does.
    """
    images = image.repeat(image.shape[dim], 1, 1, 1)
    for index, one in enumerate(images):
        one.select(dim - 1, index).fill_(mark)
    plain, found = outputs_of(model, image), {}
    for path, output in outputs_of(model, images).items():
        # What is NaN is no rounding.
        reached = output.isnan() if mark != mark else ~output.isclose(plain[path])
        reached = reached.movedim(dim, 1).flatten(2) if output.dim() == 4 else reached[:, None].flatten(2)
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


def chain(*layers):
    return nn.Sequential(*layers)


def written(function, **parts):
    return nn.Sequential(Conv2d(2, 4, 3, padding=1), Written(function, **parts), Conv2d(4, 4, (3, 2)))


ODD = {
    "dilation": chain(Conv2d(2, 3, 3, padding=1, dilation=(2, 3)), MaxPool2d(3, (2, 1), 1, dilation=2)),
    "ceil mode": chain(MaxPool2d(3, 2, ceil_mode=True), AvgPool2d(2, 2, ceil_mode=True), Conv2d(2, 3, 2, padding=1)),
    "same": chain(Conv2d(2, 3, (2, 4), padding="same", dilation=(1, 3)), Conv2d(3, 3, (4, 1), padding="same")),
    "strides": chain(Conv2d(2, 3, 3, (1, 3), (2, 0)), Conv2d(3, 3, (5, 1), (2, 1)), Conv2d(3, 3, 1, 2)),
    "rows that no window reaches": chain(MaxPool2d(4, 4), Conv2d(2, 3, 3, padding=1)),
    "places that see padding alone": chain(Conv2d(2, 3, 1, padding=2), Conv2d(3, 3, (2, 1))),
    "ways of different reach": chain(
        Written(lambda self, x: self.a(x) + self.b(x) + x[:, :1], a=Conv2d(2, 3, 5, padding=2), b=Conv2d(2, 3, 1)),
        Written(lambda self, x: torch.cat([x, F.max_pool2d(x, (1, 3), 1, (0, 1))], 1)),
        Conv2d(6, 2, 2),
    ),
    "ways of different strides": written(lambda self, x: F.avg_pool2d(x, 2) + x[:, :, :6, :8]),
    "transposed convolutions": chain(
        Conv2d(2, 3, 3, 2), ConvTranspose2d(3, 3, (3, 2), (2, 3), 1, (1, 0)), ConvTranspose2d(3, 2, 3, dilation=2)
    ),
    "mirrored padding": chain(Conv2d(2, 3, 3, padding=1, padding_mode="reflect"), nn.ReflectionPad2d((3, 0, 1, 2))),
    "circular padding": chain(Conv2d(2, 3, 3, padding=1, padding_mode="circular"), Conv2d(3, 3, 3)),
    "padding and cropping": chain(nn.ZeroPad2d((2, -1, 0, 3)), Conv2d(2, 3, 3)),
    "nearest": chain(Conv2d(2, 3, 3), nn.Upsample(scale_factor=2), Conv2d(3, 2, 3)),
    "bilinear": chain(Conv2d(2, 3, 3, 2), nn.Upsample((11, 17), mode="bilinear"), Conv2d(3, 2, 3)),
    "bicubic, less": chain(nn.Upsample(scale_factor=0.6, mode="bicubic"), Conv2d(2, 2, 2)),
    "pixel shuffle": chain(Conv2d(2, 8, 3), nn.PixelShuffle(2), Conv2d(2, 2, (1, 3)), nn.PixelUnshuffle(2)),
    "slices": written(lambda self, x: x[:, :, 1:-2, ::2]),
    "joined along the rows": written(
        lambda self, x: torch.cat([x[:, :, 2:5], x.new_zeros(len(x), 4, 4, 17), x.flip(2)[:, :, :6]], 2)
    ),
    "joined along the columns": written(lambda self, x: torch.cat([x.mean(3, keepdim=True), x[..., ::3]], -1)),
    "flip and roll": written(lambda self, x: x.flip(2).roll(3, 3)),
    "rows for columns": written(lambda self, x: x.transpose(2, 3)),
    "channels last": written(
        lambda self, x: self.norm(F.gelu(self.linear(x.permute(0, 2, 3, 1)))).permute(0, 3, 1, 2),
        linear=nn.Linear(4, 4),
        norm=nn.LayerNorm(4),
    ),
    "shuffled channels": written(lambda self, x: x.view(-1, 2, 2, *x.shape[2:]).transpose(1, 2).flatten(1, 2)),
    "no way back": written(lambda self, x: F.silu(x).softmax(1) * F.leaky_relu(x) / (1 + x.exp())),
    "a mask": written(lambda self, x: x * (x > 0.2)),
    "all of the plane": written(lambda self, x: F.group_norm(x, 2)),
    "a gate": written(lambda self, x: x * F.adaptive_avg_pool2d(x, 1).sigmoid()),
    "adaptive pooling": written(lambda self, x: F.adaptive_avg_pool2d(x, 5) + F.adaptive_max_pool2d(x, 5)),
    "one place": chain(Conv2d(2, 4, 3), Written(lambda self, x: x[:, :, 4, 2:5].flatten(1)), nn.Linear(12, 3)),
    "in place": written(lambda self, x: F.relu(x.add_(1), inplace=True)),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_settings_see_what_changes_them(name):
    torch.manual_seed(0)
    model = ODD[name].double().eval()
    for weight in model.parameters():
        nn.init.uniform_(weight, 0.1, 1)
    image = torch.rand(1, 2, 13, 17, dtype=torch.float64)
    # Interpolation has weights of zero, by which NaN would be seen.
    mark = 100 if isinstance(model[1], nn.Upsample) or isinstance(model[0], nn.Upsample) else torch.nan
    rows, columns = seen_along(model, image, 2, mark), seen_along(model, image, 3, mark)
    for path in rows:
        field = receptive_field(model, path, image)
        assert field.rows.equal(rows[path]), path
        assert field.columns.equal(columns[path]), path
        if field.size is not None:
            for axis, windows in enumerate((field.rows, field.columns)):
                first = field.offset[axis] + field.stride[axis] * torch.arange(len(windows))
                last = (first + field.size[axis]).clamp(max=image.shape[2 + axis])
                empty = windows[:, 0] == windows[:, 1]
                assert (empty | (first.clamp(min=0) <= windows[:, 0]) & (windows[:, 1] <= last)).all(), path


def test_size_stride_and_offset_of_lenet5():
    model, image = network("lenet5")
    expected = {
        "features.conv1": (5, 1, -2),
        "features.relu1": (5, 1, -2),
        "features.pool1": (6, 2, -2),
        "features.conv2": (14, 2, -2),
        "features.pool2": (16, 4, -2),
    }
    for layer, (size, stride, offset) in expected.items():
        field = receptive_field(model, layer, image)
        assert field.size == (size, size) and field.stride == (stride, stride) and field.offset == (offset, offset)
    assert image[(..., *field.window(0, 4))].shape == (1, 1, 14, 14)
    assert field.window(1, 0) == (slice(2, 18), slice(0, 14))
    whole = receptive_field(model, "classifier.linear3", image)
    assert whole.rows.tolist() == whole.columns.tolist() == [[0, 28]] and whole.size is None


@pytest.mark.parametrize(
    ("name", "size", "stride", "offset"),
    [
        ("strides", (7, 3), (4, 6), (-2, 0)),
        ("same", (5, 10), (1, 1), (-1, -4)),
        ("padding and cropping", (3, 3), (1, 1), (0, -2)),
        ("ways of different reach", (6, 8), (1, 1), (-2, -3)),
        ("mirrored padding", None, None, None),
        ("ways of different strides", None, None, None),
        ("bilinear", None, None, None),
        ("a gate", None, None, None),
    ],
)
def test_size_stride_and_offset_stand_where_they_are_regular(name, size, stride, offset):
    image = torch.rand(1, 2, 13, 17, dtype=torch.float64)
    model = ODD[name].double().eval()
    field = receptive_field(model, str(len(model) - 1), image)
    assert (field.size, field.stride, field.offset) == (size, stride, offset)


def test_what_is_read_out_as_a_number_may_be_seen_anywhere():
    function = Written(lambda self, x: self.conv(x) * x.max().item(), conv=Conv2d(2, 3, 3))
    field = receptive_field(function.double().eval(), "mul", torch.rand(1, 2, 9, 9, dtype=torch.float64))
    assert field.rows.tolist() == [[0, 9]] * 7


def test_it_does_not_depend_on_the_images():
    model, image = network("lenet5")
    one, many = (
        receptive_field(model, "features.pool2", image),
        receptive_field(model, "features.pool2", torch.zeros(3, 1, 28, 28)),
    )
    assert one.rows.equal(many.rows) and one.size == many.size


def test_bad_input():
    model, image = network("lenet5")
    with pytest.raises(ValueError, match=r"layer 'pool9' is not in this network"):
        receptive_field(model, "pool9", image)
    with pytest.raises(TypeError, match="receptive_field needs a tensor of floating-point pixels"):
        receptive_field(model, "features.pool1", [image])
    with pytest.raises(ValueError, match=r"receptive_field needs \(N, C, H, W\)"):
        receptive_field(model, "features.pool1", image[0])
