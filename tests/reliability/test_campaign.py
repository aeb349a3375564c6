"""The campaign notices every change that a kill causes, and its comparison every difference."""

import sys
import textwrap

import numpy as np
import pytest
import torch

from tests.reliability.campaign import campaign
from tests.reliability.outcomes import differences, of_checkpoint, of_files, of_table
from tests.reliability.task import Task

COUNT = """
    import pathlib, sys, time
    place = pathlib.Path(sys.argv[1])
    for index in range(20):
        file = place / f"{index:02d}.txt"
        if not file.exists():
            time.sleep(0.02)
            CONTENT
            temporary = place.with_suffix(".tmp")
            temporary.write_text(text)
            temporary.rename(file)
"""
"""A command that writes files and goes on where it was killed."""

EQUAL = 'text = f"file {index}"'
DIFFERENT = 'text = f"file {len(list(place.iterdir()))}, {start}"'


@pytest.mark.parametrize("is_equal", [True, False])
def test_a_run_that_was_killed_is_compared(tmp_path, is_equal):
    text = textwrap.dedent(COUNT).replace("CONTENT", EQUAL if is_equal else DIFFERENT)
    script = tmp_path / "count.py"
    script.write_text("import time\nstart = time.time_ns()\n" + text)
    task = Task("count", lambda folder: [sys.executable, str(script), str(folder)], of_files, "*")
    result = campaign(task, tmp_path / "campaign", np.random.default_rng(0), 3)
    assert result.kills == 3
    assert (not result.faults) == is_equal


PARENT = """
import multiprocessing, pathlib, sys, time

def count(place):
    for index in range(20):
        time.sleep(0.02)
        pathlib.Path(place, f"{index:02d}.txt").write_text("x")

if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    child = context.Process(target=count, args=(sys.argv[1],))
    child.start()
    child.join()
    SURVIVE
    sys.exit(child.exitcode != 0)
"""


@pytest.mark.parametrize("ends", [True, False])
def test_one_process_of_a_command_is_killed(tmp_path, monkeypatch, ends):
    monkeypatch.setattr("tests.reliability.campaign._PATIENCE", 2)
    monkeypatch.setattr("tests.reliability.campaign._MOST_IN_VAIN", 100)  # on a busy machine
    script = tmp_path / "parent.py"
    script.write_text(PARENT.replace("SURVIVE", "" if ends else "time.sleep(child.exitcode and 9)"))
    command = [sys.executable, str(script)]
    task = Task("two", lambda folder: [*command, str(folder)], of_files, "*", alone=True)
    result = campaign(task, tmp_path / "campaign", np.random.default_rng(0), 2)
    if ends:
        assert (result.kills, result.early, result.faults) == (2, 0, [])
    else:
        assert "went on for a minute without one of its processes" in result.faults[0]


class Late:
    """Random numbers with which the kill comes too late for a quick command."""

    def random(self):
        return 0.99

    def integers(self, *_):
        return 1


def test_a_command_that_fails_by_itself_ends_the_campaign(tmp_path):
    script = tmp_path / "fail.py"
    script.write_text("import pathlib, sys\nsys.exit(pathlib.Path(sys.argv[1]).name == 'run_0')\n")
    task = Task("fail", lambda folder: [sys.executable, str(script), str(folder)], of_files, "*")
    result = campaign(task, tmp_path / "campaign", Late(), 1)
    assert result.kills == 0
    assert "run_0: exit status 1" in result.faults[0]


def test_files_are_compared_byte_by_byte(tmp_path):
    for name in ("one", "other"):
        (tmp_path / name / "in").mkdir(parents=True)
        (tmp_path / name / "in/same.txt").write_text("x")
        (tmp_path / name / "told.log").write_text(name)
    (tmp_path / "one/missing.txt").touch()
    (tmp_path / "one/in/changed.txt").write_text("a")
    (tmp_path / "other/in/changed.txt").write_text("b")
    (tmp_path / "other/in/.same.txt.1.tmp").touch()
    found = (of_files(tmp_path / name, ["*.log"]) for name in ("one", "other"))
    assert differences(*found) == [
        "in/.same.txt.1.tmp is left over",
        "in/changed.txt differs",
        "missing.txt is missing",
    ]


def test_checkpoints_are_compared_bit_by_bit(tmp_path):
    state = {"w": torch.zeros(3)}
    content = {"state_dict": state, "optimizer_states": [{"m": torch.ones(2)}], "global_step": 4}
    torch.save({**content, "told": "resumed"}, tmp_path / "x.ckpt")
    first = of_checkpoint(tmp_path / "x.ckpt")
    torch.save(content, tmp_path / "x.ckpt")
    assert of_checkpoint(tmp_path / "x.ckpt") == first
    state["w"][1] = torch.finfo(torch.float32).tiny
    torch.save(content, tmp_path / "x.ckpt")
    assert differences(first, of_checkpoint(tmp_path / "x.ckpt")) == ["x.ckpt: state_dict differs"]


def test_tables_are_compared_without_irreproducible_columns(tmp_path):
    outcomes = []
    for pace in (3, 4):
        (tmp_path / "t.csv").write_text(f"step,loss,pace\n0,0.5,{pace}\n")
        outcomes.append([of_table(tmp_path / "t.csv", but) for but in ((), ["pace"])])
    assert outcomes[0][0] != outcomes[1][0]
    assert outcomes[0][1] == outcomes[1][1]
