"""Options that say nothing, or nonsense, on the command lines of train.py and evaluate.py."""

from collections.abc import Sequence

import pytest

from tests.reliability.rows import Row, check, filled, run

TRAIN = (
    "train",
    "data=am2k",
    "track=ori",
    "backbone=timm",
    "backbone.name=test_resnet",
    "logger=none",
    "callbacks=none",
    "test=false",
    "paths.am2k={shared}/am2k",
    "paths.bg20k={shared}/bg20k",
    "paths.run={here}/run",
    "recipe.pretrained=false",
    "data.num_workers=0",
    "data.batch_size=2",
    "data.crop_sizes=[32]",
    "data.input_size=32",
    "trainer.accelerator=cpu",
    "trainer.max_epochs=1",
    "trainer.check_val_every_n_epoch=1",
)
"""A training of two steps, but for what a row adds."""

EVALUATE = ("evaluate", "data=folder", "data.root={shared}/set", "paths.run={here}/run")

NUMBERS = (
    ("data.batch_size=1  data.input_size=32", "data.batch_size=1"),
    ("data.batch_size=0", "data.batch_size=0"),
    ("data.batch_size=-2",),
    ("data.batch_size=1.5",),
    ("data.batch_size=many",),
    ("data.batch_size=null",),
    ("data.batch_size=[1]",),
    ("data.batch_size=true",),
    ("data.crop_sizes=0",),
    ("data.crop_sizes=many",),
    ("data.crop_sizes=[]",),
    ("data.crop_sizes=[32,-1]",),
    ("data.crop_sizes=[32.5]",),
    ("data.crop_sizes=null",),
    ("data.input_size=0",),
    ("data.input_size=-32",),
    ("data.input_size=big",),
    ("data.input_size=31.5",),
    ("data.fallback_size=0",),
    ("data.num_workers=-1",),
    ("data.num_workers=0.5",),
    ("data.num_workers=few",),
    ("data.num_holdout=-1",),
    ("data.num_holdout=2", "of 2 training photos"),
    ("data.num_validation_photos=0",),
    ("data.num_validation_photos=-1",),
    ("seed=-1",),
    ("seed=text",),
    ("seed=99999999999",),
    ("seed=null",),
    ("seed=1.5",),
    ("recipe.learning_rate=nan",),
    ("recipe.learning_rate=inf",),
    ("recipe.learning_rate=-1e-3",),
    ("recipe.learning_rate=",),
    ("recipe.learning_rate=fast",),
    ("recipe.learning_rate=[1e-3]",),
    ("optimizer.lr=nan",),
    ("optimizer.lr=null",),
    ("recipe.warmup=nan",),
    ("recipe.warmup=-0.1",),
    ("recipe.warmup=2",),
    ("recipe.final_rate=nan",),
    ("recipe.final_rate=-1",),
    ("recipe.decoder_scale=nan",),
    ("recipe.decoder_scale=0",),
    ("recipe.decoder_scale=-1",),
    ("recipe.decoder_scale=1e9",),
    ("backbone.decoder_channels=[8,8]", "decoder_channels has 2 numbers"),
    ("backbone.decoder_channels=[0,0,0,0,0]",),
    ("backbone.decoder_channels=[8,8,8,8,wide]",),
    ("backbone.decoder_channels=8",),
    ("backbone.reduction=0",),
    ("backbone.reduction=-2",),
    ("trainer.max_epochs=-1",),
    ("trainer.max_epochs=1.5",),
    ("trainer.max_epochs=all",),
    ("trainer.max_epochs=null",),
    ("trainer.max_epochs=-5",),
    ("trainer.max_steps=-2",),
    ("trainer.max_time=soon", "not a valid duration"),
    ("trainer.check_val_every_n_epoch=0",),
    ("trainer.check_val_every_n_epoch=-1",),
    ("trainer.accumulate_grad_batches=0",),
    ("trainer.accumulate_grad_batches=-1",),
    ("trainer.accumulate_grad_batches=1.5",),
    ("trainer.gradient_clip_val=-1",),
    ("trainer.gradient_clip_val=nan",),
    ("trainer.gradient_clip_algorithm=half", "gradient_clip_algorithm"),
    ("trainer.limit_train_batches=-1",),
    ("trainer.limit_train_batches=1.5",),
    ("trainer.limit_val_batches=-1",),
    ("trainer.val_check_interval=0",),
    ("trainer.val_check_interval=99", "val_check_interval"),
    ("trainer.log_every_n_steps=-1",),
    ("trainer.devices=0", "devices=0"),
    ("trainer.devices=-2", "devices"),
    ("trainer.devices=all", "devices"),
    ("trainer.accelerator=quantum", "quantum"),
    ("trainer.strategy=alone", "alone"),
    ("trainer.precision=8", "Precision 8"),
    ("trainer.num_nodes=0", "num_nodes"),
    ("trainer.profiler=fast", "profiler"),
    ("trainer.overfit_batches=-1",),
    ("trainer.num_sanity_val_steps=-2",),
    ("datamodule.flip_probability=2",),
    ("datamodule.transition_probability=nan",),
    ("data.scales.glance=0",),
    ("data.scales.focus=-1",),
    ("data.scales.glance=nan",),
    ("data.scales.glance=big",),
    ("inference.max_size=0",),
    ("loss.glance=-1",),
    ("loss.focus=nan",),
    ("loss.fusion=much",),
    ("loss.glance_on=sums",),
    ("layer_decay=0",),
    ("layer_decay=nan",),
    ("layer_decay=2",),
    ("unfreeze_every=0",),
    ("trust=1",),
    ("freeze=1",),
    ("freeze=[tail]",),
)

CHOICES = (
    ("data=photos",),
    ("backbone=r35",),
    ("backbone.name=no_such_net", "no_such_net"),
    ("backbone.name=",),
    ("backbone.normalization=zscore",),
    ("rosta=xt",),
    ("rosta.name=xt",),
    ("track=original",),
    ("optimizer=sgdd",),
    ("inference=half",),
    ("data.interpolation=cubic",),
    ("data.on_error=ignore",),
    ("data.foreground=drawn",),
    ("objective=val/iou",),
    ("objective_mode=best",),
    ("test=worst",),
    ("metrics.protocol=adobe",),
    ("weight_decay_on=norms",),
    ("compile=maybe",),
)

STRUCTURE = (
    ("sed=1",),
    ("trainer.max_epoch=1",),
    ("data.batchsize=1",),
    ("loss=null",),
    ("model=null",),
    ("optimizer=null",),
    ("inference=null",),
    ("metrics=null",),
    ("datamodule=null",),
    ("data=null",),
    ("track=null",),
    ("trainer=null",),
    ("backbone=null",),
    ("recipe=null",),
    ("paths=null",),
    ("run=null",),
    ("data.source=null",),
    ("data.source.folders=null",),
    ("~trainer",),
    ("~data",),
    ("~seed",),
    ("model._target_=os.system", "os.system"),
    ("optimizer._target_=torch.optim.Nothing", "torch.optim.Nothing"),
    ("optimizer._target_=no.such.module", "no.such.module"),
    ("+callbacks={x: {_target_: nothing}}",),
    ("+callbacks={x: 1}",),
    ("callbacks=[1]",),
    ("logger=1",),
    ("seed=${nothing}",),
    ("seed=${seed}",),
    ("seed=${oc.env:NO_SUCH_VARIABLE}",),
    ("seed=${oc.env:",),
    (
        "data.crop_sizes=[1,2",
        "[1,2",
    ),
    ("data={",),
    ("=1", "=1 names no option"),
    ("seed",),
    ("seed==1",),
    ("seed='1",),
    ("seed=1,2",),
    ("@=3", "@=3"),
    ("+seed=1",),
    ("++=1", "++=1"),
    ("trainer.plugins=[1]", "plugin 1"),
    ("extra_metrics={iou: 1}",),
    ("extra_metrics=[1]",),
    ("loss.extra={x: 1}",),
    ("run.tags=1",),
    ("run.name=null",),
)
EVALS = (
    ("predictions=null",),
    ("checkpoint={shared}/net.ckpt", "predictions={shared}/mattes"),
    ("predictions={shared}/mattes", "protocol=adobe"),
    ("predictions={shared}/mattes", "score=jpeg"),
    ("predictions={shared}/mattes", "alpha_bits=10"),
    ("predictions={shared}/mattes", "data.num_workers=-1"),
    ("predictions={shared}/mattes", "data.root=null"),
    ("predictions={shared}/mattes", "data.images=photos"),
    ("predictions={shared}/mattes", "data.images=1"),
    ("predictions={shared}/mattes", "allow_missing=maybe"),
    ("predictions={shared}/mattes", "objective_mode=best"),
    ("predictions={shared}/mattes", "objective=iou"),
    ("predictions={shared}/mattes", "extra_metrics={iou: 1}"),
    ("predictions={shared}/mattes", "extra_metrics=null"),
    ("predictions={shared}/mattes", "protocol=null"),
    ("predictions={shared}/mattes", "datamodule=null"),
    ("predictions={shared}/mattes", "logger={x: 1}"),
    ("predictions=1",),
    ("predictions=[1]",),
    ("checkpoint=[1]",),
    ("checkpoint={shared}/net.ckpt", "trust=1"),
    ("checkpoint={shared}/net.ckpt", "trainer=null"),
    ("checkpoint={shared}/net.ckpt", "inference=native", "trainer.precision=8"),
    ("checkpoint={shared}/net.ckpt", "inference=hybrid", "data.scales.glance=0"),
    ("checkpoint={shared}/net.ckpt", "inference=hybrid", "data.scales.glance=nan"),
    ("checkpoint={shared}/net.ckpt", "inference=resize", "inference.max_size=-5"),
    ("checkpoint={shared}/net.ckpt", "trainer.devices=0"),
    ("checkpoint={shared}/net.ckpt", "trainer.limit_test_batches=-1"),
    ("checkpoint={shared}/net.ckpt", "trainer.limit_test_batches=0"),
)
LIGHTNINGS = {"trainer.precision": "Precision 8", "trainer.devices": "devices=0"}
"""What Lightning calls options, in its own words."""


def named(words: Sequence[str]) -> str:
    """The option that the last word sets."""
    name = words[-1].split("=")[0].lstrip("+~")
    return LIGHTNINGS.get(name, name)


ROWS = [
    Row(words, "option", (*TRAIN, *words.split("  ")), tuple(says) or (named(words.split("  ")),))
    for words, *says in (*NUMBERS, *CHOICES, *STRUCTURE)
]
ROWS += [Row(" ".join(words), "option", (*EVALUATE, *words), (named(words),)) for words in EVALS]


def test_what_rows_spoil_is_sound(tmp_path, shared, capfd):
    """Else they would prove nothing."""
    commands = [TRAIN]
    for what in ("checkpoint={shared}/net.ckpt", "predictions={shared}/mattes"):
        commands.append((*EVALUATE, what, f"paths.run={{here}}/{what[:5]}"))
    for command in commands:
        done = run([filled(word, tmp_path, shared) for word in command], tmp_path, capfd)
        assert done.status == 0, done


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_bad_options(row, tmp_path, shared, capfd):
    check(row, tmp_path, shared, capfd)
