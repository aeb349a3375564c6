"""Finds and checks the checkpoint from which an interrupted run is resumed."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch

from gfm.checkpoints.file_io import previous_checkpoint
from gfm.checkpoints.integrity import check_archive
from gfm.compat.hydra import format_value, leaves
from gfm.compat.lightning import missing_entries
from gfm.errors import GFMError
from gfm.system.ranks import is_global_zero
from gfm.training.optimization import Groups


class SavedRun(NamedTuple):
    """A run to resume.

    Attributes:
        path: Checkpoint to resume from.
        config: Configuration in the checkpoint.
        epochs: Number of epochs trained, including one that ``max_steps`` cut short.
        steps: Number of steps trained.
    """

    path: Path
    config: dict[str, Any]
    epochs: int = 0
    steps: int = 0


def read_saved_run(path: Path) -> SavedRun:
    """Read the checkpoint to resume from: this one, or the previous one if it is damaged.

    Only rank zero reads the whole file and verifies its checksums;
    :class:`gfm.checkpoints.checkpoint_io.AtomicCheckpointIO` tells the other ranks which file
    rank zero chose.

    Raises:
        GFMError: Both files are missing or damaged, or the checkpoint holds only weights or was
            written by a different program.
    """
    previous = previous_checkpoint(path)
    if not path.is_file() and not previous.is_file():
        raise GFMError(f"no checkpoint {path}: set ckpt_path to a last.ckpt, or a run's folder")
    content = _read_intact(path)
    if content is None and previous.is_file():
        warnings.warn(f"{path} is damaged; resuming from {previous.name}", stacklevel=2)
        path, content = previous, _read_intact(previous)
    if content is None:
        raise GFMError(f"{path} is damaged, and there is no {previous.name} to resume from")
    if "optimizer_states" not in content:
        raise GFMError(
            f"{path} holds only weights: resume from last.ckpt, or start a new run from its "
            "weights with init_from="
        )
    lacking = missing_entries(content)
    if lacking or not content["optimizer_states"]:
        raise GFMError(
            f"{path} was not written by gfm (its {', '.join(lacking) or 'optimiser'} cannot "
            "be read): resume from a last.ckpt"
        )
    return SavedRun(
        path, content["hyper_parameters"], content.get("epoch", 0), content.get("global_step", 0)
    )


def _read_intact(path: Path) -> dict[str, Any] | None:
    try:
        if is_global_zero():
            check_archive(path)
        # Even with memory mapping, torch detects a truncated file.
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception:  # torch raises many kinds of errors for a damaged file
        return None
    return content if isinstance(content, dict) else None


_FIXED = (
    *("model", "rosta", "init_from"),
    *("track", "seed", "freeze"),
    *("data.name", "data.batch_size", "data.also_share", "data.repeats_first_epoch"),
    *("optimizer._target_", "optimizer.amsgrad", "scheduler._target_"),
    "trainer.accumulate_grad_batches",
)
"""Options that the saved state depends on: network, initial weights, samples and optimiser."""

_FREE = ("pretrained", "activation_checkpointing", "channels_last")
"""Options of a network that do not change its weights, so a resumed run may change them."""


def check_options(saved: SavedRun, config: Mapping[str, Any]) -> None:
    """Check that a resumed run changes no option on which the saved state depends.

    Raises:
        GFMError: Such an option has changed.
    """
    before, now = leaves(saved.config), leaves(config)
    for options in (before, now):
        options.setdefault("scheduler._target_", None)  # scheduler=none
        options.setdefault("optimizer.amsgrad", False)
    if (before.get("unfreeze_every"), now.get("unfreeze_every")) != (None, None):
        before.pop("freeze", None)  # the optimiser holds all parameters, or check_parameters raises
    changes: dict[str, str] = {}
    for key, value in before.items():
        # An option that the network no longer has counts as changed.
        is_known = key in now or key.startswith("model.")
        if not _is_fixed(key) or not is_known or now.get(key) == value:
            continue
        option = _as_typed(key)
        group = option.split(".")[0]
        old, new = before.get(f"{group}.name"), now.get(f"{group}.name")
        if old != new:  # the user has chosen a different config of this group
            option = group
        else:
            old, new = value, now.get(key)
        changes[option] = f"{option}={format_value(new)} (was {format_value(old)})"
    if changes:
        raise GFMError(
            f"{saved.path} cannot be resumed with {', '.join(sorted(changes.values()))}: leave it "
            "unchanged, or start a new run from weights with init_from= and without ckpt_path="
        )


def check_length(saved: SavedRun, max_epochs: int, max_steps: int) -> None:
    """Check that a resumed run has not passed its new limits already; -1 sets no limit.

    Raises:
        GFMError: It was trained for more epochs or steps.
    """
    lengths = (("epochs", saved.epochs, max_epochs), ("steps", saved.steps, max_steps))
    for what, done, limit in lengths:
        if -1 < limit < done:
            raise GFMError(
                f"{saved.path} was trained for {done} {what}: set trainer.max_{what} to a higher "
                f"number, or to {done} to test the weights without further training"
            )


def check_samples(saved: SavedRun, samples: str, allow_others: bool = False) -> None:
    """Check that a resumed run trains on the same photos and backgrounds.

    Args:
        saved: The run; it is not checked if an earlier version stored no description.
        samples: Description by :func:`gfm.training.provenance.describe_samples`.
        allow_others: Whether to warn instead of raising an error.

    Raises:
        GFMError: The photos or backgrounds differ.
    """
    before = saved.config.get("provenance", {}).get("samples", samples)
    if before == samples:
        return
    if not allow_others:
        raise GFMError(
            f"{saved.path} was trained on {before}, but there are now {samples}: restore the "
            "files, set data.allow_other_photos=true, or start a new run from its weights with "
            "init_from="
        )
    warnings.warn(f"{saved.path} was trained on {before}; resuming on {samples}", stacklevel=2)


def check_parameters(checkpoint: Mapping[str, Any], now: Groups) -> None:
    """Check that a resumed run trains as many parameters as before, in the same groups.

    Raises:
        GFMError: The numbers of parameters per group differ.
    """
    before = checkpoint["optimizer_states"][0]["param_groups"]
    if [len(group["params"]) for group in before] != [len(group["params"]) for group in now]:
        raise GFMError(
            "the checkpoint was written with different settings of freeze, layer_decay or "
            "weight_decay_on: restore them, or start a new run from its weights with init_from="
        )


def _is_fixed(key: str) -> bool:
    inside = any(key == fixed or key.startswith(f"{fixed}.") for fixed in _FIXED)
    return inside and key.split(".")[-1] not in _FREE


def _as_typed(key: str) -> str:
    """Return the command-line option that sets a key of the saved configuration."""
    special = {"model.rosta": "rosta", "model.decoder_scale": "recipe.decoder_scale"}
    return special.get(key) or key.replace("model.", "backbone.", 1)
