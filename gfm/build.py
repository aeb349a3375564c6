"""The one place where configuration becomes objects."""

from typing import Any

import hydra
from hydra.errors import InstantiationException
from omegaconf import OmegaConf

from gfm.errors import GFMError


def plain(node: Any) -> Any:
    """A configuration node as dictionaries, lists and numbers, interpolations resolved."""
    return OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else node


def build(node: Any, **extra: Any) -> Any:
    """Instantiates ``_target_`` nodes, nested ones first; returns ``None`` for an empty node.

    Args:
        node: a configuration node or its plain form.
        extra: arguments that are objects already.

    Raises:
        GFMError: what is built found its arguments at fault, or cannot be built from them.
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
