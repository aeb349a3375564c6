"""Mattes whole photos, and makes cut-outs and composites of them."""

from gfm.inference.inferers import Hybrid, Inferer, Native, Prediction, Resize, described
from gfm.inference.predictor import Predictor

__all__ = ["Hybrid", "Inferer", "Native", "Prediction", "Predictor", "Resize", "described"]
