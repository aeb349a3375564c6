"""Comparisons leave out photos that one of the networks was trained on."""

from types import SimpleNamespace

import pytest
import yaml

from gfm.errors import GFMError
from gfm.evaluation.comparison import compare_runs
from gfm.evaluation.comparison_output import print_comparison, write_comparison
from gfm.evaluation.scores import read_scores
from gfm.run.folders import save_config
from tests.evaluation.test_compare import write


def test_photos_that_a_network_was_trained_on_are_left_out(tmp_path, capsys):
    data = {"root": str(tmp_path / "mine")}
    rows = {name: {"sad": value} for name, value in zip("abcd", (1.0, 2.0, 4.0, 8.0), strict=True)}
    trained = write(tmp_path / "run", {"a": {"sad": 1.0}, "b": {"sad": 3.0}}, data=data)
    (trained / "split.csv").write_text("name,part\na,held out\nb,held out\nc,trained on\n")
    checkpoint = str(trained / "checkpoints/best.ckpt")
    scored = write(tmp_path / "scored", rows, data=data, checkpoint=checkpoint)
    before = write(tmp_path / "before", rows, data=data, checkpoint="released.pth")
    found = compare_runs([before, scored])
    assert (found.photos, found.num_trained) == (["a", "b", "d"], 1)
    print_comparison(found, "sad", 2)
    write_comparison(tmp_path / "page.html", found)
    note = "1 photo is left out: used to train one of the networks."
    assert note in " ".join(capsys.readouterr().out.split())
    assert note in (tmp_path / "page.html").read_text()
    # In different data, the same names are different photos.
    (before / "config.yaml").write_text(yaml.safe_dump({"data": {"root": "elsewhere"}}))
    elsewhere = write(tmp_path / "elsewhere", rows, data={"root": "x"}, checkpoint=checkpoint)
    assert compare_runs([before, elsewhere]).num_trained == 0
    alone = write(tmp_path / "alone", {"c": {"sad": 1.0}}, data=data)
    with pytest.raises(GFMError, match="was trained on each photo: evaluate on other photos"):
        compare_runs([alone, scored])


def test_photos_of_an_added_dataset_count_as_trained_on(tmp_path):
    data = {"root": str(tmp_path / "mine"), "also": [str(tmp_path / "zoo.v2")]}
    trained = write(tmp_path / "run", {"a": {"sad": 1.0}}, data=data)
    (trained / "split.csv").write_text("name,part\na,held out\nb,trained on\nzoo_v2/c,trained on\n")
    checkpoint = str(trained / "checkpoints/best.ckpt")
    rows = {name: {"sad": 1.0} for name in "abc"}
    data = {"root": str(tmp_path / "zoo.v2")}
    scored = write(tmp_path / "scored", rows, data=data, checkpoint=checkpoint)
    assert read_scores(scored, "A").trained == {"c"}


def test_trained_photos_are_left_out_whatever_the_current_folder(tmp_path, monkeypatch):
    rows = {name: {"sad": 1.0} for name in "abc"}
    (tmp_path / "mine").mkdir()
    run = write(tmp_path / "run", rows, data={"root": str(tmp_path / "mine")})
    (run / "split.csv").write_text("name,part\na,held out\nc,trained on\n")
    (run / "checkpoints").mkdir()
    (run / "checkpoints/best.ckpt").touch()
    scored = write(tmp_path / "scored", rows)
    typed = {"checkpoint": "run/checkpoints/best.ckpt", "data": {"root": "mine"}}
    monkeypatch.chdir(tmp_path)
    save_config(SimpleNamespace(folder=scored, to_dict=lambda: typed))
    monkeypatch.chdir(tmp_path / "mine")
    assert read_scores(scored, "A").trained == {"c"}
