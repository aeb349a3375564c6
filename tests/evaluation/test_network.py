"""Evaluations of a network: precision, and large photos."""

import numpy as np
import pytest

from gfm.checkpoints import load_model
from gfm.data.images import read_alpha, read_image
from tests.evaluation.conftest import SIZES


def test_bfloat16_is_close(run, weights):
    exact, folder = run(f"checkpoint={weights}", "inference=hybrid")
    close, other = run(
        f"checkpoint={weights}", "inference=hybrid", "trainer.precision=bf16-mixed", folder="bf16"
    )
    assert close != exact
    mattes = [
        np.concatenate([read_alpha(out / f"alpha/{name}.png").ravel() for name in SIZES]) / 255.0
        for out in (folder, other)
    ]
    # Where two classes are almost equally likely, rounding may swap them.
    assert np.median(abs(mattes[0] - mattes[1])) < 0.004
    assert close["mad"] == pytest.approx(exact["mad"], abs=0.02)
    assert "bf16-mixed" in (other / "report.html").read_text()


@pytest.mark.parametrize("side", [48, None])
def test_large_photos_are_matted_as_by_predict(run, weights, data, side):
    """The shorter side of every photo exceeds 48 pixels."""
    _, folder = run(f"checkpoint={weights}", f"data.shorter_side={side or 'null'}")
    matte = load_model(weights, "cpu", inference="native", max_size=side)
    for name in SIZES:
        found = read_alpha(folder / f"alpha/{name}.png") / 255.0
        expected = matte(read_image(data / f"images/{name}.png"))
        assert abs(found - expected).max() < 0.6 / 255
    facts = (folder / "report.html").read_text()
    assert ("native(shorter_side=48)" in facts) == (side == 48)
