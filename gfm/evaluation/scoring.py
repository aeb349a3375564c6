"""From a matte to its metrics: written, scored, noted."""

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

_DEPTHS = {8: np.uint8, 16: np.uint16}


class Scorer:
    """Takes a matte for each photo; where it comes from is not its business.

    Args:
        folder: for the mattes, ``<name>.png``.
        protocol: ``gfm`` or ``dim``.
        journal: notes the metrics.
        extra: metrics beside those of the protocol.
        score: of a network's mattes, ``float`` scores the network's numbers, as the official code
            does, ``png`` what the files hold, so that anyone can repeat the figures from these.
        alpha_bits: of the files of a network's mattes, 8 or 16.

    Raises:
        GFMError: there is no such protocol, score or depth, or the protocol has one of these
            metrics itself.
    """

    def __init__(
        self,
        folder: Path,
        protocol: str,
        journal: Journal,
        extra: ExtraMetrics | None = None,
        score: str = "float",
        alpha_bits: int = 8,
    ) -> None:
        if score not in ("float", "png"):
            raise GFMError(f"score={score}: choose float (the numbers) or png (the files)")
        if alpha_bits not in _DEPTHS:
            raise GFMError(f"alpha_bits={alpha_bits}: choose 8 or 16")
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
        self.depth = _DEPTHS[alpha_bits]

    def path(self, name: str) -> Path:
        """Where the matte of a photo lies."""
        return self.folder / f"{name}.png"

    def add(self, matte: np.ndarray, sample: Batch) -> None:
        """Writes and scores a matte.

        A network's is rounded for the file. (The official code cuts it off.)

        Args:
            matte: H×W, as large as the photo: a network's in [0, 1], float32; or of a file, uint8
                or uint16, which stays as it is.
            sample: a batch of one photo as the loader gives it, with its alpha and trimap.

        Raises:
            GFMError: the matte holds something else than numbers from 0 to 1, the photo's trimap
                is none, or the matte cannot be written.
        """
        name = sample["name"][0]
        is_number = np.issubdtype(matte.dtype, np.floating)
        if is_number and not ((matte >= 0) & (matte <= 1)).all():
            raise GFMError(f"photo {name}: the network's matte is not in [0, 1]; check its weights")
        stored = matte
        if is_number:
            stored = np.rint(matte * np.iinfo(self.depth).max).astype(self.depth)
        write_png(self.path(name), stored)
        if self.scores_files or not is_number:
            matte = stored.astype(np.float32) / np.iinfo(stored.dtype).max
        preds = torch.from_numpy(matte)[None, None]
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
