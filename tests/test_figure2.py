"""The strongest images of each map against a plain search, and their patches and projections against the reference."""

import weakref
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from networks import MnistExample, conv, ready, written
from reference import relative_difference
from reference_any import maps_of_any
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

from helpers.deconvnet import DeconvNet, patches, strongest
from helpers.deconvnet import net as net_module
from helpers.lenet5 import load_lenet5


def plain_search(activation, k):
    """Of each map the k `(image, value, row, column)` that come first, by sorting all there are, in plain Python."""
    found = []
    for maps in activation.double().transpose(0, 1).tolist():
        peaks = []
        for image, plane in enumerate(maps):
            rows = plane if isinstance(plane, list) else [[plane]]
            value, row, column = max(
                ((value, -r, -c) for r, row in enumerate(rows) for c, value in enumerate(row)), key=lambda one: one
            )
            peaks.append((-value, image, -row, -column))
        found.append([(image, -value, row, column) for value, image, row, column in sorted(peaks)[:k]])
    return found


def listed(found):
    fields = found.images, found.values.double(), found.rows, found.columns
    return [list(zip(*(one.tolist() for one in each), strict=True)) for each in zip(*fields, strict=True)]


@pytest.fixture
def digits(test_set):
    return test_set[0][:60].double()


def lenet5():
    return load_lenet5().double()


@pytest.mark.parametrize("layer", ["features.conv1", "features.pool2", "features", "classifier.linear3"])
@pytest.mark.parametrize("k", [1, 9, 60])
def test_it_is_what_a_plain_search_finds(layer, k, digits):
    net = DeconvNet(lenet5())
    found = strongest(net, digits, layer, k)
    activation = net.record(digits).activations[layer]
    assert found.layer == layer
    assert {one.shape for one in (found.images, found.values, found.rows, found.columns)} == {(activation.shape[1], k)}
    assert {one.dtype for one in (found.images, found.rows, found.columns)} == {torch.int64}
    assert listed(found) == plain_search(activation, k)


@pytest.mark.parametrize("layer", ["relu", "relu:2", "dropout1", "fc1"])
def test_layers_that_are_functions_or_only_hand_on(layer, digits):
    torch.manual_seed(0)
    net = DeconvNet(ready(MnistExample()))
    activation = net.record(digits).activations[layer]
    assert listed(strongest(net, digits, layer, 5)) == plain_search(activation, 5)


class WholeNumbers(nn.Module):
    """Gives two maps of whole numbers from 0 to 2: most values are there several times."""

    def forward(self, x):
        return torch.cat([x, 2 - x], dim=1)


def whole_numbers():
    torch.manual_seed(0)
    return torch.randint(0, 3, (40, 1, 3, 4)).double()


@pytest.mark.parametrize("at_a_time", [1, 3, 40])
def test_of_equal_values_the_first_is_taken(at_a_time):
    images = whole_numbers()
    net = DeconvNet(nn.Sequential(WholeNumbers()).eval())
    found = strongest(net, images.split(at_a_time), "0", 12)
    assert listed(found) == plain_search(torch.cat([images, 2 - images], dim=1), 12)
    assert (found.values == 2).all() and found.images.diff().min() > 0


def test_the_place_is_the_one_that_project_takes():
    images = whole_numbers()
    net = DeconvNet(nn.Sequential(WholeNumbers()).eval())
    found = strongest(net, images, "0", 40)
    peaks = net.project(net.record(images), "0", [0], "peak")[:, 0, 0]
    places = [(n, int(row), int(column)) for n, plane in enumerate(peaks) for row, column in plane.nonzero()]
    assert places == [(n, row, column) for n, _, row, column in sorted(listed(found)[0])]


class Numbered(Dataset):
    def __init__(self, images):
        self.images, self.asked = images, []

    def __len__(self):
        return len(self.images)

    def __getitem__(self, n):
        self.asked.append(n)
        return self.images[n], n % 10


BATCHES = {
    "a tensor": lambda images: images,
    "batches": lambda images: images.split(7),
    "a generator": lambda images: (batch for batch in images.split(7)),
    "a loader": lambda images: DataLoader(TensorDataset(images), batch_size=7),
    "a loader with labels": lambda images: DataLoader(Numbered(images), batch_size=11),
    "batches with labels": lambda images: [(batch, torch.zeros(len(batch))) for batch in images.split(7)],
}


@pytest.mark.parametrize("kept", [1, 2**20, 2**28])
@pytest.mark.parametrize("given", BATCHES)
def test_images_may_come_in_batches_of_any_size(given, kept, digits, monkeypatch):
    monkeypatch.setattr(net_module, "KEPT", kept)
    net = DeconvNet(lenet5().features)
    expected = plain_search(net.record(digits).activations["pool2"], 9)
    for mine, theirs in zip(listed(strongest(net, BATCHES[given](digits), "pool2")), expected, strict=True):
        for one, other in zip(mine, theirs, strict=True):
            assert one == pytest.approx(other, rel=1e-12)


def test_images_may_be_of_several_sizes():
    torch.manual_seed(0)
    batches = [torch.rand(3, 3, 8, 12), torch.rand(2, 3, 11, 7), torch.rand(4, 3, 8, 12)]
    net = DeconvNet(nn.Sequential(conv(), nn.ReLU()).eval())
    found = strongest(net, batches, "1", 9)
    several = [one[0] for batch in batches for one in net.record(batch).activations["1"].split(1)]
    for k, each in enumerate(listed(found)):
        assert [value for _, value, _, _ in each] == sorted((value for _, value, _, _ in each), reverse=True)
        for n, value, row, column in each:
            assert several[n][k, row, column].item() == value == several[n][k].max().item()


def test_larger_images_go_fewer_at_a_time(monkeypatch):
    net = DeconvNet(nn.Sequential(conv(), nn.ReLU()).eval())
    monkeypatch.setattr(net_module, "KEPT", 4 * net.record(torch.rand(1, 3, 8, 8)).nbytes)
    sizes, recorded = [], net_module.recorded
    monkeypatch.setattr(
        net_module, "recorded", lambda model, images, until: [sizes.append(len(images)), recorded(model, images)][1]
    )
    strongest(net, [torch.rand(8, 3, 8, 8), torch.rand(2, 3, 16, 16), torch.rand(4, 3, 8, 8)], "1")
    # One image of each size tells how many go at a time.
    assert sizes == [1, 4, 4, 1, 1, 1, 1, 4]


def test_only_one_trace_is_there_at_a_time_and_nothing_above_the_layer_is_run(digits, monkeypatch):
    traces, sizes, recorded = [], [], net_module.recorded

    def noting(model, images, **options):
        assert [known() for known in traces] == [None] * len(traces)
        trace = recorded(model, images, **options)
        traces.append(weakref.ref(trace))
        sizes.append((len(images), trace.nbytes))
        return trace

    monkeypatch.setattr(net_module, "recorded", noting)
    net = DeconvNet(written(lambda self, x: self.last(self.b(self.a(x.expand(-1, 3, -1, -1)))), last=nn.Identity()))
    net.model.last.forward = lambda x: pytest.fail("it runs what lies above")
    monkeypatch.setattr(net_module, "KEPT", 8 * 28 * 28 * 8 * 100)
    strongest(net, digits, "b")
    assert sizes[0][0] == 1 and {count for count, _ in sizes[1:-1]} == {sizes[1][0]}
    assert 1 < sizes[1][0] < 60 and all(kept <= net_module.KEPT for _, kept in sizes)


def test_a_bar_shows_how_far_it_is(digits, capsys):
    net = DeconvNet(lenet5())
    for images in (digits, DataLoader(Numbered(digits), batch_size=11)):
        found = strongest(net, images, "features.pool1")
        shown = capsys.readouterr()
        assert "images: 100%" in shown.out and "60/60" in shown.out and not shown.err
    patches(net, digits, found, [0])
    shown = capsys.readouterr()
    assert "patches: 100%" in shown.out and "9/9" in shown.out and not shown.err


def cut(image, row, column, size, stride, offset):
    """What the place in this row and column sees of `image` `(..., H, W)`, with zeros beyond its borders."""
    around = F.pad(image, (size,) * 4)
    top, left = size + offset + row * stride, size + offset + column * stride
    return around[..., top : top + size, left : left + size]


# The layer's window, in pixels: (its size, its stride, where the first begins).
LENET5 = {"features.conv1": (5, 1, -2), "features.pool1": (6, 2, -2), "features.pool2": (16, 4, -2)}


@pytest.mark.parametrize("rule", ["deconvnet", "guided"])
@pytest.mark.parametrize("layer", LENET5)
def test_patches_and_projections_are_cropped_to_what_the_strongest_place_sees(layer, rule, digits):
    net = DeconvNet(lenet5(), rule)
    found = strongest(net, digits, layer, 4)
    channels = [3, 0, 3]
    crops, projections = patches(net, digits, found, channels)
    size = LENET5[layer][0]
    assert crops.shape == projections.shape == (3, 4, 1, size, size)
    reference = maps_of_any(net.model, layer, digits, rule, channels, "peak")
    at_a_border = 0
    for i, k in enumerate(channels):
        for j, (n, _, row, column) in enumerate(listed(found)[k]):
            assert crops[i, j].equal(cut(digits[n], row, column, *LENET5[layer]))
            assert relative_difference(projections[i, j], cut(reference[n, i], row, column, *LENET5[layer])) < 1e-10
            # Outside of its field nothing comes back.
            torch.testing.assert_close(projections[i, j].abs().sum(), reference[n, i].abs().sum())
            at_a_border += row == 0 or column == 0 or max(row, column) == int(28 / LENET5[layer][1]) - 1
    assert at_a_border or layer != "features.pool2"


def corner_to_corner():
    """Its peaks are in the four corners, where a part of what they see lies beyond two borders."""
    images = torch.zeros(4, 1, 9, 7, dtype=torch.float64)
    for n, (row, column) in enumerate([(0, 0), (0, -1), (-1, 0), (-1, -1)]):
        images[n, 0, row, column] = 4 - n
    return images


def test_beyond_the_borders_stand_zeros():
    images = corner_to_corner()
    net = DeconvNet(ready(nn.Sequential(nn.Conv2d(1, 1, 5, padding=2, bias=False))))
    with torch.no_grad():
        net.model[0].weight.fill_(0.1)[0, 0, 2, 2] = 1
    found = strongest(net, images, "0", 4)
    assert listed(found)[0] == [(0, 4, 0, 0), (1, 3, 0, 6), (2, 2, 8, 0), (3, 1, 8, 6)]
    crops, projections = patches(net, images, found)
    for n in range(4):
        expected = torch.zeros(5, 5, dtype=torch.float64)
        expected[2, 2] = 4 - n
        assert crops[0, n, 0].equal(expected)
    seen = (projections[0, :, 0] != 0).int()
    assert [one.sum().item() for one in seen] == [9] * 4
    assert [one.nonzero()[0].tolist() for one in seen] == [[2, 2], [2, 0], [0, 2], [0, 0]]


def test_a_class_sees_the_whole_image(digits):
    net = DeconvNet(lenet5())
    found = strongest(net, digits, "classifier.linear3", 2)
    crops, projections = patches(net, digits, found, [5])
    assert crops[0].equal(digits[found.images[5]])
    reference = maps_of_any(net.model, "classifier.linear3", digits, "deconvnet", [5])
    assert relative_difference(projections[0], reference[found.images[5], 0]) < 1e-10


def test_each_image_is_asked_for_and_recorded_once(digits, monkeypatch):
    net = DeconvNet(lenet5())
    images = Numbered(digits)
    found = strongest(net, DataLoader(images, batch_size=8), "features.pool2")
    expected = patches(net, digits, found)
    recorded, noted = net_module.recorded, []
    monkeypatch.setattr(
        net_module, "recorded", lambda *given, **options: [noted.append(1), recorded(*given, **options)][1]
    )
    # The first image, for the receptive field; then each that is needed.
    images.asked.clear()
    for ours, theirs in zip(patches(net, images, found), expected, strict=True):
        assert ours.equal(theirs)
    needed = found.images.unique().tolist()
    assert images.asked == [0, *needed]
    assert len(noted) <= 1 + len(needed)


@pytest.mark.parametrize("chunk", [1, 28 * 28 * 8 * 3])
def test_the_maps_of_an_image_go_a_few_at_a_time(chunk, digits, monkeypatch):
    net = DeconvNet(lenet5())
    found = strongest(net, digits[:4], "features.pool2", 3)
    expected = patches(net, digits, found)
    monkeypatch.setattr(net_module, "CHUNK", chunk)
    asked, project = [], net.project
    monkeypatch.setattr(net, "project", lambda *given: [asked.append(len(given[2])), project(*given)][1])
    for ours, theirs in zip(patches(net, digits, found), expected, strict=True):
        assert relative_difference(ours, theirs) < 1e-12
    assert max(asked) == max(1, chunk // (28 * 28 * 8)) and sum(asked) == 16 * 3


def test_the_place_that_was_found_is_projected_also_if_another_is_as_strong_now(digits):
    """Another number of images in a batch rounds otherwise. Here the other place is plainly weaker."""
    net = DeconvNet(lenet5())
    found = strongest(net, digits, "features.pool2", 2)
    other = replace(found, rows=(found.rows + 2) % 5)
    crops, projections = patches(net, digits, other, [4, 7])
    for i, k in enumerate([4, 7]):
        for j, (n, _, row, column) in enumerate(listed(other)[k]):
            mask = torch.zeros(5, 5, dtype=torch.bool)
            mask[row, column] = True
            reference = maps_of_any(net.model, "features.pool2", digits[[n]], "deconvnet", [k], mask)[0, 0]
            window = LENET5["features.pool2"]
            assert crops[i, j].equal(cut(digits[n], row, column, *window))
            assert relative_difference(projections[i, j], cut(reference, row, column, *window)) < 1e-10


def test_no_map_at_all(digits):
    net = DeconvNet(lenet5())
    found = strongest(net, digits, "features.pool2", 2)
    assert [one.shape for one in patches(net, digits, found, [])] == [(0, 2, 1, 16, 16)] * 2


def features(**options):
    def run(digits):
        return strongest(DeconvNet(lenet5().features), **{"images": digits, "layer": "pool2"} | options)

    return run


def cropped(change=lambda found: found, **options):
    def run(digits):
        net = DeconvNet(lenet5().features)
        found = change(strongest(net, digits, "pool2", 2))
        return patches(net, **{"images": digits, "found": found} | options)

    return run


def of_another_shape(digits):
    net = DeconvNet(nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(2)).eval())
    strongest(net, digits.float(), "1", 2)


SMALL = torch.zeros(2, 1, 28, 28, dtype=torch.float64)
SHUFFLED = DataLoader(TensorDataset(SMALL), shuffle=True)


def first_three(found):
    return replace(found, **{name: getattr(found, name)[:3] for name in ("images", "values", "rows", "columns")})


# what goes wrong: (how, the error, a piece of its message)
WRONG = {
    "more than there are": (features(k=61), ValueError, "^k is 61, but there are only 60 images$"),
    "more than came": (features(images=[SMALL, SMALL]), ValueError, "^k is 9, but there are only 4 images$"),
    "nothing comes": (features(images=[]), ValueError, "^k is 9, but there are only 0 images$"),
    "no image": (features(images=SMALL[:0]), ValueError, r"shape \(0, 1, 28, 28\); strongest needs \(N, C, H, W\)"),
    "one image": (features(images=SMALL[0]), ValueError, r"shape \(1, 28, 28\); strongest needs \(N, C, H, W\)"),
    "k of zero": (features(k=0), ValueError, "k is 0; it must be above zero"),
    "k with a fraction": (features(k=2.5), TypeError, "k is 2.5; it must be an integer"),
    "bytes": (features(images=SMALL.byte()), TypeError, "images are torch.uint8; strongest needs .* images.float"),
    "batches of lists": (features(images=[[1.0]]), TypeError, "images are float; strongest needs a tensor"),
    "a number": (features(images=3), TypeError, "^images are int; strongest needs a tensor .* or batches of such"),
    "a dataset": (
        features(images=TensorDataset(SMALL)),
        TypeError,
        r"^images are TensorDataset; strongest needs .* as DataLoader\(dataset, batch_size=32\) gives them$",
    ),
    "a loader that shuffles": (features(images=SHUFFLED), ValueError, "^the DataLoader shuffles: .* shuffle=False"),
    "no such layer": (features(layer="pool3"), ValueError, "layer 'pool3' is not in this network; did you mean"),
    "three dimensions": (
        of_another_shape,
        ValueError,
        r"^layer '1' gives the shape \(60, 2, 676\); strongest needs \(N, C\) or \(N, C, h, w\)$",
    ),
    "patches of nothing": (cropped(found=3), TypeError, "^found is a int; patches needs what strongest returned$"),
    "patches of a map too many": (cropped(channels=[16]), ValueError, "channel 16 does not exist; .* 0 to 15"),
    "patches of a part of the maps": (
        cropped(first_three),
        ValueError,
        "^found has 3 maps, but layer 'pool2' has 16; patches needs all that strongest returned, and the channels",
    ),
    "patches of fewer images": (
        cropped(images=SMALL),
        ValueError,
        "^image [0-9]+ does not exist; patches needs the im",
    ),
    "patches of a loader": (cropped(images=SHUFFLED), TypeError, "^images are DataLoader; .* such as loader.dataset$"),
    "patches of bytes": (cropped(images=SMALL.byte()), TypeError, "images are torch.uint8; patches needs a tensor of"),
    "patches of several sizes": (
        cropped(images=[SMALL[0], *torch.zeros(59, 1, 30, 28, dtype=torch.float64)]),
        ValueError,
        r"^image [0-9]+ has the shape \(1, 30, 28\), image 0 \(1, 28, 28\); patches needs images of one size$",
    ),
}


@pytest.mark.parametrize(("run", "error", "message"), WRONG.values(), ids=WRONG)
def test_bad_input_is_named(run, error, message, digits):
    with pytest.raises(error, match=message):
        run(digits)
