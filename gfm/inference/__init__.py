"""Mattes whole photos, and makes cut-outs and composites."""

from gfm.inference.inferers import (
    Branch,
    Hybrid,
    Inferer,
    Native,
    Prediction,
    Resize,
    format_inferer,
)
from gfm.inference.predictor import Predictor

__all__ = [
    "Branch",
    "Hybrid",
    "Inferer",
    "Native",
    "Prediction",
    "Predictor",
    "Resize",
    "format_inferer",
]
