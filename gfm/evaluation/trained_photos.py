"""Finds the photos that a network was trained on, which comparisons must leave out."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from gfm.data.split import TRAINED, read_split
from gfm.system.run_folder import SPLIT


def trained_photos(run: Path, config: Mapping[str, Any]) -> set[str]:
    """Return the names of the photos of a run's data that its network was trained on.

    They are listed in the ``split.csv`` of a training run. For an evaluation, it is that of the run
    that wrote the checkpoint, if both have the same ``data.root``.

    Args:
        run: Folder of a training run or an evaluation.
        config: Its plain configuration.

    Raises:
        GFMError: The split is damaged.
    """
    checkpoint = config.get("checkpoint")
    source = Path(checkpoint).parent.parent if isinstance(checkpoint, str) else run
    if not (source / SPLIT).is_file():
        return set()
    root = _root(config)
    if root is None or root != _root(_config(source)):
        return set()
    return read_split(source / SPLIT, TRAINED)


def _root(config: Mapping[str, Any]) -> Path | None:
    data = config.get("data")
    root = data.get("root") if isinstance(data, dict) else None
    return Path(root).resolve() if isinstance(root, str) else None


def _config(run: Path) -> dict[str, Any]:
    try:
        config = yaml.safe_load((run / "config.yaml").read_text("utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    return config if isinstance(config, dict) else {}
