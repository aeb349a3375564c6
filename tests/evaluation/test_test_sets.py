"""One command scores a network or a folder of mattes on several test sets."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from gfm.compat.hydra import instantiate
from gfm.data.images import write_png
from gfm.errors import GFMError
from gfm.evaluation.scoring import Scorer
from gfm.evaluation.test_sets import macro_means
from gfm.run import build_evaluation, evaluate
from gfm.run.app import prepare_arguments
from gfm.system.files import read_table
from tests.conftest import compose_config
from tests.evaluation.conftest import _load_once, to_bytes
from tests.metrics.pairs import furry_pair

LAYOUTS = {
    "am2k": ("am2k", "validation/original", "validation/mask", "validation/trimap"),
    "p3m500_p": (
        *("p3m10k", "validation/P3M-500-P/blurred_image"),
        *("validation/P3M-500-P/mask", "validation/P3M-500-P/trimap"),
    ),
    "p3m500_np": (
        *("p3m10k", "validation/P3M-500-NP/original_image"),
        *("validation/P3M-500-NP/mask", "validation/P3M-500-NP/trimap"),
    ),
    "aim500": ("aim500", "original", "mask", "trimap"),
    "ppm100": ("ppm100", "image", "matte", None),
}
"""Option of the root, and folders of photos, mattes and trimaps, as they are published."""


def write_set(root: Path, folders: tuple[str, str, str | None], count: int, seed: int) -> None:
    """Write a tiny test set whose trimaps mark the whole photo as transition."""
    for i in range(count):
        size = 40 + 8 * i, 48
        _, alpha, _ = furry_pair(*size, seed + i)
        photo = np.random.default_rng(seed + i).integers(0, 255, (*size, 3), dtype=np.uint8)
        pictures = photo, to_bytes(alpha), np.full(size, 128, np.uint8)
        for folder, picture in zip(folders, pictures, strict=True):
            if folder is not None:
                (root / folder).mkdir(parents=True, exist_ok=True)
                write_png(root / folder / f"{i}.png", picture)


@pytest.fixture
def paths(tmp_path: Path) -> list[str]:
    """Write the published test sets, each with one photo more, and return their options."""
    for number, (option, *folders) in enumerate(LAYOUTS.values(), start=1):
        write_set(tmp_path / "data" / option, tuple(folders), number, 10 * number)
    return sorted({f"paths.{o}={tmp_path / 'data' / o}" for o, *_ in LAYOUTS.values()})


@pytest.fixture
def run_sets(paths, tmp_path, monkeypatch):
    """Return a function that evaluates with the arguments of a command line."""
    monkeypatch.setattr(build_evaluation, "load_network", _load_once)

    def evaluate_with(*arguments: str, folder: str = "run") -> tuple[dict, Path]:
        quiet = ["data.num_workers=0", "trainer=cpu", "inference=native"]
        given = [*paths, *quiet, *arguments, f"paths.run={tmp_path / folder}"]
        cfg = compose_config("evaluate", prepare_arguments(given, trains=False))
        return evaluate.evaluate(cfg)[0], tmp_path / folder

    return evaluate_with


def read_scalars(folder: Path) -> dict[str, float]:
    """Return the last value of each TensorBoard curve."""
    name = "tensorboard.backend.event_processing.event_accumulator"
    events = pytest.importorskip(name).EventAccumulator(str(folder)).Reload()
    return {tag: events.Scalars(tag)[-1].value for tag in events.Tags()["scalars"]}


@pytest.mark.parametrize("name", LAYOUTS)
def test_published_layouts(paths, name):
    cfg = compose_config("evaluate", [f"data={name}", *paths])
    photos = instantiate(cfg.data.source).validation()
    option, images, alphas, trimaps = LAYOUTS[name]
    assert len(photos) == list(LAYOUTS).index(name) + 1
    root = Path(cfg.paths[option])
    assert photos[0].image == root / images / "0.png"
    assert photos[0].alpha == root / alphas / "0.png"
    assert photos[0].trimap == (root / trimaps / "0.png" if trimaps else None)


@pytest.mark.parametrize("name", ["p3m500_p", "p3m500_np", "aim500", "ppm100"])
def test_a_missing_test_set_names_its_option(name, tmp_path):
    option = LAYOUTS[name][0]
    cfg = compose_config("evaluate", [f"data={name}", f"paths.{option}={tmp_path}"])
    with pytest.raises(GFMError, match=rf"no folder .*: set paths\.{option}=<folder that holds "):
        instantiate(cfg.data.source).validation()


def test_names_of_folders_need_not_be_names_of_options(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("übung", "2nd set"):
        Path(name).mkdir()
    monkeypatch.chdir("übung")
    cfg = compose_config(
        "evaluate", prepare_arguments(["data=[./,'../2nd set']", "paths.run=run"], trains=False)
    )
    assert list(cfg.sets) == ["_bung", "_2nd_set"]


def test_a_network_on_several_sets(run_sets, weights, tmp_path, capsys):
    write_set(tmp_path / "my photos.1", ("fotos", "masks", None), 2, 90)
    folder_of_own = f"'{tmp_path / 'my photos.1'}'"
    summary, folder = run_sets(f"checkpoint={weights}", f"data=[am2k,ppm100,{folder_of_own}]")
    assert (summary["num_images"], summary["ppm100/num_images"]) == (8, 5)
    rows = read_table(folder / "test_sets.csv")
    assert list(rows) == ["am2k", "ppm100", "my_photos_1", "macro mean"]
    for name in ("am2k", "ppm100"):
        alone, _ = run_sets(f"checkpoint={weights}", f"data={name}", folder=f"alone_{name}")
        assert rows[name] == alone == json.loads((folder / name / "metrics.json").read_text())
        assert summary[f"{name}/sad"] == alone["sad"]
    sads = [rows[name]["sad"] for name in ("am2k", "ppm100", "my_photos_1")]
    assert summary["sad"] == rows["macro mean"]["sad"] == pytest.approx(np.mean(sads))
    assert json.loads((folder / "metrics.json").read_text()) == summary
    assert len(list((folder / "ppm100/alpha").iterdir())) == 5
    page = (folder / "report.html").read_text()
    assert 'href="my_photos_1/report.html"' in page
    assert str(weights) in page
    assert "inference" not in page  # own photos are shrunk to data.shorter_side
    assert f"{rows['ppm100']['grad']:.5g}" in page
    printed = capsys.readouterr().out
    assert "3 test sets, gfm protocol" in printed
    assert f"{summary['mad']:.4g}" in printed.split("macro mean")[1]
    assert printed.count("trainer.precision=auto") <= 3  # once for each of the three runs


def test_loggers_get_a_run_for_each_set_and_one_for_the_means(run_sets, weights):
    options = "logger=tensorboard", "logger.tensorboard.name=${run.name}"
    summary, folder = run_sets(f"checkpoint={weights}", "data=[am2k,ppm100]", *options)
    of_set = read_scalars(folder / "ppm100/evaluate_ppm100_gfm")
    assert of_set["test/sad"] == pytest.approx(summary["ppm100/sad"])
    of_means = read_scalars(folder / "evaluate_macro_mean_gfm")
    assert of_means["test/sad"] == pytest.approx(summary["sad"])
    assert of_means["test/ppm100/sad"] == pytest.approx(summary["ppm100/sad"])


def test_resumes_between_and_within_sets(run_sets, weights, monkeypatch, capsys):
    names: list[str] = []
    add = Scorer.add

    def add_or_stop(self, matte, sample):
        if len(names) == 6:
            raise KeyboardInterrupt
        names.append(f"{self.folder.parent.name}/{sample['name'][0]}")
        add(self, matte, sample)

    monkeypatch.setattr(Scorer, "add", add_or_stop)
    command = f"checkpoint={weights}", "data=[p3m500_p,ppm100,aim500]"
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        run_sets(*command)
    names[:] = names[6:]
    summary, folder = run_sets(*command)
    assert "4 of 5 photos are scored" in capsys.readouterr().out
    assert names == ["ppm100/4", *(f"aim500/{i}" for i in range(4))]
    monkeypatch.setattr(Scorer, "add", add)
    assert run_sets(*command, folder="whole")[0] == summary
    for file in ("test_sets.csv", "metrics.json"):
        assert (folder / file).read_bytes() == (folder.with_name("whole") / file).read_bytes()


def test_two_processes(run_sets, weights, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    command = f"checkpoint={weights}", "data=[p3m500_np,ppm100]"
    _, alone = run_sets(*command, folder="alone")
    _, both = run_sets(*command, "trainer=ddp_cpu", "trainer.strategy=ddp_fork", folder="both")
    assert (alone / "test_sets.csv").read_bytes() == (both / "test_sets.csv").read_bytes()
    assert len(list((both / "ppm100/journal").glob("rows.*.jsonl"))) == 2


def test_predictions_of_several_sets(run_sets, weights, tmp_path):
    _, folder = run_sets(f"checkpoint={weights}", "data=[p3m500_np,aim500]", "score=png")
    scored, again = run_sets(f"predictions={folder}", "data=[p3m500_np,aim500]", folder="again")
    assert (again / "test_sets.csv").read_bytes() == (folder / "test_sets.csv").read_bytes()
    (folder / "aim500/alpha/2.png").unlink()
    with pytest.raises(GFMError, match=r"^aim500: 1 of 4 mattes are missing: 2"):
        run_sets(f"predictions={folder}", "data=[aim500,p3m500_np]", folder="missing")
    assert read_table(tmp_path / "missing/test_sets.csv")["p3m500_np"]["sad"] == pytest.approx(
        scored["p3m500_np/sad"]
    )
    shutil.rmtree(folder / "aim500")
    with pytest.raises(GFMError, match="give predictions a sub-folder for each test set"):
        run_sets(f"predictions={folder}", "data=[p3m500_np,aim500]", folder="none")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "set sets.own.alpha_suffix=_mask"),
        (["data.shorter_side=9", "sets.own.trimaps=none"], "set sets.own.alpha_suffix=_mask"),
        (["sets.own.alphas=nix"], "set sets.own.alphas to the name of the mattes' folder"),
        (["sets.own.num_holdout=-1"], "sets.own.num_holdout=-1: choose a number"),
        (["+sets.own.nix=1"], "sets.own.nix: no such option"),
    ],
)
def test_messages_name_the_options_of_a_set(run_sets, weights, tmp_path, options, message):
    write_set(tmp_path / "own", ("photos", "data.v1/masks", None), 2, 90)
    for path in (tmp_path / "own/data.v1/masks").iterdir():
        path.rename(path.with_stem(f"{path.stem}_mask"))
    with pytest.raises(GFMError) as error:
        run_sets(
            *(f"checkpoint={weights}", f"data=[ppm100,{tmp_path}/own]"),
            *("sets.own.images=photos", "sets.own.alphas=data.v1/masks", *options),
        )
    assert message in str(error.value)
    assert "sets.own.v1" not in str(error.value)


def test_options_of_one_set_replace_those_of_all(tmp_path):
    arguments = ["data=[./mine,am2k]", "sets.mine.shorter_side=60", "data.shorter_side=50"]
    arguments += ["sets.mine.images=fotos", "--cfg", "job"]
    given = prepare_arguments(arguments, trains=False)
    assert given[:2] == ["--cfg", "job"]  # Hydra refuses overrides on both sides of a flag
    sets = compose_config("evaluate", [*given[2:], "paths.run=run"]).sets
    assert (sets.mine.shorter_side, sets.am2k.shorter_side) == (60, 50)
    assert (sets.mine.images, sets.mine.alphas) == ("fotos", None)


def test_one_and_several_sets_do_not_share_a_folder(run_sets, weights):
    one, several = (f"checkpoint={weights}", "data=am2k"), (f"checkpoint={weights}", "data=[am2k]")
    _, folder = run_sets(*several)
    before = (folder / "metrics.json").read_text()
    with pytest.raises(GFMError, match="run holds an evaluation on several test sets: set paths"):
        run_sets(*one)
    assert (folder / "metrics.json").read_text() == before
    run_sets(*one, folder="one")
    with pytest.raises(GFMError, match="one holds an evaluation on one test set: set paths"):
        run_sets(*several, folder="one")


def test_errors_in_the_last_set_are_found_before_the_first_is_scored(run_sets, weights, tmp_path):
    shutil.rmtree(tmp_path / "data/ppm100/matte")
    with pytest.raises(GFMError, match="ppm100"):
        run_sets(f"checkpoint={weights}", "data=[aim500,ppm100]")
    assert not list((tmp_path / "run").rglob("rows.*.jsonl"))


def test_the_macro_mean_counts_sets_equally():
    means = macro_means({"a": {"sad": 1.0, "num_images": 1}, "b": {"sad": 4.0, "num_images": 99}})
    assert means == {"sad": 2.5, "num_images": 100}


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (["data=[am2k,am2k]"], "two test sets am2k"),
        (["data=[]"], "names no test set"),
        (["-m", "data=[am2k,aim500],[ppm100]"], "cannot take lists of test sets"),
    ],
)
def test_wrong_lists(arguments, match):
    with pytest.raises(GFMError, match=match):
        prepare_arguments(arguments, trains=False)


def test_training_takes_one_dataset():
    with pytest.raises(GFMError, match=r"train on one dataset"):
        prepare_arguments(["data=[am2k,demo]"], trains=True)


def test_a_single_set_and_a_sweep_are_left_alone():
    for arguments in (["data=am2k", "data.num_workers=0"], ["-m", "data=am2k,aim500"]):
        assert prepare_arguments(arguments, trains=False) == arguments
