"""Works on many files: an evaluation, and a prediction with some damaged photos."""

import json
import re
import time
from pathlib import Path

import numpy as np

from gfm.system.console import console
from gfm.system.progress import duration
from tests.inference.small import write_network
from tests.reliability.commands import EVALUATE, GFM, started
from tests.reliability.load.usage import course, watch
from tests.reliability.material import write_dataset, write_photo, write_predictions

SIDE = 64
"""Pixels of the photos."""

DAMAGED = 0.05
"""Part of the photos of a prediction that cannot be read."""


def evaluation(folder: Path, num_photos: int) -> bool:
    """Score mattes in files, and return whether every photo has figures, and there is a report."""
    write_dataset(folder / "AM-2k", 0, num_photos, SIDE)
    write_predictions(folder / "mattes", num_photos, SIDE)
    run = folder / "run"
    data = [f"data.root={folder / 'AM-2k/validation'}", "data.images=original", "data.alphas=mask"]
    options = ["data=folder", *data, f"predictions={folder / 'mattes'}", f"paths.run={run}"]
    status, text = _watched([*EVALUATE, *options, "trainer=cpu"], folder / "evaluation.log")
    is_whole = status == 0 and _num_images(run) == num_photos
    is_whole = is_whole and len((run / "per_image.csv").read_text().splitlines()) == num_photos + 1
    size = (run / "report.html").stat().st_size / 2**20 if is_whole else 0
    console().print(f"{num_photos:,} photos: {text}, report of {size:.1f} MiB", highlight=False)
    return is_whole


def prediction(folder: Path, num_files: int) -> bool:
    """Matte photos, and return whether only the damaged ones are listed and lack a result."""
    photos, out, log = folder / "photos", folder / "out", folder / "prediction.log"
    for index in range(num_files):
        write_photo(photos / f"{index:05d}.jpg", None, index, SIDE)
    damaged = _damage(photos, num_files)
    weights = str(write_network(folder / "small.ckpt"))
    how = ["--checkpoint", weights, "--inference", "native", "--device", "cpu"]
    status, text = _watched([*GFM, "predict", str(photos), *how, "-o", str(out)], log)
    listed = set(re.findall(r"^failed: .*?(\d{5})\.jpg", log.read_text(), re.MULTILINE))
    made = [{path.stem for path in (out / kind).iterdir()} for kind in ("alpha", "cutout")]
    whole = {f"{index:05d}" for index in range(num_files)} - damaged
    counts = f"{len(listed)} of {len(damaged)} damaged listed, exit status {status}"
    console().print(f"{num_files:,} files: {text}; {counts}", highlight=False)
    return status == 1 and listed == damaged and all(names == whole for names in made)


def _damage(photos: Path, num_files: int) -> set[str]:
    """Empty, truncate or replace some files, and return their stems."""
    chosen = np.random.default_rng(0).choice(num_files, round(DAMAGED * num_files), replace=False)
    for turn, index in enumerate(chosen):
        path = photos / f"{index:05d}.jpg"
        content = path.read_bytes()
        path.write_bytes((b"", content[: len(content) // 3], b"no picture")[turn % 3])
    return {f"{index:05d}" for index in chosen}


def _watched(command: list[str], log: Path) -> tuple[int, str]:
    """Run a command, and return its exit status and its usage."""
    begin = time.monotonic()
    with started(command, log) as process:
        looks = watch(process, 0.5)
    return process.returncode, f"{duration(time.monotonic() - begin)}, {course(looks)}"


def _num_images(run: Path) -> int:
    return int(json.loads((run / "metrics.json").read_text())["num_images"])
