"""Values of the metrics: golden figures, an independent reference, and invariants."""

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from gfm.metrics import (
    METRIC_NAMES,
    connectivity_error,
    gradient_error,
    matting_metrics,
    mean_absolute_difference,
    mean_squared_error,
    sum_absolute_difference,
)
from gfm.metrics.gradient import _sums_cv2, _sums_torch
from gfm.metrics.inputs import check_images
from gfm.metrics.protocols import PROTOCOLS
from tests.metrics import reference
from tests.metrics.pairs import eight_bit, furry_pair, random_levels, random_trimap

GOLDEN = Path(__file__).parents[1] / "golden"
FUNCTIONS = [
    sum_absolute_difference,
    mean_squared_error,
    mean_absolute_difference,
    gradient_error,
    connectivity_error,
]
DTYPES = [np.float32, np.float64]


@cache
def golden_arrays() -> dict[str, np.ndarray]:
    with np.load(GOLDEN / "metrics.npz") as arrays:
        return dict(arrays)


def golden_triple(index: int, dtype: type) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    arrays = golden_arrays()
    preds, target = (arrays[f"{name}_{index}"] / 255 for name in ("pred", "alpha"))
    return preds.astype(dtype), target.astype(dtype), arrays[f"trimap_{index}"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("index", range(3))
def test_gfm_reproduces_the_official_figures(index: int, dtype: type) -> None:
    expected = json.loads((GOLDEN / "metrics.json").read_text())[index]
    values = matting_metrics(*golden_triple(index, dtype), "gfm")
    assert values == pytest.approx(expected, rel=1e-6)
    assert tuple(values) == METRIC_NAMES["gfm"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("index", range(3))
def test_dim_reproduces_the_matlab_figures(index: int, dtype: type) -> None:
    expected = json.loads((GOLDEN / "metrics_dim.json").read_text())[index]
    preds, target, trimap = golden_triple(index, dtype)
    values = {
        "transition": matting_metrics(preds, target, trimap, "dim"),
        "whole": matting_metrics(preds, target, None, "dim"),
    }
    for region, figures in expected.items():
        assert values[region] == pytest.approx(figures, rel=1e-6)
    assert tuple(values["whole"]) == METRIC_NAMES["dim"]


def test_a_protocol_is_one_entry_of_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("conn", "mad_transition", "sad")
    mine = replace(
        PROTOCOLS["dim"], name="mine", metric_names=names, divisors={"sad": 1, "conn": 10}
    )
    monkeypatch.setitem(PROTOCOLS, "mine", mine)
    triple = golden_triple(0, np.float64)
    expected = matting_metrics(*triple, "dim")
    mad = mean_absolute_difference(*triple, "transition", "dim")
    values = {"conn": 100 * expected["conn"], "mad_transition": mad, "sad": 1000 * expected["sad"]}
    found = matting_metrics(*triple, "mine")
    assert tuple(found) == names
    assert found == pytest.approx({name: float(value) for name, value in values.items()})


def split_image() -> tuple[np.ndarray, np.ndarray]:
    """The largest component at 0.1 to 0.4 is not the one at 0.5 and above."""
    preds = np.zeros((20, 40))
    preds[2:18, 2:20] = 0.45
    preds[5:10, 25:35] = 0.95
    target = np.where(preds > 0, preds + 0.03, 0)
    target[0, :5] = 1
    return preds, target


def tied_components() -> tuple[np.ndarray, np.ndarray]:
    """Two components of equal area: one is the first by rows, the other by columns."""
    preds, target = np.zeros((6, 8)), np.zeros((6, 8))
    preds[0, 4:8], target[0, 4:8] = 0.9, 0.55
    preds[2:6, 1], target[2:6, 1] = 0.5, 0.9
    return preds, target


def speckled(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """No component holds half of the pixels."""
    return (
        random_levels([0, 0.5, 1], (60, 50), seed),
        random_levels([0, 0.3, 1, 1], (60, 50), seed + 1),
    )


THRESHOLD_LEVELS = [k / 255 for k in (0, 51, 102, 153, 204, 255)]
ZEROS, ONES, HALF = np.zeros((9, 12)), np.ones((9, 12)), np.full((9, 12), 0.5)
PAIRS = {
    "furry": furry_pair(120, 160)[:2],
    "furry and noisy": furry_pair(120, 160, noise=0.2)[:2],
    "noise": (
        eight_bit(np.random.default_rng(0).uniform(size=(33, 47))),
        eight_bit(np.random.default_rng(1).uniform(size=(33, 47))),
    ),
    "at the thresholds": (
        random_levels(THRESHOLD_LEVELS, (40, 30), 0),
        random_levels(THRESHOLD_LEVELS, (40, 30), 1),
    ),
    "no pixel above 0.45": tuple(0.45 * alpha for alpha in furry_pair(60, 80)[:2]),
    "nothing in common": (np.eye(10), 1 - np.eye(10)),
    "largest changes": split_image(),
    "ties": tied_components(),
    "speckled": speckled(0),
    "zeros and ones": (ZEROS, ONES),
    "ones and zeros": (ONES, ZEROS),
    "half and ones": (HALF, ONES),
    "one pixel in zeros": (np.eye(1, 108).reshape(9, 12), ZEROS),
    "1x1": (np.full((1, 1), 0.3), np.full((1, 1), 0.9)),
    "one row": (random_levels(THRESHOLD_LEVELS, (1, 40), 2), np.full((1, 40), 0.8)),
    "one column": (random_levels(THRESHOLD_LEVELS, (40, 1), 3), np.full((40, 1), 0.8)),
    "smaller than the filter": (
        random_levels(THRESHOLD_LEVELS, (3, 4), 4),
        random_levels(THRESHOLD_LEVELS, (3, 4), 5),
    ),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", PAIRS)
def test_agrees_with_the_reference(name: str, dtype: type) -> None:
    preds, target = PAIRS[name]
    trimap = random_trimap(preds.shape, 6)
    pair = preds.astype(dtype), target.astype(dtype)
    close = {"rel": 1e-5, "abs": 1e-9}  # the reference filters into float32
    assert matting_metrics(*pair, trimap, "gfm") == pytest.approx(
        reference.gfm(preds, target, trimap), **close
    )
    for unknown in (trimap, None):
        assert matting_metrics(*pair, unknown, "dim") == pytest.approx(
            reference.dim(preds, target, unknown), **close
        )


def test_connectivity_agrees_with_the_reference_on_many_small_images() -> None:
    """Few levels on few pixels cause ties, switches of component and empty sets."""
    for seed in range(60):
        levels = THRESHOLD_LEVELS[seed % 3 :]
        preds, target = (random_levels(levels, (7, 8), 2 * seed + i) for i in (0, 1))
        everywhere = np.ones(preds.shape, bool)
        for dtype in DTYPES:
            pair = preds.astype(dtype), target.astype(dtype)
            assert float(connectivity_error(*pair)) == pytest.approx(
                reference.gfm_connectivity(preds, target), rel=1e-6, abs=1e-9
            ), seed
            assert float(connectivity_error(*pair, protocol="dim")) == pytest.approx(
                reference.dim_connectivity(preds, target, everywhere), rel=1e-5, abs=1e-9
            ), seed


def test_of_equal_components_gfm_takes_the_first_by_rows_and_dim_by_columns() -> None:
    preds, target = tied_components()
    by_rows, by_columns = (
        float(connectivity_error(preds, target, protocol=protocol)) for protocol in ("gfm", "dim")
    )
    # The chosen component is at level 1 and has no error, the other at 0 with its full error.
    assert by_rows * 1000 == pytest.approx(4 * 0.4)
    assert by_columns * 1000 == pytest.approx(4 * 0.35)


@pytest.mark.parametrize("protocol", METRIC_NAMES)
@pytest.mark.parametrize("alpha", [furry_pair(60, 80)[0], ZEROS, ONES, HALF, np.ones((1, 1))])
def test_an_image_has_no_error_against_itself(alpha: np.ndarray, protocol: str) -> None:
    trimap = np.full(alpha.shape, 128)  # known regions would be replaced
    assert set(matting_metrics(alpha, alpha, trimap, protocol).values()) == {0.0}


@pytest.mark.parametrize("protocol", METRIC_NAMES)
def test_constant_images_have_no_gradient(protocol: str) -> None:
    assert float(gradient_error(HALF, ONES, protocol=protocol)) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("protocol", METRIC_NAMES)
def test_regions_divide_the_image(function, protocol: str) -> None:
    """Sums over the three regions add up to the whole; means, weighted by pixels."""
    preds, target, trimap = furry_pair(60, 80)
    regions = {"transition": 128, "foreground": 255, "background": 0}
    is_mean = function in (mean_squared_error, mean_absolute_difference)
    total = sum(
        float(function(preds, target, trimap, region, protocol))
        * (np.mean(trimap == value) if is_mean else 1)
        for region, value in regions.items()
    )
    whole = float(function(preds, target, trimap, "whole", protocol))
    assert whole > 0
    assert total == pytest.approx(whole, rel=1e-6)


def test_known_pixels_count_in_the_gfm_transition_as_if_read_from_the_trimap() -> None:
    preds = target = np.full((2, 2), 0.25)
    trimap = np.array([[255, 0], [128, 128]])
    for protocol, expected in (("gfm", (0.75 + 0.25) / 2), ("dim", 0.0)):
        value = mean_absolute_difference(preds, target, trimap, "transition", protocol)
        assert float(value) == pytest.approx(expected)


@pytest.mark.parametrize("protocol", METRIC_NAMES)
@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("region", ["transition", "foreground", "background"])
def test_an_empty_region_has_no_error(function, region: str, protocol: str) -> None:
    trimap = np.full(ZEROS.shape, 255 if region == "background" else 0)
    # Zeros, so that the gfm transition's known pixels are right, too.
    assert float(function(np.eye(9, 12), ZEROS, trimap, region, protocol)) == 0


@pytest.mark.parametrize("protocol", METRIC_NAMES)
def test_default_regions(protocol: str) -> None:
    preds, target, trimap = furry_pair(60, 80)
    region = {"gfm": "whole", "dim": "transition"}[protocol]
    for function in FUNCTIONS:
        chosen = function(preds, target, trimap, region, protocol)
        assert function(preds, target, trimap, protocol=protocol) == chosen
        assert function(preds, target, protocol=protocol) == function(
            preds, target, trimap, "whole", protocol
        )


@pytest.mark.parametrize("protocol", METRIC_NAMES)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_batch_and_a_list_are_the_mean_of_their_images(function, protocol: str) -> None:
    images = [furry_pair(50, 70, seed, noise=0.1) for seed in range(3)]
    expected = sum(float(function(*image, protocol=protocol)) for image in images) / 3
    batch = [torch.from_numpy(np.stack(arrays)[:, None]) for arrays in zip(*images, strict=True)]
    assert float(function(*batch, protocol=protocol)) == pytest.approx(expected, rel=1e-12)
    images[1] = furry_pair(45, 81)
    expected = sum(float(function(*image, protocol=protocol)) for image in images) / 3
    lists = [list(arrays) for arrays in zip(*images, strict=True)]
    assert float(function(*lists, protocol=protocol)) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("protocol", METRIC_NAMES)
@pytest.mark.parametrize("region", ["whole", "transition"])
@pytest.mark.parametrize("shape", [(1, 1), (3, 20), (41, 30)])
def test_both_gradient_filters_agree(shape, region: str, protocol: str) -> None:
    """The filter for GPUs runs on the CPU too, so the test needs no GPU."""
    shape = (2, 1, *shape)
    generator = torch.Generator().manual_seed(0)
    preds, target = (torch.rand(shape, generator=generator, dtype=torch.float64) for _ in "pt")
    trimap = torch.tensor([0, 128, 255])[torch.randint(3, shape, generator=generator)]
    (batch,) = check_images(preds, target, trimap)
    filters = PROTOCOLS[protocol].gradient_filter
    expected = _sums_cv2(batch, region, filters)
    torch.testing.assert_close(_sums_torch(batch, region, filters), expected, rtol=1e-9, atol=1e-12)


def test_contradicted_trimaps_do_not_count_in_the_mean_of_an_empty_transition() -> None:
    values = matting_metrics(ZEROS, ZEROS, np.full(ZEROS.shape, 255), "gfm")
    assert values["sad_transition"] == pytest.approx(ZEROS.size / 1000)
    assert values["mse_transition"] == values["mad_transition"] == 0
