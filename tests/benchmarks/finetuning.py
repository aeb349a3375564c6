"""The table of docs/finetuning.md: python -m tests.benchmarks.finetuning --folder /tmp/finetuning.

Trains a network on drawn animals of some species, then fine-tunes it on a few photos of other
species and, if a folder is given, on real photos. Finished runs are not repeated.
"""

import argparse
import csv
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import cv2

from gfm.animals.sample import draw_sample
from gfm.animals.zoo import SPECIES
from gfm.data.images import read_alpha, read_image, write_png
from gfm.data.pairs import Pairs
from gfm.run.train import train
from tests.conftest import compose_config

SIDE = 128
OTHERS = ("sheep", "lion", "raccoon", "owl")
"""Species that the network has not seen before fine-tuning."""

NETWORK = [
    "track=ori",
    "backbone=r34",
    "recipe=demo",
    "data=pairs",
    "data.batch_size=4",
    "data.input_size=64",
    "data.crop_sizes=[128]",
    "data.interpolation=area",
    "data.scales={glance: 0.5, focus: 0.5, resize: 0.5, rim: 0.5}",
]
QUIET = ["logger=csv", "data.num_workers=1", "~callbacks.progress", "~callbacks.summary"]
QUIET += ["trainer.enable_progress_bar=false", "trainer.enable_model_summary=false"]


def draw(folder: Path, number: int, is_other: bool, seed: int) -> None:
    """Draw animals of the held-out species, or of all others, into ``images`` and ``alphas``."""
    names = list(SPECIES)
    indices = (i for i in range(10**6) if (names[i % len(names)] in OTHERS) == is_other)
    for part in ("images", "alphas"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for _, index in zip(range(number), indices, strict=False):
        sample = draw_sample(seed, index, SIDE, SIDE)
        write_png(folder / f"images/{index}.png", sample.image)
        write_png(folder / f"alphas/{index}.png", sample.alpha)


def shrink(source: Path, folder: Path) -> None:
    """Write photos and mattes at the size on which the network was trained."""
    pairs = Pairs(source)
    for name, photos in (
        ("train", pairs.training("image", is_denoised=False)),
        ("validation", pairs.validation()),
    ):
        for part in ("images", "alphas"):
            (folder / name / part).mkdir(parents=True, exist_ok=True)
        for photo in photos:
            image = read_image(photo.image)
            factor = SIDE / min(image.shape[:2])
            size = round(factor * image.shape[1]), round(factor * image.shape[0])
            for part, array in (("images", image), ("alphas", read_alpha(photo.alpha))):
                small = cv2.resize(array, size, interpolation=cv2.INTER_AREA)
                write_png(folder / name / part / f"{photo.name}.png", small)


def make_data(folder: Path, real: Path | None) -> dict[str, Path]:
    """Make missing datasets, and return those for fine-tuning by name."""
    if not (folder / "known").is_dir():
        draw(folder / "known/train", 136, is_other=False, seed=0)
        draw(folder / "known/validation", 12, is_other=False, seed=1)
    sets = {}
    for number in (10, 50):
        sets[f"{number} drawn"] = root = folder / f"drawn_{number}"
        if not root.is_dir():
            draw(root / "train", number, is_other=True, seed=2)
            draw(root / "validation", 24, is_other=True, seed=3)
    if real is not None:
        sets["real"] = folder / "real"
        if not (folder / "real").is_dir():
            shrink(real, folder / "real")
    return sets


def run(folder: Path, *options: str) -> dict[str, float]:
    """Train with options unless already done; return the test metrics, minutes and steps."""
    file = folder / "result.csv"
    if not file.is_file():
        start = time.perf_counter()
        metrics, objects = train(compose_config("train", [*options, *QUIET, f"paths.run={folder}"]))
        metrics |= {"minutes": (time.perf_counter() - start) / 60}
        metrics |= {"steps": objects["trainer"].global_step}
        with file.open("w", newline="") as written:
            csv.writer(written).writerows(metrics.items())
    with file.open(newline="") as read:
        return {name: float(value) for name, value in csv.reader(read)}


def before(folder: Path) -> float:
    """Return the mean SAD before fine-tuning."""
    with (folder / "before.csv").open(newline="") as file:
        values = [float(row["sad"]) for row in csv.DictReader(file)]
    return sum(values) / len(values)


def rows(folder: Path, sets: dict[str, Path], base: Path, seeds: int) -> Iterator[list[str]]:
    """Fine-tune with all settings, and yield the rows of the table."""
    ways = product(sets.items(), ("[norms]", "[]"), ("1e-5", "1e-4", "1e-3"))
    for (name, root), freeze, rate in ways:
        results, first = [], 0.0
        for seed in range(seeds):
            place = folder / "runs" / f"{root.name}_{freeze.strip('[]')}_{rate}_{seed}"
            options = ["data=pairs", f"data.root={root}", "recipe=finetune", f"init_from={base}"]
            options += [f"freeze={freeze}", f"optimizer.lr={rate}", f"seed={seed}"]
            options += ["data.interpolation=area", "trainer.max_steps=150"]
            results.append(run(place, *options))
            first = before(place)
        after = [result["test/sad"] for result in results]
        yield [
            name,
            freeze,
            rate,
            f"{first:.3f}",
            " / ".join(f"{value:.3f}" for value in after),
            f"{100 * (sum(after) / len(after) / first - 1):+.0f} %",
            " / ".join(f"{result['steps']:.0f}" for result in results),
            f"{sum(result['minutes'] for result in results) / len(results):.1f}",
        ]


def main() -> None:
    """Print the table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="where all is written")
    parser.add_argument("--real", type=Path, help="photos with mattes in AM-2k's layout")
    parser.add_argument("--seeds", type=int, default=2)
    options = parser.parse_args()
    sets = make_data(options.folder, options.real)
    known = options.folder / "known"
    run(options.folder / "base", *NETWORK, f"data.root={known}")
    base = options.folder / "base/checkpoints/best.ckpt"
    head = ["photos", "freeze", "rate", "SAD before", "after", "change", "steps", "minutes"]
    print("| " + " | ".join(head) + " |")
    print("| " + " | ".join("---" for _ in head) + " |")
    for row in rows(options.folder, sets, base, options.seeds):
        print("| " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
