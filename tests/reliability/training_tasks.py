"""Defines the trainings that a campaign kills."""

from pathlib import Path

from tests.conftest import SMALL_DATA, SMALL_TRAINING
from tests.reliability.commands import GFM, TRAIN
from tests.reliability.outcomes import Outcome, of_checkpoint, of_files, of_table
from tests.reliability.task import Material, Task

_TIMES = ("train/samples_per_second", "train/data_wait")  # the machine's speed is not reproducible
_SAVES = ("callbacks.last.train_time_interval=null", "callbacks.last.every_n_train_steps=2")
TOLD = (".hydra/*", "config.yaml", "*.log")  # these record that a run was resumed


def train(given: Material, name: str = "train", *more: str, alone: bool = False) -> Task:
    """Return the task of a training; ``more`` are its options."""
    changed = ("trainer.max_epochs", "trainer.limit_train_batches", "data.num_workers")
    small = [o for o in (*SMALL_DATA, *SMALL_TRAINING) if not o.startswith(changed)]
    options = [*small, *_SAVES, "track=comp_rssn", "track.backgrounds_per_foreground=4"]
    options += ["trainer.max_epochs=4", "data.num_workers=1", *more]
    options += [f"paths.demo={given.folder / 'demo'}"]

    return _resumed(name, [*TRAIN, *options], alone)


def train_in_two_processes(given: Material, alone: bool) -> Task:
    """Return the task of a training in two processes, of which all or one are killed."""
    name = "train_one_of_two" if alone else "train_in_two"
    more = ("trainer.devices=2", "trainer.strategy=ddp_spawn", "data.batch_size=4")
    return train(given, name, *more, alone=alone)


def finetune(given: Material) -> Task:
    """Return the task of ``gfm finetune``."""
    changed = ("max_epochs", "limit_train_batches", "check_val_every_n_epoch")
    own = ("backbone", *(f"trainer.{name}" for name in changed))
    small = [o for o in SMALL_TRAINING if not o.startswith(own)]
    options = [*small, *_SAVES, "trainer.max_epochs=2", "data.num_workers=0", "track=ori"]
    options += ["trainer.val_check_interval=8"]
    weights = ["--weights", str(given.weights)]
    return _resumed("finetune", [*GFM, "finetune", str(given.photos / "train"), *weights, *options])


def _resumed(name: str, first: list[str], alone: bool = False) -> Task:
    """Return the task of a training that starts with a command, and is resumed by its folder."""

    def command(folder: Path) -> list[str]:
        if any((folder / "checkpoints").glob("last*.ckpt")):
            return [*TRAIN, f"ckpt_path={folder}"]
        return [*first, f"paths.run={folder}"]

    def outcome(folder: Path) -> Outcome:
        # The picture of the curves draws samples per second.
        found = of_files(folder, (*TOLD, "*.ckpt", "metrics.csv", "curves.png"))
        for name in ("best.ckpt", "last.ckpt"):  # earlier ones depend on the kills
            found |= of_checkpoint(folder / "checkpoints" / name)
        return found | of_table(folder / "metrics.csv", _TIMES)

    return Task(name, command, outcome, "checkpoints/*", alone=alone)
