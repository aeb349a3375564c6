"""The runner: stages that fail or overrun their time do not stop the next."""

import json
import subprocess
import sys
import textwrap
import time

import pytest

from tests.gpu import __main__ as command
from tests.gpu import runner
from tests.gpu.findings import FAIL, PASS, SKIPPED, Finding, append, read
from tests.gpu.jobs import is_running
from tests.gpu.runner import STAGES, TRAINING, Plan, descendants, run_stages, run_within

CODE = """
import pathlib, subprocess, sys, time
name = sys.argv[sys.argv.index("--inside") + 1]
out = pathlib.Path(sys.argv[sys.argv.index("--out") + 1])
if name == "raising":
    raise ValueError("the reason")
if name == "slow":
    child = subprocess.Popen(["sleep", "60"], start_new_session=True)
    (out / "child").write_text(str(child.pid))
    time.sleep(60)
line = '{"stage": "good", "name": "n", "status": "PASS", "figure": 1.0}'
(out / f"{name}.jsonl").write_text(line + chr(10))
"""


@pytest.fixture
def stages(monkeypatch, tmp_path):
    """Run made-up stages in place of those of the package."""
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests/__init__.py").touch()
    (tmp_path / "tests/gpu.py").write_text(textwrap.dedent(CODE))
    monkeypatch.setattr(runner, "PROJECT", tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)

    def run(*plans: Plan, seconds: float) -> list[Finding]:
        return list(run_stages(plans, [], tmp_path, seconds, {"PYTHONPATH": str(tmp_path)}))

    return run


def test_a_stage_that_raises_is_recorded_and_the_next_runs(stages):
    raised, good = stages(Plan("raising", 1), Plan("good", 1), seconds=20)
    assert (raised.stage, raised.status) == ("raising", FAIL)
    assert "ValueError: the reason" in raised.note
    assert (good.stage, good.status) == ("good", PASS)


def test_a_stage_that_overruns_is_killed_with_its_children(stages, tmp_path):
    start = time.monotonic()
    slow, good = stages(Plan("slow", 1), Plan("good", 9), seconds=10)
    assert time.monotonic() - start < 10
    assert slow.status == FAIL
    assert "killed" in slow.note
    assert good.status == PASS
    child = int((tmp_path / "child").read_text())
    end = time.monotonic() + 5
    while is_running(child) and time.monotonic() < end:
        time.sleep(0.05)
    assert not is_running(child)


@pytest.mark.parametrize(("error", "status"), [(KeyboardInterrupt, 130), (SystemExit(143), 143)])
def test_an_interrupted_check_reports_the_stages_so_far(monkeypatch, tmp_path, error, status):
    def run_within(words, *_):
        name = words[words.index("--inside") + 1]
        append(tmp_path / f"{name}.jsonl", Finding(name, "kept", PASS))
        if name == "waits":
            raise error
        return 0

    monkeypatch.setattr(runner, "run_within", run_within)
    words = ["gpu", "--device", "cpu", "--out", str(tmp_path)]
    words += ["--only", "facts", "waits", "loader"]
    monkeypatch.setattr("sys.argv", words)
    with pytest.raises(SystemExit) as end:
        command.main()
    assert end.value.code == status
    rows = json.loads((tmp_path / "gpu_report.json").read_text())["findings"]
    found = [(row["stage"], row["status"], row["note"]) for row in rows]
    kept = [("facts", PASS, ""), ("waits", PASS, "")]
    assert found == [*kept, ("waits", FAIL, "interrupted")]


def test_time_that_is_left_over_goes_to_later_stages(monkeypatch, tmp_path):
    limits = []
    monkeypatch.setattr(runner, "run_stage", lambda n, o, out, limit, v: limits.append(limit) or [])
    assert not list(run_stages([Plan("a", 1), Plan("b", 1), Plan("c", 2)], [], tmp_path, 100, {}))
    assert limits == pytest.approx([25, 100 / 3, 100], abs=0.1)


def test_a_stage_without_time_to_start_is_skipped(tmp_path):
    (skipped,) = run_stages([Plan("a", 1)], [], tmp_path, 10, {}, minimum=20)
    assert skipped.status == SKIPPED
    assert "--minutes" in skipped.note


def test_descendants_are_found_over_generations():
    child = "import subprocess; subprocess.run(['sleep', '60'])"
    process = subprocess.Popen([sys.executable, "-c", child])
    try:
        end = time.monotonic() + 10
        while not descendants(process.pid) and time.monotonic() < end:
            time.sleep(0.05)
        assert len(descendants(process.pid)) == 1
    finally:
        runner.kill_tree(process)


def test_the_status_of_a_command_is_returned(tmp_path):
    log = tmp_path / "log"
    assert run_within([sys.executable, "-c", "import sys; sys.exit(3)"], log, 20, {}) == 3


def test_slurm_variables_are_hidden_from_stages(monkeypatch, tmp_path):
    monkeypatch.setenv("SLURM_NTASKS", "8")
    code = "import os, sys; sys.exit(sum(name.startswith('SLURM_') for name in os.environ))"
    assert run_within([sys.executable, "-c", code], tmp_path / "log", 20, {}) == 0


def test_a_line_that_was_cut_off_is_left_out(tmp_path):
    file = tmp_path / "a.jsonl"
    append(file, Finding("a", "whole", PASS))
    with file.open("a") as stream:
        stream.write('{"stage": "a", "na')
    assert [finding.name for finding in read(file)] == ["whole"]


@pytest.mark.parametrize("name", [*(plan.name for plan in STAGES), TRAINING])
def test_every_stage_has_a_file(name):
    source = (runner.PROJECT / f"tests/gpu/{name}.py").read_text()
    assert "\ndef run(stage: Stage) -> None:" in source
