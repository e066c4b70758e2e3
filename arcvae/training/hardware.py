"""What this machine computes on and how: device, precision, and two settings that make a CPU faster."""

from __future__ import annotations

import ctypes

import torch

from arcvae.errors import ConfigError


def pick_device(accelerator: str) -> torch.device:
    """The device that an ``accelerator`` of the config means here.

    Raises:
        ConfigError: There is no such device.
    """
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    wanted = {"gpu": "cuda", "auto": next(name for name in there if there[name])}.get(accelerator, accelerator)
    if not there[wanted]:
        raise ConfigError(f"accelerator={accelerator}: there is no such device here; use accelerator=cpu")
    return torch.device(wanted)


def resolve_precision(precision: str, accelerator: str) -> str:
    """What ``precision=auto`` means here: bfloat16 where the processor computes with it, else float32."""
    if precision != "auto":
        return precision
    if accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "32-true"
    if accelerator == "mps" or (accelerator == "auto" and torch.backends.mps.is_available()):
        return "32-true"
    capabilities = torch.cpu.get_capabilities()
    return "bf16-mixed" if capabilities.get("avx512_bf16") or capabilities.get("amx_bf16") else "32-true"


def keep_freed_memory() -> None:
    """Have glibc keep what training frees instead of giving it back after every step.

    Each step would otherwise touch its activations as fresh pages again: about 2,400 page faults, a tenth of the
    time of a step of the reference model on two cores. A no-op on other systems.
    """
    trim_threshold, mmap_threshold = -1, -3  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD of malloc.h
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return
    mallopt(mmap_threshold, 32 << 20)  # the largest that glibc accepts
    mallopt(trim_threshold, 1 << 30)


def flush_denormals() -> None:
    """Have the processor take numbers below 1e-38 for 0, which they are for all that training does with them.

    Adam's averages of a gradient that has become 0 shrink through that range for thousands of steps, and arithmetic
    on them is 40 times slower on a CPU: a run became twice as slow within ten epochs. Threads that torch has started
    before do not notice; call it early.
    """
    torch.set_flush_denormal(True)
