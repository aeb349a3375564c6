"""Photos and clips found from inputs, and the names of their results."""

from pathlib import Path

import pytest

from gfm.errors import GFMError
from gfm.inference.input_files import find_sources


@pytest.fixture
def place(tmp_path, monkeypatch):
    for name in ("a/x.jpg", "a/y.PNG", "a/sub/x.webp", "a/notes.txt", "a/.z.jpg", "a/.git/z.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(*inputs, out="out"):
    return [str(source.name) for source in find_sources(inputs, Path(out))]


def test_folders_keep_their_sub_folders(place):
    assert names("a") == ["x", "y", "sub/x"]


def test_files_patterns_and_standard_input(place):
    assert names("a/notes.txt", "a/x.jpg", "-") == ["notes", "x", "stdin"]
    assert names("a/**/x.*") == ["sub/x", "x"]
    assert names("a/sub/*.webp", "a/y.PNG") == ["x", "y"]


def test_a_photo_named_twice_counts_once(place):
    assert names("a/x.jpg", "a/x.jpg", "a/x.j*") == ["x"]


def test_results_are_not_inputs(place):
    assert names("a", out="a/sub") == ["x", "y"]
    assert names("a/**/x.*", out="a/sub") == ["x"]


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (["b"], "no file or folder b"),
        (["a/*.gif"], "no file matches a/"),
        (["empty"], "no photos or clips in empty"),
        (["a/x.jpg", "a/sub/x.webp"], "would both be called x: "),
    ],
)
def test_errors(place, inputs, message):
    (place / "empty").mkdir()
    with pytest.raises(GFMError, match=message):
        find_sources(inputs, Path("out"))


def test_a_photo_and_a_clip_of_the_same_name(place):
    for name in ("a/x.MOV", "a/sub/y.webm"):
        (place / name).touch()
    sources = find_sources(["a/x.jpg", "a/x.MOV", "a"], Path("out"))
    assert [s.is_clip for s in sources[:2]] == [False, True]
    assert "sub/y" in [str(s.name) for s in sources if s.is_clip]
