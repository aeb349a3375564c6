"""The criterion, which weights and adds the terms of the loss (GFM, section 4.4)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gfm.errors import GFMError
from gfm.losses.terms import GlanceOn, alpha_loss, composition_loss, glance_loss, laplacian_losses
from gfm.models.fusion import BranchOutput, MattingOutput
from gfm.rosta import ROSTAS, Rosta, transition_mask

_TERMS = ("glance", "focus_alpha", "focus_laplacian", "fusion_alpha", "fusion_laplacian")
"""Names of terms; those of a branch get its name as a suffix if there are several branches."""

_Pairs = dict[str, tuple[Tensor, Tensor, Tensor | None]]
"""Prediction, target and weight of each Laplacian loss, by name."""


@dataclass(frozen=True)
class WeightedTerm:
    """A weighted loss term in addition to those of the paper.

    ``term`` returns a scalar, given the arguments of :meth:`Criterion.forward`.
    """

    term: Callable[[MattingOutput, Mapping[str, Tensor]], Tensor]
    weight: float = 1.0


class Criterion(nn.Module):
    """Computes all loss terms by name, and their weighted ``total``.

    ``total = glance · CE + focus · (alpha + laplacian in the transition region)
    + fusion · (alpha + laplacian everywhere) + composition · composition``.
    With RIM, the terms of its three branches are added up, and there are fusion and composition
    terms for the integrated alpha. (In the official code, all weights of RIM are 1, each branch
    also has a composition term, and the terms of the BT branch are computed on the output of the FT
    branch.)

    The default weights are those of the official code, except for RIM.

    Args:
        rosta: ``tt``, ``ft``, ``bt`` or ``rim``.
        glance: Weight of the glance loss.
        focus: Weight of the focus losses.
        fusion: Weight of the fusion losses.
        composition: Weight of the composition loss, which is computed only for batches whose
            foreground and background are known.
        glance_on: See :func:`gfm.losses.glance_loss`.
        extra: Additional terms by name.

    Raises:
        GFMError: The RoSTA is unknown, or an additional term has a name that is taken.
    """

    def __init__(
        self,
        rosta: str,
        glance: float = 0.25,
        focus: float = 0.25,
        fusion: float = 0.25,
        composition: float = 0.25,
        glance_on: GlanceOn = "logits",
        extra: Mapping[str, WeightedTerm] | None = None,
    ) -> None:
        super().__init__()
        if rosta not in ROSTAS:
            raise GFMError(f"unknown RoSTA {rosta!r}: choose one of {', '.join(ROSTAS)}")
        self.branches = ROSTAS[rosta]
        self.weights = {
            "glance": glance,
            "focus": focus,
            "fusion": fusion,
            "composition": composition,
        }
        self.glance_on = glance_on
        self.extra = dict(extra or {})
        suffixes = ["", *(f"_{branch.name}" for branch in self.branches)]
        taken = {"total", "composition", *(term + suffix for term in _TERMS for suffix in suffixes)}
        for name in taken & self.extra.keys():
            raise GFMError(f"loss.extra.{name}: a term of this name exists; choose another name")

    def forward(self, output: MattingOutput, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the unweighted terms, and their weighted sum ``total``, by name.

        Args:
            output: Output of the network.
            batch: ``image``, ``alpha`` and, if known, ``foreground`` and ``background``, all in
                [0, 1], and a ``trimap_K`` of 0, 128 and 255 for the kernel size K of each branch.

        Raises:
            ValueError: The batch lacks a key, shapes differ, or the network has a different RoSTA.
        """
        keys = ["alpha", *(f"trimap_{rosta.kernel_size}" for rosta in self.branches)]
        if "foreground" in batch:
            keys += ["image", "background"]
        if missing := [key for key in keys if key not in batch]:
            raise ValueError(f"the batch lacks {', '.join(missing)}: see gfm.data.dataset")
        names = [rosta.name for rosta in self.branches]
        if not output.branches.keys() >= set(names):
            raise ValueError(
                f"the criterion's RoSTA needs the branches {', '.join(names)}, but the network has "
                f"{', '.join(output.branches)}: give both the same RoSTA"
            )
        terms = {"fusion_alpha": alpha_loss(output.alpha, batch["alpha"])}
        pyramids: _Pairs = {"fusion_laplacian": (output.alpha, batch["alpha"], None)}
        if "foreground" in batch:
            terms["composition"] = composition_loss(
                batch["image"], batch["foreground"], batch["background"], output.alpha
            )
        for rosta in self.branches:
            branch_terms, pairs = self._branch_terms(rosta, output.branches[rosta.name], batch)
            suffix = f"_{rosta.name}" if len(self.branches) > 1 else ""
            terms |= {name + suffix: term for name, term in branch_terms.items()}
            pyramids |= {name + suffix: pair for name, pair in pairs.items()}
        terms |= zip(pyramids, laplacian_losses(list(pyramids.values())).unbind(), strict=True)
        weighted = [self.weights[name.split("_")[0]] * term for name, term in terms.items()]
        for name, extra in self.extra.items():
            terms[name] = extra.term(output, batch)
            weighted.append(extra.weight * terms[name])
        return {"total": torch.stack(weighted).sum(), **terms}

    def _branch_terms(
        self, rosta: Rosta, branch: BranchOutput, batch: Mapping[str, Tensor]
    ) -> tuple[dict[str, Tensor], _Pairs]:
        """Return the terms of a branch, and the inputs of its Laplacian losses."""
        alpha, trimap = batch["alpha"], batch[f"trimap_{rosta.kernel_size}"]
        target = rosta.focus_target(alpha, trimap)
        weight = transition_mask(trimap)
        terms = {
            "glance": glance_loss(branch.glance, rosta.glance_target(trimap), self.glance_on),
            "focus_alpha": alpha_loss(branch.focus, target, weight),
        }
        pyramids: _Pairs = {"focus_laplacian": (branch.focus, target, weight)}
        if len(self.branches) > 1:  # the official code also adds a composition term here
            terms["fusion_alpha"] = alpha_loss(branch.alpha, alpha)
            pyramids["fusion_laplacian"] = (branch.alpha, alpha, None)
        return terms, pyramids
