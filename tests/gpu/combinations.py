"""Stage 7: combinations of options, each for five steps and a validation."""

import itertools
import math

from tests.benchmarks.bench_training import SILENT
from tests.conftest import SMALL_DATA, SMALL_NETWORK
from tests.gpu import runs
from tests.gpu.stage import Stage

_SWITCHES = {
    "compile": ["compile=true"],
    "recomputation": ["backbone.activation_checkpointing=true"],
    "norm statistics": ["recipe.norm_samples=8"],
    "RIM": ["rosta=rim"],
}
_SINGLE = {
    "deterministic": ["trainer.deterministic=true"],
    "fp16 with clipping": ["trainer.precision=16-mixed", "trainer.gradient_clip_val=1"],
    "fp16 with clipping and accumulation": [
        "trainer.precision=16-mixed",
        "trainer.gradient_clip_val=1",
        "trainer.accumulate_grad_batches=2",
    ],
}
_REHEARSED = ("deterministic", "compile × recomputation × norm statistics × RIM")


def combinations() -> dict[str, list[str]]:
    """Return the overrides of each combination by name, in the order in which to try them."""
    chosen = dict(_SINGLE)
    subsets = [
        c for n in range(len(_SWITCHES), 0, -1) for c in itertools.combinations(_SWITCHES, n)
    ]
    # Compiling takes a minute or two, so of the combinations that compile, only those of two and of
    # all four switches come early.
    subsets.sort(key=lambda c: "compile" in c and len(c) not in (2, 4))
    for names in subsets:
        chosen[" × ".join(names)] = [option for name in names for option in _SWITCHES[name]]
    return chosen


def run(stage: Stage) -> None:
    """Train each combination."""
    for name, own in combinations().items():
        is_half = "trainer.precision=16-mixed" in own
        if is_half and stage.is_rehearsal:
            stage.skip(name, "float16 autocast needs a GPU")
        elif stage.is_rehearsal and name not in _REHEARSED:
            stage.skip(name, "a rehearsal tries a few")
        elif stage.has_time(name, 5 if stage.is_rehearsal else 60 if "compile" in name else 10):
            with stage.part(name), runs.compiling(stage):
                _train(stage, name, own)


def _train(stage: Stage, name: str, own: list[str]) -> None:
    objects = runs.run([*_options(stage), *own])
    values = {key: float(v) for key, v in objects["trainer"].callback_metrics.items()}
    sad, loss = values.get("val/sad", math.nan), values.get("train/loss", math.nan)
    is_good = math.isfinite(sad) and math.isfinite(loss)
    note = f"loss {loss:.3f}, SAD {sad:.3f}"
    stage.equal(name, "finite" if is_good else "not finite", "finite", note)


def _options(stage: Stage) -> list[str]:
    network = SMALL_NETWORK if stage.is_rehearsal else ["backbone=r34"]
    precision = "32-true" if stage.is_rehearsal else f"{stage.half}-mixed"
    data = [*SMALL_DATA, "data.source.num_train=16", "track=ori"]
    data += [f"paths.demo={stage.folder / 'sixteen'}", "data.batch_size=2", "data.crop_sizes=[96]"]
    data += [f"data.input_size={64 if stage.is_rehearsal else 96}"]
    run = [f"trainer.accelerator={stage.accelerator}", "logger=none"]
    run += [f"trainer.precision={precision}", "trainer.max_epochs=1", "recipe.norm_samples=0"]
    run += [f"trainer.limit_train_batches={2 if stage.is_rehearsal else 5}", "test=false"]
    run += ["trainer.limit_val_batches=1", "trainer.check_val_every_n_epoch=1"]
    run += ["trainer.enable_progress_bar=false", "trainer.enable_model_summary=false"]
    run += ["trainer.log_every_n_steps=1", *(f"~callbacks.{n}" for n in SILENT if n != "norms")]
    return [*network, "backbone.pretrained=false", *data, *run]
