"""Mattes photos with a network in Lightning's test loop, in any number of processes."""

from collections.abc import Sequence
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from torch.multiprocessing.spawn import ProcessRaisedException

from gfm.compat.torch_errors import message_from_process
from gfm.data.batch import Batch, as_floats
from gfm.data.layout import Photo
from gfm.data.loaders import photo_loader
from gfm.errors import GFMError
from gfm.evaluation.scoring import Scorer
from gfm.inference import Inferer, format_inferer
from gfm.models.gfm import GFM
from gfm.system.progress import Progress
from gfm.training.failures import FailTogether
from gfm.training.preemption import exit_on_signal


class EvaluationModule(pl.LightningModule):
    """Mattes every photo and passes the matte to the scorer."""

    def __init__(self, model: GFM, inferer: Inferer, scorer: Scorer) -> None:
        super().__init__()
        # A process without photos skips the loop. That is safe, because the loop runs no collective
        # operations: each process writes its rows to the journal.
        self.allow_zero_length_dataloader_with_multiple_devices = True
        self.model = model
        self.inferer = inferer
        self.scorer = scorer

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Matte and score one photo."""
        alpha = self.inferer(self.model, as_floats(batch)["image"]).alpha.float().clamp(0, 1)
        self.scorer.add(alpha[0, 0].cpu().numpy(), batch)

    def on_test_end(self) -> None:
        """Close the journal, so that rank zero can read the rows of all processes."""
        self.scorer.journal.close()


class PhotoProgress(Callback):
    """Shows how many photos are done, assuming that all processes are equally fast.

    ``num_done`` of the ``total`` photos were scored before an interruption.
    """

    def __init__(self, total: int, num_done: int) -> None:
        self.total = total
        self.num_done = num_done
        self.progress: Progress | None = None  # made late, because its locks cannot be pickled

    def on_test_start(self, trainer: pl.Trainer, *_: Any) -> None:  # noqa: D102
        exit_on_signal(trainer)
        if trainer.is_global_zero:
            self.progress = Progress(self.total, "photo", self.num_done).__enter__()

    def on_test_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:  # noqa: D102
        if self.progress:
            self.progress.advance(trainer.world_size)

    def teardown(self, *_: Any, **__: Any) -> None:  # noqa: D102
        if self.progress:
            self.progress.__exit__()

    on_exception = teardown


class NetworkSource:
    """Applies a network; a :class:`gfm.evaluation.scoring.MatteSource`.

    Args:
        model: Network.
        inferer: Applies the network to a whole photo.
        trainer: Runs the test loop.
        weights: Fingerprint of the weights.
        facts: Facts about the network for the report.
    """

    def __init__(
        self,
        model: GFM,
        inferer: Inferer,
        trainer: pl.Trainer,
        weights: str,
        facts: dict[str, str],
    ) -> None:
        self.model = model
        self.inferer = inferer
        self.trainer = trainer
        self.callbacks = list(trainer.callbacks)  # type: ignore[attr-defined]
        precision = str(trainer.precision)
        exact = format_inferer(inferer, is_exact=True)
        self.settings = {"checkpoint": weights, "inference": exact, "precision": precision}
        self.facts = {**facts, "inference": format_inferer(inferer), "precision": precision}

    def available(self, photos: Sequence[Photo]) -> list[Photo]:
        """Return all photos; a network can matte any of them."""
        return list(photos)

    def run(self, photos: list[Photo], num_workers: int, num_done: int, scorer: Scorer) -> bool:
        """Run the test loop; each process mattes its share of the photos.

        Raises:
            GFMError: A file cannot be read, written or scored, or the row of a photo is missing.
        """
        trainer = self.trainer
        if photos:
            evaluation = EvaluationModule(self.model, self.inferer, scorer)
            progress = PhotoProgress(num_done + len(photos), num_done)
            trainer.callbacks = [*self.callbacks, FailTogether(), progress]  # type: ignore[attr-defined]
            try:
                trainer.test(evaluation, photo_loader(photos, num_workers), verbose=False)
            except ProcessRaisedException as error:
                message = message_from_process(error)
                if not message:
                    raise
                raise GFMError(message) from error
            trainer.strategy.barrier()  # until all processes have closed their journals
            limit = trainer.limit_test_batches
            if trainer.is_global_zero and isinstance(limit, float) and limit == 1.0:  # not 1 batch
                _check_complete(photos, scorer)
        return trainer.is_global_zero

    def finish(self) -> None:
        """Do nothing, because a network mattes every photo."""


def _check_complete(photos: list[Photo], scorer: Scorer) -> None:
    rows = scorer.journal.rows()
    lost = [photo.name for photo in photos if photo.name not in rows]
    if lost:
        raise GFMError(
            f"the metrics of {len(lost)} of {len(photos)} photos are lost, for example those of "
            f"{lost[0]}: repeat the command with paths.run={scorer.journal.folder.parent}"
        )
