"""The report and its verdict, from made-up figures, and how a stage judges figures."""

import json
import math

import pytest

from tests.gpu.findings import FAIL, MEASURED, PASS, SKIPPED, Finding, read
from tests.gpu.memory import largest_batch
from tests.gpu.report import write_report
from tests.gpu.stage import Stage
from tests.gpu.verdict import verdict

BEST = "r34, batch 32: bf16-mixed"


def step(name: str, rate: float) -> Finding:
    return Finding("throughput", name, MEASURED, rate, unit="samples/s")


def loader(name: str, rate: float) -> Finding:
    return Finding("loader", name, MEASURED, rate, unit="samples/s")


STEPS = [
    step("r34, batch 32: official order", 5000),
    step("r34, batch 32: float32", 400),
    step(BEST, 1000),
    Finding("throughput", f"{BEST}: busy share", MEASURED, 99.0, unit="%"),
    Finding("throughput", f"{BEST}: peak memory", MEASURED, 9000.0, unit="MiB"),
]


def test_the_loader_is_the_limit():
    rates = [loader("packed, 1 worker", 70), loader("packed, 8 workers", 500)]
    text = "\n".join(verdict([*STEPS, *rates]))
    assert "Precision: bf16-mixed, at 1000 samples/s" in text
    assert "packed: the loader is the limit, with 500 of 1000" in text
    assert "data.num_workers=8, and 16 cores would be enough" in text


def test_a_loader_without_processes_takes_a_core():
    assert "data.num_workers=0, and 20 cores" in verdict([*STEPS, loader("raw, 0 workers", 50)])[-1]


def test_the_gpu_is_the_limit_and_fewer_workers_are_enough():
    rates = [loader(f"packed, {n} workers", 300.0 * n) for n in (8, 4, 2)]
    assert "packed: the GPU is the limit; data.num_workers=4." in verdict([*STEPS, *rates])


@pytest.mark.parametrize(("rate", "advice"), [(1050, "compile=false"), (1500, "compile=true")])
def test_compiling_must_be_worth_its_minutes(rate, advice):
    lines = verdict([*STEPS, step(f"{BEST}, compiled", rate)])
    assert any(advice in line for line in lines)
    assert any("Precision: bf16-mixed, at 1000" in line for line in lines)


def test_without_figures_there_is_no_recommendation():
    assert "no recommendation" in verdict([Finding("facts", "card", MEASURED, "H100")])[-1]


def test_failures_are_named_in_the_verdict():
    assert verdict([Finding("ddp", "SIGTERM", FAIL)])[0] == "Failed: ddp: SIGTERM."


def test_the_report_shows_each_finding_and_how_to_repeat_it(tmp_path):
    found = [
        Finding("parity", "a | b", PASS, 1e-5, "<= 0.0001"),
        Finding("parity", "c", FAIL, note="ValueError: no"),
        Finding("waits", "d", SKIPPED, note="no time left"),
    ]
    text = write_report(found, tmp_path, "python -m tests.gpu --device cuda").read_text()
    assert "| PASS | a \\| b | 1e-05 | <= 0.0001 |  |" in text
    assert "| FAIL | c |  |  | ValueError: no |" in text
    assert "1 FAIL, 1 PASS, 0 MEASURED, 1 SKIPPED" in text
    assert "`python -m tests.gpu --device cuda --only waits`" in text
    content = json.loads((tmp_path / "gpu_report.json").read_text())
    assert content["findings"][2]["command"].endswith("--only waits")


@pytest.fixture
def stage(tmp_path) -> Stage:
    return Stage("made_up", "cpu", 100, tmp_path / "made_up.jsonl", tmp_path)


def test_a_stage_judges_figures(stage):
    stage.at_most("low", 1.0, 1.0)
    stage.at_most("high", 1.1, 1.0)
    stage.at_least("nan", math.nan, 1.0)
    stage.at_most("nan too", math.nan, 1.0)
    stage.measured("not finite", math.inf)
    stage.equal("same", 75, 75)
    with stage.part("raising"):
        raise ValueError("the\nreason")
    statuses = {finding.name: finding.status for finding in read(stage.findings)}
    good = [name for name, status in statuses.items() if status == PASS]
    assert good == ["low", "same"]
    assert set(statuses.values()) == {PASS, FAIL}
    assert read(stage.findings)[-1].note == "ValueError: the reason"


def test_checks_without_time_are_recorded(stage):
    stage.seconds = 0
    assert not stage.has_time("late")
    assert read(stage.findings)[0].status == SKIPPED


@pytest.mark.parametrize(("limit", "largest"), [(0, 0), (1, 1), (5, 4), (6, 6), (7, 6), (99, 64)])
def test_the_largest_batch_is_searched(limit, largest):
    assert largest_batch(lambda batch: batch <= limit, cap=64) == largest
