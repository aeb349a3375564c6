"""Choosing precision and memory format, on mocked devices."""

import pytest
import torch

from gfm.models.networks import gfm_r34
from gfm.models.precision import (
    bfloat16_hardware,
    choose_inference_format,
    choose_precision,
    device_type,
    prefers_channels_last,
    trains_in_tf32,
)


@pytest.fixture
def cpu(monkeypatch):
    """Mock a CPU; tests add its instruction sets."""
    flags: dict[str, bool] = {"avx2": True, "avx512_f": True, "amx_bf16": False}
    monkeypatch.setattr("gfm.models.precision.cpu_capabilities", lambda: flags)
    return flags


@pytest.fixture
def gpu(monkeypatch):
    """Mock a GPU with a compute capability; before 8.0 it only emulates bfloat16."""

    def make(*capability: int) -> None:
        has_bfloat16 = capability >= (8, 0)
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "A100")
        monkeypatch.setattr(
            torch.cuda,
            "is_bf16_supported",
            lambda including_emulation=True: including_emulation or has_bfloat16,
        )

    return make


def test_a_cpu_without_the_instructions(cpu):
    assert choose_precision("cpu") == ("32-true", "this CPU has no bfloat16 in hardware")
    assert not prefers_channels_last("cpu", is_half=False, training_size=320)
    assert not prefers_channels_last("cpu", is_half=True, training_size=320)
    assert prefers_channels_last("cpu", is_half=False)


@pytest.mark.parametrize(("flag", "name"), [("avx512_bf16", "AVX512-BF16"), ("amx_bf16", "AMX")])
def test_a_cpu_with_one_of_them(cpu, flag, name):
    cpu[flag] = True
    assert choose_precision("cpu") == ("bf16-mixed", f"{name} calculates in bfloat16")
    assert prefers_channels_last("cpu", is_half=True, training_size=320)
    assert not prefers_channels_last("cpu", is_half=True, training_size=160)
    assert not prefers_channels_last("cpu", is_half=False, training_size=320)


def test_gpus_before_and_from_ampere_on(gpu):
    gpu(8, 0)
    assert device_type("auto") == device_type("gpu") == "cuda"
    assert device_type("cpu") == "cpu"
    assert choose_precision("cuda") == ("bf16-mixed", "A100 calculates in bfloat16")
    assert prefers_channels_last("cuda", is_half=True, training_size=64)
    assert not prefers_channels_last("cuda", is_half=False, training_size=320)
    gpu(6, 1)
    assert choose_precision("cuda") == ("32-true", "this GPU has no bfloat16 in hardware")
    assert not prefers_channels_last("cuda", is_half=True, training_size=320)


@pytest.mark.parametrize("capability", [(7, 0), (7, 5)])
def test_volta_and_turing_take_float16(gpu, capability):
    gpu(*capability)
    reason = "A100 calculates in float16, but not in bfloat16"
    assert choose_precision("cuda") == ("16-mixed", reason)
    assert prefers_channels_last("cuda", is_half=True, training_size=64)
    assert not prefers_channels_last("cuda", is_half=False)


@pytest.mark.parametrize(("capability", "rounds"), [((7, 5), False), ((8, 0), True)])
def test_gpus_from_ampere_on_train_in_tf32(gpu, capability, rounds):
    gpu(*capability)
    assert trains_in_tf32("cuda", "32-true") == rounds
    assert not trains_in_tf32("cuda", "bf16-mixed")
    assert not trains_in_tf32("cpu", "32-true")


def test_a_mac(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert device_type("gpu") == device_type("auto") == "mps"
    assert bfloat16_hardware("mps") is None
    assert choose_precision("mps")[0] == "32-true"
    assert not prefers_channels_last("mps", is_half=True)


def test_inference_in_float32_forbids_tf32(monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    monkeypatch.setattr(torch, "set_float32_matmul_precision", (found := []).append)
    with torch.device("meta"):
        model = gfm_r34(decoder_channels=[8] * 5)
    choose_inference_format(model, "cuda", "32-true")
    assert (torch.backends.cudnn.allow_tf32, found) == (False, ["highest"])
    choose_inference_format(model, "cuda", "bf16-mixed")
    assert (torch.backends.cudnn.allow_tf32, found[1:]) == (True, ["high"])
