"""Sound datasets, mattes and networks that rows take as they are, or spoil a copy of."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gfm.build import build
from gfm.checkpoints import Checkpoint, write_checkpoint

SIDE = 48
NAMES = ("a", "b")

NETWORK: dict[str, Any] = {
    "_target_": "gfm.models.gfm.GFM",
    "encoder": {"_target_": "gfm.models.timm_encoder.timm_encoder", "name": "test_resnet"},
    "rosta": "tt",
    "decoder_channels": [8] * 5,
}
"""A network of a few thousand weights."""


def photo() -> np.ndarray:
    """H×W×3 uint8."""
    return np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)


def matte() -> np.ndarray:
    """H×W uint8: a disc with a soft edge."""
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE / 2
    return np.clip(255 * (SIDE / 3 - np.hypot(x, y)) / 6 + 128, 0, 255).astype(np.uint8)


def save(path: Path, array: np.ndarray) -> None:
    """Saves a picture, and makes its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


def dataset(root: Path) -> None:
    """Two photos of training and two of validation in the layout of AM-2k, and two backgrounds."""
    for part in ("train", "validation"):
        for name in NAMES:
            save(root / f"am2k/{part}/original/{name}.jpg", photo())
            save(root / f"am2k/{part}/mask/{name}.png", matte())
    for name in NAMES:
        save(root / f"bg20k/train/{name}.jpg", photo())


def folder_set(root: Path) -> None:
    """Two photos with mattes and trimaps, and the mattes of a method."""
    trimap = np.where(matte() == 0, 0, np.where(matte() == 255, 255, 128)).astype(np.uint8)
    for name in NAMES:
        save(root / f"set/images/{name}.jpg", photo())
        save(root / f"set/alphas/{name}.png", matte())
        save(root / f"set/trimaps/{name}.png", trimap)
        save(root / f"mattes/{name}.png", matte())


def checkpoint(path: Path, config: dict[str, Any] | None = None) -> None:
    """A checkpoint of the network."""
    write_checkpoint(path, Checkpoint(NETWORK, build(NETWORK).state_dict(), config or {}))


def everything(root: Path) -> None:
    """All of the above."""
    dataset(root)
    folder_set(root)
    checkpoint(root / "net.ckpt")
    save(root / "photo.png", photo())


def copy(source: Path, target: Path) -> None:
    """A folder, to be spoilt."""
    shutil.copytree(source, target, dirs_exist_ok=True)
