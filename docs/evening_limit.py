"""Measure what true mattes lose at lower resolution: ``python docs/evening_limit.py DATA``.

DATA is the folder of the drawn animals, ``data/demo/<key>/AM-2k``. Each validation matte is
averaged to a fraction of its size and enlarged linearly. A network whose finest feature has that
resolution can hardly do better.
"""

import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from gfm.data.images import read_alpha
from gfm.data.listing import files_by_stem
from gfm.inference.resizing import resize
from gfm.rosta import TRANSITION


def errors(alpha: torch.Tensor, transition: torch.Tensor, factor: int) -> tuple[float, float]:
    """Return the MAD of an H×W matte at 1 / ``factor`` of its size, whole and in the transition."""
    height, width = alpha.shape
    size = (height // factor, width // factor)
    enlarged = resize(F.interpolate(alpha[None, None], size=size, mode="area"), (height, width))
    gap = (enlarged[0, 0] - alpha).abs()
    return gap.mean().item(), gap[transition].mean().item()


def main(data: str) -> None:
    """Print the means over the validation photos."""
    validation = Path(data) / "validation"
    mattes, trimaps = (files_by_stem(validation / name, None) for name in ("mask", "trimap"))
    for factor in (2, 3, 4):
        found = []
        for name, path in mattes.items():
            alpha = torch.from_numpy(read_alpha(path)).float() / 255
            transition = torch.from_numpy(read_alpha(trimaps[name]) == TRANSITION)
            found.append(errors(alpha, transition, factor))
        mad, in_transition = np.mean(found, axis=0)
        print(f"1/{factor}: MAD {mad:.4f}, in the transition {in_transition:.4f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
