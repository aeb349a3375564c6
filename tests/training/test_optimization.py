"""Learning rates over steps and layers."""

from copy import deepcopy
from functools import partial

import pytest
import torch
from torch import nn

from gfm.errors import GFMError
from gfm.models.encoders import StagedEncoder
from gfm.models.gfm import GFM
from gfm.training.optimization import (
    make_optimizer,
    make_schedule,
    parameter_groups,
    warmup_cosine,
)


@pytest.fixture
def model() -> GFM:
    stages = [nn.Conv2d(i, 4, 3, stride=2, padding=1) for i in (3, 4, 4)]
    return GFM(StagedEncoder(stages, (4, 4, 4), (2, 4, 8)))


def test_stages_learn_slower_towards_the_image(model):
    optimizer = make_optimizer(partial(torch.optim.SGD, lr=0.8), parameter_groups(model, 0.5))
    rates = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    assert [rates[id(stage.weight)] for stage in model.encoder.stages] == pytest.approx(
        [0.1, 0.2, 0.4]
    )
    assert {rates[id(p)] for p in model.focus.parameters()} == {0.8}
    assert rates.keys() == {id(p) for p in model.parameters()}


def test_frozen_parameters_are_left_out(model):
    model.encoder.stages[0].requires_grad_(False)
    for decay in (0.5, 1.0):
        groups = parameter_groups(model, decay)
        count = sum(len(group["params"]) for group in groups)
        assert count == sum(p.requires_grad for p in model.parameters())
    assert len(parameter_groups(model)) == 1


def test_schedule_keeps_the_proportion_of_groups(model):
    optimizer = make_optimizer(partial(torch.optim.SGD, lr=1.0), parameter_groups(model, 0.5))
    schedule = warmup_cosine(optimizer, total_steps=10, warmup=0.2, final=0.1)
    rates = []
    for _ in range(11):
        rates.append(schedule.get_last_lr())
        optimizer.step()
        schedule.step()
    decoder = [r[0] for r in rates]
    assert decoder[:3] == pytest.approx([1 / 3, 2 / 3, 1])
    assert decoder == sorted(decoder[:3]) + sorted(decoder[3:], reverse=True)
    assert decoder[10] == pytest.approx(0.1)
    assert all(r[1] == pytest.approx(r[0] / 2) for r in rates)


def test_schedules_need_not_take_the_number_of_steps(model):
    optimizer = make_optimizer(partial(torch.optim.SGD, lr=0.8), parameter_groups(model))
    halve = partial(torch.optim.lr_scheduler.StepLR, step_size=1, gamma=0.5)
    schedule = make_schedule(halve, optimizer, total_steps=10)
    optimizer.step()
    schedule.step()
    assert schedule.get_last_lr() == [0.4]


def test_wrong_arguments_are_one_line(model):
    betas = partial(torch.optim.SGD, betas=(0.9, 0.999))
    with pytest.raises(GFMError, match=r"cannot build optimizer: .*'betas'; .* ~optimizer\.<name>"):
        make_optimizer(betas, parameter_groups(model))
    optimizer = torch.optim.SGD(model.parameters())
    with pytest.raises(GFMError, match=r"cannot build scheduler: .*'step_size'; .* \+scheduler\."):
        make_schedule(torch.optim.lr_scheduler.StepLR, optimizer, total_steps=10)


def test_schedules_that_cannot_be_followed_are_refused(model):
    optimizer = make_optimizer(partial(torch.optim.SGD, lr=0.8), parameter_groups(model, 0.5))
    with pytest.raises(GFMError, match="ReduceLROnPlateau follows a metric"):
        make_schedule(torch.optim.lr_scheduler.ReduceLROnPlateau, optimizer, total_steps=10)
    one_cycle = partial(torch.optim.lr_scheduler.OneCycleLR, max_lr=0.8)
    with pytest.raises(GFMError, match="OneCycleLR gives all layers the same learning rate"):
        make_schedule(one_cycle, optimizer, total_steps=10)
    alike = make_optimizer(partial(torch.optim.SGD, lr=0.8), parameter_groups(model))
    assert make_schedule(one_cycle, alike, total_steps=10).total_steps == 10


@pytest.mark.parametrize("fused", [False, True])
def test_a_resumed_run_may_use_another_memory_format(fused):
    """Fused Adam reads weights, gradients and moments as flat memory, whatever their strides."""
    generator = torch.Generator().manual_seed(0)
    start, *gradients = torch.randn(4, 8, 6, 3, 3, generator=generator)

    def step(optimizer: torch.optim.Optimizer, weight: nn.Parameter, gradient: torch.Tensor):
        weight.grad = torch.empty_like(weight).copy_(gradient)
        optimizer.step()

    saved = nn.Parameter(start.clone())
    factory = partial(torch.optim.Adam, lr=0.01, fused=fused)
    first = make_optimizer(factory, [{"params": [saved]}])
    for gradient in gradients:
        step(first, saved, gradient)

    resumed = nn.Parameter(saved.detach().clone(memory_format=torch.channels_last))
    second = make_optimizer(factory, [{"params": [resumed]}])
    second.load_state_dict(deepcopy(first.state_dict()))
    step(first, saved, gradients[0])
    step(second, resumed, gradients[0])

    torch.testing.assert_close(resumed.detach(), saved.detach())
