"""Runs a job of a sweep: writes its result to its folder, names it, and resumes it.

A sweep is many runs of one command line, ``python train.py -m``. Restarting a killed sweep in its
folder skips finished jobs and resumes interrupted ones.
"""

import functools
import hashlib
import itertools
import json
import math
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from gfm.errors import GFMError, WriteError
from gfm.run.saved_options import given_overrides, saved_overrides
from gfm.system.console import console
from gfm.system.files import write_text
from gfm.system.locks import acquire_lock
from gfm.system.ranks import is_global_zero
from gfm.system.run_folder import LAST_CHECKPOINT
from gfm.system.startup import prepare_process

if TYPE_CHECKING:
    import pytorch_lightning as pl

ERROR: Final = "error.txt"
"""File in a failed job's folder: its error."""

RESULT: Final = "result.json"
"""File in a job's folder: its status and metrics."""

# Windows has a temporary folder for each user.
_USER: Final = os.getuid() if hasattr(os, "getuid") else 0

SWEPT: Final = "swept.json"
"""File in a sweep's folder: the names of the options that differ between jobs."""


def in_sweep() -> bool:
    """Return whether this is a job of ``python train.py -m``."""
    return HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN


def check_strategy(trainer: "pl.Trainer") -> None:
    """Check that the trainer's strategy can start its processes in this job.

    Raises:
        GFMError: This is a job of a sweep, and each process would run the whole sweep; or it is a
            SLURM job of several tasks, of which only this process was started.
    """
    # Imported here, because --help should not wait for Lightning.
    from gfm.compat.lightning import lacks_srun, launches_script_per_device

    if lacks_srun(trainer):
        raise GFMError(
            "this SLURM job has several tasks, but only one process was started: start the command "
            "with srun, as in srun python train.py"
        )
    if in_sweep() and launches_script_per_device(trainer):
        raise GFMError(
            "jobs of a sweep cannot start processes by ddp: set trainer.strategy=ddp_spawn"
        )


def worst_objective(cfg: DictConfig) -> float:
    """Return the objective of a run without a result."""
    return -math.inf if cfg.objective_mode == "max" else math.inf


def run_job(
    cfg: DictConfig, execute: Callable[[DictConfig], tuple[dict[str, float], Any]]
) -> float:
    """Run a single run or a job of a sweep, and return its objective.

    A job also writes its result to its folder.

    Args:
        cfg: Composed configuration of the run.
        execute: Trains or evaluates; the first value that it returns holds the final metrics.

    Raises:
        GFMError: The folder of the job holds a run with different options.
    """
    if not in_sweep():
        _check_is_one_run(cfg)
        return _objective(execute(_with_sweep_options(cfg))[0], cfg)
    prepare_process()  # a launcher may have started it
    folder = Path(HydraConfig.get().runtime.output_dir)
    result = _begin(folder)
    if result["status"] != "running":
        ended = "has failed" if result["status"] == "failed" else "is finished"
        console().print(f"{folder} {ended} already")
        value = result["objective"]
        return worst_objective(cfg) if value is None else float(value)
    start = time.monotonic()
    metrics = execute(_with_sweep_options(cfg))[0]
    value = _objective(metrics, cfg)
    result |= {"status": "finished", "objective": value if math.isfinite(value) else None}
    result |= {"seconds": round(time.monotonic() - start, 1), "metrics": dict(metrics)}
    write_result(folder, result)
    return value


def _check_is_one_run(cfg: DictConfig) -> None:
    """Check that a command without ``-m`` chooses neither a table nor a search."""
    if "table" in cfg:
        raise GFMError("a table is many runs: add -m, as in train.py -m table=rosta")
    is_search = bool(HydraConfig.get().runtime.choices.get("hparams_search"))
    if is_search and not cfg.ckpt_path:  # a trial may be resumed alone
        raise GFMError("a search is many runs: add -m, as in train.py -m hparams_search=optuna")


def _with_sweep_options(cfg: DictConfig) -> DictConfig:
    """Name a job of a sweep, give it a GPU, and resume one that was interrupted.

    A job that is resumed alone, outside of its sweep, keeps its name. All this comes before
    interpolations are resolved, because loggers read ``run.name``.
    """
    name, group = _job_name(Path(cfg.paths.run))
    checkpoint = _job_to_resume()
    if not name and not group and not checkpoint:
        return cfg
    import torch  # imported here, because --help should not wait for it

    cfg = cfg.copy()
    if cfg.trainer.accelerator in ("auto", "gpu") and cfg.trainer.devices == 1:
        gpu = choose_gpu(torch.cuda.device_count())
        cfg.trainer.devices = 1 if gpu is None else [gpu]
    if group:
        cfg.run.name = f"{cfg.run.name} {name}".strip()
        cfg.run.group = cfg.run.group or group
    if checkpoint and "ckpt_path" in cfg:
        cfg.ckpt_path = str(checkpoint)
    return cfg


def _objective(metrics: Mapping[str, float], cfg: DictConfig) -> float:
    """Return the best value of the objective in a run, or its last value if no best is known."""
    return metrics.get("best", metrics.get(cfg.objective, worst_objective(cfg)))


def _begin(folder: Path) -> dict[str, Any]:
    """Return the saved result of a job that must not run again; record any other as running.

    Such a job has finished, or it is a failed trial of a search on which later trials depend.
    """
    overrides = given_overrides(HydraConfig.get())
    before = read_result(folder, overrides)
    if before is not None:
        if before["status"] == "failed" and _has_later_trials():
            return before
        (folder / ERROR).unlink(missing_ok=True)
        if before["status"] == "finished":
            return before
    result = {"status": "running", "objective": None, "overrides": overrides}
    write_result(folder, result)
    return result


def read_result(folder: Path, overrides: Sequence[str]) -> dict[str, Any] | None:
    """Return the result of a job from its folder; ``None`` if it has not begun.

    Raises:
        GFMError: The folder holds a run with different options.
    """
    file = folder / RESULT
    if not file.is_file():
        return None
    result: dict[str, Any] = json.loads(file.read_text())
    if result["overrides"] != list(overrides):
        changed = sorted(set(result["overrides"]) ^ set(overrides)) or ["the order of options"]
        raise GFMError(
            f"{folder} holds a run that differs in {', '.join(changed)}: repeat the command of "
            "that sweep to resume it, or set hydra.sweep.dir to a new folder"
        )
    return result


def _has_later_trials() -> bool:
    """Return whether a later trial of a search has finished, which depends on the earlier ones.

    If so, a failed trial must not run again: if it now succeeded, the search would suggest other
    options from there on, and the finished trials would no longer match their folders.
    """
    hydra = HydraConfig.get()
    if "optuna" not in hydra.sweeper._target_:
        return False
    files = Path(hydra.sweep.dir).glob(f"*/{RESULT}")
    later = [f for f in files if f.parent.name.isdigit() and int(f.parent.name) > hydra.job.num]
    return any(json.loads(file.read_text())["status"] == "finished" for file in later)


def write_result(folder: Path, result: Mapping[str, Any]) -> None:
    """Write the result of a job to its folder; only rank zero writes."""
    if is_global_zero():
        write_text(folder / RESULT, json.dumps(result, indent=2) + "\n")


def _job_to_resume() -> Path | None:
    """Return the checkpoint of this job of a sweep if the job was interrupted."""
    if not in_sweep():
        return None
    checkpoint = Path(HydraConfig.get().runtime.output_dir, LAST_CHECKPOINT)
    return checkpoint if checkpoint.is_file() else None


def choose_gpu(num_gpus: int) -> int | None:
    """Return the GPU of this job if the launcher joblib runs several at a time, else ``None``.

    Each worker keeps a separate GPU if there are enough. GPUs cannot be assigned by the number in a
    worker's name, because joblib replaces workers whose memory has grown.
    """
    is_worker = multiprocessing.current_process().name.startswith("LokyProcess-")
    if not is_worker or num_gpus < 2 or not in_sweep():
        return None
    return _claim_number(os.path.realpath(HydraConfig.get().sweep.dir)) % num_gpus


@functools.cache
def _claim_number(sweep: str) -> int:
    """Claim and return the first number that no other process of a sweep holds."""
    digest = hashlib.sha256(sweep.encode()).hexdigest()[:12]
    # Not in the folder of the sweep, which may be on a file system without locks.
    folder = Path(tempfile.gettempdir(), f"gfm_{_USER}_{digest}")
    for number in itertools.count():
        try:
            acquire_lock(folder / str(number))
        except WriteError:
            raise
        except GFMError:  # held
            continue
        break
    return number


def _job_name(folder: Path) -> tuple[str, str | None]:
    """Return the name of a job, and its group on a dashboard: the folder of the sweep.

    The name is made of the options that differ between the jobs, and empty outside of a sweep.

    Args:
        folder: Folder of the run.
    """
    if in_sweep():
        folder = Path(HydraConfig.get().runtime.output_dir)
    sweep = next((p for p in folder.absolute().parents if (p / SWEPT).is_file()), None)
    if sweep is None:
        return "", None
    swept = json.loads((sweep / SWEPT).read_text(encoding="utf-8"))
    given = given_overrides(HydraConfig.get()) if in_sweep() else saved_overrides(folder)
    overrides = [str(override).lstrip("+") for override in given]
    return ",".join(o for o in overrides if o.split("=")[0] in swept), sweep.name
