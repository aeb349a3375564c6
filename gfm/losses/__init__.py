"""Matting losses: functions for the terms, and the criterion that combines them."""

from gfm.losses.criterion import Criterion, WeightedTerm
from gfm.losses.terms import GlanceOn, alpha_loss, composition_loss, glance_loss, laplacian_loss

__all__ = [
    "Criterion",
    "GlanceOn",
    "WeightedTerm",
    "alpha_loss",
    "composition_loss",
    "glance_loss",
    "laplacian_loss",
]
