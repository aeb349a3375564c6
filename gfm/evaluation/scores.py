"""Reads the metrics of runs by photo, for comparisons and tables."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from gfm.errors import GFMError
from gfm.evaluation.test_sets import read_test_sets
from gfm.evaluation.trained_photos import trained_photos
from gfm.system.files import read_table
from gfm.system.run_folder import read_flat_mattes


@dataclass(frozen=True)
class Scores:
    """The metrics of a run by photo, NaN where a metric has no value.

    ``label`` identifies the run in tables. ``protocol`` and ``name`` are empty if unknown.
    """

    label: str
    folder: Path
    rows: dict[str, dict[str, float]]
    protocol: str = ""
    name: str = ""
    trained: frozenset[str] = frozenset()  # photos that its network was trained on
    flat: frozenset[str] = frozenset()  # photos whose matte is nearly empty or constant
    config: Mapping[str, Any] = field(default_factory=dict)
    sets: tuple[str, ...] = ()  # test sets, if there are several; photos are `<set>/<photo>`
    # Identities of the data by test set: the folder and, for published sets, the name.
    data: Mapping[str, frozenset[str]] = field(default_factory=dict)


def read_scores(folder: Path, label: str) -> Scores:
    """Read the scores of an evaluation, or of the final test of a training run.

    Raises:
        GFMError: The table is missing, or a file of the run is damaged.
    """
    if sets := read_test_sets(folder):
        return _merge(folder, {name: read_scores(folder / name, label) for name in sets})
    path = folder / "per_image.csv"
    if not path.is_file():
        raise GFMError(
            f"{folder} has no per_image.csv: choose the folder of an evaluation, or of a training "
            "run that finished its final test"
        )
    scores = Scores(label, folder, read_table(path), flat=read_flat_mattes(folder))
    file = folder / "config.yaml"
    if not file.is_file():
        return scores
    try:
        config = yaml.safe_load(file.read_text("utf-8"))
        metrics, run = config.get("metrics") or {}, config.get("run") or {}
        protocol = config.get("protocol") or metrics.get("protocol")
        return replace(
            scores,
            protocol=str(protocol or ""),
            name=str(run.get("name") or ""),
            trained=frozenset(trained_photos(folder, config)),
            config=config,
            data={"": _identity(config.get("data") or {})},
        )
    except (OSError, ValueError, AttributeError, yaml.YAMLError) as error:
        raise GFMError(f"{file} is damaged or not the configuration of a run: remove it") from error


def _merge(folder: Path, sets: Mapping[str, Scores]) -> Scores:
    first = next(iter(sets.values()))
    return replace(
        first,
        folder=folder,
        name=", ".join(sets),
        rows={f"{name}/{p}": row for name, of in sets.items() for p, row in of.rows.items()},
        trained=frozenset(f"{name}/{p}" for name, of in sets.items() for p in of.trained),
        flat=frozenset(f"{name}/{p}" for name, of in sets.items() for p in of.flat),
        sets=tuple(sets),
        data={name: known for name, of in sets.items() for known in of.data.values()},
    )


def _identity(data: Mapping[str, Any]) -> frozenset[str]:
    if root := data.get("root"):
        return frozenset([str(Path(root).resolve())])
    photos = (data.get("source") or {}).get("photos")
    return frozenset(filter(None, [photos and str(Path(photos).resolve()), data.get("name")]))
