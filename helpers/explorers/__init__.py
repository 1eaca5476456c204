"""The explorers: each takes a model, and images where it needs them, and returns a widget that answers in pictures."""

from helpers.explorers.feature_maps import explore_feature_maps
from helpers.explorers.own_digit import draw_a_digit
from helpers.explorers.steps import explore_steps
from helpers.explorers.switches import explore_switches

__all__ = ["draw_a_digit", "explore_feature_maps", "explore_steps", "explore_switches"]
