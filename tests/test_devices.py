"""The deconvnet on a GPU, and what it leaves as it was: threads, precision, random numbers."""

import contextlib
import random

import numpy as np
import pytest
import torch
from reference import by_walk, relative_difference
from torch import nn
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from helpers.deconvnet import RULES, DeconvNet
from helpers.deconvnet import net as net_module
from helpers.deconvnet import trace as trace_module
from helpers.lenet5 import LeNet5
from helpers.training import accuracy, fit

needs_gpu = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here that PyTorch can use through CUDA"),
]

# Pretended tensors have no address in memory, and say so.
pytestmark = pytest.mark.filterwarnings("ignore:Accessing the data pointer of FakeTensor")


class Moves(TorchDispatchMode):
    """Notes each operation that takes a tensor of one device and gives one of another, or a number to Python."""

    def __init__(self):
        super().__init__()
        self.noted, self.operations = [], 0

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        self.operations += 1
        if operation is torch.ops.aten._local_scalar_dense.default:
            self.noted.append(str(operation))
        result = operation(*args, **(kwargs or {}))
        # Indices come in a list.
        things = tree_leaves((args, kwargs, result))
        if len({thing.device.type for thing in things if isinstance(thing, torch.Tensor)}) > 1:
            self.noted.append(str(operation))
        return result


@pytest.fixture
def pretended_gpu(monkeypatch):
    """Tensors without numbers, which know on which device they would be, on machines with and without a GPU."""
    # Looking for NaN, and whether the weights have changed, takes numbers to Python, on purpose; these have none.
    for module in (net_module, trace_module):
        monkeypatch.setattr(module, "state_of", lambda *given: (None, []))
    with FakeTensorMode():
        try:
            torch.empty(1, device="cuda").uniform_()
        except RuntimeError as error:
            pytest.skip(f"PyTorch {torch.__version__} can't pretend to have a GPU: {str(error).splitlines()[0]}")
        yield torch.device("cuda")


@pytest.mark.parametrize("select", ["map", "peak"])
@pytest.mark.parametrize("layer", ["pool2", "conv2", "pool1"])
@pytest.mark.parametrize("rule", RULES)
def test_no_step_leaves_the_device(rule, layer, select, pretended_gpu):
    with pretended_gpu:
        net, images = DeconvNet(LeNet5().eval().features, rule), torch.empty(4, 1, 28, 28)
    with Moves() as moves:
        trace = net.record(images)
        maps = net.project(trace, layer, select=select)
        steps = by_walk(net, trace, layer, select=select)
    assert maps.device.type == steps.device.type == "cuda"
    assert moves.noted == [] and moves.operations > 20


def test_chosen_channels_are_brought_to_the_device_once(pretended_gpu):
    with pretended_gpu:
        chain = nn.Sequential(nn.Conv2d(1, 6, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 4, 3, stride=2)).eval()
        net, images = DeconvNet(chain), torch.empty(4, 1, 28, 28)
    trace = net.record(images)
    for layer in ("2", "3"):
        with Moves() as moves:
            net.project(trace, layer, [3, 1, 3])
        assert len(moves.noted) <= 1, moves.noted


@pytest.mark.parametrize("count", [1, 5])
def test_looking_at_numbers_makes_python_wait_for_the_device_as_often_in_large_networks_as_in_small_ones(count):
    """For NaN, and for whether the weights are those of before."""
    layers = [nn.Conv2d(1, 1, 3, padding=1), nn.ReLU(), nn.MaxPool2d(1)]
    net = DeconvNet(nn.Sequential(*layers * count).eval())
    with Moves() as moves:
        trace = net.record(torch.rand(4, 1, 8, 8))
    assert len(moves.noted) <= 1, moves.noted
    with Moves() as moves:
        net.project(trace, "2")
    assert len(moves.noted) <= 1, moves.noted


@pytest.mark.parametrize(
    "step",
    [lambda images: images.cpu().to(images.device), lambda images: images[:, [0]], lambda images: images.sum().item()],
    ids=["there and back", "index from Python", "number to Python"],
)
def test_a_step_that_leaves_the_device_is_noted(step, pretended_gpu):
    images = torch.empty(4, 1, 28, 28, device=pretended_gpu)
    with Moves() as moves:
        # A pretended tensor has no number to give.
        with contextlib.suppress(DataDependentOutputException):
            step(images)
    assert moves.noted


class TestOnAGpu:
    pytestmark = needs_gpu

    @pytest.mark.parametrize("select", ["map", "peak"])
    @pytest.mark.parametrize("layer", ["pool1", "pool2"])
    @pytest.mark.parametrize("rule", RULES)
    def test_the_pictures_are_the_same(self, rule, layer, select, model, test_set):
        images = test_set[0][:100].double()
        net = DeconvNet(model.double().features, rule)
        on_cpu = net.project(net.record(images), layer, select=select)
        model.cuda()
        on_gpu = net.project(net.record(images.cuda()), layer, select=select)
        assert on_gpu.is_cuda
        assert relative_difference(on_gpu.cpu(), on_cpu) < 1e-10

    def test_training_works(self, test_set):
        images, labels = (part[:2000].cuda() for part in test_set)
        model = LeNet5().cuda()
        fit(model, images, labels, epochs=5)
        assert accuracy(model, images, labels) > 0.9


def settings():
    return {
        "threads": torch.get_num_threads(),
        "threads between operations": torch.get_num_interop_threads(),
        "gradients": torch.is_grad_enabled(),
        "number type": torch.get_default_dtype(),
        "device": torch.get_default_device(),
        "matmul precision": torch.get_float32_matmul_precision(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "oneDNN": torch.backends.mkldnn.is_available() and torch._C._get_mkldnn_enabled(),
        "cuDNN": (torch.backends.cudnn.enabled, torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic),
        "random numbers of PyTorch": torch.get_rng_state().tolist(),
        "random numbers of NumPy": np.random.get_state()[1].tolist(),
        "random numbers of Python": random.getstate(),
    }


@pytest.mark.parametrize("threads", [1, 2])
def test_settings_of_the_user_are_left_alone(threads, model, test_set):
    images, labels = (part[:600] for part in test_set)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        wanted = settings()
        fit(model, images, labels, epochs=1, test=(images, labels))
        net = DeconvNet(model.features)
        for _, trace in net.stream(images):
            assert settings() == wanted  # also while a caller stands in the middle of it
            net.project(trace, "pool2")
        assert settings() == wanted
    finally:
        torch.set_num_threads(before)
