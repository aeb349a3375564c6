"""The table of ``debug=profiler``."""

from gfm.training import profiler


def test_short_actions_and_settings_are_left_out(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("time.perf_counter", lambda: now[0])
    report = profiler.RunProfiler()
    for action, seconds in (
        ("[Callback]Best{'monitor': 'val/sad'}.on_train_end", 2.0),
        ("step", 3.0),
        ("step", 5.0),
        ("hook", 0.005),
    ):
        report.start(action)
        now[0] += seconds
        report.stop(action)
    title, *_, step, best, _ = report.summary().splitlines()
    assert title.strip() == "where 10.0 s went"
    assert step.split("│")[1:-1] == [
        *(" step                        ", "     2 ", "  4000.0 "),
        *("    8.00 ", " 80.0 "),
    ]
    assert best.split()[1:8:2] == ["[Callback]Best.on_train_end", "1", "2000.0", "2.00"]
