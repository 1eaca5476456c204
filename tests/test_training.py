"""helpers.training: it learns, it repeats itself, and it counts exactly."""

import math

import pytest
import torch
from torch import nn

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
def test_predict_is_in_eval_mode_and_restores_the_mode(training):
    model = nn.Sequential(small_model(), nn.Dropout(0.5)).train(training)
    images, _ = left_or_right()
    assert predict(model, images).equal(predict(model[0], images))
    assert all(module.training is training for module in model.modules())


def test_predict_gives_the_mode_back_when_the_model_fails():
    model = small_model().train()
    with pytest.raises(RuntimeError, match="shapes"):
        predict(model, torch.zeros(1, 1, 5, 5))
    assert model.training


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
