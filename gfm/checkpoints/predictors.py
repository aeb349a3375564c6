"""From a checkpoint to a network that is ready for pictures."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from gfm.build import build
from gfm.checkpoints.formats import Checkpoint
from gfm.checkpoints.networks import load_network
from gfm.errors import GFMError
from gfm.inference.foreground import ForegroundMethod
from gfm.inference.inferers import Inferer, named_inferer
from gfm.inference.predictor import Precision, Predictor


def choose_inferer(
    checkpoint: Checkpoint, wanted: Inferer | str | dict[str, Any] | None = None
) -> Inferer:
    """The inferer asked for, else that of the run, else the official one for its RoSTA.

    Args:
        checkpoint: what it is for.
        wanted: an inferer, a name of :func:`gfm.inference.inferers.named_inferer` (with the scales
            of the run's data), or a ``_target_`` node; empty to have it chosen.

    Raises:
        GFMError: there is none of that name, or the node cannot be built.
    """
    if isinstance(wanted, str):
        return named_inferer(wanted, _scales(checkpoint))
    if callable(wanted):
        return wanted
    node = wanted or checkpoint.inferer
    if node:
        inferer: Inferer = build(node)
        return inferer
    # The official code's choice of RIM; HYBRID is for one branch.
    return named_inferer("rim" if checkpoint.model["rosta"] == "rim" else "hybrid")


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
    """A network that is ready to matte pictures.

    ``matte = load_model("best.ckpt")``, then ``matte(image)`` is the alpha of an image from
    Pillow, NumPy or torch, and ``matte.cutout(image)`` the foreground with its colours.

    Args:
        path: a run's ``.ckpt``, a released ``.pth`` or a ``.safetensors``; a folder that
            ``gfm export hub`` wrote; ``hf://user/name`` of the Hugging Face Hub; or
            ``released:r34_2b_tt``, of the weights that ``gfm download`` fetched.
        device: such as ``cpu`` or ``cuda:1``; a GPU if there is one, unless given.
        precision: see :class:`gfm.inference.Predictor`.
        inference: how a whole picture is looked at: ``hybrid``, ``resize``, ``rim``, ``native`` or
            an inferer; as in the run that made the checkpoint, else as in the official test,
            unless given.
        trust: packages other than this one whose classes the file may name.
        branch: see :class:`gfm.inference.Predictor`.
        max_size: see :class:`gfm.inference.Predictor`.
        foreground: see :class:`gfm.inference.Predictor`.

    Raises:
        GFMError: the file is missing, damaged, something else, or names what is not trusted; there
            is no such device, inference or branch.
    """
    place = _device(device)
    model, checkpoint = load_network(path, trust)
    inferer = choose_inferer(checkpoint, inference)
    return Predictor(model, inferer, place, precision, branch, max_size, foreground)


def _scales(checkpoint: Checkpoint) -> dict[str, float]:
    """Of the data that the run was for; empty where the file does not say."""
    data = checkpoint.config.get("data")
    scales = data.get("scales") if isinstance(data, dict) else None
    if not isinstance(scales, dict):
        return {}
    return {str(k): float(v) for k, v in scales.items() if isinstance(v, int | float)}


def _device(device: torch.device | str | None) -> torch.device:
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        place = torch.device(device)
        torch.empty(0, device=place)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise GFMError(
            f"cannot use device {device} ({str(error).splitlines()[0]}): choose cpu, or cuda on a "
            "machine with a GPU that this torch supports"
        ) from error
    return place
