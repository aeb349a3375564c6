"""From a checkpoint to a network with its weights."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

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
    check_network(checkpoint, path)
    model = _build(checkpoint, path)
    load_weights(model, checkpoint, path)
    return model.eval()


def check_network(checkpoint: Checkpoint, path: Path | str) -> None:
    """Checks that a checkpoint's weights are of the network that it describes.

    The network is built without memory, of which a wrong description may ask for any amount.

    Raises:
        GFMError: they are not; ``path`` is for the message.
    """
    try:
        with torch.device("meta"):
            model = _build(checkpoint, path)
    except GFMError:  # either it cannot be built, or a class of the user's needs memory
        model = _build(checkpoint, path)
    check_weights(model, checkpoint, path)


def _build(checkpoint: Checkpoint, path: Path | str) -> GFM:
    try:
        model: GFM = build(checkpoint.model)
    except GFMError as error:
        raise GFMError(f"{path}: {error}") from error
    if not isinstance(model, nn.Module):
        raise GFMError(f"{path} describes no network, but a {type(model).__name__}")
    return model


def load_weights(model: GFM, checkpoint: Checkpoint, path: Path | str) -> None:
    """Copies a checkpoint's weights into a network of the same architecture.

    Raises:
        GFMError: backbone or RoSTA differ; ``path`` is for the message.
    """
    check_weights(model, checkpoint, path)
    model.load_state_dict(checkpoint.state)


def check_weights(model: GFM, checkpoint: Checkpoint, path: Path | str) -> None:
    """Compares a checkpoint's weights with those of a network: names, shapes, kinds of numbers.

    Raises:
        GFMError: backbone or RoSTA differ, or a weight is no finite number; ``path`` is for the
            message.
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
    for name, tensor in given.items():
        if tensor.is_floating_point() != own[name].is_floating_point() or tensor.is_complex():
            raise GFMError(f"{path} has a state in which {name} is of {tensor.dtype}, not floats")
        if not tensor.isfinite().all():
            raise GFMError(f"{path} has weights that are not finite ({name}): train again")
