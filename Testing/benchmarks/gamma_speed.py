"""Gamma beside pymedphys: pass rates, and microseconds a point, in one run on the same points.

    python3 run.py benchmark gamma_speed [--points 3000] [--data SHARED_DATA] [--install]

Cases: two plan-like doses on unequal grids (made here), and with --data the two Eclipse doses of SlicerRT. pymedphys is
taken when it is there; --install gets it into an environment of its own (in the temporary folder). It looks in steps of
distance/interp_fraction, so it is run with 10 and with 30, to see where it goes. Beside it runs a search in steps
written in this file with SciPy, which shares no code with either. Times are of the processor (all threads), after a
first call, which compiles; those of fewer points include what a grid costs once. Prints a table, also written to
Testing/benchmarks/results/gamma_speed.md.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
RESULTS = Path(__file__).with_name("results") / "gamma_speed.md"
PEER = ["pymedphys==0.41.0", "numba==0.68.1", "scipy", "numpy"]
HIGHEST = 2.0

sys.path.insert(0, str(ROOT / "Dose3D"))


@dataclass(frozen=True)
class Case:
    """Two doses on upright grids with the axes of LPS, and criteria."""

    name: str
    reference: object
    evaluated: object
    criteria: object


# ---------------------------------------------------------------- the doses
def field(places: np.ndarray) -> np.ndarray:
    """Three crossing beams with penumbras and depth, Gy, at (..., 3) LPS mm."""
    from scipy.special import erf

    dose = np.zeros(places.shape[:-1])
    for degrees, weight in ((0, 25.0), (120, 22.0), (235, 24.0)):
        along = np.array([np.sin(np.radians(degrees)), np.cos(np.radians(degrees)), 0.0])
        depth = places @ along
        across = places @ np.array([along[1], -along[0], 0.0])
        edges = [
            (1 + erf((30 - np.abs(x)) / 4.5)) / 2 for x in (across + 4 * np.sin(places[..., 2] / 9), places[..., 2])
        ]
        dose += weight * np.exp(-0.004 * (depth + 100)) * edges[0] * edges[1] * 1.5
    return dose


def made() -> Case:
    """The evaluated dose is 2.2 mm aside, 2 % higher, with noise as of a Monte Carlo; another, finer grid."""
    from Dose3DLib.geometry.gamma import GammaCriteria
    from Dose3DLib.geometry.grid import Grid, Volume
    from scipy.ndimage import gaussian_filter

    volumes = []
    for shape, spacing, shift, scale in (((90, 110, 110), 2.0, 0.0, 1.0), ((100, 130, 130), 1.7, 2.2, 1.02)):
        origin = -spacing * (np.array(shape[::-1]) - 1) / 2
        grid = Grid.axial(shape, (spacing,) * 3, tuple(origin))
        k, j, i = np.meshgrid(*map(np.arange, shape), indexing="ij")
        dose = scale * field(grid.to_lps(np.stack([i, j, k], axis=-1)) - [shift, 0.4 * shift, 0])
        if shift:
            noise = gaussian_filter(np.random.default_rng(0).standard_normal(shape), 0.6)
            dose = dose * (1 + 0.012 * noise / noise.std())
        volumes.append(Volume(dose.astype(np.float32), grid))
    return Case("three beams, 2 mm against 1.7 mm", *volumes, GammaCriteria(3, 2, highest=HIGHEST))


def eclipse(folder: Path) -> Case:
    from Dose3DLib.geometry.gamma import GammaCriteria
    from Dose3DLib.geometry.volume_files import read_volume

    pair = [read_volume(folder / "dicom_slicerrt_eclipse" / f"{name}.nrrd")
            for name in ("EclipseEnt_Dose", "EclipseEnt_Dose_Day2")]  # fmt: skip
    return Case("Eclipse ENT, day 2 against day 1, 2.5 mm", *pair, GammaCriteria(3, 3, highest=HIGHEST))


# ---------------------------------------------------------------- the searches
def ours(case: Case, points: np.ndarray | None, **how) -> tuple[np.ndarray, float]:
    """Gamma at the points (all above the threshold where None), and seconds."""
    from Dose3DLib.geometry.gamma import gamma_index

    begin = time.process_time()
    gamma = gamma_index(case.reference, case.evaluated, case.criteria, points=points, **how)
    seconds = time.process_time() - begin
    return (gamma[np.isfinite(gamma)] if points is None else gamma.ravel()[points]), seconds


def stepwise(case: Case, points: np.ndarray, fraction: int) -> tuple[np.ndarray, float]:
    """All places of a lattice of distance/fraction, nearest first, as far as a point's gamma may still fall."""
    from scipy.ndimage import map_coordinates

    criteria, evaluated = case.criteria, case.evaluated
    dose = case.reference.array.ravel()[points].astype(float)
    width = criteria.dose_percent / 100 * case.reference.array.max()
    at = np.column_stack(np.unravel_index(points, case.reference.array.shape))[:, ::-1]
    places = case.reference.grid.to_lps(at)
    begin = time.process_time()
    line = np.arange(-fraction * HIGHEST, fraction * HIGHEST + 1) / fraction
    steps = np.stack(np.meshgrid(line, line, line, indexing="ij"), axis=-1).reshape(-1, 3)
    far = np.linalg.norm(steps, axis=1)
    order = np.argsort(far, kind="stable")
    order = order[far[order] <= HIGHEST]
    best = np.full(len(points), HIGHEST)
    last = np.array(evaluated.array.shape)[:, None] - 1
    for start in range(0, len(order), 64):
        some = order[start : start + 64]
        active = np.flatnonzero(best > far[some[0]])
        if not len(active):
            break
        where = (places[active, None] + criteria.distance_mm * steps[some]).reshape(-1, 3)
        index = evaluated.grid.to_index(where).T[::-1]
        found = map_coordinates(evaluated.array, index, np.float64, order=1, mode="nearest")
        found[((index < -1e-6) | (index > last + 1e-6)).any(axis=0)] = np.inf
        level = (found.reshape(len(active), -1) - dose[active, None]) / width
        best[active] = np.minimum(best[active], np.sqrt(level**2 + far[some] ** 2).min(axis=1))
    return best, time.process_time() - begin


_PEER_CODE = """
import json, sys, time
import numpy as np
import pymedphys
data = np.load(sys.argv[1])
axes = [[data[f"{side}{n}"] for n in range(3)] for side in ("reference_axis", "evaluated_axis")]
def run(reference):
    begin = time.process_time()
    gamma = pymedphys.gamma(tuple(axes[0]), reference, tuple(axes[1]), data["evaluated"], float(data["percent"]),
                            float(data["distance"]), lower_percent_dose_cutoff=float(data["threshold"]),
                            interp_fraction=int(sys.argv[3]), max_gamma=float(data["highest"]),
                            global_normalisation=float(data["normal"]))
    return gamma, time.process_time() - begin
few = np.zeros_like(data["reference"])
few.flat[data["points"][:20]] = data["reference"].flat[data["points"][:20]]
run(few)
chosen = np.zeros_like(data["reference"])
chosen.flat[data["points"]] = data["reference"].flat[data["points"]]
gamma, seconds = run(chosen)
np.savez(sys.argv[2], gamma=gamma.ravel()[data["points"]], seconds=seconds)
"""
"""Points that are not asked for are set to 0, below the threshold; so both look at the same ones."""


def pymedphys(python: str, case: Case, points: np.ndarray, fraction: int, room: Path) -> tuple[np.ndarray, float]:
    given, answer = room / "given.npz", room / "answer.npz"
    axes = {}
    for side in ("reference", "evaluated"):
        grid = getattr(case, side).grid
        for n, (count, step) in enumerate(zip(grid.shape, np.diag(grid.affine)[2::-1], strict=True)):
            axes[f"{side}_axis{n}"] = grid.affine[2 - n, 3] + step * np.arange(count)
    np.savez(
        given, **axes, reference=case.reference.array.astype(float), evaluated=case.evaluated.array.astype(float),
        percent=case.criteria.dose_percent, distance=case.criteria.distance_mm, highest=HIGHEST,
        threshold=case.criteria.threshold_percent, normal=float(case.reference.array.max()), points=points,
    )  # fmt: skip
    done = subprocess.run([python, "-c", _PEER_CODE, str(given), str(answer), str(fraction)], check=False,
                          capture_output=True, text=True)  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"pymedphys failed: {done.stderr.strip().splitlines()[-1:]}")
    found = np.load(answer)
    return np.nan_to_num(found["gamma"], nan=HIGHEST), float(found["seconds"])


def peer_python(install: bool, room: Path) -> str | None:
    """An interpreter that has pymedphys, or None."""
    if importlib.util.find_spec("pymedphys"):
        return sys.executable
    if not install:
        return None
    python = room / "peer" / ("Scripts" if os.name == "nt" else "bin") / "python"
    subprocess.run([sys.executable, "-m", "venv", str(room / "peer")], check=True)
    subprocess.run([str(python), "-m", "pip", "install", "--quiet", *PEER], check=True)
    return str(python)


# ---------------------------------------------------------------- the table
def measured(case: Case, count: int, python: str | None, room: Path) -> list[tuple[str, int, float, float, float]]:
    """Rows of name, points, pass rate in percent, mean gamma, microseconds a point."""
    rows = []

    def add(name: str, found: tuple[np.ndarray, float], with_mean: bool = True) -> None:
        gamma, seconds = found
        mean = float(gamma.mean()) if with_mean else float("nan")
        rows.append((name, len(gamma), 100 * float((gamma <= 1 + 1e-5).mean()), mean, 1e6 * seconds / len(gamma)))

    every = ours(case, None)[0]  # compiles, too
    print(f"{case.name}: {len(every):,} points", flush=True)
    add("Dose3D, all points", ours(case, None))
    add("Dose3D, all points, pass only", ours(case, None, is_pass_only=True), with_mean=False)
    plain = replace(case, criteria=replace(case.criteria, grid_points_only=True))
    add("Dose3D, all points, grid points only", ours(plain, None))
    level = case.criteria.threshold_percent / 100 * case.reference.array.max()
    eligible = np.flatnonzero(case.reference.array >= level)
    points = np.sort(np.random.default_rng(0).choice(eligible, min(count, len(eligible)), replace=False))
    sample = ours(case, points)[0]
    points = points[np.isfinite(sample)]
    add("Dose3D, the points below", ours(case, points))
    for fraction in (10, 30) if python else ():
        add(f"pymedphys, interp_fraction {fraction}", pymedphys(python, case, points, fraction, room))
    few = points[:: max(1, len(points) // 1000)]
    add("Dose3D, the points below", ours(case, few))
    for fraction in (10, 20):
        add(f"search in steps (SciPy), distance/{fraction}", stepwise(case, few, fraction))
    return rows


def table(name: str, rows: list[tuple[str, int, float, float, float]]) -> str:
    lines = [f"**{name}**", "", "| search | points | pass rate % | mean gamma | us a point | slower than Dose3D |",
             "|---|---|---|---|---|---|"]  # fmt: skip
    fastest = rows[0][4]
    for title, count, rate, mean, micro in rows:
        shown = "" if np.isnan(mean) else f"{mean:.4f}"
        lines.append(f"| {title} | {count:,} | {rate:.2f} | {shown} | {micro:.2f} | {micro / fastest:.1f} |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--points", type=int, default=3000, help="random points for the slower searches")
    parser.add_argument("--data", type=Path, help="folder with dicom_slicerrt_eclipse")
    parser.add_argument("--install", action="store_true", help="install pymedphys into an environment of its own")
    arguments = parser.parse_args()
    cases = [made()] + ([eclipse(arguments.data)] if arguments.data else [])
    with tempfile.TemporaryDirectory() as room:
        python = peer_python(arguments.install, Path(room))
        parts = [table(case.name, measured(case, arguments.points, python, Path(room))) for case in cases]
    threads = os.environ.get("OMP_NUM_THREADS", "not set")
    facts = {"cpu": platform.processor() or platform.machine(), "OMP_NUM_THREADS": threads,
             "pymedphys": "0.41.0" if python else "not installed (--install)"}  # fmt: skip
    text = "\n\n".join([*parts, f"`{json.dumps(facts)}`", "The first line of a table is what the others are held to."])
    print(text)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
