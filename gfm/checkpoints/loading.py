"""Builds the network of a checkpoint and loads its weights."""

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gfm.checkpoints.checkpoint import Checkpoint
from gfm.checkpoints.formats import read_checkpoint
from gfm.compat.hydra import instantiate
from gfm.compat.torch import skip_random_weights
from gfm.errors import GFMError
from gfm.models.gfm import GFM


def load_network(path: Path | str, trust: Sequence[str] = ()) -> tuple[GFM, Checkpoint]:
    """Load a network in evaluation mode; arguments and errors as in :func:`read_checkpoint`."""
    checkpoint = read_checkpoint(Path(path), trust)
    return build_network(checkpoint, path), checkpoint


def build_network(checkpoint: Checkpoint, path: Path | str) -> GFM:
    """Build the network of a checkpoint read from ``path``, after :func:`check_network`."""
    check_network(checkpoint, path)
    with skip_random_weights() if _network_class(checkpoint.model) == "GFM" else nullcontext():
        model = _build(checkpoint, path)
    if any(b.is_floating_point() for b in _unsaved_buffers(model)):
        model = _build(checkpoint, path)  # they may have random values, which the file lacks
    model.load_state_dict(checkpoint.state)
    return model.eval()


def _unsaved_buffers(model: GFM) -> Iterator[Tensor]:
    """Yield the buffers of users' classes that checkpoints do not contain."""
    known = {"mean", "std", *model.state_dict()}  # GFM sets the first two
    return (buffer for name, buffer in model.named_buffers() if name not in known)


def check_network(checkpoint: Checkpoint, path: Path | str) -> None:
    """Raise GFMError unless the weights of ``path`` fit the network that it describes.

    The network is first built on the ``meta`` device, because a wrong description may request any
    amount of memory.
    """
    try:
        with torch.device("meta"), skip_random_weights():
            model = _build(checkpoint, path)
    except GFMError:  # it cannot be built, or a user's class needs real tensors
        model = _build(checkpoint, path)
    check_weights(model, checkpoint, path)


def _build(checkpoint: Checkpoint, path: Path | str) -> GFM:
    try:
        model: GFM = instantiate(checkpoint.model)
    except GFMError as error:
        raise GFMError(f"{path}: {error}") from error
    if not isinstance(model, nn.Module):
        raise GFMError(f"{path} describes a {type(model).__name__}, not a network")
    return model


def load_weights(model: GFM, checkpoint: Checkpoint, path: Path | str) -> None:
    """Copy the weights of ``path`` into a network, after :func:`check_weights`."""
    check_weights(model, checkpoint, path)
    model.load_state_dict(checkpoint.state)


def check_same_problem(model: Any, checkpoint: Checkpoint, path: Path | str) -> None:
    """Raise GFMError if a ``_target_`` node and ``path`` differ in RoSTA or normalisation.

    The shapes of weights do not reveal either: those of FT and BT are the same. Networks of
    other packages are compared only with networks of the same class.
    """
    source = checkpoint.model
    if not isinstance(source, dict) or _network_class(source) != _network_class(model):
        return
    for option, default in (("rosta", "tt"), ("normalization", "none")):
        learnt = source.get(option, default)
        if learnt != model.get(option, default):
            name = "rosta" if option == "rosta" else f"backbone.{option}"
            raise GFMError(f"the weights of {path} were trained with {name}={learnt}: set that")


def _network_class(node: dict[str, Any]) -> str:
    # All networks of gfm.models are GFM; older files name the class itself.
    target = str(node.get("_target_"))
    return "GFM" if target.startswith("gfm.models.") else target


def check_weights(model: GFM, checkpoint: Checkpoint, path: Path | str) -> None:
    """Raise GFMError unless the weights of ``path`` are finite and fit a network."""
    own, given = model.state_dict(), checkpoint.state
    wrong = [k for k in own if k not in given or given[k].shape != own[k].shape]
    extra = [k for k in given if k not in own]
    if wrong or extra:
        raise GFMError(
            f"{path} has a different architecture: {len(wrong)} tensors missing or of a different "
            f"shape, {len(extra)} unknown (such as {[*wrong, *extra][0]}); choose its backbone, "
            "rosta and recipe.decoder_scale"
        )
    for name, tensor in given.items():
        # Counters may be floats, because some programs convert everything they save.
        is_number = tensor.is_floating_point() or not own[name].is_floating_point()
        if tensor.is_complex() or not is_number:
            raise GFMError(f"{path} has weights that are not floats ({name} is {tensor.dtype})")
        if not tensor.isfinite().all():
            raise GFMError(f"{path} has weights that are not finite ({name}): train again")
