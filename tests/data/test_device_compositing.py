"""Samples composed on the device equal those of the loaders, up to rounding."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import default_collate

from gfm.compat.torch import empty_for_collate
from gfm.data.composite_parts import Recipe, WindowSet, collate
from gfm.data.compositing import Parts
from gfm.data.datamodule import MattingDataModule
from gfm.data.dataset import SampleOptions, TrainingSet
from gfm.data.device_compositing import compose
from gfm.data.tracks import CompositeTrack, OriginalTrack, RssnTrack
from gfm.errors import GFMError

QUIET = RssnTrack(
    foreground="closed_form", denoise=True, noise_probability=0, blur_sizes=[5, 20, 60]
)
NOISY = replace(QUIET, noise_probability=0.5)
# Windows of every step, one that is not a multiple of the input, and one that the blur exceeds.
OPTIONS = SampleOptions(rosta="rim", crop_sizes=[16, 32, 48, 64, 80, 41], input_size=16)


def assert_same(expected, composed):
    """Assert equal labels, and colours that rarely differ, by at most 1 of 255."""
    assert composed.keys() == expected.keys()
    assert composed["name"] == expected["name"]
    for name in expected.keys() - {"name"}:
        one, other = expected[name], composed[name]
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
        gap = (one.int() - other.int()).abs()
        is_colour = name in ("image", "foreground", "background")
        assert gap.max() <= is_colour, name
        assert gap.float().mean() < 0.15


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"interpolation": "area"},
        {"input_size": 100},
        {"interpolation": "area", "input_size": 45},
    ],
    ids=str,
)
@pytest.mark.parametrize("foreground", ["closed_form", "image"])
@pytest.mark.parametrize("track", [QUIET, CompositeTrack()], ids=lambda track: track.name)
def test_samples_are_those_of_the_loader(demo_roots, track, foreground, options):
    track, options = replace(track, foreground=foreground), replace(OPTIONS, **options)
    training = TrainingSet(track, track.photos(demo_roots), track.scenes(demo_roots), options)
    windows = WindowSet.like(training)
    keys = [(epoch, index) for epoch in range(2) for index in range(len(training))]
    batch = collate([windows[key] for key in keys])
    has_layers = foreground == "closed_form"
    composed = compose(batch, options.input_size, options.interpolation, has_layers)
    assert_same(default_collate([training[key] for key in keys]), composed)


class Watcher(pl.LightningModule):
    """Keeps the batches that a training step gets."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.batches = []

    def training_step(self, batch, index):
        self.batches.append({k: v.clone() if torch.is_tensor(v) else v for k, v in batch.items()})
        return self.weight * 0

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def trained_on(roots, track, **options) -> list[dict]:
    """The batches that Lightning gives to the steps of an epoch."""
    small = {"batch_size": 4, "num_workers": 0, "compose_on": "device"} | options
    module = MattingDataModule(roots, track, OPTIONS, **small)
    watcher = Watcher()
    trainer = pl.Trainer(
        accelerator="cpu", max_epochs=1, limit_val_batches=0, logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(watcher, module)
    return watcher.batches


def test_a_step_gets_the_batches_of_the_loader(demo_roots):
    expected, composed = (
        trained_on(demo_roots, QUIET, compose_on=place) for place in ("workers", "device")
    )
    assert len(expected) == len(composed) == 5
    for one, other in zip(expected, composed, strict=True):
        assert_same(one, other)


def test_workers_and_ranks_change_nothing_even_of_the_noise(demo_roots, monkeypatch):
    alone = [batch["image"] for batch in trained_on(demo_roots, NOISY)]
    workers = [batch["image"] for batch in trained_on(demo_roots, NOISY, num_workers=2)]
    assert torch.equal(torch.stack(alone), torch.stack(workers))
    shares = []
    for rank in range(2):
        for place in ("samplers", "datamodule"):
            name = f"gfm.data.{place}.rank_and_world"
            monkeypatch.setattr(name, lambda rank=rank: (rank, 2))
        shares.append(torch.cat([batch["image"] for batch in trained_on(demo_roots, NOISY)]))
    assert torch.equal(torch.stack(shares, 1).flatten(0, 1), torch.cat(alone))


@pytest.mark.parametrize("is_worker", [True, False])
def test_workers_make_batches_in_shared_memory(monkeypatch, is_worker):
    monkeypatch.setattr("gfm.compat.torch.get_worker_info", lambda: is_worker or None)
    pixels = empty_for_collate(70_000)
    assert pixels.shape == (70_000,)
    assert pixels.is_shared() == is_worker


def noisy(seeds, value=128, sigma=10.0, size=64) -> torch.Tensor:
    """Layers of grey squares with noise, L×N×3×H×W."""
    grey = np.full((size, size, 3), value, np.uint8)
    samples = [
        {
            "windows": (grey, grey, grey[:, :, :1]),
            "recipe": Recipe.of(Parts(grey, grey, 0, sigma, seed)),
            "is_flipped": False,
        }
        for seed in seeds
    ]
    batch = compose(collate(samples), size, "linear", True)
    return torch.stack([batch[name] for name in ("image", "foreground", "background")]).int()


def test_noise_is_gaussian_and_the_same_for_every_layer():
    layers = noisy(range(8))
    assert torch.equal(layers[0], layers[1])
    assert torch.equal(layers[0], layers[2])
    field = layers[0].float() - 128
    assert field.mean().abs() < 0.1
    assert field.std() == pytest.approx(10.0, rel=0.01)
    for sigmas, share in ((1, 0.6827), (2, 0.9545)):  # of rounded values, hence the halves
        assert (field.abs() < 10 * sigmas).float().mean() == pytest.approx(share, abs=0.03)
    neighbours = (field[..., 1:] * field[..., :-1]).mean() / 100
    assert neighbours.abs() < 0.02


def test_noise_depends_on_the_seed_of_the_sample_alone():
    one, other = noisy([1, 2, 3]), noisy([3, 1])
    assert torch.equal(one[:, 0], other[:, 1])
    assert torch.equal(one[:, 2], other[:, 0])
    assert not torch.equal(one[:, 0], one[:, 1])


def test_noise_saturates():
    assert noisy([0], value=253).min() > 190  # a value that wraps is near 0


@dataclass(frozen=True)
class Studio(CompositeTrack):
    """A track with a custom composition."""

    name: str = "studio"

    def compose(self, photo, scene, alpha, crop, rng):
        return {}


@pytest.mark.parametrize("track", [OriginalTrack(), Studio()], ids=lambda track: track.name)
def test_tracks_that_only_loaders_can_compose(demo_roots, track):
    module = MattingDataModule(demo_roots, track, OPTIONS, num_workers=0, compose_on="device")
    text = f"compose_on=device cannot compose track={track.name}: set data.compose_on=workers"
    with pytest.raises(GFMError, match=text):
        module.setup("fit")
