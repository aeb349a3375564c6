"""Builds the network of a checkpoint, and loads its weights."""

from collections.abc import Sequence
from pathlib import Path

from gfm.build import build
from gfm.checkpoints.formats import Checkpoint, read_checkpoint
from gfm.errors import GFMError
from gfm.models.gfm import GFM


def load_network(path: Path | str, trust: Sequence[str] = ()) -> tuple[GFM, Checkpoint]:
    """Load the network of a checkpoint with its weights, in evaluation mode.

    Args:
        path: File, or any source of :func:`gfm.checkpoints.sources.find_checkpoint`.
        trust: Other packages whose classes the file may name.

    Raises:
        GFMError: The file is missing, damaged or of another kind, or names a class that is not
            trusted.
    """
    checkpoint = read_checkpoint(Path(path), trust)
    return build_network(checkpoint, path), checkpoint


def build_network(checkpoint: Checkpoint, path: Path | str) -> GFM:
    """Build the network of a checkpoint that was already read, in evaluation mode.

    Raises:
        GFMError: The weights do not fit the network that the file describes. The message names
            ``path``.
    """
    model: GFM = build(checkpoint.model)
    load_weights(model, checkpoint, path)
    return model.eval()


def load_weights(model: GFM, checkpoint: Checkpoint, path: Path | str) -> None:
    """Copy the weights of a checkpoint into a network of the same architecture.

    Raises:
        GFMError: The backbone or the RoSTA differs. The message names ``path``.
    """
    check_weights(model, checkpoint, path)
    model.load_state_dict(checkpoint.state)


def check_weights(model: GFM, checkpoint: Checkpoint, path: Path | str) -> None:
    """Compare the names and shapes of a checkpoint's weights with those of a network.

    Raises:
        GFMError: The backbone or the RoSTA differs. The message names ``path``.
    """
    own = model.state_dict()
    given = checkpoint.state
    wrong = [k for k in own if k not in given or given[k].shape != own[k].shape]
    extra = [k for k in given if k not in own]
    if wrong or extra:
        raise GFMError(
            f"{path} is of another architecture: {len(wrong)} tensors missing or of another shape, "
            f"{len(extra)} unknown (such as {[*wrong, *extra][0]}); choose its backbone, rosta "
            "and recipe.decoder_scale"
        )
