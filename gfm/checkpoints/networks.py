"""From a checkpoint to a network with its weights."""

from collections.abc import Sequence
from pathlib import Path

from gfm.build import build
from gfm.checkpoints.formats import Checkpoint, read_checkpoint
from gfm.errors import GFMError
from gfm.models.gfm import GFM


def load_network(path: Path | str, trust: Sequence[str] = ()) -> tuple[GFM, Checkpoint]:
    """The network of a checkpoint with its weights, in evaluation mode.

    Args:
        path: of the file, or what :func:`gfm.checkpoints.sources.find_checkpoint` finds it by.
        trust: packages other than this one whose classes the file may name.

    Raises:
        GFMError: the file is missing, damaged, something else, or names what is not trusted.
    """
    checkpoint = read_checkpoint(Path(path), trust)
    return build_network(checkpoint, path), checkpoint


def build_network(checkpoint: Checkpoint, path: Path | str) -> GFM:
    """The network of a checkpoint that was read already, in evaluation mode.

    Raises:
        GFMError: its weights are of another network than it says; ``path`` is for the message.
    """
    model: GFM = build(checkpoint.model)
    load_weights(model, checkpoint, path)
    return model.eval()


def load_weights(model: GFM, checkpoint: Checkpoint, path: Path | str) -> None:
    """Copies a checkpoint's weights into a network of the same architecture.

    Raises:
        GFMError: backbone or RoSTA differ; ``path`` is for the message.
    """
    check_weights(model, checkpoint, path)
    model.load_state_dict(checkpoint.state)


def check_weights(model: GFM, checkpoint: Checkpoint, path: Path | str) -> None:
    """Compares names and shapes of a checkpoint's weights with those of a network.

    Raises:
        GFMError: backbone or RoSTA differ; ``path`` is for the message.
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
