"""Metrics that are computed only in the windows in which two mattes differ."""

import cv2
import numpy as np
import pytest
import torch

from gfm.metrics import METRIC_NAMES, connectivity_error
from gfm.metrics.gradient import _sums_cv2, _sums_torch
from gfm.metrics.inputs import check_images
from gfm.metrics.protocols import PROTOCOLS
from tests.metrics import reference
from tests.metrics.pairs import eight_bit


@pytest.mark.parametrize("protocol", METRIC_NAMES)
def test_windows_contain_every_error(protocol: str) -> None:
    """Mattes differ at borders, across strips of rows, and in several places of one strip."""
    random = np.random.default_rng(0)
    target = eight_bit(cv2.GaussianBlur(random.uniform(size=(300, 400)), (0, 0), 3) * 2 - 0.5)
    preds = target.copy()
    for window in (np.s_[:3, :2], np.s_[299:, 390:], np.s_[120:131, 200:203], np.s_[126, 330]):
        preds[window] = 1 - preds[window]
    (batch,) = check_images(preds, target, None)
    scoring = PROTOCOLS[protocol]
    expected = _sums_torch(batch, "whole", scoring.gradient_filter)
    found = _sums_cv2(batch, "whole", scoring.gradient_filter)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)
    conn = float(connectivity_error(preds, target, protocol=protocol))
    everywhere = np.ones(preds.shape, bool)
    expected_conn = {
        "gfm": lambda: reference.gfm_connectivity(preds, target),
        "dim": lambda: reference.dim_connectivity(preds, target, everywhere),
    }[protocol]()
    assert conn == pytest.approx(expected_conn, rel=1e-5)
    assert conn > 0
