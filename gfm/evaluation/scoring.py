"""From a matte to its metrics: written, scored as written, noted."""

from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from gfm.data.batch import Batch, as_floats
from gfm.data.images import write_png
from gfm.data.layout import Photo
from gfm.errors import GFMError
from gfm.evaluation.journal import Journal
from gfm.metrics import ExtraMetrics, matting_metrics, metric_names


class Scorer:
    """Takes a matte for each photo; where it comes from is not its business.

    Args:
        folder: for the mattes, ``<name>.png``.
        protocol: ``gfm`` or ``dim``.
        journal: notes the metrics.
        extra: metrics beside those of the protocol.

    Raises:
        GFMError: there is no such protocol, or it has one of these metrics itself.
    """

    def __init__(
        self, folder: Path, protocol: str, journal: Journal, extra: ExtraMetrics | None = None
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

    def path(self, name: str) -> Path:
        """Where the matte of a photo lies."""
        return self.folder / f"{name}.png"

    def add(self, matte: np.ndarray, sample: Batch) -> None:
        """Writes and scores a matte.

        What is scored is what the file holds, so that anyone can repeat it from the PNGs. (The
        official code scores the network's floats, and cuts them off to 8 bits for the file.)

        Args:
            matte: H×W, uint8 or uint16, as large as the photo.
            sample: a batch of one photo as the loader gives it, with its alpha and trimap.

        Raises:
            GFMError: the photo's trimap is none, or the matte cannot be written.
        """
        name = sample["name"][0]
        write_png(self.path(name), matte)
        preds = torch.from_numpy(matte.astype(np.float32) / np.iinfo(matte.dtype).max)[None, None]
        target, trimap = as_floats(sample)["alpha"].cpu(), sample["trimap"].cpu()
        try:
            row = matting_metrics(preds, target, trimap, self.protocol, self.extra)
        except ValueError as error:
            raise GFMError(f"photo {name}: {error}") from error
        self.journal.add(name, row)


class MatteSource(Protocol):
    """Where mattes come from.

    Attributes:
        settings: what must be the same for an interrupted evaluation to go on.
        facts: what the report says of it.
    """

    settings: dict[str, str]
    facts: dict[str, str]

    def available(self, photos: list[Photo]) -> list[Photo]:
        """Those of the photos for which there will be a matte."""
        ...

    def run(self, photos: list[Photo], num_workers: int, num_done: int, scorer: Scorer) -> bool:
        """Hands a matte of each photo to the scorer.

        Args:
            photos: those not scored yet.
            num_workers: of the loader.
            num_done: how many were scored before, for the progress shown.
            scorer: takes the mattes.

        Returns:
            whether this is the process that writes the results.
        """
        ...

    def finish(self) -> None:
        """Says, once the results are written, what they lack.

        Raises:
            GFMError: they lack more than the user allowed.
        """
        ...
