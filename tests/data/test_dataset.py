"""Samples: what they hold, and that they depend on seed, epoch and index alone."""

import os
import shutil
from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from gfm.data import datamodule as datamodules
from gfm.data import samplers
from gfm.data.batch import split_batch
from gfm.data.datamodule import MattingDataModule
from gfm.data.dataset import SampleOptions, ValidationSet
from gfm.data.samplers import EndlessBatches, EpochSampler, ShareSampler
from gfm.data.tracks import CompositeTrack, OriginalTrack, RssnTrack
from gfm.errors import GFMError
from gfm.rosta import ROSTAS
from gfm.system import cores

TRACKS = {
    "ori": OriginalTrack(foreground="closed_form"),
    "comp_rssn": RssnTrack(foreground="closed_form", denoise=True),
    "comp_coco": CompositeTrack(foreground="closed_form"),
}


def module(roots, track="comp_rssn", **options) -> MattingDataModule:
    names = {field.name for field in fields(SampleOptions)} & options.keys()
    samples = SampleOptions(
        **({"crop_sizes": [64, 96], "input_size": 32} | {name: options.pop(name) for name in names})
    )
    small = {"batch_size": 2, "num_workers": 0}
    datamodule = MattingDataModule(roots, TRACKS[track], samples, **(small | options))
    datamodule.setup("fit")
    return datamodule


@pytest.mark.parametrize("rosta", ROSTAS)
@pytest.mark.parametrize("track", TRACKS)
def test_batches(demo_roots, track, rosta):
    batch = next(iter(module(demo_roots, track, rosta=rosta).train_dataloader()))
    for name in ("image", "foreground", "background"):
        assert batch[name].shape == (2, 3, 32, 32)
        assert batch[name].dtype == torch.uint8
    for branch in ROSTAS[rosta]:
        trimap = batch[f"trimap_{branch.kernel_size}"]
        assert trimap.shape == batch["alpha"].shape == (2, 1, 32, 32)
        assert set(trimap.unique().tolist()) <= {0, 128, 255}


def test_layers_and_image_belong_together(demo_roots):
    training = module(demo_roots, "comp_coco").training
    sample = {k: v.float() for k, v in training[0, 0].items() if k != "name"}
    alpha = sample["alpha"] / 255
    composite = alpha * sample["foreground"] + (1 - alpha) * sample["background"]
    assert (composite - sample["image"]).abs().mean() < 2  # they were resized one by one


def test_every_background_may_be_met(demo_roots):
    training = module(demo_roots).training
    assert len(training) == 4 * 5
    seen = []
    training.track = RssnSpy(seen)
    for epoch in range(4):
        for index in range(len(training)):
            training[epoch, index]
    pairs = {(photo, scene) for photo, scene in seen}
    assert len(pairs) == 4 * 3


class RssnSpy(OriginalTrack):
    """Records which foreground meets which background."""

    def __init__(self, seen):
        super().__init__(backgrounds_per_foreground=5)
        object.__setattr__(self, "seen", seen)

    def compose(self, photo, scene, alpha, window, rng):
        self.seen.append((photo.name, scene.image.stem))
        return {"image": window.of(np.dstack([alpha] * 3))}


def epoch_of(datamodule, epoch):
    loader = datamodule.train_dataloader()
    loader.batch_sampler.sampler.set_epoch(epoch)
    batches = list(loader)
    return torch.cat([batch["image"] for batch in batches])


@pytest.mark.parametrize("num_workers", [0, 1])
def test_workers_run_on_into_the_next_epoch(demo_roots, num_workers, monkeypatch):
    """Workers fetch the first batches before the epoch starts, and each epoch keeps its samples."""
    expected = [epoch_of(module(demo_roots), epoch) for epoch in (0, 1, 5)]
    handed_out = []
    order = EpochSampler.__iter__

    def record(sampler):
        handed_out.append(sampler.epoch)
        return order(sampler)

    monkeypatch.setattr(EpochSampler, "__iter__", record)
    loader = module(demo_roots, num_workers=num_workers).train_dataloader()
    for epoch, alone in zip((0, 1, 5), expected, strict=True):
        loader.batches.sampler.set_epoch(epoch)
        assert torch.equal(torch.cat([batch["image"] for batch in loader]), alone)
        assert (epoch + 1 in handed_out) == bool(num_workers)
    assert len(handed_out) == len(set(handed_out))  # only a jump restarts the order


@pytest.mark.parametrize(("num_devices", "expected"), [(1, 15), (4, 3), (16, 1)])
def test_the_processes_of_a_machine_share_its_cores(demo_roots, monkeypatch, num_devices, expected):
    monkeypatch.setattr(cores, "num_cores", lambda: 16)
    monkeypatch.delenv("SLURM_CPUS_ON_NODE", raising=False)
    datamodule = module(demo_roots, num_workers=None)
    datamodule.trainer = SimpleNamespace(num_devices=num_devices)
    assert datamodule.num_workers == expected


@pytest.mark.parametrize("num_workers", [0, 1])
def test_an_epoch_that_ended_early(demo_roots, num_workers):
    """As with trainer.limit_train_batches, the next epoch starts at its first batch."""
    expected = epoch_of(module(demo_roots), 1)
    loader = module(demo_roots, num_workers=num_workers).train_dataloader()
    next(iter(loader))
    loader.batches.sampler.set_epoch(1)
    assert torch.equal(torch.cat([batch["image"] for batch in loader]), expected)
    loader.batches_done = lambda: 1  # a run that is resumed in the middle of an epoch
    size = len(expected) // len(loader)
    assert torch.equal(torch.cat([batch["image"] for batch in loader]), expected[size:])


@pytest.mark.parametrize("num_workers", [1, 3])
def test_workers_change_nothing(demo_roots, num_workers):
    alone = epoch_of(module(demo_roots), 0)
    assert torch.equal(alone, epoch_of(module(demo_roots, num_workers=num_workers), 0))


def test_ranks_see_the_samples_of_one_process(demo_roots, monkeypatch):
    alone = epoch_of(module(demo_roots), 1)
    shares = []
    for rank in range(2):
        monkeypatch.setattr("gfm.data.samplers.rank_and_world", lambda rank=rank: (rank, 2))
        shares.append(epoch_of(module(demo_roots), 1))
    # A step of both ranks holds the samples of one process with a batch twice as large.
    assert torch.equal(torch.stack(shares, 1).flatten(0, 1), alone)


def test_epochs_and_seeds_differ(demo_roots):
    first = epoch_of(module(demo_roots), 0)
    assert torch.equal(first, epoch_of(module(demo_roots), 0))
    assert not torch.equal(first, epoch_of(module(demo_roots), 1))
    assert not torch.equal(first, epoch_of(module(demo_roots, seed=1), 0))


def test_ranks_share(monkeypatch):
    def of_rank(sampler, rank, world=3):
        monkeypatch.setattr("gfm.data.samplers.rank_and_world", lambda: (rank, world))
        assert len(list(sampler)) == len(sampler)
        return list(sampler)

    training = [of_rank(EpochSampler(20), rank) for rank in range(3)]
    assert [len(share) for share in training] == [6, 6, 6]
    assert len({key for share in training for key in share}) == 18
    validation = [of_rank(ShareSampler(20), rank) for rank in range(3)]
    assert sorted(index for share in validation for index in share) == list(range(20))


def test_no_sample_is_no_batch():
    assert list(EndlessBatches(EpochSampler(0), 2)) == []


def test_fewer_samples_than_a_batch(demo_roots):
    batches = list(module(demo_roots, "ori", batch_size=32).train_dataloader())
    assert [batch["image"].shape[0] for batch in batches] == [4]


@pytest.mark.parametrize("sizes", [[], [0], [-5]])
def test_impossible_crop(demo_roots, sizes):
    with pytest.raises(GFMError, match="crop sizes"):
        module(demo_roots, crop_sizes=sizes)


def test_validation_photos_are_whole(demo_roots):
    sample = ValidationSet(demo_roots.validation())[0]
    assert sample["image"].shape[1:] == sample["alpha"].shape[1:] == sample["trimap"].shape[1:]
    assert set(sample["trimap"].unique().tolist()) == {0, 128, 255}


@pytest.fixture
def broken(demo_roots, tmp_path):
    """The demo data with an unreadable photo, and its path."""
    root = shutil.copytree(demo_roots.photos, tmp_path / "AM-2k")
    photo = sorted((root / "train/original").iterdir())[1]
    photo.write_bytes(b"no picture")
    return replace(demo_roots, photos=root), photo


def test_a_broken_file_stops(broken):
    roots, photo = broken
    with pytest.raises(GFMError, match=photo.name):
        epoch_of(module(roots, "ori"), 0)


def test_a_broken_file_is_replaced_and_reported(broken):
    roots, photo = broken
    batches = list(module(roots, "ori", on_error="skip").train_dataloader())
    skipped = [line for batch in batches for line in batch["skipped"] if line]
    assert len(skipped) == 1
    assert photo.name in skipped[0]
    names = [name for batch in batches for name in batch["name"]]
    assert len(names) == 4
    assert photo.stem not in names


def test_a_dataset_of_broken_files_is_given_up(broken):
    roots, photo = broken
    for path in photo.parent.iterdir():
        path.write_bytes(b"no picture")
    with pytest.raises(GFMError, match="10 photos in a row"):
        epoch_of(module(roots, "ori", on_error="skip"), 0)


@pytest.mark.skipif(not Path("/proc/self/statm").is_file(), reason="reads memory from /proc")
def test_memory_stays_flat(demo_roots):
    training = module(demo_roots).training

    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    for epoch in range(2):
        for index in range(len(training)):
            training[epoch, index]
    before = resident()
    for epoch in range(2, 14):
        for index in range(len(training)):
            training[epoch, index]
    # Keeping one layer of each of these 240 samples would take 15 MB.
    assert resident() - before < 5e6


@pytest.mark.parametrize(("rank", "world"), [(0, 2), (1, 2), (3, 4)])
def test_each_batch_is_split_among_processes(demo_roots, monkeypatch, rank, world):
    """Together they see the samples that one process would see."""
    seen = {}
    for each, count in ((0, 1), (rank, world)):
        for place in (samplers, datamodules):
            monkeypatch.setattr(place, "rank_and_world", lambda where=(each, count): where)
        loader = module(demo_roots, "comp_rssn", batch_size=4).train_dataloader()
        seen[count] = list(loader.batches.sampler), loader.batches.batch_size, len(loader)
    assert seen[world][0] == seen[1][0][rank::world]
    assert seen[world][1:] == (4 // world, seen[1][2])


def test_a_batch_that_does_not_divide(demo_roots, monkeypatch):
    monkeypatch.setattr(datamodules, "rank_and_world", lambda: (0, 3))
    text = r"data.batch_size=4 .* does not divide among 3: set it to 3 or 6, or change trainer.dev"
    with pytest.raises(GFMError, match=text):
        module(demo_roots, "ori", batch_size=4).train_dataloader()
    assert split_batch(32, 8) == 4
    with pytest.raises(GFMError, match="among 8: set it to 8, or"):
        split_batch(4, 8)


def test_fewer_samples_than_processes(demo_roots, monkeypatch):
    monkeypatch.setattr(datamodules, "rank_and_world", lambda: (7, 8))
    text = "4 training samples are too few for 8 processes: set trainer.devices to 4 or fewer"
    with pytest.raises(GFMError, match=text):
        module(demo_roots, "ori", batch_size=8).train_dataloader()


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_only_trainings_on_a_gpu_pin_memory(demo_roots, monkeypatch, device):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    datamodule = module(demo_roots, "ori")
    datamodule.trainer = SimpleNamespace(strategy=SimpleNamespace(root_device=torch.device(device)))
    assert datamodule.train_dataloader().pin_memory == (device == "cuda")
