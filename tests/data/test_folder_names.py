"""Folders of photos and mattes are found by their names or contents."""

import os
from pathlib import Path

import pytest

from gfm.errors import GFMError
from tests.data.test_pairs import ALPHA, photos, root, write  # noqa: F401  a fixture


@pytest.mark.parametrize(
    ("images", "alphas"),
    [("Images", "GT"), ("im", "alpha"), ("FG", "matte"), ("rabbits", "masks"), ("zoo", "b_and_w")],
)
def test_folders_are_found_by_name_or_content(root, images, alphas):  # noqa: F811
    (root / "original").rename(root / images)
    (root / "mask").rename(root / alphas)
    found = photos(root)
    assert {p.image.parent.name for p in found} == {images}
    assert {p.alpha.parent.name for p in found} == {alphas}


@pytest.mark.parametrize("mattes", ["mattes", "b_and_w"])
def test_photos_beside_a_folder_of_mattes(tmp_path, mattes):
    write(tmp_path, "a", "b")
    write(tmp_path / mattes, "a", "b", picture=ALPHA)
    found = photos(tmp_path)
    assert [(p.image.parent, p.alpha.parent.name) for p in found] == [(tmp_path, mattes)] * 2


def test_hidden_and_unreadable_folders_are_ignored(root, monkeypatch):  # noqa: F811
    (root / "original").rename(root / "zoo")
    write(root / ".thumbnails", "a")
    (root / "lost+found").mkdir()
    monkeypatch.setattr(os, "access", lambda path, _: Path(path).name != "lost+found")
    list_all = Path.iterdir

    def refuse(folder):
        if folder.name == "lost+found":
            raise PermissionError
        return list_all(folder)

    monkeypatch.setattr(Path, "iterdir", refuse)
    assert {p.image.parent.name for p in photos(root)} == {"zoo"}


def test_folders_are_told_apart_though_a_photo_is_damaged(tmp_path):
    """``gfm check`` names the photo, with all other problems."""
    write(tmp_path / "Bilder", "a", "b")
    write(tmp_path / "Masken", "a", "b", picture=ALPHA)
    (tmp_path / "Bilder/a.png").write_bytes(b"garbage")
    assert [photo.name for photo in photos(tmp_path)] == ["a", "b"]


def test_folders_that_cannot_be_told_apart(tmp_path):
    for name in ("one", "two"):
        write(tmp_path / name, "a")
    words = r"cannot tell where .* photos \(it has one, two\): set data\.images and data\.alphas"
    with pytest.raises(GFMError, match=words):
        photos(tmp_path)
    write(tmp_path / "plain", "a")
    words = r"its mattes \(it has no .*\): set data\.alphas, or data\.alpha_suffix if they are"
    with pytest.raises(GFMError, match=words):
        photos(tmp_path / "plain")
