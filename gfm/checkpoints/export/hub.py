"""A folder that can be given away: weights, what they are, and a model card."""

import csv
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2

from gfm import __version__
from gfm.checkpoints.facts import UNKNOWN_LICENCE, facts_of
from gfm.checkpoints.formats import Checkpoint, write_checkpoint
from gfm.checkpoints.sources import HUB_WEIGHTS
from gfm.errors import GFMError
from gfm.system.files import make_folder, write_text


def write_hub_folder(
    folder: Path, checkpoint: Checkpoint, metrics: Mapping[str, float], name: str
) -> None:
    """Writes ``model.safetensors``, ``config.json`` and ``README.md``, the model card.

    Args:
        folder: where to; made if need be.
        checkpoint: of the network; ``config`` tells of the data it was trained on.
        metrics: of an evaluation, by name; may be empty.
        name: of the model, as the card calls it.

    Raises:
        GFMError: the folder cannot be written.
    """
    make_folder(folder)
    write_checkpoint(folder / HUB_WEIGHTS, checkpoint)
    write_text(folder / "config.json", json.dumps(_config(checkpoint, metrics), indent=2) + "\n")
    write_text(folder / "README.md", _card(checkpoint, metrics, name))


def read_metrics(path: Path) -> dict[str, float]:
    """The means of an evaluation, from its ``metrics.json``.

    Raises:
        GFMError: there is no such file, or it holds something else.
    """
    try:
        content = json.loads(path.read_text())
        return {str(key): float(value) for key, value in content.items()}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise GFMError(
            f"{path} is no metrics.json: give that of python evaluate.py checkpoint=…"
        ) from error


def metrics_of_run(checkpoint: Path) -> dict[str, float]:
    """What the final test of a run logged of its ``best.ckpt``, without ``test/``.

    Empty for another file, and where the run was not tested.
    """
    table = checkpoint.parent.parent / "metrics.csv"
    if checkpoint.name != "best.ckpt" or not table.is_file():
        return {}
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    tests = [{k: v for k, v in row.items() if v and k.startswith("test/")} for row in rows]
    last = [row for row in tests if row][-1:]
    return {name.removeprefix("test/"): float(row[name]) for row in last for name in row}


def _config(checkpoint: Checkpoint, metrics: Mapping[str, float]) -> dict[str, Any]:
    return {
        "library_name": "gfm-matting",
        **facts_of(checkpoint),
        "model": checkpoint.model,
        "inference": checkpoint.inferer,
        "training": _training(checkpoint.config),
        "metrics": dict(metrics),
    }


def _training(config: Mapping[str, Any]) -> dict[str, Any]:
    """What the run's configuration says of data, track and length; empty without one."""
    found: dict[str, Any] = {}
    for key, group in (("data", "data"), ("track", "track"), ("recipe", "recipe")):
        node = config.get(group)
        if isinstance(node, dict) and node.get("name"):
            found[key] = node["name"]
    if isinstance(config.get("trainer"), dict) and config["trainer"].get("max_epochs"):
        found["epochs"] = config["trainer"]["max_epochs"]
    return found


def _card(checkpoint: Checkpoint, metrics: Mapping[str, float], name: str) -> str:
    licence = checkpoint.config.get("licence")
    is_identifier = licence and re.fullmatch(r"[a-z0-9.-]+", licence)
    environment = jinja2.Environment(
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True, autoescape=False
    )
    source = Path(__file__).with_name("card.md.jinja").read_text(encoding="utf-8")
    return environment.from_string(source).render(
        name=name,
        version=__version__,
        licence=licence or UNKNOWN_LICENCE,
        licence_id=licence if is_identifier else "other",
        encoder=checkpoint.encoder_name,
        rosta=str(checkpoint.model["rosta"]).upper(),
        millions=sum(tensor.numel() for tensor in checkpoint.state.values()) / 1e6,
        training=_training(checkpoint.config),
        metrics=metrics,
    )
