"""Paths inside a run's folder."""

from pathlib import Path
from typing import Final

LAST_CHECKPOINT: Final = Path("checkpoints/last.ckpt")
"""Checkpoint from which an interrupted run resumes."""
