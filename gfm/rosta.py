"""RoSTA: the representations of semantic and transition areas, as one table.

A RoSTA defines what the glance decoder classifies, what the focus decoder regresses, and how both
are fused to alpha (Li et al., IJCV 2022, section 4.1). All targets derive from one trimap, made
with the kernel of the RoSTA: it is 255 on the erosion of the foreground, and nonzero on the
dilation.

======  ============================  ====================  ===========================
RoSTA   glance classes                focus target          alpha
======  ============================  ====================  ===========================
TT      background, transition, fg    alpha                 focus in transition, else fg
FT      rest, erosion                 alpha - erosion       glance + focus
BT      background, dilation          dilation - alpha      glance - focus
RIM     TT, FT and BT side by side    that of each branch   learned from the three alphas
======  ============================  ====================  ===========================

The official code for FT or BT alone trains the glance of FT on the dilation and that of BT on the
opaque mask, so neither fuses back to alpha. Its code for RIM uses erosion and dilation as here. The
official code masks the focus losses of FT and BT with the 25-pixel trimap, although the targets use
50 pixels. Here glance, focus and mask share one kernel. ``tests/test_rosta.py`` checks that a
perfect glance and focus fuse to alpha.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:  # gfm prepare trimaps should not wait for torch
    from collections.abc import Callable

    from torch import Tensor

BACKGROUND: Final = 0
"""Value of a trimap for certain background."""

TRANSITION: Final = 128
"""Value of a trimap for the transition region, whose details the focus decoder predicts."""

FOREGROUND: Final = 255
"""Value of a trimap for certain foreground."""


@dataclass(frozen=True)
class Rosta:
    """One representation.

    Attributes:
        name: ``tt``, ``ft`` or ``bt``.
        num_classes: Channels of the glance decoder.
        kernel_size: Side of the elliptic kernel that makes the trimap, in pixels of the photo.
        glance_target: Turns a trimap (0, 128, 255) into class indices, both N×1×H×W; int64.
        focus_target: Turns alpha in [0, 1] and a trimap into the focus target in [0, 1], all
            N×1×H×W.
        fuse: Turns glance and focus into alpha, all N×1×H×W in [0, 1]. Glance is the class index
            divided by ``num_classes - 1``: 0, 1, and 0.5 with three classes. An upsampled glance
            may lie in between.
    """

    name: str
    num_classes: int
    kernel_size: int
    glance_target: Callable[[Tensor], Tensor]
    focus_target: Callable[[Tensor, Tensor], Tensor]
    fuse: Callable[[Tensor, Tensor], Tensor]

    def __reduce__(self) -> tuple[Callable[[str], Rosta], tuple[str]]:
        """Pickle by name, so that networks can be sent to other processes."""
        return _from_name, (self.name,)


def _from_name(name: str) -> Rosta:
    return ROSTAS[name][0]


def _erosion(trimap: Tensor) -> Tensor:
    return trimap == FOREGROUND


def _dilation(trimap: Tensor) -> Tensor:
    return trimap > 0


def transition_mask(trimap: Tensor) -> Tensor:
    """Return 1 in the transition region of a trimap, and 0 elsewhere."""
    return (trimap == TRANSITION).float()


# Focus is used where an upsampled glance is neither 0 nor 1. The margin is needed because
# interpolating between equal values may cause a rounding error.
_HALF: Final = 0.5 - 1e-4


def fuse_tt(glance: Tensor, focus: Tensor) -> Tensor:
    """Use focus in the transition region, and glance (0 or 1) elsewhere."""
    return focus.where((glance - 0.5).abs() < _HALF, glance.round())


def fuse_ft(glance: Tensor, focus: Tensor) -> Tensor:
    """Add focus to the certain foreground."""
    return (glance + focus).clamp(max=1)


def fuse_bt(glance: Tensor, focus: Tensor) -> Tensor:
    """Subtract focus from everything that is not certain background."""
    return (glance - focus).clamp(min=0)


TT: Final = Rosta(
    name="tt",
    num_classes=3,
    kernel_size=25,
    glance_target=lambda trimap: _dilation(trimap).long() + _erosion(trimap).long(),
    focus_target=lambda alpha, trimap: alpha,
    fuse=fuse_tt,
)
FT: Final = Rosta(
    name="ft",
    num_classes=2,
    kernel_size=50,
    glance_target=lambda trimap: _erosion(trimap).long(),
    focus_target=lambda alpha, trimap: (alpha - _erosion(trimap).to(alpha.dtype)).clamp(min=0),
    fuse=fuse_ft,
)
BT: Final = Rosta(
    name="bt",
    num_classes=2,
    kernel_size=50,
    glance_target=lambda trimap: _dilation(trimap).long(),
    focus_target=lambda alpha, trimap: (_dilation(trimap).to(alpha.dtype) - alpha).clamp(min=0),
    fuse=fuse_bt,
)

ROSTAS: Final[dict[str, tuple[Rosta, ...]]] = {
    "tt": (TT,),
    "ft": (FT,),
    "bt": (BT,),
    "rim": (TT, FT, BT),
}
"""The branches of a network by the name of its RoSTA; RIM has one for each of the others."""
