"""Runs sweeps: many runs of one command line, each of which writes its result to its folder."""

import json
import logging
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict

from gfm.compat.hydra import Callback
from gfm.errors import GFMError
from gfm.run.sweep_table import read_results, show, write_table
from gfm.system.console import console
from gfm.system.files import write_text
from gfm.system.run_folder import LAST_CHECKPOINT

ERROR: Final = "error.txt"
"""File in the folder of a failed job that holds its error."""

RESULT: Final = "result.json"
"""File in the folder of a job that holds its status and its metrics."""


def in_sweep() -> bool:
    """Return whether this is a job of ``python train.py -m``."""
    return HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN


def failed(cfg: DictConfig) -> float:
    """Return the objective of a run without a result: the worst value there is."""
    return -math.inf if cfg.objective_mode == "max" else math.inf


def best(metrics: Mapping[str, float], cfg: DictConfig) -> float:
    """Return the best value of the objective in a run, or the last one if no best was logged.

    Args:
        metrics: Last values that the run logged.
        cfg: Configuration of the run.
    """
    return metrics.get("best", metrics.get(cfg.objective, failed(cfg)))


def ranked(cfg: DictConfig, run: Callable[[DictConfig], dict[str, float]]) -> float:
    """Run, and return the objective; in a sweep, also write it to the folder of the job.

    If a sweep was killed and is started again in its folder, finished jobs are skipped and
    interrupted ones go on.

    Args:
        cfg: Configuration of the run.
        run: Trains or evaluates, and returns the last values that were logged.

    Raises:
        GFMError: The folder of the job holds a run with other options.
    """
    if not in_sweep():
        return best(run(cfg), cfg)
    folder = Path(HydraConfig.get().runtime.output_dir)
    result = _begin(folder)
    if result["status"] == "finished":
        console().print(f"{folder} is finished already", highlight=False)
        return failed(cfg) if result["objective"] is None else float(result["objective"])
    last = folder / LAST_CHECKPOINT
    if last.is_file() and "ckpt_path" in cfg:
        with open_dict(cfg):
            cfg.ckpt_path = str(last)
    start = time.monotonic()
    metrics = run(cfg)
    value = best(metrics, cfg)
    result |= {"status": "finished", "objective": value if math.isfinite(value) else None}
    result |= {"seconds": round(time.monotonic() - start, 1), "metrics": dict(metrics)}
    _write(folder, result)
    return value


def _begin(folder: Path) -> dict[str, Any]:
    """Return what is known about the job of a folder; a new job is noted before it starts."""
    overrides = [str(o) for o in HydraConfig.get().overrides.task]
    result = {"status": "running", "objective": None, "overrides": overrides}
    file = folder / RESULT
    if file.is_file():
        before: dict[str, Any] = json.loads(file.read_text())
        if before["overrides"] != overrides:
            raise GFMError(
                f"{folder} holds a run with {' '.join(before['overrides'])}: repeat the command of "
                "that sweep to go on with it, or set hydra.sweep.dir to a new folder"
            )
        (folder / ERROR).unlink(missing_ok=True)
        if before["status"] == "finished":
            return before
    _write(folder, result)
    return result


def _write(folder: Path, result: dict[str, Any]) -> None:
    write_text(folder / RESULT, json.dumps(result, indent=2) + "\n")


class SweepSummary(Callback):
    """Prints and writes the runs of a sweep, the best first, and fails if one of them failed."""

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Continue a search that is kept in a storage: run only the trials that are left."""
        if not OmegaConf.select(config, "hydra.sweeper.storage"):
            return
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

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **_: Any) -> None:
        """Mark a job that did not finish as failed."""
        if config.hydra.mode != RunMode.MULTIRUN:
            return
        folder = Path(config.hydra.runtime.output_dir)
        file = folder / RESULT
        result = json.loads(file.read_text()) if file.is_file() else {}
        overrides = [str(o) for o in config.hydra.overrides.task]
        if result.get("overrides") == overrides and result["status"] != "finished":
            _write(folder, {**result, "status": "failed"})

    def on_multirun_end(self, config: DictConfig, **_: Any) -> None:
        """Read the results of all jobs, even of other processes and machines, and show them."""
        sweep = Path(config.hydra.sweep.dir)
        results = read_results(sweep, config.objective_mode)
        write_table(sweep / "sweep.csv", results)
        show(results, config.objective)
        console().print(f"runs: {sweep}", highlight=False)
        # A finished run counts as well if another job failed because it needed the same folder.
        faults = [(sweep / result["run"] / ERROR).is_file() for result in results]
        num_failed = sum(
            result["status"] == "failed" or f for result, f in zip(results, faults, strict=True)
        )
        if num_failed:
            console().print(f"[bold red]{num_failed} of {len(results)} runs failed:[/] see {ERROR}")
            raise SystemExit(1)


def _num_trials(storage: str, study: str) -> int:
    """Return how many trials an Optuna study has started in a storage."""
    import optuna  # here, because it takes a second and belongs to an extra

    optuna.logging.set_verbosity(logging.WARNING)
    known = optuna.study.get_all_study_summaries(storage=storage)
    return next((summary.n_trials for summary in known if summary.study_name == study), 0)
