"""Paths inside a run's folder."""

from pathlib import Path
from typing import Final

LAST_CHECKPOINT: Final = Path("checkpoints/last.ckpt")
"""Checkpoint from which an interrupted run resumes."""

SPLIT: Final = Path("split.csv")
"""Table of the photos that are held out and of those that are trained on."""

OVERRIDES: Final = Path(".hydra/overrides.yaml")
"""Overrides that the run was started with."""

HYDRA: Final = Path(".hydra/hydra.yaml")
"""Hydra's own configuration, including the search path of configuration files."""
