"""Which processor computes, and what to do when its memory runs out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from ..core.errors import InputError, ResourceError
from ..core.progress import Progress

__all__ = ["DEVICE_SETTINGS", "DeviceChoice", "choose_device", "with_memory_fallback"]

DEVICE_SETTINGS = ("auto", "cpu", "cuda", "mps")
"""What a task's `device` setting may be."""

T = TypeVar("T")


@dataclass(frozen=True)
class DeviceChoice:
    """A torch device's name (cpu, cuda, mps) and why it was chosen, for report and provenance."""

    name: str
    reason: str


def choose_device(setting: str = "auto") -> DeviceChoice:
    """The device for a setting of `DEVICE_SETTINGS`; "auto" takes a graphics card that works, else the processor.

    Raises
    ------
    InputError
        the device that was asked for cannot be used here; says why.
    """
    if setting not in DEVICE_SETTINGS:
        raise InputError("--device", f'"{setting}" is no device', f"choose from {', '.join(DEVICE_SETTINGS)}")
    if setting == "cpu":
        return DeviceChoice("cpu", "asked for")
    problems = {name: problem() for name, problem in (("cuda", _cuda_problem), ("mps", _mps_problem))}
    if setting != "auto":
        if problems[setting]:
            raise InputError(f"--device {setting}", problems[setting], "use --device auto or --device cpu")
        return DeviceChoice(setting, "asked for")
    for name, problem in problems.items():
        if not problem:
            return DeviceChoice(name, f"{_card_name(name)} is present and works")
    return DeviceChoice("cpu", "; ".join(problems.values()))


def _cuda_problem() -> str:
    """Why CUDA cannot be used, or an empty string; a card that this torch holds no code for is a reason, too."""
    import torch

    if not torch.cuda.is_available():
        return "no CUDA card" if torch.backends.cuda.is_built() else "this torch is built without CUDA"
    major, minor = torch.cuda.get_device_capability()
    if not _is_supported(major, minor, torch.cuda.get_arch_list()):
        return f"this torch holds no code for {torch.cuda.get_device_name()} (compute capability {major}.{minor})"
    try:
        torch.ones(8, device="cuda").sum().item()
    except RuntimeError as error:
        return f"CUDA does not work ({str(error).strip().splitlines()[0]})"
    return ""


def _is_supported(major: int, minor: int, built_for: list[str]) -> bool:
    """Binary code (sm_86) runs on cards of the same major and no lower minor number, PTX (compute_90) on all newer.

    Source: CUDA C++ Programming Guide, "Binary compatibility" and "PTX compatibility". Names with a letter at the
    end (sm_90a) hold code for this very card only.
    """
    for name in built_for:
        kind, _, digits = name.partition("_")
        if digits[-1:].isalpha():
            if kind == "sm" and digits[:-1] == f"{major}{minor}":
                return True
            continue
        built = divmod(int(digits), 10)
        if kind == "sm" and built[0] == major and built[1] <= minor:
            return True
        if kind == "compute" and built <= (major, minor):
            return True
    return False


def _mps_problem() -> str:
    import torch

    if not torch.backends.mps.is_available():
        return "no Apple graphics processor (MPS)"
    return ""


def _card_name(name: str) -> str:
    import torch

    return torch.cuda.get_device_name() if name == "cuda" else "the Apple graphics processor"


def with_memory_fallback(
    attempt: Callable[[DeviceChoice, int], T], device: DeviceChoice, batch: int, progress: Progress
) -> T:
    """Run `attempt(device, batch)`; when memory runs out, again with half the batch, and last on the processor.

    The user is told of each step by a warning. The attempt must start afresh at each call.

    Raises
    ------
    ResourceError
        memory ran out on the processor with a batch of one.
    """
    while True:
        try:
            return attempt(device, batch)
        except Exception as error:
            if not _is_out_of_memory(error):
                raise
            problem = f"the memory of {device.name} did not suffice for {batch} at a time"
        # here the exception, which holds the attempt's tensors through its traceback, is gone
        _release(device)
        if batch > 1:
            batch //= 2
            progress.warn(f"{problem}; going on with {batch}")
        elif device.name != "cpu":
            device = DeviceChoice("cpu", problem)
            progress.warn(f"{problem}; going on with the processor, which takes longer")
        else:
            raise ResourceError("memory", "ran out", "close other programs, or use a smaller image or a crop")


def _is_out_of_memory(error: Exception) -> bool:
    """CUDA has a class for it; MPS and the CPU allocator raise a RuntimeError with these words."""
    import torch

    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    text = str(error)
    return isinstance(error, RuntimeError) and ("MPS backend out of memory" in text or "can't allocate memory" in text)


def _release(device: DeviceChoice) -> None:
    import torch

    if device.name == "cuda":
        torch.cuda.empty_cache()
    if device.name == "mps" and torch.backends.mps.is_available():
        torch.mps.empty_cache()
