"""Mattes of any method: file formats, matching by name, and missing files."""

import json
import threading
import time
import warnings
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from gfm.data.images import read_alpha, read_matte, write_png
from gfm.data.trimap import trimap_from_alpha
from gfm.errors import GFMError
from gfm.metrics import METRIC_NAMES, matting_metrics
from gfm.run import build_evaluation
from tests.evaluation.conftest import SIZES, read_rows


@pytest.mark.parametrize("protocol", METRIC_NAMES)
def test_files_and_values(run, data, mattes, protocol, monkeypatch):
    monkeypatch.setattr(build_evaluation, "load_network", None)  # must not be called
    summary, folder = run(f"predictions={mattes}", f"protocol={protocol}")
    assert tuple(summary) == (*METRIC_NAMES[protocol], "num_images")
    assert json.loads((folder / "metrics.json").read_text()) == summary
    scores = read_rows(folder)
    assert list(scores) == list(SIZES)
    for name, row in scores.items():
        target = read_alpha(data / "alphas" / f"{name}.png")
        pred = read_alpha(mattes / f"{name}.png")
        trimap = trimap_from_alpha(target, 25)
        assert row == pytest.approx(matting_metrics(pred / 255, target / 255, trimap, protocol))
        np.testing.assert_array_equal(read_alpha(folder / f"alpha/{name}.png"), pred)
    assert summary["sad"] == pytest.approx(np.mean([row["sad"] for row in scores.values()]))
    assert "made from the alphas" in (folder / "report.html").read_text()


def test_all_cores_give_the_figures_of_one(run, mattes, monkeypatch):
    """The figures are bit-identical and in the same order."""
    threads = set()
    score = build_evaluation.Scorer.score

    def watch(self, *args):
        threads.add(threading.current_thread().name)
        time.sleep(0.05)  # so that a single thread cannot score all
        return score(self, *args)

    monkeypatch.setattr(build_evaluation.Scorer, "score", watch)
    monkeypatch.setattr("gfm.evaluation.predictions.num_cores", lambda: 4)
    _, one = run(f"predictions={mattes}", folder="one")
    assert threads == {threading.current_thread().name}
    threads.clear()
    _, all_ = run(f"predictions={mattes}", "data.num_workers=2", folder="all")
    assert len(threads) > 1
    for name in ("per_image.csv", "metrics.json", "journal/rows.0.jsonl"):
        assert (one / name).read_bytes() == (all_ / name).read_bytes(), name


def test_only_rank_zero_scores_files(run, mattes, monkeypatch):
    monkeypatch.setattr("gfm.evaluation.predictions.is_global_zero", lambda: False)
    summary, folder = run(f"predictions={mattes}")
    assert summary == {}
    assert not (folder / "per_image.csv").exists()


def test_a_small_shared_memory_does_not_matter(run, mattes, monkeypatch):
    """Threads read the mattes; no loader process is started."""
    usage = SimpleNamespace(free=2**20)
    monkeypatch.setattr("gfm.system.cores.shutil.disk_usage", lambda _: usage)
    monkeypatch.setattr("gfm.evaluation.predictions.num_cores", lambda: 4)
    seen = []
    monkeypatch.setattr(
        "gfm.evaluation.predictions.map_threads",
        lambda function, items, number: seen.append(number) or map(function, items),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(f"predictions={mattes}", "data.num_workers=null")
    assert seen == [4]


def test_sixteen_bits_count(run, data, mattes):
    """The errors are half an 8-bit step."""
    target = read_alpha(data / "alphas/a.png").astype(np.uint16) * 257
    wrong = np.where(target > 30000, target - 128, target + 128).astype(np.uint16)
    write_png(mattes / "a.png", wrong)
    _, folder = run(f"predictions={mattes}")
    assert read_rows(folder)["a"]["sad"] == pytest.approx(
        target.size * 128 / 65535 / 1000, rel=1e-4
    )
    np.testing.assert_array_equal(cv2.imread(str(folder / "alpha/a.png"), -1), wrong)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_matte_formats(tmp_path, dtype):
    top = np.iinfo(dtype).max
    matte = np.linspace(0, top, 48).astype(dtype).reshape(6, 8)
    opaque, colour = np.full_like(matte, top), matte.T.reshape(6, 8)
    forms = {
        "grey": matte,
        "rgb": np.dstack([matte] * 3),
        "grey, opaque": np.dstack([matte] * 3 + [opaque]),
        "cut-out": np.dstack([colour, matte, opaque, matte]),
        "grey cut-out": np.dstack([opaque] * 3 + [matte]),
    }
    for name, picture in forms.items():
        assert cv2.imwrite(str(tmp_path / f"{name}.png"), picture)
        read = read_matte(tmp_path / f"{name}.png")
        assert read.dtype == dtype
        np.testing.assert_array_equal(read, matte, err_msg=name)
    cv2.imwrite(str(tmp_path / "photo.png"), np.dstack([colour, matte, opaque]))
    with pytest.raises(GFMError, match=r"photo\.png is in colour"):
        read_matte(tmp_path / "photo.png")


def test_other_sizes_are_resized_with_a_warning(run, mattes):
    for name in ("b", "d"):
        matte = read_alpha(mattes / f"{name}.png")
        write_png(mattes / f"{name}.png", cv2.resize(matte, None, fx=0.5, fy=0.5))
    with pytest.warns(UserWarning, match=r"2 of 5 mattes .* b \(32×32 to 64×64 pixels\)"):
        summary, folder = run(f"predictions={mattes}")
    assert summary["num_images"] == 5
    for name, size in SIZES.items():
        assert read_alpha(folder / f"alpha/{name}.png").shape == size


def test_a_rotated_matte_is_an_error(run, mattes):
    write_png(mattes / "c.png", read_alpha(mattes / "c.png").T)
    write_png(mattes / "e.png", cv2.resize(read_alpha(mattes / "e.png"), (32, 32)))  # squashed
    words = r"cannot be scored: c \(.*c\.png is 50×90 pixels and its photo 90×50: rotate the matte"
    with (
        pytest.warns(UserWarning, match=r"1 of 5 mattes .* e \("),
        pytest.raises(GFMError, match=words),
    ):
        run(f"predictions={mattes}")


def test_missing_mattes_are_listed(run, mattes):
    for name in ("b", "d"):
        (mattes / f"{name}.png").unlink()
    with pytest.raises(GFMError, match=r"2 of 5 .* missing: b, d; .* other 3; add") as error:
        run(f"predictions={mattes}")
    assert "\n" not in str(error.value)
    with pytest.warns(UserWarning, match="2 of 5 mattes are missing: b, d"):
        summary, folder = run(f"predictions={mattes}", "allow_missing=true", folder="allowed")
    assert summary["num_images"] == 3
    report = (folder / "report.html").read_text()
    assert "2 of 5 mattes, left out of the means: b, d" in report
    assert ", 3 of 5 photos" in report
    refused = folder.with_name("run")
    assert json.loads((refused / "metrics.json").read_text()) == summary
    assert list(read_rows(refused)) == ["a", "c", "e"]


def test_files_without_a_photo_cause_a_warning(run, mattes):
    write_png(mattes / "z.png", np.zeros((4, 4), np.uint8))
    (mattes / "notes.txt").touch()
    with pytest.warns(UserWarning, match=r"1 of 6 pictures .* no photo, for example z.png"):
        run(f"predictions={mattes}")


def test_errors_name_the_cause_and_the_fix(run, mattes):
    with pytest.raises(GFMError, match=r"either checkpoint=.* or predictions="):
        run("checkpoint=some.ckpt", f"predictions={mattes}")
    with pytest.raises(GFMError, match="protocol 'gfm' has a metric 'mad': choose another name"):
        run(f"predictions={mattes}", "+extra_metrics.mad={_target_: builtins.len, _partial_: true}")


@pytest.mark.parametrize("scale", [lambda m: m // 255, lambda m: m.astype(np.uint16)])
def test_mattes_in_a_wrong_range_are_refused(run, mattes, scale):
    for path in mattes.iterdir():
        write_png(path, scale(read_matte(path)))
    with pytest.raises(GFMError, match="almost empty: multiply masks of 0 and 1 by 255"):
        run(f"predictions={mattes}")


@pytest.mark.parametrize("form", ["{}.tif", "{}.WEBP", "{}.jpg", "{}_alpha.png", "alpha/{}.png"])
def test_other_formats_and_places(run, mattes, form):
    others = mattes.with_name("others")
    for name in SIZES:
        path = others / form.format(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        matte = read_alpha(mattes / f"{name}.png")
        cv2.imwrite(str(path), matte, [cv2.IMWRITE_WEBP_QUALITY, 101, cv2.IMWRITE_JPEG_QUALITY, 98])
    expected, _ = run(f"predictions={mattes}", folder="png")
    summary, _ = run(f"predictions={others}")
    assert summary == pytest.approx(expected, rel=0.2 if form.endswith("jpg") else 1e-9)


@pytest.mark.parametrize("shape", [(1, 60, 80), (60, 80, 1), (60, 80)])
def test_floats_are_scored_as_they_are(run, data, mattes, shape):
    target = read_alpha(data / "alphas/a.png") / np.float64(255)
    wrong = np.where(target > 0.5, target - 1e-4, target + 1e-4)
    (mattes / "a.png").unlink()
    np.save(mattes / "a.npy", wrong.reshape(shape))
    _, folder = run(f"predictions={mattes}")
    assert read_rows(folder)["a"]["sad"] == pytest.approx(target.size * 1e-4 / 1000, rel=1e-3)


def test_floats_of_a_different_size_are_averaged(run, mattes):
    """OpenCV's averages of ones are slightly above 1."""
    (mattes / "a.png").unlink()
    np.save(mattes / "a.npy", np.ones((173, 231), np.float32))
    with pytest.warns(UserWarning, match=r"1 of 5 mattes .* a \(231×173 to 80×60 pixels\)"):
        _, folder = run(f"predictions={mattes}")
    assert (read_alpha(folder / "alpha/a.png") == 255).all()


def test_the_mattes_are_never_replaced(run, mattes, tmp_path):
    (tmp_path / "mine").mkdir()
    mattes.rename(tmp_path / "mine/alpha")
    (tmp_path / "link").symlink_to("mine")
    matte = tmp_path / "mine/alpha/a.png"
    before = matte.stat()
    with pytest.raises(GFMError, match=r"overwrite the mattes in .*/mine/alpha, which it scores"):
        run(f"predictions={tmp_path / 'mine'}", folder="link")
    after = matte.stat()  # the bytes could be the same, and reading changes st_atime
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_two_mattes_of_one_photo_are_refused(run, mattes):
    for name in ("a.PNG", "a_alpha.png"):
        write_png(mattes / name, read_alpha(mattes / "a.png"))
        with pytest.raises(GFMError, match=rf"{name}.* for one photo: remove all but one"):
            run(f"predictions={mattes}")
        (mattes / name).unlink()


def test_all_mattes_that_cannot_be_scored_are_listed(run, mattes):
    for name in ("b", "d"):
        write_png(mattes / f"{name}.png", np.full((9, 9, 3), [255, 0, 9], np.uint8))
    np.save(mattes / "c.npy", np.full(SIZES["c"], 2.0))
    (mattes / "c.png").unlink()
    faults = r"3 of 5 mattes cannot be scored: b, c, d \(.*b\.png is in colour.*other 2; add them"
    with pytest.raises(GFMError, match=faults):
        run(f"predictions={mattes}")
    with pytest.warns(UserWarning, match="3 of 5 mattes cannot be scored: b, c, d"):
        summary, folder = run(f"predictions={mattes}", "allow_missing=true", folder="allowed")
    assert list(read_rows(folder)) == ["a", "e"]
    assert summary["num_images"] == 2
    assert "3 mattes, left out of the means: b, c, d" in (folder / "report.html").read_text()
    for name in ("a", "e"):
        (mattes / f"{name}.png").write_bytes(b"\x89PNG cut")
    with pytest.raises(GFMError, match=r"5 of 5 mattes cannot be scored: a, b, c, d, e \(cannot"):
        run(f"predictions={mattes}", folder="none")


def test_invalid_trimaps_are_reported_with_the_photos_name(run, data, mattes):
    for name, size in SIZES.items():
        (data / "trimaps").mkdir(exist_ok=True)
        write_png(data / f"trimaps/{name}.png", np.full(size, 100, np.uint8))
    with pytest.raises(GFMError, match="photo a: trimap holds values other than 0, 128 and 255"):
        run(f"predictions={mattes}")
