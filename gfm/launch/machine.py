"""Options that the machine decides."""

from omegaconf import DictConfig, OmegaConf

from gfm.models.hardware import choose_precision, device_type, prefers_channels_last
from gfm.system.console import console
from gfm.system.ranks import is_first


def decide(cfg: DictConfig) -> tuple[DictConfig, bool]:
    """The configuration with what ``trainer.precision=auto`` and unset intervals stand for here.

    Says which precision was taken, and why.

    Returns:
        the configuration, and whether ``auto`` wants the network trained with channels last.
    """
    device = device_type(cfg.trainer.accelerator)
    changes: dict[str, int | str] = {}
    if cfg.trainer.log_every_n_steps is None:
        # Fetching a figure waits for the GPU, which has nothing to do meanwhile.
        changes["log_every_n_steps"] = 1 if device == "cpu" else 10
    channels_last = False
    if cfg.trainer.precision == "auto":
        precision, reason = choose_precision(device)
        changes["precision"] = precision
        channels_last = prefers_channels_last(device, "16" in precision, is_training=True)
        if is_first():
            console().print(f"trainer.precision=auto: {precision}, for {reason}", highlight=False)
    decided: DictConfig = OmegaConf.merge(cfg, {"trainer": changes})  # type: ignore[assignment]
    return decided, channels_last
