"""Compares runs by their means, with confidence intervals for the differences.

Runs are compared photo by photo. A photo that is hard for one network is usually hard for all, so
the mean of the differences varies much less than the means themselves. Its confidence interval is
the percentile bootstrap (Efron and Tibshirani, An Introduction to the Bootstrap, 1993): photos are
drawn with replacement many times, and the interval is the middle 95 % of the means. For runs on
several test sets, macro means are compared: photos are drawn within each set.
"""

import itertools
import math
import string
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
import scipy.stats

from gfm.errors import GFMError
from gfm.evaluation.scores import Scores, read_scores

_BATCH = 500  # bootstrap samples at a time, to limit memory
_DRAWS = 10_000  # bootstrap samples; other seeds move the bounds by about 1/50 of the interval

FEW: Final = 10
"""With fewer photos, intervals cover the true mean in under 90 % of cases; with 2, in half."""

FLAT_MARK: Final = "†"
"""Marks results with mattes that are nearly empty or constant."""


@dataclass(frozen=True)
class Difference:
    """Mean difference between a run and the first one in a metric, with its 95 % interval."""

    mean: float
    low: float
    high: float

    @property
    def is_significant(self) -> bool:
        """Whether the interval excludes 0."""
        return self.low > 0 or self.high < 0


ComparisonRow = tuple[str, np.ndarray, tuple[Difference, ...]]
"""A metric or a test set, the means of all runs, and the differences from the first run."""


@dataclass(frozen=True)
class Comparison:
    """Runs, compared on the photos and metrics that all of them have.

    ``values`` has the shape runs × photos × metrics. ``num_left_out`` photos are left out because
    not all runs have them, and ``num_trained`` because a network was trained on them. Means and
    differences of a metric also leave out photos for which a run has no finite value (NaN here).
    """

    runs: list[Scores]
    photos: list[str]
    metrics: list[str]
    values: np.ndarray
    num_left_out: int
    num_trained: int = 0

    def notes(self, metrics: Sequence[str] | None = None) -> list[str]:
        """Return sentences on photos that are left out, few photos, and flat mattes.

        Args:
            metrics: Metrics that are shown; by default all.
        """
        reasons = (
            (self.num_left_out, "not in all runs"),
            (self.num_trained, "used to train one of the networks"),
        )
        texts = ((f"{n} photos are" if n > 1 else "1 photo is", why) for n, why in reasons if n)
        notes = [f"{photos} left out: {why}." for photos, why in texts]
        lacking = np.isnan(self.values)
        differs = (lacking.any(axis=0) & ~lacking.all(axis=0)).sum(axis=0).tolist()
        counts = ((m, n) for m, n in zip(self.metrics, differs, strict=True) if n)
        shown = self.metrics if metrics is None else metrics
        if gaps := [f"{m} ({n} photo{'s' * (n > 1)})" for m, n in counts if m in shown]:
            notes.append(f"Left out where a run has no value: {', '.join(gaps)}.")
        smallest = min((i.size for i in self.test_sets().values()), default=len(self.photos))
        if 1 < smallest < FEW:
            where = " in a test set" if self.test_sets() else ""
            notes.append(f"With only {smallest} photos{where}, 95 % intervals are too narrow.")
        flat = [(run.label, self.num_flat(run)) for run in self.runs]
        if found := [f"{label} ({n} of {len(self.photos)})" for label, n in flat if n]:
            text = f"{FLAT_MARK} Nearly empty or constant mattes, whose SAD may be low"
            notes.append(f"{text}: {', '.join(found)}.")
        return notes

    def num_flat(self, run: Scores) -> int:
        """Return how many mattes of a run are nearly empty or constant."""
        return len(run.flat.intersection(self.photos))

    @cached_property
    def rows(self) -> list[ComparisonRow]:
        """A row for each metric, with macro means if there are several test sets."""
        groups = list(self.test_sets().values()) or [np.arange(len(self.photos))]
        values = self.shared_values()
        means = np.mean([mean_over_photos(values[:, group]) for group in groups], axis=0)
        differences = [bootstrap_differences(run - values[0], groups=groups) for run in values[1:]]
        return list(zip(self.metrics, means.T, zip(*differences, strict=True), strict=True))

    def shared_values(self) -> np.ndarray:
        """Return the values, with NaN for all runs where one of them has no value."""
        return np.where(np.isnan(self.values).any(axis=0), np.nan, self.values)

    def test_sets(self) -> dict[str, np.ndarray]:
        """Return the indices of the photos in each test set that all runs have."""
        names = [n for n in self.runs[0].sets if all(n in run.sets for run in self.runs)]
        owners = np.array([photo.partition("/")[0] for photo in self.photos])
        found = {name: np.flatnonzero(owners == name) for name in names}
        return {name: indices for name, indices in found.items() if indices.size}

    def by_test_set(self, metric: str) -> Iterator[ComparisonRow]:
        """Yield a row for each test set, with the means of one metric."""
        column = self.metrics.index(metric)
        for name, indices in self.test_sets().items():
            values = self.shared_values()[:, indices, column]
            paired = (values[1:] - values[:1]).T
            yield name, mean_over_photos(values), tuple(bootstrap_differences(paired))


def compare_runs(folders: Sequence[Path]) -> Comparison:
    """Read runs and match their photos.

    Raises:
        GFMError: A run has no scores, or the runs cannot be compared.
    """
    if len(folders) < 2:
        raise GFMError("choose at least two runs to compare")
    runs = [read_scores(folder, label) for folder, label in zip(folders, _labels(), strict=False)]
    _warn_of_other_data(runs)
    return match_runs(runs)


def _labels() -> Iterator[str]:
    """Yield A to Z, then AA, AB and so on."""
    for length in itertools.count(1):
        yield from map("".join, itertools.product(string.ascii_uppercase, repeat=length))


def _warn_of_other_data(runs: Sequence[Scores]) -> None:
    first, *others = runs
    for run in others:
        for name in first.data.keys() & run.data.keys():
            both = first.data[name], run.data[name]
            if all(both) and both[0].isdisjoint(both[1]):
                places = " and ".join(min(data) for data in both)
                warnings.warn(
                    f"{first.label} and {run.label} were scored on different data, {places}: "
                    "photos with the same name are treated as the same photo",
                    stacklevel=3,
                )


def match_runs(runs: list[Scores]) -> Comparison:
    """Match the photos and metrics of runs.

    Raises:
        GFMError: The runs cannot be compared.
    """
    protocols = {run.protocol for run in runs if run.protocol}
    if len(protocols) > 1:
        names = " and ".join(sorted(protocols))
        raise GFMError(f"the runs use the protocols {names}: evaluate them with the same one")
    known = [set(run.rows) for run in runs]
    trained = set[str]().union(*(run.trained for run in runs))
    common = set.intersection(*known)
    photos = sorted(common - trained)
    columns = [next(iter(run.rows.values()), {}) for run in runs]
    metrics = [name for name in columns[0] if all(name in other for other in columns)]
    if common and not photos:
        raise GFMError("one of the networks was trained on each photo: evaluate on other photos")
    if not photos or not metrics:
        raise GFMError("the runs share no photo or no metric: evaluate them on the same dataset")
    values = np.array([[[r.rows[p][m] for m in metrics] for p in photos] for r in runs])
    values[~np.isfinite(values)] = np.nan
    num_left_out = len(set.union(*known)) - len(common)
    return Comparison(runs, photos, metrics, values, num_left_out, len(common) - len(photos))


def mean_over_photos(values: np.ndarray) -> np.ndarray:
    """Average over the second axis, ignoring NaN; NaN where all values are NaN."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # NumPy warns of the mean of no values
        return np.nanmean(values, axis=1)


def bootstrap_differences(
    differences: np.ndarray,
    draws: int = _DRAWS,
    seed: int = 0,
    groups: Sequence[np.ndarray] | None = None,
) -> list[Difference]:
    """Compute the mean of paired differences and its 95 % interval for each metric.

    Args:
        differences: Photos × metrics; NaN leaves a photo out of that metric.
        draws: Number of bootstrap samples.
        seed: Seed of the draws.
        groups: Indices of the photos of each test set, whose means are averaged; by default all
            photos are one set.

    Returns:
        A difference for each metric: NaN if a set has no photos, and with an unbounded interval if
        a set has only one.
    """
    columns = [
        [column[group] for group in groups] if groups else [column] for column in differences.T
    ]
    return [_bootstrap([v[~np.isnan(v)] for v in column], draws, seed) for column in columns]


def _bootstrap(samples: Sequence[np.ndarray], draws: int, seed: int) -> Difference:
    smallest = min(values.size for values in samples)
    if not smallest:
        return Difference(math.nan, math.nan, math.nan)
    mean = float(_macro_mean(*samples))
    if smallest == 1:
        return Difference(mean, -math.inf, math.inf)
    if all(np.ptp(values) == 0 for values in samples):  # SciPy rejects these
        return Difference(mean, mean, mean)
    low, high = scipy.stats.bootstrap(
        samples,
        _macro_mean,
        n_resamples=draws,
        batch=_BATCH,
        vectorized=True,
        method="percentile",
        random_state=np.random.default_rng(seed),  # `rng` since SciPy 1.15
    ).confidence_interval
    return Difference(mean, float(low), float(high))


def _macro_mean(*samples: np.ndarray, axis: int = -1) -> np.ndarray:
    means = [np.mean(values, axis=axis) for values in samples]
    return np.sum(means, axis=0) / len(means)
