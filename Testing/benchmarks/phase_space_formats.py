"""Photons a second, written and read, in every format; particlezoo's beside them.

    python3 run.py benchmark phase_space_formats [--photons 1000000] [--judge 100000]

Prints a table and writes it to Testing/benchmarks/results/phase_space_formats.md. Figures are photons by the seconds
that one core worked (not by the clock: the disk is not measured, and other work on the machine counts less), the best
of three runs, files in the system's temporary folder. particlezoo hands over one particle at a time: it is timed on a
loop in Python, the only door that it has.
"""

from __future__ import annotations

import argparse
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "Dose3D")]

from Dose3DLib.phasespace.particles import Particles  # noqa: E402
from Dose3DLib.phasespace.phase_space import CHUNK  # noqa: E402
from Dose3DLib.phasespace.read import open_phase_space  # noqa: E402
from Dose3DLib.phasespace.write import FORMATS, FileFacts, files_of, open_writer  # noqa: E402

ENDINGS = {"iaea": ".IAEAphsp", "egs-mode0": ".egsphsp1", "egs-mode2": ".egsphsp1", "peneasy": ".dat", "npy": ".npy",
           "npz": ".npz", "root": ".root", "mcpl": ".mcpl"}  # fmt: skip
IN_THE_ZOO = {"iaea": "IAEA", "egs-mode0": "EGS", "egs-mode2": "EGS", "topas": "TOPAS", "topas-ascii": "TOPAS",
              "topas-limited": "TOPAS", "peneasy": "penEasy"}  # fmt: skip
WRITTEN_BY_THE_ZOO = ("iaea", "egs-mode0", "topas", "peneasy")
"""Unless it is told other, and it can be told once a process."""
RESULTS = Path(__file__).with_name("results") / "phase_space_formats.md"
RUNS = 3


def photons(count: int) -> Particles:
    """A beam from a point, seven digits in every value."""
    rng = np.random.default_rng(1)
    x, y = rng.uniform(-7, 7, (2, count)).astype(np.float32)
    length = np.sqrt(x.astype(float) ** 2 + y.astype(float) ** 2 + 27.0**2)
    return Particles(
        np.ones(count, np.int8), rng.exponential(1.4, count).astype(np.float32), x, y,
        np.full(count, 27, np.float32), (x / length).astype(np.float32), (y / length).astype(np.float32),
        (27 / length).astype(np.float32), np.full(count, 0.1, np.float32), rng.random(count) < 0.6,
    )  # fmt: skip


def best(work: Callable[[], object]) -> float:
    """Seconds of the fastest run."""
    seconds = []
    for _ in range(RUNS):
        start = time.process_time()
        work()
        seconds.append(time.process_time() - start)
    return min(seconds)


def write(path: Path, name: str, particles: Particles) -> None:
    with open_writer(path, FileFacts("benchmark", 10 * len(particles)), name, overwrite=True) as writer:
        for start in range(0, len(particles), CHUNK):
            writer.write(particles.select(slice(start, start + CHUNK)))


def read(path: Path) -> float:
    return sum(float(chunk.energy.sum()) for chunk in open_phase_space(path).chunks())


def zoo_read(path: Path, form: str) -> float:
    import particlezoo as zoo

    reader = zoo.create_reader_for_format(form, str(path))
    total = sum(particle.kinetic_energy for particle in reader)
    reader.close()
    return total


def zoo_write(path: Path, form: str, source: Path) -> float:
    """Seconds of writing alone: the particles are read first."""
    import particlezoo as zoo

    reader = zoo.create_reader_for_format("IAEA", str(source))
    particles = list(reader)
    reader.close()
    start = time.process_time()
    writer = zoo.create_writer_for_format(form, str(path))
    for particle in particles:
        writer.write_particle(particle)
    writer.close()
    return time.process_time() - start


def measure(folder: Path, count: int, judged: int) -> list[dict[str, object]]:
    """A row a format."""
    many, few = photons(count), photons(judged)
    source = folder / "few.IAEAphsp"
    write(source, "iaea", few)
    rows = []
    for name in FORMATS:
        path = folder / name / f"beam{ENDINGS.get(name, '.phsp')}"
        path.parent.mkdir()
        row: dict[str, object] = {"format": name}
        row["write"] = count / best(lambda path=path, name=name: write(path, name, many))
        row["bytes"] = sum(file.stat().st_size for file in files_of(path, name)) / count
        row["read"] = count / best(lambda path=path: read(path))
        if name in IN_THE_ZOO:
            form = IN_THE_ZOO[name]
            write(path, name, few)
            row["zoo read"] = judged / best(lambda path=path, form=form: zoo_read(path, form))
        if name in WRITTEN_BY_THE_ZOO:
            other = folder / f"zoo{path.suffix.removesuffix('1')}"
            row["zoo write"] = judged / min(zoo_write(other, form, source) for _ in range(RUNS))
        rows.append(row)
        for file in files_of(path, name):
            file.unlink()
    return rows


def table(rows: list[dict[str, object]]) -> str:
    """Markdown, in thousands a second."""

    def thousands(row: dict[str, object], key: str) -> str:
        return f"{row[key] / 1000:,.0f}" if key in row else "-"

    keys = ("write", "read", "zoo write", "zoo read")
    lines = ["| format | bytes a photon | written | read | particlezoo writes | particlezoo reads |",
             "|---|---|---|---|---|---|"]  # fmt: skip
    lines += [
        f"| {row['format']} | {row['bytes']:.0f} | {' | '.join(thousands(row, key) for key in keys)} |" for row in rows
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--photons", type=int, default=1_000_000)
    parser.add_argument("--judge", type=int, default=100_000, help="photons for particlezoo")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(Path(folder), options.photons, options.judge)
    text = f"""# Phase spaces in every format

Thousands of photons by the seconds that one core worked ({platform.machine()}, Python {platform.python_version()},
numpy {np.__version__}); {options.photons:,} photons, particlezoo {options.judge:,}. The disk is not in it.

{table(rows)}

Made by `python3 run.py benchmark phase_space_formats`.
"""
    print(text)
    RESULTS.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
