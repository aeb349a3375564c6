"""Training samples per second and core, against the official order of work (tests/data/oracle.py).

    make bench ARGS=loader

On first use, draws 1080×1620 photos and 1920×1280 backgrounds (half a minute, 840 MB in
data/bench), stores their foregrounds as ``gfm prepare`` does, and packs them. Alternates between
the official order and ours, with photos, windows and random choices of the same kind. Then shows
the time that a loader process takes per sample, whether it or the device composes, and the
functions that take most of it. All times are CPU time, which depends less on other work than
wall-clock time.
"""

import cProfile
import itertools
import pstats
import resource
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from rich.table import Table
from torch.utils.data import DataLoader

from gfm.animals import DrawnAnimals
from gfm.data.datamodule import MattingDataModule
from gfm.data.dataset import ComposeOn, Sample, SampleOptions, Track, TrainingSet
from gfm.data.images import read_image, write_jpeg
from gfm.data.layout import Roots
from gfm.data.tracks import CompositeTrack, OriginalTrack, RssnTrack
from gfm.data.transforms import Window
from gfm.prepare.foregrounds import QUALITY
from gfm.prepare.pack import prepare_pack
from gfm.system.console import console
from gfm.system.memory import keep_freed_memory
from tests.data.oracle import Chances, official_sample

FOLDER = Path("data/bench")
CROPS = [640, 960]  # 1280 does not fit into 1080 pixels
INPUT = 320
OPTIONS = SampleOptions(input_size=INPUT, crop_sizes=CROPS)
ROUNDS = 5
SLOW, FAST = 2, 10  # samples per round
PROFILED = 200


@dataclass(frozen=True)
class Row:
    """A line of the table: a track, and the ratios it must reach from raw and packed files."""

    name: str
    track: Track
    goal_raw: float
    goal_packed: float | None = None


ROWS = [
    Row("comp_rssn, foregrounds", RssnTrack(foreground="closed_form", denoise=True), 16, 140),
    Row("comp_rssn, photos", RssnTrack(), 16, 140),
    Row("comp_coco, photos", CompositeTrack(), 10),
    Row("ori, foregrounds", OriginalTrack(foreground="closed_form"), 6.5, 20),
    Row("ori, photos", OriginalTrack(), 10, 20),
]


def datasets() -> tuple[Roots, Roots]:
    """Return the roots of the raw and of the packed dataset."""
    sizes = {"height": 1080, "width": 1620, "background_height": 1280, "background_width": 1920}
    counts = {"num_train": 8, "num_validation": 1, "num_backgrounds": 8, "num_coco": 8}
    roots = _with_prepared_layers(DrawnAnimals(FOLDER, **sizes, **counts).find())
    return roots, Roots(**prepare_pack(roots, FOLDER / "packed"))


def _with_prepared_layers(drawn: Roots) -> Roots:
    """Copy the photos, with foregrounds as JPEG instead of the exact ones of drawn animals."""
    photos = FOLDER / "prepared"
    if not photos.exists():
        shutil.copytree(drawn.photos, aside := FOLDER / "preparing", dirs_exist_ok=True)
        for path in [*aside.rglob("fg/*.png"), *aside.rglob("fg_denoise/*.png")]:
            write_jpeg(path.with_suffix(".jpg"), read_image(path), QUALITY)
            path.unlink()
        aside.rename(photos)
    return replace(drawn, photos=photos)


def slow_samples(row: Row, roots: Roots) -> Callable[[], None]:
    """Return a function that makes a sample in the official order, with the track's odds."""
    photos, scenes = row.track.photos(roots), row.track.scenes(roots)
    rng = np.random.default_rng(0)
    turn = itertools.count()

    def sample() -> None:
        is_rssn = isinstance(row.track, RssnTrack)
        chances = Chances(
            is_denoised=rng.random() < 0.5,
            blur_size=int(rng.choice([20, 30, 40, 50, 60]))
            if is_rssn and rng.random() < 0.5
            else 0,
            noise_sigma=10.0 if is_rssn and rng.random() < 0.5 else 0.0,
        )
        side = int(rng.choice(CROPS))
        window = Window(int(rng.integers(1080 - side)), int(rng.integers(1620 - side)), side, side)
        scene = scenes[rng.integers(len(scenes))] if scenes else None
        official_sample(photos[next(turn) % len(photos)], scene, window, INPUT, chances, rng)

    return sample


def fast_samples(row: Row, roots: Roots) -> Callable[[], None]:
    """Return a function that makes a sample of the training set, with the labels of TT."""
    photos, scenes = row.track.photos(roots), row.track.scenes(roots)
    training = TrainingSet(row.track, photos, scenes, OPTIONS)
    turn = itertools.count()

    def sample() -> None:
        epoch, index = divmod(next(turn) * 7, len(training))
        training[epoch, index]

    return sample


def rates(samplers: list[tuple[Callable[[], None], int]]) -> list[float]:
    """Return the samples per second of each sampler, from median times over alternating rounds."""
    times: list[list[float]] = [[] for _ in samplers]
    for sampler, _ in samplers:
        sampler()
    for _ in range(ROUNDS):
        for own, (sampler, count) in zip(times, samplers, strict=True):
            start = time.process_time()
            for _ in range(count):
                sampler()
            own.append((time.process_time() - start) / count)
    return [1 / float(np.median(own)) for own in times]


def loader_rate(roots: Roots, num_workers: int) -> float:
    """Return the samples per second that loader processes deliver once they have started."""
    # A long epoch: at its end, workers wait for each other.
    track = RssnTrack(backgrounds_per_foreground=24)
    datamodule = MattingDataModule(roots, track, OPTIONS, batch_size=8, num_workers=num_workers)
    datamodule.setup("fit")
    loader = datamodule.train_dataloader()
    batches = iter(loader)
    for _ in range(4):  # until the workers have started and filled their queues
        next(batches)
    start = time.perf_counter()
    count = sum(len(batch["image"]) for batch in batches)
    return count / (time.perf_counter() - start)


def loader_milliseconds(row: Row, roots: Roots, compose_on: ComposeOn) -> float:
    """Return the CPU time of a loader process per sample, in an epoch of 320."""
    track = replace(row.track, backgrounds_per_foreground=40)
    datamodule = MattingDataModule(
        roots, track, OPTIONS, batch_size=32, num_workers=1, compose_on=compose_on
    )
    datamodule.setup("fit")

    def spent() -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)  # of child processes that have ended
        return usage.ru_utime + usage.ru_stime

    count, loader = 320, datamodule.train_dataloader()
    # Unlike the data module's loader, this one ends its process after an epoch, and does not
    # prefetch the next.
    own: DataLoader[Sample] = DataLoader(
        loader.dataset,
        batch_size=32,
        sampler=[(0, index) for index in range(count)],
        num_workers=1,
        collate_fn=loader.collate_fn,
        worker_init_fn=lambda _: keep_freed_memory(),
    )
    start = spent()
    for _ in own:
        pass
    return 1000 * (spent() - start) / count


def compare_places(packed: Roots) -> Table:
    """Return the table of the time per sample, with composing in the loader or on the device."""
    table = Table("track, packed", "workers, ms", "device, ms", "ratio")
    for row in ROWS[:3]:
        times: dict[ComposeOn, list[float]] = {"workers": [], "device": []}
        for _ in range(3):
            for place, own in times.items():
                own.append(loader_milliseconds(row, packed, place))
        workers, device = (float(np.median(own)) for own in times.values())
        table.add_row(row.name, f"{workers:.2f}", f"{device:.2f}", f"{workers / device:.2f}x")
    return table


def profile(row: Row, packed: Roots) -> Table:
    """Return the table of the functions that take most of the time for a packed sample."""
    sample = fast_samples(row, packed)
    profiler = cProfile.Profile(time.process_time)
    with profiler:
        for _ in range(PROFILED):
            sample()
    table = Table(f"{row.name}, packed", "ms per sample")
    own = {name: times[2] for (_, _, name), times in pstats.Stats(profiler).stats.items()}
    for name in sorted(own, key=own.__getitem__, reverse=True)[:6]:
        table.add_row(name.strip("{}"), f"{1000 * own.pop(name) / PROFILED:.2f}")
    table.add_row("all others", f"{1000 * sum(own.values()) / PROFILED:.2f}")
    return table


def main() -> None:
    cv2.setNumThreads(0)
    keep_freed_memory()  # as loader processes do
    raw, packed = datasets()
    table = Table("track", "official /s", "raw /s", "ratio", "goal", "packed /s", "ratio", "goal")
    for row in ROWS:
        samplers = [(slow_samples(row, raw), SLOW), (fast_samples(row, raw), FAST)]
        slow, fast, mapped = rates([*samplers, (fast_samples(row, packed), FAST)])
        table.add_row(
            row.name,
            *(f"{slow:.2f}", f"{fast:.1f}", f"{fast / slow:.1f}x", f"{row.goal_raw}x"),
            *(f"{mapped:.1f}", f"{mapped / slow:.1f}x", f"{row.goal_packed or '-'}x"),
        )
    console().print(table)
    console().print(compare_places(packed), profile(ROWS[0], packed))
    one, two = (loader_rate(raw, num_workers) for num_workers in (1, 2))
    console().print(f"comp_rssn, photos: one worker {one:.1f}/s, two {two:.1f}/s: {two / one:.2f}x")


if __name__ == "__main__":
    main()
