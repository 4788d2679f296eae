"""Choice of device and the way out when memory ends; cards are imitated, since most machines have none."""

from __future__ import annotations

import types

import pytest
from Dose3DLib.core.errors import InputError, ResourceError
from Dose3DLib.core.progress import Progress
from Dose3DLib.training import device
from Dose3DLib.training.device import DeviceChoice, choose_device, with_memory_fallback

torch = pytest.importorskip("torch")


@pytest.fixture
def machine(monkeypatch):
    """Make torch believe in cards: machine(cuda=(8, 6)) has one of that capability, machine(mps=True) an Apple one."""

    def make(cuda=None, arch=("sm_80", "sm_90", "compute_90"), works=True, mps=False):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda is not None)
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda *_: cuda)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda *_: "NVIDIA Toy")
        monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: list(arch))
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)

        def ones(*_, device):
            if not works:
                raise RuntimeError("CUDA error: device busy\nmore words")
            return types.SimpleNamespace(sum=lambda: types.SimpleNamespace(item=lambda: 8.0))

        monkeypatch.setattr(torch, "ones", ones)

    return make


def test_cpu_when_asked(machine):
    machine(cuda=(8, 0))
    assert choose_device("cpu") == DeviceChoice("cpu", "asked for")


def test_auto_takes_a_card_that_works(machine):
    machine(cuda=(8, 6))
    assert choose_device() == DeviceChoice("cuda", "NVIDIA Toy is present and works")
    machine(mps=True)
    assert choose_device("auto").name == "mps"


def test_auto_without_a_card_says_why(machine):
    machine()
    choice = choose_device("auto")
    assert choice.name == "cpu"
    assert "CUDA" in choice.reason
    assert "MPS" in choice.reason


def test_auto_leaves_a_card_that_torch_does_not_support(machine):
    machine(cuda=(6, 1))
    choice = choose_device("auto")
    assert choice.name == "cpu"
    assert "no code for NVIDIA Toy (compute capability 6.1)" in choice.reason


def test_auto_leaves_a_card_that_fails(machine):
    machine(cuda=(8, 0), works=False)
    choice = choose_device("auto")
    assert choice.name == "cpu"
    assert "CUDA does not work (CUDA error: device busy)" in choice.reason


@pytest.mark.parametrize(("setting", "cause"), [("cuda", "CUDA"), ("mps", "MPS")])
def test_asked_for_but_absent(machine, setting, cause):
    machine()
    with pytest.raises(InputError, match=f"--device {setting}: .*{cause}.*; use --device auto or --device cpu"):
        choose_device(setting)


def test_unknown_device():
    with pytest.raises(InputError, match='--device: "gpu" is no device; choose from auto, cpu, cuda, mps'):
        choose_device("gpu")


@pytest.mark.parametrize(
    ("card", "built_for", "fits"),
    [
        ((8, 6), ["sm_80"], True),  # same major, higher minor
        ((8, 0), ["sm_86"], False),  # lower minor
        ((9, 0), ["sm_80"], False),  # binary code does not cross majors
        ((9, 0), ["compute_80"], True),  # PTX does
        ((7, 5), ["compute_80"], False),
        ((9, 0), ["sm_90a"], True),
        ((9, 1), ["sm_90a"], False),
        ((12, 0), ["sm_90", "sm_120"], True),
        ((6, 1), [], False),
    ],
)
def test_cards_and_the_code_that_runs_on_them(card, built_for, fits):
    assert device._is_supported(*card, built_for) is fits


def out_of_memory(kind: str) -> Exception:
    if kind == "cuda":
        return torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 7.00 GiB")
    words = {
        "mps": "MPS backend out of memory (MPS allocated: 5 GB)",
        "cpu": "DefaultCPUAllocator: can't allocate memory",
    }
    return RuntimeError(words[kind]) if kind in words else MemoryError()


@pytest.mark.parametrize("kind", ["cuda", "mps", "cpu", "python"])
def test_memory_fallback_halves_then_leaves_the_card(kind):
    tried, heard = [], []

    def attempt(choice, batch):
        tried.append((choice.name, batch))
        if choice.name != "cpu":
            raise out_of_memory(kind)
        return "done"

    progress = Progress(heard.append)
    name = "mps" if kind == "mps" else "cuda"
    assert with_memory_fallback(attempt, DeviceChoice(name, ""), 4, progress) == "done"
    assert tried == [(name, 4), (name, 2), (name, 1), ("cpu", 1)]
    assert progress.warnings == [
        f"the memory of {name} did not suffice for 4 at a time; going on with 2",
        f"the memory of {name} did not suffice for 2 at a time; going on with 1",
        f"the memory of {name} did not suffice for 1 at a time; going on with the processor, which takes longer",
    ]
    assert [event["event"] for event in heard] == ["warning"] * 3


def test_memory_fallback_stops_at_half_a_batch_that_fits():
    def attempt(choice, batch):
        if batch > 2:
            raise out_of_memory("cuda")
        return choice.name, batch

    assert with_memory_fallback(attempt, DeviceChoice("cuda", ""), 8, Progress()) == ("cuda", 2)


def test_memory_that_ends_on_the_processor_is_an_error_with_a_remedy():
    def attempt(choice, batch):
        raise out_of_memory("cpu")

    with pytest.raises(ResourceError, match="memory: ran out; close other programs"):
        with_memory_fallback(attempt, DeviceChoice("cpu", ""), 2, Progress())


def test_the_failed_attempt_is_released_before_the_next():
    """Its tensors hang on the exception's traceback; kept alive they would fill the card for ever."""
    alive, seen = [], []

    class Tensor:
        def __init__(self):
            alive.append(1)

        def __del__(self):
            alive.pop()

    def attempt(choice, batch):
        seen.append(len(alive))
        block = Tensor()
        if batch > 1:
            raise out_of_memory("cuda")
        return block is not None

    assert with_memory_fallback(attempt, DeviceChoice("cuda", ""), 4, Progress())
    assert seen == [0, 0, 0]


@pytest.mark.parametrize("error", [RuntimeError("shapes differ"), ValueError("x")])
def test_other_errors_pass(error):
    def attempt(choice, batch):
        raise error

    with pytest.raises(type(error), match=str(error)):
        with_memory_fallback(attempt, DeviceChoice("cuda", ""), 4, Progress())


def test_a_real_attempt_on_the_processor():
    choice = choose_device("cpu")
    assert with_memory_fallback(lambda c, n: torch.ones(n, device=c.name).sum().item(), choice, 4, Progress()) == 4.0
