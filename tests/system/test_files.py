"""Atomic writes: names of any length, and errors that affect one file or all."""

import errno
import os
import time
from pathlib import Path

import pytest

from gfm.errors import GFMError, WriteError
from gfm.system.files import (
    STALE_SECONDS,
    atomic_path,
    ignores_case,
    remove_stale,
    write_text,
)


@pytest.mark.parametrize("length", [242, 255])
def test_names_as_long_as_the_system_allows(tmp_path, length):
    write_text(tmp_path / ("n" * length), "text")
    assert [path.name for path in tmp_path.iterdir()] == ["n" * length]


def test_errors_of_one_file_and_of_all(tmp_path):
    """After an error of one file, work on the others continues."""
    (tmp_path / "folder").mkdir()
    for name in ("n" * 256, "folder"):
        with pytest.raises(GFMError, match="cannot write") as caught:
            write_text(tmp_path / name, "text")
        assert not isinstance(caught.value, WriteError)
    for code in (errno.EINVAL, errno.EFBIG):
        with pytest.raises(GFMError) as caught, atomic_path(tmp_path / "a"):
            raise OSError(code, "of this file")
        assert not isinstance(caught.value, WriteError)
    with pytest.raises(WriteError), atomic_path(tmp_path / "a"):
        raise OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(WriteError):
        write_text(tmp_path / "missing/a", "text")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_disks_that_ignore_case(tmp_path, monkeypatch):
    """A missing folder is made."""
    assert not ignores_case(tmp_path / "out")
    exists = Path.exists
    monkeypatch.setattr(Path, "exists", lambda path: exists(path.with_name(path.name.lower())))
    assert ignores_case(tmp_path / "out")
    assert list(tmp_path.rglob("*")) == [tmp_path / "out"]


def test_temporary_files_of_the_future_belong_to_live_runs(tmp_path):
    for name, age in ((".a.1.tmp", -3600), (".b.2.tmp", STALE_SECONDS + 60)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    remove_stale(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [".a.1.tmp"]
