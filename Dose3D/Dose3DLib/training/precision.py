"""Which number format a network computes in: bfloat16 pays where the processor or the card has units for it."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Literal

__all__ = ["Precision", "autocast", "choose_precision", "processor_has_bfloat16"]

Precision = Literal["auto", "float32", "bfloat16"]


def processor_has_bfloat16() -> bool:
    """True when this processor multiplies bfloat16 in hardware (AVX512-BF16 or AMX); else it would be slower."""
    import torch

    capabilities = torch.backends.cpu.get_cpu_capability() if torch.backends.cpu else ""
    return "AMX" in capabilities or bool(getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)())


def choose_precision(setting: Precision, device: str) -> str:
    """`float32` or `bfloat16` for a device type (`cpu`, `cuda`, `mps`)."""
    import torch

    if setting != "auto":
        return setting
    if device == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    return "bfloat16" if device == "cpu" and processor_has_bfloat16() else "float32"


def autocast(precision: str, device: str) -> AbstractContextManager:
    """Torch's autocast for `bfloat16`, nothing for `float32`."""
    import torch

    return torch.autocast(device, torch.bfloat16) if precision == "bfloat16" else nullcontext()
