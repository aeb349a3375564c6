"""Defines the commands that a campaign kills, how each is repeated, and which results count."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gfm.animals import DrawnAnimals
from tests.conftest import DEMO, SMALL_DATA, SMALL_TRAINING
from tests.reliability import material
from tests.reliability.commands import EVALUATE, GFM, TRAIN
from tests.reliability.outcomes import Outcome, of_checkpoint, of_files, of_table

NUM_PHOTOS = 40
"""Number of photos for training, and again for validation."""


@dataclass(frozen=True)
class Task:
    """A command and its outcome.

    Attributes:
        name: Name of the task in the table.
        command: Returns the command for a folder; if this holds results, the command goes on.
        outcome: Reads the results that must be the same if a run was killed.
        work: Pattern of files whose first change shows that the work has begun.
        set_up: Makes the folder, with the files that it must hold, before the first command.
    """

    name: str
    command: Callable[[Path], list[str]]
    outcome: Callable[[Path], Outcome]
    work: str
    set_up: Callable[[Path], object] = Path.mkdir


@dataclass(frozen=True)
class Material:
    """The input of all tasks.

    Attributes:
        folder: Folder that holds all of it.
    """

    folder: Path

    @property
    def photos(self) -> Path:
        """Dataset in the layout of AM-2k."""
        return self.folder / "AM-2k"

    @property
    def weights(self) -> Path:
        """Checkpoint of a small network."""
        return self.folder / "small.ckpt"

    @property
    def predictions(self) -> Path:
        """Folder of mattes of the validation photos."""
        return self.folder / "predictions"

    def write(self) -> None:
        """Write the input."""
        self.folder.mkdir(parents=True)
        material.write_dataset(self.photos, NUM_PHOTOS, NUM_PHOTOS)
        material.write_predictions(self.predictions, NUM_PHOTOS)
        material.write_weights(self.folder)
        DrawnAnimals(self.folder / "demo", **DEMO).find()


def all_tasks(given: Material) -> list[Task]:
    """Return all tasks: training, evaluating, preparing and predicting."""
    return [
        _train(given),
        _evaluation("evaluate", given, f"checkpoint={given.weights}"),
        _evaluation("score", given, f"predictions={given.predictions}"),
        _preparation("foregrounds", given),
        _preparation("denoise", given, "--only", "original"),
        _preparation("trimaps", given),
        _pack(given),
        _predict(given),
    ]


_TIMES = ("train/samples_per_second", "train/data_wait")  # how fast a machine is does not repeat
_TOLD = (".hydra/*", "config.yaml", "*.log")  # these say that, and how, a run went on


def _train(given: Material) -> Task:
    changed = ("trainer.max_epochs", "trainer.limit_train_batches", "data.num_workers")
    small = [o for o in (*SMALL_DATA, *SMALL_TRAINING) if not o.startswith(changed)]
    saves = ["callbacks.last.train_time_interval=null", "callbacks.last.every_n_train_steps=2"]
    more = ["track=comp_rssn", "track.backgrounds_per_foreground=4", "trainer.max_epochs=4"]
    more += ["data.num_workers=1", f"paths.demo={given.folder / 'demo'}"]
    options = [*small, *saves, *more]

    def command(folder: Path) -> list[str]:
        if any((folder / "checkpoints").glob("last*.ckpt")):
            return [*TRAIN, f"ckpt_path={folder}"]
        return [*TRAIN, *options, f"paths.run={folder}"]

    def outcome(folder: Path) -> Outcome:
        found = of_files(folder, (*_TOLD, "*.ckpt", "metrics.csv"))
        for name in ("best.ckpt", "last.ckpt"):  # what lies before the last depends on the kills
            found |= of_checkpoint(folder / "checkpoints" / name)
        return found | of_table(folder / "metrics.csv", _TIMES)

    return Task("train", command, outcome, "checkpoints/*")


def _evaluation(name: str, given: Material, source: str) -> Task:
    data = [f"data.root={given.photos / 'validation'}", "data.images=original", "data.alphas=mask"]
    options = ["data=folder", *data, "trainer=cpu", "data.num_workers=1", source]
    options += ["inference=native"] if name == "evaluate" else []

    def command(folder: Path) -> list[str]:
        return [*EVALUATE, *options, f"paths.run={folder}"]

    def outcome(folder: Path) -> Outcome:
        return of_files(folder, (*_TOLD, "journal/*"))  # an interruption may repeat its lines

    return Task(name, command, outcome, "alpha/*")


def _preparation(name: str, given: Material, *more: str) -> Task:
    """Return the task of a command that adds files to a dataset."""

    def command(folder: Path) -> list[str]:
        return [*GFM, "prepare", name, f"paths.am2k={folder}", "--workers", "2", *more]

    def set_up(folder: Path) -> object:
        return shutil.copytree(given.photos, folder)

    return Task(name, command, of_files, "*", set_up)


def _pack(given: Material) -> Task:
    def command(folder: Path) -> list[str]:
        data = f"paths.am2k={given.photos}"
        return [*GFM, "prepare", "pack", data, "--out", str(folder), "--workers", "2"]

    return Task("pack", command, of_files, "*")


def _predict(given: Material) -> Task:
    def command(folder: Path) -> list[str]:
        photos = str(given.photos / "validation/original")
        how = ["--checkpoint", str(given.weights), "--inference", "native", "--device", "cpu"]
        return [*GFM, "predict", photos, *how, "-o", str(folder)]

    return Task("predict", command, of_files, "*.png")
