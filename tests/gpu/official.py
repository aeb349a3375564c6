"""Samples per second of the official order of work."""

import time

import torch

from gfm.compat.hydra import instantiate
from gfm.models.gfm import GFM
from tests.benchmarks.networks import model_node
from tests.benchmarks.official_step import OfficialStep
from tests.gpu.clock import synchronize
from tests.gpu.stage import Stage


def official_rate(stage: Stage, network: str, batch: int, size: int, seconds: float) -> float:
    """Return the samples per second of :class:`OfficialStep`."""
    options = {"decoder_channels": [16] * 5} if stage.is_rehearsal else {}
    with torch.device(stage.device):
        model: GFM = instantiate(model_node(network, **options)).train()
    step = OfficialStep(model, batch, size, stage.device)
    steps = 0
    for _ in range(1 if stage.is_rehearsal else 3):
        step()
    synchronize()
    start = time.perf_counter()
    while steps == 0 or (time.perf_counter() - start < seconds and steps < 40):
        step()
        steps += 1
    synchronize()
    return steps * batch / (time.perf_counter() - start)
