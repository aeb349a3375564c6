"""The demo datasets as a data source."""

import hashlib
from dataclasses import astuple
from functools import partial
from pathlib import Path

from gfm.animals.dataset_files import DemoSize, Drawing, draw_files, drawings
from gfm.data.layout import Roots
from gfm.errors import GFMError
from gfm.system.cores import num_cores
from gfm.system.files import make_folder
from gfm.system.processes import map_unordered
from gfm.system.progress import Progress

DEMO_VERSION = 2  # increase it whenever drawings change, so that old files are not reused
ONE_PROCESS_PIXELS = 3_000_000  # with fewer, starting processes takes longer than drawing
SMALLEST_SIDE = 64  # of a photo, in pixels


class DrawnAnimals:
    """Draws the demo datasets on first use, and reuses them afterwards.

    The files do not depend on the number of processes. After an interruption, the next run draws
    the missing files. Several runs may draw at the same time, because writes are atomic.

    Args:
        root: Folder with a subfolder for each size, seed and version of the drawings.
        seed: Selects the animals and scenes, at least 0.
        num_workers: Number of processes; by default one per core, or this process alone for a
            small demo.
        **size: Numbers and sizes of the images; see
            :class:`gfm.animals.dataset_files.DemoSize`.
    """

    def __init__(
        self, root: Path | str, seed: int = 0, num_workers: int | None = None, **size: int
    ) -> None:
        self.root = Path(root)
        self.seed = seed
        self.num_workers = num_workers
        self.size = DemoSize(**size)

    def find(self) -> Roots:
        """Draw the missing files, and return the folders of the datasets.

        Raises:
            WriteError: The folder cannot be written, or the disk is full.
            GFMError: A number is not whole, or too small.
        """
        self._check()
        key = repr((DEMO_VERSION, self.seed, astuple(self.size)))
        folder = self.root / hashlib.sha256(key.encode()).hexdigest()[:12]
        missing = [
            drawing
            for drawing in drawings(self.size, self.seed)
            if not all((folder / path).is_file() for path in drawing.files.values())
        ]
        if missing:
            self._draw(folder, missing)
        return Roots(folder / "AM-2k", folder / "BG-20k", folder / "COCO")

    def _check(self) -> None:
        for name, value in {**vars(self.size), "seed": self.seed}.items():
            smallest = SMALLEST_SIDE if name.endswith(("height", "width")) else name != "seed"
            if not isinstance(value, int) or value < smallest:
                raise GFMError(
                    f"data.source.{name}={value}: choose a whole number of at least {smallest:d}"
                )

    def _draw(self, folder: Path, missing: list[Drawing]) -> None:
        for parent in {(folder / path).parent for d in missing for path in d.files.values()}:
            make_folder(parent)
        num_workers = self.num_workers
        if num_workers is None:
            pixels = sum(drawing.height * drawing.width for drawing in missing)
            num_workers = num_cores() if pixels > ONE_PROCESS_PIXELS else 1
        with Progress(len(missing), "drawing demo data") as progress:
            draw = partial(draw_files, folder)
            for outcome in map_unordered(draw, missing, num_workers, "more free memory"):
                if outcome.error:
                    raise GFMError(f"cannot draw {outcome.item}: {outcome.error}")
                progress.advance()
