"""Estimated foregrounds and backgrounds, and their error on animals with known layers."""

import shutil
import sys
import types
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest

from gfm.animals.sample import draw_sample
from gfm.data.images import read_alpha, read_image, write_jpeg, write_png
from gfm.data.layout import Roots
from gfm.errors import GFMError
from gfm.prepare.foregrounds import QUALITY, estimate, prepare_foregrounds
from gfm.prepare.runner import Options


@pytest.fixture
def am2k(roots):
    for name in ("fg", "bg"):
        shutil.rmtree(roots.photos / "train" / name)
    return roots.photos


@pytest.fixture
def pymatting(monkeypatch):
    """A stand-in that needs no compiling: F is the photo, B its negative."""

    def solve(image, alpha, return_background):
        assert image.dtype == alpha.dtype == np.float64
        assert 0 <= alpha.min() < alpha.max() == 1
        return image, 1 - image

    for name in ("pymatting", "pymatting.foreground"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    for method in ("cf", "ml"):
        module = types.ModuleType(method)
        setattr(module, f"estimate_foreground_{method}", solve)
        name = f"pymatting.foreground.estimate_foreground_{method}"
        monkeypatch.setitem(sys.modules, name, module)


@pytest.mark.parametrize("method", ["cf", "ml"])
def test_folders_are_what_training_reads(am2k, pymatting, method, capsys):
    prepare_foregrounds(am2k, method=method, options=Options(1))
    assert "first import" in capsys.readouterr().out
    for photo in Roots(am2k).training("closed_form", is_denoised=False):
        image = read_image(photo.image)
        for path, layer in ((photo.foreground, image), (photo.background, 255 - image)):
            error = cv2.absdiff(read_image(path), layer)
            assert path.suffix == ".jpg"
            assert error.mean() < 2


def test_sizes_must_agree(am2k, pymatting, capsys):
    photo = Roots(am2k).training("image", False)[0]
    write_png(photo.alpha, read_alpha(photo.alpha)[1:])
    with pytest.raises(GFMError, match="1 of 4 failed"):
        prepare_foregrounds(am2k, options=Options(1))
    assert f"{photo.image} has 128×160 pixels, its matte 127" in capsys.readouterr().out


def test_unknown_method_and_missing_package(am2k, monkeypatch):
    with pytest.raises(GFMError, match="--method knn: choose one of cf, ml"):
        prepare_foregrounds(am2k, method="knn")
    monkeypatch.setitem(sys.modules, "pymatting", None)
    with pytest.raises(GFMError, match=r"needs pymatting: pip install .*prepare"):
        prepare_foregrounds(am2k)


NUM_ANIMALS = 6


@cache
def _layers(method: str, index: int) -> tuple[np.ndarray, np.ndarray]:
    animal = draw_sample(0, index, 720, 1080)
    return estimate(animal.image, animal.alpha, method)


def _stored(layer: np.ndarray, path: Path) -> np.ndarray:
    write_jpeg(path, layer, QUALITY)
    return read_image(path)


def _errors(method: str, path: Path | None = None) -> dict[str, float]:
    """Mean absolute error where 0 < alpha < 1, each layer weighted by its share, in 8-bit steps.

    With a ``path``, of the layers as ``gfm prepare foregrounds`` stores them.
    """
    sums = np.zeros((3, 2))
    for index in range(NUM_ANIMALS):
        animal = draw_sample(0, index, 720, 1080)
        layers = (animal.image, animal.image) if method == "photo" else _layers(method, index)
        if path:
            layers = [_stored(layer, path) for layer in layers]
        alpha = animal.alpha[..., None] / 255.0
        where = (alpha > 0) & (alpha < 1)
        truth = (animal.foreground, animal.background)
        for k, weight in enumerate((alpha * where, (1 - alpha) * where)):
            error = np.abs(layers[k].astype(float) - truth[k]).mean(axis=2, keepdims=True)
            sums[k] += (error * weight).sum(), weight.sum()
        blended = alpha * layers[0] + (1 - alpha) * layers[1]
        sums[2] += np.abs(blended - animal.image).mean(axis=2)[where[..., 0]].sum(), where.sum()
    means = sums[:, 0] / sums[:, 1]
    return dict(zip(("foreground", "background", "photo"), means, strict=True))


@pytest.mark.slow
def test_accuracy_against_the_truth(capsys, tmp_path):
    pytest.importorskip("pymatting")
    errors = {method: _errors(method) for method in ("photo", "ml", "cf")}
    errors["cf, stored"] = _errors("cf", tmp_path / "layer.jpg")
    with capsys.disabled():
        for method, values in errors.items():
            print(f"\n{method:10}", *(f"{k} {v:.2f}" for k, v in values.items()), end="")
    for method in ("ml", "cf"):
        for layer in ("foreground", "background"):
            # The baseline takes the photo itself for either layer.
            assert errors[method][layer] < 0.6 * errors["photo"][layer]
        assert errors[method]["photo"] < 2.0  # the layers blend to the photo again
