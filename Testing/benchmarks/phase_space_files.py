"""IAEA phase spaces in and out: particles a second, beside numpy alone and particlezoo.

    python3 run.py benchmark phase_space_files [--particles 5000000] [--repeats 7] [--folder FOLDER]

Makes particles in memory, then writes and reads them in two kinds of records: 21 bytes (X, Y, U, V, as generated files
have them) and 33 bytes (with weight, ZLAST and LATCH, as BEAMnrc writes them). What numpy can do at best is to move
the bytes (`tofile`, `fromfile`) and to copy each stored field into a record or out of it; that is measured in one go,
which is the baseline, and in the pieces that Dose3D hands over, which stay in the cache. Dose3D does besides: signs of
energies and types, unit vectors, W, constants, checks of each value, the header with its statistics, and a file that
appears complete or not at all. particlezoo, a C++ library with a Python interface, hands over one particle after the
other.

All ways take turns in one process and thread; the median of the processor's seconds counts, since on a busy machine
the wall's clock measures the neighbours. The files lie in the system's page cache.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
RESULTS = Path(__file__).with_name("results") / "phase_space_files.md"
sys.path.insert(0, str(ROOT / "Dose3D"))

from Dose3DLib.phasespace.particles import Particles  # noqa: E402
from Dose3DLib.phasespace.phase_space import CHUNK  # noqa: E402
from Dose3DLib.phasespace.read import open_phase_space  # noqa: E402
from Dose3DLib.phasespace.write import FileFacts, open_writer  # noqa: E402

EXTRAS = (("ZLAST", "float32"), ("LATCH", "int32"))
PEER_PARTICLES = 200_000
GOAL_RATE, GOAL_SHARE = 5e6, 0.8


@dataclass(frozen=True)
class Case:
    """A kind of record: what a file says, the particles, and the record as numpy sees it."""

    name: str
    facts: FileFacts
    particles: Particles
    dtype: np.dtype


def make_particles(count: int) -> Particles:
    """Photons of a point source 27 cm before their plane."""
    rng = np.random.default_rng(0)
    x, y = rng.uniform(-7, 7, (2, count)).astype(np.float32)
    length = np.sqrt(x**2 + y**2 + np.float32(27**2))
    constant = {name: np.full(count, value, np.float32) for name, value in (("z", 27.0), ("weight", 0.1))}
    return Particles(
        species=np.ones(count, np.int8),
        energy=rng.uniform(0.01, 6, count).astype(np.float32),
        x=x,
        y=y,
        u=x / length,
        v=y / length,
        w=27 / length,
        is_new_history=rng.random(count) < 0.6,
        extras={"ZLAST": rng.uniform(0, 20, count).astype(np.float32), "LATCH": np.ones(count, np.int32)},
        **constant,
    )


def make_cases(count: int) -> list[Case]:
    particles = make_particles(count)
    start = [("type", "i1"), ("energy", "<f4"), ("x", "<f4"), ("y", "<f4"), ("u", "<f4"), ("v", "<f4")]
    short, long = np.dtype(start), np.dtype([*start, ("weight", "<f4"), ("ZLAST", "<f4"), ("LATCH", "<i4")])
    z = {"z": 27.0}
    return [
        Case("21", FileFacts("T", count, constants={**z, "weight": 0.1}), replace(particles, extras={}), short),
        Case("33", FileFacts("T", count, constants=z, extras=EXTRAS), particles, long),
    ]


# ---------------------------------------------------------------- ways to write and to read
def fields_of(case: Case) -> dict[str, np.ndarray]:
    """The columns that a record stores, ready to be copied: the signs are set already."""
    p = case.particles
    columns = {"type": p.species, "energy": np.where(p.is_new_history, -p.energy, p.energy), **p.extras}
    return {name: columns[name] if name in columns else getattr(p, name) for name in case.dtype.names}


def numpy_write(path: Path, columns: dict[str, np.ndarray], dtype: np.dtype, piece: int) -> None:
    count = len(columns["x"])
    records = np.empty(min(piece, count), dtype)
    with path.open("wb") as file:
        for start in range(0, count, piece):
            part = records[: min(piece, count - start)]
            for name, values in columns.items():
                part[name] = values[start : start + piece]
            part.tofile(file)


def numpy_read(path: Path, dtype: np.dtype, piece: int) -> None:
    with path.open("rb") as file:
        while len(records := np.fromfile(file, dtype, piece)):
            for name in dtype.names:
                np.ascontiguousarray(records[name])


def our_write(path: Path, case: Case) -> None:
    with open_writer(path, case.facts) as writer:
        for start in range(0, len(case.particles), CHUNK):
            writer.write(case.particles.select(slice(start, start + CHUNK)))


def our_read(path: Path) -> None:
    for _ in open_phase_space(path).chunks():
        pass


def peer_write(path: Path, case: Case, count: int) -> None:
    """particlezoo: a particle object each, made and written."""
    import particlezoo as pz

    fixed = pz.FixedValues()
    fixed.z_is_constant, fixed.constant_z = True, 27.0
    if "weight" in case.facts.constants:
        fixed.weight_is_constant, fixed.constant_weight = True, 0.1
    p = case.particles
    rows = [
        getattr(p, n)[:count].tolist() for n in ("energy", "x", "y", "z", "u", "v", "w", "is_new_history", "weight")
    ]
    writer, photon = pz.create_writer(str(path), fixed_values=fixed), pz.ParticleType.Photon
    for row in zip(*rows, strict=True):
        writer.write_particle(pz.Particle(photon, *row))
    writer.close()


def peer_read(path: Path, count: int) -> None:
    import particlezoo as pz

    reader = pz.create_reader(str(path))
    for _ in range(count):
        p = reader.get_next_particle()
        _ = p.kinetic_energy, p.x, p.y, p.z, p.px, p.py, p.pz, p.weight, p.is_new_history
    reader.close()


# ---------------------------------------------------------------- measuring
def seconds_of(work: Callable[[], None], path: Path | None) -> tuple[float, float]:
    """Processor's and wall's seconds; a file that is written is removed before, not while the clock runs."""
    if path is not None:
        for one in (path, path.with_suffix(".IAEAheader")):
            one.unlink(missing_ok=True)
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.process_time() - cpu, time.perf_counter() - wall


def measure(case: Case, folder: Path, repeats: int) -> list[tuple[str, str, float, float]]:
    """(write or read, way, particles a second of the processor, of the wall)."""
    count, columns = len(case.particles), fields_of(case)
    theirs, ours, peers = folder / "numpy.bin", folder / "ours.IAEAphsp", folder / "peer.IAEAphsp"
    some = min(PEER_PARTICLES, count)
    ways: dict[tuple[str, str], tuple[Callable[[], None], Path | None, int]] = {
        ("write", "numpy, in one go"): (lambda: numpy_write(theirs, columns, case.dtype, count), theirs, count),
        ("write", "numpy, in pieces"): (lambda: numpy_write(theirs, columns, case.dtype, CHUNK), theirs, count),
        ("write", "**Dose3D**"): (lambda: our_write(ours, case), ours, count),
        ("read", "numpy, in one go"): (lambda: numpy_read(ours, case.dtype, count), None, count),
        ("read", "numpy, in pieces"): (lambda: numpy_read(ours, case.dtype, CHUNK), None, count),
        ("read", "**Dose3D**"): (lambda: our_read(ours), None, count),
    }
    if has_peer():
        ways["write", "particlezoo"] = (lambda: peer_write(peers, case, some), peers, some)
        ways["read", "particlezoo"] = (lambda: peer_read(ours, some), None, some)
    found: dict[tuple[str, str], list[tuple[float, float]]] = {key: [] for key in ways}
    for turn in range(repeats):
        for key, (work, path, _) in ways.items():
            found[key].append(seconds_of(work, path))
        print(f"  {case.name} bytes: turn {turn + 1} of {repeats}", file=sys.stderr)
    medians = {key: [statistics.median(times) for times in zip(*runs, strict=True)] for key, runs in found.items()}
    return [(*key, ways[key][2] / cpu, ways[key][2] / wall) for key, (cpu, wall) in medians.items()]


def has_peer() -> bool:
    try:
        import particlezoo  # noqa: F401
    except ImportError:
        return False
    return True


def same_bytes(case: Case, folder: Path) -> bool:
    """Our file is that of numpy, byte for byte: nobody is faster by doing less."""
    return (folder / "numpy.bin").read_bytes() == (folder / "ours.IAEAphsp").read_bytes()


# ---------------------------------------------------------------- printing
def rows_of(case: Case, found: list[tuple[str, str, float, float]]) -> list[list[str]]:
    rows = []
    for what in ("write", "read"):
        rates = {way: (cpu, wall) for kind, way, cpu, wall in found if kind == what}
        ours = rates["**Dose3D**"][0]
        for way, (cpu, wall) in rates.items():
            rows.append([case.name, what, way, f"{cpu / 1e6:.2f}", f"{wall / 1e6:.2f}", f"{ours / cpu:.2f}"])
    return rows


def verdicts(rows: list[list[str]]) -> list[str]:
    lines = []
    for case, what, way, cpu, *_ in rows:
        if way != "**Dose3D**":
            continue
        shares = {row[2]: float(row[5]) for row in rows if row[:2] == [case, what]}
        good = float(cpu) * 1e6 >= GOAL_RATE and shares["numpy, in one go"] >= GOAL_SHARE
        parts = [f"{100 * shares[way]:.0f} % of {way}" for way in ("numpy, in one go", "numpy, in pieces")]
        lines.append(f"- {what}, {case} bytes: {'reached' if good else 'MISSED'} ({cpu} M/s; {'; '.join(parts)})")
    return lines


def as_markdown(rows: list[list[str]], count: int, same: bool) -> str:
    headings = [
        "bytes a record",
        "",
        "way",
        "M particles/s, processor",
        "M particles/s, wall",
        "Dose3D is x times as fast",
    ]
    lines = [f"IAEA phase spaces of {count:,} particles (particlezoo: {min(PEER_PARTICLES, count):,})", ""]
    lines += ["| " + " | ".join(cells) + " |" for cells in (headings, ["---"] * len(headings), *rows)]
    lines += [
        "",
        f"Goal: {GOAL_RATE / 1e6:g} M/s and {100 * GOAL_SHARE:g} % of numpy's tofile/fromfile with the fields copied:",
    ]
    lines += [*verdicts(rows), ""]
    lines += [f"Our records are numpy's byte for byte: {'yes' if same else 'NO'}. Medians; one thread; page cache."]
    load = f", load average {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    lines += ["", f"{os.cpu_count()} cores, Python {platform.python_version()}, numpy {np.__version__}, "
              f"{platform.system()}{load}."]  # fmt: skip
    lines += ["", "Made by `python3 run.py benchmark phase_space_files`."]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--particles", type=int, default=5_000_000)
    parser.add_argument("--repeats", type=int, default=7, help="turns of each way; the median counts")
    parser.add_argument("--folder", type=Path, help="where the files are written (default: the system's temporary one)")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    rows, same = [], True
    with tempfile.TemporaryDirectory(prefix="dose3d-files-", dir=options.folder) as folder:
        for case in make_cases(options.particles):
            rows += rows_of(case, measure(case, Path(folder), options.repeats))
            same &= same_bytes(case, Path(folder))
    text = as_markdown(rows, options.particles, same)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
