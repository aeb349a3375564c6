"""Scores mattes of any source, and writes them and their metrics to files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import torch

from gfm.data.batch import Batch, as_floats
from gfm.data.images import write_png
from gfm.data.layout import Photo
from gfm.errors import GFMError
from gfm.evaluation.journal import Journal
from gfm.metrics import ExtraMetrics, matting_metrics, metric_names
from gfm.metrics.inputs import name_photo


class Scorer:
    """Writes and scores the mattes of any source.

    Args:
        folder: Folder for the mattes, ``<name>.png``.
        protocol: ``gfm`` or ``dim``.
        journal: Receives the metrics.
        extra: Additional metrics.
        score: ``float`` scores the floats of a network, as the official code does; ``png`` scores
            the written files, so that anyone can reproduce the figures from them.
        alpha_bits: Bits per pixel, 8 or 16, of the files written from floats.

    Raises:
        GFMError: An additional metric has the name of one of the protocol's metrics.
    """

    def __init__(
        self,
        folder: Path,
        protocol: str,
        journal: Journal,
        extra: ExtraMetrics | None = None,
        score: Literal["float", "png"] = "float",
        alpha_bits: Literal[8, 16] = 8,
    ) -> None:
        try:
            metric_names(protocol, extra or {})
        except ValueError as error:
            raise GFMError(str(error)) from error
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.protocol = protocol
        self.journal = journal
        self.extra = extra or {}
        self.scores_files = score == "png"
        self.depth = np.uint8 if alpha_bits == 8 else np.uint16

    def path(self, name: str) -> Path:
        """Return the path of a photo's matte."""
        return self.folder / f"{name}.png"

    def add(self, matte: np.ndarray, sample: Batch) -> None:
        """Write and score the matte of a network, H×W float, and store its metrics.

        Raises:
            GFMError: The matte has values outside [0, 1]; see also :meth:`score`.
        """
        name = sample["name"][0]
        if not ((matte >= 0) & (matte <= 1)).all():
            raise GFMError(f"photo {name}: the network's matte is not in [0, 1]; check its weights")
        chosen = self._as_stored(matte) if self.scores_files else matte
        self.journal.add(name, self.score(chosen, sample))

    def score(self, matte: np.ndarray, sample: Batch) -> dict[str, float]:
        """Write a matte and return its metrics; thread-safe.

        Args:
            matte: H×W, the size of the photo. Floats are in [0, 1], and are rounded only for the
                file (the official code truncates them); uint8 and uint16 are written unchanged.
            sample: Batch of one photo from the loader, with its alpha and trimap.

        Raises:
            GFMError: The trimap of the photo is invalid, or the matte cannot be written.
        """
        name = sample["name"][0]
        write_png(self.path(name), self._as_stored(matte))
        if not np.issubdtype(matte.dtype, np.floating):
            matte = matte.astype(np.float32) / np.iinfo(matte.dtype).max
        preds = torch.from_numpy(matte)[None, None]
        target, trimap = as_floats(sample)["alpha"].cpu(), sample["trimap"].cpu()
        with name_photo(name):
            return matting_metrics(preds, target, trimap, self.protocol, self.extra)

    def _as_stored(self, matte: np.ndarray) -> np.ndarray:
        if not np.issubdtype(matte.dtype, np.floating):
            return matte
        return np.rint(matte * np.iinfo(self.depth).max).astype(self.depth)


class MatteSource(Protocol):
    """A source of mattes.

    Attributes:
        settings: Settings that must not change when an interrupted evaluation is resumed.
        facts: Facts about the source for the report.
    """

    settings: dict[str, str]
    facts: dict[str, str]

    def available(self, photos: Sequence[Photo]) -> list[Photo]:
        """Return the photos that the source can matte."""

    def run(self, photos: list[Photo], num_workers: int, num_done: int, scorer: Scorer) -> bool:
        """Pass the matte of each photo to the scorer.

        Files are read in parallel unless ``num_workers`` is 0. The photos do not include the
        ``num_done`` that were scored before.

        Returns:
            Whether this process writes the results.
        """

    def finish(self) -> None:
        """Report missing mattes, after the results are written.

        Raises:
            GFMError: Mattes are missing and the user did not allow it.
        """
