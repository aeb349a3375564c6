"""Lightning's callbacks, as changed: a test fails for each private API that a release changes."""

import pickle
from datetime import timedelta
from types import SimpleNamespace

import pytest
import torch
from pytorch_lightning import callbacks as original
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.data import DataLoader

from gfm.compat.lightning import num_batches_fetched
from gfm.compat.lightning_callbacks import EMA, BestCheckpoint, LastCheckpoint, TimeLimit, _Average
from tests.compat.test_lightning import Steps, _read
from tests.compat.test_lightning import _trainer as _silent_trainer


def _trainer(tmp_path, **options):
    return _silent_trainer(tmp_path, enable_checkpointing=True, **options)


class Scored(Steps):
    """Logs a score at each step."""

    def __init__(self, scores: list[float]) -> None:
        super().__init__()
        self.scores = scores

    def training_step(self, batch, batch_idx):
        self.log("score", self.scores[batch_idx])
        return self.layer(batch).sum()


def test_the_best_file_has_the_plain_name(tmp_path):
    best = BestCheckpoint(
        tmp_path, "best", "score", mode="max", save_top_k=2, every_n_train_steps=1,
        enable_version_counter=False,
    )  # fmt: skip
    trainer = _trainer(tmp_path, callbacks=best, max_epochs=1)
    trainer.fit(Scored([2.0, 1.0, 3.0, 0.0]), DataLoader(torch.ones(4, 1)))
    steps = {path.name: _read(path)["global_step"] for path in tmp_path.glob("*.ckpt")}
    assert steps == {"best.ckpt": 3, "best_step_1.ckpt": 1}


class Plain(Steps):
    """Only takes steps."""

    def training_step(self, batch, batch_idx):
        return self.layer(batch).sum()


class Normed(Plain):
    """Has batch normalisation, and keeps the weights that each validation sees."""

    def __init__(self) -> None:
        super().__init__()
        self.validated: list[list[torch.Tensor]] = []
        torch.manual_seed(0)
        self.layer = nn.Sequential(nn.Linear(1, 3), *norms(1), nn.Linear(3, 1))

    def validation_step(self, batch, batch_idx):
        self.validated.append([p.detach().clone() for p in self.parameters()])


@pytest.mark.parametrize(("minutes", "saved"), [(10, []), (0, [10, 20])])
def test_it_is_time_to_save_only_at_steps_that_log(tmp_path, monkeypatch, minutes, saved):
    steps, asked = [], []
    last = LastCheckpoint(tmp_path, "last", train_time_interval=timedelta(minutes=minutes))
    trainer = _trainer(tmp_path, callbacks=last, max_steps=20, log_every_n_steps=10, logger=True)
    monkeypatch.setattr(trainer, "save_checkpoint", lambda *_: steps.append(trainer.global_step))

    def broadcast(_, answer, src=0):
        asked.append(trainer.global_step)
        return answer

    monkeypatch.setattr(type(trainer.strategy), "broadcast", broadcast)
    trainer.fit(Plain(), DataLoader(torch.ones(20, 1)))
    assert [step for step in asked if step and step not in saved] == ([] if saved else [10, 20])
    assert steps == saved


@pytest.mark.parametrize(("num_processes", "ends"), [(1, 3), (2, 10)])
def test_processes_agree_on_the_time_limit_only_at_steps_that_log(
    tmp_path, monkeypatch, num_processes, ends
):
    limit = TimeLimit("00:00:00:10")
    trainer = _trainer(tmp_path, callbacks=limit, max_steps=20, log_every_n_steps=10, logger=True)
    monkeypatch.setattr(type(trainer), "world_size", num_processes)
    elapsed = lambda *_: 0 if trainer.global_step < 3 else 11  # noqa: E731
    monkeypatch.setattr(limit, "time_elapsed", elapsed)
    trainer.fit(Plain(), DataLoader(torch.ones(20, 1)))
    assert trainer.global_step == ends


def test_nothing_is_saved_between_the_batches_of_a_step(tmp_path, monkeypatch):
    """Five batches make three steps: two batches each, and the last one alone."""
    last, batches = LastCheckpoint(tmp_path, "last", train_time_interval=timedelta(days=1)), []

    class Clock(original.Callback):
        def on_train_batch_start(self, trainer, module, batch, batch_idx):
            if batch_idx in (2, 4):  # now a day has passed
                last._last_time_checked = -1e9

    trainer = _trainer(
        tmp_path, callbacks=[Clock(), last], max_epochs=1, accumulate_grad_batches=2, logger=True,
        log_every_n_steps=1,
    )  # fmt: skip
    save = lambda *_: batches.append(num_batches_fetched(trainer))  # noqa: E731
    monkeypatch.setattr(trainer, "save_checkpoint", save)
    trainer.fit(Plain(), DataLoader(torch.ones(5, 1)))
    assert batches == [4, 5]


def test_nothing_is_saved_after_a_validation_between_the_batches_of_a_step(tmp_path, monkeypatch):
    last = LastCheckpoint(tmp_path, "last", every_n_epochs=1, save_on_train_epoch_end=False)
    trainer = _trainer(
        tmp_path, callbacks=last, max_epochs=1, accumulate_grad_batches=4, val_check_interval=3
    )
    batches = []
    save = lambda *_: batches.append(num_batches_fetched(trainer))  # noqa: E731
    monkeypatch.setattr(trainer, "save_checkpoint", save)
    trainer.fit(Normed(), DataLoader(torch.ones(24, 1), 2), DataLoader(torch.ones(1, 1)))
    assert batches == [12]


def test_no_time_limit_ends_a_run_between_the_batches_of_a_step(tmp_path, monkeypatch):
    limit = TimeLimit("00:00:00:10")
    trainer = _trainer(tmp_path, callbacks=limit, max_epochs=1, accumulate_grad_batches=4)
    elapsed = lambda *_: 0 if num_batches_fetched(trainer) < 5 else 11  # noqa: E731
    monkeypatch.setattr(limit, "time_elapsed", elapsed)
    trainer.fit(Plain(), DataLoader(torch.ones(16, 1)))
    assert num_batches_fetched(trainer) == 8


class Operations(TorchDispatchMode):
    """Counts operations on tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.count += 1
        return function(*args, **(kwargs or {}))


def pairs() -> DataLoader:
    values = torch.randn(10, 1, generator=torch.Generator().manual_seed(0))
    return DataLoader(values, batch_size=2)


def norms(count: int) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(*(nn.BatchNorm1d(3) for _ in range(count)))


def test_averaging_takes_few_operations():
    counts = []
    for count in (1, 9):
        model = norms(count)
        average = _Average(model, None, 0.9, use_buffers=True)
        with Operations() as operations:
            average.update_parameters(model)
        counts.append(operations.count)
    assert counts[0] == counts[1] < 10


def test_averaging_reads_nothing_from_the_device():
    model = norms(1).to("meta")
    average = _Average(model, "meta", 0.9, use_buffers=True)
    average.update_parameters(model)
    assert average.n_averaged == 1


def on_device(name: str) -> SimpleNamespace:
    """Return a stand-in for a trainer on a device."""
    return SimpleNamespace(strategy=SimpleNamespace(root_device=torch.device(name)))


def test_the_average_is_on_the_device_to_which_the_network_will_be_moved():
    average = EMA(0.8)
    average.setup(on_device("meta"), Normed(), "fit")
    assert all(p.is_meta for p in average._average_model.module.parameters())


def test_averaging_can_be_sent_to_spawned_processes():
    assert pickle.loads(pickle.dumps(EMA(0.8))).decay == 0.8


@pytest.mark.parametrize("use_buffers", [True, False])
def test_the_average_is_that_of_lightning(tmp_path, use_buffers):
    averaged = []
    for kind in (original.EMAWeightAveraging, EMA):
        module = Normed()
        callback = kind(decay=0.8, use_buffers=use_buffers)
        _trainer(tmp_path, callbacks=callback, max_epochs=2).fit(module, pairs())
        averaged.append(module.state_dict())
    for name, value in averaged[0].items():
        if name.endswith("num_batches_tracked"):
            value = torch.tensor(10)
        torch.testing.assert_close(averaged[1][name], value, msg=name)


def test_a_resumed_average_is_bit_identical(tmp_path):
    states = []
    for epochs, resumed in ((2, None), (1, None), (2, tmp_path / "last.ckpt")):
        module = Normed()
        last = LastCheckpoint(
            tmp_path, "last", every_n_epochs=1, save_on_train_epoch_end=True,
            enable_version_counter=False,
        )  # fmt: skip
        trainer = _trainer(tmp_path, callbacks=[EMA(0.8), last], max_epochs=epochs)
        trainer.fit(module, pairs(), ckpt_path=resumed, weights_only=True)
        states.append(module.state_dict())
    for name, value in states[0].items():
        assert torch.equal(states[2][name], value), name


@pytest.mark.parametrize("kind", [EMA, original.EMAWeightAveraging])
def test_the_best_file_holds_the_average_that_was_validated(tmp_path, kind):
    best = BestCheckpoint(
        tmp_path, "best", "score", mode="max", every_n_train_steps=1, save_weights_only=True,
        enable_version_counter=False,
    )  # fmt: skip
    module = Scored([0.0, 1.0, 2.0, 3.0])
    trainer = _trainer(tmp_path, callbacks=[kind(decay=0.8), best], max_epochs=1)
    trainer.fit(module, DataLoader(torch.arange(1.0, 5)[:, None]))
    saved = _read(tmp_path / "best.ckpt")["state_dict"]
    for name, value in module.state_dict().items():  # the average, after a training
        assert torch.equal(saved[name], value), name


def test_weights_are_validated_saved_and_kept_until_averaging_starts(tmp_path):
    states = []
    for callbacks in ([], [EMA(0.8, update_starting_at_step=99)]):
        module, last = Normed(), LastCheckpoint(tmp_path, "last", enable_version_counter=False)
        trainer = _trainer(tmp_path, callbacks=[*callbacks, last], max_epochs=1)
        trainer.fit(module, pairs(), DataLoader(torch.ones(1, 1)))
        saved = _read(tmp_path / "last.ckpt")["state_dict"].values()
        states.append([*module.validated[-1], *saved, *module.state_dict().values()])
    assert all(torch.equal(a, b) for a, b in zip(*states, strict=True))


def test_a_signal_in_a_validation_saves_each_weight_in_its_place():
    module = Normed()
    average = EMA(0.8)
    average.setup(on_device("cpu"), module, "fit")
    average._average_model.update_parameters(module)
    for tensor in average._average_model.module.parameters():
        tensor.data.fill_(7)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    average._swap_models(module)  # a validation begins
    checkpoint = {"state_dict": module.state_dict()}
    average.on_save_checkpoint(None, module, checkpoint)
    for name, value in before.items():
        assert torch.equal(checkpoint["current_model_state"][name], value), name
    assert all(bool((p == 7).all()) for p in average._average_model.module.parameters())


@pytest.mark.parametrize("is_moved", [True, False])
def test_the_best_score_is_kept_if_a_run_continues_in_another_folder(tmp_path, is_moved):
    """The old folder has moved, or still exists."""

    def best(folder):
        return BestCheckpoint(
            folder, "best", "score", mode="max", save_top_k=2, every_n_train_steps=1,
            enable_version_counter=False,
        )  # fmt: skip

    first = best(tmp_path / "a")
    trainer = _trainer(tmp_path, callbacks=first, max_epochs=1)
    trainer.fit(Scored([2.0, 1.0, 3.0, 0.0]), DataLoader(torch.ones(4, 1)))
    if is_moved:
        (tmp_path / "a").rename(tmp_path / "b")
    now = best(tmp_path / "b")
    now.load_state_dict(first.state_dict())
    path, second = str(tmp_path / "b/best.ckpt"), str(tmp_path / "b/best_step_1.ckpt")
    assert (now.best_model_score, now.best_model_path) == (3, path)
    assert now.best_k_models == {path: 3, second: 2}
    assert [_read(file)["global_step"] for file in (path, second)] == [3, 1]
    assert is_moved or (tmp_path / "a/best.ckpt").is_file()


def test_a_moved_run_gives_no_warning(tmp_path, recwarn):
    saved = LastCheckpoint(tmp_path / "a").state_dict()
    LastCheckpoint(tmp_path / "b").load_state_dict(saved)
    assert not recwarn.list
