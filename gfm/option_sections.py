"""The sections of a configuration, such as ``data`` and ``trainer``, with their options."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from gfm.data.dataset import ComposeOn, OnError
from gfm.data.layout import Foreground
from gfm.losses import GlanceOn
from gfm.option_types import (
    LINE,
    ChosenInterpolation,
    Count,
    Counts,
    Decay,
    Fraction,
    FromPhotos,
    FromZero,
    Limit,
    Node,
    NonNegative,
    NormalizationName,
    OpenFraction,
    Part,
    Positive,
    PositiveFraction,
    Precision,
    ProtocolName,
    Section,
    Sides,
    Text,
)


class Paths(Section):
    """Folders of the datasets and of the runs; others may be added."""

    model_config = ConfigDict(extra="allow")

    __pydantic_extra__: dict[str, Text | None]
    runs: Text
    run: Text


class Dashboard(Section):
    """Name, group and tags of a run on dashboards; other options may be added."""

    model_config = ConfigDict(extra="allow")

    name: Text
    group: str | None
    job_type: str
    tags: list[Text]


class Scales(Section):
    """Factors by which the sides of a whole photo are resized for inference."""

    glance: Positive
    focus: Positive
    resize: Positive
    rim: Positive


class Source(Node):
    """An object that finds the files of a dataset."""

    folders: Node = Field(default=None)  # type: ignore[assignment]


class Data(Section):
    """The options of a dataset that an evaluation needs."""

    name: Text
    source: Source
    num_workers: FromZero | None
    scales: Scales
    shorter_side: Count | None = None
    root: Text | None = None
    images: Text | None = None
    alphas: Text | None = None
    trimaps: Text | None = None
    alpha_suffix: str = ""
    also: list[Text] = Field(default_factory=list)
    num_holdout: FromZero | Fraction | None = 0
    split: Text | None = None


FROM_PHOTOS: Final[Sequence[str]] = ("batch_size", "crop_sizes", "input_size", "interpolation")
"""Options of :class:`TrainingData` that are chosen from the photos if ``None``."""


class TrainingData(Data):
    """A dataset with training photos."""

    batch_size: FromPhotos
    crop_sizes: Sides
    fallback_size: Count | None
    input_size: FromPhotos
    interpolation: ChosenInterpolation
    flip_probability: Fraction
    transition_probability: Fraction
    num_validation_photos: Count | None
    on_error: OnError
    repeats_first_epoch: bool
    allow_other_photos: bool
    compose_on: ComposeOn = "workers"
    also_share: OpenFraction | list[OpenFraction] = 0.5
    foreground: Foreground
    denoise: bool
    blur_sizes: Counts


class EvaluationData(Data):
    """A dataset to evaluate on; training options are accepted but not checked."""

    model_config = ConfigDict(extra="allow")

    @model_validator(mode="after")
    def _knows_all_options(self) -> EvaluationData:
        for name in set(self.model_extra or {}) - set(TrainingData.model_fields):
            raise PydanticCustomError(LINE, "data.{name}: no such option", {"name": name})
        return self


class Recipe(Section):
    """Training options that depend on the dataset."""

    max_epochs: dict[str, Limit]
    validate_every: dict[str, Count | None]
    learning_rate: NonNegative
    beta2: Decay = 0.999
    warmup: Fraction = 0
    final_rate: Fraction = 1
    decoder_scale: Annotated[float, Field(gt=0, le=16)] = 1
    normalization: NormalizationName
    norm_samples: FromZero = 0
    precision: Precision
    pretrained: bool | Literal["auto"]


class Track(Node):
    """An object that composes training samples."""

    name: Text
    backgrounds_per_foreground: Count = 1
    background_detail: PositiveFraction = 1
    denoise_probability: Fraction = 0
    blur_probability: Fraction = 0
    blur_sizes: Counts = Field(default_factory=list)
    noise_probability: Fraction = 0
    noise_sigma: NonNegative = 0


class Backbone(Node):
    """A network without its RoSTA, and a name for runs; by default ``GFM`` with an encoder."""

    target: Text = Field("gfm.models.gfm.GFM", alias="_target_")
    name: Text
    decoder_channels: Counts | None = None
    reduction: Count = 1
    normalization: NormalizationName = "none"


class Loss(Node):
    """The criterion, with the weights of its terms."""

    glance: NonNegative = 0
    focus: NonNegative = 0
    fusion: NonNegative = 0
    composition: NonNegative = 0
    glance_on: GlanceOn = "logits"
    extra: dict[str, Node] = Field(default_factory=dict)


class Optimizer(Node):
    """The optimiser."""

    lr: NonNegative = 0
    betas: Annotated[list[Decay], Field(min_length=2, max_length=2)] = Field(default_factory=list)
    weight_decay: NonNegative = 0


class Scheduler(Node):
    """The schedule of the learning rate."""

    warmup: Fraction = 0
    final: Fraction = 1


class Inference(Node):
    """How whole photos are matted."""

    max_size: Count | None = None


class Metrics(Node):
    """The metrics computed in validation."""

    protocol: ProtocolName
    extra: dict[str, Node] = Field(default_factory=dict)


class Norms(Node):
    """The callback that recomputes batch-norm statistics."""

    num_samples: FromZero = 0


class Callbacks(Section):
    """Callbacks by name."""

    model_config = ConfigDict(extra="allow")

    __pydantic_extra__: dict[str, Node | None]
    norms: Norms | None = None


class Trainer(Node):
    """Lightning's Trainer, which checks the options not listed here."""

    accelerator: str
    precision: Precision | None
    max_epochs: Limit = 0
    max_steps: Limit
    min_epochs: FromZero | None
    min_steps: FromZero | None
    check_val_every_n_epoch: Count | None = None
    val_check_interval: PositiveFraction | Count | None
    accumulate_grad_batches: Count
    gradient_clip_val: NonNegative | None
    limit_train_batches: Part
    limit_val_batches: Part
    limit_test_batches: Part
    overfit_batches: Part
    num_sanity_val_steps: Limit
    sync_batchnorm: bool
    log_every_n_steps: Count | None
