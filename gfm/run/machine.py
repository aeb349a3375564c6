"""Chooses the options that depend on the machine."""

from omegaconf import DictConfig, OmegaConf

from gfm.models.hardware import choose_precision, device_type, prefers_channels_last
from gfm.system.console import console
from gfm.system.ranks import is_global_zero


def decide(cfg: DictConfig) -> tuple[DictConfig, bool]:
    """Replace ``trainer.precision=auto`` and an unset logging interval by values for this machine.

    Prints which precision was chosen, and why.

    Returns:
        The configuration, and whether ``auto`` calls for training with channels last.
    """
    device = device_type(cfg.trainer.accelerator)
    changes: dict[str, int | str] = {}
    if cfg.trainer.log_every_n_steps is None:
        # Fetching a value waits for the GPU, which then has nothing to do.
        changes["log_every_n_steps"] = 1 if device == "cpu" else 10
    channels_last = False
    if cfg.trainer.precision == "auto":
        precision, reason = choose_precision(device)
        changes["precision"] = precision
        side = cfg.data.get("input_size")  # a plain test set has none
        channels_last = prefers_channels_last(device, "16" in precision, side)
        if is_global_zero():
            console().print(f"trainer.precision=auto: {precision}, for {reason}", highlight=False)
    decided: DictConfig = OmegaConf.merge(cfg, {"trainer": changes})  # type: ignore[assignment]
    return decided, channels_last
