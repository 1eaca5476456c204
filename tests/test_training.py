"""helpers.training: it learns, it repeats itself, and it counts exactly."""

import math
import re
from collections import OrderedDict
from contextlib import nullcontext

import pytest
import torch
from torch import nn

from helpers.lenet5 import LeNet5
from helpers.training import accuracy, fit, predict


def left_or_right(count=64, seed=0):
    """4×4 images that are bright on the left (0) or on the right (1)."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 2, (count,), generator=generator)
    images = 0.1 * torch.rand(count, 1, 4, 4, generator=generator)
    images[labels == 0, :, :, :2] += 0.8
    images[labels == 1, :, :, 2:] += 0.8
    return images, labels


def small_model(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 2), nn.LogSoftmax(dim=1))


def weights(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def test_fit_learns_a_small_problem():
    model = small_model()
    history = fit(model, *left_or_right(), epochs=10, batch_size=8)
    assert accuracy(model, *left_or_right(seed=1)) == 1
    assert history.losses[-1] < history.losses[0] / 2


def test_the_same_seed_gives_the_same_model_to_the_last_bit():
    one, other = small_model(), small_model()
    histories = [fit(model, *left_or_right(), batch_size=8, seed=3) for model in (one, other)]
    assert weights(one).equal(weights(other))
    assert histories[0] == histories[1]


def test_the_seed_alone_decides_the_order():
    losses = []
    for seed, state_outside in ((3, 1), (3, 2), (4, 1)):
        model = small_model()
        torch.manual_seed(state_outside)
        losses.append(fit(model, *left_or_right(), batch_size=8, seed=seed).losses)
    assert losses[0] == losses[1]
    assert losses[0] != losses[2]


def test_each_epoch_sees_each_image_once_in_a_new_order():
    seen = []
    model = small_model()
    model.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    images, labels = left_or_right(30)
    fit(model, images, labels, epochs=2, batch_size=8)
    assert [len(batch) for batch in seen] == [8, 8, 8, 6] * 2
    first, second = torch.cat(seen[:4]), torch.cat(seen[4:])
    assert not first.equal(second) and not first.equal(images)
    for epoch in (first, second):
        assert epoch.flatten(1).unique(dim=0).equal(images.flatten(1).unique(dim=0))


def test_fit_trains_in_train_mode_and_leaves_eval_mode():
    modes = []
    model = nn.Sequential(small_model(), nn.Dropout(0))
    model.register_forward_pre_hook(lambda module, args: modes.append((module.training, torch.is_grad_enabled())))
    data = left_or_right(16)
    fit(model.eval(), *data, epochs=2, batch_size=8, test=data)
    train, test = (True, True), (False, False)
    assert modes == [train, train, test] * 2
    assert not any(module.training for module in model.modules())


@pytest.mark.parametrize(("epochs", "count", "batch_size", "steps"), [(1, 64, 64, 1), (3, 64, 16, 12), (2, 30, 8, 8)])
def test_history_holds_a_loss_a_step_and_an_accuracy_an_epoch(epochs, count, batch_size, steps):
    data = left_or_right(count)
    tested = fit(small_model(), *data, epochs=epochs, batch_size=batch_size, test=data)
    assert (len(tested.losses), len(tested.accuracies)) == (steps, epochs)
    untested = fit(small_model(), *data, epochs=epochs, batch_size=batch_size)
    assert untested.losses == tested.losses and untested.accuracies == []


def test_the_first_loss_is_that_of_the_untrained_model():
    images, labels = left_or_right(16)
    with torch.no_grad():
        scores = small_model()(images)
    expected = -scores[torch.arange(16), labels].mean().item()
    assert fit(small_model(), images, labels, epochs=1, batch_size=16).losses == pytest.approx([expected], rel=1e-6)


def test_the_last_accuracy_is_that_of_the_model_that_comes_back():
    """On noise, where the accuracy is not simply 1."""
    images, labels = torch.rand(50, 1, 4, 4, generator=torch.Generator().manual_seed(0)), torch.arange(50) % 2
    model = small_model()
    history = fit(model, images, labels, epochs=3, test=(images[:37], labels[:37]))
    assert history.accuracies[-1] == accuracy(model, images[:37], labels[:37])
    assert 0 < history.accuracies[-1] < 1


def test_nothing_is_learnt_from_the_test_images():
    with_test, without = small_model(), small_model()
    fit(with_test, *left_or_right(), batch_size=8, test=left_or_right(seed=5))
    fit(without, *left_or_right(), batch_size=8)
    assert weights(with_test).equal(weights(without))


@pytest.fixture
def rates(monkeypatch):
    """The learning rate of each step."""
    rates = []
    step = torch.optim.AdamW.step

    def noted(optimizer, *args, **kwargs):
        rates.append(optimizer.param_groups[0]["lr"])
        return step(optimizer, *args, **kwargs)

    monkeypatch.setattr(torch.optim.AdamW, "step", noted)
    return rates


def test_the_learning_rate_peaks_at_max_lr_after_three_tenths(rates):
    fit(small_model(), *left_or_right(80), epochs=10, batch_size=8, max_lr=0.02)
    assert len(rates) == 100
    assert max(rates) == pytest.approx(0.02) and rates.index(max(rates)) == 29
    assert rates[-1] < rates[0] < 0.02 / 10


@pytest.mark.parametrize("weight_decay", [0, 0.1, 2.0])
def test_weights_decay_by_a_share_of_the_learning_rate(weight_decay, rates):
    """Where images are all paper, the weights have no gradient, and nothing else moves them."""
    model = small_model().double()
    before = model[1].weight.detach().clone()
    images, labels = left_or_right(16)
    fit(model, torch.zeros_like(images).double(), labels, epochs=5, batch_size=8, weight_decay=weight_decay)
    kept = math.prod(1 - rate * weight_decay for rate in rates)
    torch.testing.assert_close(model[1].weight.detach(), kept * before, rtol=1e-12, atol=0)
    assert (kept < 1) is (weight_decay > 0)


def test_the_progress_bar_is_on_stdout_and_nothing_on_stderr(capsys):
    fit(small_model(), *left_or_right(), epochs=2, batch_size=8)
    out, err = capsys.readouterr()
    assert "training" in out and "16/16" in out
    assert err == ""


@pytest.mark.parametrize("batch_size", [1, 7, 20, 1000])
def test_predict_equals_the_model_in_one_go(batch_size, model, images):
    model.double()
    with torch.no_grad():
        expected = model(images.double())
    scores = predict(model, images.double(), batch_size)
    assert not scores.requires_grad
    torch.testing.assert_close(scores, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("training", [True, False])
def test_predict_is_in_eval_mode(training):
    model = nn.Sequential(small_model(), nn.Dropout(0.5)).train(training)
    images, _ = left_or_right()
    assert predict(model, images).equal(predict(model[0], images))


# --- a model is left as it was found --------------------------------------------------------------------------------


class Trap(nn.Module):
    """Lets through as many batches as it is told, then raises."""

    def __init__(self, error=None, after=0):
        super().__init__()
        self.error, self.left = error, after

    def forward(self, images):
        self.left -= 1
        if self.error and self.left < 0:
            raise self.error
        return images


def with_frozen_layers(error=None, after=0):
    """A model in train mode, with batch normalisation in eval mode inside, and in that a layer in train mode."""
    frozen = nn.Sequential(nn.BatchNorm2d(1), nn.Sequential(nn.Dropout(0.1)))
    model = nn.Sequential(OrderedDict(trap=Trap(error, after), frozen=frozen, **dict(small_model().named_children())))
    model.train()
    frozen.eval()
    frozen[1].train()
    return model


def modes(model):
    return {name: module.training for name, module in model.named_modules()}


ERRORS = pytest.mark.parametrize("error", [None, RuntimeError("trap"), KeyboardInterrupt()], ids=repr)
MEASURES = {
    "predict": lambda model, images, labels: predict(model, images),
    "accuracy": accuracy,
}


@ERRORS
@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize(
    "start", [lambda model: model, nn.Module.train, nn.Module.eval], ids=["mixed", "train", "eval"]
)
def test_measuring_leaves_each_layer_in_its_mode_and_all_numbers_as_they_were(start, measure, error):
    model = start(with_frozen_layers(error))
    before, numbers = modes(model), {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(type(error)) if error else nullcontext():
        MEASURES[measure](model, *left_or_right())
    assert modes(model) == before
    assert all(value.equal(numbers[name]) for name, value in model.state_dict().items())
    assert all(p.grad is None and p.requires_grad for p in model.parameters())


class Adapted(nn.Linear):
    """Adds its adapter to its weights in eval mode, and takes it off in train mode, as low-rank adapters do."""

    adapter, merged = 0.5, False

    def train(self, mode=True):
        if mode is self.merged:
            self.weight.data += -self.adapter if mode else self.adapter
            self.merged = not mode
        return super().train(mode)


@pytest.mark.parametrize("training", [True, False])
def test_a_layer_that_changes_with_its_mode_is_changed_back(training):
    model = nn.Sequential(nn.Flatten(), Adapted(16, 2)).train(training)
    before = model[1].weight.detach().clone()
    predict(model, left_or_right()[0])
    torch.testing.assert_close(model[1].weight.detach(), before)


@pytest.mark.parametrize("after", [0, 3, 8], ids=["first step", "second epoch", "last test"])
@ERRORS
def test_a_training_that_ends_with_an_error_leaves_each_layer_in_its_mode(error, after):
    model, data = with_frozen_layers(error, after), left_or_right(16)
    before = modes(model)
    with pytest.raises(type(error)) if error else nullcontext():
        fit(model, *data, epochs=3, batch_size=8, test=data)
    assert modes(model) == (before if error else dict.fromkeys(before, False))
    assert all(p.grad is None for p in model.parameters())


def test_frozen_batch_normalisation_stays_frozen_while_the_others_train():
    seen = []
    model, data = with_frozen_layers(), left_or_right()
    model.register_forward_pre_hook(lambda module, _: seen.append(modes(module)))
    before = modes(model)
    fit(model, *data, epochs=2, batch_size=32, test=data)
    assert seen == [before, before, dict.fromkeys(before, False)] * 2
    assert model.frozen[0].running_mean.item() == 0 and model.frozen[0].num_batches_tracked == 0


def test_gradients_that_lay_there_are_not_learnt_from():
    fresh, used = small_model(), small_model()
    fit(fresh, *left_or_right(), batch_size=8)
    for parameter in used.parameters():
        parameter.grad = torch.ones_like(parameter)
    fit(used, *left_or_right(), batch_size=8)
    assert weights(used).equal(weights(fresh))


# --- a training that goes astray ------------------------------------------------------------------------------------


class Diverges(nn.Module):
    """Log-probabilities that are NaN, or infinitely low, at the step with this number, from 1."""

    def __init__(self, step, value):
        super().__init__()
        self.model, self.step, self.value = small_model(), step, value

    def forward(self, images):
        self.step -= 1
        return self.model(images) + (self.value if self.step == 0 else 0)


@pytest.mark.parametrize(("value", "loss"), [(math.nan, "nan"), (-math.inf, "inf")])
@pytest.mark.parametrize("step", [2, 5, 16])
def test_a_training_stops_before_its_weights_are_spoilt(step, value, loss):
    model, sound = Diverges(step, value), []
    model.register_forward_pre_hook(lambda module, _: sound.append(weights(module).clone()))
    message = (
        f"the loss is {loss} at step {step} of 16: the training went astray. "
        "Begin with a new model, and with a smaller max_lr than 0.1"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        fit(model, *left_or_right(), epochs=2, batch_size=8, max_lr=0.1)
    assert len(sound) == step and weights(model).equal(sound[-1]) and weights(model).isfinite().all()


def test_a_rate_that_is_far_too_high_is_named():
    torch.manual_seed(0)
    images, labels = torch.rand(640, 1, 28, 28), torch.arange(640) % 10
    with pytest.raises(ValueError, match=r"the loss is (nan|inf) at step \d+ of 20: .* a smaller max_lr than 1e\+30$"):
        fit(LeNet5(), images, labels, epochs=4, max_lr=1e30)


def test_weights_that_the_last_step_spoils_are_noticed(monkeypatch):
    step = torch.optim.AdamW.step

    def spoilt(optimizer, *args, **kwargs):
        step(optimizer, *args, **kwargs)
        optimizer.param_groups[0]["params"][-1].data[0] = torch.inf

    monkeypatch.setattr(torch.optim.AdamW, "step", spoilt)
    with pytest.raises(ValueError, match="^weights are NaN or infinite at step 1 of 1: the training went astray"):
        fit(small_model(), *left_or_right(8), epochs=1, batch_size=8)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16], ids=str)
def test_log_probabilities_of_any_precision_are_taken(dtype):
    images, labels = left_or_right()
    many = nn.Sequential(nn.Flatten(), nn.Linear(16, 1000), nn.LogSoftmax(dim=1)).to(dtype)
    assert fit(many, images.to(dtype), labels, epochs=3, batch_size=8).losses[-1] < math.log(1000)


def test_classes_of_which_one_is_impossible_are_taken():
    class Masked(nn.Module):
        def __init__(self):
            super().__init__()
            self.model = small_model()

        def forward(self, images):
            return nn.functional.pad(self.model(images), (0, 1), value=-math.inf)

    model, data = Masked(), left_or_right()
    fit(model, *data, epochs=10, batch_size=8, test=data)
    assert accuracy(model, *data) == 1


# --- how many are read right ----------------------------------------------------------------------------------------


def test_accuracy_is_exact():
    """Ten images whose brightest pixel is the prediction, four of them with another label."""
    model = nn.Flatten()
    images = torch.eye(10).reshape(10, 1, 2, 5)
    labels = torch.tensor([0, 1, 2, 3, 4, 5, 0, 0, 0, 0])
    assert accuracy(model, images, labels) == 0.6
    assert accuracy(model, images, torch.arange(10)) == 1
    assert accuracy(model, images, torch.arange(10).roll(1)) == 0
    assert accuracy(model, images[:3], torch.tensor([0, 0, 0])) == 1 / 3


def test_accuracy_counts_over_all_batches():
    images = torch.eye(2).repeat(1250, 1).reshape(2500, 1, 1, 2)
    labels = torch.arange(2500) % 2
    labels[-1] = 0
    assert accuracy(nn.Flatten(), images, labels) == 2499 / 2500
