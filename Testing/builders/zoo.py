"""particlezoo as the judge of files: reads any format it knows into columns, and converts with its own writers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

COLUMNS = ("species", "energy", "x", "y", "z", "u", "v", "w", "weight", "starts")
_SPECIES = {22: 1, 11: 2, -11: 3, 2112: 4, 2212: 5}

_CONVERT = """
import sys, particlezoo as zoo
source, kind, target, form, *options = sys.argv[1:]
chosen = zoo.ArgParser.parse_args(["x", *options, "in", "out"], "") if options else zoo.UserOptions()
reader = zoo.create_reader_for_format(kind, source)
writer = zoo.create_writer_for_format(form, target, chosen)
for particle in reader:
    writer.write_particle(particle)
writer.close()
"""


def read(path: Path, form: str) -> tuple[dict[str, np.ndarray], int, int]:
    """Columns, the number of particles and of original histories that the header says."""
    import particlezoo as zoo

    reader = zoo.create_reader_for_format(form, str(path))
    rows = [
        (_SPECIES[p.get_pdg_code()], p.kinetic_energy / zoo.MeV, p.x / zoo.cm, p.y / zoo.cm, p.z / zoo.cm, p.px, p.py,
         p.pz, p.weight, p.is_new_history)
        for p in reader
    ]  # fmt: skip
    counts = reader.get_number_of_particles(), reader.get_number_of_original_histories()
    reader.close()
    return dict(zip(COLUMNS, np.array(rows).T, strict=True)), *counts


def convert(source: Path, kind: str, target: Path, form: str, *options: str) -> Path:
    """A process of its own: options are parsed once a process there."""
    command = [sys.executable, "-c", _CONVERT, str(source), kind, str(target), form, *options]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    return target


def difference(found: dict[str, np.ndarray], particles, name: str) -> float:
    """Largest difference of a column."""
    own = getattr(particles, "is_new_history" if name == "starts" else name)
    return float(np.abs(found[name] - own.astype(np.float64)).max())
