"""Chooses the precision and the memory format in which a device is fastest."""

import torch

from gfm.compat.torch import cpu_capabilities
from gfm.models.gfm import GFM

_CPU_INSTRUCTIONS = {"amx_bf16": "AMX", "avx512_bf16": "AVX512-BF16"}
"""CPU instructions that calculate in bfloat16, the fastest first."""
_LARGE_INPUT = 256
"""Side in pixels from which CPUs train faster with channels last: not at 160, but at 320."""
_NAMES = {"cuda": "GPU", "mps": "GPU", "cpu": "CPU"}


def device_type(accelerator: str) -> str:
    """Return ``cuda``, ``mps`` or ``cpu``: what Lightning takes for ``auto`` or ``gpu``."""
    if accelerator not in ("auto", "gpu"):
        return accelerator
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def bfloat16_hardware(device: str) -> str | None:
    """Return the hardware of a device that calculates in bfloat16; ``None`` if it has none.

    GPUs before Ampere, and CPUs without one of the instructions above, emulate bfloat16, which is
    several times slower than float32.
    """
    if device == "cuda":
        has_it = torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.cuda.get_device_name() if has_it else None
    if device == "cpu":
        has = cpu_capabilities()
        found = (name for flag, name in _CPU_INSTRUCTIONS.items() if has.get(flag))
        return next(found, None)
    return None


def choose_precision(device: str) -> tuple[str, str]:
    """Return Lightning's name of the best precision for a device, and the reason."""
    hardware = bfloat16_hardware(device)
    if hardware:
        return "bf16-mixed", f"{hardware} calculates in bfloat16"
    return "32-true", f"this {_NAMES[device]} has no bfloat16 in hardware"


def prefers_channels_last(device: str, is_half: bool, training_size: int | None = None) -> bool:
    """Return whether a network is faster with channels innermost in memory.

    On CPUs it is faster in inference and in training with bfloat16 on large inputs, but slower in
    other training (docs/models.md has the figures). On GPUs, tensor cores need this format for half
    precision.

    Args:
        device: Device type as in :func:`device_type`.
        is_half: Whether convolutions use half precision.
        training_size: Side of the network's input in training, in pixels; ``None`` for inference.
    """
    if device == "cpu" and training_size is None:
        return True
    if device == "cpu" and training_size is not None and training_size < _LARGE_INPUT:
        return False
    return device != "mps" and is_half and bool(bfloat16_hardware(device))


def speed_up_inference(model: GFM, device: str, precision: str) -> None:
    """Change the memory format of a network to the one with the faster inference.

    Args:
        model: Network; only its memory format changes.
        device: Device type as in :func:`device_type`.
        precision: Lightning's name of the precision.
    """
    if prefers_channels_last(device, "16" in precision):
        model.use_channels_last()
