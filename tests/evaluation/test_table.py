"""Tables of runs: ranks, bootstrap marks, notes, and the files written."""

import csv
import json
import re

import pytest
import yaml

from gfm.cli import main
from gfm.errors import GFMError
from gfm.evaluation.journal import Journal
from gfm.evaluation.published import find_published, published_rows
from gfm.evaluation.table import Definition, build_table, save_definition
from gfm.evaluation.table_output import publish_table, to_latex, to_markdown
from gfm.system.files import write_table
from gfm.system.run_folder import write_flat_mattes

PAPER = {
    "data": {"name": "am2k"},
    "track": {"name": "ori"},
    "backbone": {"name": "r34"},
    "rosta": "tt",
    "metrics": {"protocol": "gfm"},
}
RUNS = {
    "far_seed0": [3.0, 4.0, 5.0, 6.0],
    "far_seed1": [3.5, 4.5, 5.5, 6.5],
    "near_seed0": [1.2, 1.9, 3.1, 3.9],
    "best_seed0": [1.0, 2.0, 3.0, 4.0],
    "best_seed1": [1.0, 2.0, 3.0, 3.8],
}


def write(sweep, runs=RUNS, config=PAPER):
    """Write the folder of a sweep with a table of four cells, one without results."""
    for name, values in runs.items():
        (sweep / name).mkdir(parents=True)
        rows = {f"p{i}": {"sad": value} for i, value in enumerate(values)}
        write_table(sweep / name / "per_image.csv", rows)
        (sweep / name / "config.yaml").write_text(yaml.safe_dump(config))
    labels = {"far": "F<a>r & 5 %", "near": "near", "best": "best", "none": "none"}
    cells = {label: [f"{key}_seed0", f"{key}_seed1"] for key, label in labels.items()}
    options = {label: [f"rosta={key}"] for key, label in labels.items()}
    published = {"best": "GFM-TT(r), ORI"}
    notes = ["Own.", "On two\nlines."]
    save_definition(sweep, Definition("A & b", cells, options, [], ["sad"], published, notes))
    return sweep


def test_means_deviations_ranks_and_significance(tmp_path):
    table = build_table(write(tmp_path))
    entries = {row.label: row.entries for row in table.rows}
    assert entries.pop("none") == []
    (far,), (near,), (best,) = entries.values()
    assert far.mean == pytest.approx(4.75)
    assert far.deviation == pytest.approx(0.5**0.5 / 2)
    assert (far.rank, far.is_close) == (0, False)
    assert near.deviation is None
    assert (near.rank, near.is_close) == (2, True)
    assert best.mean == pytest.approx(2.475)
    assert (best.rank, best.is_close) == (1, False)
    assert "Means over 4 photos; lower is better." in table.notes
    assert "Incomplete, runs with results: near (1 of 2), none (0 of 2)." in table.notes
    assert "Own." in table.notes


def test_custom_metrics_are_not_ranked(tmp_path):
    """For an IoU, the lowest value is the worst."""
    sweep = write(tmp_path)
    for path in sweep.glob("*/per_image.csv"):
        path.write_text(path.read_text().replace("name,sad", "name,iou"))
    definition = json.loads((sweep / "table.json").read_text())
    (sweep / "table.json").write_text(json.dumps({**definition, "metrics": ["iou"]}))
    table = build_table(sweep)
    entries = [entry for row in table.rows for entry in row.entries]
    assert {(entry.rank, entry.is_close) for entry in entries} == {(0, False)}
    assert "Not ranked, because higher may be better: iou." in table.notes


def test_the_files(tmp_path, capsys):
    publish_table(write(tmp_path))
    lines = (tmp_path / "table.md").read_text().splitlines()
    assert lines[2] == "|  | SAD (thousands) | SAD, published |"
    assert lines[4:8] == [
        "| F\\<a\\>r & 5 % | 4.75 ± 0.35 |  |",
        "| near | *2.52 ≈* |  |",
        "| best | **2.48 ± 0.04** | 10.89 |",
        "| none | – |  |",
    ]
    latex = (tmp_path / "table.tex").read_text()
    assert "F\\textless{}a\\textgreater{}r \\& 5 \\% & 4.75 $\\pm$ 0.35 &  \\\\" in latex
    assert "best & \\textbf{2.48 $\\pm$ 0.04} & 10.89 \\\\" in latex
    assert "\n% On two lines.\n" in latex
    rows = {row["cell"]: row for row in csv.DictReader((tmp_path / "table.csv").open())}
    assert float(rows["best"]["sad"]) == pytest.approx(2.475)
    assert (rows["best"]["runs"], rows["none"]["sad"]) == ("2", "")
    assert rows["near"]["sad_is_close_to_best"] == "True"
    page = (tmp_path / "table.html").read_text()
    assert "<td class=best>2.48 ± 0.04</td>" in page
    assert "F&lt;a&gt;r &amp; 5 %" in page
    assert 'href="best_seed1/"' in page
    assert "2.48 ± 0.04" in capsys.readouterr().out


def test_published_figures_have_sources_and_need_the_same_training(tmp_path):
    source = find_published("GFM-TT(r), ORI").source
    same = build_table(write(tmp_path / "same"))
    assert same.published == ["sad"]
    assert any(source in note for note in same.notes)
    for name, config in {"demo": {"data": {"name": "demo"}}, "r101": {"backbone": {}}}.items():
        other = build_table(write(tmp_path / name, config={**PAPER, **config}))
        assert other.published == []
        assert not any(source in note for note in other.notes)


def test_every_published_row_has_a_source():
    for row in published_rows().values():
        assert row.source
        assert row.where["data.name"]
        assert row.metrics
    with pytest.raises(GFMError, match="no published figures named x"):
        find_published("x")


def test_one_run_is_a_table_without_deviations(tmp_path):
    table = build_table(write(tmp_path, {"best_seed0": [1.0, 2.0]}))
    assert "± " not in to_markdown(table)
    assert "\\pm" not in to_latex(table)
    assert any("does not show how much a seed changes" in note for note in table.notes)


def test_compare_takes_the_folder_of_a_table(tmp_path, capsys, monkeypatch):
    write(tmp_path)
    monkeypatch.setattr("sys.argv", ["gfm", "compare", str(tmp_path)])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code in (0, None)
    assert "2.48 ± 0.04" in capsys.readouterr().out
    assert (tmp_path / "table.html").is_file()
    monkeypatch.setattr("sys.argv", ["gfm", "compare", str(tmp_path), "--photos=0", "--metric=sad"])
    with pytest.raises(SystemExit, match="1"):
        main()
    error = " ".join(capsys.readouterr().err.split())
    assert "holds a table: omit --metric and --photos, or compare its runs" in error


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda sweep: (sweep / "table.json").write_text("{"), "table.json is missing or damaged"),
        (
            lambda sweep: (sweep / "best_seed0/per_image.csv").write_text("name,sad\na,x"),
            "is damaged",
        ),
    ],
)
def test_damaged_files_are_named(tmp_path, spoil, message):
    write(tmp_path)
    spoil(tmp_path)
    with pytest.raises(GFMError, match=message):
        build_table(tmp_path)


def test_weights_that_change_between_cells_are_refused(tmp_path):
    write(tmp_path, config={"checkpoint": "/a.ckpt", "protocol": "gfm"})
    for run in RUNS:
        Journal(tmp_path / run / "journal").begin({"checkpoint": "abc"})
    assert len(build_table(tmp_path).rows) == 4
    (tmp_path / "best_seed0/journal/settings.json").write_text('{"checkpoint": "def"}')
    says = r"^best_seed0 and far_seed0 were scored with different weights, because /a.ckpt has ch"
    with pytest.raises(GFMError, match=says):
        build_table(tmp_path)


def test_without_results_there_is_no_table(tmp_path):
    with pytest.raises(GFMError, match=r"no run of the table in .* has a result yet"):
        build_table(write(tmp_path, {}))


def test_cells_with_flat_mattes_are_marked(tmp_path):
    write(tmp_path)
    write_flat_mattes(tmp_path / "best_seed1", ["p0", "p3", "left out"])
    publish_table(tmp_path)
    assert "| best † | **2.48 ± 0.04** |" in (tmp_path / "table.md").read_text()
    assert "\nbest $\\dagger$ & \\textbf{2.48" in (tmp_path / "table.tex").read_text()
    assert '<th scope="row">best †</th>' in (tmp_path / "table.html").read_text()
    note = "† Nearly empty or constant mattes, whose SAD may be low: best_seed1 (2 of 4)."
    assert all(note in (tmp_path / f"table.{e}").read_text() for e in ("tex", "html"))
    rows = {row["cell"]: row for row in csv.DictReader((tmp_path / "table.csv").open())}
    assert {label: row["flat_mattes"] for label, row in rows.items()} == {
        "F<a>r & 5 %": "0", "near": "0", "best": "2", "none": "",
    }  # fmt: skip


def test_labels_and_titles_cannot_become_commands_of_latex(tmp_path):
    """In LaTeX, a bracket or a star at the start of a row belongs to the command before it."""
    sweep = write(tmp_path, {"far_seed0": [1.0], "near_seed0": [2.0]})
    text = (sweep / "table.json").read_text()
    text = text.replace('"A & b"', '"A\\nb"').replace('"F<a>r & 5 %"', '"[norms] frozen"')
    (sweep / "table.json").write_text(text.replace('"near":', '"*|":'))
    lines = to_latex(build_table(sweep)).splitlines()
    assert lines[0] == "% A b"
    assert "{[}norms] frozen & \\textbf{1.00} \\\\" in lines
    assert "{*}\\textbar{} & \\textit{2.00 $\\approx$} \\\\" in lines


def test_cells_without_values_are_not_close_to_the_best(tmp_path):
    table = build_table(write(tmp_path, {"far_seed0": ["nan"], "near_seed0": [2.0]}))
    assert not any(entry.is_close for row in table.rows for entry in row.entries)
    assert not any("≈" in note for note in table.notes)


def test_photos_that_a_run_has_no_value_for_are_counted(tmp_path):
    runs = {"far_seed0": ["nan", 1.0, "nan"], "near_seed0": [2.0, 1.0, "nan"]}
    note = "Left out where a run has no value: sad (1 photo)."
    sweep = write(tmp_path, runs)
    assert note in build_table(sweep).notes
    hidden = (sweep / "table.json").read_text().replace('"sad"', '"mad"')
    (sweep / "table.json").write_text(hidden)
    assert note not in build_table(sweep).notes


def test_small_values_keep_three_digits(tmp_path):
    table = build_table(write(tmp_path, {"best_seed0": [0.00241, 0.00241], "far_seed0": [1.0, 1]}))
    text = to_markdown(table)
    assert re.search(r"\*\*0\.00241\*\*", text)
    assert json.loads((tmp_path / "table.json").read_text())["title"] == "A & b"
