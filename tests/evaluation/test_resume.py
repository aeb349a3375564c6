"""An interrupted evaluation resumes where it stopped, but only with the same settings."""

import json
import os
import shutil
from types import SimpleNamespace

import pytest
from pytorch_lightning.strategies import SingleDeviceStrategy

from gfm.data.images import read_alpha, write_png
from gfm.data.layout import Photo
from gfm.errors import GFMError
from gfm.evaluation import journal
from gfm.evaluation.journal import Journal
from gfm.run import build_evaluation


@pytest.fixture
def scored(monkeypatch) -> list[str]:
    """Names in scoring order; the evaluation is interrupted after the third."""
    names: list[str] = []
    add = Journal.add

    def add_or_stop(self, name, row):
        if len(names) == 3:
            raise KeyboardInterrupt
        names.append(name)
        add(self, name, row)

    monkeypatch.setattr(Journal, "add", add_or_stop)
    return names


@pytest.mark.parametrize("source", ["checkpoint", "predictions"])
def test_resumes_after_an_interruption(run, scored, weights, mattes, source, capsys):
    choice = f"{source}={weights if source == 'checkpoint' else mattes}"
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        run(choice)
    assert scored == ["a", "b", "c"]
    scored[:] = ["again"]
    summary, folder = run(choice)
    assert scored == ["again", "d", "e"]
    assert "3 of 5 photos are scored" in capsys.readouterr().out
    scored[:] = []
    assert run(choice)[0] == summary
    assert scored == [], "all were scored"
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        run(choice, folder="whole")
    scored[:] = []
    run(choice, folder="whole")
    for file in ("per_image.csv", "metrics.json"):
        assert (folder / file).read_bytes() == (folder.with_name("whole") / file).read_bytes()


def test_photos_with_a_cut_line_or_a_lost_matte_are_scored_again(run, mattes, monkeypatch):
    summary, folder = run(f"predictions={mattes}")
    journal = folder / "journal/rows.0.jsonl"
    lines = journal.read_text().splitlines()
    journal.write_text("\n".join(lines[:4]) + "\n" + lines[4][:30])
    (folder / "alpha/b.png").unlink()
    names: list[str] = []
    add = Journal.add
    monkeypatch.setattr(Journal, "add", lambda *args: (names.append(args[1]), add(*args)))
    assert run(f"predictions={mattes}")[0] == summary
    assert names == ["b", "e"]
    assert (folder / "alpha/b.png").is_file()


def test_a_journal_merges_all_processes_and_ignores_a_truncated_line(tmp_path):
    first = Journal(tmp_path)
    assert first.begin({"protocol": "gfm"}) == {}
    first.add("b", {"sad": 0.1 + 0.2})
    first.add("c", {"sad": 2.0})
    file = tmp_path / "rows.0.jsonl"
    file.write_bytes(file.read_bytes()[:-5])
    (tmp_path / "rows.1.jsonl").write_text('{"name": "a", "sad": 3.0}\n{"na')
    assert Journal(tmp_path).begin({"protocol": "gfm"}) == {
        "a": {"sad": 3.0},
        "b": {"sad": 0.1 + 0.2},
    }
    again = Journal(tmp_path)
    again.add("d", {"sad": 4.0})
    assert list(again.rows()) == ["a", "b", "d"]


def test_copies_without_modification_times_are_the_same_data(run, data, mattes, tmp_path):
    summary, _ = run(f"predictions={mattes}")
    for folder in (data, mattes):
        shutil.copytree(folder, tmp_path / f"copy of {folder.name}", copy_function=shutil.copyfile)
    copies = f"data.root='{tmp_path}/copy of set'", f"predictions='{tmp_path}/copy of mattes'"
    assert run(*copies)[0] == summary


def test_backgrounds_of_cutouts_are_part_of_the_data(tmp_path):
    config = SimpleNamespace(
        data=SimpleNamespace(name="pairs"), protocol="gfm", extra_metrics={}, checkpoint=None
    )
    found = []
    for content in ("grass", "sand"):
        for name in ("cutout", "scene"):
            (tmp_path / name).write_text("fox" if name == "cutout" else content)
        path = tmp_path / "cutout"
        photos = [Photo("fox", image=path, alpha=path, scene=tmp_path / "scene")]
        found.append(build_evaluation.describe(config, photos)[0]["data"])
    assert found[0] != found[1]


def _change_data(data, mattes):
    write_png(data / "alphas/b.png", 255 - read_alpha(data / "alphas/b.png") // 3)


def _change_data_of_the_same_size(data, mattes):
    alpha = data / "alphas/b.png"
    times = alpha.stat().st_atime_ns, alpha.stat().st_mtime_ns
    alpha.write_bytes(alpha.read_bytes()[:-1] + b"x")
    os.utime(alpha, ns=times)


def _change_mattes(data, mattes):
    write_png(mattes / "b.png", 255 - read_alpha(mattes / "b.png") // 3)


@pytest.mark.parametrize(
    ("change", "override", "words"),
    [
        (None, "protocol=dim", r"different settings: protocol \(gfm, now dim\)"),
        (_change_data, "", r"different settings: data \(folder .*, now folder .*\)"),
        (_change_data_of_the_same_size, "", r"different settings: data \(folder"),
        (_change_mattes, "", "different settings: predictions"),
    ],
)
def test_refuses_different_settings(run, data, mattes, change, override, words):
    _, folder = run(f"predictions={mattes}")
    if change:
        change(data, mattes)
    before = (folder / "per_image.csv").read_bytes()
    with pytest.raises(GFMError, match=words + r".*; set paths\.run") as error:
        run(f"predictions={mattes}", *([override] if override else []))
    assert "\n" not in str(error.value)
    assert (folder / "per_image.csv").read_bytes() == before


def test_refuses_different_options_of_an_added_metric(run, mattes):
    metric = "+extra_metrics.mine={_target_: tests.evaluation.conftest.share, _partial_: true, "
    summary, _ = run(f"predictions={mattes}", metric + "above: 0.5}")
    with pytest.raises(GFMError, match=r'different settings: extra_metrics .*"above": 0.5}.*0.9}'):
        run(f"predictions={mattes}", metric + "above: 0.9}")
    assert 0 < summary["mine"] < 1


def test_refuses_a_different_network_or_inferer(run, data, weights, mattes, tmp_path):
    run(f"checkpoint={weights}")
    moved = tmp_path / "moved.safetensors"
    moved.write_bytes(weights.read_bytes())
    run(f"checkpoint={moved}")  # the same weights
    with pytest.raises(GFMError, match=r"inference \(native\(.*\), now resize\(scale=0.5"):
        run(f"checkpoint={weights}", "inference=resize")
    with pytest.raises(GFMError, match=r"score \(float, now png\) and alpha_bits \(8, now 16\)"):
        run(f"checkpoint={weights}", "score=png", "alpha_bits=16")
    with pytest.raises(GFMError, match=r"settings: precision \(32-true, now bf16-mixed\)"):
        run(f"checkpoint={weights}", "trainer.precision=bf16-mixed")
    with pytest.raises(GFMError, match=r"settings: checkpoint \(.*, now none\) and "):
        run(f"predictions={mattes}")
    content = bytearray(moved.read_bytes())
    content[-1] ^= 1
    moved.write_bytes(content)
    with pytest.raises(GFMError, match="different settings: checkpoint"):
        run(f"checkpoint={moved}")
    assert json.loads((tmp_path / "run/metrics.json").read_text())["num_images"] == 5


def test_a_failed_row_is_scored_later(run, weights, monkeypatch):
    with monkeypatch.context() as lossy:
        add = Journal.add
        lossy.setattr(Journal, "add", lambda self, n, row: None if n == "b" else add(self, n, row))
        with pytest.raises(GFMError, match=r"metrics of 1 of 5 photos are lost, .* of b: repeat"):
            run(f"checkpoint={weights}")
    assert run(f"checkpoint={weights}")[0]["num_images"] == 5


def test_part_of_the_photos_is_scored_on_request(run, weights):
    summary, _ = run(f"checkpoint={weights}", "trainer.limit_test_batches=1")
    assert summary["num_images"] == 1


def test_rows_are_on_the_disk_when_rank_zero_reads_them(run, weights, monkeypatch):
    done = []
    barrier = SingleDeviceStrategy.barrier
    monkeypatch.setattr(journal, "os", SimpleNamespace(fsync=lambda _: done.append("disk")))
    monkeypatch.setattr(
        SingleDeviceStrategy, "barrier", lambda *a, **o: (done.append("barrier"), barrier(*a, **o))
    )
    run(f"checkpoint={weights}")
    assert done.index("disk") < len(done) - 1 - done[::-1].index("barrier")
