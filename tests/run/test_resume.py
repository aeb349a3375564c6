"""Resuming finds the run, its options and its configuration files."""

import shlex
from functools import partial
from pathlib import Path

import pytest
import yaml
from omegaconf import OmegaConf

from gfm.compat.hydra import compose_from, parse_override
from gfm.errors import GFMError
from gfm.run.app import prepare_arguments
from gfm.run.configs import CONFIGS
from gfm.run.from_photos import restore_photo_options
from gfm.run.from_weights import take_network
from tests.run.test_finetune import write_weights

resume_arguments = partial(prepare_arguments, trains=True)


@pytest.fixture
def runs(tmp_path):
    """A folder of runs, the later of which has a checkpoint."""
    for name in ("first", "second"):
        folder = tmp_path / "train" / name
        (folder / ".hydra").mkdir(parents=True)
        overrides = ["backbone=r34", f"run.name={name}", "trainer.limit_val_batches=1"]
        (folder / ".hydra/overrides.yaml").write_text(yaml.safe_dump(overrides))
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints/last.ckpt").touch()
    return tmp_path


LAST = "train/second/checkpoints/last.ckpt"


@pytest.mark.parametrize("where", ["last", "train/second", LAST])
def test_resuming_uses_the_folder_and_the_options_of_the_run(runs, where):
    given = f"ckpt_path={where if where == 'last' else runs / where}"
    arguments = resume_arguments([given, "trainer.max_epochs=7", f"paths.runs={runs}"])
    second = runs / "train/second"
    expected = {"backbone=r34", "run.name=second", "trainer.max_epochs=7", f"paths.run={second}"}
    assert expected | {f"ckpt_path={runs / LAST}"} <= set(arguments)
    assert "hydra.output_subdir=null" in arguments  # existing files stay
    assert sorted(resume_arguments(arguments)) == sorted(
        arguments
    )  # as for the processes that it starts


def test_the_latest_run_may_have_a_folder_named_by_the_user(runs):
    (runs / "train/second").rename(runs / "mine")
    assert f"paths.run={runs / 'mine'}" in resume_arguments(
        ["ckpt_path=last", f"paths.runs={runs}"]
    )


def test_resuming_in_a_new_folder(runs):
    arguments = resume_arguments([f"ckpt_path={runs / LAST}", f"paths.run={runs / 'third'}"])
    assert {"backbone=r34", f"paths.run={runs / 'third'}", f"ckpt_path={runs / LAST}"} <= set(
        arguments
    )
    assert "hydra.output_subdir=null" not in arguments


def test_an_added_option_can_be_removed_on_resuming(runs):
    file = runs / "train/second/.hydra/overrides.yaml"
    file.write_text(yaml.safe_dump(["+callbacks.x=1", "rosta=ft", "~callbacks.last"]))
    arguments = resume_arguments(
        ["ckpt_path=last", f"paths.runs={runs}", "~callbacks.x", "rosta=bt"]
    )
    assert not any("callbacks.x" in a or a == "rosta=ft" for a in arguments)
    assert {"rosta=bt", "~callbacks.last"} <= set(arguments)


def test_resuming_a_run_with_a_config_dir(runs):
    own, folder = runs / "own configs", runs / "train/second/.hydra"
    sources = [{"path": str(own), "schema": "file", "provider": "command-line"}]
    where = f"hydra.searchpath=['file://{own}']"
    hydra = {"overrides": {"hydra": [where]}, "runtime": {"config_sources": sources}}
    OmegaConf.save({"hydra": hydra}, folder / "hydra.yaml")
    given = ["ckpt_path=last", f"paths.runs={runs}"]
    again = ["--config-dir", str(own), where]
    for named in ([], again[:2], again[2:]):  # files of a stranger may name any code
        with pytest.raises(GFMError, match="if you trust them, type gfm train") as refused:
            resume_arguments([*named, *given])
        typed = shlex.split(str(refused.value).partition("type gfm train ")[2])
        assert sorted(typed) == sorted([*again, *given])
    assert where in resume_arguments([*again, *given])
    others = ["--config-dir", "new", "hydra.searchpath=[file://new]"]
    arguments = resume_arguments([*others, "ckpt_path=last", f"paths.runs={runs}"])
    assert not any("own configs" in argument for argument in arguments)


DAMAGED = {
    "empty": "",
    "text": "hydra",
    "list": "- 1",
    "not YAML": "hydra: [",
    "nested": "[" * 9999,
    "without runtime": "hydra: {overrides: {hydra: []}}",
    "null": "hydra: {runtime: null, overrides: null}",
    "sources": "hydra: {runtime: {config_sources: 1}, overrides: {hydra: []}}",
    "path": "hydra: {runtime: {config_sources: [{provider: command-line}]}}",
    "options": "hydra: {runtime: {config_sources: []}, overrides: {hydra: ['a=[']}}",
    "numbers": "hydra: {runtime: {config_sources: []}, overrides: {hydra: [1]}}",
    "binary": "\udcff",
}


@pytest.mark.parametrize("text", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_file_of_hydra_is_named(runs, text):
    file = runs / "train/second/.hydra/hydra.yaml"
    file.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(GFMError, match=r"hydra\.yaml is damaged: remove it"):
        resume_arguments(["ckpt_path=last", f"paths.runs={runs}"])


def test_paths_may_contain_hydras_special_characters(runs):
    folder = (runs / "train/second").rename(runs / "train/it's (2), a=b")
    arguments = resume_arguments(["ckpt_path=last", f"paths.runs={runs}"])
    for name in ("ckpt_path", "paths.run"):
        (argument,) = (a for a in arguments if a.startswith(f"{name}="))
        value = parse_override(argument).value()
        assert Path(value) in (folder, folder / "checkpoints/last.ckpt")


def test_arguments_of_a_new_run_are_unchanged(tmp_path):
    (tmp_path / "alone.ckpt").touch()
    for arguments in (["rosta=tt"], [f"ckpt_path={tmp_path / 'alone.ckpt'}"], ["ckpt_path=null"]):
        assert resume_arguments(arguments) == arguments


def test_nothing_to_resume_is_an_error(tmp_path):
    with pytest.raises(GFMError, match="no run below"):
        resume_arguments(["ckpt_path=last", f"paths.runs={tmp_path}"])
    with pytest.raises(GFMError, match="not the folder of a run"):
        resume_arguments([f"ckpt_path={tmp_path}"])


def test_a_run_whose_options_are_lost_is_refused(runs):
    file = runs / "train/second/.hydra/overrides.yaml"
    file.write_text("rosta: ft")
    with pytest.raises(GFMError, match="is not a list of options: remove it, set ckpt_path"):
        resume_arguments(["ckpt_path=last", f"paths.runs={runs}"])
    file.unlink()
    with pytest.raises(GFMError, match="is not the folder of a run: it lacks"):
        resume_arguments(["ckpt_path=last", f"paths.runs={runs}"])


def test_local_paths_apply_to_resumed_runs(runs):
    """``local/default.yaml``, here in the user's own folder, needs no ``@package`` line."""
    (runs / "conf/local").mkdir(parents=True)
    (runs / "conf/local/default.yaml").write_text(f"paths: {{runs: {runs}}}")
    for name in ("train", "evaluate"):
        cfg = compose_from(CONFIGS, name, ["paths.run=x"], runs / "conf")
        assert cfg.paths.runs == str(runs)
    arguments = resume_arguments(["--config-dir", str(runs / "conf"), "ckpt_path=last", "seed=2"])
    assert {"backbone=r34", "seed=2", f"ckpt_path={runs / LAST}"} < set(arguments)


def test_a_damaged_checkpoint_of_a_run_falls_back_to_the_previous_one(tmp_path):
    last = tmp_path / "last.ckpt"
    write_weights(tmp_path / "last.previous.ckpt")
    last.write_bytes((tmp_path / "last.previous.ckpt").read_bytes()[:5000])
    options = {"trust": [], "init_from": None, "ckpt_path": str(last), "inference": None}
    cfg = OmegaConf.create({**options, "backbone": {"name": "weights"}, "recipe": {}, "data": {}})
    assert take_network(cfg).rosta == "tt"
    cfg = OmegaConf.merge(cfg, {"ckpt_path": None, "init_from": str(last)})
    with pytest.raises(GFMError, match="is damaged"):
        take_network(cfg)


def test_a_resumed_run_holds_the_same_photos_out(tmp_path):
    """Photos added since then would otherwise change which photos are held out."""
    (tmp_path / "split.csv").touch()
    data = {"split": None, "num_holdout": None}
    last = str(tmp_path / "checkpoints/last.ckpt")
    for checkpoint, expected in ((None, None), (last, str(tmp_path / "split.csv"))):
        options = restore_photo_options({"data": data, "ckpt_path": checkpoint})
        assert options["data"]["split"] == expected
    other = {"ckpt_path": last, "data": {**data, "num_holdout": 3}}
    assert restore_photo_options(other) == other
