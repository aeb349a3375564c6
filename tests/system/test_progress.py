"""Progress of long work, on a terminal and without one."""

import os
from contextlib import suppress

from rich.console import Console

from gfm.system.console import console
from gfm.system.progress import Progress


def test_progress_without_a_terminal(monkeypatch, capsys):
    seconds = iter(range(0, 100, 5))
    monkeypatch.setattr("gfm.system.progress.time.monotonic", lambda: float(next(seconds)))
    with Progress(8, "photo", done=2) as shown:
        for _ in range(5):
            shown.advance()
    assert capsys.readouterr().out.splitlines() == [
        "photo 4/8  0:00:20 left",
        "photo 6/8  0:00:10 left",
    ]


def test_progress_on_a_terminal(capsys):
    terminal = Console(force_terminal=True, width=80)
    with Progress(8, "photo", done=2, out=terminal) as shown:
        shown.advance(3)
    assert "5/8" in capsys.readouterr().out
    assert shown.bar is not None


def test_a_line_has_the_count_and_the_time_remaining(capsys):
    progress = Progress(10, "step", done=2, interval=0)
    progress.show(2)  # no pace yet
    progress.began -= 8
    progress.show(4, "loss 1")
    assert capsys.readouterr().out.split("  ") == ["step 4/10", "loss 1", "0:00:24 left\n"]
    progress.interval = 60
    progress.show(5)
    assert not capsys.readouterr().out


def test_lines_are_printed_whole_above_a_bar(monkeypatch):
    reader, writer = os.openpty()
    for name, value in {"TERM": "xterm", "COLUMNS": "40"}.items():
        monkeypatch.setenv(name, value)
    command = "python evaluate.py " + "data.num_workers=0 " * 10
    with open(writer, "w") as screen:
        monkeypatch.setattr("sys.stdout", screen)
        with Progress(8, "photo"):
            console().print(command)  # through a console other than the bar's
    erased = "\r\x1b[2K"
    assert f"{erased}{command}\r\nphoto" in read_terminal(reader)


def read_terminal(reader):
    """Return all output, which may come in several parts; at the end, Linux raises an error."""
    parts = []
    with open(reader, "rb", buffering=0) as screen, suppress(OSError):
        while part := screen.read(10**5):
            parts.append(part)
    return b"".join(parts).decode()
