"""Compares evaluations and trainings: their means, and confidence intervals of the differences.

Runs are compared photo by photo. A photo that is hard for one network is usually hard for all, so
the mean of the differences varies much less than the means themselves. Its confidence interval
comes from the bootstrap (Efron and Tibshirani, An Introduction to the Bootstrap, 1993): photos are
drawn with replacement many times, and the middle 95 % of the means are the interval.
"""

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import jinja2
import numpy as np
import yaml

from gfm.errors import GFMError
from gfm.system.files import open_atomic

DRAWS: Final = 10_000
"""Number of bootstrap samples; with it, the bounds vary by about a fiftieth of the interval."""

_CHUNK = 500  # bootstrap samples at a time, to limit the memory


@dataclass(frozen=True)
class Scores:
    """The metrics of a run for each photo.

    Attributes:
        label: Label of the run in tables.
        folder: Folder of the run.
        rows: Metrics by photo; NaN if a metric has no value.
        protocol: Protocol of the metrics; empty if unknown.
        name: Name of the run; empty if unknown.
    """

    label: str
    folder: Path
    rows: dict[str, dict[str, float]]
    protocol: str
    name: str


@dataclass(frozen=True)
class Difference:
    """The difference between a run and the first one in one metric.

    Attributes:
        mean: Mean of the differences over photos; negative if the values of the run are lower than
            those of the first one.
        low: Lower bound of the 95 % interval.
        high: Upper bound of the 95 % interval.
    """

    mean: float
    low: float
    high: float

    @property
    def is_sure(self) -> bool:
        """Whether the interval excludes 0."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class Comparison:
    """Runs on the photos that all of them have.

    Attributes:
        runs: Runs in the given order.
        photos: Names of the photos, sorted.
        metrics: Metrics that all runs have.
        values: Runs × photos × metrics.
        left_out: Number of photos that some of the runs lack.
    """

    runs: list[Scores]
    photos: list[str]
    metrics: list[str]
    values: np.ndarray
    left_out: int

    def means(self) -> np.ndarray:
        """Return the means over the photos that have a value, runs × metrics."""
        return np.nanmean(self.values, axis=1)

    def differences(self) -> list[list[Difference]]:
        """Return the differences of each run except the first, one for each metric."""
        return [bootstrap(own - self.values[0]) for own in self.values[1:]]


def read_scores(folder: Path, label: str) -> Scores:
    """Read the scores of an evaluation, or of the final test of a training.

    Raises:
        GFMError: There are none, or a file of the run is damaged.
    """
    path = folder / "per_image.csv"
    if not path.is_file():
        raise GFMError(
            f"{folder} has no per_image.csv: name the folder of an evaluation, or of a training "
            "that ended with the final test"
        )
    try:
        with path.open(newline="", encoding="utf-8") as file:
            lines = list(csv.DictReader(file))
        rows = {line.pop("name"): {k: float(v) for k, v in line.items()} for line in lines}
    except (OSError, ValueError, TypeError, KeyError, csv.Error) as error:
        raise GFMError(
            f"{path} is damaged, or not the table of an evaluation: repeat the evaluation"
        ) from error
    return Scores(label, folder, rows, *_protocol_and_name(folder / "config.yaml"))


def _protocol_and_name(file: Path) -> tuple[str, str]:
    """Return the protocol and the name of a run from its configuration; empty if unknown."""
    if not file.is_file():
        return "", ""
    try:
        config = yaml.safe_load(file.read_text("utf-8"))
        metrics, run = config.get("metrics") or {}, config.get("run") or {}
        protocol = config.get("protocol") or metrics.get("protocol")
        return str(protocol or ""), str(run.get("name") or "")
    except (OSError, ValueError, AttributeError, yaml.YAMLError) as error:
        raise GFMError(
            f"{file} is damaged, or not the configuration of a run: remove it"
        ) from error


def compare(folders: Sequence[Path]) -> Comparison:
    """Read runs and match their photos.

    Raises:
        GFMError: A run has no scores, or the runs cannot be compared.
    """
    if len(folders) < 2:
        raise GFMError("name at least two runs to compare")
    runs = [read_scores(folder, chr(ord("A") + i)) for i, folder in enumerate(folders)]
    protocols = {run.protocol for run in runs if run.protocol}
    if len(protocols) > 1:
        names = " and ".join(sorted(protocols))
        raise GFMError(f"the runs use the protocols {names}: evaluate them by the same one")
    known = [set(run.rows) for run in runs]
    photos = sorted(set.intersection(*known))
    columns = [next(iter(run.rows.values()), {}) for run in runs]
    metrics = [name for name in columns[0] if all(name in other for other in columns)]
    if not photos or not metrics:
        raise GFMError("the runs share no photo or no metric: evaluate them on the same dataset")
    values = np.array([[[r.rows[p][m] for m in metrics] for p in photos] for r in runs])
    return Comparison(runs, photos, metrics, values, len(set.union(*known)) - len(photos))


def bootstrap(differences: np.ndarray, draws: int = DRAWS, seed: int = 0) -> list[Difference]:
    """Compute the mean of paired differences and its 95 % interval for each metric.

    Args:
        differences: Photos × metrics. NaN leaves a photo out of that metric.
        draws: Number of bootstrap samples.
        seed: Seed of the random draws.
    """
    num_photos, known = len(differences), ~np.isnan(differences)
    filled = np.where(known, differences, 0.0)
    rng = np.random.default_rng(seed)
    means = []
    for start in range(0, draws, _CHUNK):
        size = (min(_CHUNK, draws - start), num_photos)
        # Each row is a sample, and holds how often each photo was drawn.
        counts = np.zeros(size)
        chosen = rng.integers(num_photos, size=size)
        np.add.at(counts, (np.arange(size[0])[:, None], chosen), 1)
        with np.errstate(invalid="ignore"):  # if no photo with a value was drawn
            means.append(counts @ filled / (counts @ known))
    low, high = np.nanpercentile(np.concatenate(means), [2.5, 97.5], axis=0)
    mean = np.nanmean(differences, axis=0)
    return [Difference(*map(float, row)) for row in zip(mean, low, high, strict=True)]


def write_page(path: Path, comparison: Comparison) -> None:
    """Write the comparison as one HTML file that needs neither a network nor other files.

    Raises:
        WriteError: The file cannot be written.
    """
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    source = Path(__file__).with_name("compare.html.jinja").read_text(encoding="utf-8")
    rows = [
        {
            "name": metric,
            "means": [number(mean) for mean in means],
            "differences": differences,
        }
        for metric, means, differences in zip(
            comparison.metrics,
            comparison.means().T,
            zip(*comparison.differences(), strict=True),
            strict=True,
        )
    ]
    data: dict[str, Any] = {
        "labels": [run.label for run in comparison.runs],
        "photos": comparison.photos,
        "metrics": comparison.metrics,
        "values": [[_cells(column) for column in run.T] for run in comparison.values],
    }
    page = environment.from_string(source).render(
        comparison=comparison, rows=rows, data=data, number=number, interval=interval
    )
    with open_atomic(path) as file:
        file.write(page.encode())


def _cells(values: np.ndarray) -> list[float | None]:
    return [float(f"{v:.5g}") if math.isfinite(v) else None for v in values]


def number(value: float) -> str:
    """Format a value for tables."""
    return f"{value:.4g}" if math.isfinite(value) else "–"


def interval(difference: Difference) -> str:
    """Format a difference with its interval."""
    low, high = (f"{bound:+.3g}" for bound in (difference.low, difference.high))
    return f"{difference.mean:+.3g} [{low}, {high}]"
