"""The content of a checkpoint: how its network is built, its weights, and facts about it."""

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from gfm import __version__
from gfm.inference.inferers import Inferer, format_inferer


@dataclass(frozen=True)
class Checkpoint:
    """The content of a file.

    Attributes:
        model: Plain ``_target_`` node that builds the network with random weights.
        state: Weights of the network.
        config: Configuration of the run that made the file; empty for released checkpoints.
    """

    model: dict[str, Any]
    state: dict[str, Tensor]
    config: dict[str, Any] = field(default_factory=dict)

    @property
    def encoder_name(self) -> str:
        """Name of the encoder: ``r34``, timm's ``convnextv2_tiny``, or that of its function."""
        # GFM describes its encoder by a node, gfm_timm by timm's name, any other by its target.
        node = self.model.get("encoder") or self.model
        if isinstance(node, dict):
            target = str(node.get("_target_")).split(".")[-1]
            return str(node.get("name", target.removeprefix("gfm_")))
        return str(node)

    @property
    def inferer(self) -> Any:
        """Plain ``_target_`` node of the run's inferer; ``None`` if the file has none."""
        return self.config.get("inference")

    @property
    def scale_options(self) -> dict[str, Any]:
        """Data options of the run that determine at which scales the network was trained."""
        data = self.config.get("data")
        options = data if isinstance(data, dict) else {}
        return {name: options[name] for name in ("scales", "input_size") if name in options}


def without_pretrained(node: Any) -> Any:
    """Turn ``pretrained`` off in a network's node, because its weights are loaded afterwards."""
    if isinstance(node, dict):
        return {k: False if k == "pretrained" else without_pretrained(v) for k, v in node.items()}
    return node


UNKNOWN_LICENCE = (
    "not stated; the data that the network was trained on may restrict the use of its weights"
)


def collect_facts(checkpoint: Checkpoint, inferer: Inferer | None = None) -> dict[str, str]:
    """Return the metadata for a file of weights or, with an inferer, for an exported graph."""
    facts = {
        "generator": f"gfm-matting {__version__}",
        "architecture": f"GFM (Li et al., IJCV 2022), {checkpoint.encoder_name}",
        "rosta": str(checkpoint.model.get("rosta")),
        "weights_licence": str(checkpoint.config.get("licence") or UNKNOWN_LICENCE),
    }
    if inferer is not None:
        facts["inference"] = format_inferer(inferer)
    return facts
