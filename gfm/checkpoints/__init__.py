"""Writes, reads and checks checkpoints, and builds networks from them."""

from gfm.checkpoints.checkpoint import Checkpoint, without_pretrained
from gfm.checkpoints.formats import read_checkpoint, read_weights, write_checkpoint
from gfm.checkpoints.loading import (
    build_network,
    check_network,
    check_same_problem,
    load_network,
    load_weights,
)
from gfm.checkpoints.predictors import choose_inferer, load_model

__all__ = [
    "Checkpoint",
    "build_network",
    "check_network",
    "check_same_problem",
    "choose_inferer",
    "load_model",
    "load_network",
    "load_weights",
    "read_checkpoint",
    "read_weights",
    "without_pretrained",
    "write_checkpoint",
]
