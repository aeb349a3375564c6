"""Mixed datasets: their names, their validation photos, and training on them."""

import shutil
from collections import Counter

import pytest

from gfm.data.datamodule import MattingDataModule
from gfm.data.dataset import SampleOptions
from gfm.data.mixture import Mixture
from gfm.data.pairs import Pairs
from gfm.data.tracks import OriginalTrack
from gfm.errors import GFMError
from gfm.run.train import train
from tests.conftest import SMALL_NETWORK, compose_config
from tests.data.test_pairs import CUTOUT, write
from tests.run.test_finetune import make_photos


@pytest.fixture
def mixture(tmp_path):
    mine, other = make_photos(tmp_path / "mine", 5), make_photos(tmp_path / "zoo.v2", 6)
    return Mixture(Pairs(mine), [other])


def test_names_cannot_clash_and_each_dataset_is_validated(mixture):
    module = MattingDataModule(
        mixture,
        OriginalTrack(),
        SampleOptions(input_size=32),
        batch_size=2,
        num_holdout=0.2,
        num_workers=0,
    )
    module.setup("fit")
    trained = [photo.name for photo in module.training.photos]
    assert len(trained) == len(set(trained)) == 3 + 4
    assert sum(name.startswith("zoo_v2/") for name in trained) == 4
    validated = [photo.name for photo in module.validation.photos]
    assert not set(validated) & set(trained)
    assert Counter(photo.dataset for photo in module.validation.photos) == {"": 2, "zoo_v2": 2}
    assert [photo.dataset for photo in module.photos] == ["", ""]  # of the final test
    assert len(module.training) == 6


def test_an_added_dataset_that_a_track_cannot_use_is_named(tmp_path):
    mine, cutouts, bg = (tmp_path / name for name in ("mine", "cutouts", "bg"))
    make_photos(mine, 3)
    write(cutouts, "a", "b", picture=CUTOUT)
    write(bg, "x")
    with pytest.raises(GFMError, match=r"^.*cutouts holds cut-outs, which need backgrounds"):
        OriginalTrack().photos(Mixture(Pairs(mine, bg20k=bg), [cutouts]))
    with pytest.raises(GFMError, match=r"^.*mine has no foregrounds: set track\.foreground=image"):
        Mixture(Pairs(cutouts, bg20k=bg), [mine]).training("closed_form", is_denoised=False)


def test_two_folders_of_one_name(tmp_path):
    roots = [make_photos(tmp_path / place / "zoo", 3) for place in ("a", "b")]
    (tmp_path / "link").symlink_to(roots[1], target_is_directory=True)
    (roots[1] / "train").mkdir()
    for also in (roots, [roots[0], tmp_path / "link"], [roots[0], roots[1] / "train"]):
        with pytest.raises(GFMError, match=r"data\.also names two folders zoo: rename one"):
            Mixture(Pairs(roots[0]), also).validation()


def test_a_training_folder_has_the_name_of_its_dataset(tmp_path):
    """Otherwise the folders ``train`` of two datasets would have the same name."""
    roots = [make_photos(tmp_path / place / "train", 3) for place in ("zoo", "farm")]
    photos = Mixture(Pairs(roots[0]), roots).training("image", is_denoised=False)
    assert Counter(photo.dataset for photo in photos) == {"": 3, "zoo": 3, "farm": 3}
    assert photos[-1].name.startswith("farm/")


@pytest.mark.parametrize("change", ["suffix", "folders", "gone", "validation"])
def test_an_error_names_the_layout_of_added_datasets(tmp_path, change):
    mine, other = make_photos(tmp_path / "mine", 3), make_photos(tmp_path / "zoo", 3)
    if change == "suffix":
        for path in list((other / "mattes").iterdir()):
            path.rename(path.with_stem(f"{path.stem}_mask"))
    if change == "folders":
        shutil.copytree(other / "photos", other / "more")
        shutil.rmtree(other / "mattes")
        (other / "photos").rename(other / "some")
    if change == "validation":
        for name in ("photos", "mattes"):
            (other / "train").mkdir(exist_ok=True)
            (other / name).rename(other / "train" / name)
        make_photos(other / "val/P3M-500-P", 3)
    also = tmp_path / "nowhere" if change == "gone" else other
    mixture = Mixture(Pairs(mine), [also])
    with pytest.raises(GFMError, match=r"zoo|nowhere") as error:
        mixture.validation() if change == "validation" else mixture.training("image", False)
    words = ": data.also takes folders with the sub-folders images and alphas"
    assert words in str(error.value)
    assert "set data." not in str(error.value)
    assert str(error.value).endswith("zoo/train may be one") == (change == "validation")


@pytest.mark.parametrize("name", ["zoo.v2", "half"])  # torch has attributes of some names
def test_training_logs_each_dataset(tmp_path, name):
    mixture = Mixture(Pairs(make_photos(tmp_path / "mine", 5)), [make_photos(tmp_path / name, 6)])
    choice = ["data=pairs", f"data.root={mixture.main.root}", f"data.also=[{mixture.also[0]}]"]
    choice += ["track=ori", *SMALL_NETWORK, "data.input_size=32", "data.crop_sizes=[64]"]
    choice += ["trainer.max_epochs=1", "trainer.check_val_every_n_epoch=1", "data.num_workers=0"]
    choice += ["logger=none", "recipe.pretrained=false", "trainer.accelerator=cpu", "test=false"]
    metrics, _ = train(compose_config("train", [*choice, f"paths.run={tmp_path / 'run'}"]))
    assert metrics["val/sad"] != metrics[f"val/{name.replace('.', '_')}/sad"]
    assert metrics["best"] == pytest.approx(metrics["val/sad"])


def test_held_out_photos_are_not_trained_on_by_another_name(tmp_path):
    mine = make_photos(tmp_path / "mine", 5)
    (tmp_path / "same").symlink_to(mine, target_is_directory=True)
    module = MattingDataModule(
        Mixture(Pairs(mine), [tmp_path / "same"]), OriginalTrack(), num_holdout=0.4, num_workers=0
    )
    with pytest.raises(GFMError, match="photos are in both training and validation"):
        module.setup("fit")


def test_the_main_dataset_cannot_be_held_out_whole(mixture):
    """An epoch would have a single sample."""
    module = MattingDataModule(mixture, OriginalTrack(), num_holdout=1.0, num_workers=0)
    with pytest.raises(GFMError, match="5 of 5 training photos are held out"):
        module.setup("fit")


def test_a_dataset_that_would_be_held_out_whole_is_an_error(tmp_path):
    mine, few = make_photos(tmp_path / "mine", 5), make_photos(tmp_path / "few", 2, first=9)
    module = MattingDataModule(Mixture(Pairs(mine), [few]), OriginalTrack(), num_workers=0)
    with pytest.raises(GFMError, match=r"all 2 photos of few in data\.also are held out"):
        module.setup("fit")
