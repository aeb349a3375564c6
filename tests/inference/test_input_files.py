"""Photos and clips found from inputs, the names of their results, and what is left out."""

import os
from pathlib import Path

import pytest
from PIL import Image

from gfm.errors import GFMError
from gfm.inference.input_files import find_inputs


def put(folder, *names):
    """Make empty files."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def draw(path, mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, (4, 3)).save(path)


@pytest.fixture
def place(tmp_path, monkeypatch):
    files = ("a/x.jpg", "a/y.PNG", "a/sub/x.webp", "a/notes.txt", "a/.z.jpg", "a/.git/z.jpg")
    put(tmp_path, *files)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(*inputs, out="out"):
    found = find_inputs(inputs, Path(out))
    assert not found.failures
    return [str(source.name) for source in found.sources]


def failures(*inputs):
    return [failure.text for failure in find_inputs(inputs, Path("out")).failures]


def test_folders_keep_their_sub_folders(place):
    assert names("a") == ["x", "y", "sub/x"]


def test_files_patterns_and_standard_input(place):
    assert names("a/notes.txt", "a/x.jpg", "-") == ["notes", "x", "stdin"]
    assert names("a/**/x.*") == ["sub/x", "x"]
    assert names("a/sub/*.webp", "a/y.PNG") == ["x", "y"]


def test_a_photo_given_twice_counts_once(place):
    assert names("a/x.jpg", "a/x.jpg", "./a/x.jpg", str(place / "a/x.jpg"), "a/x.j*") == ["x"]
    assert names("a/sub", "a", str(place / "a")) == ["x", "x", "y"]


def test_files_that_are_left_out_are_counted_by_suffix(place):
    put(place, "a/1.CR2", "a/sub/2.cr2", "a/3.gif", "a/README", "a/4.heic", "a/5.3gp", "a/6.mts")
    found = find_inputs(["a"], Path("out"))
    assert dict(found.left_out) == {".txt": 1, ".cr2": 2, ".gif": 1, "without suffix": 1}
    assert {str(s.name) for s in found.sources if s.is_clip} == {"5", "6"}
    assert "4" in {str(s.name) for s in found.sources}


@pytest.mark.parametrize(
    ("root", "out"),
    [(".", "elsewhere"), ("d", "d"), ("d", "d/out"), (".", "d"), ("d/out", "d/out")],
)
def test_results_of_earlier_commands_are_not_inputs(tmp_path, monkeypatch, root, out):
    """This holds in the output folder of this command and in others."""
    monkeypatch.chdir(tmp_path)
    sources = {"d/p.jpg", "d/sub/q.png", "d/c.mp4", "d/out/r.png"}
    for name in sources - {"d/c.mp4"}:
        draw(tmp_path / name)
    put(tmp_path, "d/c.mp4")
    for folder in ("d", "d/out"):
        for name in ("p", "sub/q"):
            for output, mode in (("alpha", "L"), ("cutout", "RGBA"), ("composite", "RGB")):
                draw(tmp_path / folder / output / f"{name}.png", mode)
        put(tmp_path, f"{folder}/alpha/c.mkv", f"{folder}/composite/c.mp4")
        draw(tmp_path / folder / "cutout/c_frames/000001.png", "RGBA")
    for text in (root, f"{root}/**/*.*"):
        found = find_inputs([text], Path(out))
        expected = {name for name in sources if name.startswith(root) or root == "."}
        assert {str(source.path) for source in found.sources} == expected
        num_results = 9 if root == "d/out" else 18
        assert found.left_out == {"results of earlier commands": num_results}


def test_results_next_to_their_photos_are_not_opened(tmp_path, monkeypatch):
    put(tmp_path, "a.jpg", "alpha/a.png", "cutout/a.png")
    monkeypatch.setattr(Path, "open", lambda path, *_: pytest.fail(f"{path} was opened"))
    found = find_inputs([str(tmp_path)], tmp_path)
    assert [source.path.name for source in found.sources] == ["a.jpg"]


def test_pictures_in_folders_with_the_names_of_results(tmp_path):
    """They are inputs unless they have the format of that result."""
    draw(tmp_path / "alpha/photo.png")
    draw(tmp_path / "alpha/photo.jpg", "L")
    draw(tmp_path / "alpha/matte.png", "L")
    draw(tmp_path / "composite/b.png")
    draw(tmp_path / "cutout/c.png")
    found = find_inputs([str(tmp_path)], tmp_path / "out")
    assert {s.path.name for s in found.sources} == {"photo.png", "photo.jpg", "b.png", "c.png"}
    matte = tmp_path / "alpha/matte.png"
    (failure,) = find_inputs([f"{tmp_path}/alpha/m*"], tmp_path).failures
    assert failure.text == f"only earlier results in {tmp_path}/alpha/m*"
    assert find_inputs([str(matte)], tmp_path / "out").sources[0].path == matte
    assert find_inputs([str(tmp_path)], tmp_path).left_out == {"results of earlier commands": 2}


def test_patterns_match_in_the_folder_of_results(place):
    """Only results are left out, not the photos beside them."""
    assert names("a/**/x.*", out="a/sub") == ["sub/x", "x"]
    assert names("a/*.jpg", out="a") == names("a/*.jpg", out=".") == ["x"]


@pytest.mark.parametrize("folder", ["photos [2024]", "[a] b/c?"])
def test_patterns_below_folders_whose_names_have_brackets(place, folder):
    put(place, f"{folder}/x.jpg", f"{folder}/[1]/y.jpg", "photos 2/z.jpg")
    assert names(f"{folder}/*.jpg") == ["x"]
    assert names(f"{folder}/**/*.jpg") == ["[1]/y", "x"]


def test_brackets_match_literally_if_nothing_else_does(place):
    put(place, "a/p (1) [x].jpg", "b/c [2]/q.jpg")
    assert names("a/p* [x].jpg") == ["p (1) [x]"]
    assert names("*/c [2]/*.jpg") == ["b/c [2]/q"]


def test_linked_folders_are_searched_once(place):
    (place / "a/around").symlink_to(place / "a")
    put(place, "b/z.jpg")
    (place / "a/link").symlink_to(place / "b")
    assert names("a") == ["x", "y", "link/z", "sub/x"]


@pytest.mark.parametrize("text", ["b", "a/*.gif", "x" * 300])
def test_missing_inputs(place, text):
    with pytest.raises(GFMError, match="no file"):
        find_inputs([text], Path("out"))


def test_an_error_does_not_hide_the_other_files(place, monkeypatch):
    (place / "empty").mkdir()
    put(place, "raw/a.dng")
    (place / os.fsdecode(b"a/\xff.jpg")).touch()
    found = find_inputs(["raw/a.dng", "empty", "a"], Path("out"))
    assert len(found.sources) == 3
    texts = [failure.text for failure in found.failures]
    assert failures("raw/*.dng") == texts[:1]
    assert texts[0] == "cannot read raw/a.dng: raw; convert it to TIFF or JPEG"
    assert texts[1] == "no photos or clips in empty"
    assert "is not UTF-8: rename it" in texts[2]
    scandir = os.scandir

    def deny(path):
        if str(path) == "a/sub":
            raise PermissionError(13, "Permission denied", "a/sub")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", deny)
    assert failures("a")[-1] == "cannot read a/sub: Permission denied"


def test_a_photo_and_a_clip_of_the_same_name(place):
    put(place, "a/x.MOV", "a/sub/y.webm")
    sources = find_inputs(["a/x.jpg", "a/x.MOV", "a"], Path("out")).sources
    assert [s.is_clip for s in sources[:2]] == [False, True]
    assert "sub/y" in [str(s.name) for s in sources if s.is_clip]
