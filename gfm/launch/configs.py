"""Where the configurations lie: in the package once installed, beside it in a checkout."""

from pathlib import Path
from typing import Final

import gfm

_PACKAGE = Path(gfm.__file__).resolve().parent

CONFIGS: Final = next(
    (folder for folder in (_PACKAGE / "configs", _PACKAGE.parent / "configs") if folder.is_dir()),
    _PACKAGE / "configs",
)
"""The folder of ``train.yaml``, ``evaluate.yaml`` and the groups."""
