"""The typed configuration: every option of a run with its type, range and choices.

Hydra composes YAML files and the command line; :mod:`gfm.run.configuration` validates
the result once and returns a frozen object. The rest of a run reads only that object. The defaults
are in the YAML files.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from gfm.metrics import metric_names
from gfm.option_sections import (
    Backbone,
    Callbacks,
    Dashboard,
    EvaluationData,
    Inference,
    Loss,
    Metrics,
    Optimizer,
    Paths,
    Recipe,
    Scheduler,
    Track,
    Trainer,
    TrainingData,
)
from gfm.option_types import (
    EMPTY_IS_NONE,
    LINE,
    Count,
    Node,
    PositiveFraction,
    ProtocolName,
    RostaName,
    Section,
    Seed,
    Text,
)
from gfm.training.optimization import WeightDecayOn

_TRAINED: Final = (
    *("train/loss", "train/gradient_norm", "train/learning_rate"),
    *("train/samples_per_second", "train/data_wait"),
)
"""Values that a training logs besides the metrics of its validations."""

_OPEN: Final = ("train/loss_", "train/learning_rate_")
"""How further ones begin: a term of the loss, or a group of parameters, follows."""


class Config(Section):
    """Options that training and evaluation share."""

    paths: Paths
    run: Dashboard
    trainer: Trainer
    logger: dict[str, Node | None] | None
    objective: Text | None
    objective_mode: Literal["min", "max"]
    extra_metrics: dict[str, Node]
    trust: list[Text]

    @property
    def folder(self) -> Path:
        """The folder of the run."""
        return Path(self.paths.run)


class TrainConfig(Config):
    """Options of a training run."""

    data: TrainingData
    recipe: Recipe
    track: Track
    rosta: RostaName
    backbone: Backbone
    loss: Loss
    optimizer: Optimizer
    scheduler: Annotated[Scheduler | None, EMPTY_IS_NONE]
    inference: Inference
    metrics: Metrics
    callbacks: Callbacks | None
    seed: Seed
    ckpt_path: Text | None
    init_from: Text | None
    compile: bool
    validate_first: bool
    test: Literal["best", "last", False] | None
    layer_decay: PositiveFraction
    weight_decay_on: WeightDecayOn
    freeze: Text | list[Text]
    unfreeze_every: Count | None
    memory_format: Literal["contiguous", "channels_last"] = "contiguous"  # set to suit the device

    @model_validator(mode="after")
    def _has_an_end(self) -> TrainConfig:
        if self.trainer.max_epochs == self.trainer.max_steps == -1:
            raise PydanticCustomError(
                LINE, "trainer.max_epochs=-1 sets no limit: set trainer.max_steps"
            )
        return self

    @model_validator(mode="after")
    def _logs_the_objective(self) -> TrainConfig:
        name = self.objective or ""
        validated = [f"val/{m}" for m in metric_names(self.metrics.protocol, self.extra_metrics)]
        is_open = not name or name.startswith((*_OPEN, "test/")) or self._has_own_callbacks()
        if name.startswith("val/") or not is_open:
            _check_objective(self.objective, [*validated, *_TRAINED], "logged")
        return self

    def _has_own_callbacks(self) -> bool:
        """Return whether callbacks of users, which may log anything, are added."""
        nodes = (self.callbacks.to_dict() if self.callbacks else {}).values()
        known = ("gfm.", "pytorch_lightning.")
        return any(node and not node["_target_"].startswith(known) for node in nodes)

    @property
    def network(self) -> dict[str, Any]:
        """Node that builds the network; checkpoints store it."""
        backbone = {k: v for k, v in self.backbone.to_dict().items() if k != "name"}
        own = {"_target_": self.backbone.target, "decoder_scale": self.recipe.decoder_scale}
        return {**own, **backbone, "rosta": self.rosta}


class EvaluateConfig(Config):
    """Options of an evaluation."""

    data: EvaluationData
    sets: dict[str, EvaluationData] = Field(default_factory=dict)
    inference: Annotated[Inference | None, EMPTY_IS_NONE]
    checkpoint: Text | None
    predictions: Text | None
    allow_missing: bool
    protocol: ProtocolName
    score: Literal["float", "png"]
    alpha_bits: Literal[8, 16]

    @model_validator(mode="after")
    def _has_one_source_that_is_scored(self) -> EvaluateConfig:
        if (self.checkpoint is None) == (self.predictions is None):
            raise PydanticCustomError(
                LINE, "set either checkpoint=<weights> or predictions=<folder of mattes>"
            )
        if self.objective is not None:
            known = metric_names(self.protocol, self.extra_metrics)
            _check_objective(self.objective, known, "measured")
        return self


def _check_objective(objective: str | None, known: Sequence[str], verb: str) -> None:
    if objective not in known:
        raise PydanticCustomError(
            LINE,
            "objective={objective} is not {verb}: choose one of {known}",
            {"objective": objective, "verb": verb, "known": ", ".join(known)},
        )
