"""Functions that write over what they are given: the way back is that of what was there when each one was called."""

import copy
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from networks import written
from reference import by_walk, relative_difference
from reference_any import maps_of_any, outputs_of
from torch import nn

from helpers.deconvnet import RULES, DeconvNet


def equals_autograd(model, images, rule, layer="last"):
    # Before it is recorded: some of these write into their buffers.
    reference, outputs = maps_of_any(model, layer, images, rule), outputs_of(model, images)
    net = DeconvNet(model, rule)
    trace = net.record(images)
    for path, output in outputs.items():
        assert trace.activations[path].equal(output), path
    assert reference.any(), "a reference of zeros would agree with too much"
    assert relative_difference(net.project(trace, layer), reference) < 1e-10
    assert relative_difference(by_walk(net, trace, layer), reference) < 1e-10


@pytest.fixture
def images():
    torch.manual_seed(1)
    return torch.randn(3, 3, 8, 8, dtype=torch.float64)


FORWARDS: dict[str, Callable] = {}
forward = lambda function: FORWARDS.setdefault(function.__name__.replace("_", " "), function)  # noqa: E731


@forward
def skip_is_rectified_too(self, x):
    y = self.a(x)
    return self.last(self.b(F.relu(y, inplace=True)) + y)


@forward
def module_as_a_statement(self, x):
    y = self.a(x)
    self.relu(y)
    return self.last(y)


@forward
def function_as_a_statement(self, x):
    y = self.a(x)
    torch.relu_(y)
    return self.last(self.b(y) + y)


@forward
def opens_a_residual_block(self, x):
    y = self.a(x)
    z = self.b(self.relu(y))
    z += y
    return self.last(self.relu(z))


@forward
def on_a_slice(self, x):
    y = self.a(x)
    F.relu(y[:, :4], inplace=True)
    return self.last(y)


@forward
def on_a_slice_of_places(self, x):
    y = self.a(x)
    y[..., 1:-1, ::2].relu_()
    return self.last(self.b(y))


@forward
def on_slices_that_overlap(self, x):
    y = self.a(x)
    first, second = y[:, :5], y[:, 3:]
    first.relu_()
    second.mul_(-2)
    first.clamp_(min=0)
    return self.last(y)


@forward
def under_a_view(self, x):
    y = self.a(x)
    y.view(len(y), -1).relu_()
    return self.last(y)


@forward
def above_a_view(self, x):
    y = self.a(x)
    flat = y.view(len(y), -1)
    y.mul_(2)
    y.clamp_(min=0)
    return self.last(flat.view_as(y) - 0.5 * y)


@forward
def a_view_made_before_and_read_after(self, x):
    y = self.a(x)
    half = y[:, :4]
    y.relu_()
    return self.last(torch.cat([half, self.a(x)[:, 4:]], 1))


@forward
def on_a_transposed_view(self, x):
    y = self.a(x)
    y.transpose(1, 2)[:, :3].relu_()
    return self.last(y)


@forward
def sum_under_another_name(self, x):
    y = self.a(x)
    z = y
    y += self.b(y.relu())
    return self.last(F.relu(z))


@forward
def what_was_read_before(self, x):
    y = self.a(x)
    before = self.b(y)
    y *= -3
    return self.last(self.b(F.relu(y)) + before)


@forward
def a_value_added_to_itself(self, x):
    y = self.a(x)
    y += y
    y[:, :4] += y[:, 4:]
    return self.last(F.relu(y))


@forward
def every_operator(self, x):
    y = self.a(x)
    y += 1
    y -= self.b(F.relu(y))
    y *= 2
    y /= torch.arange(1, 9, dtype=y.dtype).view(8, 1, 1)
    y.neg_().add_(y, alpha=-3).sub_(0.1).div_(2)
    return self.last(F.relu(y))


@forward
def every_rectifier(self, x):
    parts = [self.a(x) for _ in range(7)]
    F.relu6(parts[0], inplace=True)
    F.hardtanh(parts[1], 0, 0.4, True)
    F.hardtanh_(parts[2], 0, 0.3)
    F.threshold_(parts[3], 0, 0)
    parts[4].clamp_min_(0)
    torch.clamp_(parts[5], 0, 0.5)
    parts[6].clip_(min=0)
    return self.last(sum(parts))


@forward
def items_set(self, x):
    y = self.a(x)
    y[:, :2] = self.b(F.relu(y))[:, :2]
    y[:, 3] = 7.0
    y[:, [4, 6]] = F.relu(y[:, [5, 7]])
    return self.last(F.relu(y))


@forward
def copied_over(self, x):
    y = self.a(x)
    y[:, 1:].copy_(F.relu(y[:, :-1].clone()))
    return self.last(y)


@forward
def filled(self, x):
    y = self.a(x)
    kept = F.relu(y)
    y[:, :4].zero_()
    y[:, 4:].fill_(2.0)
    return self.last(self.b(kept + y))


@forward
def the_images_themselves(self, x):
    x -= 0.5
    x.div_(2)
    return self.last(F.relu(self.a(x)))


@forward
def the_images_through_a_view(self, x):
    x[:, 0] = x[:, 1] * 2
    return self.last(F.relu(self.a(x)) + self.a(x))


@forward
def a_mean_of_what_is_overwritten(self, x):
    y = self.a(x)
    mean = y.mean((2, 3), keepdim=True)
    y.relu_()
    y -= mean
    return self.last(y)


@forward
def a_constant_as_canvas(self, x):
    canvas = torch.zeros(len(x), 8, 8, 8, dtype=x.dtype)
    window = canvas[:, 2:6]
    canvas[:, 1:5] = F.relu(self.a(x)[:, :4])
    return self.last(canvas) + self.last(torch.cat([window, window], 1))


@forward
def a_buffer_as_canvas(self, x):
    self.canvas.zero_()
    self.canvas[:, :4] = self.a(x)[:, :4]
    return self.last(self.canvas.relu() + self.a(x))


@forward
def changed_in_shape_after_it_was_read(self, x):
    y = self.a(x)
    z = self.b(y)
    y.unsqueeze_(1)
    return self.last(F.relu(z) + y[:, 0])


@forward
def changed_in_shape(self, x):
    y = F.relu(self.a(x))
    y.transpose_(2, 3)
    y.unsqueeze_(-1).squeeze_(-1)
    return self.last(y)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("name", FORWARDS)
def test_equals_autograd(name, rule, images):
    torch.manual_seed(0)
    parts = {"relu": nn.ReLU(inplace=True), "canvas": torch.zeros(3, 8, 8, 8)}
    equals_autograd(written(FORWARDS[name], **parts), images, rule)


@pytest.mark.parametrize("name", FORWARDS)
def test_images_are_left_as_they_were(name, images):
    parts = {"relu": nn.ReLU(inplace=True), "canvas": torch.zeros(3, 8, 8, 8)}
    net = DeconvNet(written(FORWARDS[name], **parts))
    before = images.clone()
    trace = net.record(images)
    activations = copy.deepcopy(dict(trace.activations))
    net.project(trace, "last")
    assert images.equal(before) and trace.images.equal(before)
    assert all(trace.activations[layer].equal(activation) for layer, activation in activations.items())


def with_out(self, x):
    """Autograd takes no `out`, so it is held against the same without it."""
    y, z = self.a(x), self.b(F.relu(self.a(x)))
    product, joined = torch.zeros_like(y), torch.zeros_like(y)
    torch.add(y, z, alpha=2, out=y)
    torch.mul(y, 3, out=product)
    torch.cat([F.relu(y[:, :4]), product[:, 4:]], 1, out=joined)
    return self.last(joined)


def without_out(self, x):
    y, z = self.a(x), self.b(F.relu(self.a(x)))
    y = y + 2 * z
    return self.last(torch.cat([F.relu(y[:, :4]), 3 * y[:, 4:]], 1))


@pytest.mark.parametrize("rule", RULES)
def test_results_that_are_written_into_what_is_given_as_out(rule, images):
    net = DeconvNet(written(with_out), rule)
    reference = maps_of_any(written(without_out), "last", images, rule)
    assert relative_difference(net.project(net.record(images), "last"), reference) < 1e-10
