"""Finds the configuration files, and defines the resolvers that they use."""

from pathlib import Path
from typing import Any, Final

from omegaconf import DictConfig, OmegaConf

import gfm
from gfm.run.help_text import help_text

_PACKAGE = Path(gfm.__file__).resolve().parent

CONFIGS: Final = next(
    (folder for folder in (_PACKAGE / "configs", _PACKAGE.parent / "configs") if folder.is_dir()),
    _PACKAGE / "configs",
)
"""The folder of ``train.yaml``, ``evaluate.yaml`` and the groups.

In an installed wheel, it is inside the package; in a checkout, next to it.
"""


def choices(group: str) -> list[str]:
    """List the choices of a configuration group of this package; empty for an unknown group."""
    return sorted(path.stem for path in (CONFIGS / group).glob("*"))


def by_device(cpu: Any, gpu: Any, fast_cpu: Any = None, *, _root_: DictConfig) -> Any:
    """Choose between values by the device of the run, as in ``${by_device:64,320}``.

    Args:
        cpu: Value on a CPU.
        gpu: Value on a GPU.
        fast_cpu: Value on a CPU with bfloat16 in hardware; by default ``cpu``.
        _root_: Configuration; ``trainer.accelerator=auto`` means a GPU if there is one.
    """
    accelerator = OmegaConf.select(_root_, "trainer.accelerator")
    # Imported here, because help texts need no torch and should not wait for it.
    if accelerator == "auto":
        import torch

        accelerator = "gpu" if torch.cuda.is_available() else "cpu"
    chosen = cpu if accelerator == "cpu" else gpu
    if accelerator == "cpu" and fast_cpu is not None:
        from gfm.models.precision import bfloat16_hardware

        chosen = fast_cpu if bfloat16_hardware("cpu") else cpu
    # Other keys can interpolate a list only if it is a ListConfig.
    return OmegaConf.create(chosen) if isinstance(chosen, list) else chosen


def multiply(number: int, factor: Any) -> int:
    """Multiply in a configuration: ``${multiply:50,${trainer.accumulate_grad_batches}}``.

    A factor that is not a positive integer is ignored here, because its own option reports it.
    """
    return number * factor if isinstance(factor, int) and factor > 0 else number


OmegaConf.register_new_resolver("by_device", by_device, replace=True)
OmegaConf.register_new_resolver("multiply", multiply, replace=True)
OmegaConf.register_new_resolver("help_text", help_text, replace=True)
