"""How a whole photo is matted."""

from gfm.inference.inferers import Hybrid, Inferer, Native, Prediction, Resize, described

__all__ = ["Hybrid", "Inferer", "Native", "Prediction", "Resize", "described"]
