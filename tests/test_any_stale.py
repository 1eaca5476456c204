"""Traces of a network that has changed since are noticed; and what can't be recorded is said before it is run."""

import warnings

import pytest
import torch
from networks import conv, ready, written
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from helpers.deconvnet import DeconvNet

CHANGED = "the network has changed since this trace was recorded; record the images again"


def network():
    torch.manual_seed(0)
    return nn.Sequential(conv(), nn.BatchNorm2d(8), nn.ReLU(), weight_norm(conv(8)), nn.Linear(8, 8)).eval()


def step(make, **options):
    def change(model):
        optimiser = make(model.parameters(), lr=0.1, **options)
        model(torch.rand(1, 3, 8, 8)).square().sum().backward()
        optimiser.step()

    return change


def replace_layer(model):
    model[0] = conv()


def replace_relu(model):
    model[2] = nn.Tanh()


def replace_weight(model):
    model[0].weight = nn.Parameter(model[0].weight.detach().clone())


def new_data(model):
    model[0].weight.data = model[0].weight.data.clone()


def copied_data(model):
    model[0].weight.data.copy_(torch.rand(8, 3, 3, 3))


def loaded(model):
    model.load_state_dict(ready(network()).float().state_dict())
    model[1].running_mean.add_(1)


def one_number(model):
    with torch.no_grad():
        model[0].bias[3] += 1e-3


def statistics(model):
    model.train()(torch.rand(4, 3, 8, 8))
    model.eval()


CHANGES = {
    "SGD": step(torch.optim.SGD),
    "Adam": step(torch.optim.Adam),
    "fused Adam": step(torch.optim.Adam, fused=True),
    "fused AdamW": step(torch.optim.AdamW, fused=True),
    "fused SGD": step(torch.optim.SGD, fused=True),
    "a replaced layer": replace_layer,
    "a replaced ReLU": replace_relu,
    "a replaced weight": replace_weight,
    "p.data = …": new_data,
    "p.data.copy_": copied_data,
    ".double()": lambda model: model.double(),
    "other weights loaded": loaded,
    "one number": one_number,
    "running statistics": statistics,
    "one more layer": lambda model: model.append(nn.ReLU()),
    "a weight behind a parametrization": lambda model: nn.init.normal_(model[3].parametrizations.weight.original0),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_changed_network_is_noticed(change):
    model = network()
    net = DeconvNet(model)
    trace = net.record(torch.rand(2, 3, 8, 8))
    net.project(trace, "0")
    change(model)
    for use in (net.project, net.walk):
        with pytest.raises(ValueError, match=CHANGED):
            use(trace, "0")
    model.float()
    net.project(net.record(torch.rand(2, 3, 8, 8)), "0")


@pytest.mark.parametrize(
    "use",
    [
        lambda model: model(torch.rand(2, 3, 8, 8)),
        lambda model: model.state_dict(),
        lambda model: model.train().eval(),
        lambda model: model.requires_grad_(False),
        lambda model: model.zero_grad(),
        lambda model: DeconvNet(model, "guided").record(torch.rand(1, 3, 8, 8)),
        lambda model: model[0].register_forward_hook(lambda *given: None).remove(),
    ],
    ids=["run", "state", "train and eval", "frozen", "gradients", "recorded again", "hooked"],
)
def test_a_network_that_was_only_used_is_the_same(use):
    model = network()
    net = DeconvNet(model)
    trace = net.record(torch.rand(2, 3, 8, 8))
    before = net.project(trace, "3")
    use(model)
    assert net.project(trace, "3").equal(before)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_small_change_in_half_precision_is_noticed(dtype):
    """By a sum of so many weights that half precision has no digit left for it, or is infinite."""
    model = nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nn.Conv2d(8, 8, 3, bias=False)).to(dtype).eval()
    for weight, number in zip(model.parameters(), (0.125, 1000), strict=True):
        nn.init.constant_(weight, number)
    net = DeconvNet(model)
    for weight in model.parameters():
        trace = net.record(torch.rand(2, 3, 8, 8).to(dtype) / 100)
        net.project(trace, "0")
        weight.data[0, 0, 0, 0] *= 1.01
        with pytest.raises(ValueError, match=CHANGED):
            net.project(trace, "0")


def test_a_plain_tensor_that_changes_is_noticed_or_does_no_harm():
    model = written(lambda self, x: self.last(self.a(x) * self.factor))
    model.factor = torch.arange(1.0, 9).double().view(8, 1, 1)
    net = DeconvNet(model)
    trace = net.record(torch.rand(2, 3, 8, 8).double())
    before = net.project(trace, "last")
    model.factor.mul_(5)
    try:
        after = net.project(trace, "last")
    except ValueError as error:
        assert CHANGED in str(error) or "written into a constant" in str(error)
    else:
        assert after.equal(before)


def autocast():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        DeconvNet(network()).record(torch.rand(2, 3, 8, 8))


def made_under_inference_mode():
    with torch.inference_mode():
        model = network()
    DeconvNet(model).record(torch.rand(1, 3, 8, 8))


def part_in_train_mode():
    model = network()
    model[1].train()
    net = DeconvNet(model)
    net.project(net.record(torch.rand(2, 3, 8, 8)), "2")


def torchscript(make):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="`torch.jit.*is deprecated", category=FutureWarning)
        model = make(network())
    return DeconvNet(model)


REFUSED = {
    "train mode": (
        lambda: DeconvNet(network().train()).record(torch.rand(1, 3, 8, 8)),
        ValueError,
        r"in train mode; call model.eval\(\) before record",
    ),
    "a part in train mode": (part_in_train_mode, ValueError, r"train mode|model.eval\(\)"),
    "weights made under inference_mode": (
        made_under_inference_mode,
        ValueError,
        r"made under torch.inference_mode\(\); make or load them outside it",
    ),
    "autocast": (autocast, ValueError, "autocast is on"),
    "lazy layers": (
        lambda: DeconvNet(nn.Sequential(nn.LazyConv2d(4, 3)).eval()).record(torch.rand(1, 3, 8, 8)),
        ValueError,
        "lazy layers, which have no weights yet; run it once first",
    ),
    "TorchScript": (
        lambda: torchscript(torch.jit.script),
        TypeError,
        "TorchScript, .* build it from its class and load its state_dict",
    ),
    "a traced module": (
        lambda: torchscript(lambda model: torch.jit.trace(model, torch.rand(1, 3, 8, 8))),
        TypeError,
        "TorchScript, .* build it from its class and load its state_dict",
    ),
    "a function": (lambda: DeconvNet(torch.relu), TypeError, "needs a module"),
    "a class": (lambda: DeconvNet(nn.ReLU), TypeError, "needs a module"),
    "weights": (lambda: DeconvNet(network().state_dict()), TypeError, "model is a OrderedDict"),
}


@pytest.mark.parametrize(("run", "error", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_recorded_is_named(run, error, message):
    with pytest.raises(error, match=message):
        run()
