"""Your own photos: what their folders hold, and messages about missing files."""

import re
import unicodedata
import warnings

import numpy as np
import pytest
from hydra.errors import MissingConfigException

from gfm.compat.hydra import instantiate, to_plain
from gfm.data.datamodule import MattingDataModule
from gfm.data.dataset import ValidationSet
from gfm.data.images import read_image, write_png
from gfm.data.layout import Roots
from gfm.data.pairs import Pairs
from gfm.data.tracks import OriginalTrack
from gfm.errors import GFMError
from gfm.prepare import denoise
from gfm.prepare.check import check
from gfm.prepare.pack import scene_items
from gfm.run.exit import describe_error
from gfm.run.train import train
from tests.conftest import compose_config

ALPHA = np.zeros((40, 50), np.uint8)
ALPHA[10:30, 10:40] = 255
ALPHA[20:22, 12:38] = 90
PHOTO = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
CUTOUT = np.dstack([PHOTO, ALPHA])


def write(folder, *names, picture=PHOTO):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        write_png(folder / f"{name}.png", picture)


@pytest.fixture
def root(tmp_path):
    """Two photos with mattes, and a trimap for each, under AIM-500's names."""
    for folder, picture in (("original", PHOTO), ("mask", ALPHA), ("trimap", ALPHA)):
        write(tmp_path / "set" / folder, "o_1", "o_2", picture=picture)
    return tmp_path / "set"


def photos(root, **options):
    return Pairs(root, **options).training("image", is_denoised=False)


def test_photos_mattes_and_trimaps(root):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = photos(root)
    assert [photo.name for photo in found] == ["o_1", "o_2"]
    for photo in found:
        assert photo.image == root / "original" / f"{photo.name}.png"
        assert photo.alpha == root / "mask" / f"{photo.name}.png"
        assert photo.trimap == root / "trimap" / f"{photo.name}.png"
    assert Pairs(root).validation() == []


def test_published_layout_with_a_split(root, tmp_path):
    for part in ("train", "validation"):
        (tmp_path / "am2k" / part).mkdir(parents=True)
        for folder in ("original", "mask"):
            write(
                tmp_path / "am2k" / part / folder,
                part,
                picture=ALPHA if folder == "mask" else PHOTO,
            )
    write(tmp_path / "am2k/train/fg", "train")
    pairs = Pairs(tmp_path / "am2k")
    assert [p.image.parent.name for p in photos(tmp_path / "am2k")] == ["original"]
    assert [photo.name for photo in pairs.validation()] == ["validation"]


def test_mattes_next_to_the_photos(tmp_path):
    write(tmp_path, "a", "b")
    write(tmp_path, "a_mask", "b_mask", picture=ALPHA)
    found = photos(tmp_path, alpha_suffix="_mask")
    assert [(p.name, p.image.name, p.alpha.name) for p in found] == [
        ("a", "a.png", "a_mask.png"),
        ("b", "b.png", "b_mask.png"),
    ]


@pytest.mark.parametrize(
    ("photo", "matte", "words"),
    [
        ("a.heic", "a_mask", r"has mattes, but no photos in a supported format"),
        ("a.png", "a_matte", r"no name in .* ends in _mask: set data\.alpha_suffix"),
    ],
)
def test_a_suffix_that_leaves_no_photo_or_no_matte(tmp_path, photo, matte, words):
    write(tmp_path, matte, picture=ALPHA)
    write(tmp_path, "a")
    (tmp_path / "a.png").rename(tmp_path / photo)
    with pytest.raises(GFMError, match=words):
        photos(tmp_path, alpha_suffix="_mask")


def test_a_damaged_cutout_is_named(tmp_path):
    write(tmp_path / "photos", "a")
    (tmp_path / "photos/a.png").write_bytes(b"no picture")
    with pytest.raises(GFMError, match=r"a\.png"):
        photos(tmp_path)


def test_names_that_nearly_match_name_the_option(root):
    for name in ("o_1", "o_2"):
        (root / f"mask/{name}.png").rename(root / f"mask/{name}-alpha.png")
    with pytest.raises(GFMError, match=r"o_1-alpha\.png: set data\.alpha_suffix=-alpha"):
        photos(root)
    assert len(photos(root, alpha_suffix="-alpha", trimaps="none")) == 2


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("first", [1, 2])
def test_one_stray_matte_is_no_naming_scheme(tmp_path, first):
    write(tmp_path / "images", *map(str, range(1, 11)))
    write(tmp_path / "alphas", *map(str, range(first, 12)), picture=ALPHA)
    with pytest.raises(GFMError, match=r"no picture named 11 in .*images: add it, or remove"):
        photos(tmp_path)
    assert not any("suffix" in problem for problem in check([Pairs(tmp_path)], 1))


def test_accents_of_macos_and_of_others_are_the_same(root):
    name = unicodedata.normalize("NFC", "café")
    write(root / "original", unicodedata.normalize("NFD", name))
    write(root / "mask", name, picture=ALPHA)
    found = photos(root, trimaps="none")
    assert [photo.name for photo in found] == [name, "o_1", "o_2"]


@pytest.mark.parametrize("trimaps", ["none", None])
def test_trimaps_are_made_where_there_are_none(root, trimaps):
    (root / "trimap").rename(root.parent / "elsewhere")
    found = photos(root, trimaps=trimaps)
    assert not any(photo.trimap for photo in found)
    assert set(np.unique(ValidationSet(found)[0]["trimap"])) == {0, 128}


def test_a_matte_of_a_different_size_is_named(root):
    write(root / "mask", "o_1", picture=ALPHA[1:])
    with pytest.raises(GFMError, match=r"mask.o_1\.png has 39×50 pixels, its photo 40×50"):
        ValidationSet(photos(root))[0]


def test_photos_without_a_matte_are_named(root):
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
        ("trimap/o_1.png", {}, "no picture named o_1 in .*trimap: set data.trimaps=none, or"),
        ("", {"images": "image"}, r"no folder .*image: set data\.images"),
        ("", {"alphas": "matte"}, r"no folder .*matte: set data\.alphas"),
        ("", {"trimaps": "trimaps"}, r"no folder .*trimaps: set data\.trimaps, or .*=none"),
    ],
)
def test_errors_are_a_single_line(root, change, names, words):
    if change:
        (root / change).unlink()
    with pytest.raises(GFMError, match=words) as error:
        photos(root, **names)
    assert "\n" not in str(error.value)


def test_photos_without_mattes_in_a_folder_named_test(root):
    write(root / "test", "new")
    with pytest.raises(GFMError, match=r"or rename .*test: its name makes it the validation set"):
        Pairs(root).validation()


def test_photos_of_another_format_alone(root):
    for path in (root / "original").iterdir():
        path.rename(path.with_suffix(".HEIC"))
    with pytest.raises(GFMError, match=r"original, only \.heic: convert them, or set data\.images"):
        photos(root)


def test_photos_in_training_and_validation_are_an_error(root, tmp_path):
    both = tmp_path / "both"
    both.mkdir()
    (both / "train").symlink_to(root, target_is_directory=True)
    (both / "validation").symlink_to(root, target_is_directory=True)
    module = MattingDataModule(Pairs(both), OriginalTrack(), num_workers=0)
    with pytest.raises(GFMError, match=r"photos are in both training and validation \(2\), .*o_1"):
        module.setup("fit")


def test_a_missing_root_is_named(tmp_path):
    cfg = to_plain(compose_config("evaluate", ["data=folder", f"paths.run={tmp_path}"]))
    datamodule = MattingDataModule(instantiate(cfg["data"]["source"]))
    with pytest.raises(GFMError, match=r"set data\.root=<folder of photos and mattes>"):
        datamodule.setup("test")
    with pytest.raises(GFMError, match=r"no folder .*nowhere: set data\.root"):
        photos(tmp_path / "nowhere")


def test_a_plain_test_set_takes_a_suffix_and_backgrounds(root, tmp_path):
    for name in ("o_1", "o_2"):
        (root / f"mask/{name}.png").rename(root / f"mask/{name}-alpha.png")
    write(tmp_path / "cutouts", "a", picture=CUTOUT)
    write(tmp_path / "bg", "x")
    folders = ["data.images=original", "data.alphas=mask", "data.alpha_suffix=-alpha"]
    for choice in (
        [f"data.root={root}", *folders],
        [f"data.root={tmp_path / 'cutouts'}", "data.images=null", "data.alphas=null"],
    ):
        options = ["data=folder", f"paths.bg20k={tmp_path / 'bg'}", *choice]
        source = instantiate(compose_config("evaluate", options).data.source)
        found = source.training("image", is_denoised=False)
        assert all(photo.trimap or photo.scene for photo in found)


def test_plain_test_set_is_not_for_training(root, tmp_path):
    overrides = ["data=folder", f"data.root={root}", f"paths.run={tmp_path / 'run'}"]
    with pytest.raises(MissingConfigException) as missing:
        compose_config("train", overrides)
    says = r"^data=folder is a test set, only for evaluate\.py: .* with data=pairs data\.root"
    assert re.match(says, describe_error(missing.value))
    with pytest.raises(GFMError, match=says):
        train(compose_config("train", [*overrides, "recipe=am2k", "logger=none"]))


def test_flat_folder_of_backgrounds(root, tmp_path):
    folder, out = tmp_path / "bg", tmp_path / "out"
    write(folder, "x", "y")
    found = Pairs(root, bg20k=folder).scenes("bg20k")
    assert [scene.image.name for scene in found] == ["x.png", "y.png"]
    assert np.array_equal(read_image(found[0].image), PHOTO)
    packed = [item.targets for item in scene_items(folder, out, 0)]
    assert packed == [(out / "x.npy",), (out / "y.npy",)]
    assert denoise.kinds(Roots(root, bg20k=folder))["bg20k"] == (folder, folder / "train_denoise")
