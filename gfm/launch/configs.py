"""Where the configurations lie, and what their interpolations may call."""

from pathlib import Path
from typing import Any, Final

from omegaconf import OmegaConf

import gfm

_PACKAGE = Path(gfm.__file__).resolve().parent

CONFIGS: Final = next(
    (folder for folder in (_PACKAGE / "configs", _PACKAGE.parent / "configs") if folder.is_dir()),
    _PACKAGE / "configs",
)
"""The folder of ``train.yaml``, ``evaluate.yaml`` and the groups: in the package once it is
installed, beside it in a checkout."""


def by_device(accelerator: str, cpu: Any, gpu: Any) -> Any:
    """Choose between two values by where a run will take place.

    In a configuration: ``${by_device:${trainer.accelerator},64,320}``.

    Args:
        accelerator: of the trainer; ``auto`` is a GPU where there is one.
        cpu: the value on a CPU.
        gpu: the value on a GPU.
    """
    if accelerator == "auto":
        import torch  # here, since the help texts do not resolve anything and need not wait

        accelerator = "gpu" if torch.cuda.is_available() else "cpu"
    chosen = cpu if accelerator == "cpu" else gpu
    # OmegaConf resolves lists of its own kind alone where one key names another.
    return OmegaConf.create(chosen) if isinstance(chosen, list) else chosen


OmegaConf.register_new_resolver("by_device", by_device, replace=True)
