"""Stage 2: the GPU computes what the official code computed on a CPU."""

from collections.abc import Callable
from functools import partial
from unittest import mock

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from gfm.checkpoints.released import convert_official
from gfm.compat.hydra import instantiate
from gfm.compat.torch import skip_random_weights
from gfm.losses import terms
from gfm.metrics import MattingMetrics
from gfm.models.blocks import interpolate
from gfm.models.fusion import MattingOutput, classify
from gfm.models.gfm import GFM
from gfm.models.precision import allow_tf32
from gfm.rosta import TT, transition_mask
from tests.golden.formula import GOLDEN, forget_weights, formula_state_dict
from tests.gpu.stage import Stage

NAMES = ["r34_TT", "r34_RIM", "r34_2b_TT", "r34_FT", "r34_BT", "d121_TT", "r101_TT"]
"""Official architectures, those that matter most first."""
NOISES = (0.02, 0.005, 0.001)
"""Standard deviations of the error of alpha, from a poor network's to a good one's."""


def run(stage: Stage) -> None:
    """Compare golden outputs, precisions, gradients of losses and enlargements, and metrics."""
    with stage.part("metrics"):
        _metrics(stage)
    with stage.part("gradients"):
        _gradients(stage)
    with stage.part("enlarging"):
        _enlarging(stage)
    with stage.part("precisions"):
        _precisions(stage)
    for name in NAMES[:1] if stage.is_rehearsal else NAMES:
        if stage.has_time(f"golden outputs of {name}", 30 if name.startswith("r101") else 10):
            with stage.part(f"golden outputs of {name}"):
                off = _golden_error(name, stage.device)
                stage.at_most(f"golden outputs of {name}, float32", off, 1e-4)
            forget_weights()


def official_model(name: str, device: str) -> GFM:
    """Return an official architecture with the weights behind the golden figures."""
    node, state = convert_official(formula_state_dict(name), f"gfm_{name.lower()}.pth")
    with skip_random_weights():  # those of r101 are slow, and would be replaced
        model: GFM = instantiate(node)
    model.load_state_dict(state)
    return model.eval().to(device)


def _golden_error(name: str, device: str) -> float:
    """Return the largest difference from the golden outputs, without TF32."""
    arrays = np.load(GOLDEN / "forward.npz")
    image = torch.from_numpy(arrays["image"]).permute(2, 0, 1)[None].to(device) / 255
    model = official_model(name, device)
    allow_tf32(False)
    with torch.inference_mode():
        output = model(image)
    maps = {f"{name}/fusion": output.alpha}
    for rosta, branch in output.branches.items():
        prefix = f"{name}/{rosta}_" if name.endswith("RIM") else f"{name}/"
        maps |= {f"{prefix}glance": branch.glance.sigmoid(), f"{prefix}focus": branch.focus}
        maps |= {f"{prefix}fusion": branch.alpha}
    errors = [np.abs(x[0, :, ::3, ::3].cpu().numpy() - arrays[key]) for key, x in maps.items()]
    return float(max(error.max() for error in errors))


def _precisions(stage: Stage) -> None:
    """Compare TF32, bfloat16 and float16 with float32, on formula weights and a drawn picture."""
    model = official_model("r34_TT", stage.device)
    side = 96 if stage.is_rehearsal else 320
    image = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    image = torch.nn.functional.interpolate(image, (side, side), mode="bicubic").clamp(0, 1)
    image = image.to(stage.device)

    def output(is_tf32: bool, dtype: torch.dtype | None) -> MattingOutput:
        allow_tf32(is_tf32)
        enabled = dtype is not None
        with torch.inference_mode(), torch.autocast(stage.device, dtype, enabled=enabled):
            return model(image)

    plain = output(False, None)
    variants = {"TF32": (True, None), "bf16": (True, torch.bfloat16), "fp16": (True, torch.float16)}
    for name, (is_tf32, dtype) in variants.items():
        with stage.part(name):
            other = output(is_tf32, dtype)
            change = (other.alpha.float() - plain.alpha).abs()
            glances = [classify(x.branches["tt"].glance.float()) for x in (plain, other)]
            flipped = (glances[0] != glances[1]).double().mean().item()
            stage.measured(f"{name}: largest change of alpha", change.max().item())
            stage.measured(f"{name}: flipped glance pixels", 100 * flipped, "%")
            stage.measured(f"{name}: mean change of alpha", change.mean().item())
            sads = change.sum().item() / 1000
            stage.measured(f"{name}: sum of the changes of alpha", sads, "thousand pixels")


def _loss_terms(device: str, noise: float) -> dict[str, Tensor]:
    """Return the gradient of each loss term on the golden pictures, with a noisy prediction."""
    arrays = np.load(GOLDEN / "losses.npz")
    given = {name: torch.from_numpy(arrays[name]).to(device).float() for name in arrays}
    for name in ("image", "foreground", "background", "alpha"):
        given[name] /= 255
    generator = torch.Generator().manual_seed(0)
    off = noise * torch.randn(given["alpha"].shape, generator=generator, dtype=torch.float64)
    preds = (given["alpha"] + off.to(given["alpha"])).clamp(0, 1).requires_grad_()
    logits = given["glance3"].logit(1e-6).detach().float().to(preds).requires_grad_()
    weight = transition_mask(given["trimap"])
    layers = [given[name] for name in ("image", "foreground", "background")]
    losses = {
        "alpha": (terms.alpha_loss(preds, given["alpha"]), preds),
        "alpha in the transition": (terms.alpha_loss(preds, given["alpha"], weight), preds),
        "laplacian": (terms.laplacian_loss(preds, given["alpha"]), preds),
        "composition": (terms.composition_loss(*layers, preds), preds),
        "glance": (terms.glance_loss(logits, TT.glance_target(given["trimap"])), logits),
    }
    return {k: torch.autograd.grad(loss, x)[0].cpu() for k, (loss, x) in losses.items()}


def _gradients(stage: Stage) -> None:
    """Compare gradients, with TF32 allowed as in training, with those in float64 on the CPU."""
    kernel = terms._gauss_kernel(torch.device("cpu")).double()
    for noise in NOISES:
        allow_tf32(True)
        ours = _loss_terms(stage.device, noise)
        with (
            mock.patch.object(torch.Tensor, "float", torch.Tensor.double),
            mock.patch.object(terms, "_gauss_kernel", return_value=kernel),
        ):
            truth = _loss_terms("cpu", noise)
        for name, gradient in ours.items():
            cosine = torch.cosine_similarity(
                gradient.double().flatten(), truth[name].flatten(), dim=0
            )
            text = f"cosine of the gradient of {name}, error {noise}"
            stage.at_least(text, cosine.item(), 0.999)


def _enlarging(stage: Stage) -> None:
    """Compare gradients of enlarged features in bfloat16 with those in float64 on the CPU."""
    for factor in (2, 16, 32):
        generator = torch.Generator().manual_seed(0)
        given = torch.rand(1, 8, 4 * factor, 4 * factor, generator=generator).bfloat16()

        def gradient(enlarge: Callable[..., Tensor], given: Tensor, factor: int) -> Tensor:
            feature = torch.zeros_like(given[..., :4, :4], requires_grad=True)
            larger = enlarge(feature, scale_factor=factor, align_corners=False)
            return torch.autograd.grad(larger, feature, given)[0].double().cpu()

        own = partial(F.interpolate, mode="bilinear")
        truth = gradient(own, given.double(), factor)
        ours, torchs = (gradient(f, given.to(stage.device), factor) for f in (interpolate, own))
        text = f"gradient of enlarging {factor} times in bf16, relative error"
        stage.at_most(text, ((ours - truth).norm() / truth.norm()).item(), 5e-3)
        stage.measured(f"{text} of torch's own", ((torchs - truth).norm() / truth.norm()).item())


def _metrics(stage: Stage) -> None:
    """Compare metrics on the device with those on the CPU, which equal the official figures."""
    arrays = np.load(GOLDEN / "metrics.npz")
    worst = 0.0
    for index in range(3):
        given = [
            torch.from_numpy(arrays[f"{name}_{index}"])[None, None]
            for name in ("pred", "alpha", "trimap")
        ]
        expected, found = (_score(given, device) for device in ("cpu", stage.device))
        errors = [
            abs(found[name] - value) / max(abs(value), 1e-12) for name, value in expected.items()
        ]
        worst = max(worst, *errors)
    stage.at_most("metrics, GPU - CPU, relative", worst, 1e-6)


def _score(given: list[Tensor], device: str) -> dict[str, float]:
    preds, target, trimap = given
    metrics = MattingMetrics("gfm").to(device)
    # Divided on the CPU, because CUDA multiplies by the reciprocal, which rounds differently.
    metrics.update((preds / 255).to(device), (target / 255).to(device), trimap.to(device))
    return {name: value.item() for name, value in metrics.compute().items()}
