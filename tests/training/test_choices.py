"""Training options: checkpoints, freezing, weight decay and previews."""

import itertools
from functools import partial
from types import SimpleNamespace

import pytest
import pytorch_lightning as pl
import torch
from torch import nn

from gfm.errors import GFMError
from gfm.losses import Criterion
from gfm.run.train import train
from gfm.training.callbacks import EarlyEnd, Freezing
from gfm.training.module import MattingModule
from gfm.training.objective import Objective
from gfm.training.optimization import (
    apply_options,
    group_options,
    make_optimizer,
    parameter_groups,
)
from tests.conftest import compose_config
from tests.training.test_optimization import model  # noqa: F401

THREE_STAGES = [
    "backbone=r34",
    "backbone._target_=gfm.models.gfm.GFM",
    "~backbone.pretrained",
    "+backbone.encoder={_target_: tests.training.test_choices.three_stages}",
    "backbone.decoder_channels=[8,8,8]",
]
"""Overrides of a small network whose encoder has stages."""

FAST = ["logger=csv", "test=false", "data.source.num_validation=2"]


def start(options, *more):
    """Train in this process; return the metrics and objects."""
    names = {option.split("=")[0] for option in more}
    kept = [option for option in options if option.split("=")[0] not in names]
    return train(compose_config("train", [*kept, *FAST, *more]))


def saved(folder):
    return sorted(path.name for path in (folder / "run/checkpoints").glob("*"))


def test_a_run_without_validation_saves_its_weights(tiny_training, tmp_path, capsys):
    metrics, objects = start(tiny_training, "trainer.check_val_every_n_epoch=2", "test=best")
    assert saved(tmp_path) == ["last.ckpt"]
    assert metrics["test/sad"] > 0
    shown = capsys.readouterr().out
    assert "last weights, all 2 validation photos" in shown
    assert "checkpoints/last.ckpt" in shown
    content = torch.load(tmp_path / "run/checkpoints/last.ckpt", weights_only=True)
    weights = objects["module"].state_dict()
    assert all(torch.equal(weights[name], value) for name, value in content["state_dict"].items())


@pytest.mark.parametrize(
    ("choice", "files"),
    [
        ("~callbacks.last", ["best.ckpt", "last.ckpt"]),
        ("callbacks.last=null", ["best.ckpt", "last.ckpt"]),
        ("~callbacks.best", ["last.ckpt"]),
    ],
)
def test_callbacks_can_be_disabled(tiny_training, tmp_path, choice, files):
    start(tiny_training, choice)
    assert saved(tmp_path) == files


def test_a_run_without_callbacks_warns_that_nothing_is_saved(tiny_training, tmp_path):
    with pytest.warns(UserWarning, match="no weights will be saved"):
        metrics, _ = start(tiny_training, "callbacks=none", "test=best")
    assert saved(tmp_path) == []
    assert metrics["best"] == pytest.approx(metrics["val/sad"])


@pytest.mark.parametrize(("mode", "better"), [("min", min), ("max", max)])
def test_best_ckpt_is_the_best_of_the_saved_three(
    tiny_training, tmp_path, monkeypatch, mode, better
):
    scores = iter([5.0, 7.0, 3.0, 4.0, 6.0, 3.5])

    def scored(self, stage, metrics):
        values = {f"{stage}/sad": torch.tensor(next(scores))}
        metrics.reset()
        self.log_dict(values, sync_dist=True)
        return values

    monkeypatch.setattr(MattingModule, "_log_means", scored)
    many = ["callbacks.best.save_top_k=3", "trainer.max_epochs=6", f"objective_mode={mode}"]
    metrics, _ = start(tiny_training, *many)
    order = sorted([5.0, 7.0, 3.0, 4.0, 6.0, 3.5], reverse=mode == "max")
    step_of = dict(zip([5.0, 7.0, 3.0, 4.0, 6.0, 3.5], range(2, 14, 2), strict=True))
    files = {"best.ckpt", *(f"best_step_{step_of[score]}.ckpt" for score in order[1:3])}
    assert set(saved(tmp_path)) == {*files, "last.ckpt"}
    for name, score in zip(("best", f"best_step_{step_of[order[1]]}"), order, strict=False):
        path = tmp_path / f"run/checkpoints/{name}.ckpt"
        assert torch.load(path, weights_only=True)["global_step"] == step_of[score]
    assert metrics["best"] == order[0] == better(order)


def test_resuming_a_finished_run_keeps_its_best_value(tiny_training, tmp_path):
    first, _ = start(tiny_training)
    again, _ = start(tiny_training, f"ckpt_path={tmp_path / 'run/checkpoints/last.ckpt'}")
    assert again["best"] == first["best"]


def test_an_unknown_objective_is_refused_before_training(tiny_training):
    with pytest.raises(GFMError, match=r"objective=val/sda is not logged: choose one of val/sad,"):
        start(tiny_training, "objective=val/sda")


def test_the_objective_ignores_nan():
    objective = Objective("val/sad", "max")
    for value in (1.0, float("nan"), 3.0, 2.0):
        objective.update({"val/sad": torch.tensor(value)})
    assert objective.best == 3
    other = Objective("val/sad", "min")
    other.load_state_dict(objective.state_dict())
    assert other.best is None


def test_a_run_does_not_end_early_at_nan():
    """A user's metric may be NaN, such as on a photo that lacks its region."""
    end = EarlyEnd("val/mine", "min", patience=2)
    end.best_score = torch.tensor(1.0)
    assert not end._evaluate_stopping_criteria(torch.tensor(float("nan")))[0]
    assert end._evaluate_stopping_criteria(torch.tensor(float("nan")))[0]


def test_previews_every_n_epochs(tiny_training, tmp_path):
    start(tiny_training, "callbacks.previews.every_n_epochs=2", "trainer.max_epochs=5")
    drawn = sorted(path.name for path in (tmp_path / "run/previews").iterdir())
    assert drawn == ["epoch_0001.png", "epoch_0003.png"]


@pytest.mark.parametrize("amount", ["1", "2"])
def test_overfitting_repeats_the_same_batches(tiny_training, monkeypatch, amount):
    seen = []
    step = MattingModule.training_step

    def look(self, batch, batch_idx):
        seen.append(batch["image"].clone())
        return step(self, batch, batch_idx)

    monkeypatch.setattr(MattingModule, "training_step", look)
    few = [f"trainer.overfit_batches={amount}", "trainer.max_epochs=3", "callbacks=none"]
    start([o for o in tiny_training if "limit_train_batches" not in o], *few)
    assert len(seen) == 3 * int(amount)
    for one, other in itertools.pairwise(seen[:: int(amount)]):
        assert torch.equal(one, other)


class Watch(Freezing):
    """Records after every epoch which stages have changed since the previous one."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.before, self.changed = None, []

    def on_train_epoch_end(self, trainer, pl_module):
        stages = pl_module.model.encoder.stages
        now = [{k: v.clone() for k, v in stage.state_dict().items()} for stage in stages]
        if self.before is not None:
            same = [
                all(torch.equal(a[k], b[k]) for k in a)
                for a, b in zip(self.before, now, strict=True)
            ]
            self.changed.append([not s for s in same])
        self.before = now


def test_stages_are_unfrozen_one_by_one(tiny_training, monkeypatch):
    watch = Watch(["encoder"], unfreeze_every=2)
    monkeypatch.setattr("gfm.run.build.Freezing", lambda parts, every: watch)
    own = [o for o in tiny_training if not o.startswith("backbone")]
    options = ["freeze=[encoder]", "unfreeze_every=2", "trainer.max_epochs=7", "callbacks=none"]
    start(own, *options, *THREE_STAGES, "optimizer=adamw")
    # Epochs 2 to 7, stages from the finest: first all frozen, then one, two and three trained.
    assert watch.changed == [
        [False, False, False],
        [False, False, True],
        [False, False, True],
        [False, True, True],
        [False, True, True],
        [True, True, True],
    ]


def three_stages():
    from torch import nn

    from gfm.models.encoders import StagedEncoder

    channels = (4, 8, 8)
    stages = [
        nn.Sequential(nn.Conv2d(i, o, 3, stride=2, padding=1), nn.BatchNorm2d(o), nn.ReLU())
        for i, o in zip((3, *channels[:-1]), channels, strict=True)
    ]
    return StagedEncoder(stages, channels, strides=(2, 4, 8))


def test_freezing_an_unknown_part_is_an_error(tiny_training):
    with pytest.raises(GFMError, match="no part encode: choose from encoder, glance, focus"):
        start(tiny_training, "freeze=[encode]")
    with pytest.raises(GFMError, match="no parameter is left to train"):
        start(tiny_training, "freeze=[encoder,glance,focus]")


def test_weight_decay_spares_norms_and_biases(model):  # noqa: F811
    for decay in (1.0, 0.5):
        optimizer = torch.optim.AdamW(parameter_groups(model, decay, "weights"), weight_decay=0.1)
        by_parameter = {
            id(p): group["weight_decay"]
            for group in optimizer.param_groups
            for p in group["params"]
        }
        assert by_parameter.keys() == {id(p) for p in model.parameters()}
        for name, parameter in model.named_parameters():
            spared = name.endswith("bias") or parameter.ndim == 1
            assert by_parameter[id(parameter)] == (0.0 if spared else 0.1), name


@pytest.mark.parametrize(
    "schedule",
    [
        lambda o: torch.optim.lr_scheduler.LambdaLR(o, lambda step: 1 / (2 + step)),
        lambda o: torch.optim.lr_scheduler.ExponentialLR(o, 0.5),
        lambda o: torch.optim.lr_scheduler.OneCycleLR(o, max_lr=0.5, total_steps=9),
    ],
)
def test_a_resumed_optimizer_uses_the_new_options(model, schedule):  # noqa: F811
    def make(rate, decay):
        factory = partial(torch.optim.SGD, lr=rate, weight_decay=decay, momentum=0.9)
        optimizer = make_optimizer(factory, parameter_groups(model, 0.5))
        plan = schedule(optimizer)
        return optimizer, plan, group_options(optimizer)

    def steps(optimizer, plan, number):
        rates = []
        for _ in range(number):
            optimizer.step()
            plan.step()
            rates.append([group["lr"] for group in optimizer.param_groups])
        return rates

    first, plan, _ = make(0.8, 0.0)
    steps(first, plan, 3)
    second, again, groups = make(0.2, 0.1)
    second.load_state_dict(first.state_dict())
    again.load_state_dict(plan.state_dict())
    apply_options(second, groups, [again])
    expected, straight, _ = make(0.2, 0.1)
    steps(expected, straight, 3)
    for option in ("lr", "momentum"):
        assert [g[option] for g in second.param_groups] == [
            pytest.approx(g[option]) for g in expected.param_groups
        ]
    assert {g["weight_decay"] for g in second.param_groups} == {0.1}
    for one, other in zip(steps(second, again, 3), steps(expected, straight, 3), strict=True):
        assert one == pytest.approx(other)


def test_options_to_resume_with_have_the_rates_of_the_schedule(model):  # noqa: F811
    adamw = partial(torch.optim.AdamW, lr=0.1)
    schedule = partial(torch.optim.lr_scheduler.OneCycleLR, max_lr=0.5, div_factor=5)
    module = MattingModule(model, Criterion("tt"), adamw, schedule, None, None, config={})
    module._trainer = SimpleNamespace(estimated_stepping_batches=9)
    module.configure_optimizers()
    assert [group["lr"] for group in module.groups] == [0.5 / 5]
    assert module.groups[0]["max_lr"] == 0.5


def test_frozen_norms_stay_frozen_where_ddp_replaces_them():
    module = pl.LightningModule()
    module.model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2))
    freezing = Freezing(["norms"])
    freezing.setup(None, module, "fit")
    module.model = nn.SyncBatchNorm.convert_sync_batchnorm(module.model).train()
    freezing.on_train_start(SimpleNamespace(current_epoch=0), module)
    assert not module.model[1].training
    assert len(freezing.frozen) == 2


def test_the_end_is_saved_even_if_another_checkpoint_holds_the_last_step(tiny_training, tmp_path):
    best = ["callbacks.best.save_weights_only=false", "test=false"]
    _, objects = train(compose_config("train", [*tiny_training, *best, f"paths.run={tmp_path}"]))
    saved = torch.load(tmp_path / "checkpoints/last.ckpt", weights_only=True)
    assert saved["global_step"] == objects["trainer"].global_step
