"""Metrics of any two mattes have the right range and symmetry, and agree with a plain version."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gfm.data.trimap import trimap_from_alpha
from gfm.metrics import functional, matting_metrics
from tests.metrics import reference
from tests.reliability.fuzzing import KINDS, SEEDS, SIDES, matte, tries

FUNCTIONS = {
    "sad": functional.sum_absolute_difference,
    "mse": functional.mean_squared_error,
    "mad": functional.mean_absolute_difference,
    "grad": functional.gradient_error,
    "conn": functional.connectivity_error,
}


def _three(kinds, height, width, seed):
    """Return prediction and target, H×W in [0, 1], float64, and their trimap."""
    preds, target = (matte(kind, height, width, seed + i) for i, kind in enumerate(kinds))
    return preds / 255, target / 255, trimap_from_alpha(target, 5)


cases = st.builds(_three, st.tuples(*[st.sampled_from(KINDS)] * 2), SIDES, SIDES, SEEDS)


@pytest.mark.parametrize("protocol", ["gfm", "dim"])
def test_metrics_are_those_of_the_plain_formulation(protocol):
    @tries(60)
    @given(cases)
    def check(case):
        preds, target, trimap = case
        expected = getattr(reference, protocol)(*case)
        single = preds.astype(np.float32), target.astype(np.float32)
        found = matting_metrics(*single, trimap, protocol)
        assert found == pytest.approx(expected, rel=1e-4, abs=1e-6)
        assert all(np.isfinite(value) and value >= 0 for value in found.values())

    check()


@tries(60)
@given(cases)
def test_identical_mattes_have_no_error(case):
    _, target, trimap = case
    for protocol in ("gfm", "dim"):
        assert not any(matting_metrics(target, target, trimap, protocol).values())


@tries(60)
@given(cases)
def test_errors_are_symmetric_and_invariant_to_flips(case):
    preds, target, trimap = case
    for name, metric in FUNCTIONS.items():
        for region in ("whole", "foreground", "background"):
            value = float(metric(preds, target, trimap, region))
            assert float(metric(target, preds, trimap, region)) == pytest.approx(value, rel=1e-5)
            flipped = metric(preds[:, ::-1], target[:, ::-1], trimap[:, ::-1], region)
            if name != "conn":  # of equally large parts the first one counts
                assert float(flipped) == pytest.approx(value, rel=1e-4, abs=1e-7)


@tries(40)
@given(st.lists(cases, min_size=1, max_size=3), SIDES, SIDES)
def test_a_batch_has_the_mean_of_its_images(some, height, width):
    """Both for a list of images of any size, and for an array of images of one size."""
    cut = [[a[:height, :width] for a in case] for case in some]
    sides = [min(case[0].shape[i] for case in cut) for i in (0, 1)]
    cut = [[a[: sides[0], : sides[1]] for a in case] for case in cut]
    for protocol in ("gfm", "dim"):
        for name, metric in FUNCTIONS.items():
            one = [float(metric(*case, protocol=protocol)) for case in some]
            listed = metric(*map(list, zip(*some, strict=True)), protocol=protocol)
            assert float(listed) == pytest.approx(np.mean(one), rel=1e-5), name
            one = [float(metric(*case, protocol=protocol)) for case in cut]
            batch = [torch.from_numpy(np.stack(a)[:, None]) for a in zip(*cut, strict=True)]
            assert float(metric(*batch, protocol=protocol)) == pytest.approx(np.mean(one), rel=1e-5)
