"""Devices and precision, and two settings that may change speed but no result."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from arcvae.errors import ConfigError
from arcvae.training.hardware import flush_denormals, keep_freed_memory, pick_device, resolve_precision

Patch = pytest.MonkeyPatch


def machine(
    patch: Patch, *, cuda: bool = False, mps: bool = False, bf16: bool = False, cpu: tuple[str, ...] = ()
) -> None:
    patch.setattr(torch.cuda, "is_available", lambda: cuda)
    patch.setattr(torch.backends.mps, "is_available", lambda: mps)
    patch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: bf16 or including_emulation)
    patch.setattr(torch.cpu, "get_capabilities", lambda: dict.fromkeys(cpu, True))


@pytest.mark.parametrize(
    ("accelerator", "cuda", "mps", "device"),
    [
        ("cpu", True, True, "cpu"), ("auto", True, True, "cuda"), ("auto", False, True, "mps"),
        ("auto", False, False, "cpu"), ("gpu", True, False, "cuda"), ("cuda", True, False, "cuda"),
        ("mps", False, True, "mps"),
    ],
)  # fmt: skip
def test_device_of_an_accelerator(monkeypatch: Patch, accelerator: str, cuda: bool, mps: bool, device: str) -> None:
    machine(monkeypatch, cuda=cuda, mps=mps)
    assert pick_device(accelerator).type == device


@pytest.mark.parametrize("accelerator", ["gpu", "cuda", "mps"])
def test_device_that_is_not_there_is_refused(monkeypatch: Patch, accelerator: str) -> None:
    machine(monkeypatch)
    with pytest.raises(ConfigError, match=f"accelerator={accelerator}: this machine has no such device; use .*cpu"):
        pick_device(accelerator)
    with pytest.raises(ConfigError, match=rf"^trainer\.accelerator={accelerator}: .*; use trainer\.accelerator=cpu$"):
        pick_device(accelerator, "trainer.accelerator")


@pytest.mark.parametrize(
    ("accelerator", "there", "precision"),
    [
        ("cpu", {"cpu": ("avx512_bf16",)}, "bf16-mixed"),
        ("cpu", {"cpu": ("amx_bf16",)}, "bf16-mixed"),
        ("cpu", {"cpu": ("avx512",)}, "32-true"),
        ("auto", {"cuda": True, "bf16": True}, "bf16-mixed"),
        ("gpu", {"cuda": True, "bf16": False}, "32-true"),  # emulated bfloat16 is slower than float32
        ("cpu", {"cuda": True, "bf16": True}, "32-true"),  # what counts is what computes
        ("auto", {"mps": True, "cpu": ("amx_bf16",)}, "32-true"),
        ("mps", {"mps": True}, "32-true"),
    ],
)
def test_automatic_precision(monkeypatch: Patch, accelerator: str, there: dict[str, object], precision: str) -> None:
    machine(monkeypatch, **there)  # type: ignore[arg-type]
    assert resolve_precision("auto", accelerator) == precision
    assert resolve_precision("16-mixed", accelerator) == "16-mixed"


@pytest.fixture
def _denormals() -> Iterator[None]:
    yield
    torch.set_flush_denormal(False)


@pytest.mark.usefixtures("_denormals")
def test_denormals_are_flushed_and_ordinary_numbers_are_not() -> None:
    small = torch.tensor([1e-39, 1e-37])
    torch.set_flush_denormal(False)
    assert (small * 1.0 > 0).tolist() == [True, True]
    flush_denormals()
    assert (small * 1.0 > 0).tolist() == [False, True]


def test_memory_setting_may_be_asked_for_anywhere_any_number_of_times(monkeypatch: Patch) -> None:
    keep_freed_memory()

    def missing(_: str) -> None:
        raise OSError("no libc.so.6")

    monkeypatch.setattr("ctypes.CDLL", missing)  # another system
    keep_freed_memory()
