"""Starts and ends a sweep: records swept options, resumes searches, and shows the results."""

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict, read_write
from rich.text import Text

from gfm.compat.hydra import Callback, grid_jobs, swept_options
from gfm.errors import GFMError
from gfm.run.exit import report_errors
from gfm.run.saved_options import by_option, given_overrides
from gfm.run.sweep import ERROR, RESULT, SWEPT, read_result, write_result
from gfm.run.sweep_table import print_tables, read_results, write_sweep_csv
from gfm.system.console import console
from gfm.system.files import write_text


class SweepCallback(Callback):
    """Prints and writes the runs of a sweep, best first, and fails if a run failed."""

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Write the names of the swept options; plan the jobs of a table; resume a search."""
        given = given_overrides(config.hydra)
        searched = OmegaConf.select(config, "hydra.sweeper.params") or {}
        given += [f"{name}={value}" for name, value in searched.items()]
        folder = Path(config.hydra.sweep.dir)
        folder.mkdir(parents=True, exist_ok=True)
        with report_errors():
            swept = _begin_table(config) if "table" in config else swept_options(given)
            _check_run_folders(config, swept)
            _check_earlier_jobs(config)
        # Before the first job: jobs in other processes and on other machines read the file.
        write_text(folder / SWEPT, json.dumps(sorted(set(swept))) + "\n")
        if OmegaConf.select(config, "hydra.sweeper.storage"):
            _resume_search(config)

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **_: Any) -> None:
        """Mark a job that did not finish as failed."""
        if config.hydra.mode != RunMode.MULTIRUN:
            return
        folder = Path(config.hydra.runtime.output_dir)
        file = folder / RESULT
        result = json.loads(file.read_text()) if file.is_file() else {}
        overrides = given_overrides(config.hydra)
        if result.get("overrides") == overrides and result["status"] != "finished":
            write_result(folder, {**result, "status": "failed"})

    def on_multirun_end(self, config: DictConfig, **_: Any) -> None:
        """Show the results of all jobs, including those of other processes and machines."""
        sweep = Path(config.hydra.sweep.dir)
        results = read_results(sweep, config.objective_mode)
        write_sweep_csv(sweep / "sweep.csv", results)
        if "table" not in config:
            print_tables(results, config.objective)
        console().print(f"runs: {sweep}")
        # A finished run also counts as failed if another job needed the same folder and failed.
        num_failed = sum(
            result["status"] == "failed" or (sweep / result["run"] / ERROR).is_file()
            for result in results
        )
        if num_failed:
            failed = Text(f"{num_failed} of {len(results)} runs failed:", "bold red")
            console().print(failed, f"see {ERROR}")
        if "table" in config:
            from gfm.evaluation.table_output import publish_table

            with report_errors():
                publish_table(sweep)
        if num_failed:
            raise SystemExit(1)


def _check_run_folders(config: DictConfig, swept: Sequence[str]) -> None:
    """Check that the jobs of a sweep do not share the folder that ``paths.run`` names."""
    paths: Any = OmegaConf.to_container(config.paths, resolve=False)
    run = str(paths.get("run"))
    if swept and "${" not in run:
        raise GFMError(
            f"paths.run={run} would be the folder of every run: set hydra.sweep.dir to "
            "the folder of the sweep instead"
        )


def _check_earlier_jobs(config: DictConfig) -> None:
    """Check that the folder of a grid of options does not hold a different one.

    Each job checks this as well, but only after Hydra has replaced files in its folder.
    """
    plain: Any = OmegaConf.to_container(config.hydra, resolve=False)
    if plain["sweep"].get("subdir") != "${hydra.job.num}" or "Basic" not in str(
        OmegaConf.select(config, "hydra.sweeper._target_")
    ):
        return
    for number, overrides in enumerate(grid_jobs(given_overrides(config.hydra))):
        read_result(Path(config.hydra.sweep.dir, str(number)), overrides)


def _begin_table(config: DictConfig) -> list[str]:
    """Make the sweep run a table, and return the names of the options that differ between runs."""
    # Imported here, because --help should not wait for torch.
    from gfm.evaluation.table import save_definition
    from gfm.run.table_jobs import extend_table, plan_table, repeated_option

    sweep = Path(config.hydra.sweep.dir)
    definition, jobs = plan_table(config)
    definition = extend_table(sweep, definition)
    save_definition(sweep, definition)
    with read_write(config), open_dict(config):
        config.hydra.sweeper = {"_target_": "hydra_plugins.gfm_sweeper.ListSweeper", "jobs": jobs}
    own = [name for options in definition.options.values() for name in by_option(options)]
    return [*own, repeated_option(config)]


def _resume_search(config: DictConfig) -> None:
    """Limit a search with persistent storage to its remaining trials."""
    search = config.hydra.sweeper
    done = read_results(Path(config.hydra.sweep.dir))
    finished = sum(result["status"] == "finished" for result in done)
    with open_dict(config):
        search.n_trials = max(0, search.n_trials - finished)
        # With the same seed, the sampler would draw the same trials again.
        if OmegaConf.select(search, "sampler.seed") is not None:
            search.sampler.seed += _num_trials(str(search.storage), str(search.study_name))
        if done:  # the new trials must not use the folders of the earlier ones
            folder = f"from_{len(done)}/${{hydra.job.num}}"
            config.hydra.overrides.hydra.append(f"hydra.sweep.subdir={folder}")


def _num_trials(storage: str, study: str) -> int:
    """Return how many trials an Optuna study has started in a storage."""
    import optuna  # imported here: it takes a second, and is optional

    optuna.logging.set_verbosity(logging.WARNING)
    known = optuna.study.get_all_study_summaries(storage=storage)
    return next((summary.n_trials for summary in known if summary.study_name == study), 0)
