"""Logs to Weights & Biases, also from resumed runs, and uploads code and weights on request."""

from collections import deque
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import wandb
from pytorch_lightning.loggers import WandbLogger
from pytorch_lightning.utilities import rank_zero_only

from gfm.checkpoints.file_io import PREVIOUS
from gfm.compat.wandb import (
    continue_step_count,
    last_row_of_earlier_starts,
    tolerate_lost_service,
)

Row = dict[str, float]
"""Logged numbers by name."""

STEP = "trainer/global_step"
"""Name of the optimiser's step in a row, as in W&B's documentation for Lightning."""

_KEPT = 500  # rows stored in a checkpoint, more than W&B ever buffers
_CODE = (".py", ".yaml", ".yml")


class Dashboard(WandbLogger):
    """Lightning's W&B logger, with these differences.

    A run that is resumed offline starts a new file, whose steps continue those of the earlier file,
    so that ``wandb sync`` joins them. Rows that W&B had not written when the process was killed can
    be logged again. Each checkpoint file is a separate artifact.

    Args:
        weights: Folder of the checkpoints.
        log_model: When to upload the checkpoints: ``True`` when the run ends, ``all`` whenever one
            is saved, ``False`` never.
        log_code: Folder whose Python and YAML files are uploaded as an artifact.
        options: Options of :class:`pytorch_lightning.loggers.WandbLogger` and ``wandb.init``.
    """

    def __init__(
        self,
        weights: Path | str | None = None,
        log_model: bool | Literal["all"] = False,
        log_code: Path | str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.weights = Path(weights) if weights else None
        self.log_model = log_model
        self.log_code = log_code
        self.rows: deque[Row] = deque(maxlen=_KEPT)
        self._before: dict[str, Any] | None = None  # the last row before an interruption
        self._has_begun = False
        self._uploaded: dict[str, int] = {}

    @property
    def experiment(self) -> Any:
        """The W&B run."""
        run = super().experiment
        if not self._has_begun:
            self._has_begun = True
            self._begin(run)
        return run

    @rank_zero_only
    def _begin(self, run: Any) -> None:
        tolerate_lost_service(run)
        if run.offline:
            self._before = last_row_of_earlier_starts(run)
            if self._before:
                continue_step_count(run, self._before)
        elif run.resumed:
            self._before = dict(run.summary)
        if self.log_code:
            run.log_code(str(self.log_code), include_fn=_is_code)

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Log metrics as Lightning does, and keep the latest numbers for checkpoints."""
        super().log_metrics(metrics, step)
        numbers = {k: v for k, v in metrics.items() if isinstance(v, int | float)}
        if step is not None and numbers.keys() - {"epoch"}:
            self.rows.append({**numbers, STEP: step})

    @rank_zero_only
    def restore(self, rows: Iterable[Row]) -> None:
        """Log the rows of a checkpoint that W&B lacks."""
        _ = self.experiment
        self.rows.extend(rows)
        if self._before is None:  # a new run in a new folder
            return
        reached = self._before.get(STEP, -1)
        for row in list(self.rows):
            is_new = row[STEP] == reached and not row.keys() <= self._before.keys()
            if row[STEP] > reached or is_new:
                numbers = {k: v for k, v in row.items() if k != STEP}
                super().log_metrics(numbers, int(row[STEP]))

    def after_save_checkpoint(self, checkpoint_callback: Any) -> None:
        """Upload a new checkpoint with ``log_model="all"``."""
        if self.log_model == "all":
            self._upload()

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Upload the checkpoints after a successful run."""
        super().finalize(status)
        if self.log_model and status == "success" and self._has_begun:
            self._upload()

    @rank_zero_only
    def _upload(self) -> None:
        for path in sorted(self.weights.glob("*.ckpt")) if self.weights else ():
            time = path.stat().st_mtime_ns
            if path.name.endswith(PREVIOUS) or self._uploaded.get(path.name) == time:
                continue
            artifact = wandb.Artifact(f"{path.stem}-{self.experiment.id}", "model")
            artifact.add_file(str(path))
            self.experiment.log_artifact(artifact, aliases=["latest", path.stem])
            self._uploaded[path.name] = time


def _is_code(path: str, root: str) -> bool:
    inside = Path(path).relative_to(Path(root).resolve()).parts
    return path.endswith(_CODE) and not any(part.startswith(".") for part in inside)
