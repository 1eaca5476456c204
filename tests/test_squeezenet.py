"""helpers.squeezenet: the weights are torchvision's network's, key for key, and what it gives is torchvision's."""

import pytest
import torch
from torchvision.models import SqueezeNet, squeezenet1_1

from helpers.squeezenet import CATEGORIES, MEAN, WEIGHTS, load_squeezenet


@pytest.fixture(scope="module")
def squeezenet():
    return load_squeezenet()


def test_it_is_torchvisions_network_ready_to_use(squeezenet):
    assert type(squeezenet) is SqueezeNet and not squeezenet.training
    assert {one.device.type for one in squeezenet.parameters()} == {"cpu"}


def test_the_file_holds_its_weights_and_nothing_else():
    state = torch.load(WEIGHTS, weights_only=True)
    wanted = squeezenet1_1(weights=None).state_dict()
    assert {name: (one.shape, one.dtype) for name, one in state.items()} == {
        name: (one.shape, one.dtype) for name, one in wanted.items()
    }
    assert sum(one.numel() for one in state.values()) == 1_235_496
    assert all(one.isfinite().all() for one in state.values())


def test_it_gives_what_torchvisions_network_gives_with_these_weights(squeezenet):
    torch.manual_seed(0)
    images = torch.rand(2, 3, 227, 227) - MEAN
    plain = squeezenet1_1(weights=None)
    plain.load_state_dict(torch.load(WEIGHTS, weights_only=True))
    with torch.no_grad():
        scores = squeezenet(images)
        assert scores.shape == (2, len(CATEGORIES)) == (2, 1000)
        assert scores.equal(plain.eval()(images))


def test_an_orange_disc_is_a_balloon_and_one_with_red_and_blue_exchanged_is_not(squeezenet):
    """So red is the first channel."""
    rows, columns = torch.meshgrid(torch.arange(227), torch.arange(227), indexing="ij")
    disc = (rows - 113) ** 2 + (columns - 113) ** 2 < 100**2
    photo = MEAN.repeat(1, 227, 227)
    photo[:, disc] = torch.tensor([1, 0.5, 0])[:, None]
    with torch.no_grad():
        scores = squeezenet(torch.stack([photo - MEAN, photo.flip(0) - MEAN]))
    orange, exchanged = scores.softmax(1)[:, CATEGORIES.index("balloon")]
    assert orange > 0.8 and exchanged < 0.4


def test_a_damaged_file_is_named(tmp_path, monkeypatch):
    path = tmp_path / "squeezenet1_1.pt"
    path.write_bytes(WEIGHTS.read_bytes()[:100_000])
    monkeypatch.setattr("helpers.squeezenet.WEIGHTS", path)
    with pytest.raises(ValueError, match=f"{path} is damaged"):
        load_squeezenet()


def test_the_categories_are_imagenets():
    assert [CATEGORIES[k] for k in (0, 340, 950, 999)] == ["tench", "zebra", "orange", "toilet tissue"]
