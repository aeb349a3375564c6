"""What a device computes fastest: bfloat16 or float32, and which memory format."""

import torch

from gfm.compat.torch import cpu_capabilities
from gfm.models.gfm import GFM

_CPU_INSTRUCTIONS = {"amx_bf16": "AMX", "avx512_bf16": "AVX512-BF16"}
"""Those that calculate in bfloat16, the fastest first."""
_NAMES = {"cuda": "GPU", "mps": "GPU", "cpu": "CPU"}


def device_type(accelerator: str) -> str:
    """Return ``cuda``, ``mps`` or ``cpu``: what Lightning takes for ``auto`` or ``gpu``."""
    if accelerator not in ("auto", "gpu"):
        return accelerator
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def bfloat16_hardware(device: str) -> str | None:
    """What of a device calculates in bfloat16, or ``None`` where it would be emulated.

    Emulated it is several times slower than float32: on GPUs before Ampere, on CPUs without one of
    the instructions above.
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
    """Lightning's name of the precision that suits a device, and why."""
    hardware = bfloat16_hardware(device)
    if hardware:
        return "bf16-mixed", f"{hardware} calculates in bfloat16"
    return "32-true", f"this {_NAMES[device]} has no bfloat16 in hardware"


def prefers_channels_last(device: str, is_half: bool, is_training: bool) -> bool:
    """Whether channels innermost in memory make a network faster.

    On CPUs they do for inference, and for training in bfloat16; in float32 they make training
    slower (docs/models.md has the figures). On GPUs tensor cores read half precision so.

    Args:
        device: as of :func:`device_type`.
        is_half: whether convolutions are in half precision.
        is_training: whether there is a backward pass.
    """
    if device == "cpu" and not is_training:
        return True
    return device != "mps" and is_half and bool(bfloat16_hardware(device))


def speed_up_inference(model: GFM, device: str, precision: str) -> None:
    """Gives a network the memory format in which this device mattes faster.

    Args:
        model: the network; only its memory changes.
        device: as of :func:`device_type`.
        precision: Lightning's name.
    """
    if prefers_channels_last(device, "16" in precision, is_training=False):
        model.use_channels_last()
