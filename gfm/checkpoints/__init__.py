"""Checkpoints: how they are written, what they may hold, and how they become networks."""

from gfm.checkpoints.formats import Checkpoint, read_checkpoint, read_weights, write_checkpoint
from gfm.checkpoints.networks import build_network, check_network, load_network, load_weights
from gfm.checkpoints.predictors import choose_inferer, load_model

__all__ = [
    "Checkpoint",
    "build_network",
    "check_network",
    "choose_inferer",
    "load_model",
    "load_network",
    "load_weights",
    "read_checkpoint",
    "read_weights",
    "write_checkpoint",
]
