"""torch.compile changes a training step only by rounding."""

import copy

import pytest
import torch
from torch import Tensor, nn

from gfm.models.encoders import StagedEncoder
from gfm.models.gfm import GFM
from gfm.run.train import train
from tests.conftest import SMALL_NETWORK, compose_config

Gradients = dict[str, Tensor]


def tiny_encoder() -> StagedEncoder:
    """One convolution, so that a network compiles in about a minute."""
    stage = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8), nn.ReLU())
    return StagedEncoder([stage], channels=[8], strides=[2])


def _smooth(module: nn.Module) -> None:
    """Replace ReLU by SiLU.

    Where a value lies within rounding of ReLU's kink, one computation has a gradient and the other
    does not. On random weights such a flip outweighs all rounding, and it affects eager float32 as
    often as compiled.
    """
    for name, child in module.named_children():
        if isinstance(child, nn.ReLU):
            setattr(module, name, nn.SiLU())
        else:
            _smooth(child)


def _gradients(model: GFM, image: Tensor) -> Gradients:
    model.zero_grad()
    (branch,) = model(image).branches.values()
    (branch.glance.square().mean() + branch.focus.mean()).backward()
    return {name: p.grad.double() for name, p in model.named_parameters()}


def _errors(gradients: Gradients, truth: Gradients) -> tuple[float, float]:
    """Return relative L2 errors: of all parameters as one vector, and of the worst parameter."""
    lengths = {name: gradient.norm().item() for name, gradient in truth.items()}
    off = {name: (gradients[name] - truth[name]).norm().item() for name in truth}
    whole = sum(length**2 for length in lengths.values()) ** 0.5
    # The gradient of a bias before batch normalisation is only rounding.
    worst = max(off[name] / length for name, length in lengths.items() if length > 1e-6 * whole)
    return sum(each**2 for each in off.values()) ** 0.5 / whole, worst


@pytest.mark.slow
def test_gradients_differ_only_by_rounding():
    """Compiled gradients are at most 5 times as far from float64 as eager float32 ones.

    The gradient of a single parameter may be 20 times as far, but not 1e-4: sums over all pixels,
    such as the gradient of a batch-normalisation bias, depend on the order of addition, and eager
    sums were five to ten times as accurate.
    """
    torch.manual_seed(0)
    eager = GFM(tiny_encoder(), "tt")
    _smooth(eager)
    exact, compiled = copy.deepcopy(eager).double(), copy.deepcopy(eager)
    compiled.compile()
    errors = []
    for _ in range(5):
        image = torch.rand(2, 3, 32, 32)
        truth = _gradients(exact, image.double())
        errors.append([_errors(_gradients(model, image), truth) for model in (eager, compiled)])
    (eager_whole, eager_worst), (whole, worst) = torch.tensor(errors).mean(dim=0)
    assert whole <= 5 * eager_whole
    assert worst <= 20 * eager_worst
    assert worst < 1e-4


def test_compiled_recomputation():
    """Compiled steps give the gradients and running statistics of eager ones."""
    torch.manual_seed(0)
    eager = GFM(tiny_encoder(), "tt", activation_checkpointing=True)
    compiled = copy.deepcopy(eager)
    compiled.compile(backend="aot_eager")  # all but the generation of code
    for _ in range(2):
        image = torch.rand(2, 3, 32, 32)
        whole, _ = _errors(_gradients(compiled, image), _gradients(eager, image))
        assert whole < 1e-5
    for (name, expected), buffer in zip(eager.named_buffers(), compiled.buffers(), strict=True):
        torch.testing.assert_close(buffer, expected, msg=name)


TINY_NETWORK = [
    "backbone=r34",
    "backbone._target_=gfm.models.gfm.GFM",
    "~backbone.pretrained",
    "+backbone.encoder={_target_: tests.models.test_compile.tiny_encoder}",
    "backbone.decoder_channels=null",
]


@pytest.mark.slow
def test_compiled_training(tiny_training, tmp_path):
    """A compiled run takes the steps of an eager one, and saves weights under the same names."""
    others = [option for option in tiny_training if option not in SMALL_NETWORK]
    # Validation would compile the network once more.
    others += [*TINY_NETWORK, "callbacks=none", "logger=none", "trainer.limit_val_batches=0"]
    losses, weights = [], []
    for compile_ in ("false", "true"):
        cfg = compose_config("train", [*others, f"compile={compile_}"])
        metrics, objects = train(cfg)
        path = tmp_path / f"{compile_}.ckpt"
        objects["trainer"].save_checkpoint(path)
        weights.append(torch.load(path, weights_only=True)["state_dict"])
        losses.append(metrics["train/loss"])
    assert losses[1] == pytest.approx(losses[0], rel=1e-3)
    assert list(weights[0]) == list(weights[1])
