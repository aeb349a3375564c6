"""Draw what an evening of training learns: ``python docs/evening_picture.py DATA EARLY LATE``.

DATA is the folder of the drawn animals, ``data/demo/<key>/AM-2k``. EARLY and LATE are folders of
``python evaluate.py``, for the weights after 3 and after 90 minutes. The photos are the first of
the validation set, whatever their mattes.
"""

import sys
from pathlib import Path

import numpy as np
import torch

from gfm.data.images import read_alpha, read_image, write_jpeg
from gfm.data.listing import files_by_stem
from gfm.training.callbacks.result_picture import Tile, cut_out, draw, sheet

PICTURE = Path(__file__).parent / "images/evening.jpg"
COLUMNS = ("photo", "alpha after 3 minutes", "alpha after 90 minutes", "cut-out", "true alpha")
NUM_PHOTOS = 4
HEIGHT = 300  # pixels of each tile


def row(data: Path, name: str, mattes: tuple[Path, Path]) -> list[Tile]:
    """Return the tiles of a photo; those of the predictions show their SAD in thousands."""
    folders = [data / "original", data / "mask", *(folder / "alpha" for folder in mattes)]
    paths = [files_by_stem(folder, None)[name] for folder in folders]
    photo = torch.from_numpy(read_image(paths[0])).permute(2, 0, 1)
    truth, *predictions = (torch.from_numpy(read_alpha(path))[None] for path in paths[1:])
    errors = [(p.float() - truth.float()).abs().sum() / 255_000 for p in predictions]
    return [
        Tile(draw(photo, HEIGHT)),
        *(Tile(draw(p, HEIGHT), f"SAD {e:.2f}") for p, e in zip(predictions, errors, strict=True)),
        Tile(draw(cut_out(photo, predictions[-1].float() / 255), HEIGHT)),
        Tile(draw(truth, HEIGHT)),
    ]


def main(data: str, early: str, late: str) -> None:
    """Write the picture."""
    validation = Path(data) / "validation"
    names = sorted(path.stem for path in (validation / "original").iterdir())[:NUM_PHOTOS]
    rows = [row(validation, name, (Path(early), Path(late))) for name in names]
    write_jpeg(PICTURE, np.ascontiguousarray(sheet(rows, COLUMNS)), quality=92)


if __name__ == "__main__":
    main(*sys.argv[1:])
