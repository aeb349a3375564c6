"""Glance and Focus Matting: train, evaluate and apply end-to-end image matting."""

import os

# albumentations asks the network for its newest version when imported, unless told not to.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

__version__ = "0.1.0"
