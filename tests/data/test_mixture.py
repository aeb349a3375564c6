"""Mixed datasets: how often each is shown, and in which order."""

import shutil
from collections import Counter
from pathlib import Path

import pytest

from gfm.data.datamodule import MattingDataModule
from gfm.data.dataset import SampleOptions
from gfm.data.layout import Photo
from gfm.data.mixture import Mixture, PhotoOrder
from gfm.data.pairs import Pairs
from gfm.data.tracks import OriginalTrack
from gfm.errors import GFMError
from gfm.run.train import train
from tests.conftest import SMALL_NETWORK, compose_config
from tests.run.test_finetune import make_photos


def photos(dataset: str, number: int) -> list[Photo]:
    names = [f"{dataset}/{i}" for i in range(number)]
    return [Photo(n, Path(n), Path(f"{n}.png"), dataset=dataset) for n in names]


def shown(order: PhotoOrder, epoch: int) -> list[str]:
    return [order.photo(epoch, index).name for index in range(len(order))]


@pytest.mark.parametrize(
    ("also_share", "counts"), [(0.5, (8, 4, 4)), (0.2, (8, 1, 1)), ([0.5, 0.25], (8, 16, 8))]
)
def test_shares(also_share, counts):
    order = PhotoOrder([*photos("", 4), *photos("a", 3), *photos("b", 50)], 2, also_share)
    expected = (
        counts if isinstance(counts, dict) else dict(zip(("", "a", "b"), counts, strict=True))
    )
    assert order.counts == expected
    found = Counter(name.partition("/")[0] for name in shown(order, 0))
    assert found == expected
    assert Counter(shown(order, 0))["/0"] == 2


def test_added_photos_are_all_shown_before_one_returns():
    order = PhotoOrder([*photos("", 3), *photos("a", 7)], 1, 0.5, seed=5)
    names = [n for epoch in range(7) for n in shown(order, epoch) if n.startswith("a/")]
    for start in range(0, 21, 7):
        assert len(set(names[start : start + 7])) == 7
    assert names[:7] != names[7:14]
    again = PhotoOrder([*photos("", 3), *photos("a", 7)], 1, 0.5, seed=5)
    assert shown(again, 4) == shown(order, 4)
    assert shown(PhotoOrder([*photos("", 3), *photos("a", 7)], 1, 0.5, seed=6), 4) != shown(
        order, 4
    )


def test_without_other_datasets_the_samples_are_the_same():
    order = PhotoOrder(photos("", 3), 2)
    assert shown(order, 9) == ["/0", "/0", "/1", "/1", "/2", "/2"]


@pytest.mark.parametrize("also_share", [[0.5], [0.5, 0.5], 0.0, 1.0, [0.2, 0.2, 0.2]])
def test_wrong_shares(also_share):
    with pytest.raises(GFMError, match=r"data\.also_share=.* for 2 datasets in data\.also: set"):
        PhotoOrder([*photos("", 1), *photos("a", 1), *photos("b", 1)], 1, also_share)


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


def test_two_folders_of_one_name(tmp_path):
    roots = [make_photos(tmp_path / place / "zoo", 3) for place in ("a", "b")]
    with pytest.raises(GFMError, match=r"data\.also names two folders zoo: rename one"):
        Mixture(Pairs(roots[0]), roots).validation()


@pytest.mark.parametrize("change", ["suffix", "folders", "gone"])
def test_an_added_dataset_is_told_the_layout_that_it_needs(tmp_path, change):
    mine, other = make_photos(tmp_path / "mine", 3), make_photos(tmp_path / "zoo", 3)
    if change == "suffix":
        for path in list((other / "mattes").iterdir()):
            path.rename(path.with_stem(f"{path.stem}_mask"))
    if change == "folders":
        shutil.copytree(other / "photos", other / "more")
        shutil.rmtree(other / "mattes")
        (other / "photos").rename(other / "some")
    also = tmp_path / "nowhere" if change == "gone" else other
    with pytest.raises(GFMError, match=r"zoo|nowhere") as error:
        Mixture(Pairs(mine), [also]).training("image", is_denoised=False)
    words = ": data.also takes folders with the sub-folders images and alphas"
    assert words in str(error.value)
    assert "set data." not in str(error.value)


@pytest.mark.parametrize("name", ["zoo.v2", "train"])  # torch has attributes of some names
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


def test_a_dataset_that_would_be_held_out_whole_is_an_error(tmp_path):
    mine, few = make_photos(tmp_path / "mine", 5), make_photos(tmp_path / "few", 2, first=9)
    module = MattingDataModule(Mixture(Pairs(mine), [few]), OriginalTrack(), num_workers=0)
    with pytest.raises(GFMError, match=r"all 2 photos of few in data\.also are held out"):
        module.setup("fit")
