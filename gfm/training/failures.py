"""Ends all processes of a run when one of them fails."""

import atexit
import os
import threading
import time
from contextlib import suppress
from typing import Final

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from torch.distributed import TCPStore  # type: ignore[attr-defined]

from gfm.errors import GFMError
from gfm.system.console import console
from gfm.system.startup import prepare_spawned_process

_INTERVAL: Final = 1.0  # seconds between checks of the store
# Seconds until the others exit, so that the failed process can report its error first: Lightning
# kills rank zero as soon as another process has ended.
_GRACE: Final = 5.0
_GRACE_AT_END: Final = 30.0  # seconds that a process may take to exit after rank zero
_LIMIT: Final = 60.0  # seconds that a failed process may take to exit; NCCL may block it


class FailTogether(Callback):
    """Ends all processes when one fails, and refuses to run with the wrong number of processes.

    NCCL does not notice that a process has ended: the others would keep their GPUs until its
    timeout, which is 30 minutes. Here each process checks every second whether another one has
    reported an error, or whether the store of the process group has ended with rank zero.
    """

    def __init__(self) -> None:
        self.watch: _Watch | None = None

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:  # noqa: D102
        prepare_spawned_process()
        num_devices, num_nodes = trainer.num_devices, trainer.num_nodes
        if trainer.world_size != num_devices * num_nodes:
            raise GFMError(
                f"trainer.devices={num_devices} and trainer.num_nodes={num_nodes} need "
                f"{num_devices * num_nodes} processes, but {trainer.world_size} started: set "
                f"--ntasks-per-node={num_devices} (SLURM) or --nproc-per-node={num_devices} "
                "(torchrun), or change trainer.devices"
            )
        if trainer.world_size > 1 and self.watch is None:
            self.watch = _Watch(is_first=trainer.is_global_zero)

    def on_exception(  # noqa: D102
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        # After a signal, which raises SystemExit, all processes end in any case.
        if self.watch is not None and not isinstance(exception, SystemExit):
            self.watch.report_failure()


class _Watch:
    """Watches the other processes from a thread, until this one ends."""

    def __init__(self, is_first: bool) -> None:
        self.is_first = is_first
        # torchrun's store outlives a failed attempt, so each attempt has a different key.
        self.key = f"gfm/failed/{os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)}"
        # A new connection, because calls on the process group's connection may block for minutes.
        address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
        self.store = TCPStore(address, port, is_master=False)
        self.is_ending = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()
        atexit.register(self.is_ending.set)

    def report_failure(self) -> None:
        """End the other processes, and this one if it is still running after a minute."""
        self.is_ending.set()
        with suppress(RuntimeError):  # rank zero has ended already
            self.store.set(self.key, "")
            time.sleep(2 * _INTERVAL)  # the store ends with rank zero: let the others read it
        timer = threading.Timer(_LIMIT, os._exit, (1,))
        timer.daemon = True
        timer.start()

    def _run(self) -> None:
        while not self.is_ending.wait(_INTERVAL):
            grace = self._seconds_left()
            if grace is not None and not self.is_ending.wait(grace):
                if self.is_first:
                    text = "error: another process of this run has failed"
                    console(stderr=True).print(text, style="bold red")
                os._exit(1)  # the main thread may be blocked in NCCL, which no exception reaches

    def _seconds_left(self) -> float | None:
        """Return how long this process may take to exit; ``None`` if no process has failed."""
        try:
            return _GRACE if self.store.check([self.key]) else None
        except RuntimeError:  # the store ended with rank zero, perhaps because the run has finished
            return _GRACE_AT_END
