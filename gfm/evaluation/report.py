"""HTML report of an evaluation: means, histograms, and each image with its mattes and errors."""

import base64
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from gfm.data.compositing import read_photo
from gfm.data.images import read_alpha, read_matte
from gfm.evaluation.html import write_page
from gfm.metrics.error_map import error_colours
from gfm.system.cores import num_cores
from gfm.system.progress import Progress
from gfm.system.threads import map_threads
from gfm.training.callbacks.flat_mattes import is_flat

_SCOPES = {"": "Whole image", "transition": "Transition region"}
_LOSSLESS = 101  # OpenCV's WebP quality above 100
_MAX_SIDE = 640  # pixels; smaller pictures keep their size
# Byte limits per picture: together 92 kB, or 123 kB in base64; rarely reached.
_PHOTO_BYTES, _ALPHA_BYTES, _ERROR_BYTES = 36_000, 19_000, 18_000


@dataclass(frozen=True)
class ReportImage:
    """A photo, its predicted and true alpha, all of the same size, and its metrics.

    Names are unique within a report. Metrics have keys such as ``sad_transition``, and are NaN
    where they have no value.
    """

    name: str
    image: Path
    prediction: Path
    truth: Path
    metrics: dict[str, float]
    scene: Path | None = None  # background behind a cut-out


def write_report(
    path: Path,
    title: str,
    facts: dict[str, str],
    means: dict[str, float],
    images: Sequence[ReportImage],
    units: Mapping[str, str] | None = None,
) -> list[str]:
    """Write an evaluation as one HTML file that needs neither the internet nor other files.

    Each image takes about 0.1 MB. The facts (what was evaluated and how) are shown in the given
    order. ``means`` and ``units`` (:func:`gfm.metrics.metric_units`) are by metric key.

    Returns:
        The names of images whose prediction is nearly empty or constant.

    Raises:
        GFMError: A picture cannot be read, or the page cannot be written.
        ValueError: The pictures of an image differ in size, or two images have the same name.
    """
    if len({image.name for image in images}) < len(images):
        raise ValueError("Two images of the report have the same name.")
    metrics = _metrics(means, images, units or {})
    encoded = _encode_all(images)
    rows = [
        {"name": image.name, "cells": [(metric, metric.cells[i]) for metric in metrics], **pictures}
        for i, (image, pictures) in enumerate(zip(images, encoded, strict=True))
    ]
    values = {"title": title, "facts": facts, "metrics": metrics, "rows": rows}
    write_page(path, "report.html.jinja", **values, legend=_legend())
    return [row["name"] for row in rows if row["is_flat"]]


class _Metric:
    """A metric formatted for the page: name, unit, mean, histogram, and the value of each image."""

    def __init__(self, key: str, unit: str, mean: float, values: Sequence[float]) -> None:
        base, _, scope = re.sub(r"[^0-9a-z]+", " ", key.lower()).strip().partition(" ")
        self.key = key
        self.name = base.upper() if base in ("sad", "mse", "mad") else base.capitalize()
        self.unit = unit
        self.scope = _SCOPES.get(scope, scope.capitalize())
        self.label = f"{self.name}, {self.scope.lower()}" if scope else self.name
        finite = np.array([value for value in values if math.isfinite(value)])
        typical = abs(mean) if math.isfinite(mean) else np.abs([*finite, 0.0]).max()
        self._decimals = int(np.clip(3 - math.floor(math.log10(typical or 1)), 0, 5))
        self.mean = self._text(mean)
        edges, self.has_outlier_bin = _histogram_edges(finite)
        self.cells = [self._cell(value, edges) for value in values]
        self.bars = self._bars(edges)

    def _cell(self, value: float, edges: np.ndarray) -> dict[str, Any]:
        """Return text, number and bin of a value; number and bin are empty if it is not finite."""
        if not math.isfinite(value):
            return {"text": self._text(value), "number": "", "bin": ""}
        bin_ = int(np.searchsorted(edges, value, side="right")) - 1
        # The largest value lies on the last edge and belongs to the bin before it.
        return {"text": self._text(value), "number": value, "bin": min(bin_, len(edges) - 2)}

    def _bars(self, edges: np.ndarray) -> list[dict[str, Any]]:
        counts = Counter(cell["bin"] for cell in self.cells if cell["bin"] != "")
        return [
            {
                "count": counts[bin_],
                "height": round(100 * counts[bin_] / max(counts.values()), 1),
                "low": self._text(low),
                "high": self._text(high),
            }
            for bin_, (low, high) in enumerate(pairwise(edges))
        ]

    def _text(self, number: float) -> str:
        return f"{number:.{self._decimals}f}" if math.isfinite(number) else "\N{EN DASH}"


def _metrics(
    means: Mapping[str, float], images: Sequence[ReportImage], units: Mapping[str, str]
) -> list[_Metric]:
    keys = dict.fromkeys([*means, *(key for image in images for key in image.metrics)])
    values = {key: [image.metrics.get(key, math.nan) for image in images] for key in keys}
    return [_Metric(key, units.get(key, ""), means.get(key, math.nan), values[key]) for key in keys]


def _histogram_edges(values: np.ndarray) -> tuple[np.ndarray, bool]:
    """Return the edges of the bins, and whether the last bin collects all outliers.

    Without such a bin, a single failed image would squeeze all others into one bar.
    """
    if not values.size:
        return values, False
    low, high = values.min(), values.max()
    if low == high:
        return np.array([low, high]), False
    lower, upper = np.percentile(values, [25, 75])
    fence = upper + 3 * (upper - lower)
    bins = int(np.clip(2 * math.sqrt(values.size), 5, 24))
    if low < fence < high:
        return np.append(np.linspace(low, fence, bins), high), True
    return np.linspace(low, high, bins + 1), False


def _encode_all(images: Sequence[ReportImage]) -> list[dict[str, Any]]:
    encoded = []
    with Progress(len(images), "report") as progress:
        for pictures in map_threads(_encode, images, min(8, num_cores())):
            encoded.append(pictures)
            progress.advance()
    return encoded


def _encode(image: ReportImage) -> dict[str, Any]:
    """Return the pictures of an image as data URLs, and its sizes before and after shrinking."""
    alpha = read_alpha(image.truth, is_cutout=image.truth == image.image)
    photo = read_photo(image.image, alpha, image.scene)
    prediction, truth = _as_float(read_matte(image.prediction)), _as_float(alpha)
    size, *others = {p.shape[1::-1] for p in (truth, prediction, photo)}
    if others:
        raise ValueError(f"{image.name}: photo, prediction and truth differ in size.")
    flat = is_flat(prediction, truth)
    scale = min(1.0, _MAX_SIDE / max(size))
    width, height = (max(1, round(side * scale)) for side in size)
    # Averaging keeps thin errors in proportion; nearest-neighbour sampling loses or inflates them.
    photo, prediction, truth = (
        cv2.resize(p, (width, height), interpolation=cv2.INTER_AREA)
        for p in (photo, prediction, truth)
    )
    # Encodings from fine to coarse; the first that fits is used.
    colours = (_webp(photo[..., ::-1], quality) for quality in (82, 70, 55, 40))
    errors = (error_colours(prediction - truth, levels) for levels in (63, 31, 15))
    return {
        "is_flat": flat,
        "full_size": size,
        "size": (width, height),
        "photo": _data_url(_PHOTO_BYTES, colours),
        "prediction": _data_url(_ALPHA_BYTES, _encode_alpha(prediction)),
        "truth": _data_url(_ALPHA_BYTES, _encode_alpha(truth)),
        "error": _data_url(_ERROR_BYTES, (_webp(e, _LOSSLESS) for e in errors)),
    }


def _as_float(alpha: np.ndarray) -> np.ndarray:
    return alpha.astype(np.float32) / np.iinfo(alpha.dtype).max


def _encode_alpha(alpha: np.ndarray) -> Iterator[bytes]:
    """Yield encodings of H×W in [0, 1] from exact to coarse.

    Lossy coding comes last, because its ringing looks like errors.
    """
    for levels in (255, 63):
        steps = np.round(np.round(alpha * levels) * (255 / levels))
        yield _webp(steps.astype(np.uint8), _LOSSLESS)
    yield _webp(np.round(alpha * 255).astype(np.uint8), 90)


def _legend() -> str:
    """Return the error colours from -1 to 1 as stops of a CSS gradient."""
    colours = error_colours(np.linspace(-1, 1, 41)[None], 63)[0].tolist()
    return ", ".join(f"rgb({r} {g} {b} / {a / 255:.2f})" for b, g, r, a in colours)


def _webp(pixels: np.ndarray, quality: int) -> bytes:
    _, data = cv2.imencode(".webp", pixels, [cv2.IMWRITE_WEBP_QUALITY, quality])
    return data.tobytes()


def _data_url(limit: float, encodings: Iterable[bytes]) -> str:
    """Return the first WebP of at most ``limit`` bytes, or else the last, as a data URL."""
    for data in encodings:
        if len(data) <= limit:
            break
    return "data:image/webp;base64," + base64.b64encode(data).decode()
