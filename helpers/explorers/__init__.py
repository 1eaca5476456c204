"""The explorers: each takes a model, and images where it needs them, and returns a widget that answers in pictures."""

from helpers.explorers.digits import draw_a_digit, explore_feature_maps, explore_steps, explore_switches

__all__ = ["draw_a_digit", "explore_feature_maps", "explore_steps", "explore_switches"]
