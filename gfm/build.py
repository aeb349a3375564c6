"""Makes objects from configuration, which happens nowhere else."""

from typing import Any

import hydra
from hydra.errors import InstantiationException
from omegaconf import OmegaConf

from gfm.errors import GFMError


def plain(node: Any) -> Any:
    """Resolve a configuration node to plain dictionaries, lists and numbers."""
    return OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else node


def build(node: Any, **extra: Any) -> Any:
    """Build the object that a node's ``_target_`` names, nested ones first.

    Args:
        node: Configuration node, or its plain form.
        extra: Arguments that are objects already.

    Returns:
        The object, or None for an empty node.

    Raises:
        GFMError: The arguments are at fault, or the object cannot be built from them.
    """
    node = plain(node)
    if not node:  # null, or a group's empty choice
        return None
    try:
        return hydra.utils.instantiate(node, _convert_="all", **extra)
    except InstantiationException as error:
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        if isinstance(cause, GFMError):
            raise cause from None
        target = node.get("_target_", "?") if isinstance(node, dict) else "?"
        raise GFMError(f"cannot build {target}: {cause}") from error
