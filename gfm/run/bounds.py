"""Check the values of options before a run begins.

Libraries notice a wrong value late, in words of their own, or never: a negative weight of a loss
trains nonsense for days.
"""

from collections.abc import Mapping
from typing import Any, Final, get_args

from torch import nn

from gfm.data.dataset import OnError
from gfm.data.layout import Foreground
from gfm.data.transforms import Interpolation
from gfm.errors import GFMError
from gfm.losses import GlanceOn
from gfm.metrics import METRIC_NAMES
from gfm.models.gfm import GFM, NORMALIZATIONS
from gfm.rosta import ROSTAS
from gfm.run.rules import Choice, Either, Number, Rule, Section, Several, Text


def _or_null(rule: Rule) -> Either:
    return Either((rule, Choice((None,))))


_COUNT, _FROM_0 = Number(1, is_whole=True), Number(0, is_whole=True)
_SHARE = Number(0, 1)
_BETA = Number(0, 1, is_below=True)
_ABOVE_0 = Number(0, is_above=True)
_PART = _or_null(Either((Number(0, 1), _FROM_0)))  # of an epoch, or a number of batches
_SWITCH = Choice((True, False))
_PATHS = ("predictions", "checkpoint", "ckpt_path", "init_from", "data.root", "data.trimaps")

_RULES: Final[dict[str, Rule]] = {
    **dict.fromkeys(("paths", "run", "data", "track", "backbone", "recipe"), Section()),
    **dict.fromkeys(("model", "datamodule", "loss", "optimizer", "metrics", "trainer"), Section()),
    **dict.fromkeys(("data.source", "data.source.folders"), Section()),
    "rosta.name": Choice(tuple(ROSTAS)),
    **{name: _or_null(Text()) for name in _PATHS},
    "seed": Number(0, 2**32 - 1, is_whole=True),
    "trust": Several(Text(), may_be_empty=True),
    "freeze": Either((Text(), Several(Text(), may_be_empty=True))),
    "unfreeze_every": _or_null(_COUNT),
    "compile": _SWITCH,
    "allow_missing": _SWITCH,
    "objective": _or_null(Text()),
    "objective_mode": Choice(("min", "max")),
    "extra_metrics": Section(),
    **dict.fromkeys(("protocol", "metrics.protocol"), Choice(tuple(METRIC_NAMES))),
    **dict.fromkeys(("data.images", "data.alphas"), Text()),
    "data.batch_size": _COUNT,
    "data.crop_sizes": Either((_COUNT, Several(_COUNT))),
    "data.fallback_size": _or_null(_COUNT),
    "data.input_size": _COUNT,
    "data.num_workers": _or_null(_FROM_0),
    "data.num_holdout": _FROM_0,
    "data.interpolation": Choice(get_args(Interpolation)),
    "data.on_error": Choice(get_args(OnError)),
    "data.foreground": Choice(get_args(Foreground)),
    "data.denoise": _SWITCH,
    **{f"data.scales.{name}": _ABOVE_0 for name in ("glance", "focus", "resize", "rim")},
    "datamodule.flip_probability": _SHARE,
    "datamodule.transition_probability": _SHARE,
    "track.backgrounds_per_foreground": _COUNT,
    **{f"track.{name}_probability": _SHARE for name in ("denoise", "blur", "noise")},
    **dict.fromkeys(("data.blur_sizes", "track.blur_sizes"), Several(_COUNT)),
    "track.noise_sigma": Number(0),
    "recipe.learning_rate": Number(0),
    "recipe.warmup": _SHARE,
    "recipe.final_rate": _SHARE,
    "recipe.decoder_scale": Number(0, 16, is_above=True),
    "recipe.beta2": _BETA,
    "recipe.norm_samples": _FROM_0,
    "callbacks.norms.num_samples": _FROM_0,
    "optimizer.lr": Number(0),
    "optimizer.betas": Several(_BETA, length=2),
    "optimizer.weight_decay": Number(0),
    "scheduler.warmup": _SHARE,
    "scheduler.final": _SHARE,
    "backbone.name": Text(),
    "backbone.decoder_channels": _or_null(Several(_COUNT)),
    "backbone.reduction": _COUNT,
    "backbone.normalization": Choice(tuple(NORMALIZATIONS)),
    **{f"loss.{name}": Number(0) for name in ("glance", "focus", "fusion", "composition")},
    "loss.glance_on": Choice(get_args(GlanceOn)),
    "loss.extra": Section(),
    "trainer.max_epochs": _FROM_0,
    "trainer.max_steps": Number(-1, is_whole=True),
    "trainer.min_epochs": _or_null(_FROM_0),
    "trainer.min_steps": _or_null(_FROM_0),
    "trainer.check_val_every_n_epoch": _or_null(_COUNT),
    "trainer.val_check_interval": _or_null(Either((Number(0, 1, is_above=True), _COUNT))),
    "trainer.accumulate_grad_batches": _COUNT,
    "trainer.gradient_clip_val": _or_null(Number(0)),
    **{f"trainer.limit_{name}_batches": _PART for name in ("train", "val", "test")},
    "trainer.overfit_batches": _PART,
    "trainer.num_sanity_val_steps": Number(-1, is_whole=True),
    "trainer.log_every_n_steps": _or_null(_FROM_0),
    "run.name": Text(),
    "run.tags": Several(Text(), may_be_empty=True),
}
"""Rules by the option's name on the command line."""


def check_bounds(config: Mapping[str, Any]) -> None:
    """Check every option that has a rule.

    Args:
        config: Of a training or an evaluation, in plain containers. Options that it lacks are not
            checked.

    Raises:
        GFMError: An option has a value that its rule does not allow; the message says what to
            give instead.
    """
    for name, rule in _RULES.items():
        is_there, value = _find(config, name)
        if is_there and not rule.allows(value):
            shown = "null" if value is None else value
            raise GFMError(f"{name}={shown}: give {rule}")


def check_norms(model: GFM, config: Mapping[str, Any], num_samples: int) -> None:
    """Check that batch normalisation has more than one value of which to take the mean.

    Args:
        model: Network.
        config: Of the training, in plain containers.
        num_samples: Number of samples of a batch in each process.

    Raises:
        GFMError: A batch is one sample, and the deepest feature has a single pixel.
    """
    side, stride = config["data"]["input_size"], model.encoder.strides[-1]
    is_alone = num_samples == 1 and side <= stride and not config["trainer"]["sync_batchnorm"]
    if is_alone and any(isinstance(module, nn.BatchNorm2d) for module in model.modules()):
        raise GFMError(
            f"data.batch_size=1 and data.input_size={side} leave batch normalisation one pixel: "
            f"set data.batch_size=2 for each process, or data.input_size={2 * stride}"
        )


def _find(config: Any, name: str) -> tuple[bool, Any]:
    """Return whether there is an option of a dotted name, and its value."""
    for part in name.split("."):
        if not isinstance(config, Mapping) or part not in config:
            return False, None
        config = config[part]
    return True, config
