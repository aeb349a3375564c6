"""Names of results, and inputs that are rejected because of them."""

import io
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from gfm.data.images import read_image
from gfm.errors import GFMError
from gfm.inference.input_files import STDIN, Failure, Inputs, Source, count_files, find_inputs
from gfm.inference.outputs import Background
from gfm.inference.result_files import (
    ResultFiles,
    reject_conflicts,
    reject_unreadable,
    select_sources,
)
from gfm.inference.video.codecs import ClipOptions
from gfm.system.shards import Shard


def sources(*paths):
    return [Source(Path(path), Path(Path(path).stem)) for path in paths]


def test_inputs_with_the_same_results_are_refused_and_the_others_kept(tmp_path):
    given = sources("IMG_1.JPG", "IMG_1.webp", "IMG_2.JPG", "IMG_1.mov", "sub/IMG_1.png")
    accepted, (failure,) = reject_conflicts(given, ResultFiles(tmp_path, ["alpha"]))
    assert accepted == [given[2], given[3]]
    assert failure.num_files == 3
    result = tmp_path / "alpha/IMG_1.png"
    assert failure.text == (
        f"IMG_1.JPG, IMG_1.webp, sub/IMG_1.png: all would write {result}; rename all but one"
    )


@pytest.mark.parametrize("ignores_case", [True, False])
def test_names_that_are_the_same_on_some_disks(tmp_path, monkeypatch, ignores_case):
    """Disks that ignore case also ignore how accents are encoded."""
    monkeypatch.setattr("gfm.inference.result_files.ignores_case", lambda _: ignores_case)
    accents = "e\N{COMBINING ACUTE ACCENT}", "\N{LATIN SMALL LETTER E WITH ACUTE}"
    given = sources("a/IMG_1.jpg", "b/img_1.jpg", *(f"{x}.jpg" for x in accents), "b/img_1.mov")
    accepted, failures = reject_conflicts(given, ResultFiles(tmp_path, ["alpha"]))
    assert accepted == (given[4:] if ignores_case else given)
    assert [failure.num_files for failure in failures] == [2, 2] * ignores_case
    if ignores_case:
        result = tmp_path / "alpha/IMG_1.png"
        assert failures[0].text.startswith(f"a/IMG_1.jpg, b/img_1.jpg: all would write {result}")


def test_inputs_are_not_replaced(tmp_path):
    """This holds for any path to them, and for any kind of input."""
    for name in ("alpha/p.png", "cutout/clip_frames/1.png", "alpha/b.png", "q.jpg", "clip.mp4"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "link").symlink_to(tmp_path / "alpha")
    (tmp_path / "alpha/hard.png").hardlink_to(tmp_path / "q.jpg")
    names = ("link/p.png", "b.jpg", "q.jpg", "clip.mp4", "cutout/clip_frames/1.png", "hard.jpg")
    given = [*sources(*(tmp_path / name for name in names)), Source(STDIN, Path("stdin"))]
    background = tmp_path / "alpha/b.png"
    accepted, failures = reject_conflicts(
        given,
        ResultFiles(tmp_path, ["alpha", "cutout"], ClipOptions(cutout="png")),
        [background, Path("no")],
    )
    assert [str(s.name) for s in accepted] == ["q", "1", "stdin"]
    assert [failure.text.split(";")[0] for failure in failures] == [
        f"{given[0]}: its result would overwrite the input {tmp_path / 'alpha/p.png'}",
        f"{given[1]}: its result would overwrite the input {background}",
        f"{given[3]}: its result would overwrite the input {tmp_path / 'cutout/clip_frames'}",
        f"{given[5]}: its result would overwrite the input {tmp_path / 'alpha/hard.png'}",
    ]


def test_earlier_results_of_standard_input_are_an_error(tmp_path):
    """Otherwise the result of a different photo would pass for the result of this one."""
    stdin, kept = Source(STDIN, Path("stdin")), tmp_path / "alpha/stdin.png"
    kept.parent.mkdir()
    kept.touch()
    accepted, (failure,) = reject_conflicts([stdin], ResultFiles(tmp_path, ["glance", "alpha"]))
    assert accepted == []
    assert failure.text.startswith(f"standard input: {kept} exists, perhaps for a different photo")
    results = ResultFiles(tmp_path, ["alpha"], overwrite=True)
    assert reject_conflicts([stdin], results) == ([stdin], [])


def test_shards_divide_the_results(tmp_path):
    """Existing results do not matter, and inputs with the same result are in the same shard."""
    given = sources(*(f"{i}.jpg" for i in range(7)), "0.png")
    results = ResultFiles(tmp_path, ["alpha"])
    first = given[3]
    for path in results.of(first).values():
        path.parent.mkdir()
        path.touch()
    parts = [select_sources(Inputs(given), results, Path("w"), (), Shard(i, 3)) for i in (1, 2, 3)]
    todo = [[source.name.name for source in sources] for sources, _ in parts]
    assert todo == [["6"], ["1", "4"], ["2", "5"]]
    assert [len(failures) for _, failures in parts] == [1, 0, 0]


def test_inputs_are_looked_at_only_if_results_exist(tmp_path, monkeypatch):
    """Even a shard of a million photos should start within seconds."""
    given = sources(*(tmp_path / f"{i}.jpg" for i in range(50)))
    looked_at = []
    stat = Path.stat
    monkeypatch.setattr(Path, "stat", lambda self: looked_at.append(self) or stat(self))
    accepted, _ = reject_conflicts(given, ResultFiles(tmp_path, ["alpha"]), (), Shard(1, 10))
    assert len(accepted) == len(looked_at) == 5


def test_missing_packages_are_named_once(monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    monkeypatch.setitem(sys.modules, "av", None)
    given = sources("a.HEIC", "b.jpg", "c.heif", "d.mp4")
    readable, failures = reject_unreadable(given)
    assert readable == [given[1]]
    assert [(failure.text, failure.num_files) for failure in failures] == [
        ("a.HEIC and 1 more: HEIC needs pillow_heif: pip install 'gfm-matting[heic]'", 2),
        ("d.mp4: video needs av: pip install 'gfm-matting[video]'", 1),
    ]
    results = ResultFiles(Path("out"), ["alpha"])
    with pytest.raises(GFMError, match=r"^d.mp4: video needs av"):
        select_sources(Inputs(sources("d.mp4")), results, Path("w"))


def test_heic_is_read_by_the_plugin_of_pillow(tmp_path, monkeypatch):
    """The stand-in for pillow-heif reads PNG files with a different signature."""
    Image.new("RGB", (5, 4), (9, 8, 7)).save(tmp_path / "plain.png")
    content = (tmp_path / "plain.png").read_bytes()
    for name in ("photo.heic", "sent.jpg"):
        (tmp_path / name).write_bytes(b"\0\0\0\x0cftypheic" + content)

    def open_heic(file, _):
        file.seek(12)
        image = Image.open(io.BytesIO(file.read()))
        image.format = "HEIF"
        return image

    def register():
        Image.register_open("HEIF", open_heic, lambda prefix: prefix[4:12] == b"ftypheic")

    monkeypatch.setitem(sys.modules, "pillow_heif", SimpleNamespace(register_heif_opener=register))
    try:
        assert read_image(tmp_path / "sent.jpg")[0, 0].tolist() == [9, 8, 7]
        found = find_inputs([str(tmp_path / "photo.heic")], tmp_path)
        assert reject_unreadable(found.sources) == (found.sources, [])
        assert read_image(found.sources[0].path)[0, 0].tolist() == [9, 8, 7]
    finally:
        Image.OPEN.pop("HEIF")
        Image.ID.remove("HEIF")
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(GFMError, match=r"photo\.heic: HEIC needs pillow_heif: pip install"):
        Background(str(tmp_path / "photo.heic"))


def test_photos_are_counted_once(tmp_path, capsys):
    """Photos with results, photos to matte and failures add up to the total."""
    given = sources("0.jpg", "1.jpg", "1.png", "2.jpg", "3.heic")
    results = ResultFiles(tmp_path, ["alpha"])
    for path in results.of(given[0]).values():
        path.parent.mkdir()
        path.touch()
    todo, failures = select_sources(Inputs(given), results, Path("w"))
    assert "1 of 5 already exist" in capsys.readouterr().out
    assert len(todo) + count_files(failures) == 4
    with pytest.raises(GFMError, match=r"^3 failed"):
        select_sources(Inputs(given[:3], [Failure("x")]), results, Path("w"))
