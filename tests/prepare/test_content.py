"""Messages about mattes and photos with wrong content."""

import re
import shutil
import unicodedata

import cv2
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from gfm.cli import app
from gfm.cli.datasets import find_datasets
from gfm.data.layout import Photo
from gfm.data.pairs import Pairs
from gfm.data.trimap import trimap_from_alpha
from gfm.errors import GFMError
from gfm.prepare.check import check
from gfm.prepare.content import check_photos
from gfm.prepare.duplicates import equal_pairs, fingerprint

NAMES = list("abcdef")
SOFT = cv2.GaussianBlur(np.pad(np.full((20, 30), 255, np.uint8), 15), (9, 9), 3)  # 50×60


def photo(seed):
    small = np.random.default_rng(seed).integers(0, 256, (5, 6, 3), np.uint8)
    return cv2.resize(small, SOFT.shape[::-1], interpolation=cv2.INTER_CUBIC)


def save(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


@pytest.fixture
def root(tmp_path):
    for seed, name in enumerate(NAMES):
        save(tmp_path / f"mine/images/{name}.jpg", photo(seed))
        save(tmp_path / f"mine/masks/{name}.png", SOFT)
    return tmp_path / "mine"


def photos(root):
    return [Photo(n, root / f"images/{n}.jpg", root / f"masks/{n}.png") for n in NAMES]


def seen(root, capsys, **options):
    """Return the problems and the notes."""
    problems = check([Pairs(root, **options)], 1)
    lines = capsys.readouterr().out.splitlines()
    return problems, [line.removeprefix("note: ") for line in lines if line.startswith("note: ")]


def test_nothing_is_wrong_with_sound_pairs(root, capsys):
    assert seen(root, capsys) == ([], [])
    assert check_photos(photos(root)) == []


KINDS = {
    "coloured": (lambda i: photo(i), r"6 of 6 mattes are in colour .*a\.png, b\.png.*f\.png$"),
    "8 bits in 16": (lambda i: SOFT.astype(np.uint16), "6 of 6 mattes have a largest value of 1"),
    "labels": (
        lambda i: SOFT // 255,
        "6 of 6 mattes have a largest value of 1, not 255: multiply",
    ),
    "dark": (lambda i: SOFT // 2, "6 of 6 mattes never exceed 127"),
    "trimap": (lambda i: trimap_from_alpha(SOFT, 9), "6 of 6 mattes hold only 0, 128 and 255"),
    "inverted": (lambda i: 255 - SOFT, "6 of 6 mattes are opaque along the border: invert"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_mattes_of_the_wrong_kind_are_a_problem_in_one_line(root, capsys, kind):
    make, words = KINDS[kind]
    for index, name in enumerate(NAMES):
        save(root / f"masks/{name}.png", make(index))
    (problem,), _ = seen(root, capsys, images="images", alphas="masks")
    assert re.search(rf"{root / 'masks'}: {words}", problem), problem
    with pytest.raises(GFMError, match=words):
        check_photos(photos(root))


@pytest.mark.parametrize("kind", ["dark", "inverted"])
def test_a_single_matte_of_that_kind_may_be_right(root, capsys, kind):
    make, words = KINDS[kind]
    save(root / "masks/c.png", make(0))
    problems, (note,) = seen(root, capsys)
    assert not problems
    assert note.endswith(": c.png")
    assert note.replace("1 of 6", "6 of 6").split(": ")[1] in words.replace(r"\.", ".") + ": invert"
    assert check_photos(photos(root)) == [note]


def test_binary_mattes_and_cut_outs_are_noted(root, capsys):
    save(root / "masks/b.png", (SOFT > 99) * np.uint8(255))
    save(root / "masks/c.png", np.dstack([photo(2), SOFT]))
    problems, notes = seen(root, capsys)
    assert not problems
    assert [note.split(": ", 1)[1] for note in notes] == [
        "1 of 6 mattes hold only 0 and 255: edges and hair cannot be learnt from them: b.png",
        "1 of 6 mattes have transparency, which is taken as the matte: c.png",
    ]


@pytest.mark.parametrize(
    "matte", [SOFT.clip(2, 255), SOFT.clip(0, 254), SOFT.clip(0, 254).astype(np.uint16) * 257]
)
def test_mattes_without_certain_background_or_foreground_are_noted(root, capsys, matte):
    save(root / "masks/b.png", matte)
    problems, (note,) = seen(root, capsys)
    assert not problems
    assert "1 of 6 mattes are not quite 0 in most of the background, or not quite 255" in note
    assert check_photos(photos(root)) == [note]


def test_photos_with_transparency_are_noted(root, capsys):
    (root / "images/a.jpg").unlink()
    save(root / "images/a.png", np.dstack([photo(0), SOFT]))
    assert "1 of 6 photos have transparency, which is ignored: a.png" in seen(root, capsys)[1][0]


def test_swapped_folders(root, capsys):
    (problem,), _ = seen(root, capsys, images="masks", alphas="images")
    assert "photos and mattes are swapped; set data.images=images data.alphas=masks" in problem
    swapped = [Photo(p.name, p.alpha, p.image) for p in photos(root)]
    with pytest.raises(GFMError, match="are swapped"):
        check_photos(swapped)


def test_sizes_and_damage_stop_a_run(root):
    save(root / "masks/a.png", SOFT[:-1])
    with pytest.raises(GFMError, match=r"a\.jpg has 50×60 pixels, its matte 49×60"):
        check_photos(photos(root))
    (root / "masks/a.png").write_bytes(b"")
    with pytest.raises(GFMError, match=r"cannot read .*a\.png"):
        check_photos(photos(root))


def test_a_matte_that_ignores_the_rotation_of_its_photo(root, capsys):
    turned = Image.fromarray(photo(0))
    turned.getexif()[0x0112] = 6
    turned.save(root / "images/a.jpg", exif=turned.getexif())
    words = ": rotate one of them (photos are rotated as EXIF says)"
    (problem,), _ = seen(root, capsys)
    assert problem.endswith(f"a.jpg has 60×50 pixels, {root / 'masks/a.png'} 50×60{words}")
    with pytest.raises(GFMError, match=re.escape(words)):
        check_photos(photos(root))


@pytest.mark.parametrize(("value", "kind"), [(0, "empty alpha, all 0"), (255, "constant alpha")])
def test_constant_mattes_are_noted_and_stop_a_run_if_most_are(root, value, kind):
    for number, name in enumerate(NAMES[:4], 1):
        save(root / f"masks/{name}.png", np.full_like(SOFT, value))
        if number < 4:
            notes = check_photos(photos(root))
            assert len([note for note in notes if kind in note]) == number
    with pytest.raises(GFMError, match=rf"4 of 6 mattes are constant: .*a\.png: {kind}"):
        check_photos(photos(root))


def test_only_a_sample_is_read(root):
    (root / "images/b.jpg").write_bytes(b"")
    assert check_photos(photos(root), 3) == []


def test_the_same_photo_twice_and_in_both_parts(root, tmp_path, capsys):
    Image.fromarray(photo(0)).resize((120, 100), 3).save(root / "images/c.jpg", quality=70)
    save(root / "masks/c.png", cv2.resize(SOFT, (120, 100)))
    problems, (note,) = seen(root, capsys)
    assert not problems
    assert note == f"duplicate photos: {root / 'images/a.jpg'} = {root / 'images/c.jpg'}"
    both = tmp_path / "both"
    for part, seeds in (("train", (0, 1)), ("val", (2, 1))):
        for seed in seeds:
            save(both / f"{part}/images/{part}{seed}.png", photo(seed))
            save(both / f"{part}/alphas/{part}{seed}.png", SOFT)
    (problem,), notes = seen(both, capsys)
    assert problem.startswith("photos in both training and validation: ")
    assert "train1.png = " in problem
    assert not notes


def test_photos_in_two_training_sets_are_noted(root, tmp_path, capsys):
    shutil.copytree(root, tmp_path / "other")
    assert check([Pairs(root), Pairs(tmp_path / "other")], 1) == []
    assert "note: duplicate photos: " in capsys.readouterr().out


def test_folders_that_are_not_read_are_noted(root, capsys):
    """Folders beside ``train`` are not read, nor is ``test`` beside ``val``."""
    for part in ("train", "val"):
        save(root / f"{part}/images/{part}.jpg", photo(len(part)))
        save(root / f"{part}/masks/{part}.png", SOFT)
    save(root / "test/images/x.jpg", photo(9))
    problems, notes = seen(root, capsys)
    assert not problems
    assert notes == [
        f"{root}: the sub-folder images is not read (6 pictures)",
        f"{root}: the sub-folder masks is not read (6 pictures)",
        f"{root / 'test'}: the sub-folder images is not read (1 picture)",
    ]


def test_the_same_cut_out_twice(tmp_path, capsys):
    for seed, name in enumerate("abc"):
        save(tmp_path / f"{name}.png", np.dstack([photo(seed), SOFT]))
    hidden = np.where(SOFT[..., None] > 0, photo(1), 99)
    save(tmp_path / "d.png", np.pad(np.dstack([hidden, SOFT]), ((0, 30), (0, 40), (0, 0))))
    problems, notes = seen(tmp_path, capsys)
    assert not problems
    assert notes == [f"duplicate photos: {tmp_path / 'b.png'} = {tmp_path / 'd.png'}"]


def test_photos_of_one_colour_are_not_the_same():
    assert fingerprint(np.full((40, 40, 3), 7, np.uint8)) is None
    prints = [fingerprint(photo(seed)) for seed in (1, 2, 3, 1, 3)]
    assert list(equal_pairs(prints)) == [(0, 3), (2, 4)]
    assert list(equal_pairs([])) == []


def test_names_that_nearly_match(root, capsys):
    for name in NAMES:
        (root / f"masks/{name}.png").rename(root / f"masks/{name}_mask.png")
    (problem,), _ = seen(root, capsys)
    assert f"{root / 'masks'}: mattes are named like their photos and _mask: rename" in problem
    assert "set data=pairs data.alpha_suffix=_mask" in problem
    assert seen(root, capsys, alpha_suffix="_mask") == ([], [])
    (root / "masks/a_mask.png").rename(root / "masks/A-alpha.png")
    (root / "masks/b_mask.png").rename(root / "masks/wild.png")
    problems, _ = seen(root, capsys)
    assert "A-alpha (is it a? rename it)" in problems[1]
    assert "wild," in problems[1] + ","


def test_the_raw_file_is_named_not_its_sidecar(root, capsys):
    for suffix in (".jpg", ".xmp"):
        (root / f"images/a{suffix}").touch()
    (root / "images/a.jpg").rename(root / "images/a.CR2")
    (problem,), _ = seen(root, capsys)
    assert problem.endswith("lacks 1 of 6 pictures: a (a.CR2 is not supported: convert it to PNG)")


def test_accents_match_however_they_are_stored(root, capsys):
    for form, folder, suffix in (("NFC", "images", ".jpg"), ("NFD", "masks", ".png")):
        path = root / folder / f"a{suffix}"
        path.rename(path.with_name(unicodedata.normalize(form, f"Bär{suffix}")))
    assert seen(root, capsys) == ([], [])


def test_folders_outside_of_the_root_are_checked(root, tmp_path, capsys):
    (root / "images").rename(tmp_path / "photos")
    assert check([Pairs(root, str(tmp_path / "photos"), str(root / "masks"))], 1) == []
    assert "masks 6, ../photos 6" in capsys.readouterr().out


def test_skipped_files_are_named(root, capsys):
    (root / "images/a.jpg").rename(root / "images/a.heic")
    (root / "images/notes.txt").touch()
    save(root / "images/more/x.png", photo(9))
    problems, notes = seen(root, capsys)
    assert problems == [
        f"{root / 'images'}: lacks 1 of 6 pictures: a (a.heic is not supported: convert it to PNG)"
    ]
    assert notes == [
        f"{root / 'images'}: files that are not read: 1 .heic, 1 .txt",
        f"{root / 'images'}: the sub-folder more is not read (1 picture)",
    ]


def test_cut_outs_alone(tmp_path, capsys):
    for seed, name in enumerate(NAMES):
        save(tmp_path / f"{name}.png", np.dstack([photo(seed), SOFT]))
    assert seen(tmp_path, capsys) == ([], [])
    cut_outs = [Photo(n, tmp_path / f"{n}.png", tmp_path / f"{n}.png") for n in NAMES]
    assert check_photos(cut_outs) == []
    save(tmp_path / "b.png", np.dstack([*[photo(1)[..., 0]] * 3, np.full_like(SOFT, 255)]))
    (problem,), _ = seen(tmp_path, capsys, images=".", alphas=".")
    assert "1 of 6 mattes are opaque everywhere: a cut-out has transparency: b.png" in problem
    with pytest.raises(GFMError, match="opaque everywhere"):
        check_photos(cut_outs)


@pytest.mark.parametrize("name", ["a=b", "photos [2024]", "with blanks", "照片", "shoot:camera:1"])
def test_folders_of_any_name(root, name):
    here = root.rename(root.with_name(name))
    for arguments in ([str(here)], ["data=pairs", f"data.root={here}"]):
        assert find_datasets(arguments)[0].root == here
    result = CliRunner().invoke(app, ["check", "--workers", "1", str(here)])
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[-1] == "no problems"
