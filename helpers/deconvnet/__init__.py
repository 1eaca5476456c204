"""The deconvnet of Zeiler & Fergus (2013): feature maps back in pixels, for any network."""

from helpers.deconvnet.fields import ReceptiveField, receptive_field
from helpers.deconvnet.figure2 import Strongest, patches, strongest
from helpers.deconvnet.net import DeconvNet, Trace
from helpers.deconvnet.shares import class_shares, scores_layer
from helpers.deconvnet.steps import filter_back, unpool
from helpers.deconvnet.ways_back import RULES, rectify

__all__ = [
    "RULES",
    "DeconvNet",
    "ReceptiveField",
    "Strongest",
    "Trace",
    "class_shares",
    "filter_back",
    "patches",
    "receptive_field",
    "rectify",
    "scores_layer",
    "strongest",
    "unpool",
]
