"""Networks whose images stand elsewhere than in the first dimension on the way, or are taken one by one."""

import pytest
import torch
import torch.nn.functional as F
from networks import conv, written
from reference import relative_difference
from reference_any import maps_of_any
from torch import nn

from helpers.deconvnet import RULES, DeconvNet, apart


@pytest.fixture
def images():
    torch.manual_seed(1)
    return torch.randn(4, 3, 8, 8, dtype=torch.float64)


def between(function):
    """A forward in which the function stands between the layers `a` and `last`."""
    return lambda self, x: self.last(function(self, self.a(x)))


def into_a_canvas(self, x):
    canvas = x.new_zeros(len(x), 8, 8, 8)
    for i, image in enumerate(x):
        canvas[i] = F.relu(self.a(image))
    return self.last(canvas)


def as_one_batch(self, y):
    twice = F.max_pool2d(F.relu(self.b(torch.cat([F.relu(y), y.flip(3)]))), 2)
    return twice.chunk(2)[0] - twice.chunk(2)[1]


FOLLOWED = {
    "branches before images": between(lambda self, y: torch.stack([F.relu(y), y]).mean(0)),
    "constants beside them": between(lambda self, y: torch.stack([F.relu(y), torch.ones_like(y)]).sum(0)),
    "branches as more images": between(as_one_batch),
    "branches as more images, in place": between(
        lambda self, y: self.b(torch.stack([F.relu(y), y, -y]).flatten(0, 1)).relu_().unflatten(0, (3, -1)).sum(0)
    ),
    "images after branches and places": between(
        lambda self, y: F.relu(y.flatten(2).permute(2, 0, 1) @ self.matrix).permute(1, 2, 0).unflatten(2, (8, 8))
    ),
    "image after image": lambda self, x: self.last(torch.stack([F.relu(self.a(x[i])) for i in range(len(x))])),
    "a loop over images": lambda self, x: self.last(torch.stack([self.norm(self.a(one)[None])[0] for one in x])),
    "batches of one": lambda self, x: self.last(
        torch.cat([F.max_pool2d(F.relu(self.a(x[i : i + 1])), 2) for i in range(len(x))])
    ),
    "into a canvas": into_a_canvas,
    "there and back again": between(lambda self, y: F.relu(y.flip(0)).flip(0)),
}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("name", FOLLOWED)
def test_equals_autograd_and_each_image_by_itself(name, rule, images):
    parts = {"matrix": torch.randn(8, 8), "norm": nn.BatchNorm2d(8)}
    model = written(FOLLOWED[name], **parts)
    net = DeconvNet(model, rule)
    maps = net.project(net.record(images), "last")
    reference = maps_of_any(model, "last", images, rule)
    assert reference.any(), "a reference of zeros would agree with too much"
    assert relative_difference(maps, reference) < 1e-10
    alone = torch.cat([net.project(net.record(image), "last") for image in images.split(1)])
    assert relative_difference(maps, alone) < 1e-10


@pytest.mark.parametrize("count", [2, 3, 5])
def test_any_number_of_images_is_told_apart(count, images):
    net = DeconvNet(written(FOLLOWED["branches before images"]))
    images = images[:1] * torch.arange(1, count + 1).view(-1, 1, 1, 1)
    alone = torch.cat([net.project(net.record(image), "last") for image in images.split(1)])
    assert relative_difference(net.project(net.record(images), "last"), alone) < 1e-10


def test_a_layer_that_holds_one_image_is_refused_where_its_channels_are_as_many_as_the_images(images):
    model = written(lambda self, x: self.top(torch.stack([self.last(self.a(one)) for one in x])), top=nn.Identity())
    net = DeconvNet(model)
    trace = net.record(images)
    assert trace.activations["last"].shape == (4, 8, 8)
    for layer in ("last", "last:2"):
        with pytest.raises(ValueError, match=f"^layer '{layer}' can't be projected: its images do not stand one after"):
            net.project(trace, layer)
        assert "record one image at a time" in trace.why_not(layer)
    assert relative_difference(net.project(trace, "top"), maps_of_any(model, "top", images, "deconvnet")) < 1e-10


@pytest.mark.parametrize(
    ("concatenate", "known"),
    [
        (lambda y: torch.cat([y, F.relu(y)], 1), True),
        (lambda y: torch.cat([y, F.relu(y)], dim=-3), True),
        (lambda y: torch.cat([y, F.relu(y)], axis=1), True),
        (lambda y: torch.cat([y, F.relu(y)])[:4], False),
        (lambda y: torch.cat([y, F.relu(y)], dim=-4)[4:], False),
    ],
)
def test_what_stands_beside_another_in_its_own_image_is_apart_without_a_trial(concatenate, known, images, monkeypatch):
    """A trial takes memory that grows with the images."""
    model = written(lambda self, x: self.top(concatenate(self.a(x))), top=nn.Identity())
    net, tried, found_apart = DeconvNet(model), [], apart._found_apart
    monkeypatch.setattr(apart, "_found_apart", lambda note, n: [tried.append(note.name), found_apart(note, n)][1])
    maps = net.project(net.record(images), "top")
    assert relative_difference(maps, maps_of_any(model, "top", images, "deconvnet")) < 1e-10
    assert ("cat" in tried) is not known


def test_mixed_images_are_refused_also_where_they_stand_elsewhere(images):
    for function in (
        lambda self, y: torch.stack([F.relu(y), y]).mean(1, keepdim=True)[0].expand_as(y),
        lambda self, y: torch.stack([y, y.flip(0)]).mean(0),
        lambda self, y: self.rows(torch.stack([y.mean((1, 2)), y.mean((1, 3))]).unsqueeze(1)).expand(-1, 8, -1, -1),
    ):
        model = written(between(function), rows=conv(1, 1))
        net = DeconvNet(model)
        trace = net.record(images)
        with pytest.raises(ValueError, match="it mixes images: record one image at a time"):
            net.project(trace, "last")
