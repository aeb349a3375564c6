"""What a run logs and says while it goes on."""

import time
from collections import Counter
from typing import Any

import pytorch_lightning as pl
import torch
import torch.distributed as dist
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.loggers import WandbLogger
from rich.markup import escape
from torch import Tensor

from gfm.console import PlainProgress, console


class Pace(Callback):
    """Logs how fast training is, how much of it waits for data, and how long gradients are.

    ``train/samples_per_second`` of all processes and ``train/data_wait`` (share of the time, from
    0 to 1) since the step before; ``train/gradient_norm`` (L2, of all parameters, before clipping).
    """

    def __init__(self) -> None:
        self.end: float | None = None
        self.wait = 0.0

    def on_train_batch_start(  # noqa: D102
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        self.wait = time.perf_counter() - self.end if self.end else 0.0

    def on_before_optimizer_step(  # noqa: D102
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: Any
    ) -> None:
        gradients = [p.grad for p in pl_module.parameters() if p.grad is not None]
        pl_module.log("train/gradient_norm", torch.nn.utils.get_total_norm(gradients))

    def on_train_batch_end(  # noqa: D102
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        now = time.perf_counter()
        if self.end is not None:
            num_samples = len(batch["image"]) * trainer.world_size
            pl_module.log("train/samples_per_second", num_samples / (now - self.end))
            pl_module.log("train/data_wait", self.wait / (now - self.end))
        self.end = now

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: D102
        self.end = None  # validation is not training


class ImageTable(Callback):
    """Sends the metrics of each validation photo to W&B, as the table ``val/per_image``."""

    def __init__(self) -> None:
        self.rows: dict[str, list[Tensor]] = {}
        self.names: list[str] = []

    def on_validation_batch_end(  # noqa: D102
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        self.names = list(outputs["metrics"])
        self.rows[batch["name"][0]] = list(outputs["metrics"].values())

    def on_validation_epoch_end(  # noqa: D102
        self, trainer: pl.Trainer, pl_module: pl.LightningModule
    ) -> None:
        own = {name: torch.stack(row).tolist() for name, row in self.rows.items()}
        self.rows = {}
        shares = [own]
        if trainer.world_size > 1:
            shares = [{} for _ in range(trainer.world_size)]
            dist.all_gather_object(shares, own)
        table = [[name, *row] for share in shares for name, row in share.items()]
        for logger in trainer.loggers if trainer.is_global_zero else ():
            if isinstance(logger, WandbLogger):
                logger.log_table("val/per_image", columns=["name", *self.names], data=sorted(table))


class SkippedFiles(Callback):
    """Names each training file that ``data.on_error=skip`` passed over, and counts at the end."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def on_train_batch_end(  # noqa: D102
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        lines = "\n".join(batch.get("skipped", [])).splitlines()
        for fault in filter(None, lines):
            if fault not in self.counts:
                console().print(f"[yellow]skipped:[/] {escape(fault)}", highlight=False)
            self.counts[fault] += 1

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: D102
        if self.counts:
            total, files = sum(self.counts.values()), len(self.counts)
            console().print(
                f"[yellow]{total} samples were replaced for {files} unreadable files[/]"
            )


class ProgressLines(Callback):
    """Prints a line after every validation, and where no bar can be drawn also between them.

    Args:
        interval: least time between two lines of the second kind, in seconds.
    """

    def __init__(self, interval: float = 10.0) -> None:
        self.interval = interval
        self.progress: PlainProgress | None = None

    def on_train_start(  # noqa: D102
        self, trainer: pl.Trainer, pl_module: pl.LightningModule
    ) -> None:
        if trainer.is_global_zero and not console().is_terminal:
            total = int(trainer.estimated_stepping_batches)
            self.progress = PlainProgress(total, "step", trainer.global_step, self.interval)

    def on_train_batch_end(  # noqa: D102
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        if self.progress:
            loss = trainer.callback_metrics.get("train/loss")
            self.progress.show(trainer.global_step, f"loss {loss:.4g}" if loss is not None else "")

    def on_validation_end(  # noqa: D102
        self, trainer: pl.Trainer, pl_module: pl.LightningModule
    ) -> None:
        if trainer.sanity_checking or not trainer.is_global_zero:
            return
        logged = trainer.callback_metrics
        shown = [f"{name} {logged[name]:.4g}" for name in _SHOWN if name in logged]
        epoch = f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}"
        console().print("  ".join([epoch, *shown]), highlight=False)


_SHOWN = ("train/loss", "val/sad", "val/mad", "val/grad", "val/conn", "val/sad_transition")
