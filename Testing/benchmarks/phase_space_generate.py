"""How fast models make photons, in memory and in files.

    python3 run.py benchmark phase_space_generate [--model FOLDER ...] [--photons N]

One processor core (torch.set_num_threads(1)): photons a second of each shipped model in memory, and written to an IAEA
file, in seconds of the wall clock and of the processor; the latter is the fair figure on a busy machine. Beside them a
network of the size that gaga published (6 numbers in, 4 hidden layers of 400, 6 out; 486,406 weights) with random
weights, since its trained ones cannot be had: what it makes is no photon, its speed is the same.

What the pipeline itself takes (blocks to particles, packed records, disk) is measured with blocks that are there
already, for each binary format. The same code runs on a graphics card; where there is one, its photons a second follow,
with the rate at which it can write six float32 to its memory: no network is faster. Prints Markdown and writes
Testing/benchmarks/results/phase_space_generate.md.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
RESULTS = Path(__file__).with_name("results") / "phase_space_generate.md"
sys.path.insert(0, str(ROOT / "Dose3D"))

import torch  # noqa: E402
from Dose3DLib.core.progress import Progress  # noqa: E402
from Dose3DLib.phasespace.generate import Order, header_facts, write_photons  # noqa: E402
from Dose3DLib.phasespace.photon_model import BLOCK, PhotonModel, load_model  # noqa: E402
from Dose3DLib.phasespace.write import open_writer  # noqa: E402

SLOW_SECONDS = 4.0
"""A model is measured with as many blocks as take about this long, at least one."""

PIPELINE_FORMATS = {"iaea": "a.IAEAphsp", "egs-mode2": "a.egsphsp1", "topas": "a.phsp", "topas-limited": "a.phsp",
                    "npy": "a.npy"}  # fmt: skip
GAGA = (6, 400, 4)
"""Latent size, width and number of hidden layers of gaga's published generator."""


class Timing:
    """Photons a second of the wall clock and of the processor: the median of several runs."""

    def __init__(self, run: Callable[[], int], repeats: int):
        wall, cpu = [], []
        for _ in range(repeats):
            start = time.perf_counter(), time.process_time()
            photons = run()
            wall.append(photons / (time.perf_counter() - start[0]))
            cpu.append(photons / (time.process_time() - start[1]))
        self.wall, self.cpu = statistics.median(wall), statistics.median(cpu)


class Ready:
    """A model whose block is there already, so that only the pipeline takes time."""

    name, plane_cm, weight, histories_per_photon, conditions, facts = "ready", 27.0, 0.1, 2.5, (), {}

    def __init__(self, block: torch.Tensor):
        self._block = block

    def blocks(self, seed: int, count: int, device: str = "cpu", conditions: Any = ()) -> Iterator[torch.Tensor]:
        for start in range(0, count, BLOCK):
            yield self._block[: min(BLOCK, count - start)]


def gaga_network() -> torch.nn.Module:
    latent, width, layers = GAGA
    widths = [latent, *[width] * layers]
    hidden = [p for a, b in zip(widths[:-1], widths[1:], strict=True) for p in (torch.nn.Linear(a, b), torch.nn.ReLU())]
    return torch.nn.Sequential(*hidden, torch.nn.Linear(width, 6)).eval()


def gaga(photons: int, device: str, pieces: int) -> int:
    network = gaga_network().to(device)
    with torch.inference_mode():
        for _ in range(max(1, photons // pieces)):
            network(torch.randn((pieces, GAGA[0]), device=device))
    wait(device)
    return max(1, photons // pieces) * pieces


def in_memory(model: PhotonModel, photons: int, device: str = "cpu") -> int:
    middle = [(c.lowest + c.highest) / 2 for c in model.conditions]
    made = sum(len(block) for block in model.blocks(0, photons, device, middle))
    wait(device)
    return made


def to_file(model: Any, photons: int, path: Path, format: str | None = None) -> int:
    order = Order(photons, 0, "cpu", tuple((c.lowest + c.highest) / 2 for c in model.conditions))
    with open_writer(path, header_facts(model, order), format, overwrite=True) as writer:
        return write_photons(model, order, writer, None, Progress())


def wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def fitting(model: PhotonModel, photons: int, device: str = "cpu") -> int:
    """How many photons of this model are worth waiting for: whole blocks."""
    in_memory(model, 1, device)  # first calls prepare memory and kernels
    start = time.perf_counter()
    in_memory(model, BLOCK, device)
    blocks = int(SLOW_SECONDS / (time.perf_counter() - start))
    return BLOCK * max(1, min(blocks, -(-photons // BLOCK)))


# ---------------------------------------------------------------- measurements
def model_rows(models: list[PhotonModel], photons: int, repeats: int, folder: Path) -> list[list[str]]:
    rows = []
    for model in models:
        count = fitting(model, photons)
        memory = Timing(lambda model=model, count=count: in_memory(model, count), repeats)
        file = Timing(lambda model=model, count=count: to_file(model, count, folder / "a.IAEAphsp"), repeats)
        weights = sum(p.numel() for p in model.network.parameters())
        rows.append([f"{model.name} ({model.kind})", f"{weights:,}", *cells(memory), *cells(file)])
        print("  " + "  ".join(rows[-1]), file=sys.stderr)
    published = Timing(lambda: gaga(min(photons, 200_000), "cpu", 8192), repeats)
    weights = sum(p.numel() for p in gaga_network().parameters())
    return [*rows, ["gaga's published size, random weights", f"{weights:,}", *cells(published), "", ""]]


def pipeline_rows(photons: int, repeats: int, folder: Path) -> list[list[str]]:
    ready, rows = Ready(some_photons()), []
    for format, name in PIPELINE_FORMATS.items():
        timing = Timing(lambda format=format, name=name: to_file(ready, photons, folder / name, format), repeats)
        size = (folder / name).stat().st_size / photons
        rows.append([format, f"{size:.0f}", f"{1e6 / timing.wall:.3f}", f"{1e6 / timing.cpu:.3f}"])
    return rows


def some_photons() -> torch.Tensor:
    """A block of unit vectors downstream; what they are does not matter here."""
    generator = torch.Generator().manual_seed(0)
    numbers = torch.rand((BLOCK, 6), generator=generator) + 0.1
    numbers[:, 2:5] = torch.nn.functional.normalize(numbers[:, 2:5], dim=1)
    return numbers


def cells(timing: Timing) -> list[str]:
    return [rounded(timing.wall), rounded(timing.cpu)]


def rounded(rate: float) -> str:
    return f"{float(f'{rate:.3g}'):,.0f}"


def card_rows(models: list[PhotonModel], photons: int, repeats: int) -> list[list[str]]:
    """On the graphics card: models, gaga's size, and six float32 a photon written to memory."""
    rows = []
    for model in models:
        count = fitting(model, photons, "cuda")
        rows.append([model.name, rounded(Timing(lambda m=model, n=count: in_memory(m, n, "cuda"), repeats).wall)])
        model.network.to("cpu")
    gaga(BLOCK, "cuda", BLOCK)
    rows.append(
        ["gaga's published size, random weights", rounded(Timing(lambda: gaga(10**7, "cuda", BLOCK), repeats).wall)]
    )
    rows.append(["bytes alone: six float32 a photon", rounded(Timing(lambda: filled(10**8), repeats).wall)])
    return rows


def filled(photons: int) -> int:
    torch.empty((photons, 6), device="cuda").fill_(1.0)
    wait("cuda")
    return photons


# ---------------------------------------------------------------- report
def table(headings: list[str], rows: list[list[str]]) -> list[str]:
    return ["| " + " | ".join(line) + " |" for line in (headings, ["---"] * len(headings), *rows)]


def as_markdown(models: list[list[str]], pipeline: list[list[str]], card: list[list[str]]) -> str:
    headings = ["model", "weights", "in memory, photons/s", "a CPU second", "to IAEA, photons/s", "a CPU second"]
    lines = ["Photons a second on one processor core, median of the runs", "", *table(headings, models), ""]
    lines += ["What writing itself takes, with photons that are there already", ""]
    lines += [*table(["format", "bytes a photon", "s a million", "CPU s a million"], pipeline), ""]
    if card:
        lines += [f"On {torch.cuda.get_device_name()}", "", *table(["model", "photons/s"], card), ""]
    else:
        lines += ["No graphics card here.", ""]
    load = f", load average {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    versions = f"Python {platform.python_version()}, torch {torch.__version__}, {platform.system()}"
    lines += [f"{os.cpu_count()} cores, {versions}{load}.", ""]
    lines += ["Made by `python3 run.py benchmark phase_space_generate`."]
    return "\n".join(lines) + "\n"


def shipped() -> list[str]:
    from Dose3DLib.bundles.folder import shipped_bundles

    return shipped_bundles("phase_space")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", action="append", help="name or folder of a model (default: all that are shipped)")
    parser.add_argument("--photons", type=int, default=4_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    models = [load_model(name) for name in options.model or shipped()]
    with tempfile.TemporaryDirectory(prefix="dose3d-generate-") as folder:
        rows = model_rows(models, options.photons, options.repeats, Path(folder))
        pipeline = pipeline_rows(options.photons, options.repeats, Path(folder))
    card = card_rows(models, 50 * options.photons, options.repeats) if torch.cuda.is_available() else []
    text = as_markdown(rows, pipeline, card)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
