"""Device and precision on this machine, and two settings that make training on a CPU faster."""

from __future__ import annotations

import ctypes

import torch

from arcvae.errors import ConfigError


def pick_device(accelerator: str, key: str = "accelerator") -> torch.device:
    """The device that ``accelerator`` in a config stands for on this machine.

    Args:
        accelerator: "auto", "cpu", "gpu", "cuda" or "mps".
        key: Its key in the config, for the message.

    Raises:
        ConfigError: This machine has no such device.
    """
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    wanted = {"gpu": "cuda", "auto": next(name for name in there if there[name])}.get(accelerator, accelerator)
    if not there[wanted]:
        raise ConfigError(f"{key}={accelerator}: this machine has no such device; use {key}=cpu")
    return torch.device(wanted)


def resolve_precision(precision: str, accelerator: str) -> str:
    """The precision that ``precision=auto`` stands for: bfloat16 if the hardware supports it natively, else float32."""
    if precision != "auto":
        return precision
    if accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "32-true"
    if accelerator == "mps" or (accelerator == "auto" and torch.backends.mps.is_available()):
        return "32-true"
    capabilities = torch.cpu.get_capabilities()
    return "bf16-mixed" if capabilities.get("avx512_bf16") or capabilities.get("amx_bf16") else "32-true"


def keep_freed_memory() -> None:
    """Make glibc keep freed memory instead of returning it to the system after every step.

    Otherwise each step allocates its activations on fresh pages: about 2,400 page faults, a tenth of the time of a
    step of the reference model on two cores. Does nothing on other systems.
    """
    trim_threshold, mmap_threshold = -1, -3  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD of malloc.h
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return
    mallopt(mmap_threshold, 32 << 20)  # the largest that glibc accepts
    mallopt(trim_threshold, 1 << 30)


def flush_denormals() -> None:
    """Make the CPU treat denormal numbers, those below 1e-38, as 0; training does not need them.

    Adam's running averages of a gradient that has become 0 decay through that range for thousands of steps, and
    arithmetic on denormal numbers is 40 times slower: a run became twice as slow within ten epochs. Threads that torch
    has already started are not affected, so call this early.
    """
    torch.set_flush_denormal(True)
