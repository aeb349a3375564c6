"""Resolves, validates and freezes the configuration that Hydra composed."""

from pathlib import Path
from typing import Any, TypeVar

import torch
from omegaconf import DictConfig, OmegaConf
from pydantic import ValidationError

from gfm.config import Config, EvaluateConfig, TrainConfig
from gfm.errors import GFMError
from gfm.models.precision import choose_precision, device_type, prefers_channels_last
from gfm.run.from_photos import fit_to_photos, keep_chosen
from gfm.run.from_weights import take_network
from gfm.run.option_errors import explain, options_of_set
from gfm.run.sweep import choose_gpu, is_search_without_sweep, job_name, job_to_resume
from gfm.run.test_sets import ONLY_EVALUATED, config_of_set
from gfm.system.console import console
from gfm.system.ranks import is_global_zero

C = TypeVar("C", bound=Config)


def load_config(kind: type[C], cfg: DictConfig) -> C:
    """Validate a composed configuration, and fill in what sweep, weights, photos and machine set.

    Args:
        kind: :class:`gfm.config.TrainConfig` or :class:`gfm.config.EvaluateConfig`.
        cfg: Configuration as Hydra composed it.

    Raises:
        OptionsError: Options are unknown, missing, out of range, or contradict each other.
        GFMError: The data have no training photos.
    """
    if "table" in cfg:
        raise GFMError("a table is many runs: add -m, as in train.py -m table=rosta")
    if is_search_without_sweep() and not cfg.get("ckpt_path"):  # a trial may be resumed alone
        raise GFMError("a search is many runs: add -m, as in train.py -m hparams_search=optuna")
    if kind is TrainConfig and "crop_sizes" not in cfg.data:
        raise GFMError(ONLY_EVALUATED.format(cfg.data.name))
    cfg = take_network(_place_in_sweep(cfg))
    options: Any = OmegaConf.to_container(cfg, resolve=True)
    try:
        config = kind.model_validate(keep_chosen(options))
    except ValidationError as error:
        raise explain(error, kind, cfg) from None
    return _repeat_batches(_fit_to_machine(fit_to_photos(config)))


def load_config_per_set(cfg: DictConfig) -> list[EvaluateConfig]:
    """Load the configuration of an evaluation on each test set; see :func:`load_config`."""
    configs: list[EvaluateConfig] = []
    for name in map(str, cfg.sets):
        own = config_of_set(cfg, name)
        if configs:  # the same machine, hence the same precision
            own.trainer.precision = configs[0].trainer.precision
        with options_of_set(name):
            configs.append(load_config(EvaluateConfig, own))
    return configs or [load_config(EvaluateConfig, cfg)]


def _place_in_sweep(cfg: DictConfig) -> DictConfig:
    """Name a job of a sweep, give it a GPU, and resume one that was interrupted.

    This comes before interpolations are resolved, because loggers take the name from ``run``.
    """
    name, group = job_name(Path(cfg.paths.run))
    checkpoint = job_to_resume()
    if not name and not group and not checkpoint:
        return cfg
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


def _fit_to_machine(config: C) -> C:
    """Choose precision, memory format and logging interval by the machine, unless they are set."""
    trainer = config.trainer
    device = device_type(trainer.accelerator)
    if trainer.log_every_n_steps is None:
        # Reading a value makes the host wait for the GPU, which then runs idle.
        trainer = trainer.replace(log_every_n_steps=1 if device == "cpu" else 10)
    if trainer.precision == "auto":
        precision, reason = choose_precision(device)
        trainer = trainer.replace(precision=precision)
        if is_global_zero():
            console().print(f"trainer.precision=auto: {precision}, for {reason}")
    if isinstance(config, TrainConfig) and prefers_channels_last(
        device, "16" in str(trainer.precision), config.data.input_size
    ):
        config = config.replace(memory_format="channels_last")
    return config.replace(trainer=trainer)


def _repeat_batches(config: C) -> C:
    """Replace ``trainer.overfit_batches`` with options that repeat the samples of one epoch.

    Lightning would replace our sampler with one whose indices the dataset does not accept, and each
    epoch would still draw different windows.
    """
    num_batches = config.trainer.overfit_batches
    if not num_batches or not isinstance(config, TrainConfig):
        return config
    changes = {"overfit_batches": 0.0, "limit_train_batches": num_batches}
    if config.trainer.limit_val_batches is None:
        changes["limit_val_batches"] = num_batches
    return config.replace(
        trainer=config.trainer.replace(**changes),
        data=config.data.replace(repeats_first_epoch=True),
    )
