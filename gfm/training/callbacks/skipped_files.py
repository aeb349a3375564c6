"""Reports training files that could not be read."""

from collections import Counter
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from rich.text import Text

from gfm.system.console import console


class SkippedFiles(Callback):
    """Prints each training file that ``data.on_error=skip`` skipped, and the total at the end."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def on_train_batch_end(  # noqa: D102
        self, trainer: pl.Trainer, _: Any, outputs: Any, batch: Any, *__: Any
    ) -> None:
        lines = "\n".join(batch.get("skipped", [])).splitlines()
        for error in filter(None, lines):
            if error not in self.counts:
                console().print(Text("skipped:", "yellow"), error)
            self.counts[error] += 1

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: D102
        if self.counts:
            total, files = sum(self.counts.values()), len(self.counts)
            text = f"{total} samples were replaced because of {files} unreadable files"
            console().print(text, style="yellow")
