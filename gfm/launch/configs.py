"""Finds the configuration files, and defines the resolver that they use."""

from pathlib import Path
from typing import Any, Final

from omegaconf import OmegaConf

import gfm

_PACKAGE = Path(gfm.__file__).resolve().parent

CONFIGS: Final = next(
    (folder for folder in (_PACKAGE / "configs", _PACKAGE.parent / "configs") if folder.is_dir()),
    _PACKAGE / "configs",
)
"""The folder of ``train.yaml``, ``evaluate.yaml`` and the groups.

It lies inside the package if that was installed from a wheel, and beside it in a checkout.
"""


def by_device(accelerator: str, cpu: Any, gpu: Any) -> Any:
    """Choose between two values by the device of the run.

    In a configuration: ``${by_device:${trainer.accelerator},64,320}``.

    Args:
        accelerator: Accelerator of the trainer; ``auto`` means a GPU if there is one.
        cpu: Value on a CPU.
        gpu: Value on a GPU.
    """
    if accelerator == "auto":
        import torch  # here, because help texts need no torch and should not wait for it

        accelerator = "gpu" if torch.cuda.is_available() else "cpu"
    chosen = cpu if accelerator == "cpu" else gpu
    # An interpolation of this value by another key works only for lists of OmegaConf.
    return OmegaConf.create(chosen) if isinstance(chosen, list) else chosen


OmegaConf.register_new_resolver("by_device", by_device, replace=True)
