"""Options in a stranger's run folder execute nothing, and write nowhere else."""

import importlib
import inspect
import pkgutil
import re
import shlex
from functools import partial
from pathlib import Path

import pytest
import yaml

from gfm.checkpoints.checkpoint_io import AtomicCheckpointIO
from gfm.errors import GFMError
from gfm.run.app import prepare_arguments
from gfm.run.kept_options import _PLACE, PACKAGES, check_kept
from gfm.run.saved_options import OVERRIDES

resume_arguments = partial(prepare_arguments, trains=True)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """The folder of a stranger's run below the current folder."""
    monkeypatch.chdir(tmp_path)
    folder = Path("runs/train/theirs")
    for name in (OVERRIDES, "checkpoints/last.ckpt"):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).touch()
    return folder


def keep(run: Path, *options: str) -> list[str]:
    """Save options in the folder of a run, and return the arguments that resume the run."""
    (run / OVERRIDES).write_text(yaml.safe_dump(list(options)))
    return [f"ckpt_path={run}"]


EXECUTES = {
    "+callbacks.x={_target_: torch.hub.load, repo_or_dir: ., source: local}": "uses torch.hub.load",
    "+callbacks.x._target_=os.system": "set trust=[os]",
    "optimizer._target_=torch.hub.load": "uses torch.hub.load",
    "+callbacks.x={y: [{_target_: gfm.system.files.write_text}]}": "gfm.system.files.write_text",
    "+callbacks.x={_target_: gfm.data.split.write_split, path: a}": "gfm.data.split.write_split",
    "+callbacks.x._target_=gfm.training.provenance.git_commit": "gfm.training.provenance",
    "+logger.x._target_=pytorch_lightning.loggers.MLFlowLogger": "set trust=[pytorch_lightning]",
    "trainer.strategy._target_=pytorch_lightning.strategies.DDPStrategy": "uses pytorch_lightning",
    "+loss.extra={x: {_target_: gfm.data.images.os.remove}}": "uses gfm.data.images.os.remove",
    "+trainer.strategy.timeout={_target_: datetime.sys.exit}": "uses datetime.sys.exit",
    "run.name=${oc.env:HOME}": "whose interpolation is not resolved: set run.name",
    r"run.name=$\{oc.env\:HOME\}": "contains an interpolation",
}


@pytest.mark.parametrize("option", EXECUTES)
def test_resuming_a_run_from_others_executes_none_of_its_code(run, option):
    given = keep(run, option, "trust=[os,torch]", "+hydra.callbacks.x=1")
    with pytest.raises(GFMError, match=re.escape(EXECUTES[option])) as refused:
        resume_arguments(given)
    assert str(run / OVERRIDES) in str(refused.value)
    assert option in resume_arguments([*given, option])  # typed here


LEADS_OUT = (
    # YAML files elsewhere, and other places in the configuration
    "experiment=../../../tmp/theirs",
    "experiment=[paper/ori_r34_tt,/../../theirs]",
    "callbacks@hydra.callbacks=default",
    "callbacks@_global_.hydra.callbacks=default",
    "data=/theirs",
    # files that callbacks, loggers, profilers and Lightning write
    "callbacks.result.path=/home/me/x.png",
    "callbacks.result.path=train.py",
    "callbacks.result={path: train.py}",
    "callbacks.previews.folder=previews",
    "callbacks.end.path='~/last.ckpt'",
    "callbacks.best.dirpath=runs/train/mine/checkpoints",
    "callbacks.best.filename=../../mine/best",
    "callbacks.last.filename=/home/me/last",
    "+callbacks.x={_target_: pytorch_lightning.callbacks.ModelCheckpoint, _args_: [/home/me]}",
    "+callbacks.x={_target_: pytorch_lightning.callbacks.OnExceptionCheckpoint, dirpath: a}",
    "trainer.default_root_dir=elsewhere",
    "trainer.profiler={dirpath: elsewhere}",
    "trainer.plugins=[]",  # would delete folders
    "logger.csv.save_dir=/home/me",
    "+logger.csv.name=../../mine",
    "+logger.csv.version=/home/me",
    "logger.tensorboard.save_dir=a",
    # uploads
    "logger.wandb.log_code=/home/me",
    "logger.wandb.log_code=gfm",
    "logger.wandb.weights=/home/me/checkpoints",
    "+logger.wandb.entity=theirs",
    "+logger.wandb.settings={base_url: https://theirs}",
    "+logger.wandb={config: {a: 1}}",
    "+logger.wandb.dir=/home/me",
    "+logger.wandb.sync_tensorboard=true",
    "run.tags=[https://theirs]",
)


@pytest.mark.parametrize("option", LEADS_OUT)
def test_kept_options_do_not_lead_out_of_the_folder(run, option):
    given = keep(run, "seed=2", option)
    with pytest.raises(GFMError, match="which may write, delete or upload files") as refused:
        resume_arguments(given)
    typed = shlex.split(str(refused.value).partition("type gfm train ")[2])
    assert typed == [*given, option]
    assert option in resume_arguments(typed)


def test_all_options_to_repeat_are_named_at_once(run):
    given = keep(run, "callbacks.result.path=x", "logger.wandb.log_code=gfm")
    with pytest.raises(GFMError) as refused:
        resume_arguments(given)
    assert str(refused.value).endswith("callbacks.result.path=x logger.wandb.log_code=gfm")


HARMLESS = (
    *("backbone=r34", "experiment=paper/ori_r34_tt", "logger=[csv,wandb]", "trainer=ddp"),
    *("data=pairs", "data.root=/photos/mine", "data.split=../split.csv", "paths.am2k=../AM-2k"),
    *("init_from=/weights/best.ckpt", "data.also=[/photos/others]"),
    *("callbacks.best.filename=top", "callbacks.best.monitor=val/sad", "~callbacks.result"),
    *("objective=val/sad_transition", "run.tags=[a/b]", "logger.wandb.project=mine"),
    *("logger.wandb.log_model=all", "logger.wandb=null", "trainer.profiler=simple"),
    *("test=last", "weight_decay_on=weights", "trainer.max_time=00:12:00:00"),
    "+callbacks.early={_target_: pytorch_lightning.callbacks.EarlyStopping, monitor: val/sad}",
    "+trainer.limit_predict_batches=2",
    "+trainer.strategy.timeout={_target_: datetime.timedelta, minutes: 5}",
)


def test_other_options_are_kept(run):
    inside = f"callbacks.result.path={run.absolute()}/new.png"
    arguments = resume_arguments(keep(run, *HARMLESS, inside))
    assert {*HARMLESS, inside} <= set(arguments)


CHECKED_OTHERWISE = {
    "root": "of a dataset, which is read",
    "folders": "names of the folders in a dataset",
    "redirect_stdout": "whether Rich redirects it",
    "redirect_stderr": "whether Rich redirects it",
}
"""Parameters whose names suggest a path, but to which nothing is written."""


@pytest.mark.parametrize("package", PACKAGES)
def test_every_class_that_may_be_kept_has_its_paths_checked(package):
    named = re.compile(r"dir|folder|path|root$|file$|url|uri|host|command|program|script$")
    for kind in _public(package):
        names = {n for n in inspect.signature(kind).parameters if named.search(n)}
        unchecked = {n for n in names if not _PLACE.search(n)} - CHECKED_OTHERWISE.keys()
        assert not unchecked, f"{kind} takes {unchecked}: check it in gfm.run.kept_options"


def _public(package):
    """Return the classes and functions that a package and its modules define."""
    package = {"gfm.inference": "gfm.inference.inferers"}.get(package, package)
    module = importlib.import_module(package)
    below = pkgutil.walk_packages(getattr(module, "__path__", []), f"{package}.")
    modules = [module, *(importlib.import_module(m.name) for m in below)]
    members = [o for m in modules for name, o in vars(m).items() if name[:1] != "_"]
    kinds = {o for o in members if inspect.isclass(o) or inspect.isfunction(o)}
    return [kind for kind in kinds if str(kind.__module__).startswith(package)]


class Says:
    """A class of a package that only the user may trust."""


def test_options_of_a_run_may_name_known_and_trusted_classes(run):
    known = ["optimizer._target_=torch.optim.SGD", f"+callbacks.x._target_={__name__}.Says"]
    given = keep(run, *known, "+hydra.callbacks.x=1")
    with pytest.raises(GFMError, match=r"set trust=\[tests\]"):
        resume_arguments(given)
    arguments = resume_arguments([*given, "trust=[tests]"])
    assert {*known, "trust=[tests]"} <= set(arguments)
    assert not any("hydra.callbacks" in argument for argument in arguments)


def test_lists_and_values_of_any_kind_are_checked(run):
    for option in ("run.tags=[{a: [1, /x]}]", "+run.x={a: ../x}"):
        with pytest.raises(GFMError, match="if you trust it"):
            check_kept(run, [option], [], [])
    check_kept(run, ["run.tags=[1,null,2.5,true]"], [], [])


def test_a_checkpoint_deletes_nothing_but_checkpoints_of_its_folder(tmp_path):
    """Lightning deletes the paths that a checkpoint names, including whole folders."""
    folder, other = tmp_path / "run/checkpoints", tmp_path / "mine"
    for place in (folder, other):
        place.mkdir(parents=True)
        (place / "best.ckpt").touch()
    (folder / "link").symlink_to(other)
    writer = AtomicCheckpointIO()
    for path in ("../../mine/best.ckpt", "../../mine", "link/best.ckpt", "link", "missing.ckpt"):
        writer.remove_checkpoint(f"{folder}/{path}")
    assert (other / "best.ckpt").exists()
    assert (folder / "link").is_symlink()
    writer.remove_checkpoint(folder / "best.ckpt")
    assert not (folder / "best.ckpt").exists()
