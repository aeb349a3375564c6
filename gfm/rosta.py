"""RoSTA: the representations of semantic and transition areas, as one table.

A RoSTA says what the glance decoder classifies, what the focus decoder regresses, and how the two
fuse to alpha (Li et al., IJCV 2022, section 4.1). All targets come from one trimap of the RoSTA's
own kernel, whose 255 is the erosion of the foreground and whose non-zero part its dilation:

======  ============================  ====================  ===========================
RoSTA   glance classes                focus target          alpha
======  ============================  ====================  ===========================
TT      background, transition, fg    alpha                 focus where transition, else fg
FT      rest, erosion                 alpha - erosion       glance + focus
BT      background, dilation          dilation - alpha      glance - focus
RIM     TT, FT and BT side by side    each its own          learned from the three alphas
======  ============================  ====================  ===========================

The official code of FT and BT alone trains FT's glance on the dilation and BT's on the opaque mask,
so neither fuses back to alpha; that of RIM has erosion and dilation as here. The masks of
their focus losses are of the 25-pixel trimap while the targets use 50. Here glance, focus and mask
share one kernel; ``tests/test_rosta.py`` proves the fusion.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:  # file tools make trimaps too, and need not wait for torch
    from collections.abc import Callable

    from torch import Tensor

BACKGROUND: Final = 0
"""Of a trimap: certain background."""

TRANSITION: Final = 128
"""Of a trimap: what the focus decoder is responsible for."""

FOREGROUND: Final = 255
"""Of a trimap: certain foreground."""


@dataclass(frozen=True)
class Rosta:
    """One representation.

    Attributes:
        name: ``tt``, ``ft`` or ``bt``.
        num_classes: channels of the glance decoder.
        kernel_size: side in pixels of the ellipse that makes its trimap, at photo resolution.
        glance_target: trimap (0/128/255) to class indices, both N×1×H×W; indices int64.
        focus_target: alpha in [0, 1] and trimap to the focus target in [0, 1], all N×1×H×W.
        fuse: glance and focus to alpha, all N×1×H×W in [0, 1]. Glance is the class index over
            ``num_classes - 1``: 0, (0.5,) 1; enlarged, it may lie between them.
    """

    name: str
    num_classes: int
    kernel_size: int
    glance_target: Callable[[Tensor], Tensor]
    focus_target: Callable[[Tensor, Tensor], Tensor]
    fuse: Callable[[Tensor, Tensor], Tensor]

    def __reduce__(self) -> tuple[Callable[[str], Rosta], tuple[str]]:
        """Pickled by its name, so that networks can go to other processes."""
        return _named, (self.name,)


def _named(name: str) -> Rosta:
    return ROSTAS[name][0]


def _erosion(trimap: Tensor) -> Tensor:
    return trimap == FOREGROUND


def _dilation(trimap: Tensor) -> Tensor:
    return trimap > 0


def transition(trimap: Tensor) -> Tensor:
    """Where the focus decoder is responsible: 1 in the trimap's transition region, else 0."""
    return (trimap == TRANSITION).float()


# Where an enlarged glance is neither 0 nor 1 the focus decoder decides; interpolating equal
# values may miss them by a rounding error.
_HALF: Final = 0.5 - 1e-4

TT: Final = Rosta(
    name="tt",
    num_classes=3,
    kernel_size=25,
    glance_target=lambda trimap: _dilation(trimap).long() + _erosion(trimap).long(),
    focus_target=lambda alpha, trimap: alpha,
    fuse=lambda glance, focus: focus.where((glance - 0.5).abs() < _HALF, glance.round()),
)
FT: Final = Rosta(
    name="ft",
    num_classes=2,
    kernel_size=50,
    glance_target=lambda trimap: _erosion(trimap).long(),
    focus_target=lambda alpha, trimap: (alpha - _erosion(trimap).to(alpha.dtype)).clamp(min=0),
    fuse=lambda glance, focus: (glance + focus).clamp(max=1),
)
BT: Final = Rosta(
    name="bt",
    num_classes=2,
    kernel_size=50,
    glance_target=lambda trimap: _dilation(trimap).long(),
    focus_target=lambda alpha, trimap: (_dilation(trimap).to(alpha.dtype) - alpha).clamp(min=0),
    fuse=lambda glance, focus: (glance - focus).clamp(min=0),
)

ROSTAS: Final[dict[str, tuple[Rosta, ...]]] = {
    "tt": (TT,),
    "ft": (FT,),
    "bt": (BT,),
    "rim": (TT, FT, BT),
}
"""A network's branches by the name of its RoSTA; RIM has one branch for each of the others."""
