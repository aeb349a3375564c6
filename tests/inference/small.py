"""Writes a small network with random weights that mattes quickly."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from gfm.checkpoints import Checkpoint, write_checkpoint
from gfm.compat.hydra import instantiate
from tests.conftest import SMALL_NODE


def write_network(path: Path, rosta: str = "tt", config: dict[str, Any] | None = None) -> Path:
    """Write the checkpoint of a small network with random weights."""
    node = {**SMALL_NODE, "rosta": rosta}
    torch.manual_seed(0)
    model = instantiate(node)
    for head in model.glance.heads:  # so that all classes occur
        last = [m for m in head.modules() if isinstance(m, nn.Conv2d)][-1]
        last.weight.data -= last.weight.data.mean((1, 2, 3), keepdim=True)
        last.bias.data.zero_()
    write_checkpoint(path, Checkpoint(node, model.state_dict(), config or {}))
    return path
