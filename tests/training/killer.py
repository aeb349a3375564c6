"""Defines a callback for runs in other processes; its imports do not change their environment."""

import os
import signal

from pytorch_lightning import Callback


class Killer(Callback):
    """Kills the process in an epoch if ``KILL`` is set in the environment."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch

    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        if trainer.current_epoch == self.epoch and batch_idx == 1 and "KILL" in os.environ:
            os.kill(os.getpid(), signal.SIGKILL)
