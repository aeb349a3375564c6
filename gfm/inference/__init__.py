"""How a whole photo is matted, and what is made of it."""

from gfm.inference.inferers import Hybrid, Inferer, Native, Prediction, Resize
from gfm.inference.predictor import Predictor

__all__ = ["Hybrid", "Inferer", "Native", "Prediction", "Predictor", "Resize"]
