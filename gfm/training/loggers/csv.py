"""metrics.csv of a run that may be interrupted."""

import csv
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import CSVLogger
from pytorch_lightning.utilities import rank_zero_only

from gfm.compat.lightning import csv_writer


class ContinuedCSVLogger(CSVLogger):
    """Lightning's CSV logger, which keeps what a run logged before it was interrupted.

    Rows of steps that are taken again give way to the new ones.
    """

    _before: list[dict[str, str]]

    @property
    def experiment(self) -> Any:
        """The writer, with the rows of before."""
        if csv_writer(self) is not None or rank_zero_only.rank:  # type: ignore[attr-defined]
            return super().experiment  # that of other processes writes nothing
        path = Path(self.log_dir) / "metrics.csv"
        before = list(csv.DictReader(path.open(newline=""))) if path.is_file() else []
        writer = super().experiment  # which deletes the file
        self._before = [{k: v for k, v in row.items() if v != ""} for row in before]
        return writer

    @rank_zero_only
    def log_metrics(self, metrics: Any, step: int | None = None) -> None:
        """Adds a row; the first one decides which of those before it stay."""
        writer = self.experiment
        if self._before and step is not None:
            # A validation that is made up for leaves the step before it as it was.
            makes_up = any(name.startswith(("val/", "test/")) for name in metrics)
            writer.metrics = [
                row
                for row in self._before
                if int(row["step"]) < step
                or (int(row["step"]) == step and makes_up and not _shared(row, metrics))
            ]
            self._before = []
        super().log_metrics(metrics, step)


def _shared(row: Any, metrics: Any) -> set[str]:
    return (row.keys() & metrics.keys()) - {"epoch", "step"}
