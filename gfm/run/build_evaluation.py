"""Builds the objects of an evaluation from its configuration."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytorch_lightning as pl

from gfm.checkpoints import Checkpoint, choose_inferer, load_network
from gfm.checkpoints.sources import find_checkpoint
from gfm.compat.hydra import instantiate
from gfm.config import EvaluateConfig
from gfm.data.layout import Photo
from gfm.evaluation.journal import Journal, fingerprint
from gfm.evaluation.network import NetworkSource
from gfm.evaluation.predictions import PredictionSource
from gfm.evaluation.scoring import MatteSource, Scorer
from gfm.inference.shrinking import shrinking
from gfm.models.gfm import GFM
from gfm.models.precision import choose_inference_format
from gfm.run.sweep import check_strategy
from gfm.system.files import fingerprint_of_content


@dataclass(frozen=True)
class Network:
    """The network of a checkpoint, with the trainer that applies it to each test set."""

    path: Path
    fingerprint: str
    model: GFM
    checkpoint: Checkpoint
    trainer: pl.Trainer


def load(config: EvaluateConfig) -> Network | None:
    """Load the network of the checkpoint; ``None`` for mattes from a folder."""
    if config.predictions is not None:
        return None
    path = find_checkpoint(config.checkpoint or "")
    model, checkpoint = load_network(path, tuple(config.trust))
    node = config.trainer.to_dict()
    # PhotoProgress shows the progress instead.
    node |= {"enable_progress_bar": node.get("enable_progress_bar") or False}
    trainer = instantiate(node)
    check_strategy(trainer)
    choose_inference_format(model, trainer.strategy.root_device.type, str(trainer.precision))
    return Network(path, fingerprint_of_content(path), model, checkpoint, trainer)


def choose_source(
    config: EvaluateConfig, photos: list[Photo], network: Network | None
) -> MatteSource:
    """Return the source of the mattes: the network, or a folder of files."""
    if network is None:
        return PredictionSource(Path(config.predictions or ""), photos, config.allow_missing)
    facts = {
        "checkpoint": str(network.path),
        "encoder": network.checkpoint.encoder_name,
        "RoSTA": network.checkpoint.model["rosta"].upper(),
    }
    inference = config.inference.to_dict() if config.inference else None
    inferer = choose_inferer(network.checkpoint, inference)
    inferer = shrinking(inferer, config.data.shorter_side)
    return NetworkSource(network.model, inferer, network.trainer, network.fingerprint, facts)


def describe(config: EvaluateConfig, photos: list[Photo]) -> tuple[dict[str, str], dict[str, str]]:
    """Describe the data and how they are scored.

    Returns:
        The settings that must be the same to resume an interrupted evaluation, and the facts that
        the report shows.
    """
    digest = fingerprint(path for p in photos for path in (p.image, p.alpha, p.trimap, p.scene))
    has_trimaps = any(photo.trimap for photo in photos)
    facts = {
        "data": f"{config.data.name}, {len(photos)} photos",
        "trimaps": "from files" if has_trimaps else "made from the alphas",
        "protocol": config.protocol,
    }
    settings = {"data": f"{config.data.name} {digest}", "protocol": config.protocol}
    if config.extra_metrics:
        nodes = {name: node.to_dict() for name, node in config.extra_metrics.items()}
        settings["extra_metrics"] = json.dumps(nodes)
    if config.checkpoint is not None:
        score, bits = config.score, config.alpha_bits
        settings |= {"score": score, "alpha_bits": str(bits)}
        facts["scored"] = "the network's floats" if score == "float" else f"files of {bits} bits"
    return settings, facts


def make_scorer(config: EvaluateConfig, journal: Journal) -> Scorer:
    """Build the scorer, which writes to the folder of the evaluation."""
    extra = {name: instantiate(node.to_dict()) for name, node in config.extra_metrics.items()}
    score, alpha_bits = config.score, config.alpha_bits
    return Scorer(config.folder / "alpha", config.protocol, journal, extra, score, alpha_bits)
