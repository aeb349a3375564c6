"""Stage 10: r34 trains on drawn animals, and is scored on others and on real photos."""

import shutil
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from gfm.data.images import read_alpha
from gfm.data.listing import files_by_stem
from gfm.run.evaluate import evaluate
from gfm.run.train import train
from tests.conftest import SMALL_DATA, SMALL_NETWORK, compose_config
from tests.gpu.stage import Stage


def run(stage: Stage) -> None:
    """Train for the given minutes; a rehearsal draws and trains little."""
    out = stage.findings.parent
    folder = stage.folder / f"training_{time.strftime('%Y-%m-%d_%H-%M-%S')}"
    with stage.part("training"):
        _train(stage, folder)
        shutil.copyfile(folder / "result.png", out / "result.png")
        stage.measured("picture", str(out / "result.png"))
    if stage.photos is None:
        stage.skip("real photos", "none given: set --photos FOLDER")
        return
    with stage.part("real photos"):
        options = ["data=folder", f"data.root={stage.photos}", f"paths.run={folder / 'photos'}"]
        options += [f"checkpoint={folder / 'checkpoints/best.ckpt'}"]
        options += [f"trainer.accelerator={stage.accelerator}"]
        summary, _ = evaluate(compose_config("evaluate", options))
        stage.measured("real photos", summary["num_images"])
        empty = _empty_sad(files_by_stem(stage.photos / "alphas", None).values())
        if stage.is_rehearsal:  # too short to reach a threshold
            stage.measured("SAD of real photos", summary["sad"], "thousand pixels")
            return
        stage.at_most("SAD of real photos", summary["sad"], empty, "thousand pixels",
                      "threshold: SAD of empty mattes")  # fmt: skip


def _options(stage: Stage) -> list[str]:
    seconds = max(1, round(60 * stage.train_minutes))
    stop = [f"trainer.max_time=00:{seconds // 3600:02}:{seconds % 3600 // 60:02}:{seconds % 60:02}"]
    stop += [f"trainer.accelerator={stage.accelerator}", "logger=csv", "backbone.pretrained=false"]
    if stage.is_rehearsal:
        data = [*SMALL_DATA, "data.batch_size=2", "data.crop_sizes=[96]", "data.input_size=32"]
        return [*SMALL_NETWORK, *data, "recipe.norm_samples=2", *stop]
    data = ["data.source.num_train=2000", "data.source.num_validation=40", "data.num_workers=null"]
    data += ["data.source.num_backgrounds=200", "data.batch_size=32", "data.input_size=320"]
    epochs = ["trainer.max_epochs=200", "trainer.check_val_every_n_epoch=2"]
    stop += ["scheduler=none", "recipe.learning_rate=3e-4"]  # a schedule would not reach its end
    return ["backbone=r34", "trainer=gpu", "data.num_validation_photos=12", *data, *epochs, *stop]


def _train(stage: Stage, folder: Path) -> None:
    """Train, and record the score beside that of empty mattes."""
    demo = stage.folder / "two_thousand"
    paths = [f"paths.demo={demo}", f"paths.run={folder}"]
    start = time.perf_counter()
    metrics, objects = train(compose_config("train", [*_options(stage), *paths]))
    stage.measured("steps", objects["trainer"].global_step)
    stage.measured(
        "minutes", (time.perf_counter() - start) / 60, "min", "includes drawing and scoring"
    )
    photos = objects["datamodule"].photos
    limit = _empty_sad(Path(photo.alpha) for photo in photos)
    if stage.is_rehearsal:
        stage.measured("SAD of drawn animals", metrics["test/sad"], "thousand pixels")
    else:
        stage.at_most("SAD of drawn animals", metrics["test/sad"], limit / 4, "thousand pixels",
                      f"threshold: a quarter of that of empty mattes, {limit:.1f}")  # fmt: skip


def _empty_sad(files: Iterable[Path]) -> float:
    """Return the mean SAD of mattes that are 0 everywhere, in thousands of pixels."""
    return float(np.mean([read_alpha(file).sum(dtype=np.float64) / 255 / 1000 for file in files]))
