"""The test on all validation photos, when training ends."""

from pathlib import Path
from typing import Any, Literal, NamedTuple

import pytorch_lightning as pl
import torch

from gfm.checkpoints import load_weights, read_weights
from gfm.data.datamodule import MattingDataModule
from gfm.errors import GFMError
from gfm.inference import described
from gfm.models.hardware import speed_up_inference
from gfm.training.callbacks.photo_table import PhotoTable
from gfm.training.module import MattingModule

Weights = Literal["best", "last"]

_LAST = Path("checkpoints/last.ckpt")


class FinalTest(NamedTuple):
    """What a test gave, and of what.

    Attributes:
        metrics: ``test/<metric>``, means over the photos.
        title: which weights, on how many photos, matted how.
        choice: what the weights were chosen by, on which photos.
        weights: the file that holds the weights; ``None`` where none was kept.
    """

    metrics: dict[str, float]
    title: str
    choice: str
    weights: Path | None


def weights_to_test(choice: Any) -> Weights | None:
    """The option ``test``, checked before a training of days begins.

    Raises:
        GFMError: it is something else.
    """
    if choice not in ("best", "last", False, None):
        raise GFMError(f"test={choice}: choose best (best.ckpt), last (last.ckpt) or false")
    return choice or None


def best_weights(trainer: pl.Trainer) -> Path | None:
    """The checkpoint chosen by the objective, if one was kept."""
    for kept in trainer.checkpoint_callbacks:
        path = Path(getattr(kept, "best_model_path", ""))
        if getattr(kept, "monitor", None) and path.is_file():
            return path
    return None


def run_final_test(
    trainer: pl.Trainer,
    module: MattingModule,
    datamodule: MattingDataModule,
    run: Path,
    which: Weights | None,
) -> FinalTest | None:
    """Tests the best weights, or the last; nothing where training was stopped.

    All validation photos are tested, which may be more than those seen in training. The metrics of
    each go to ``per_image.csv``, as those of an evaluation.

    Args:
        trainer: after training.
        module: gets the weights, unless they are at hand.
        datamodule: with the photos.
        run: its folder.
        which: ``best``, chosen by the objective, or the last where none were; ``last``; or none.
    """
    if not which or trainer.fast_dev_run or trainer.interrupted:  # type: ignore[attr-defined]
        return None
    best = best_weights(trainer) if which == "best" else None
    last = run / _LAST if (run / _LAST).is_file() else None
    path = best or last
    if path is not None and (best or not _is_current(path, trainer)):
        load_weights(module.model, read_weights(path), str(path))
    # As evaluate.py does, which gives the same figures.
    device = trainer.strategy.root_device.type
    speed_up_inference(module.model, device, str(trainer.precision))
    trainer.callbacks.append(PhotoTable(run / "per_image.csv"))  # type: ignore[attr-defined]
    trainer.test(module, datamodule, verbose=False)
    metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
    num_photos, limit = len(datamodule.photos), trainer.limit_test_batches
    whole = limit == 1.0 if isinstance(limit, float) else limit >= num_photos
    photos = f"all {num_photos} validation photos" if whole else f"some of {num_photos} photos"
    title = f"{'best' if best else 'last'} weights, {photos}, {described(module.inferer)}"
    choice = "no photo had a part in choosing these weights"
    if best:
        choice = f"{best.name} has the {_choice(trainer, datamodule)}"
    return FinalTest(metrics, title, choice, path)


def _is_current(path: Path, trainer: pl.Trainer) -> bool:
    """Whether the file is of the last step, whose weights are at hand; mapped, so hardly read."""
    content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    return bool(content.get("global_step") == trainer.global_step)


def _choice(trainer: pl.Trainer, datamodule: MattingDataModule) -> str:
    kept: Any = next(c for c in trainer.checkpoint_callbacks if getattr(c, "monitor", None))
    extreme = "lowest" if kept.mode == "min" else "highest"
    num_seen, num_all = len(datamodule.validation), len(datamodule.photos)
    if datamodule.training.held_out:
        photos = f"{len(datamodule.training.held_out)} training photos that were set aside"
    elif num_seen == num_all:
        photos = "these very photos"
    else:
        photos = f"{num_seen} of these photos"
    return f"{extreme} {kept.monitor} on {photos}"
