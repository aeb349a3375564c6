"""Metadata of exported files."""

from gfm import __version__
from gfm.checkpoints.checkpoint import Checkpoint
from gfm.inference.inferers import Inferer, format_inferer

UNKNOWN_LICENCE = (
    "not stated; the data that the network was trained on may restrict the use of its weights"
)


def facts_of(checkpoint: Checkpoint, inferer: Inferer | None = None) -> dict[str, str]:
    """Return architecture, RoSTA, version and licence by name.

    Args:
        checkpoint: Its ``config`` may have the ``licence`` of the weights.
        inferer: Inferer that is part of the exported graph, if any.
    """
    facts = {
        "generator": f"gfm-matting {__version__}",
        "architecture": f"GFM (Li et al., IJCV 2022), {checkpoint.encoder_name}",
        "rosta": str(checkpoint.model.get("rosta")),
        "weights_licence": str(checkpoint.config.get("licence") or UNKNOWN_LICENCE),
    }
    if inferer is not None:
        facts["looks"] = format_inferer(inferer)
    return facts
