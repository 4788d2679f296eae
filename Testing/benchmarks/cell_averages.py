"""How long the exact averages of a clinical dose over a thousand cells take, and how exact they are.

    python3 run.py benchmark cell_averages [--cells 10]

A dose of 512 x 512 x 186 voxels (0.98 x 0.98 x 3 mm), cells of 10 mm with a pitch of 12 mm (`--cells` an edge), along
the grid and turned about one or three axes. Prints a table, and writes it to
Testing/benchmarks/results/cell_averages.md. Seconds are of the processor (one thread, whatever else it does), operator
and averages together, the best of three. The error of the energy is the largest over all voxels that cells of 10 mm
without gaps divide among themselves, on a smaller grid of the same voxels.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "Dose3D"))
RESULTS = Path(__file__).with_name("results") / "cell_averages.md"
SPACING = (3.0, 0.9766, 0.9766)
TURNS = {"along the grid": (0, 0, 0), "turned about one axis": (0, 0, 20), "turned about three": (17, -33, 61)}


def cells_at(places: np.ndarray, degrees: tuple[float, ...], middle: np.ndarray):
    """Cells of 10 mm in a turned lattice."""
    from Dose3DLib.geometry.cells import Cells
    from scipy.spatial.transform import Rotation

    axes = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix()
    return Cells(tuple(map(str, range(len(places)))), middle + places @ axes.T, np.full(places.shape, 10.0), axes)


def lattice(count: int, pitch: float) -> np.ndarray:
    steps = (np.arange(count) - (count - 1) / 2) * pitch
    return np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)


def seconds(cells, grid, dose: np.ndarray, model: str) -> tuple[float, int]:
    """Best of three, and the number of weights."""
    from Dose3DLib.dose.cell_operator import cell_operator

    best = np.inf
    for _ in range(3):
        start = time.process_time()
        operator = cell_operator(cells, grid, model)
        operator.apply(dose)
        best = min(best, time.process_time() - start)
    return best, operator.matrix.nnz


def energy_error(degrees: tuple[float, ...], model: str) -> float:
    """Largest relative difference between a voxel's volume and what the cells of a tiling have of it."""
    from Dose3DLib.dose.cell_operator import cell_operator
    from Dose3DLib.geometry.grid import Grid

    grid = Grid.axial((14, 40, 44), SPACING, (-20.0, -18.0, -19.0))
    cells = cells_at(lattice(12, 10.0), degrees, grid.corners_mm().mean(axis=0) + 0.37)
    operator = cell_operator(cells, grid, model)
    kept = operator.adjoint(cells.volumes_mm3 * operator.fraction)
    return float(np.abs(kept / grid.voxel_volume_mm3 - 1).max())


def main() -> None:
    from Dose3DLib.geometry.grid import Grid

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=10)
    options = parser.parse_args()
    grid = Grid.axial((186, 512, 512), SPACING, (-250.0, -250.0, -279.0))
    dose = np.random.default_rng(0).random(grid.shape, np.float32)
    places, middle = lattice(options.cells, 12.0), grid.corners_mm().mean(axis=0)
    lines = [f"{len(places)} cells of 10 mm, dose of 512 x 512 x 186 voxels, one thread.", ""]
    lines += ["| cells | dose between voxels | s | weights | error of the energy |", "|---|---|---|---|---|"]
    for name, degrees in TURNS.items():
        for model in ("linear", "constant"):
            taken, weights = seconds(cells_at(places, degrees, middle), grid, dose, model)
            lines.append(f"| {name} | {model} | {taken:.2f} | {weights:,} | {energy_error(degrees, model):.0e} |")
            print(lines[-1])
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
