"""What `select` lets through: masks of a layer's places against autograd, and the first of equal peaks."""

import pytest
import torch
from networks import conv, ready
from reference import by_walk, relative_difference
from reference_any import maps_of_any
from torch import nn

from helpers.deconvnet import RULES, DeconvNet
from helpers.deconvnet import net as net_module


def segmentation():
    """Scores of five classes for each pixel: down, up, and past what lies between."""

    class UNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.down, self.middle, self.pool = conv(3, 6), conv(6, 8), nn.MaxPool2d(2)
            self.up, self.scores = nn.ConvTranspose2d(8, 6, 2, stride=2), nn.Conv2d(12, 5, 1)

        def forward(self, x):
            beside = self.down(x).relu()
            x = self.up(self.middle(self.pool(beside)).relu())
            return self.scores(torch.cat([beside, x], 1))

    torch.manual_seed(0)
    return ready(UNet())


@pytest.fixture(scope="module")
def images():
    torch.manual_seed(1)
    return torch.randn(3, 3, 8, 6, dtype=torch.float64)


@pytest.fixture(scope="module")
def masks(images):
    """Where each image shows class 2 rather than class 0, by the network's own reading."""
    scores = segmentation()(images)
    masks = scores[:, 2] > scores[:, 0]
    assert all(0 < mask.sum() < mask.numel() for mask in masks)
    return masks


@pytest.mark.parametrize("rule", RULES)
def test_what_spoke_for_a_class_in_these_pixels(rule, images, masks):
    net = DeconvNet(segmentation(), rule)
    trace = net.record(images)
    for mask in (masks, masks[1]):
        reference = maps_of_any(net.model, "scores", images, rule, [2, 0], mask)
        assert relative_difference(net.project(trace, "scores", [2, 0], mask), reference) < 1e-10
        assert relative_difference(by_walk(net, trace, "scores", [2, 0], mask), reference) < 1e-10
    assert relative_difference(reference, maps_of_any(net.model, "scores", images, rule, [2, 0])) > 0.01


@pytest.mark.parametrize("chunk", [1, 2000, 2**24])
def test_all_maps_in_portions_of_the_images(chunk, images, masks, monkeypatch):
    monkeypatch.setattr(net_module, "CHUNK", chunk)
    net = DeconvNet(segmentation())
    trace = net.record(images)
    for mask in (masks[:, ::2, ::2], masks[0, ::2, ::2]):
        reference = maps_of_any(net.model, "middle", images, "deconvnet", select=mask)
        assert relative_difference(net.project(trace, "middle", select=mask), reference) < 1e-10


@pytest.mark.parametrize("layer", ["scores", "middle"])
def test_masks_of_all_places_of_one_and_of_none(layer, images):
    net = DeconvNet(segmentation())
    trace = net.record(images)
    plane = trace.activations[layer].shape[2:]
    every = torch.ones(plane, dtype=torch.bool)
    assert net.project(trace, layer, select=every).equal(net.project(trace, layer))
    assert not net.project(trace, layer, select=~every).any()
    one = torch.zeros(plane, dtype=torch.bool)
    one[2, 1] = True
    reference = maps_of_any(net.model, layer, images, "deconvnet", [1], one)
    assert reference.any() and relative_difference(net.project(trace, layer, [1], one), reference) < 1e-10


def test_the_mask_may_be_a_view_and_stays_as_it_was(images, masks):
    net = DeconvNet(segmentation())
    trace = net.record(images)
    turned = masks.mT.contiguous().mT
    before = turned.clone()
    assert net.project(trace, "scores", [2], turned).equal(net.project(trace, "scores", [2], masks))
    assert turned.equal(before)


@pytest.mark.parametrize("shape", [(4, 7), (5, 6)])
def test_of_equal_peaks_the_first_is_taken(shape):
    """A plain image gives a plain map: each of its places is the strongest."""
    net = DeconvNet(ready(nn.Sequential(nn.Conv2d(1, 3, 2), nn.ReLU())))
    with torch.no_grad():
        net.model[0].weight.abs_()
    maps = net.project(net.record(torch.ones(2, 1, *shape, dtype=torch.float64)), "1", select="peak")
    assert maps[..., :2, :2].all() and not maps[..., 2:, :].any() and not maps[..., 2:].any()
