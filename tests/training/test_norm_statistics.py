"""Batch-norm statistics are recomputed before each validation."""

import pytest
import pytorch_lightning as pl
import torch

from gfm.data.batch import as_floats
from gfm.data.even_spacing import spread_indices
from gfm.run.train import train
from tests.conftest import compose_config


def run(overrides, tmp_path, samples, *more):
    options = [*overrides, f"callbacks.norms.num_samples={samples}", "test=false", "logger=csv"]
    return train(compose_config("train", [*options, *more, f"paths.run={tmp_path}/{samples}"]))[1]


def norms(module):
    return [m for m in module.model.modules() if isinstance(m, torch.nn.BatchNorm2d)]


def test_statistics_are_the_means_of_training_batches(tiny_training, tmp_path):
    parts = run(tiny_training, tmp_path, 4)
    module, data = parts["module"].eval(), parts["datamodule"]
    first, seen = norms(module)[0], []
    first.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    samples = [data.training[0, index] for index in spread_indices(len(data.training), 4)]
    with torch.no_grad():
        for start in range(0, 4, data.batch_size):
            images = torch.stack([s["image"] for s in samples[start : start + data.batch_size]])
            module.model(as_floats({"image": images})["image"])
    means = torch.stack([x.mean((0, 2, 3)) for x in seen]).mean(0)
    variances = torch.stack([x.var((0, 2, 3)) for x in seen]).mean(0)
    torch.testing.assert_close(first.running_mean, means, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(first.running_var, variances, rtol=1e-4, atol=1e-5)
    assert first.momentum == 0.1


def test_training_is_the_same(tiny_training, tmp_path):
    recomputed, running = (run(tiny_training, tmp_path, n)["module"] for n in (4, 0))
    for one, other in zip(recomputed.parameters(), running.parameters(), strict=True):
        assert torch.equal(one, other)
    assert not torch.equal(norms(recomputed)[0].running_mean, norms(running)[0].running_mean)


@pytest.mark.parametrize("more", [(), ("unfreeze_every=5",)])
def test_frozen_norms_keep_their_statistics(tiny_training, tmp_path, more):
    module = run(tiny_training, tmp_path, 4, "freeze=[encoder]", *more)["module"]
    encoder = [m for m in module.model.encoder.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert all(bool((norm.running_mean == 0).all()) for norm in encoder)


def test_processes_average_their_statistics(tiny_training, tmp_path, monkeypatch):
    """Without synchronised norms, each process would validate a different network."""

    def reduce(_, value, reduce_op="mean"):
        return torch.full_like(value, 3) if reduce_op == "mean" else value

    monkeypatch.setattr(pl.strategies.SingleDeviceStrategy, "reduce", reduce)
    for norm in norms(run(tiny_training, tmp_path, 4)["module"]):
        assert bool((norm.running_mean == 3).all() & (norm.running_var == 3).all())
