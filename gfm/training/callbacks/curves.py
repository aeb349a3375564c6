"""Summaries and curves of a run on W&B, complete even after an interruption."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback, ModelCheckpoint
from pytorch_lightning.loggers import WandbLogger

from gfm.metrics import METRIC_NAMES

if TYPE_CHECKING:
    from gfm.training.loggers.dashboard import Dashboard

_STATE = "curves"
_BEST = {"min": min, "max": max}
_TABLES = ("val/previews", "val/per_image")


class Curves(Callback):
    """Sends W&B the best and the last value of each validation metric, and curves without gaps.

    The summary of ``val/sad`` is ``{min: …, last: …}``: the minimum of errors, the best value of
    the metric that selects ``best.ckpt``, and the minimum and maximum of other metrics. Validations
    are plotted against epochs, everything else against steps.

    When a process is killed, W&B loses the rows that it has not written yet, and ``wandb sync``
    computes the summary from each file separately. Checkpoints therefore carry the latest rows and
    the best values.
    """

    def __init__(self) -> None:
        self.best: dict[str, dict[str, float]] = {}
        self.restored: dict[str, Any] = {}

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: D102
        sizes = [(p.numel(), p.requires_grad) for p in pl_module.parameters()]
        counts = {
            "num_parameters": sum(size for size, _ in sizes),
            "num_trained_parameters": sum(size for size, is_trained in sizes if is_trained),
        }
        for logger in _dashboards(trainer):
            logger.log_hyperparams(counts)
            for name, kinds in _shown_extremes(trainer, pl_module).items():
                summary = ",".join([*kinds, "last"])
                logger.experiment.define_metric(name, step_metric="epoch", summary=summary)
            for name in _TABLES:
                logger.experiment.define_metric(name, step_metric="epoch")

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: D102
        for logger in _dashboards(trainer) if self.restored else ():
            logger.restore(self.restored["rows"])
            # After the restored rows: W&B would compute the summary from them alone.
            logger.experiment.summary.update(self.restored["summary"])

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: D102
        if trainer.sanity_checking:
            return
        for name, kinds in _shown_extremes(trainer, pl_module).items():
            value = float(trainer.callback_metrics.get(name, math.nan))
            if not math.isnan(value):
                before = self.best.get(name, {})
                best = {kind: _BEST[kind](value, before.get(kind, value)) for kind in kinds}
                self.best[name] = {**best, "last": value}
        for logger in _dashboards(trainer) if self.restored else ():
            logger.experiment.summary.update(self.best)

    def on_save_checkpoint(  # noqa: D102
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        rows = next((list(logger.rows) for logger in _dashboards(trainer)), [])
        checkpoint[_STATE] = {"summary": self.best, "rows": rows}

    def on_load_checkpoint(  # noqa: D102
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        self.restored = checkpoint.get(_STATE, {})
        self.best = dict(self.restored.get("summary", {}))


def _dashboards(trainer: pl.Trainer) -> "Iterator[Dashboard]":
    loggers = [logger for logger in trainer.loggers if isinstance(logger, WandbLogger)]
    if trainer.is_global_zero and loggers:
        from gfm.training.loggers.dashboard import Dashboard  # imports wandb, which is slow

        yield from (logger for logger in loggers if isinstance(logger, Dashboard))


def _shown_extremes(trainer: pl.Trainer, module: Any) -> dict[str, tuple[str, ...]]:
    """Return which extremes of each validation metric are shown: ``min``, ``max`` or both."""
    known = METRIC_NAMES[module.metrics.protocol]
    kinds: dict[str, tuple[str, ...]] = {
        f"val/{name}": ("min",) if name in known else ("min", "max")
        for name in module.metrics.names
    }
    for kept in trainer.checkpoint_callbacks:
        if isinstance(kept, ModelCheckpoint) and kept.monitor in kinds:
            kinds[kept.monitor] = (kept.mode,)
    return kinds
