"""Recording leaves a network as it was, gives what a plain run gives, and lets go of what it has kept."""

import gc
import sys
import weakref

import pytest
import torch
import torch.nn.functional as F
from networks import conv, ready, written
from reference import relative_difference
from reference_any import maps_of_any
from torch import nn
from torchvision import models

from helpers.deconvnet import DeconvNet


def all_of(model):
    """What each module holds, with the keys and identities of its hooks."""
    return [
        {
            key: list(map(id, [*value, *value.values()])) if isinstance(value, dict) else id(value)
            for key, value in vars(module).items()
        }
        for module in model.modules()
    ]


def hooked(self, x):
    y = self.a(x)
    return self.last(F.relu(self.b(y), inplace=True))


@pytest.fixture
def images():
    return torch.rand(2, 3, 8, 8, dtype=torch.float64)


def test_modules_are_as_they_were(images):
    model = written(hooked)
    model.a.register_forward_hook(lambda module, args, output: output * 2)
    model.b.register_forward_pre_hook(lambda module, args: None)
    model.last.forward = model.last.forward  # in its __dict__
    before, states = all_of(model), {key: value.clone() for key, value in model.state_dict().items()}
    net = DeconvNet(model)
    trace = net.record(images)
    net.project(trace, "last")
    list(net.walk(trace, "last"))
    assert all_of(model) == before
    assert all(model.state_dict()[key].equal(value) for key, value in states.items())
    assert not any("forward" in vars(module) for module in model.modules() if module is not model.last)


@pytest.mark.parametrize("error", [KeyError, RuntimeError, KeyboardInterrupt])
def test_modules_are_as_they_were_after_an_error(error, images):
    def forward(self, x):
        self.a(x)
        self.b.register_forward_hook(raising)
        return self.last(self.b(self.a(x)))

    def raising(module, args, output):
        raise error("in the middle")

    model = written(forward)
    model.a.register_forward_hook(lambda module, args, output: output * 2)
    hooks = [list(module._forward_hooks) for module in (model, model.a, model.last)]
    with pytest.raises(ValueError if error is RuntimeError else error, match="in the middle"):
        DeconvNet(model).record(images)
    assert [list(module._forward_hooks) for module in (model, model.a, model.last)] == hooks
    assert len(model.b._forward_hooks) == 1
    assert not any("forward" in vars(module) for module in model.modules())
    # No mode is left that notes what others do.
    assert len(torch.overrides._get_current_function_mode_stack()) == 0


def test_a_plain_run_after_it_is_seen_by_nobody(images):
    model = written(hooked)
    before = model(images)
    trace = DeconvNet(model).record(images)
    count = len(trace.notes)
    assert model(images).equal(before)
    assert len(trace.notes) == count


def test_settings_of_gradients_are_as_they_were(images):
    net = DeconvNet(written(hooked))
    for mode in (torch.no_grad, torch.enable_grad, torch.inference_mode):
        with mode():
            before = torch.is_grad_enabled(), torch.is_inference_mode_enabled()
            trace = net.record(images)
            maps = net.project(trace, "last")
            assert (torch.is_grad_enabled(), torch.is_inference_mode_enabled()) == before
            assert not maps.requires_grad
            assert not any(one.requires_grad for one in trace.activations.values())


def test_images_of_inference_mode_are_taken():
    with torch.inference_mode():
        images = torch.rand(2, 3, 8, 8, dtype=torch.float64)
    net = DeconvNet(written(hooked))
    reference = maps_of_any(net.model, "last", images.clone(), "deconvnet")
    assert relative_difference(net.project(net.record(images), "last"), reference) < 1e-10


def test_random_numbers_are_those_of_a_plain_run(images):
    model = written(lambda self, x: self.last(self.a(x) + torch.rand(8, 1, 1, dtype=x.dtype)))
    torch.manual_seed(3)
    with torch.no_grad():
        expected, following = model(images), torch.rand(1)
    torch.manual_seed(3)
    assert DeconvNet(model).record(images).activations["last"].equal(expected)
    assert torch.rand(1).equal(following)


def test_further_inputs_are_handed_on(images):
    def forward(self, x, factor, more=None, *, shift):
        return self.last(self.a(x) * factor + self.b(more["map"]) - shift)

    model = written(forward)
    further = torch.rand(8, 1, 1).double(), {"map": torch.rand(2, 8, 8, 8).double()}
    net = DeconvNet(model)
    trace = net.record(images, *further, shift=2)
    with torch.no_grad():
        assert trace.activations["last"].equal(model(images, *further, shift=2))
    alone = written(lambda self, x: self.last(self.a(x) * further[0] + self.b(further[1]["map"]) - 2))
    reference = maps_of_any(alone, "last", images, "deconvnet")
    assert relative_difference(net.project(trace, "last"), reference) < 1e-10


def test_images_keep_how_they_lie_in_memory():
    layouts = []
    model = written(lambda self, x: (layouts.append(x.stride()), self.last(self.a(x)))[1])
    images = torch.rand(2, 3, 8, 8).double().contiguous(memory_format=torch.channels_last)
    trace = DeconvNet(model).record(images)
    with torch.no_grad():
        assert trace.activations["last"].equal(model(images))
    assert layouts == [images.stride()] * 2


def never(graph, inputs):
    raise AssertionError("the compiler was run")


WRAPPED = {
    "DataParallel": nn.DataParallel,
    "compiled": lambda model: torch.compile(model, backend=never),
    "compiled DataParallel": lambda model: torch.compile(nn.DataParallel(model), backend=never),
    "a DataParallel of what is compiled": lambda model: nn.DataParallel(torch.compile(model, backend=never)),
    "compiled in its place": lambda model: model.compile(backend=never) or model,
    "a part compiled in its place": lambda model: model.b.compile(backend=never) or model,
}


@pytest.mark.parametrize("name", WRAPPED)
def test_what_compiles_or_spreads_a_network_is_taken_off(name, images):
    plain = written(hooked)
    net = DeconvNet(WRAPPED[name](written(hooked)))
    trace = net.record(images)
    assert list(trace.activations) == ["a", "b", "relu", "last"]
    reference = maps_of_any(plain, "last", images, "deconvnet")
    assert relative_difference(net.project(trace, "last"), reference) < 1e-10


@pytest.mark.parametrize("part", ["", "a"])
def test_what_is_compiled_in_its_place_stays_so(part, images):
    model = written(hooked)
    model.get_submodule(part).compile(backend=never)
    DeconvNet(model).record(images)
    with pytest.raises(Exception, match="the compiler was run"):
        model.get_submodule(part)(images)


def test_a_part_that_is_spread(images):
    model = ready(nn.Sequential(nn.DataParallel(nn.Sequential(conv(), nn.ReLU())), conv(8)))
    net = DeconvNet(model)
    reference = maps_of_any(model, "1", images, "deconvnet")
    assert relative_difference(net.project(net.record(images), "1"), reference) < 1e-10


@pytest.mark.parametrize(
    "make",
    [lambda: written(hooked), lambda: ready(models.ResNet(models.resnet.BasicBlock, [1, 1, 1, 1]))],
    ids=["small", "ResNet"],
)
def test_a_trace_that_is_let_go_is_gone_at_once(make):
    """No circle of references keeps it until the collector comes."""
    net = DeconvNet(make())
    images = torch.rand(1, 3, 32, 32, dtype=torch.float64)
    net.project(net.record(images), next(iter(net.record(images).activations)))
    gc.collect()
    gc.disable()
    try:
        trace = net.record(images)
        last = list(trace.activations)[-1]
        net.project(trace, last, [0])
        deque = list(net.walk(trace, last, [0]))
        del deque
        kept = [weakref.ref(trace), weakref.ref(trace.activations[last])]
        assert sys.getrefcount(trace) == 2
        del trace
        assert [one() for one in kept] == [None] * 2
    finally:
        gc.enable()


def test_an_error_keeps_no_tape(images):
    tapes = []

    def forward(self, x):
        tapes.append(weakref.ref(torch.overrides._get_current_function_mode_stack()[-1]))
        raise KeyError("in the middle")

    net = DeconvNet(written(forward))
    gc.disable()
    try:
        with pytest.raises(KeyError):
            net.record(images)
        gc.collect()
        assert tapes[0]() is None
    finally:
        gc.enable()
