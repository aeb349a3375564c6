"""Outputs of a photo, and their backgrounds; ``tests/cli/test_predict.py`` tests their pixels."""

import re
import warnings
from types import SimpleNamespace
from typing import get_args

import numpy as np
import pytest
import torch
from PIL import Image

from gfm.errors import GFMError
from gfm.inference import strips
from gfm.inference.inferers import Prediction
from gfm.inference.outputs import Background, Output, OutputMaker

IMAGE = np.random.default_rng(0).integers(0, 255, (50, 40, 3), dtype=np.uint8)
DRAWN = torch.rand(3, 1, 1, 50, 40, generator=torch.Generator().manual_seed(0))


def predictor(device="cpu", error=None):
    """Return a predictor that returns random maps, or raises ``error``."""

    def predict(image):
        if error is not None:
            raise error
        return Prediction(*DRAWN, {})

    return SimpleNamespace(device=torch.device(device), foreground="blur", predict=predict)


def test_a_background_fits_photos_of_all_sizes(tmp_path):
    """This holds even after a photo of a single pixel."""
    Image.effect_noise((40, 30), 80).convert("RGB").save(tmp_path / "noise.png")
    expected = Background(str(tmp_path / "noise.png"))
    used = Background(str(tmp_path / "noise.png"))
    used.fit(1, 1, torch.device("cpu"))
    result = used.fit(20, 30, torch.device("cpu"))
    assert torch.equal(result, expected.fit(20, 30, torch.device("cpu")))
    assert result.float().std() > 0


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("colour", ["#0a7", None])
def test_strips_change_nothing(tmp_path, monkeypatch, bits, colour):
    Image.fromarray(IMAGE[:30]).save(tmp_path / "b.png")
    behind = Background(colour or str(tmp_path / "b.png"))
    make = OutputMaker(predictor(), get_args(Output), bits, behind)
    whole = make(IMAGE)
    monkeypatch.setattr(strips, "_STRIP_PIXELS", 300)
    assert set(whole) == set(get_args(Output))
    for output, array in make(IMAGE).items():
        np.testing.assert_array_equal(array, whole[output])


def test_a_packed_photo_in_read_only_memory():
    photo = np.frombuffer(IMAGE.tobytes(), np.uint8).reshape(IMAGE.shape)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        OutputMaker(predictor(), ["alpha"])(photo)


@pytest.mark.parametrize(
    ("device", "error", "end"),
    [
        ("cpu", RuntimeError("[x] DefaultCPUAllocator: can't allocate memory"), "lower --max-size"),
        ("cuda", torch.OutOfMemoryError("CUDA out of memory."), "--max-size, or use --device cpu"),
    ],
)
def test_too_little_memory_is_one_line_with_the_fix(device, error, end, monkeypatch):
    monkeypatch.setattr(torch.Tensor, "to", lambda self, *_: self)  # runs without a GPU
    text = f"{device} has too little free memory for 50×40 pixels: lower --max-size"
    with pytest.raises(GFMError, match=f"^{re.escape(text)}") as raised:
        OutputMaker(predictor(device, error), ["alpha"])(IMAGE)
    assert str(raised.value).endswith(end)
