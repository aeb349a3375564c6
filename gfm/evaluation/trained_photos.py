"""Finds the photos that a network was trained on, which comparisons must leave out."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from gfm.data.mixture import dataset_name
from gfm.data.split import TRAINED, read_split
from gfm.system.run_folder import SPLIT, run_of


def trained_photos(run: Path, config: Mapping[str, Any]) -> set[str]:
    """Return the names of the photos of a run's data that its network was trained on.

    They are listed in the ``split.csv`` of a training run. For an evaluation, this is the run that
    wrote the checkpoint, if its ``data.root`` or ``data.also`` includes the evaluation's root.

    Args:
        run: Folder of a training run or an evaluation.
        config: Its configuration as a plain mapping.

    Raises:
        GFMError: The split is damaged.
    """
    checkpoint = config.get("checkpoint")
    source = run_of(Path(checkpoint)) if isinstance(checkpoint, str) else run
    if not (source / SPLIT).is_file():
        return set()
    root, *_ = _roots(config)
    own, *also = _roots(_config(source))
    if root is None or root not in (own, *also):
        return set()
    names = read_split(source / SPLIT, TRAINED)
    if root == own:
        return names
    prefix = f"{dataset_name(root)}/"
    return {name.removeprefix(prefix) for name in names if name.startswith(prefix)}


def _roots(config: Mapping[str, Any]) -> list[Path | None]:
    """Return the root folder of the main dataset and those of the added ones."""
    data = config.get("data")
    data = data if isinstance(data, dict) else {}
    roots = (data.get("root"), *(data.get("also") or []))
    return [Path(root).resolve() if isinstance(root, str) else None for root in roots]


def _config(run: Path) -> dict[str, Any]:
    try:
        config = yaml.safe_load((run / "config.yaml").read_text("utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    return config if isinstance(config, dict) else {}
