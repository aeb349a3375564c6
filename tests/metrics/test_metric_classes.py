"""The torchmetrics classes: accumulation, pickling, and agreement of two processes with one."""

import multiprocessing
import pickle
from datetime import timedelta
from pathlib import Path

import cv2
import pytest
import torch
from torch import Tensor, distributed

from gfm.metrics import (
    METRIC_NAMES,
    ConnectivityError,
    GradientError,
    MattingMetrics,
    MeanAbsoluteDifference,
    MeanSquaredError,
    SumAbsoluteDifference,
    connectivity_error,
    gradient_error,
    matting_metrics,
    mean_absolute_difference,
    mean_squared_error,
    metric_units,
    sum_absolute_difference,
)
from gfm.metrics.inputs import CheckedImages
from gfm.training.loggers.image_logging import PICTURES
from tests.metrics.pairs import furry_pair

CLASSES = {
    SumAbsoluteDifference: sum_absolute_difference,
    MeanSquaredError: mean_squared_error,
    MeanAbsoluteDifference: mean_absolute_difference,
    GradientError: gradient_error,
    ConnectivityError: connectivity_error,
}


def images() -> list[tuple[Tensor, ...]]:
    """Return three (preds, target, trimap) of different sizes."""
    sizes = ((50, 70), (50, 70), (44, 91))
    arrays = [furry_pair(*size, seed, noise=0.1) for seed, size in enumerate(sizes)]
    return [tuple(torch.from_numpy(array)[None, None] for array in image) for image in arrays]


@pytest.mark.parametrize("region", [None, "transition"])
@pytest.mark.parametrize("protocol", METRIC_NAMES)
@pytest.mark.parametrize("metric_class", CLASSES)
def test_averages_images_not_batches(metric_class, protocol: str, region: str | None) -> None:
    metric = metric_class(protocol, region)
    first, second, third = images()
    batch = [torch.cat(pair) for pair in zip(first, second, strict=True)]
    metric.update(*batch)
    metric.update(*third)
    function = CLASSES[metric_class]
    expected = sum(function(*image, region, protocol) for image in images()) / 3
    torch.testing.assert_close(metric.compute(), expected)
    assert metric.compute().dtype == torch.float64
    metric.reset()
    torch.testing.assert_close(metric(*third), function(*third, region, protocol))


@pytest.mark.parametrize("protocol", METRIC_NAMES)
def test_the_suite_averages_every_metric(protocol: str) -> None:
    rows = [matting_metrics(*image, protocol) for image in images()]
    metrics = MattingMetrics(protocol)
    metrics.update(*map(list, zip(*images(), strict=True)))
    values = metrics.compute()
    assert tuple(values) == METRIC_NAMES[protocol]
    for name, value in values.items():
        assert float(value) == pytest.approx(sum(row[name] for row in rows) / 3, rel=1e-12)


def coverage(batch: CheckedImages) -> Tensor:
    return batch.preds.mean((1, 2, 3))


@pytest.mark.parametrize("protocol", METRIC_NAMES)
def test_extra_metrics_follow_those_of_a_protocol(protocol: str) -> None:
    metrics = MattingMetrics(protocol, {"coverage": coverage})
    metrics.update(*map(list, zip(*images(), strict=True)))
    values = metrics.compute()
    assert tuple(values) == (*METRIC_NAMES[protocol], "coverage")
    expected = sum(float(preds.mean()) for preds, _, _ in images()) / 3
    assert float(values["coverage"]) == pytest.approx(expected, rel=1e-6)
    assert pickle.loads(pickle.dumps(metrics)).compute() == values
    with pytest.raises(ValueError, match="has a metric 'sad': choose another name"):
        MattingMetrics(protocol, {"sad": coverage})
    for name in ("name", "num_images", "best", *PICTURES):
        with pytest.raises(ValueError, match=f"results have a column '{name}': choose another nam"):
            MattingMetrics(protocol, {name: coverage})


def test_units_are_those_of_the_divisors() -> None:
    units = metric_units("gfm")
    assert tuple(units) == METRIC_NAMES["gfm"]
    assert {units[name] for name in units if "sad" in name} == {"thousands"}
    assert {units[name] for name in units if name[:3] in ("mse", "mad")} == {"per pixel"}
    assert (units["grad"], metric_units("dim")["grad"]) == ("tens", "thousands")


def test_the_suite_and_the_single_metrics_agree() -> None:
    image = images()[0]
    singles = {
        "sad": SumAbsoluteDifference(),
        "mse": MeanSquaredError(),
        "mad": MeanAbsoluteDifference(),
        "grad": GradientError(),
        "conn": ConnectivityError(),
        "sad_transition": SumAbsoluteDifference(region="transition"),
        "mse_transition": MeanSquaredError(region="transition"),
        "mad_transition": MeanAbsoluteDifference(region="transition"),
        "sad_foreground": SumAbsoluteDifference(region="foreground"),
        "sad_background": SumAbsoluteDifference(region="background"),
    }
    suite = MattingMetrics()(*image)
    assert {name: metric(*image) for name, metric in singles.items()} == suite


def test_pickles_with_its_state() -> None:
    for metric in (MattingMetrics("dim"), GradientError("dim", "whole")):
        metric.update(*images()[0])
        copy = pickle.loads(pickle.dumps(metric))
        for each in (metric, copy):
            each.update(*images()[2])
        assert copy.compute() == metric.compute()


def share_of(rank: int, folder: Path) -> dict[str, Tensor]:
    """Score two images on rank 0 or one on rank 1; both return the means over all three."""
    distributed.init_process_group(
        "gloo",
        init_method=f"file://{folder}/rendezvous",
        rank=rank,
        world_size=2,
        timeout=timedelta(minutes=2),
    )
    metrics = MattingMetrics()
    for image in images()[rank::2]:
        metrics.update(*image)
    means = metrics.compute()
    distributed.destroy_process_group()
    return means


def save_share(folder: Path) -> None:
    # The parent's threads do not exist in a forked process; waiting for them would hang.
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    torch.save(share_of(1, folder), folder / "means.pt")


def test_two_processes_give_the_means_of_one(tmp_path: Path) -> None:
    metrics = MattingMetrics()
    for image in images():
        metrics.update(*image)
    expected = metrics.compute()
    # Forked, to save importing torch again.
    other = multiprocessing.get_context("fork").Process(target=save_share, args=(tmp_path,))
    other.start()
    shares = [share_of(0, tmp_path)]
    other.join()
    assert other.exitcode == 0
    shares.append(torch.load(tmp_path / "means.pt"))
    for share in shares:
        torch.testing.assert_close(share, expected, rtol=1e-12, atol=0)
