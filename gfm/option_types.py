"""Types and ranges of options, and the base classes of the sections that hold them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from gfm.data.transforms import Interpolation
from gfm.metrics import METRIC_NAMES
from gfm.models.gfm import NORMALIZATIONS
from gfm.rosta import ROSTAS

if TYPE_CHECKING:
    RostaName = str
    ProtocolName = str
    NormalizationName = str
else:  # the tables define the names
    RostaName = Literal[tuple(ROSTAS)]
    ProtocolName = Literal[tuple(METRIC_NAMES)]
    NormalizationName = Literal[tuple(NORMALIZATIONS)]

Count = Annotated[int, Field(ge=1)]
FromZero = Annotated[int, Field(ge=0)]
NonNegative = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
OpenFraction = Annotated[float, Field(gt=0, lt=1)]
PositiveFraction = Annotated[float, Field(gt=0, le=1)]
Decay = Annotated[float, Field(ge=0, lt=1)]
Limit = Annotated[int, Field(ge=-1)]
"""A number of epochs or steps; -1 for no limit."""
FromPhotos = Count
"""Chosen from the photos if ``None``; see :func:`gfm.run.from_photos.fit_to_photos`."""
Counts = Annotated[list[Count], Field(min_length=1)]
Sides = Count | Counts
ChosenInterpolation = Interpolation
if not TYPE_CHECKING:  # the code of a run reads these only after they are chosen
    FromPhotos, Sides = FromPhotos | None, Sides | None
    ChosenInterpolation = Interpolation | None
Part = Fraction | FromZero | None
"""A fraction of an epoch, or a number of batches; ``None`` for all."""

Precision = Annotated[
    Literal["auto", "32-true", "64-true", "bf16-mixed", "16-mixed", "32", "64", "bf16", "16"],
    BeforeValidator(lambda name: str(name) if type(name) is int else name),
]
"""Lightning's names, without those that store weights and sums of metrics in half precision."""

EMPTY_IS_NONE: Final = BeforeValidator(lambda node: node or None)
"""For groups with an empty choice, such as ``scheduler=none``."""

Text = Annotated[str, Field(min_length=1)]
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]


LINE: Final = "line"
"""Type of an error whose message is shown to users unchanged."""

S = TypeVar("S", bound="Section")


class Section(BaseModel):
    """A mapping of options that rejects unknown names."""

    # Strict: a number cannot be given as true or "1". NaN and infinity are rejected, too.
    model_config = ConfigDict(
        frozen=True, strict=True, extra="forbid", allow_inf_nan=False, protected_namespaces=()
    )

    def to_dict(self) -> dict[str, Any]:
        """Return the options in plain containers, as Hydra composed them."""
        return self.model_dump(by_alias=True, exclude_unset=True)

    def replace(self: S, **changes: Any) -> S:
        """Return a copy with different values, which are not validated again."""
        return self.model_copy(update=changes)


class Node(Section):
    """An object, given by its class and arguments.

    Arguments that are fields of this section are checked here, the others by the class. Fields
    with a default are arguments of some classes only, and are passed on only if they are set.
    """

    model_config = ConfigDict(extra="allow")

    target: Text = Field(alias="_target_")
