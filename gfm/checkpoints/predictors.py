"""Loads a network from a checkpoint, ready to matte images."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from gfm.checkpoints.checkpoint import Checkpoint
from gfm.checkpoints.loading import load_network
from gfm.compat.hydra import instantiate
from gfm.errors import GFMError
from gfm.inference.foreground import ForegroundMethod
from gfm.inference.inferers import Inferer, make_inferer
from gfm.inference.predictor import Precision, Predictor
from gfm.models.precision import device_type


def choose_inferer(
    checkpoint: Checkpoint, wanted: Inferer | str | dict[str, Any] | None = None
) -> Inferer:
    """Return the requested inferer, else that of the run, else the official one for the RoSTA.

    ``wanted`` is an inferer, a ``_target_`` node, or a name for
    :func:`gfm.inference.inferers.make_inferer`; empty for the default. A name selects the inferer
    of the run if it is of this kind; otherwise a new inferer, with the scales of the run's data.
    """
    if callable(wanted):
        return wanted
    is_rim = checkpoint.model["rosta"] == "rim"
    node = checkpoint.inferer if isinstance(wanted, str) else wanted or checkpoint.inferer
    inferer: Inferer | None = instantiate(node) if node else None
    if isinstance(wanted, str):
        named = make_inferer(wanted, _scales(checkpoint))
        is_own = type(inferer) is type(named) and wanted != ("resize" if is_rim else "rim")
        return inferer if inferer and is_own else named
    # As in the official code, where HYBRID is only for networks with a single branch.
    return inferer or make_inferer("rim" if is_rim else "hybrid")


def load_model(
    path: Path | str,
    device: torch.device | str | None = None,
    precision: Precision = "32",
    inference: Inferer | str | None = None,
    trust: Sequence[str] = (),
    branch: str | None = None,
    max_size: int | None = 1080,
    foreground: ForegroundMethod = "blur",
) -> Predictor:
    """Load a network that is ready to matte images.

    After ``matte = load_model("best.ckpt")``, ``matte(image)`` is the alpha of an image from
    Pillow, NumPy or torch, and ``matte.cutout(image)`` is the foreground with its colours.

    Args:
        path: The ``.ckpt`` of a run, a released ``.pth`` or a ``.safetensors``; a folder written by
            ``gfm export hub``; ``hf://user/name`` for a model of the Hugging Face Hub; or
            ``released:r34_2b_tt`` for weights that ``gfm download`` fetched.
        device: Device such as ``cpu`` or ``cuda:1``; by default a GPU if there is one.
        precision: See :class:`gfm.inference.Predictor`.
        inference: ``hybrid``, ``resize``, ``rim``, ``native`` or an inferer; by default that of the
            run that made the checkpoint, or else that of the official test.
        trust: Additional packages whose classes the file may use.
        branch: See :class:`gfm.inference.Predictor`.
        max_size: See :class:`gfm.inference.Predictor`.
        foreground: See :class:`gfm.inference.Predictor`.

    Raises:
        GFMError: The file is missing, damaged or unsupported, or uses a class that is not trusted;
            or the device, inference or branch is not available.
    """
    device = _resolve_device(device)
    model, checkpoint = load_network(path, trust)
    inferer = choose_inferer(checkpoint, inference)
    return Predictor(model, inferer, device, precision, branch, max_size, foreground)


def _scales(checkpoint: Checkpoint) -> dict[str, float]:
    scales = checkpoint.scale_options.get("scales")
    if not isinstance(scales, dict):
        return {}
    return {str(k): float(v) for k, v in scales.items() if isinstance(v, int | float)}


def _resolve_device(device: torch.device | str | None) -> torch.device:
    try:
        device = torch.device(device_type("auto") if device is None else device)
        torch.ones(1, device=device).add_(1)  # fails if torch has no kernels for this GPU
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise GFMError(
            f"cannot use device {device} ({str(error).splitlines()[0]}): choose cpu, or cuda or "
            "mps on a machine with a GPU that this torch supports"
        ) from error
    return device
