"""What no record sees, what mixes images, what is no ReLU: refused in words, if the way back leads through it."""

import copy
import threading
import warnings
from collections import namedtuple

import pytest
import torch
import torch.nn.functional as F
from networks import conv, written
from reference import relative_difference
from reference_any import maps_of_any
from torch import nn

from helpers.deconvnet import RULES, DeconvNet

UNKNOWN = "works on a tensor of unknown origin"
CUT = "the network cuts its signal here"
BELOW = "project a layer below it"
MIXES = "it mixes images: record one"
ELSEWHERE = "its images do not stand one after the other in its first dimension: record one"


@pytest.fixture
def images():
    torch.manual_seed(1)
    return torch.randn(4, 3, 8, 8, dtype=torch.float64)


def scripted(module):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="`torch.jit.*is deprecated", category=FutureWarning)
        return torch.jit.script(module)


def in_a_thread(function, x):
    results = []
    # Another thread has gradients on, whatever this one has.
    thread = threading.Thread(target=lambda: results.append(function(x).detach()))
    thread.start()
    thread.join()
    return results[0]


def rectified(x):
    return F.relu(x)


def into_the_first_column(self, y):
    y = y.clone()
    y[..., 0] = y.mean().item()
    return y


# name: (what stands between the layers `a` and `last`, a piece of what is said)
REFUSED = {
    "a scripted module": (lambda self, y: self.script(y) + y, UNKNOWN),
    "a scripted function": (lambda self, y: scripted(rectified)(y) + y, UNKNOWN),
    "another thread": (lambda self, y: in_a_thread(F.relu, y) + y, UNKNOWN),
    "NumPy": (lambda self, y: torch.from_numpy(y.detach().numpy() * 2) + y, UNKNOWN),
    "a list": (lambda self, y: torch.tensor(y.tolist(), dtype=y.dtype) + y, UNKNOWN),
    "a Parameter made of it": (lambda self, y: F.relu(nn.Parameter(y)) + y, ""),
    "copy": (lambda self, y: F.relu(copy.copy(y)) + y, ""),
    "deepcopy": (lambda self, y: F.relu(copy.deepcopy(y.detach())) + y, CUT),
    "its storage": (lambda self, y: torch.empty(0, dtype=y.dtype).set_(y.untyped_storage(), 0, y.shape) + y, ""),
    ".data": (lambda self, y: y + y.data, f"{CUT}|{UNKNOWN}"),
    ".detach()": (lambda self, y: y + F.relu(y.detach()), CUT),
    "a factor from .item()": (lambda self, y: y / y.abs().max().item(), "read from its tensors|read numbers"),
    "a factor from .tolist()": (lambda self, y: y * max(y.flatten().tolist()), "read from its tensors|read numbers"),
    "a factor read by ATen": (lambda self, y: y * torch.ops.aten.item(y.max()), "read from its tensors"),
    "a factor read by NumPy": (lambda self, y: y * y.detach().clone().numpy().max(), "read from its tensors"),
    "a summand from .item()": (lambda self, y: y - y.mean().item(), "a number that it is given may be one"),
    "a summand from float()": (lambda self, y: float(y.detach().mean()) - y, "read from its tensors"),
    "a weight from .item()": (lambda self, y: torch.lerp(y, self.b(y), y.mean().item()), "read from its tensors"),
    "a padding from .item()": (lambda self, y: F.pad(y, (1, 1), value=y.mean().item()), "read from its tensors"),
    "a value from .item()": (
        lambda self, y: y.masked_fill(torch.arange(8) > 3, y.mean().item()),
        "read from its tensors",
    ),
    "a value that is written": (into_the_first_column, "read from its tensors"),
    "a factor that is filled": (
        lambda self, y: y * torch.ones((), dtype=y.dtype).fill_(y.max().item()),
        "",
    ),
    "a factor that is multiplied": (lambda self, y: y * (torch.ones((), dtype=y.dtype) * y.max().item()), ""),
    "dropout that acts in eval mode": (
        lambda self, y: F.dropout(y),
        r"F.dropout\(x\) without training=self.training acts in eval mode",
    ),
    "the largest": (lambda self, y: y + y.amax((2, 3), keepdim=True), BELOW),
    "the larger of two": (lambda self, y: torch.maximum(y, self.b(y)), ""),
    "maxout": (lambda self, y: y.view(len(y), 8, 2, 4, 8).max(2).values.repeat(1, 1, 2, 1), BELOW),
    "sorted": (lambda self, y: y.sort(1).values, BELOW),
    "a gate": (lambda self, y: y * y.mean((2, 3), keepdim=True).sigmoid(), BELOW),
    "a linear gate": (lambda self, y: y * y.mean((2, 3), keepdim=True), BELOW),
    "a gate between two": (lambda self, y: torch.lerp(y, self.b(y), weight=y.mean()), f"{BELOW}|{MIXES}"),
    "a gate between constants": (lambda self, y: torch.lerp(self.matrix, -self.matrix, y), BELOW),
    "its square": (lambda self, y: y * y, BELOW),
    "where": (lambda self, y: torch.where(y > 0, y, 0.1 * y), BELOW),
    "a mask of its own": (lambda self, y: y * (y > 0), BELOW),
    "a mask as numbers": (lambda self, y: y * (y > 0).double(), BELOW),
    "places of its own": (lambda self, y: y[:, y[0].sum((1, 2)).argsort()], f"{BELOW}|{MIXES}"),
    "scattered to places of its own": (
        lambda self, y: torch.zeros_like(y).scatter_(1, y.argsort(1), y),
        BELOW,
    ),
    "scattered to one place": (
        lambda self, y: torch.zeros_like(y).scatter(1, torch.zeros(len(y), 2, 8, 8).long(), y[:, :2]),
        "go to the same place, where one alone is left: project a layer below",
    ),
    "scattered in part": (
        lambda self, y: torch.zeros_like(y).scatter_add(1, torch.zeros(len(y), 2, 8, 8).long(), y),
        "its index is smaller than what it takes",
    ),
    "scattered and multiplied": (
        lambda self, y: F.relu(y).scatter(1, torch.zeros(len(y), 1, 8, 8).long(), 3.0, reduce="multiply"),
        f"reduce .*{BELOW}",
    ),
    "a quotient": (lambda self, y: y / y.abs().amax((1, 2, 3), keepdim=True), BELOW),
    "a reciprocal": (lambda self, y: 1 / (y + 10), ""),
    "filters of its own": (lambda self, y: F.conv2d(y, y[:1].expand(8, -1, -1, -1)[..., :1, :1]), f"{BELOW}|{MIXES}"),
    "memory": (lambda self, y: F.relu(y).as_strided((len(y), 8, 4, 4), (512, 64, 16, 2)), "with unfold, or with ind"),
    "ATen's ReLU": (lambda self, y: torch.ops.aten.relu(y), "write it as torch.nn.functional or torch has it"),
    "ATen's ReLU in place": (lambda self, y: torch.ops.aten.relu_.default(y), "write it as torch.nn.functional"),
    "ATen's convolution": (
        lambda self, y: torch.ops.aten.convolution(y, self.b.weight, None, [1], [1], [1], False, [0], 1),
        "convolution has no way back: .* write it as torch.nn.functional or torch has it",
    ),
    "torch.batch_norm": (
        lambda self, y: torch.batch_norm(y, None, None, self.b.bias, self.b.bias**2, False, 0.1, 1e-5, False),
        "write it as F.batch_norm",
    ),
    "an outer product": (lambda self, y: y @ y.transpose(2, 3), BELOW),
    "softmax": (lambda self, y: F.softmax(y, 1), "layer below"),
    "log-softmax": (lambda self, y: y.log_softmax(1), "layer below"),
    "sign": (lambda self, y: y.sign(), ""),
    "leaky ReLU": (lambda self, y: F.leaky_relu(y), "ReLU"),
    "ELU": (lambda self, y: nn.ELU()(y), "ReLU"),
    "GELU": (lambda self, y: F.gelu(y), "ReLU"),
    "SiLU": (lambda self, y: nn.SiLU(inplace=True)(y), "ReLU"),
    "Hardswish": (lambda self, y: F.hardswish(y), "ReLU"),
    "PReLU": (lambda self, y: F.prelu(y, torch.full((1,), 0.25, dtype=y.dtype)), "ReLU"),
    "tanh": (lambda self, y: y.tanh(), "ReLU"),
    "sigmoid": (lambda self, y: torch.sigmoid(y), "ReLU"),
    "a clamp that is no ReLU": (lambda self, y: y.clamp(min=0.1), "ReLU"),
    "a clamp from above": (lambda self, y: y.clamp(max=0.1), "ReLU"),
    "hardtanh": (lambda self, y: F.hardtanh(y), "ReLU"),
    "a threshold": (lambda self, y: F.threshold(y, 0.1, 0), "ReLU"),
    "maximum with a constant": (lambda self, y: torch.maximum(y, torch.ones_like(y)), ""),
    "layer normalisation": (lambda self, y: F.layer_norm(y, y.shape[1:]), BELOW),
    "group normalisation": (lambda self, y: F.group_norm(y, 2), BELOW),
    "instance normalisation": (lambda self, y: nn.InstanceNorm2d(8)(y), BELOW),
    "batch statistics": (lambda self, y: F.batch_norm(y, None, None, training=True), r"model.eval\(\)"),
    "no running statistics": (lambda self, y: self.norm(y), "running statistics"),
    "a mean over images": (lambda self, y: y + y.mean(0, keepdim=True), MIXES),
    "images in another order": (lambda self, y: y.flip(0), ELSEWHERE),
    "images moved up": (lambda self, y: y.roll(1, 0), ELSEWHERE),
    "the first image added to all": (lambda self, y: y[[0] * len(y)] + y, MIXES),
    "a sum from the first image on": (lambda self, y: y.cumsum(0), MIXES),
    "channels as images": (lambda self, y: y.transpose(0, 1)[:4].repeat(1, 2, 1, 1), MIXES),
    "images as channels": (lambda self, y: self.images(y.mean(1)).expand(4, 8, 8, 8), MIXES),
    "images as channels of a plane": (lambda self, y: self.rows(y.mean(1)).unsqueeze(1).repeat(1, 8, 1, 1), MIXES),
    "images along a plane": (lambda self, y: y.permute(1, 2, 0, 3).reshape(8, 8, 8, 4)[:4], ELSEWHERE),
}


def model_with(between, **parts):
    parts |= {
        "matrix": torch.ones(8, 8),
        "script": scripted(nn.Sequential(nn.ReLU(), conv(8))),
        "images": conv(4),
        "rows": conv(4, 4),
    }
    parts["norm"] = nn.BatchNorm2d(8, track_running_stats=False)
    return written(lambda self, x: self.last(between(self, self.a(x))), **parts)


@pytest.mark.parametrize("name", REFUSED)
def test_is_refused_and_what_lies_below_it_is_not(name, images):
    between, words = REFUSED[name]
    model = model_with(between)
    net = DeconvNet(model)
    trace = net.record(images)
    with pytest.raises(ValueError, match=f"^layer 'last' can't be projected: .*({words})"):
        net.project(trace, "last")
    with pytest.raises(ValueError, match="^layer 'last' can't be projected: "):
        net.walk(trace, "last")
    reference = maps_of_any(model, "a", images, "deconvnet")
    assert relative_difference(net.project(trace, "a"), reference) < 1e-10


@pytest.mark.parametrize("name", ["a scripted module", "NumPy", "another thread"])
def test_a_layer_of_unknown_origin_is_said_to_be_one(name, images):
    made = {
        "a scripted module": lambda self, y: self.script(y),
        "NumPy": lambda self, y: torch.from_numpy(y.numpy() * 2),
        "another thread": lambda self, y: in_a_thread(F.relu, y),
    }[name]
    net = DeconvNet(model_with(lambda self, y: self.top(made(self, y)) + y, top=nn.Identity()))
    trace = net.record(images)
    said = "its output is of unknown origin, made where no record can see it: by TorchScript, NumPy or another thread"
    assert trace.why_not("top") == f"{said}; write the layer with PyTorch's functions, or project a layer below it"
    for use in (net.project, net.walk):
        with pytest.raises(ValueError, match=f"^layer 'top' can't be projected: {said}; write"):
            use(trace, "top")
    assert "top" not in trace.activations


def test_tensors_without_memory_of_their_own_are_refused_at_once(images):
    with pytest.raises(ValueError, match="tensors that can't be followed, such as sparse ones"):
        DeconvNet(written(lambda self, x: self.last(self.a(x).to_sparse().to_dense()))).record(images)


def test_tensors_of_torch_func_are_refused_at_once(images):
    with pytest.raises(ValueError, match="tensors that can't be followed, such as torch.func's"):
        DeconvNet(written(lambda self, x: self.last(torch.vmap(F.relu)(self.a(x))))).record(images)


Pair = namedtuple("Pair", ["first", "second"])


class MyList(list):
    pass


class Doubled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, gradient):
        return gradient * 2


def changed_list(self, y):
    parts = [y[:, :4], F.relu(y[:, 4:])]
    joined = torch.cat(parts, 1)
    parts.clear()
    return joined


# What looks alike, and is followed
FOLLOWED = {
    "an autograd.Function": lambda self, y: Doubled.apply(F.relu(y)),
    "a number read and not used": lambda self, y: F.relu(y) if y.max().item() < 1e9 else y,
    "a number read, and whole numbers": lambda self, y: F.pad(F.relu(y) + 1, (1, 0)) if y.max().item() < 1e9 else y,
    "a question, and a factor": lambda self, y: F.relu(y) * 0.5 if not y.equal(F.relu(y)) else y,
    "a size in numbers": lambda self, y: F.relu(y).view(int(y.shape[0]), -1).view(y.size()) / y.size(1) ** 0.5,
    "a list that changes later": changed_list,
    "keywords": lambda self, y: torch.cat(tensors=[F.relu(input=y[:, :4]), torch.relu(input=y[:, 4:])], dim=1),
    "keywords in another order": lambda self, y: (
        torch.sub(other=F.relu(y), input=2 * y)
        + F.conv2d(bias=self.b.bias, weight=self.b.weight, padding=self.b.padding, input=F.relu(y))
    ),
    "a ReLU's limits by their keywords": lambda self, y: (
        torch.clamp_min(y, min=0)
        + y.clamp(max=0.5, min=0)
        + F.hardtanh(-y, max_val=0.4, min_val=0)
        + F.threshold(self.b(y), value=0, threshold=0)
    ),
    "a named tuple": lambda self, y: torch.cat(Pair(F.relu(y[:, :4]), y[:, 4:]), 1),
    "a list of another class": lambda self, y: torch.cat(MyList([F.relu(y[:, :4]), y[:, 4:]]), 1),
    "a split into one part": lambda self, y: F.relu(y).split(8, dim=1)[0] + y.chunk(1)[0] + torch.cat([y]),
    "dropout that does not act": lambda self, y: F.dropout(F.relu(y), training=self.training),
    "dropout of nothing": lambda self, y: F.dropout(F.relu(y), p=0.0),
    "a factor": lambda self, y: torch.add(y, F.relu(y), alpha=2) - torch.sub(y, F.relu(y), alpha=-3),
    "a broadcast summand": lambda self, y: F.relu(y) + y.mean((2, 3), keepdim=True) + self.b(y).sum(1, keepdim=True),
    "a summand with fewer dimensions": lambda self, y: self.b(y)[:, 0].unsqueeze(1) + F.relu(y) + torch.arange(8),
    "places as constants": lambda self, y: y + torch.linspace(0, 1, 8, dtype=y.dtype) * torch.relu(y),
    "zeros of its shape": lambda self, y: torch.cat([F.relu(y[:, :4]), torch.zeros_like(y[:, 4:])], 1),
    "new zeros": lambda self, y: torch.cat([F.relu(y[:, :4]), y.new_zeros(len(y), 4, 8, 8)], 1),
    "a maximum with zeros": lambda self, y: torch.maximum(y, torch.zeros_like(y)),
    "constants in its shape": lambda self, y: (
        F.relu(y) * self.order.view(8, 1, 1).expand_as(y)
        + y * self.order.type_as(y) / self.matrix[0].view_as(y[0, 0, 0])
        - y * (self.order > 3).to(y)
    ),
    "a constant choice": lambda self, y: torch.where(torch.arange(8).view(8, 1, 1) > 3, y, F.relu(y)),
    "between two": lambda self, y: torch.lerp(F.relu(y), self.b(y), 0.3).lerp_(y, self.matrix[0, 0]),
    "scattered": lambda self, y: (
        torch.zeros_like(y).scatter_(1, self.order.view(8, 1, 1).expand_as(y), F.relu(y))
        + self.b(y).scatter(dim=3, index=self.order[:5].expand(len(y), 8, 8, 5), src=y[..., :5])
        + y.scatter(1, self.order[:2].view(2, 1, 1).expand(len(y), 2, 8, 8), 0.5)
    ),
    "two differences": lambda self, y: (1 - y) - torch.subtract(F.relu(y), 2),
    "its own transpose": lambda self, y: F.relu(y.mT + y.transpose(2, 3) + y.permute(0, 1, 3, 2)),
    "shuffled channels": lambda self, y: F.relu(y.view(-1, 2, 4, 8, 8).transpose(1, 2).reshape(-1, 8, 8, 8)),
    "a grid of images": lambda self, y: self.images(F.relu(y).view(-1, 4, 8, 8)).reshape(len(y), -1, 8, 8)[:, :8],
    "flipped": lambda self, y: F.relu(y).flip(1, 3).roll((2, 1), (1, 2)).rot90(1, (2, 3)),
    "repeated": lambda self, y: F.relu(y)[:, :2].repeat(1, 4, 1, 1) + y[:, :1].expand(-1, 8, -1, -1),
    "a single number": lambda self, y: F.relu(y) + torch.stack([one.mean().view(1, 1, 1) for one in y]),
    "stacked": lambda self, y: torch.stack([F.relu(y), y], 1).sum(1) + torch.stack(y.unbind(1), 1),
    "the mean of two branches": lambda self, y: torch.stack([F.relu(y), self.b(y)], 1).mean(1),
    "half of each image": lambda self, y: F.relu(y).view(8, 4, 8, 8)[::2].repeat(1, 2, 1, 1),
    "smaller and larger": lambda self, y: F.pixel_shuffle(F.relu(F.pixel_unshuffle(y, 2)), 2),
    "interpolated": lambda self, y: F.interpolate(F.relu(F.avg_pool2d(y, 2)), scale_factor=2, mode="bicubic"),
    "unfolded": lambda self, y: F.fold(F.unfold(F.relu(y), 3, padding=1), 8, 3, padding=1),
    "a product with a constant": lambda self, y: self.matrix @ F.relu(y) @ self.matrix.t(),
    "an einsum": lambda self, y: torch.einsum("nchw,cd->ndhw", F.relu(y), self.matrix),
    "cast": lambda self, y: F.relu(y.float()).to(torch.float64).type_as(y),
    "unpooled": lambda self, y: F.max_unpool2d(*F.max_pool2d(F.relu(y), 2, return_indices=True), 2),
    "running statistics of instances": lambda self, y: F.relu(self.instances(y)),
    "max pooling by its names": lambda self, y: F.interpolate(
        torch.max_pool2d(y, 2)
        + F.max_pool2d(input=y, kernel_size=2)
        + F.max_pool2d(y, 2, return_indices=True)[0]
        + F.max_pool2d_with_indices(y, 2)[0]
        + F.adaptive_max_pool2d(y, 4)
        + nn.AdaptiveMaxPool2d(4, return_indices=True)(y)[0]
        + nn.MaxPool2d(3, 2, 1, return_indices=True)(y)[0],
        scale_factor=2,
    ),
    "max pooling of rows": lambda self, y: (
        F.max_pool1d(F.relu(y).flatten(2), 3, 1, 1)
        + F.max_pool1d(y.flatten(2), 3, stride=1, padding=1, return_indices=True)[0]
        + torch.max_pool1d(y.flatten(2), 1)
        + nn.MaxPool1d(5, 1, 2)(y.flatten(2))
    ).view(y.shape),
    "fractional pooling": lambda self, y: F.interpolate(
        F.fractional_max_pool2d(y, 2, output_size=4, _random_samples=self.samples), scale_factor=2
    ),
}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("name", FOLLOWED)
def test_is_followed(name, rule, images):
    between = FOLLOWED[name]
    torch.manual_seed(2)
    parts = {"images": conv(4), "matrix": torch.randn(8, 8), "samples": torch.rand(4, 8, 2)}
    parts["order"] = torch.randperm(8)
    parts["instances"] = nn.InstanceNorm2d(8, affine=True, track_running_stats=True)
    model = written(lambda self, x: self.last(between(self, self.a(x))), **parts)
    model.instances.running_var.uniform_(0.5, 2)
    net = DeconvNet(model, rule)
    reference = maps_of_any(model, "last", images, rule)
    assert reference.any(), "a reference of zeros would agree with too much"
    assert relative_difference(net.project(net.record(images), "last"), reference) < 1e-10
