"""What an explorer shows is never past: weights, layers, images and labels may change after it was made."""

import pytest
import torch
from torch import nn

from helpers.deconvnet import DeconvNet
from helpers.explorers import draw_a_digit, explore_feature_maps, explore_steps, explore_switches
from helpers.lenet5 import LeNet5

LABELS = torch.tensor([7, 2, 1, 0, 4, 1, 4, 9, 5, 9, 0, 6, 9, 0, 1, 5, 9, 7, 3, 4])  # of the 20 images

# How each is made, and two settings between which nothing has to be computed again.
EXPLORERS = {
    "switches": (lambda m, i: explore_switches(m, i, LABELS).at(digit=2, right=1), {"map": 4}, {"map": 5}),
    "steps": (lambda m, i: explore_steps(m, i, LABELS).at(digit=2, map=(2, 11)), {"stage": 3}, {"stage": 5}),
    "feature maps": (lambda m, i: explore_feature_maps(m, i, LABELS).at(digit=1, layer=2), {"map": 3}, {"map": 11}),
    "drawing": (lambda m, i: draw_a_digit(m, i[2, 0]), {"map": (2, 3)}, {"map": (2, 11)}),
}


def shown(explorer):
    """All that is on the screen, but for the paper and how the controls stand."""
    return [shown for _, shown in explorer._shown()]


def step_of_a_fused_optimizer(model, images):
    with torch.enable_grad():
        model(images).logsumexp(dim=1).add(model(images)[:, 3]).sum().backward()
    torch.optim.AdamW(model.parameters(), lr=0.02, fused=True).step()


def another_network(seed=1):
    torch.manual_seed(seed)
    return LeNet5().eval()


# What a reader may do to the model or the images while an explorer is on the screen.
CHANGES = {
    "load_state_dict": lambda m, i: m.load_state_dict(another_network().state_dict()),
    "a step of a fused optimizer": step_of_a_fused_optimizer,
    "weight.data.copy_": lambda m, i: m.features.conv1.weight.data.copy_(m.features.conv1.weight.data.flip(0)),
    "weight.data replaced": lambda m, i: setattr(m.features.conv1.weight, "data", m.features.conv1.weight.data.flip(0)),
    "a bias alone": lambda m, i: m.features.conv1.bias.data.add_(0.1),
    "one weight in 61,706": lambda m, i: m.features.conv1.weight.data[5, 0, 2, 2].add_(2),
    "through NumPy": lambda m, i: m.features.conv1.weight.detach().numpy().__imul__(2),
    "a layer replaced": lambda m, i: setattr(m.features, "conv1", another_network().features.conv1),
    "a layer taken out": lambda m, i: setattr(m.features, "relu1", nn.Identity()),
    "all layers replaced": lambda m, i: setattr(m, "features", another_network().features),
    "a hook": lambda m, i: m.features.conv1.register_forward_hook(lambda layer, given, maps: 2 * maps),
    "a hook before": lambda m, i: m.features.conv1.register_forward_pre_hook(lambda layer, given: (given[0] / 2,)),
    "the images": lambda m, i: i.copy_(i.flip(0)),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("name", ["steps", "feature maps"])  # these two remember all that can change
def test_an_answer_is_of_the_model_and_the_images_as_they_are(name, change, model, images):
    make, before, after = EXPLORERS[name]
    explorer = make(model, images).at(**before)
    change(model, images)
    ((control, value),) = after.items()
    explorer.controls[control].value = value
    assert shown(explorer) == shown(make(model, images).at(**after))


@pytest.mark.parametrize("change", ["load_state_dict", "all layers replaced", "a hook"])
@pytest.mark.parametrize("name", ["switches", "drawing"])
def test_so_are_those_of_the_other_two(name, change, model, images):
    make, before, after = EXPLORERS[name]
    explorer = make(model, images).at(**before)
    CHANGES[change](model, images)
    ((control, value),) = after.items()
    explorer.controls[control].value = value
    assert shown(explorer) == shown(make(model, images).at(**after))


def test_what_is_read_follows_the_classifier(model, images):
    explorer = explore_feature_maps(model, images, LABELS).at(digit=7, layer=2, map=3)
    model.classifier.linear3.bias.data[4] += 100
    explorer.at(map=4)
    assert "misread as 4" in explorer._pictures[0].panels[0].label


def test_a_hook_that_changes_its_mind_is_followed(model, images):
    factor = 1
    model.features.conv1.register_forward_hook(lambda layer, given, maps: factor * maps)
    explorer = explore_feature_maps(model, images, LABELS).at(digit=7, layer=1, map=3)
    before = explorer._pictures[1].panels[0].pixels
    factor = 2
    explorer.at(map=4)
    explorer.at(map=3)
    assert explorer._pictures[1].panels[0].pixels.equal(2 * before)


@pytest.mark.parametrize(("make", "before", "after"), EXPLORERS.values(), ids=EXPLORERS)
def test_the_same_settings_and_a_display_ask_again(make, before, after, model, images):
    explorer = make(model, images).at(**after)
    model.load_state_dict(another_network().state_dict())
    assert shown(explorer.at(**after)) == shown(make(model, images).at(**after))
    model.load_state_dict(another_network(2).state_dict())
    explorer.show(alt="an explorer")
    assert shown(explorer) == shown(make(model, images).at(**after))


@pytest.mark.parametrize("name", ["steps", "feature maps", "drawing"])
def test_nothing_is_computed_twice(name, model, images, monkeypatch):
    make, before, after = EXPLORERS[name]
    explorer = make(model, images).at(**before)
    recorded = []
    record = DeconvNet.record
    monkeypatch.setattr(DeconvNet, "record", lambda net, images: recorded.append(1) or record(net, images))
    explorer.at(**after).at(**before)
    assert not recorded


# --- what can no longer be shown


def train(model, images, labels):
    model.train()


def train_features(model, images, labels):
    model.features.train()


def to_bytes(model, images, labels):
    images.mul_(255)


def to_normalised(model, images, labels):
    images.sub_(0.1307).div_(0.3081)


def relabel(model, images, labels):
    labels.copy_(labels.flip(0))


@pytest.mark.parametrize("make", [explore_switches, explore_steps, explore_feature_maps])
@pytest.mark.parametrize(
    ("change", "told"),
    [
        (train, r"the model is in train mode; call model.eval() before"),
        (train_features, "in train mode; call model.eval() before"),
        (to_bytes, "needs 0 for paper to 1 for ink"),
        (to_normalised, "undo a normalisation"),
        (relabel, "the labels have changed"),
    ],
)
def test_what_can_no_longer_be_shown_is_told(make, change, told, model, images):
    labels = LABELS.clone()
    explorer = make(model, images, labels).at(digit=1)
    change(model, images, labels)
    (name, control) = list(explorer.controls.items())[1]
    control.value = {"map": (1, 3) if make is explore_steps else 3, "example": 1}[name]
    assert told in explorer.fault
    with pytest.raises(ValueError):
        explorer.show(alt="an explorer")


def test_a_drawing_in_train_mode_is_told_until_it_ends(model, images):
    explorer = draw_a_digit(model, images[0, 0])
    model.train()
    explorer.controls["map"].value = (2, 3)
    assert "call model.eval()" in explorer.fault
    model.eval()
    explorer.controls["map"].value = (2, 4)
    assert explorer.fault == ""


@pytest.mark.parametrize("make", [explore_switches, explore_steps, explore_feature_maps])
def test_images_that_need_gradients_are_shown(make, model, images):
    wanted = shown(make(model, images, LABELS))
    assert shown(make(model, images.requires_grad_(), LABELS)) == wanted


def test_a_start_that_needs_gradients_is_shown(model, images):
    wanted = shown(draw_a_digit(model, images[0, 0]))
    assert shown(draw_a_digit(model, images[0, 0].requires_grad_())) == wanted
