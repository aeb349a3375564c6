"""Sweeps: many runs of one command line, each of which leaves its result in its folder."""

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
from gfm.launch.sweep_table import read_results, show, write_table
from gfm.system.console import console
from gfm.system.files import write_text

ERROR: Final = "error.txt"
"""In the folder of a job that failed: why."""

RESULT: Final = "result.json"
"""In the folder of a job: what became of it."""


def in_sweep() -> bool:
    """Whether this is a job of ``python train.py -m``."""
    return HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN


def failed(cfg: DictConfig) -> float:
    """The objective of a run without a result: for a search the worst that there is."""
    return -math.inf if cfg.objective_mode == "max" else math.inf


def best(metrics: Mapping[str, float], cfg: DictConfig) -> float:
    """The best value of the objective in a run, or the last one where no validation told.

    Args:
        metrics: as last logged.
        cfg: of the run.
    """
    return metrics.get("best", metrics.get(cfg.objective, failed(cfg)))


def ranked(cfg: DictConfig, run: Callable[[DictConfig], dict[str, float]]) -> float:
    """Runs; returns what ranks the run, and in a sweep notes it in the job's folder.

    A job of a sweep that was killed, started again in its folder, is skipped where it had finished
    and goes on where it was cut off.

    Args:
        cfg: of the run.
        run: trains or evaluates, and returns what was logged last.

    Raises:
        GFMError: the job's folder holds a run with other options.
    """
    if not in_sweep():
        return best(run(cfg), cfg)
    folder = Path(HydraConfig.get().runtime.output_dir)
    result = _begin(folder)
    if result["status"] == "finished":
        console().print(f"{folder} is finished already", highlight=False)
        return failed(cfg) if result["objective"] is None else float(result["objective"])
    last = folder / "checkpoints/last.ckpt"
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
    """What is known of the job of this folder, which is noted before its work starts."""
    overrides = [str(o) for o in HydraConfig.get().overrides.task]
    result = {"status": "running", "objective": None, "overrides": overrides}
    file = folder / RESULT
    if file.is_file():
        before: dict[str, Any] = json.loads(file.read_text())
        if before["overrides"] != overrides:
            raise GFMError(
                f"{folder} holds the run of {' '.join(before['overrides'])}: go on with a sweep by "
                "its own command, or set hydra.sweep.dir to a new folder"
            )
        (folder / ERROR).unlink(missing_ok=True)
        if before["status"] == "finished":
            return before
    _write(folder, result)
    return result


def _write(folder: Path, result: dict[str, Any]) -> None:
    write_text(folder / RESULT, json.dumps(result, indent=2) + "\n")


class SweepSummary(Callback):
    """Prints and writes the runs of a sweep, best first, and fails if one of them did."""

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Lets a search that has a memory go on beside the runs that its folder holds."""
        if not OmegaConf.select(config, "hydra.sweeper.storage"):
            return
        search = config.hydra.sweeper
        done = read_results(Path(config.hydra.sweep.dir))
        finished = sum(result["status"] == "finished" for result in done)
        with open_dict(config):
            search.n_trials = max(0, search.n_trials - finished)
            if OmegaConf.select(search, "sampler.seed") is not None:  # else it draws the same again
                search.sampler.seed += _num_trials(str(search.storage), str(search.study_name))
            if done:  # its next trials are other ones, which must not take the folders of the first
                folder = f"from_{len(done)}/${{hydra.job.num}}"
                config.hydra.overrides.hydra.append(f"hydra.sweep.subdir={folder}")

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **_: Any) -> None:
        """Notes that a job failed."""
        if config.hydra.mode != RunMode.MULTIRUN:
            return
        folder = Path(config.hydra.runtime.output_dir)
        file = folder / RESULT
        result = json.loads(file.read_text()) if file.is_file() else {}
        overrides = [str(o) for o in config.hydra.overrides.task]
        if result.get("overrides") == overrides and result["status"] != "finished":
            _write(folder, {**result, "status": "failed"})

    def on_multirun_end(self, config: DictConfig, **_: Any) -> None:
        """Reads what all jobs left, which may have run in other processes or on other machines."""
        sweep = Path(config.hydra.sweep.dir)
        results = read_results(sweep, config.objective_mode)
        write_table(sweep / "sweep.csv", results)
        show(results, config.objective)
        console().print(f"runs: {sweep}", highlight=False)
        # Also a finished run whose place another job was refused.
        faults = [(sweep / result["run"] / ERROR).is_file() for result in results]
        num_failed = sum(
            result["status"] == "failed" or f for result, f in zip(results, faults, strict=True)
        )
        if num_failed:
            console().print(f"[bold red]{num_failed} of {len(results)} runs failed:[/] see {ERROR}")
            raise SystemExit(1)


def _num_trials(storage: str, study: str) -> int:
    """How many trials a study of Optuna's has begun in a storage."""
    import optuna  # here, since it takes a second and comes with an extra

    optuna.logging.set_verbosity(logging.WARNING)
    known = optuna.study.get_all_study_summaries(storage=storage)
    return next((summary.n_trials for summary in known if summary.study_name == study), 0)
