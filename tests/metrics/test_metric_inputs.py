"""Inputs that the metrics refuse, with their messages, and inputs that they accept."""

import numpy as np
import pytest
import torch

from gfm.metrics import MattingMetrics, SumAbsoluteDifference, matting_metrics
from gfm.metrics import sum_absolute_difference as sad

ALPHA = torch.rand(2, 1, 6, 7, generator=torch.Generator().manual_seed(0))
TRIMAP = torch.full(ALPHA.shape, 128)
NAN = ALPHA.clone()
NAN[1, 0, 2, 3] = torch.nan


@pytest.mark.parametrize(
    ("preds", "target", "error", "words"),
    [
        ((ALPHA * 255).byte(), ALPHA, TypeError, "preds is torch.uint8: pass floats .* / 255"),
        (ALPHA, ALPHA > 0.5, TypeError, "target is torch.bool"),
        (NAN, ALPHA, ValueError, "preds contains NaN"),
        (ALPHA, NAN, ValueError, "target contains NaN"),
        (ALPHA * 255, ALPHA, ValueError, r"preds spans \[.*, 2.*\].*divide .* by 255"),
        (ALPHA, ALPHA - 1, ValueError, "target spans"),
        (
            torch.full_like(ALPHA, 1 + 2**-23),
            ALPHA,
            ValueError,
            r"preds spans \[1.0000001.*, 1.0000001",
        ),
        (ALPHA / 0, ALPHA, ValueError, r"preds spans .*inf"),
        (
            ALPHA,
            ALPHA[..., 1:],
            ValueError,
            r"\(2, 1, 6, 7\) but target has \(2, 1, 6, 6\): resize",
        ),
        (ALPHA[:, 0], ALPHA[:, 0], ValueError, r"preds has shape \(2, 6, 7\): expected"),
        (ALPHA.expand(2, 3, 6, 7), ALPHA, ValueError, r"preds has shape \(2, 3, 6, 7\)"),
        (ALPHA[:0], ALPHA[:0], ValueError, r"preds has shape \(0, 1, 6, 7\)"),
        (ALPHA[0, 0, 0], ALPHA, ValueError, r"preds has shape \(7,\)"),
        ("alpha.png", ALPHA, TypeError, "preds is a str: pass a tensor"),
        (ALPHA, None, TypeError, "target is a NoneType"),
        ([ALPHA], ALPHA, TypeError, "preds is a list but target is not"),
        ([ALPHA], [ALPHA, ALPHA], ValueError, "preds holds 1 images but target holds 2"),
        ([], [], ValueError, "preds is an empty list"),
    ],
)
def test_refuses_wrong_alpha(preds, target, error, words: str) -> None:
    for score in (sad, SumAbsoluteDifference().update, MattingMetrics("dim").update):
        with pytest.raises(error, match=words) as caught:
            score(preds, target)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("trimap", "error", "words"),
    [
        (TRIMAP / 255, ValueError, "trimap holds values other than 0, 128 and 255"),
        (TRIMAP + torch.eye(7)[:6].long(), ValueError, "trimap holds values other"),
        (TRIMAP[..., 1:], ValueError, r"trimap has \(2, 1, 6, 6\): resize"),
        ([TRIMAP], TypeError, "trimap is a list: pass a tensor"),
        ("trimap.png", TypeError, "trimap is a str"),
    ],
)
def test_refuses_wrong_trimaps(trimap, error, words: str) -> None:
    for score in (sad, SumAbsoluteDifference().update, MattingMetrics().update):
        with pytest.raises(error, match=words):
            score(ALPHA, ALPHA, trimap)


def test_refuses_unknown_choices() -> None:
    unknown_region, unknown_protocol = (
        "unknown region 'edge'.*whole",
        "unknown protocol 'adobe'.*gfm",
    )
    with pytest.raises(ValueError, match=unknown_region):
        sad(ALPHA, ALPHA, TRIMAP, region="edge")
    with pytest.raises(ValueError, match=unknown_region):
        SumAbsoluteDifference(region="edge")
    with pytest.raises(ValueError, match=unknown_protocol):
        sad(ALPHA, ALPHA, protocol="adobe")
    for metric in (SumAbsoluteDifference, MattingMetrics):
        with pytest.raises(ValueError, match=unknown_protocol):
            metric(protocol="adobe")


def test_requires_a_trimap_for_regions() -> None:
    with pytest.raises(ValueError, match="region 'foreground' needs a trimap"):
        sad(ALPHA, ALPHA, region="foreground")
    with pytest.raises(ValueError, match="'gfm' needs a trimap: pass one"):
        MattingMetrics("gfm").update(ALPHA, ALPHA)


def test_one_image_metrics_refuse_several() -> None:
    with pytest.raises(ValueError, match="pred holds 2 images"):
        matting_metrics(ALPHA, ALPHA, TRIMAP)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (torch.tensor(0.5), r"returned shape \(\)"),
        (torch.ones(2, 1), r"returned shape \(2, 1\)"),
        (0.5, "returned 0.5"),
    ],
)
def test_extra_metrics_return_a_value_per_image(value, words: str) -> None:
    metrics = MattingMetrics(extra={"mine": lambda _: value})
    with pytest.raises(ValueError, match=rf"metric 'mine' {words}: return a tensor"):
        metrics.update(ALPHA, ALPHA, TRIMAP)


@pytest.mark.parametrize("shape", [(6, 7), (1, 6, 7), (1, 1, 6, 7)])
def test_accepts_one_image_in_three_shapes(shape: tuple[int, ...]) -> None:
    preds, target = torch.zeros(shape), torch.ones(shape)
    assert float(sad(preds, target)) == pytest.approx(0.042)


def test_accepts_unusual_tensors_and_arrays() -> None:
    """Tensors with a graph, half precision, float trimaps, read-only and flipped arrays."""
    preds, target, trimap = ALPHA[:1], ALPHA[:1] ** 2, TRIMAP[:1]
    expected = matting_metrics(preds, target, trimap)
    with_graph = preds.clone().requires_grad_()
    assert matting_metrics(with_graph, target, trimap.float()) == pytest.approx(expected)
    arrays = [np.flip(images.numpy(), axis=3) for images in (preds, target, trimap)]
    for array in arrays:
        array.setflags(write=False)
    assert matting_metrics(*arrays) == pytest.approx(expected, rel=1e-5)
    assert float(sad(preds.bfloat16(), target)) == pytest.approx(expected["sad"], rel=1e-2)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_float32_counts_as_the_decimal_that_it_represents(dtype: type) -> None:
    """153/255 is below the official threshold 0.6000000000000001, but would not be once rounded."""
    preds, target = np.array([[153 / 255, 1]]).astype(dtype), np.ones((1, 2), dtype)
    for protocol, level in (("gfm", 0.5), ("dim", 0.6)):
        conn = matting_metrics(preds, target, np.full((1, 2), 128), protocol)["conn"]
        assert conn * 1000 == pytest.approx(1 - level)
