"""The runner of all ``gfm prepare`` commands, with trivial work."""

import errno
import itertools
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from gfm.data.images import read_alpha, write_png
from gfm.data.listing import list_pictures
from gfm.errors import GFMError, WriteError
from gfm.prepare.runner import Item, Options, _write, run
from gfm.system.files import STALE_SECONDS, make_folder, open_atomic
from gfm.system.processes import map_unordered
from gfm.system.shards import Shard
from tests.conftest import PROJECT
from tests.prepare.work import copy_or_die, copy_slowly, jobs

ONE = Options(num_workers=1)
GREY = np.full((4, 6), 7, np.uint8)


@pytest.fixture
def items(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    for index in range(7):
        write_png(source / f"{index}.png", GREY)
    target = tmp_path / "target"
    return [Item((p,), (target / f"{p.stem}.png",), 0.5) for p in sorted(source.iterdir())]


def _made(tmp_path):
    return sorted(list_pictures(tmp_path / "target"))


@pytest.mark.parametrize("num_workers", [1, 2])
def test_makes_all(items, tmp_path, num_workers, capsys):
    run(jobs(items), Options(num_workers))
    assert _made(tmp_path) == list("0123456")
    assert [p.name for p in (tmp_path / "target").glob(".*")] == []
    said = capsys.readouterr().out
    assert "copies: 7 to make" in said
    assert "takes about 84 bytes" in said
    assert "for the rest" in said


def test_sizes_are_read_from_the_beginning_of_a_file(items, tmp_path, capsys):
    """Even those of a PNG, which may store its orientation at its end."""
    path = items[0].sources[0]
    path.write_bytes(path.read_bytes()[:45])
    with pytest.raises(GFMError, match="1 of 7 failed"):
        run(jobs(items), ONE)
    assert "takes about 84 bytes" in capsys.readouterr().out


def test_reading_the_sizes_shows_progress(items, monkeypatch, capsys):
    """On network storage, reading them takes minutes."""
    clock = itertools.count(step=11)
    monkeypatch.setattr("gfm.system.progress.time", SimpleNamespace(monotonic=clock.__next__))
    run(jobs(items), ONE)
    assert re.search(r"to make\ncopies: sizes 1/7 .* left\n(.*\n)+takes", capsys.readouterr().out)


def test_existing_are_skipped_whatever_their_suffix(items, tmp_path, capsys):
    (tmp_path / "target").mkdir()
    (tmp_path / "target/3.JPG").write_bytes(b"kept")
    run(jobs(items), ONE)
    assert "6 to make, 1 already made" in capsys.readouterr().out
    assert not (tmp_path / "target/3.png").exists()
    run(jobs(items, make=lambda item: pytest.fail("made again")), ONE)
    assert "0 to make" in capsys.readouterr().out


def test_results_older_than_their_sources_are_counted(items, capsys):
    run(jobs(items), ONE)
    os.utime(items[2].sources[0], (time.time() + 60,) * 2)
    capsys.readouterr()
    run(jobs(items), ONE)
    said = "0 to make, 7 already made (1 before their sources changed: --overwrite replaces them)"
    assert said in capsys.readouterr().out


def test_overwriting_leaves_one_picture_of_a_name(items, tmp_path):
    (tmp_path / "target").mkdir()
    (tmp_path / "target/3.JPG").write_bytes(b"old")
    run(jobs(items), Options(1, overwrite=True))
    assert _made(tmp_path) == list("0123456")
    assert all(len(paths) == 1 for paths in list_pictures(tmp_path / "target").values())
    assert all(item.sources[0].exists() for item in items)


def test_overwriting_keeps_the_new_file_on_a_disk_that_ignores_case(items, tmp_path):
    """There, 3.PNG is 3.png; here, a link stands for it."""
    (tmp_path / "target").mkdir()
    (tmp_path / "target/3.png").write_bytes(b"old")
    (tmp_path / "target/3.PNG").symlink_to(tmp_path / "target/3.png")
    run(jobs(items), Options(1, overwrite=True))
    assert (tmp_path / "target/3.PNG").exists()


def test_files_that_exist_are_not_replaced(items, tmp_path):
    """Not even if the item lacks another of its files."""
    (tmp_path / "target").mkdir()
    kept = [tmp_path / "target/3.png", tmp_path / "target/4.JPG"]
    for path in kept:
        path.write_bytes(b"a stranger's")
    twice = [replace(item, targets=(*item.targets, _second(item))) for item in items]
    run(jobs(twice, make=lambda item: (GREY, GREY)), ONE)
    assert [path.read_bytes() for path in kept] == [b"a stranger's"] * 2
    assert not (tmp_path / "target/4.png").exists()
    assert len(list((tmp_path / "second").iterdir())) == 7
    _second(items[3]).unlink()
    run(jobs(twice, make=lambda item: (GREY, GREY)), Options(1, overwrite=True))
    np.testing.assert_array_equal(read_alpha(kept[0]), GREY)
    assert not kept[1].exists()


def _second(item):
    return item.targets[0].parent.with_name("second") / item.targets[0].name


def test_sources_are_never_written_over(items, tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "source")
    same = [replace(item, targets=(tmp_path / f"link/{i}.jpg",)) for i, item in enumerate(items)]
    with pytest.raises(GFMError, match="source holds the pictures to read: name another folder"):
        run(jobs(same), Options(1, overwrite=True))
    assert len(list((tmp_path / "source").iterdir())) == 7


def test_shards_partition_whatever_exists(items, tmp_path):
    seen = []
    for index in (1, 2, 3):
        before = set(_made(tmp_path))
        run(jobs(items), Options(1, Shard(index, 3)))
        seen += set(_made(tmp_path)) - before
    assert sorted(seen) == list("0123456")
    assert len(seen) == len(set(seen))


def test_failures_are_listed_and_the_others_made(items, tmp_path, capsys):
    items[2].sources[0].write_bytes(b"no picture")
    items[4].sources[0].unlink()
    with pytest.raises(GFMError, match="2 of 7 failed"):
        run(jobs(items), ONE)
    assert _made(tmp_path) == list("01356")
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("failed: ")]
    assert [str(items[i].sources[0]) in line for i, line in zip((2, 4), lines, strict=True)]
    assert lines[0].count("2.png") == 1


def test_a_name_that_is_too_long_fails_alone(items, tmp_path, capsys):
    items[2] = replace(items[2], targets=(tmp_path / "target" / ("x" * 260 + ".png"),))
    with pytest.raises(GFMError, match="1 of 7 failed"):
        run(jobs(items), ONE)
    assert _made(tmp_path) == list("013456")
    assert "File name too long" in capsys.readouterr().out


def test_unexpected_errors_are_failures(items, capsys):
    def surprise(item):
        raise ValueError("odd\nfile")

    with pytest.raises(GFMError, match="1 of 1 failed"):
        run(jobs(items[:1], surprise), ONE)
    assert "0.png: ValueError: odd file" in capsys.readouterr().out


def test_killed_worker_gives_one_message_and_the_next_run_resumes(items, tmp_path):
    with pytest.raises(GFMError, match=r"killed.*5\.png.*to continue") as error:
        run(jobs(items, partial(copy_or_die, "5")), Options(2))
    assert "\n" not in str(error.value)
    assert "5" not in _made(tmp_path)
    for path in (tmp_path / "target").glob("*.png"):
        np.testing.assert_array_equal(read_alpha(path), GREY)
    run(jobs(items), ONE)
    assert _made(tmp_path) == list("0123456")


def _full(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("name", ["replace", "fsync"])
def test_full_disk_stops_at_once(items, tmp_path, monkeypatch, name):
    monkeypatch.setattr(os, name, _full)
    with pytest.raises(WriteError, match=r"cannot write .*0\.png: No space left") as error:
        run(jobs(items), ONE)
    assert "\n" not in str(error.value)
    assert list((tmp_path / "target").iterdir()) == []


def test_read_only_folder(items, tmp_path, monkeypatch):
    def refuse(self, **_):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "touch", refuse)
    with pytest.raises(WriteError, match=r"cannot write to .*target: Read-only"):
        run(jobs(items, make=lambda item: pytest.fail("begun")), ONE)


def test_small_disk_is_refused_before_anything_is_written(items, tmp_path, capsys):
    huge = [replace(item, bytes_per_pixel=1e17) for item in items]
    with pytest.raises(GFMError, match=r"copies takes about .* EB, .* free .*--out"):
        run(jobs(huge, is_exact=True), ONE)
    assert not (tmp_path / "target").exists()
    run(jobs(huge), ONE)  # an estimate may be wrong
    assert "may not be enough" in capsys.readouterr().out


def test_nothing_is_written_unless_all_jobs_fit_on_the_disk(items, tmp_path, monkeypatch, capsys):
    usage = SimpleNamespace(free=100)
    monkeypatch.setattr("gfm.prepare.runner.shutil.disk_usage", lambda _: usage)
    with pytest.raises(GFMError, match="copies takes about 84 bytes, 16 bytes then free at"):
        run(jobs(items, is_exact=True) * 2, ONE)
    assert not (tmp_path / "target").exists()


def test_failures_of_a_job_do_not_stop_the_next(items, tmp_path):
    items[2].sources[0].write_bytes(b"no picture")
    with pytest.raises(GFMError, match="1 of 7 failed"):
        run(jobs(items[:4]) + jobs(items[4:]), ONE)
    assert _made(tmp_path) == list("013456")


def test_remains_of_killed_runs_are_removed_but_not_of_live_ones(items, tmp_path):
    target = tmp_path / "target"
    target.mkdir()
    for name, age in ((".old.png.1.tmp", STALE_SECONDS + 60), (".live.png.2.tmp", 5)):
        (target / name).touch()
        os.utime(target / name, (time.time() - age,) * 2)
    make_folder(target)
    assert [p.name for p in target.iterdir()] == [".live.png.2.tmp"]
    assert list_pictures(target) == {}


def test_writes_are_atomic(tmp_path):
    def interrupt():
        with open_atomic(tmp_path / "x") as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupt()
    assert list(tmp_path.iterdir()) == []


_SCRIPT = """
from pathlib import Path
from gfm.prepare.runner import Item, Options, run
from gfm.run.exit import report_errors
from tests.prepare.work import copy_slowly, jobs
if __name__ == "__main__":
    root = Path({root!r})
    sources = sorted((root / "source").iterdir()) * 50
    items = [Item((p,), (root / "target" / f"{{i}}.png",)) for i, p in enumerate(sources)]
    with report_errors("the same command"):
        run(jobs(items, copy_slowly), Options(2))
"""


@pytest.mark.parametrize(
    ("number", "status", "word"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")],
)
def test_signals_end_in_one_line(items, tmp_path, number, status, word):
    """In a separate process, with workers that do not receive the signal."""
    (tmp_path / "script.py").write_text(_SCRIPT.format(root=str(tmp_path)))
    process = subprocess.Popen(
        [sys.executable, str(tmp_path / "script.py")],
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not _made(tmp_path) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == status, err
    assert err == f"{word}; progress saved: resume with the same command\n"
    assert 0 < len(_made(tmp_path)) < 350


def test_a_worker_stops_when_nobody_listens(items):
    outcomes = map_unordered(partial(_write, copy_slowly, False), items, 2)
    with pytest.raises(WriteError):  # there is no target folder
        next(outcomes)
