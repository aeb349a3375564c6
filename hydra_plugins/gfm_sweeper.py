"""A sweeper that runs a list of jobs instead of all combinations of options.

Hydra finds plugins only in the namespace package ``hydra_plugins``, which therefore has no
``__init__.py``, and imports them whenever it starts.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf


class ListSweeper(Sweeper):
    """Runs the given jobs, and ignores the command line.

    Args:
        jobs: Overrides of each job.
    """

    launcher: Launcher

    def __init__(self, jobs: Sequence[Sequence[str]]) -> None:
        self.jobs = [list(job) for job in jobs]

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Make the launcher."""
        self.hydra_context = hydra_context
        self.config = config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> Any:
        """Compose all jobs, so that errors show before the first one starts, and run them."""
        assert self.config is not None
        folder = Path(self.config.hydra.sweep.dir)
        folder.mkdir(parents=True, exist_ok=True)
        OmegaConf.save(self.config, folder / "multirun.yaml")
        self.validate_batch_is_legal(self.jobs)
        results = self.launcher.launch(self.jobs, initial_job_idx=0)
        return [result.return_value for result in results]  # raises the error of a failed job
