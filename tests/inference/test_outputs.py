"""Outputs of a photo, and their backgrounds; ``tests/cli/test_predict.py`` tests their pixels."""

import pytest
import torch
from PIL import Image

from gfm.inference.outputs import Background, OutputMaker


def test_a_composite_needs_a_background():
    with pytest.raises(ValueError, match="pass a background"):
        OutputMaker(predictor=None, outputs=["composite"])


def test_a_background_fits_photos_of_all_sizes(tmp_path):
    """Also after a photo of a single pixel."""
    Image.effect_noise((40, 30), 80).convert("RGB").save(tmp_path / "noise.png")
    expected = Background(str(tmp_path / "noise.png"))
    used = Background(str(tmp_path / "noise.png"))
    used.compose(torch.zeros(1, 3, 1, 1), torch.zeros(1, 1, 1, 1))
    black, transparent = torch.zeros(1, 3, 20, 30), torch.zeros(1, 1, 20, 30)
    result = used.compose(black, transparent)
    assert torch.equal(result, expected.compose(black, transparent))
    assert result.std() > 0
