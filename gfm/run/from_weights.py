"""Takes the network, inference and input size of a run from its initial weights."""

from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig, OmegaConf, open_dict

from gfm.checkpoints import read_checkpoint
from gfm.checkpoints.checkpoint import Checkpoint
from gfm.checkpoints.file_io import previous_checkpoint
from gfm.errors import GFMError
from gfm.run.configs import CONFIGS

_KEPT = ("activation_checkpointing", "channels_last")  # options of the run, not of the weights


def take_network(cfg: DictConfig) -> DictConfig:
    """Replace ``backbone=weights`` by the network of ``init_from``, or of a resumed checkpoint.

    The RoSTA and the normalization are those of the weights. So are the inference and the input
    size, unless they are set.

    Raises:
        GFMError: There are no weights, or they name a class that is not trusted.
    """
    source = cfg.ckpt_path or cfg.init_from
    if source is None:
        raise GFMError("backbone=weights takes the network from weights: set init_from=<weights>")
    checkpoint = _read(Path(source), cfg.trust, falls_back=cfg.ckpt_path is not None)
    network = dict(checkpoint.model)
    cfg = cfg.copy()
    with open_dict(cfg):
        cfg.rosta = network.pop("rosta")
        cfg.recipe.decoder_scale = network.pop("decoder_scale", 1)
        cfg.recipe.normalization = network.get("normalization", "none")
        kept = {k: cfg.backbone[k] for k in _KEPT if k in cfg.backbone}
        if not network["_target_"].startswith("gfm.models."):
            kept = {}
        cfg.backbone = {**network, **kept, "name": checkpoint.encoder_name}
        if cfg.inference is None:
            usual = "rim" if cfg.rosta == "rim" else "hybrid"
            cfg.inference = checkpoint.inferer or OmegaConf.load(
                CONFIGS / f"inference/{usual}.yaml"
            )
            cfg.data.scales = checkpoint.scale_options.get("scales") or cfg.data.get("scales")
        if cfg.data.get("input_size") is None:
            size = checkpoint.scale_options.get("input_size")
            cfg.data.input_size = size if isinstance(size, int) else None  # None: unknown
    return cfg


def _read(path: Path, trust: Sequence[str], falls_back: bool) -> Checkpoint:
    """Read a checkpoint; if it is damaged, a resumed run reads the previous one."""
    previous = previous_checkpoint(path)
    try:
        return read_checkpoint(path, trust)
    except GFMError:
        if not falls_back or not previous.is_file():
            raise
        return read_checkpoint(previous, trust)
