"""Makes weights that depend only on their official names, with which golden figures were made."""

import gzip
import json
import zlib
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

GOLDEN = Path(__file__).parent


@lru_cache(maxsize=1)
def official_keys() -> dict[str, list[tuple[str, list[int], str | None]]]:
    """Return the official names of tensors of each released architecture, such as ``r34_TT``."""
    return json.loads(gzip.decompress((GOLDEN / "checkpoint_keys.json.gz").read_bytes()))


@lru_cache(maxsize=2048)  # networks that share a backbone share most tensors
def _tensor(key: str, shape: tuple[int, ...]) -> np.ndarray:
    if key.endswith("num_batches_tracked"):
        return np.zeros(shape, dtype=np.int64)
    draw = np.random.Generator(np.random.PCG64(zlib.crc32(key.encode()))).standard_normal(shape)
    if key.endswith("running_var"):
        value = 0.75 + 0.5 / (1.0 + np.exp(-draw))
    elif key.endswith("running_mean"):
        value = 0.1 * draw
    elif len(shape) >= 2:
        value = draw * np.sqrt(1.2 / np.prod(shape[1:]))
        if shape[1] == 3 and shape[0] >= 64:  # the stem sees 0..255
            value = value / 128.0
        if key.startswith("decoder0") and shape[0] <= 3:  # spreads the logits over about ±3
            value = 25.0 * (value - value.mean(axis=(1, 2, 3), keepdims=True))
    elif key.endswith("weight"):
        value = 0.7 + 0.05 * draw
    else:
        value = 0.05 * draw
    return value.astype(np.float32)


forget_weights = _tensor.cache_clear
"""Frees the memory of the weights made so far, which is gigabytes."""


def formula_state_dict(name: str) -> dict[str, Tensor]:
    """Return the official state dict of architecture ``name``."""
    entries = official_keys()[name]
    return {
        key: torch.from_numpy(_tensor(alias or key, tuple(shape))) for key, shape, alias in entries
    }
