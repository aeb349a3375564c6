"""Finishes what a run logs to W&B."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def finish_wandb() -> Iterator[None]:
    """Finish the W&B run when the block ends, as successful or failed.

    Otherwise the next run of a sweep would be logged to it.
    """
    exit_code = 1
    try:
        yield
        exit_code = 0
    finally:
        wandb = sys.modules.get("wandb")  # imported only by runs that log to it
        if wandb is not None and wandb.run is not None:
            # Imported here, because it imports wandb.
            from gfm.compat.wandb import finish

            finish(exit_code)
