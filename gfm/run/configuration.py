"""Resolves, validates, completes and freezes the configuration that Hydra composed."""

import re
from typing import Any, TypeVar

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from pydantic import ValidationError

from gfm.config import Config, EvaluateConfig, TrainConfig
from gfm.errors import GFMError
from gfm.models.precision import choose_precision, device_type, prefers_channels_last
from gfm.option_sections import FROM_PHOTOS
from gfm.run.from_photos import fit_to_photos, restore_photo_options
from gfm.run.from_weights import take_network
from gfm.run.option_errors import explain, options_of_set
from gfm.run.saved_options import by_option, given_overrides
from gfm.run.test_set_options import ONLY_EVALUATED, config_of_set
from gfm.system.console import console
from gfm.system.ranks import is_global_zero

C = TypeVar("C", bound=Config)


def load_train_config(cfg: DictConfig) -> TrainConfig:
    """Validate a composed configuration, and fill in what weights, photos and machine determine.

    Raises:
        OptionsError: Options are unknown, missing, out of range, or contradict each other.
        GFMError: The data have no training photos, or ``backbone=weights`` finds no weights.
    """
    if "crop_sizes" not in cfg.data:
        raise GFMError(ONLY_EVALUATED.format(cfg.data.name))
    if OmegaConf.select(cfg, "backbone.name") == "weights":
        cfg = take_network(cfg)
    options: Any = OmegaConf.to_container(cfg, resolve=True)
    if options["ckpt_path"]:
        options = restore_photo_options(options)
    config = _validate(TrainConfig, options, cfg)
    if None in [getattr(config.data, name) for name in FROM_PHOTOS]:
        config = fit_to_photos(config)
    config = _choose_memory_format(_fit_to_machine(config))
    return _repeat_batches(config) if config.trainer.overfit_batches else config


def load_evaluate_configs(cfg: DictConfig) -> list[EvaluateConfig]:
    """Validate the configuration of an evaluation, for each of its test sets.

    Raises:
        OptionsError: As in :func:`load_train_config`.
    """
    configs: list[EvaluateConfig] = []
    for name in map(str, cfg.sets):
        own = config_of_set(cfg, name)
        if configs:  # "auto" is chosen, and printed, only once
            own.trainer.precision = configs[0].trainer.precision
        with options_of_set(name):
            configs.append(_load_evaluate_config(own))
    return configs or [_load_evaluate_config(cfg)]


def _load_evaluate_config(cfg: DictConfig) -> EvaluateConfig:
    if cfg.checkpoint is not None and cfg.inference is None:
        _check_no_scales()
    options = OmegaConf.to_container(cfg, resolve=True)
    return _fit_to_machine(_validate(EvaluateConfig, options, cfg))


def _check_no_scales() -> None:
    """Check that the command line sets no scales, which the inference of the weights ignores."""
    given = given_overrides(HydraConfig.get()) if HydraConfig.initialized() else []
    for name, option in by_option(given).items():
        if re.match(r"(data|sets\.\w+)\.scales\b", name):
            raise GFMError(
                f"{option} has no effect, because inference=null keeps the scales of the "
                "checkpoint's run: add inference=hybrid, or another"
            )


def _validate(kind: type[C], options: Any, cfg: DictConfig) -> C:
    try:
        return kind.model_validate(options)
    except ValidationError as error:
        raise explain(error, kind, cfg) from None


def _fit_to_machine(config: C) -> C:
    """Choose precision and logging interval by the machine, unless they are set."""
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
    return config.replace(trainer=trainer)


def _choose_memory_format(config: TrainConfig) -> TrainConfig:
    """Choose the memory format of the network, which suits device, precision and input size."""
    device = device_type(config.trainer.accelerator)
    is_half = "16" in str(config.trainer.precision)
    if prefers_channels_last(device, is_half, config.data.input_size):
        return config.replace(memory_format="channels_last")
    return config


def _repeat_batches(config: TrainConfig) -> TrainConfig:
    """Replace ``trainer.overfit_batches`` with options that repeat the samples of one epoch.

    Lightning would replace our sampler with one whose indices the dataset does not accept, and each
    epoch would still draw different windows.
    """
    num_batches = config.trainer.overfit_batches
    changes = {"overfit_batches": 0.0, "limit_train_batches": num_batches}
    if config.trainer.limit_val_batches is None:
        changes["limit_val_batches"] = num_batches
    return config.replace(
        trainer=config.trainer.replace(**changes),
        data=config.data.replace(repeats_first_epoch=True),
    )
