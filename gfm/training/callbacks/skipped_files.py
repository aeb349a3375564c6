"""Reports training files that could not be read."""

from collections import Counter
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from rich.text import Text

from gfm.system.console import console
from gfm.system.ranks import all_gather_dict


class SkippedFiles(Callback):
    """Prints each training file that ``data.on_error=skip`` skipped, and the total at the end.

    A single process reports at once; several report together at the end of each epoch.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()  # of all processes
        self.unreported: Counter[str] = Counter()  # of this process

    def on_train_batch_end(  # noqa: D102
        self, trainer: pl.Trainer, _: Any, outputs: Any, batch: Any, *__: Any
    ) -> None:
        lines = "\n".join(batch.get("skipped", [])).splitlines()
        self.unreported.update(filter(None, lines))
        if self.unreported and trainer.world_size == 1:
            self._report(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: D102
        self._report(trainer)

    def _report(self, trainer: pl.Trainer) -> None:
        shares = all_gather_dict({str(trainer.global_rank): self.unreported})
        self.unreported = Counter()
        found = sum(shares.values(), Counter[str]())
        for error in found if trainer.is_global_zero else ():
            if error not in self.counts:
                console().print(Text("skipped:", "yellow"), error)
        self.counts += found

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: D102
        if self.counts and trainer.is_global_zero:
            total, files = sum(self.counts.values()), len(self.counts)
            text = f"{total} samples were replaced because of {files} unreadable files"
            console().print(text, style="yellow")
