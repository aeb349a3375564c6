"""Cut-outs as training photos: pictures with an alpha channel."""

import base64

import cv2
import numpy as np
import pytest

from gfm.data import pairs as pairs_module
from gfm.data.datamodule import MattingDataModule
from gfm.data.dataset import SampleOptions, ValidationSet
from gfm.data.layout import scenes
from gfm.data.pairs import Pairs
from gfm.data.tracks import CompositeTrack, OriginalTrack
from gfm.errors import GFMError
from gfm.evaluation.report import ReportImage, _encode
from gfm.evaluation.results import _pictures
from gfm.prepare.check import check
from tests.data.test_pairs import ALPHA, CUTOUT, PHOTO, write


@pytest.fixture
def pairs(tmp_path):
    write(tmp_path / "cutouts", "a", "b", "c", picture=CUTOUT)
    write(tmp_path / "bg", "x", "y", picture=np.full((60, 90, 3), 7, np.uint8))
    return Pairs(tmp_path / "cutouts", bg20k=tmp_path / "bg")


def test_opacity_is_the_matte(pairs):
    found = pairs.training("image", is_denoised=False)
    assert [photo.name for photo in found] == ["a", "b", "c"]
    assert all(photo.is_cutout for photo in found)
    (exact, *_) = pairs.training("closed_form", is_denoised=False)
    assert exact.foreground == exact.image


def test_an_opaque_picture_among_cutouts_is_named(pairs):
    write(pairs.root, "d")
    assert len(pairs.training("image", is_denoised=False)) == 4
    (problem,) = check([pairs], 1)
    assert problem.endswith(
        "1 of 4 mattes are opaque everywhere: a cut-out has transparency: d.png"
    )


def test_cutouts_next_to_a_sub_folder_are_found(pairs):
    """Validation, or smaller copies."""
    write(pairs.root / "test", "e", picture=CUTOUT)
    assert [p.name for p in pairs.training("image", is_denoised=False)] == ["a", "b", "c"]
    assert [p.name for p in pairs.validation()] == ["e"]


def test_backgrounds_are_listed_once(pairs, monkeypatch):
    listed = []
    monkeypatch.setattr(pairs_module, "scenes", lambda *a, **b: listed.append(1) or scenes(*a, **b))
    assert len(pairs.training("image", is_denoised=False)) == 3
    assert len(listed) == 1


def test_cutouts_are_validated_over_a_background(pairs):
    module = MattingDataModule(pairs, num_holdout=2, num_workers=0)
    module.setup("test")
    sample = ValidationSet(module.photos)[0]
    assert np.array_equal(sample["alpha"][0], ALPHA)
    image = np.moveaxis(sample["image"].numpy(), 0, 2)
    assert np.all(image[ALPHA == 0] == 7)
    assert np.array_equal(image[ALPHA == 255], PHOTO[ALPHA == 255])
    weight = ALPHA[20, 12] / 255
    assert image[20, 12] == pytest.approx(weight * PHOTO[20, 12] + (1 - weight) * 7, abs=1)


def test_a_report_shows_what_the_network_saw(pairs):
    module = MattingDataModule(pairs, num_holdout=2, num_workers=0)
    module.setup("test")
    p = module.photos[0]
    shown = _encode(ReportImage(p.name, p.image, p.alpha, p.alpha, {}, p.scene))["photo"]
    pixels = np.frombuffer(base64.b64decode(shown.partition(",")[2]), np.uint8)
    assert abs(float(cv2.imdecode(pixels, cv2.IMREAD_COLOR)[:5].mean()) - 7) < 3
    alpha = cv2.cvtColor(ALPHA, cv2.COLOR_GRAY2RGB)
    write(pairs.root.parent / "mattes", p.name, picture=alpha)
    dashboard = _pictures(p, pairs.root.parent / "mattes")
    assert abs(float(next(iter(dashboard.values()))[:5].mean()) - 7) < 3


def test_a_report_reads_the_truth_of_an_empty_one_from_its_opacity(pairs):
    grey, empty = np.full((40, 50), 200, np.uint8), np.zeros((40, 50), np.uint8)
    write(pairs.root, "a", picture=np.dstack([grey, grey, grey, empty]))
    write(pairs.root.parent / "mattes", "a", picture=empty)
    path = pairs.root / "a.png"
    image = ReportImage("a", path, pairs.root.parent / "mattes/a.png", path, {})
    shown = _encode(image)
    assert shown["truth"] == shown["prediction"]


def test_composites_train_on_cutouts(pairs):
    track = CompositeTrack(backgrounds="bg20k", foreground="closed_form")
    module = MattingDataModule(
        pairs,
        track,
        SampleOptions(crop_sizes=32, input_size=32),
        batch_size=1,
        num_holdout=1,
        num_workers=0,
    )
    module.setup("fit")
    sample = module.training[0, 0]
    assert len(module.training) == 2 * 5
    assert {"image", "foreground", "background", "alpha"} <= sample.keys()
    assert set(sample["alpha"].unique().tolist()) - {0, 255} == {90}


def test_cutouts_need_backgrounds(pairs, tmp_path):
    with pytest.raises(GFMError, match=r"which need backgrounds: set track=comp_rssn"):
        OriginalTrack().photos(pairs)
    with pytest.raises(GFMError, match=r"no folder .*: set paths\.bg20k=<folder of backgrounds>$"):
        Pairs(pairs.root, bg20k=tmp_path / "nowhere").training("image", False)
    with pytest.raises(GFMError, match=r"^cut-outs need background pictures: set paths\.bg20k="):
        Pairs(pairs.root).training("image", False)
