"""Writes ``metrics.csv``, which survives a kill at any moment and is continued on resume."""

import csv
import io
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers.logger import Logger
from pytorch_lightning.utilities import rank_zero_only

from gfm.errors import WriteError
from gfm.system.files import write_text

Row = dict[str, Any]


class ContinuedCSVLogger(Logger):
    """Writes each row immediately, and keeps rows from before an interruption.

    A resumed run repeats some steps, whose rows are replaced. A new column or a repeated step
    rewrites the table atomically, so that no row is ever missing.

    Args:
        save_dir: Folder of ``metrics.csv``.
    """

    def __init__(self, save_dir: str | Path) -> None:
        super().__init__()
        self.path = Path(save_dir, "metrics.csv")
        self._columns: list[str] | None = None

    @property
    def name(self) -> str:
        """Empty, because the file is in the run's folder."""
        return ""

    @property
    def version(self) -> str:
        """Empty, like the name."""
        return ""

    @property
    def save_dir(self) -> str:
        """Folder of ``metrics.csv``."""
        return str(self.path.parent)

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace, *_: Any, **__: Any) -> None:
        """Do nothing: ``config.yaml`` has them."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Append a row; the first row of a resumed run decides which earlier rows are kept.

        Raises:
            WriteError: The disk is full, or the folder is missing or read-only.
        """
        row = {k: v.item() if hasattr(v, "item") else v for k, v in metrics.items()}
        before = read_rows(self.path) if self._columns is None or step is None else []
        last = max((int(old["step"]) for old in before), default=-1)
        row["step"] = last + 1 if step is None else step
        if self._columns is None:
            if _is_test(row):  # a process started for the test does not know the step
                row["step"] = max(row["step"], last)
            self._columns = sorted({*row, *(name for old in before for name in old)})
            self._write([old for old in before if _is_kept(old, row)])
        elif not row.keys() <= set(self._columns):
            self._columns = sorted({*row, *self._columns})
            self._write(read_rows(self.path))
        self._append(row)

    def _append(self, row: Row) -> None:
        try:
            with self.path.open("a", newline="", encoding="utf-8") as file:
                csv.DictWriter(file, self._columns or [], lineterminator="\n").writerow(row)
        except OSError as error:
            raise WriteError(f"cannot write {self.path}: {error.strerror or error}") from error

    def _write(self, rows: list[Row]) -> None:
        table = io.StringIO(newline="")
        writer = csv.DictWriter(table, self._columns or [], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_text(self.path, table.getvalue())


def read_rows(path: Path) -> list[Row]:
    """Read the rows of a table without their empty cells; a missing file has no rows.

    An incomplete last row, cut off by a kill, is ignored.
    """
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
    rows = csv.DictReader(line for line in lines if line.endswith("\n"))
    return [{k: v for k, v in row.items() if k and v} for row in rows if row.get("step")]


def _is_test(row: Row) -> bool:
    return any(name.startswith("test/") for name in row)


def _is_kept(old: Row, first: Row) -> bool:
    """Return whether a row from before an interruption is kept, because it is not repeated."""
    if _is_test(first):
        return not _is_test(old)
    if int(old["step"]) != first["step"]:
        return int(old["step"]) < first["step"]
    # If only the interrupted validation is repeated, the training values of its step stay.
    has_validation = any(name.startswith("val/") for name in first)
    return has_validation and not (old.keys() & first.keys()) - {"epoch", "step"}
