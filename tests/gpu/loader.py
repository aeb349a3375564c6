"""Stage 5: whether loader processes keep up with the GPU."""

import time

import pytorch_lightning as pl

from gfm.animals import DrawnAnimals
from gfm.data.datamodule import MattingDataModule
from gfm.data.dataset import ComposeOn, SampleOptions
from gfm.data.layout import Roots
from gfm.data.tracks import RssnTrack
from gfm.prepare.pack import prepare_pack
from tests.conftest import DEMO
from tests.gpu import runs
from tests.gpu.stage import Stage

_SIZES = {"height": 1080, "width": 1620, "background_height": 1280, "background_width": 1920}
_COUNTS = {"num_train": 16, "num_validation": 2, "num_backgrounds": 16, "num_coco": 2}
_DRAWS = 20_000  # backgrounds per foreground and epoch, so that an epoch does not end soon


def run(stage: Stage) -> None:
    """Measure loaders alone, then real steps."""
    raw, packed = datasets(stage)
    kinds: dict[str, tuple[Roots, ComposeOn]] = {
        "packed": (packed, "workers"),
        "composed on the device": (packed, "device"),
        "raw": (raw, "workers"),
    }
    most = {kind: _most_workers(stage, *where) for kind, where in kinds.items()}
    for kind, (roots, place) in kinds.items():
        for count in sorted({*(n for n in (1, 4, 8) if n < most[kind]), most[kind]}):
            name = f"{kind}, {count} worker{'s' * (count != 1)}"
            if stage.has_time(name, 10):
                with stage.part(name):
                    rate = _rate(stage, roots, count, place)
                    stage.measured(name, rate, "samples/s")
    for kind, (roots, place) in kinds.items():
        name = f"{kind}, real steps"
        if stage.has_time(name, 20):
            with stage.part(name):
                _real_steps(stage, name, roots, most[kind], place)


def datasets(stage: Stage) -> tuple[Roots, Roots]:
    """Return the roots of drawn photos of 1080×1620 pixels, as files and packed."""
    size = DEMO if stage.is_rehearsal else {**_SIZES, **_COUNTS}
    roots = DrawnAnimals(stage.folder / "animals", **size).find()
    return roots, Roots(**prepare_pack(roots, stage.folder / "packed"))


def _datamodule(
    stage: Stage, roots: Roots, num_workers: int | None, place: ComposeOn
) -> MattingDataModule:
    batch_size, crops, size = (4, [96], 64) if stage.is_rehearsal else (32, [640, 960], 320)
    track = RssnTrack(backgrounds_per_foreground=_DRAWS)
    samples = SampleOptions(input_size=size, crop_sizes=crops)
    return MattingDataModule(
        roots, track, samples, batch_size=batch_size, num_workers=num_workers, compose_on=place
    )


def _most_workers(stage: Stage, roots: Roots, place: ComposeOn) -> int:
    """Return how many workers a run starts, as limited by the cores and /dev/shm; may be 0."""
    return 1 if stage.is_rehearsal else _datamodule(stage, roots, None, place).num_workers


def _rate(stage: Stage, roots: Roots, num_workers: int, place: ComposeOn) -> float:
    """Return the samples per second that loader processes sustain."""
    datamodule = _datamodule(stage, roots, num_workers, place)
    # Its device decides whether batches are pinned.
    datamodule.trainer = pl.Trainer(
        accelerator=stage.accelerator, devices=1, logger=False, enable_checkpointing=False
    )
    datamodule.setup("fit")
    batches = iter(datamodule.train_dataloader())
    for _ in range(2 * num_workers + 1):  # skips the prefetched batches
        next(batches)
    start, count = time.perf_counter(), 0
    while time.perf_counter() - start < (1 if stage.is_rehearsal else 4):
        next(batches)
        count += datamodule.batch_size
    return count / (time.perf_counter() - start)


def _real_steps(stage: Stage, name: str, roots: Roots, num_workers: int, place: ComposeOn) -> None:
    """Train r34 with the real loader; record its rate, the GPU's busy share, and its data wait."""
    precision = "32-true" if stage.is_rehearsal else f"{stage.half}-mixed"
    own = ["data=am2k", f"paths.am2k={roots.photos}", f"paths.bg20k={roots.bg20k}"]
    own += [f"data.num_workers={num_workers}"]
    own += ["data.crop_sizes=[96]" if stage.is_rehearsal else "data.crop_sizes=[640,960]"]
    own += [f"trainer.precision={precision}", "data.num_validation_photos=1"]
    own += [f"track.backgrounds_per_foreground={_DRAWS}"]
    own += [f"data.compose_on={place}"]
    chosen = [*runs.options(stage, "r34", 32), *own]
    seconds = min(30, stage.seconds_left / 2)  # starting also takes time
    clock = runs.measure(stage, chosen, seconds, None, warmup=20, steps=150)
    number = 4 if stage.is_rehearsal else 32
    stage.measured(name, number / clock.seconds, "samples/s", f"{num_workers} workers")
    if clock.busy is not None:
        stage.measured(f"{name}: busy share", 100 * clock.busy, "%")
    stage.measured(f"{name}: data_wait", 100 * clock.wait, "%")
