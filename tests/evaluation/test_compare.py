"""Comparisons of runs, photo by photo."""

import json
import math
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from gfm.errors import GFMError
from gfm.evaluation.comparison import bootstrap_differences, compare_runs
from gfm.evaluation.comparison_output import check_page, print_comparison, write_comparison
from gfm.system.files import write_table
from gfm.system.run_folder import write_flat_mattes
from tests.conftest import PROJECT


def write(folder, rows, **config):
    """Write the folder of a run with these metrics by photo."""
    folder.mkdir()
    write_table(folder / "per_image.csv", rows)
    if config:
        (folder / "config.yaml").write_text(yaml.safe_dump(config))
    return folder


def write_sets(folder, **sets):
    """Write the folder of a run on several test sets with these SADs."""
    folder.mkdir()
    for name, values in sets.items():
        write(folder / name, {f"{i}": {"sad": v, "mad": v / 10} for i, v in enumerate(values)})
    rows = [*sets, "macro mean"]
    (folder / "test_sets.csv").write_text("name,sad\n" + "".join(f"{n},1\n" for n in rows))
    return folder


def test_95_percent_intervals_cover_the_true_mean_in_95_percent_of_cases():
    rng = np.random.default_rng(1)
    samples = rng.normal(0.3, 1.0, size=(50, 300))
    covered = [d.low <= 0.3 <= d.high for d in bootstrap_differences(samples, draws=1000)]
    assert 0.90 <= np.mean(covered) <= 0.98
    exact = bootstrap_differences(samples)[0]
    assert exact.mean == pytest.approx(samples[:, 0].mean())
    # The normal approximation holds for such samples.
    width = 2 * 1.96 * samples[:, 0].std() / 50**0.5
    assert exact.high - exact.low == pytest.approx(width, rel=0.05)


def test_pairing_reveals_a_difference_smaller_than_the_spread_of_the_photos():
    rng = np.random.default_rng(0)
    hard = rng.uniform(0, 100, size=(40, 1))
    better = hard - rng.uniform(0.5, 1.5, size=(40, 1))
    (difference,) = bootstrap_differences(better - hard)
    assert difference.is_significant
    assert -1.5 < difference.low < difference.mean < difference.high < -0.5


def test_photos_are_paired_by_name_and_missing_values_are_ignored(tmp_path):
    first = {"a": {"sad": 1, "iou": 5}, "b": {"sad": 2, "iou": "nan"}, "c": {"sad": 3, "iou": 7}}
    second = {"c": {"sad": 2}, "b": {"sad": 2}, "d": {"sad": 9}}
    folders = [write(tmp_path / "one", first), write(tmp_path / "two", second)]
    both = compare_runs(folders)
    assert (both.photos, both.metrics, both.num_left_out) == (["b", "c"], ["sad"], 2)
    ((_, _, (difference,)),) = both.rows
    assert (difference.mean, difference.low, difference.high) == (-0.5, -1.0, 0.0)
    itself = compare_runs([folders[0], folders[0]])
    assert [means.tolist() for _, means, _ in itself.rows] == [[2.0, 2.0], [6.0, 6.0]]
    assert [difference.mean for _, _, (difference,) in itself.rows] == [0.0, 0.0]


def test_means_and_differences_cover_the_photos_with_values_in_both(tmp_path, capsys, recwarn):
    """The PSNR of a perfect matte is infinite."""
    first = {"a": {"psnr": "inf"}, "b": {"psnr": 10.0}, "c": {"psnr": "nan"}, "d": {"psnr": 30.0}}
    second = {"a": {"psnr": "inf"}, "b": {"psnr": 12.0}, "c": {"psnr": 90.0}, "d": {"psnr": 36.0}}
    both = compare_runs([write(tmp_path / "one", first), write(tmp_path / "two", second)])
    ((_, means, (difference,)),) = both.rows
    assert means.tolist() == [20.0, 24.0]
    assert "Left out where a run has no value: psnr (1 photo)." in both.notes()
    assert (difference.mean, difference.low, difference.high) == (4.0, 2.0, 6.0)
    never = {"c": {"psnr": 1.0}}
    none = compare_runs([tmp_path / "one", write(tmp_path / "never", never)])
    for comparison, line in ((both, "c │ – │ 90 │ –"), (none, "psnr │ – │ – │ –")):
        print_comparison(comparison, "psnr", 4)
        assert f"│ {line} │" in re.sub(" +", " ", capsys.readouterr().out)
        write_comparison(tmp_path / "page.html", comparison)
    assert "nan" not in (tmp_path / "page.html").read_text()
    assert not recwarn


def test_one_photo_is_never_significant(tmp_path):
    runs = [write(tmp_path / str(sad), {"a": {"sad": sad}}) for sad in (1.0, 9.0)]
    ((_, _, (difference,)),) = compare_runs(runs).rows
    assert (difference.mean, difference.is_significant) == (8.0, False)
    (of_sets,) = bootstrap_differences(np.ones((3, 1)), groups=[np.arange(2), np.arange(2, 3)])
    assert (of_sets.mean, of_sets.is_significant) == (1.0, False)


def test_the_page_has_the_digits_that_differences_need(tmp_path):
    runs = [write(tmp_path / str(sad), {"a": {"sad": sad}}) for sad in (12.34549, 12.34551)]
    write_comparison(tmp_path / "page.html", compare_runs(runs))
    assert '"values": [[[12.34549]], [[12.34551]]]' in (tmp_path / "page.html").read_text()


def test_few_photos_give_a_note(tmp_path):
    """Half of the intervals from two photos miss the true mean."""
    sizes = {name: {str(i): {"sad": i} for i in range(n)} for n, name in ((9, "few"), (10, "many"))}
    few, many = (write(tmp_path / name, rows) for name, rows in sizes.items())
    (note,) = compare_runs([few, few]).notes()
    assert note == "With only 9 photos, 95 % intervals are too narrow."
    assert compare_runs([many, many]).notes() == []
    sets = write_sets(tmp_path / "sets", one=[1.0] * 20, two=[1.0] * 3)
    (note,) = compare_runs([sets, sets]).notes()
    assert note.startswith("With only 3 photos in a test set")


def test_runs_with_flat_mattes_are_marked(tmp_path, capsys):
    rows = {str(i): {"sad": i} for i in range(12)}
    folders = [write(tmp_path / name, rows) for name in ("good", "collapsed")]
    write_flat_mattes(folders[1], ["3", "11", "left out"])
    both = compare_runs(folders)
    note = "† Nearly empty or constant mattes, whose SAD may be low: B (2 of 12)."
    assert both.notes() == [note]
    print_comparison(both, "sad", 0)
    write_comparison(tmp_path / "page.html", both)
    assert capsys.readouterr().out.splitlines()[1].startswith(f"B †  {folders[1]}")
    assert "<dt>A</dt>" in (tmp_path / "page.html").read_text()
    assert "<dt>B †</dt>" in (tmp_path / "page.html").read_text()
    write_flat_mattes(folders[1], [])  # a repeated test
    assert compare_runs(folders).notes() == []


def test_the_page_names_runs_from_any_folder(tmp_path, monkeypatch):
    (tmp_path / "a").mkdir()
    runs = [write(tmp_path / name, {"x": {"sad": 1.0}}) for name in ("a/run", "run")]
    monkeypatch.chdir(runs[0])
    write_comparison(tmp_path / "page.html", compare_runs([Path(), Path("../../run")]))
    page = (tmp_path / "page.html").read_text()
    assert all(f"<dd>{run} " in page for run in runs)


def test_the_table_and_the_page_show_the_same(tmp_path, capsys):
    name = "<b>photo</b>"
    folders = [
        write(tmp_path / label, {name: {"sad": sad}, "x": {"sad": sad + 1}}, run={"name": label})
        for label, sad in (("first", 3.0), ("second", 5.25))
    ]
    comparison = compare_runs(folders)
    print_comparison(comparison, "sad", 1)
    out = capsys.readouterr().out
    assert re.search(r"sad +│ +3.5 │ +5.75 │ \+2.25 \[\+2.25, \+2.25\]", out)
    assert re.search(r"<b>photo</b> +│ +3 │ +5.25 │ +\+2.25", out)
    write_comparison(tmp_path / "page.html", comparison)
    page = (tmp_path / "page.html").read_text()
    assert "+2.25 [+2.25, +2.25]" in page
    assert name not in page  # escaped
    data = json.loads(re.search(r'<script id="data"[^>]*>(.*?)</script>', page).group(1))
    assert data["photos"] == [name, "x"]
    assert data["values"] == [[[3.0, 4.0]], [[5.25, 6.25]]]


@pytest.mark.parametrize("sets", [False, True])
def test_many_runs_have_a_row_each(tmp_path, capsys, sets):
    """A column for each run would leave no room for its figures."""
    runs = []
    for i in range(14):
        rows = {f"p{n}": {"sad": 1.0 + i, "mad": i / 8} for n in range(12)}
        values = [1.0 + i] * 12
        folder = tmp_path / f"run{i}"
        runs.append(write_sets(folder, a=values, b=values) if sets else write(folder, rows))
    print_comparison(compare_runs(runs), "mad", 5)
    out = re.sub(" +", " ", capsys.readouterr().out)
    mean = "1.4 │ +1.3 [+1.3, +1.3] │ 1.4 │ 1.4" if sets else "1.625 │ +1.62 [+1.62, +1.62]"
    assert f"\n│ N │ {mean} │\n" in out
    assert "sad" not in out
    assert "--metric chooses the metric" in out


def test_runs_under_different_protocols_are_refused(tmp_path):
    gfm = write(tmp_path / "gfm", {"a": {"sad": 1}}, protocol="gfm")
    dim = write(tmp_path / "dim", {"a": {"sad": 1}}, metrics={"protocol": "dim"})
    with pytest.raises(GFMError, match="the protocols dim and gfm"):
        compare_runs([gfm, dim])


def test_a_page_replaces_only_pages_of_comparisons(tmp_path):
    page = tmp_path / "compare.html"
    check_page(page)
    run = write(tmp_path / "run", {"a": {"sad": 1.0}})
    write_comparison(page, compare_runs([run, run]))
    check_page(page)
    page.write_text("<title>Comparison</title> of my cameras")
    with pytest.raises(GFMError, match=r"compare\.html exists and was not written by gfm compare"):
        check_page(page)


def test_labels_continue_after_z(tmp_path):
    run = write(tmp_path / "run", {"a": {"sad": 1.0}})
    labels = [scores.label for scores in compare_runs([run] * 54).runs]
    assert labels[:2] + labels[25:28] + labels[-2:] == ["A", "B", "Z", "AA", "AB", "BA", "BB"]


def test_runs_on_different_data_give_a_warning(tmp_path, recwarn):
    rows = {"a": {"sad": 1.0}}
    kinds = {
        "mine": {"name": "folder", "root": "mine"},
        "pairs": {"name": "pairs", "root": "mine"},
        "other": {"name": "folder", "root": "other"},
        "here": {"name": "am2k", "source": {"photos": "here"}},
        "there": {"name": "am2k", "source": {"photos": "there"}},
    }
    folders = {name: write(tmp_path / name, rows, data=data) for name, data in kinds.items()}
    compare_runs([folders["mine"], folders["pairs"]])
    compare_runs([folders["here"], folders["there"]])
    compare_runs([folders["mine"], write(tmp_path / "unknown", rows)])
    assert not recwarn
    for other in ("other", "here"):
        with pytest.warns(
            UserWarning, match=rf"A and B were scored on .*mine and .*{other}: photos"
        ):
            compare_runs([folders["mine"], folders[other]])


def test_comparing_imports_neither_torch_nor_lightning():
    """They take seconds to import."""
    code = (
        "import gfm.evaluation.comparison_output, sys;"
        "sys.exit('torch' in sys.modules or 'pytorch_lightning' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=PROJECT, check=True)


def test_runs_on_several_test_sets(tmp_path, capsys):
    """The macro mean counts both sets equally, and each set has a row."""
    one = write_sets(tmp_path / "one", large=[1.0, 2.0, 3.0, 6.0], small=[10.0, 20.0])
    two = write_sets(tmp_path / "two", other=[1.0], large=[2.0, 3.0, 4.0, 7.0], small=[9.0, 20.0])
    both = compare_runs([one, two])
    assert {name: len(i) for name, i in both.test_sets().items()} == {"large": 4, "small": 2}
    assert both.num_left_out == 1
    name, means, (difference,) = both.rows[0]
    assert (name, means.tolist()) == ("sad", [9.0, 9.25])
    assert (difference.mean, difference.low, difference.high) == (0.25, 0.0, 0.5)
    by_set = {n: (m.tolist(), d.mean) for n, m, (d,) in both.by_test_set("sad")}
    assert by_set == {"large": ([3.0, 4.0], 1.0), "small": ([15.0, 14.5], -0.5)}
    print_comparison(both, "sad", 0)
    out = capsys.readouterr().out
    assert "macro means of 2 test sets (6 photos)" in out
    assert re.search(r"small +│ +15 │ +14.5 │ +-0.5 \[-1, \+0\]", out)
    write_comparison(tmp_path / "page.html", both)
    page = (tmp_path / "page.html").read_text()
    assert "Macro means of 2 test sets" in page
    assert page.count("by test set</h2>") == 2
    assert "-0.5 [-1, +0]" in page


def test_a_test_set_without_values_leaves_the_macro_mean_without_one(tmp_path):
    runs = [
        write_sets(tmp_path / name, some=[value, value + 1.0], none=[math.nan] * 2)
        for name, value in (("one", 1.0), ("two", 3.0))
    ]
    _, means, (difference,) = compare_runs(runs).rows[0]
    assert np.isnan([*means, difference.mean, difference.low, difference.high]).all()
