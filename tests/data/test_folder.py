"""A plain test set: its folders under any names, and what is said of missing ones."""

import warnings

import numpy as np
import pytest
from hydra.errors import MissingConfigException

from gfm.compat.hydra import instantiate, to_plain
from gfm.data.datamodule import MattingDataModule
from gfm.data.dataset import ValidationSet
from gfm.data.folder import FolderSet
from gfm.data.images import write_png
from gfm.errors import GFMError
from gfm.run.exit import describe_error
from gfm.run.train import train
from tests.conftest import compose_config


@pytest.fixture
def root(tmp_path):
    """Two photos with mattes, and a trimap for each, under AIM-500's names."""
    alpha = np.zeros((40, 50), np.uint8)
    alpha[10:30, 10:40] = 255
    for folder in ("original", "mask", "trimap"):
        (tmp_path / folder).mkdir()
        for name in ("o_1", "o_2"):
            picture = np.dstack([alpha] * 3) if folder == "original" else alpha
            write_png(tmp_path / folder / f"{name}.png", picture)
    return tmp_path


def photos(root, **names):
    return FolderSet(root, **{"images": "original", "alphas": "mask", **names}).validation()


def test_photos_mattes_and_trimaps(root):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = photos(root, trimaps="trimap")
    assert [photo.name for photo in found] == ["o_1", "o_2"]
    for photo in found:
        assert photo.image == root / "original" / f"{photo.name}.png"
        assert photo.alpha == root / "mask" / f"{photo.name}.png"
        assert photo.trimap == root / "trimap" / f"{photo.name}.png"


@pytest.mark.parametrize("trimaps", ["trimaps", None])
def test_trimaps_are_made_where_there_are_none(root, trimaps):
    found = photos(root, trimaps=trimaps)
    assert not any(photo.trimap for photo in found)
    assert set(np.unique(ValidationSet(found)[0]["trimap"])) == {0, 128}


def test_photos_without_a_matte_are_said(root):
    (root / "mask/o_2.png").unlink()
    with pytest.warns(UserWarning, match=r"1 of 2 photos have no matte .*for example o_2"):
        assert [photo.name for photo in photos(root)] == ["o_1"]


@pytest.mark.parametrize(
    ("change", "names", "words"),
    [
        (
            "original/o_2.png",
            {},
            r"no picture named o_2 in .*original: add it, or remove .*o_2\.png",
        ),
        ("trimap/o_1.png", {"trimaps": "trimap"}, "no picture named o_1 in .*trimap"),
        ("", {"images": "image"}, r"no folder .*image: set data\.images"),
        ("", {"alphas": "matte"}, r"no folder .*matte: set data\.alphas"),
    ],
)
def test_faults_end_in_one_line(root, change, names, words):
    if change:
        (root / change).unlink()
    with pytest.raises(GFMError, match=words) as error:
        photos(root, **names)
    assert "\n" not in str(error.value)


def test_the_root_is_asked_for(tmp_path):
    cfg = to_plain(compose_config("evaluate", ["data=folder", f"paths.run={tmp_path}"]))
    datamodule = MattingDataModule(instantiate(cfg["data"]["source"]))
    with pytest.raises(GFMError, match=r"data=folder needs data\.root="):
        datamodule.setup("test")
    with pytest.raises(GFMError, match=r"no folder .*nowhere: set data\.root"):
        FolderSet(tmp_path / "nowhere").validation()


def test_it_is_not_for_training(root, tmp_path):
    overrides = ["data=folder", f"data.root={root}", f"paths.run={tmp_path / 'run'}"]
    with pytest.raises(MissingConfigException) as missing:
        compose_config("train", overrides)
    assert "data=folder has no recipe of the same name: add recipe=am2k" in describe_error(
        missing.value
    )
    with pytest.raises(GFMError, match=r"only for evaluate\.py: train on data=demo or data=am2k"):
        train(compose_config("train", [*overrides, "recipe=am2k", "logger=none"]))
    source = instantiate(compose_config("train", [*overrides, "recipe=am2k"])["data"]["source"])
    datamodule = MattingDataModule(source)
    with pytest.raises(GFMError, match="only for evaluate"):
        datamodule.setup("fit")
