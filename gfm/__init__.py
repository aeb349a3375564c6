"""Glance and Focus Matting: train, evaluate and apply end-to-end image matting."""

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gfm.checkpoints.predictors import load_model

# albumentations asks the network for its newest version when imported, unless told not to.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

__version__ = "0.1.0"

__all__ = ["__version__", "load_model"]


def __getattr__(name: str) -> Any:
    """Import what needs torch only when it is used."""
    if name == "load_model":
        from gfm.checkpoints.predictors import load_model

        return load_model
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
