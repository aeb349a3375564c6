"""Paths inside a run's folder."""

from pathlib import Path
from typing import Final

LAST_CHECKPOINT: Final = Path("checkpoints/last.ckpt")
"""Checkpoint from which an interrupted run resumes."""

SPLIT: Final = Path("split.csv")
"""Table of the photos that are held out and of those that are trained on."""
