"""How well a dose is found again from the means over a detector's cells: every method, one table.

    python3 run.py benchmark dose_scaling --data OPENKBP [--patients 3] [--rows tikhonov ...]

Data: OpenKBP's 33 validation patients; nothing was chosen on them (`WEIGHTS` was, on three training patients). Truth is
the planned dose, one value a voxel. Cells are cubes of 10 mm every 12 mm whose phase against the grid is drawn per
patient; a cell's value is its exact mean, for the right-hand columns with 1 % of normal noise.

Region R: voxels where the data allow dose, between the outermost cells' centres. Inner: those more than 12 mm inside
that mask. MAE: mean absolute error over R. Gamma: share of passing points (3 % of the truth's maximum / 2 mm, truth as
reference, 20 000 points of R with at least 10 % of the maximum); local: 3 % of the local dose / 1.5 mm, from 20 % on.
D95: 5th percentile of PTV70's voxels in R. Prints Markdown and writes Testing/benchmarks/results/dose_scaling.md.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "Dose3D"), str(ROOT / "tools")]
RESULTS = Path(__file__).with_name("results") / "dose_scaling.md"

from Dose3DLib.dose.back_projection import back_projection  # noqa: E402
from Dose3DLib.dose.body import fit_body, signed_distance  # noqa: E402
from Dose3DLib.dose.cell_operator import CellOperator, cell_operator  # noqa: E402
from Dose3DLib.dose.interpolate import spread  # noqa: E402
from Dose3DLib.dose.kriging import kriging  # noqa: E402
from Dose3DLib.dose.methods import fitted  # noqa: E402
from Dose3DLib.dose.noise_weight import noise_weight  # noqa: E402
from Dose3DLib.dose.plan_prior import planned_difference, trusted_plan  # noqa: E402
from Dose3DLib.dose.projection import project  # noqa: E402
from Dose3DLib.dose.scale import ScaleProblem  # noqa: E402
from Dose3DLib.dose.tikhonov import tikhonov  # noqa: E402
from Dose3DLib.geometry.cells import Cells  # noqa: E402
from Dose3DLib.geometry.gamma import PASS_TOLERANCE, GammaCriteria, gamma_index  # noqa: E402
from Dose3DLib.geometry.grid import Grid, Volume  # noqa: E402
from Dose3DLib.geometry.mask import Mask  # noqa: E402
from Dose3DLib.geometry.structure import Structure, StructureSet  # noqa: E402
from Dose3DLib.segmentation.body import body_mask  # noqa: E402
from openkbp import read_dose_patient  # noqa: E402

CELL_MM, PITCH_MM, NOISE = 10.0, 12.0, 0.01
FRAMES_MM = {1: ((0, 0, 0),), 2: ((0, 0, 0), (6, 6, 6)), 4: ((0, 0, 0), (0, 6, 6), (6, 0, 6), (6, 6, 0))}
WEIGHTS = {(1, False): 0.3, (1, True): 0.03, (2, False): 0.3, (2, True): 0.3, (4, False): 0.3, (4, True): 0.3}
"""mm2 by number of acquisitions and whether the body is known; chosen on train 1, 2 and 3."""
KRIGING_NOISE_GY = 0.7
POINTS = 20_000


@dataclass(frozen=True, eq=False)
class Patient:
    """One patient's truth in the box that the cells fill: Gy, masks [k, j, i], and its number, which seeds all."""

    number: int
    grid: Grid
    truth: np.ndarray
    mask: np.ndarray
    target: np.ndarray
    ct: np.ndarray
    ct_body: np.ndarray
    own_body: np.ndarray
    targets: dict[str, np.ndarray]

    @cached_property
    def phase_mm(self) -> np.ndarray:
        return np.random.default_rng([2025, self.number]).uniform(0, PITCH_MM, 3)

    @cache  # noqa: B019 - a patient lives as long as its rows are computed
    def frame(self, shift_mm: tuple[int, int, int]) -> tuple[CellOperator, tuple[int, int, int]]:
        """The cells of one acquisition, and how many along k, j, i."""
        planes = [_planes(self.phase_mm[axis] + shift_mm[axis], self.grid, axis) for axis in range(3)]
        k, j, i = np.meshgrid(*planes, indexing="ij")
        centers = np.stack([i, j, k], axis=-1).reshape(-1, 3)
        cells = Cells(tuple(map(str, range(len(centers)))), centers, np.full_like(centers, CELL_MM), np.eye(3))
        return cell_operator(cells, self.grid, "constant"), k.shape

    def measured(self, number: int, noisy: bool) -> tuple[list[CellOperator], list[np.ndarray]]:
        """Operators and cell values, Gy, of so many acquisitions."""
        operators, values = [], []
        for index, shift in enumerate(FRAMES_MM[number]):
            operator, shape = self.frame(shift)
            exact = operator.apply(self.truth)
            noise = np.random.default_rng([7, self.number, index]).standard_normal(shape).ravel()
            operators.append(operator)
            values.append(exact * (1 + NOISE * noise) if noisy else exact)
        return operators, values

    def problem(self, number: int, noisy: bool, body: np.ndarray | None = None) -> ScaleProblem:
        operators, values = self.measured(number, noisy)
        sd = tuple(np.full(len(v), KRIGING_NOISE_GY) for v in values)
        return ScaleProblem(tuple(operators), tuple(values), sd, self.grid, body)

    def anatomy(self) -> dict[str, Volume | StructureSet]:
        """CT and targets, as a `ScaleProblem` takes them."""
        targets = (
            Structure(name, Mask.from_array(mask, self.grid), interpreted_type="PTV")
            for name, mask in self.targets.items()
        )
        return {"ct": Volume(self.ct, self.grid), "structures": StructureSet(self.grid, tuple(targets))}

    @cached_property
    def region(self) -> np.ndarray:
        """R: in the mask and between the outermost cells of the first acquisition."""
        centers = self.frame((0, 0, 0))[0].cells.centers_mm
        hull = np.ones(self.grid.shape, bool)
        for axis, at in enumerate(_coordinates(self.grid)):
            low, high = centers[:, 2 - axis].min(), centers[:, 2 - axis].max()
            inside = (at >= low) & (at <= high)
            hull &= inside.reshape([-1 if a == axis else 1 for a in range(3)])
        return self.mask & hull

    @cached_property
    def inner(self) -> np.ndarray:
        from scipy.ndimage import distance_transform_edt

        padded = np.pad(self.mask, 1)
        depth = distance_transform_edt(padded, self.grid.spacing_mm)[1:-1, 1:-1, 1:-1]
        return self.region & (depth > 12.0)

    @cached_property
    def plan(self) -> np.ndarray:
        """An expected dose: 3 % too high and 3 mm beside the truth."""
        from scipy.ndimage import shift

        way = np.random.default_rng([11, self.number]).standard_normal(3)
        way *= 3.0 / np.linalg.norm(way) / np.array(self.grid.spacing_mm)
        return 1.03 * shift(self.truth, way, order=1, cval=0.0)


def _coordinates(grid: Grid) -> list[np.ndarray]:
    """mm of the voxel centres along k, j, i of an axial grid."""
    origin = grid.affine[:3, 3][::-1]
    return [o + s * np.arange(n) for o, s, n in zip(origin, grid.spacing_mm, grid.shape, strict=True)]


def _planes(phase_mm: float, grid: Grid, axis: int) -> np.ndarray:
    """Centres of the planes of cells of which at least 99 % lies in the box."""
    at, spacing = _coordinates(grid)[axis], grid.spacing_mm[axis]
    low, high = at[0] - spacing / 2, at[-1] + spacing / 2
    centers = phase_mm % PITCH_MM + PITCH_MM * np.arange(np.floor(low / PITCH_MM) - 1, np.ceil(high / PITCH_MM) + 2)
    inside = np.minimum(centers + CELL_MM / 2, high) - np.maximum(centers - CELL_MM / 2, low)
    return centers[inside >= 0.99 * CELL_MM]


def load(path: Path) -> Patient:
    """A patient in the box of its dose mask, 24 mm wider on each side."""
    found = read_dose_patient(path)
    grid, mask = found.ct.grid, found.dose_mask
    box = []
    for axis, spacing in enumerate(grid.spacing_mm):
        hits = np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis)))
        wider = int(np.ceil(24.0 / spacing))
        box.append(slice(max(hits[0] - wider, 0), min(hits[-1] + 1 + wider, mask.shape[axis])))
    box = tuple(box)
    truth = found.dose_cgy.astype(np.float64) / 100.0
    small = grid.crop(tuple(s.start for s in box), truth[box].shape)
    bodies = ct_body(found.ct.array)[box], body_mask(found.ct).to_array()[box]
    number = int(path.stem.split("_")[1])
    targets = {name: mask[box] for name, mask in found.targets.items()}
    return Patient(
        number, small, truth[box], mask[box], found.targets["PTV70"][box], found.ct.array[box], *bodies, targets
    )


def ct_body(hu: np.ndarray) -> np.ndarray:
    """What a threshold makes of the CT: above -400 HU, the largest part, closed, filled slice by slice."""
    from scipy import ndimage

    labels, _ = ndimage.label(hu > -400)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    body = ndimage.binary_closing(labels == sizes.argmax(), iterations=2)
    return np.stack([ndimage.binary_fill_holes(plane) for plane in body])


# ---------------------------------------------------------------- rows
Row = Callable[[Patient, bool], np.ndarray]


def _spread(kind: str) -> Row:
    def row(patient: Patient, noisy: bool) -> np.ndarray:
        (operator,), (values,) = patient.measured(1, noisy)
        return spread(operator.cells, patient.grid, kind)(values)

    return row


def _fit(problem: ScaleProblem, frames: int, body_known: bool) -> np.ndarray:
    """Tikhonov from the linear interpolation of the first acquisition."""
    start = spread(problem.operators[0].cells, problem.grid, "linear")(problem.values[0])
    return tikhonov(problem.operators, problem.values, problem.inside, WEIGHTS[frames, body_known], start)


def _tikhonov(frames: int, body: str = "") -> Row:
    def row(patient: Patient, noisy: bool) -> np.ndarray:
        known = {"": None, "mask": patient.mask, "CT": patient.ct_body}[body]
        return _fit(patient.problem(frames, noisy, known), frames, bool(body))

    return row


def _planned(solve: Callable[[ScaleProblem], np.ndarray], scale: float | None, body_known: bool = False) -> Row:
    def row(patient: Patient, noisy: bool) -> np.ndarray:
        problem = patient.problem(1, noisy, patient.mask if body_known else None)
        plan = np.where(problem.inside, patient.plan, 0.0)
        problem = replace(problem, plan=Volume(plan, patient.grid))
        return planned_difference(problem, solve, scale)

    return row


def _linear(problem: ScaleProblem) -> np.ndarray:
    return spread(problem.operators[0].cells, problem.grid, "linear")(problem.values[0])


ROWS: dict[str, Row] = {
    "truth itself (floor)": lambda patient, noisy: patient.truth,
    "nearest": _spread("nearest"),
    "trilinear": _spread("linear"),
    "cubic": _spread("cubic"),
    "back-projection": lambda patient, noisy: back_projection(patient.problem(1, noisy)),
    "Tikhonov, 1 frame": _tikhonov(1),
    "kriging": lambda patient, noisy: kriging(patient.problem(1, noisy)),
    "Tikhonov, body known": _tikhonov(1, "mask"),
    "Tikhonov, CT body": _tikhonov(1, "CT"),
    "2 frames": _tikhonov(2),
    "2 frames, body known": _tikhonov(2, "mask"),
    "4 frames": _tikhonov(4),
    "4 frames, body known": _tikhonov(4, "mask"),
    "plan alone": lambda patient, noisy: patient.plan,
    "plan + trilinear diff": _planned(_linear, 1.0),
    "s*plan + trilinear diff": _planned(_linear, None),
    "s*plan + Tikhonov diff": _planned(lambda problem: _fit(problem, 1, False), None),
    "same, body known": _planned(lambda problem: _fit(problem, 1, True), None, body_known=True),
}


def _held(make: Callable[[Patient], np.ndarray]) -> Row:
    """Tikhonov, weight by the noise, with a body that was held against the cells, as `dose scale` does."""

    def row(patient: Patient, noisy: bool) -> np.ndarray:
        problem = with_noise(patient.problem(1, noisy, make(patient)))
        return fitted(replace(problem, body=fit_body(problem).body))

    return row


def with_noise(problem: ScaleProblem) -> ScaleProblem:
    """Standard deviations as a user states them: 1 % of the reading, and of 5 % of the highest below."""
    sd = tuple(NOISE * np.maximum(v, 0.05 * v.max()) for v in problem.values)
    return replace(problem, sd=sd)


def _offset(by_mm: float) -> Callable[[Patient], np.ndarray]:
    return lambda patient: signed_distance(patient.mask, patient.grid) < by_mm


def _moved(patient: Patient) -> np.ndarray:
    """The mask 3 mm aside, in a direction across the patient."""
    from scipy.ndimage import shift

    way = np.random.default_rng([12, patient.number]).standard_normal(3) * (0, 1, 1)
    way *= 3.0 / np.linalg.norm(way) / np.array(patient.grid.spacing_mm)
    return shift(patient.mask.astype(float), way, order=1) > 0.5


def _trusted(make: Callable[[Patient], np.ndarray], body_known: bool = True) -> Row:
    def row(patient: Patient, noisy: bool) -> np.ndarray:
        problem = with_noise(patient.problem(1, noisy, patient.mask if body_known else None))
        weight = noise_weight(problem, np.random.default_rng(0))
        plan = Volume(np.where(problem.inside, make(patient), 0.0), patient.grid)
        rng = np.random.default_rng([13, patient.number])
        found = trusted_plan(replace(problem, plan=plan), lambda one: fitted(one, weight), rng)
        return project(problem, found.dose)

    return row


def _warped(patient: Patient, ways_mm: list[np.ndarray | float]) -> np.ndarray:
    """The truth moved by these mm along k, j, i at each voxel."""
    from scipy.ndimage import map_coordinates

    index = np.indices(patient.truth.shape).astype(float)
    for axis, (way, step) in enumerate(zip(ways_mm, patient.grid.spacing_mm, strict=True)):
        index[axis] -= way / step
    return map_coordinates(patient.truth, index, order=1, cval=0.0)


def _from_middle(patient: Patient) -> list[np.ndarray]:
    """mm from the dose's centre of mass along k, j, i."""
    at = np.meshgrid(*_coordinates(patient.grid), indexing="ij")
    return [one - (one * patient.truth).sum() / patient.truth.sum() for one in at]


def _leaf_bank(patient: Patient) -> np.ndarray:
    """One side of the dose 2 mm outwards, as from a leaf bank that is off."""
    return _warped(patient, [0.0, 0.0, 2.0 / (1 + np.exp(-_from_middle(patient)[2] / 3))])


def _bent(patient: Patient) -> np.ndarray:
    """The neck bent: forwards by up to 13 mm at the ends."""
    return _warped(patient, [0.0, 6.0 * np.clip(_from_middle(patient)[0] / 60, -1.5, 1.5) ** 2, 0.0])


def _more_beam(patient: Patient) -> np.ndarray:
    """A beam that was planned and is missing in the truth: a band of 70 mm, falling off along its way."""
    _, y, x = _from_middle(patient)
    angle = np.random.default_rng([5, patient.number]).uniform(0, 2 * np.pi)
    aside, along = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    band = np.exp(-0.004 * (along + 80)) / (1 + np.exp((np.abs(aside) - 35) / 2.5))
    return patient.truth + 0.07 * patient.truth.max() * band * patient.mask


def _network(frames: int, body: Callable[[Patient], np.ndarray | None] = lambda patient: patient.mask) -> Row:
    """The shipped network; it sees the CT and the targets, too."""

    def row(patient: Patient, noisy: bool) -> np.ndarray:
        from Dose3DLib.dose.superres.infer import super_resolve

        problem = with_noise(patient.problem(frames, noisy, body(patient)))
        return super_resolve(replace(problem, **patient.anatomy())).mean.array

    return row


OWN_ROWS: dict[str, Row] = {
    "network, body known": _network(1),
    "network, no body": _network(1, lambda patient: None),
    "network, 2 frames, body known": _network(2),
    "network, 4 frames, body known": _network(4),
    "no body, weight by the noise": lambda patient, noisy: fitted(with_noise(patient.problem(1, noisy))),
    "body known, weight by the noise": lambda patient, noisy: fitted(
        with_noise(patient.problem(1, noisy, patient.mask))
    ),
    "mask as body, held against the cells": _held(lambda patient: patient.mask),
    "own BODY of the CT, held": _held(lambda patient: patient.own_body),
    "body 3 mm too large, held": _held(_offset(3.0)),
    "body 3 mm too small, held": _held(_offset(-3.0)),
    "body moved by 3 mm, held": _held(_moved),
    "trusted plan": _trusted(lambda patient: patient.plan, body_known=False),
    "trusted plan, body known": _trusted(lambda patient: patient.plan),
    "trusted plan, leaf bank 2 mm off": _trusted(_leaf_bank),
    "trusted plan, bent anatomy": _trusted(_bent),
    "trusted plan, a beam missing": _trusted(_more_beam),
}
"""What `dose scale` does beyond the methods of the first table; with noise only."""

NOISELESS = ("truth itself (floor)", "plan alone")


# ---------------------------------------------------------------- scores
def score(patient: Patient, dose: np.ndarray) -> dict[str, float]:
    """MAE (Gy), gamma, local gamma (%), inner MAE and gamma, error of D95 (Gy)."""
    region, target, truth = patient.region, patient.target & patient.region, patient.truth
    error = np.abs(dose - truth)
    points = _points(patient)
    passed = _gamma(patient, dose, points, GammaCriteria(3, 2, False, 10))
    local = _gamma(patient, dose, _points(patient, 0.2), GammaCriteria(3, 1.5, True, 20))
    inner = patient.inner.ravel()[points]
    return {
        "mae": float(error[region].mean()),
        "gamma": 100 * float(passed.mean()),
        "local": 100 * float(local.mean()),
        "inner mae": float(error[patient.inner].mean()),
        "inner gamma": 100 * float(passed[inner].mean()),
        "d95": float(abs(np.percentile(dose[target], 5) - np.percentile(truth[target], 5))),
    }


def _points(patient: Patient, share: float = 0.1) -> np.ndarray:
    """Flat indices of at most 20 000 points of R with this share of the maximum, ascending."""
    found = np.flatnonzero(patient.region & (patient.truth >= share * patient.truth.max()))
    return np.sort(np.random.default_rng(0).choice(found, POINTS, replace=False)) if found.size > POINTS else found


def _gamma(patient: Patient, dose: np.ndarray, points: np.ndarray, criteria: GammaCriteria) -> np.ndarray:
    """Which of the points pass."""
    reference, evaluated = Volume(patient.truth, patient.grid), Volume(dose, patient.grid)
    found = gamma_index(reference, evaluated, criteria, points=points, is_pass_only=True)
    return found.ravel()[points] <= 1 + PASS_TOLERANCE


def scores_of(path: Path, wanted: Sequence[str]) -> dict[str, dict[str, float]]:
    """Row -> its scores without noise, with it (names end in " noise"), and seconds."""
    patient, found = load(path), {}
    for name in (one for one in wanted if one in OWN_ROWS):
        start = time.perf_counter()
        dose = np.maximum(OWN_ROWS[name](patient, True), 0.0)
        seconds = time.perf_counter() - start
        found[name] = {**score(patient, dose), "s": seconds}
    for name in (one for one in wanted if one in ROWS):
        start = time.perf_counter()
        dose = np.maximum(ROWS[name](patient, False), 0.0)
        seconds = time.perf_counter() - start
        found[name] = {**score(patient, dose), "s": seconds}
        if name not in NOISELESS:
            noisy = score(patient, np.maximum(ROWS[name](patient, True), 0.0))
            found[name] |= {f"{key} noise": value for key, value in noisy.items()}
    return found


# ---------------------------------------------------------------- table
def table(scores: dict[str, dict[str, dict[str, float]]]) -> str:
    """Markdown: means over patients."""
    names = [name for name in next(iter(scores.values())) if name in ROWS]
    lines = [
        f"| mean of {len(scores)} | MAE Gy | gamma | local | inner MAE, gamma | D95 Gy "
        "| with 1 % noise: MAE, gamma, local, D95 | s |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name in names:
        mean = {key: float(np.mean([one[name][key] for one in scores.values()])) for key in _keys(scores, name)}
        noisy = ", ".join(f"{mean[key + ' noise']:.{digits}f}" for key, digits in _NOISY if key + " noise" in mean)
        lines.append(
            f"| {name} | {mean['mae']:.2f} | {mean['gamma']:.1f} | {mean['local']:.1f} "
            f"| {mean['inner mae']:.2f}, {mean['inner gamma']:.1f} | {mean['d95']:.2f} | {noisy} | {mean['s']:.1f} |"
        )
    return "\n".join(lines)


def own_table(scores: dict[str, dict[str, dict[str, float]]]) -> str:
    """Markdown: means over patients, all with 1 % noise."""
    lines = [
        f"| with 1 % noise, mean of {len(scores)} | MAE Gy | gamma | local | inner MAE, gamma | D95 Gy | s |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in (name for name in next(iter(scores.values())) if name in OWN_ROWS):
        mean = {key: float(np.mean([one[name][key] for one in scores.values()])) for key in _keys(scores, name)}
        lines.append(
            f"| {name} | {mean['mae']:.2f} | {mean['gamma']:.1f} | {mean['local']:.1f} "
            f"| {mean['inner mae']:.2f}, {mean['inner gamma']:.1f} | {mean['d95']:.2f} | {mean['s']:.1f} |"
        )
    return "\n".join(lines)


_NOISY = (("mae", 2), ("gamma", 1), ("local", 1), ("d95", 2))


def _keys(scores: dict[str, dict[str, dict[str, float]]], name: str) -> list[str]:
    return list(next(iter(scores.values()))[name])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of OpenKBP with val/*.npz")
    parser.add_argument("--patients", type=int, default=None, help="only the first so many")
    parser.add_argument("--rows", nargs="+", choices=[*ROWS, *OWN_ROWS], default=[*ROWS, *OWN_ROWS],
                        metavar="ROW")  # fmt: skip
    parser.add_argument("--output", type=Path, default=RESULTS, help="Markdown file to write")
    parser.add_argument("--json", type=Path, default=None, help="keep the scores of each patient here, too")
    arguments = parser.parse_args()
    scores = {}
    for path in sorted((arguments.data / "val").glob("*.npz"))[: arguments.patients]:
        scores[path.stem] = scores_of(path, arguments.rows)
        print(path.stem, file=sys.stderr, flush=True)
        if arguments.json:
            arguments.json.write_text(json.dumps(scores, indent=1), encoding="utf-8")
    text = "\n\n".join([f"# From cells to doses\n\n`{' '.join(sys.argv)}`", table(scores), own_table(scores)])
    print(text)
    arguments.output.parent.mkdir(exist_ok=True)
    arguments.output.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
