"""Where things lie in the folder of a run."""

from pathlib import Path
from typing import Final

LAST_CHECKPOINT: Final = Path("checkpoints/last.ckpt")
"""Everything that an interrupted run needs to go on."""

OVERRIDES: Final = Path(".hydra/overrides.yaml")
"""Options that the run was started with, as they were written."""

HYDRA: Final = Path(".hydra/hydra.yaml")
"""Hydra's own configuration, which has the places of configuration files."""
