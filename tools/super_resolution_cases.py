"""Measurements of OpenKBP's doses by random detectors: what the super-resolution network is trained and judged on.

Truth is the dose of the data (0.01 Gy), constant per voxel. A case is a patient and a `Scenario`: how the cells stand,
how many acquisitions, how noisy, which body and plan are known.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from Dose3DLib.dose.cell_operator import cell_operator
from Dose3DLib.dose.scale import ScaleProblem
from Dose3DLib.geometry.cells import Cells
from Dose3DLib.geometry.grid import Grid, Volume
from Dose3DLib.geometry.mask import Mask
from Dose3DLib.geometry.structure import Structure, StructureSet
from openkbp import read_dose_patient

__all__ = ["DosePatient", "Scenario", "draw_scenario", "lattice", "load_patient", "make_problem"]

MARGIN_MM = 24.0
FRAMES = {1: ((0, 0, 0),), 2: ((0, 0, 0), (6, 6, 6)), 4: ((0, 0, 0), (0, 6, 6), (6, 0, 6), (6, 6, 0))}
"""Shifts (z, y, x) of the acquisitions, mm."""


@dataclass(frozen=True, eq=False)
class DosePatient:
    """One patient in the box of 24 mm around the voxels that may hold dose; arrays [k, j, i] on `grid`."""

    name: str
    grid: Grid
    dose: np.ndarray
    body: np.ndarray
    own_body: np.ndarray
    ct: np.ndarray
    targets: dict[str, np.ndarray]


@dataclass(frozen=True)
class Scenario:
    """How a dose is measured.

    Parameters
    ----------
    pitch_mm, phase_mm:
        (z, y, x) of the lattice.
    size_mm:
        edge of a cell.
    stagger_mm:
        shift along x of every second row.
    frames:
        acquisitions: 1, 2 or 4, shifted by half a pitch.
    noise:
        standard deviation relative to a cell's value.
    body:
        "exact", "none", "own" (found on the CT) or a number: the exact one moved outwards by so many mm.
    plan:
        None, or which error the plan has: "shift", "scale", "bank", "bend" or "beam".
    structures, ct:
        whether they are given.
    seed:
        of noise and plan.
    """

    pitch_mm: tuple[float, float, float] = (12.0, 12.0, 12.0)
    phase_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    size_mm: float = 10.0
    stagger_mm: float = 0.0
    frames: int = 1
    noise: float = 0.01
    body: str | float = "exact"
    plan: str | None = None
    structures: bool = True
    ct: bool = True
    seed: int = 0


def draw_scenario(rng: np.random.Generator, seed: int) -> Scenario:
    """Half of them as the published measurements are, half of any kind."""
    pitch = (12.0,) * 3 if rng.random() < 0.6 else tuple(float(p) for p in rng.uniform(10.5, 15.0, 3))
    frames = int(rng.choice([1, 2, 4], p=[0.6, 0.22, 0.18]))
    body: str | float = str(rng.choice(["exact", "offset", "own", "none"], p=[0.6, 0.2, 0.12, 0.08]))
    return Scenario(
        pitch_mm=pitch,
        phase_mm=tuple(float(p) for p in rng.uniform(0, pitch)),
        size_mm=10.0 if rng.random() < 0.7 else float(rng.uniform(7.0, 10.4)),
        stagger_mm=6.0 if rng.random() < 0.15 else 0.0,
        frames=frames,
        noise=0.01 if rng.random() < 0.6 else float(rng.uniform(0.0, 0.03)),
        body=float(rng.uniform(-4, 4)) if body == "offset" else body,
        plan=str(rng.choice(["shift", "scale", "bank", "bend", "beam"])) if rng.random() < 0.25 else None,
        structures=bool(rng.random() < 0.93),
        ct=bool(rng.random() < 0.93),
        seed=seed,
    )


def load_patient(path: Path) -> DosePatient:
    """Read an OpenKBP file and cut the box; its grid keeps the data's millimetres."""
    from Dose3DLib.segmentation.body import body_mask

    found = read_dose_patient(path)
    grid, cut = _box(found.dose_mask, found.ct.grid)
    own = body_mask(found.ct).to_array()
    targets = {name: mask[cut] for name, mask in found.targets.items() if mask[cut].any()}
    dose = found.dose_cgy[cut].astype(np.float32) / 100
    return DosePatient(path.stem, grid, dose, found.dose_mask[cut], own[cut], found.ct.array[cut], targets)


def _box(mask: np.ndarray, grid: Grid) -> tuple[Grid, tuple[slice, ...]]:
    where = np.argwhere(mask)
    pad = np.ceil(MARGIN_MM / np.array(grid.spacing_mm)).astype(int)
    low, high = np.maximum(where.min(0) - pad, 0), np.minimum(where.max(0) + pad + 1, mask.shape)
    shape = tuple(int(n) for n in high - low)
    return grid.crop(tuple(int(n) for n in low), shape), tuple(map(slice, low, high))


def lattice(grid: Grid, scenario: Scenario, shift_mm: tuple[float, ...] = (0, 0, 0)) -> Cells:
    """Cells at phase + pitch * integer from the data's own centre; layers stay with 99 % of their width in the box."""
    axes = []
    for axis in range(3):
        count, step, origin = grid.shape[axis], grid.spacing_mm[axis], grid.affine[2 - axis, 3]
        low, high = origin - step / 2, origin + (count - 0.5) * step
        pitch, phase = scenario.pitch_mm[axis], scenario.phase_mm[axis] + shift_mm[axis]
        at = phase + pitch * np.arange(np.ceil((low - phase) / pitch) - 1, np.floor((high - phase) / pitch) + 2)
        inside = np.minimum(at + scenario.size_mm / 2, high) - np.maximum(at - scenario.size_mm / 2, low)
        axes.append(at[inside >= 0.99 * scenario.size_mm])
    z, y, x = np.meshgrid(*axes, indexing="ij")
    x = x + scenario.stagger_mm * (np.arange(len(axes[1])) % 2)[None, :, None]
    centers = np.stack([x, y, z], axis=-1).reshape(-1, 3)
    labels = tuple(map(str, range(len(centers))))
    return Cells(labels, centers, np.full((len(centers), 3), scenario.size_mm), np.eye(3))


def make_problem(patient: DosePatient, scenario: Scenario) -> ScaleProblem:
    """What the detector of the scenario measures of the patient's dose, and what else is known."""
    rng, operators, values, sd = np.random.default_rng([7, scenario.seed]), [], [], []
    for shift in FRAMES[scenario.frames]:
        moved = tuple(s * p / 12.0 for s, p in zip(shift, scenario.pitch_mm, strict=True))
        operator = cell_operator(lattice(patient.grid, scenario, moved), patient.grid, "constant")
        exact = operator.apply(patient.dose)
        noisy = exact * (1 + scenario.noise * rng.standard_normal(exact.shape))
        operators.append(operator)
        values.append(noisy)
        sd.append(np.maximum(scenario.noise * np.abs(noisy), 0.05))
    plan = None if scenario.plan is None else Volume(planned(patient, scenario, rng), patient.grid)
    ct = Volume(patient.ct, patient.grid) if scenario.ct else None
    return ScaleProblem(
        tuple(operators), tuple(values), tuple(sd), patient.grid, _body(patient, scenario.body), ct,
        _structures(patient) if scenario.structures else None, plan,
    )  # fmt: skip


def _body(patient: DosePatient, kind: str | float) -> np.ndarray | None:
    from scipy.ndimage import distance_transform_edt

    if isinstance(kind, str):
        return {"exact": patient.body, "own": patient.own_body, "none": None}[kind]
    step = patient.grid.spacing_mm
    outside, inside = (distance_transform_edt(m, sampling=step) for m in (~patient.body, patient.body))
    return outside - inside <= kind


def _structures(patient: DosePatient) -> StructureSet:
    found = (
        Structure(name, Mask.from_array(mask, patient.grid), interpreted_type="PTV")
        for name, mask in patient.targets.items()
    )
    return StructureSet(patient.grid, tuple(found))


def planned(patient: DosePatient, scenario: Scenario, rng: np.random.Generator) -> np.ndarray:
    """A plan of which the delivered dose differs by the scenario's error; Gy, float32 [k, j, i]."""
    from scipy.ndimage import gaussian_filter, map_coordinates

    truth, step = patient.dose.astype(np.float64), np.array(patient.grid.spacing_mm)
    at = np.stack(np.meshgrid(*map(np.arange, truth.shape), indexing="ij")).astype(np.float64)
    if scenario.plan == "beam":  # one of nine fields delivered a tenth more or less along a direction
        direction = _direction(rng) * [0, 1, 1]
        across = np.einsum("a,akji->kji", direction, (at - np.array(truth.shape)[:, None, None, None] / 2))
        width = rng.uniform(8, 25)
        return (truth * (1 + rng.uniform(-0.15, 0.15) * np.exp(-((across / width) ** 2)))).astype(np.float32)
    moved = np.zeros_like(at)
    if scenario.plan in ("shift", "scale"):
        moved += (rng.uniform(0, 5) * _direction(rng) / step)[:, None, None, None]
    elif scenario.plan == "bank":  # the dose on one side of a plane moves by a few mm, as by a bank of leaves
        direction = _direction(rng) * [0, 1, 1]
        side = np.einsum("a,akji->kji", direction, at - np.array(truth.shape)[:, None, None, None] / 2) > 0
        moved += (rng.uniform(-3, 3) * direction / step)[:, None, None, None] * side
    else:
        field = np.stack([gaussian_filter(rng.standard_normal(truth.shape), 15 / step) for _ in range(3)])
        moved += field / max(float(np.abs(field).max()), 1e-9) * rng.uniform(2, 6) / step[:, None, None, None]
    factor = 1 + rng.uniform(-0.05, 0.05)
    return (factor * map_coordinates(truth, at - moved, order=1, mode="constant")).astype(np.float32)


def _direction(rng: np.random.Generator) -> np.ndarray:
    direction = rng.standard_normal(3)
    return direction / np.linalg.norm(direction)
