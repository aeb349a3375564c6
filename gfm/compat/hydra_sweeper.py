"""A sweeper of Hydra that runs a list of jobs, which need not be all combinations of options."""

from collections.abc import Sequence
from typing import Any, Final

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.types import Override
from hydra.core.plugins import Plugins
from omegaconf import DictConfig, open_dict, read_write

_MODULE: Final = "hydra_plugins.gfm"  # Hydra takes only plugins whose names begin like this


class ListSweeper(BasicSweeper):
    """Runs the jobs that it is given.

    Args:
        jobs: Overrides of each job.
    """

    def __init__(self, jobs: list[list[str]]) -> None:
        super().__init__(max_batch_size=None)
        self.jobs = [list(job) for job in jobs]

    def split_arguments(  # type: ignore[override]
        self, overrides: list[Override], max_batch_size: int | None
    ) -> list[list[list[str]]]:
        """Return the jobs as a single batch, whatever the command line is."""
        return [self.jobs]


ListSweeper.__module__ = _MODULE


def use_list_sweeper(config: DictConfig, jobs: Sequence[Sequence[str]]) -> None:
    """Make a sweep that begins run these jobs; their overrides replace those of its command line.

    Args:
        config: Configuration that Hydra passes to ``on_multirun_start``.
        jobs: Overrides of each job.
    """
    Plugins.instance().register(ListSweeper)
    sweeper: dict[str, Any] = {
        "_target_": f"{_MODULE}.{ListSweeper.__name__}",
        "jobs": [list(job) for job in jobs],
    }
    with read_write(config), open_dict(config):
        config.hydra.sweeper = sweeper
