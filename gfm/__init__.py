"""Glance and Focus Matting: train, evaluate and apply end-to-end image matting."""

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gfm.checkpoints.predictors import load_model

# Without this, importing albumentations checks online for a newer version.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

__version__ = "0.1.0"

__all__ = ["__version__", "load_model"]


def __getattr__(name: str) -> Any:
    """Import ``load_model`` on first use, because it needs torch."""
    if name == "load_model":
        from gfm.checkpoints.predictors import load_model

        return load_model
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
