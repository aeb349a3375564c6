"""Chooses the precision and memory format that run fastest on a device."""

import torch

from gfm.compat.torch import cpu_capabilities
from gfm.models.gfm import GFM

_CPU_INSTRUCTIONS = {"amx_bf16": "AMX", "avx512_bf16": "AVX512-BF16"}
"""CPU instruction sets for bfloat16, fastest first."""
_LARGE_INPUT = 192
"""Input side in pixels from which channels last does not slow training on CPUs; at 160, it does."""
_NAMES = {"cuda": "GPU", "mps": "GPU", "cpu": "CPU"}


def device_type(accelerator: str) -> str:
    """Return the device type, such as ``cuda``, that Lightning chooses for an accelerator."""
    if accelerator not in ("auto", "gpu"):
        return accelerator
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def bfloat16_hardware(device: str) -> str | None:
    """Name the hardware of a device type that computes in bfloat16; ``None`` if there is none.

    GPUs before Ampere, and CPUs without one of the instruction sets above, emulate bfloat16, which
    is several times slower than float32.
    """
    if device == "cuda":
        is_supported = torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.cuda.get_device_name() if is_supported else None
    if device == "cpu":
        flags = cpu_capabilities()
        return next((name for flag, name in _CPU_INSTRUCTIONS.items() if flags.get(flag)), None)
    return None


def _has_tensor_cores() -> bool:
    """Return whether the GPU has tensor cores: Nvidia since Volta, and AMD."""
    if not torch.cuda.is_available():
        return False
    return torch.version.hip is not None or torch.cuda.get_device_capability() >= (7, 0)


def choose_precision(device: str) -> tuple[str, str]:
    """Return Lightning's name of the fastest precision for a device type, and the reason."""
    hardware = bfloat16_hardware(device)
    if hardware:
        return "bf16-mixed", f"{hardware} calculates in bfloat16"
    if device == "cuda" and _has_tensor_cores():
        name = torch.cuda.get_device_name()
        return "16-mixed", f"{name} calculates in float16, but not in bfloat16"
    return "32-true", f"this {_NAMES[device]} has no bfloat16 in hardware"


def prefers_channels_last(device: str, is_half: bool, training_size: int | None = None) -> bool:
    """Return whether a network is faster in the channels-last memory format.

    On CPUs this holds for inference, and for training in bfloat16 on large inputs, but not for
    other training (docs/models.md has the figures). On GPUs, tensor cores need this format in half
    precision.

    Args:
        device: Device type as in :func:`device_type`.
        is_half: Whether convolutions use half precision.
        training_size: Side of the network's input in training, in pixels; ``None`` for inference.
    """
    if device == "cpu" and (training_size is None or training_size < _LARGE_INPUT):
        return training_size is None
    if device == "cuda":
        return is_half and _has_tensor_cores()
    return is_half and bool(bfloat16_hardware(device))


def choose_inference_format(model: GFM, device: str, precision: str) -> None:
    """Switch a network to channels last, in place, where that makes inference faster.

    ``device`` is a device type as in :func:`device_type`, ``precision`` Lightning's name of the
    precision. ``32-true`` also disables TF32.
    """
    allow_tf32(precision != "32-true")
    if prefers_channels_last(device, "16" in precision):
        model.use_channels_last()


def trains_in_tf32(device: str, precision: str) -> bool:
    """Return whether training in a precision rounds the factors of float32 products to TF32."""
    if device != "cuda" or precision != "32-true" or torch.version.hip is not None:
        return False
    return torch.cuda.get_device_capability() >= (8, 0)


def allow_tf32(is_allowed: bool) -> None:
    """Choose whether GPUs since Ampere round the factors of float32 products to TF32.

    That makes training faster. By default, torch allows it for convolutions but not for matrix
    products.
    """
    torch.backends.cudnn.allow_tf32 = is_allowed
    torch.set_float32_matmul_precision("high" if is_allowed else "highest")
