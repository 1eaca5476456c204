"""What a network does behind the functions' backs, or after they have run: right or refused, never another picture."""

import pytest
import torch
import torch.nn.functional as F
from networks import written
from reference import relative_difference
from reference_any import maps_of_any

from helpers.deconvnet import RULES, DeconvNet


@pytest.fixture
def images():
    torch.manual_seed(1)
    return torch.randn(3, 3, 8, 8, dtype=torch.float64)


def a_mask_that_changes(self, x):
    mask = torch.zeros(8, 1, 1, dtype=x.dtype)
    mask[:4] = 1
    y = F.relu(self.a(x)) * mask
    mask.zero_()
    mask[4:] = 3
    return self.last(y + self.a(x) * mask)


def weights_that_change(self, x):
    y = F.conv2d(x, self.weight)
    self.weight.mul_(-1)
    y = F.relu(y) + F.conv2d(x, self.weight)
    self.weight.mul_(-1)
    return self.last(y)


# What happens behind the functions' backs
def data_written(self, x):
    y = self.a(x)
    y.data.clamp_(min=0)
    return self.last(y)


def data_masked(self, x):
    y = self.a(x)
    y.data[y.data < 0] = 0
    return self.last(y)


def data_replaced(self, x):
    y = self.a(x)
    y.data = F.relu(y).data
    return self.last(y)


def written_by_numpy(self, x):
    y = self.a(x)
    y.numpy().clip(0, None, out=y.numpy())
    return self.last(y)


def detached_in_place(self, x):
    y = self.a(x)
    y.detach_()
    return self.last(F.relu(y))


def mask_set(self, x):
    y = self.a(x)
    y[y < 0] = 0
    return self.last(y)


def filled_by_mask(self, x):
    y = self.a(x)
    y.masked_fill_(y < 0, 0)
    return self.last(y)


# name: (the forward, a piece of what is said)
REFUSED = {
    "a mask that changes": (a_mask_that_changes, "written into a constant"),
    "weights that change": (weights_that_change, "written into a constant"),
    "data written": (data_written, ""),
    "data masked": (data_masked, ""),
    "data replaced": (data_replaced, ""),
    "written by NumPy": (written_by_numpy, ""),
    "detached in place": (detached_in_place, "cuts its signal here"),
    "mask set": (mask_set, "below"),
    "filled by mask": (filled_by_mask, "below"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_is_refused(name, images):
    function, words = REFUSED[name]
    net = DeconvNet(written(function, weight=torch.randn(8, 3, 1, 1)))
    trace = net.record(images)
    with pytest.raises(ValueError, match=f"^layer 'last' can't be projected: .* has no way back: .*{words}"):
        net.project(trace, "last")


def binarised_for_a_call(self, x):
    weight = self.b.weight.data.clone()
    self.b.weight.data.sign_()
    y = self.b(F.relu(self.a(x)))
    self.b.weight.data.copy_(weight)
    return self.last(y)


def binarised(self, x):
    return self.last(F.conv2d(F.relu(self.a(x)), self.b.weight.sign(), self.b.bias, padding=1))


def data_of_a_constant_written(self, x):
    factor = torch.ones(8, 1, 1, dtype=x.dtype)
    y = F.relu(self.a(x)) * factor
    factor.data.fill_(5)
    return self.last(y)


def indices_written(self, x):
    pooled, indices = F.max_pool2d(F.relu(self.a(x)), 2, return_indices=True)
    y = F.max_unpool2d(pooled, indices, 2)
    indices.zero_()
    return self.last(y)


def indices_kept(self, x):
    return self.last(F.max_unpool2d(*F.max_pool2d(F.relu(self.a(x)), 2, return_indices=True), 2))


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(
    ("function", "plainly"),
    [
        (binarised_for_a_call, binarised),
        (data_of_a_constant_written, lambda self, x: self.last(F.relu(self.a(x)))),
        (indices_written, indices_kept),
    ],
    ids=["binarised for a call", "data of a constant", "indices"],
)
def test_what_is_changed_after_it_was_used_is_right_or_refused(function, plainly, rule, images):
    """Autograd would go back through the changed ones, so each is held against the same without the change."""
    reference = maps_of_any(written(plainly), "last", images, rule)
    net = DeconvNet(written(function), rule)
    trace = net.record(images)
    try:
        maps = net.project(trace, "last")
    except ValueError as error:
        assert "has no way back" in str(error)
    else:
        assert relative_difference(maps, reference) < 1e-10
