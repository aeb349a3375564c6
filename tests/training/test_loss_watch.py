"""Between two steps that log, training never waits for its device."""

import pytest
import torch
from pytorch_lightning.loops.training_epoch_loop import _TrainingEpochLoop
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.data import DataLoader

from gfm.data.batch import as_floats
from gfm.errors import GFMError
from gfm.losses import Criterion
from gfm.models.gfm import GFM
from gfm.models.timm_encoder import timm_encoder
from gfm.run.train import train
from gfm.training.loss_watch import LossWatch
from gfm.training.module import MattingModule
from tests.conftest import compose_config

LOOKS = {"item", "tolist", "cpu", "numpy", "__bool__", "__float__", "__int__", "__index__"}
LOOKS |= {"__format__", "__repr__", "nonzero", "equal", "allclose"}


class Methods(TorchFunctionMode):
    """Records what reads a tensor's values, by the methods that Python code calls."""

    def __init__(self, found: list[str]) -> None:
        self.found = found
        super().__init__()

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if getattr(func, "__name__", "") in LOOKS:
            self.found.append(func.__name__)
        return func(*args, **(kwargs or {}))


class Operations(TorchDispatchMode):
    """Records the same inside torch, such as in an optimiser."""

    def __init__(self, found: list[str]) -> None:
        self.found = found
        super().__init__()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func.overloadpacket.__name__ in ("_local_scalar_dense", "nonzero", "equal"):
            self.found.append(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))


@pytest.fixture
def found(monkeypatch) -> list[str]:
    """Collect what read a tensor's values during training steps, including loader and callbacks."""
    names: list[str] = []
    advance = _TrainingEpochLoop.advance

    def watched(self, data_fetcher):
        with Methods(names), Operations(names):
            advance(self, data_fetcher)

    begin = DataLoader._get_iterator

    def unwatched(self):
        num = len(names)
        iterator = begin(self)
        del names[num:]  # a seed that was drawn on the CPU
        return iterator

    monkeypatch.setattr(_TrainingEpochLoop, "advance", watched)
    monkeypatch.setattr(DataLoader, "_get_iterator", unwatched)
    return names


SOME_STEPS = ["trainer.max_epochs=3", "trainer.limit_val_batches=0", "test=false"]


@pytest.mark.parametrize("clip", ["null", "1"])
def test_steps_that_do_not_log_do_not_synchronize(tiny_training, found, monkeypatch, clip):
    monkeypatch.setattr(MattingModule, "log", lambda *_, **__: found.append("log"))  # to the device
    options = [*SOME_STEPS, "trainer.log_every_n_steps=10", f"trainer.gradient_clip_val={clip}"]
    train(compose_config("train", [*tiny_training, *options]))
    assert found == []


def test_a_step_that_logs_synchronizes(tiny_training, found):
    train(compose_config("train", [*tiny_training, *SOME_STEPS, "trainer.log_every_n_steps=5"]))
    assert "tolist" in found


def test_a_step_copies_nothing_to_the_device():
    """Fake tensors on a GPU do not mix with tensors of a CPU, so a copy would raise."""
    with FakeTensorMode():
        with torch.device("cuda"):
            model = GFM(timm_encoder("test_resnet"), "tt", decoder_channels=[8] * 5)
        shape = 2, 1, 64, 64
        batch = {k: torch.zeros(shape, dtype=torch.uint8, device="cuda") for k in ("alpha",)}
        for name in ("image", "foreground", "background"):
            batch[name] = torch.zeros((2, 3, 64, 64), dtype=torch.uint8, device="cuda")
        batch["trimap_25"] = torch.zeros(shape, dtype=torch.uint8, device="cuda")
        criterion = Criterion("tt")
        copies: list[str] = []
        with Copies(copies):
            batch = as_floats(batch)
            criterion(model(batch["image"]), batch)
    assert copies == []


class Copies(TorchDispatchMode):
    """Records copies between devices; a copy to a GPU waits for all its pending work."""

    def __init__(self, found: list[str]) -> None:
        self.found = found
        super().__init__()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        source = args[0].device if args and isinstance(args[0], torch.Tensor) else None
        if source and isinstance(result, torch.Tensor) and result.device != source:
            self.found.append(str(func))
        return result


def _noted(*totals: float) -> LossWatch:
    watch = LossWatch()
    for step, total in enumerate(totals, start=7):
        terms = {"total": torch.tensor(total), "glance": torch.tensor(2 * total)}
        watch.append(step, terms, [f"photo{step}"])
    return watch


def test_losses_since_the_last_log_are_checked_together():
    watch = _noted(1.0, 2.0)
    assert watch.fetch(lambda own: own) == {"total": 2, "glance": 4}
    assert watch.fetch(lambda own: own) == {}
    bad = r"not finite at step 8 \(glance nan; samples photo8\)"
    with pytest.raises(GFMError, match=bad):
        _noted(1.0, float("nan"), 3.0).fetch(lambda own: own)
    with pytest.raises(GFMError, match="in another process is not finite at step 7"):
        _noted(1.0, 2.0).fetch(lambda own: own.fill_(float("inf")))


@pytest.mark.parametrize("callbacks", ["default", "none"])
def test_a_nan_loss_between_logs_stops_the_run_before_saving(tiny_training, tmp_path, callbacks):
    """The second of two steps is not finite, and no step is logged."""
    options = ["optimizer.lr=1e30", "trainer.log_every_n_steps=10", f"callbacks={callbacks}"]
    validation = [] if callbacks == "default" else ["trainer.limit_val_batches=0"]
    with pytest.raises(GFMError, match=r"not finite at step 1 \(.*glance nan.*; samples \w+, \w+"):
        train(compose_config("train", [*tiny_training, "logger=none", *options, *validation]))
    assert not list((tmp_path / "run").rglob("*.ckpt"))


def test_accumulated_batches_are_read_at_the_end_of_their_step(tiny_training, monkeypatch):
    fetch, counts = LossWatch.fetch, []

    def counted(self, mean):
        counts.append(len(self.pending))
        return fetch(self, mean)

    monkeypatch.setattr(LossWatch, "fetch", counted)
    more = ["trainer.accumulate_grad_batches=2", "logger=none", "test=false", "callbacks=none"]
    train(compose_config("train", [*tiny_training, *more, "trainer.limit_val_batches=0"]))
    assert list(filter(None, counts)) == [2]
