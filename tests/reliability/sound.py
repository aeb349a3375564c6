"""Makes valid datasets, mattes and networks that rows use, or of which they damage a copy."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gfm.checkpoints import Checkpoint, write_checkpoint
from gfm.compat.hydra import instantiate
from tests.conftest import SMALL_NODE

SIDE = 48
NAMES = ("a", "b")


def photo() -> np.ndarray:
    """Return a photo, H×W×3, uint8."""
    return np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)


def matte() -> np.ndarray:
    """Return the matte of a disc with a soft edge, H×W, uint8."""
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE / 2
    return np.clip(255 * (SIDE / 3 - np.hypot(x, y)) / 6 + 128, 0, 255).astype(np.uint8)


def save(path: Path, array: np.ndarray) -> None:
    """Save a picture, and make its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


def dataset(root: Path) -> None:
    """Write two training and two validation photos as in AM-2k, and two backgrounds."""
    for part in ("train", "validation"):
        for name in NAMES:
            save(root / f"am2k/{part}/original/{name}.jpg", photo())
            save(root / f"am2k/{part}/mask/{name}.png", matte())
    for name in NAMES:
        save(root / f"bg20k/train/{name}.jpg", photo())


def folder_set(root: Path) -> None:
    """Write two photos with mattes and trimaps, and the mattes of another method."""
    trimap = np.where(matte() == 0, 0, np.where(matte() == 255, 255, 128)).astype(np.uint8)
    for name in NAMES:
        save(root / f"set/images/{name}.jpg", photo())
        save(root / f"set/alphas/{name}.png", matte())
        save(root / f"set/trimaps/{name}.png", trimap)
        save(root / f"mattes/{name}.png", matte())


def checkpoint(path: Path, config: dict[str, Any] | None = None) -> None:
    """Write a checkpoint of the network."""
    write_checkpoint(
        path, Checkpoint(SMALL_NODE, instantiate(SMALL_NODE).state_dict(), config or {})
    )


def everything(root: Path) -> None:
    """Write all of these files."""
    dataset(root)
    folder_set(root)
    checkpoint(root / "net.ckpt")
    save(root / "photo.png", photo())


def copy(source: Path, target: Path) -> None:
    """Copy a folder, so that the copy can be damaged."""
    shutil.copytree(source, target, dirs_exist_ok=True)
