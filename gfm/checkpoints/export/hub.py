"""Writes a folder for the Hub: weights, their description and a model card."""

import csv
import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
from torch import Tensor

from gfm import __version__
from gfm.checkpoints.checkpoint import Checkpoint, collect_facts
from gfm.checkpoints.formats import write_checkpoint
from gfm.checkpoints.overwriting import seal
from gfm.checkpoints.sources import HUB_WEIGHTS
from gfm.errors import GFMError
from gfm.system.files import check_file, make_folder, write_text
from gfm.system.run_folder import run_of

HUB_FILES = (HUB_WEIGHTS, "config.json", "README.md")
"""Names of the files that :func:`write_hub_folder` writes: weights, description, model card."""


def write_hub_folder(
    folder: Path, checkpoint: Checkpoint, metrics: Mapping[str, float], name: str
) -> None:
    """Write :data:`HUB_FILES`.

    The card has the name of the model, the training data in the checkpoint's ``config``, and the
    metrics of an evaluation, which may be empty; those without a finite value are left out.
    """
    make_folder(folder)
    metrics = {name: value for name, value in metrics.items() if math.isfinite(value)}
    weights, config, card = (folder / name for name in HUB_FILES)
    write_checkpoint(weights, checkpoint)
    write_text(config, json.dumps(_config(checkpoint, metrics), indent=2) + "\n")
    write_text(card, seal(_card(checkpoint, metrics, name)))


def read_metrics(path: Path) -> dict[str, float]:
    """Read the means of an evaluation from its ``metrics.json``; any other file raises GFMError."""
    check_file(path)
    try:
        content = json.loads(path.read_text())
        return {str(key): float(value) for key, value in content.items() if value is not None}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise GFMError(
            f"{path} is not a metrics.json: pass the one written by evaluate.py checkpoint=…"
        ) from error


def read_run_metrics(path: Path, checkpoint: Checkpoint) -> dict[str, float]:
    """Read the metrics that the final test of a run logged for one of its checkpoints.

    The run's option ``test`` chooses whether ``best.ckpt`` or ``last.ckpt`` is tested. The result
    has no prefix ``test/``. It is empty for any other file, without a final test, or if training
    was continued after it.
    """
    table = run_of(path) / "metrics.csv"
    if path.name != f"{checkpoint.config.get('test')}.ckpt" or not table.is_file():
        return {}
    with table.open(newline="") as file:
        rows = [{k: v for k, v in row.items() if v and "/" in k} for row in csv.DictReader(file)]
    last: dict[str, str] = next((row for row in reversed(rows) if row), {})
    return {k.removeprefix("test/"): float(v) for k, v in last.items() if k.startswith("test/")}


def _config(checkpoint: Checkpoint, metrics: Mapping[str, float]) -> dict[str, Any]:
    return {
        "library_name": "gfm-matting",
        **collect_facts(checkpoint),
        "model": checkpoint.model,
        "inference": checkpoint.inferer,
        "training": _training(checkpoint.config),
        "metrics": dict(metrics),
    }


def _training(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the data, the track, the recipe, and the limits of epochs and steps, if known."""
    found: dict[str, Any] = {}
    for key in ("data", "track", "recipe"):
        node = config.get(key)
        if isinstance(node, dict) and node.get("name"):
            found[key] = node["name"]
    trainer = config.get("trainer")
    for key in ("epochs", "steps"):
        limit = trainer.get(f"max_{key}") if isinstance(trainer, dict) else None
        if limit not in (None, -1):  # -1: no limit
            found[key] = limit
    return found


def _card(checkpoint: Checkpoint, metrics: Mapping[str, float], name: str) -> str:
    licence = collect_facts(checkpoint)["weights_licence"]
    is_identifier = re.fullmatch(r"[\w.-]+", licence, re.ASCII)
    environment = jinja2.Environment(
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True, autoescape=False
    )
    source = Path(__file__).with_name("card.md.jinja").read_text(encoding="utf-8")
    return environment.from_string(source).render(
        name=name,
        version=__version__,
        licence=licence,
        licence_id=licence.lower() if is_identifier else "other",
        encoder=checkpoint.encoder_name,
        rosta=str(checkpoint.model["rosta"]).upper(),
        millions=count_parameters(checkpoint.state) / 1e6,
        training=_training(checkpoint.config),
        metrics=metrics,
    )


_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
"""Tensors of batch norms that are not parameters."""


def count_parameters(state: Mapping[str, Tensor]) -> int:
    """Count the parameters among the weights of a checkpoint."""
    return sum(tensor.numel() for name, tensor in state.items() if not name.endswith(_STATISTICS))
