"""Where few cells stand best: what chosen cells leave unknown and how well the dose is found again, against naive ones.

    python3 run.py benchmark detector_placement --data OPENKBP [--patients 3] [--part cells shape]

Data: OpenKBP's 33 validation patients; nothing was chosen on them.

cells: 64 cells of 10 mm (pitch 12 mm where nothing else is said) for all PTVs (weight 1 each), cord and parotids (0.5).
Chosen: by `detector.choose` from one lattice. Naive: a 4 x 4 x 4 block in the middle of the targets; 4 x 4 x 4 cells
spread evenly over the box around the targets; 64 cells of that lattice drawn among those whose room the targets fill by
half (mean of 2 draws). Two acquisitions: the block and the chosen cells, each not moved, moved by half a pitch along
the diagonal, and moved as `detector.shifts` plans; and two set-ups of 64 cells each, chosen from two lattices half a
pitch apart. Variance left: weighted mean over structures,
as a share of the prior's, at other places than those of the choice. Dose error: the same weighted mean of the absolute
error of a Tikhonov fit (body known, weight 0.03 mm2, 1 % of normal noise) against the planned dose. Intervals: 95 % of
the mean over patients, t distribution; differences are paired.

shape: Dice of boxes of 12 mm and PTV70, by how free the cells are.

Prints Markdown and writes Testing/benchmarks/results/detector_placement.md.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "Dose3D"), str(ROOT / "tools")]
RESULTS = Path(__file__).with_name("results") / "detector_placement.md"

from Dose3DLib.detector.lattice import Lattice, turned  # noqa: E402
from Dose3DLib.detector.packing import frame_filling, lattice_packing, pack  # noqa: E402
from Dose3DLib.detector.placement import Placement  # noqa: E402
from Dose3DLib.detector.posterior import DosePrior  # noqa: E402
from Dose3DLib.detector.regions import Region, make_region, redrawn, shares_of_boxes  # noqa: E402
from Dose3DLib.detector.setups import Stock, candidate_lattices, choose_setups, lattice_candidates  # noqa: E402
from Dose3DLib.detector.shifts import diagonal_shifts, plan_shifts, shifted, variance_after  # noqa: E402
from Dose3DLib.dose.cell_operator import cell_operator  # noqa: E402
from Dose3DLib.dose.tikhonov import tikhonov  # noqa: E402
from Dose3DLib.geometry.cells import Cells  # noqa: E402
from Dose3DLib.geometry.grid import Grid  # noqa: E402
from Dose3DLib.geometry.mask import Mask  # noqa: E402
from Dose3DLib.geometry.structure import Structure  # noqa: E402
from openkbp import read_dose_patient, read_patient  # noqa: E402

CELLS, PITCH_MM, SIZE_MM, NOISE, WEIGHT_MM2 = 64, 12.0, 10.0, 0.01, 0.03
ORGANS = ("SpinalCord", "Parotid_L", "Parotid_R")
DRAWS, MARGIN_MM, PARTS = 2, 30.0, 8
PRIOR = DosePrior()
UPRIGHT = np.eye(3)


@dataclass(frozen=True, eq=False)
class Patient:
    """Structures on the whole grid; dose (Gy) and where it may be."""

    number: int
    grid: Grid
    masks: dict[str, np.ndarray]
    dose: np.ndarray
    possible: np.ndarray

    def regions(self) -> list[Region]:
        targets = [name for name in self.masks if name.startswith("PTV")]
        organs = [name for name in ORGANS if name in self.masks and (self.masks[name] & self.possible).any()]
        found = [make_region(self.structure(name)) for name in targets]
        return found + [make_region(self.structure(name), 0.5, is_target=False) for name in organs]

    def structure(self, name: str) -> Structure:
        """Organs as far as dose is known in them."""
        mask = self.masks[name] if name.startswith("PTV") else self.masks[name] & self.possible
        return Structure(name, Mask.from_array(mask, self.grid))


def load(path: Path) -> Patient:
    """Targets and organs of a patient."""
    found = read_dose_patient(path)
    organs = {name: mask for name, mask in read_patient(path).masks.items() if name in ORGANS}
    number = int(path.stem.rpartition("_")[2])
    return Patient(number, found.ct.grid, {**found.targets, **organs}, found.dose_cgy / 100.0, found.dose_mask)


# ---------------------------------------------------------------- few cells
def layouts(regions: Sequence[Region], rng: np.random.Generator) -> dict[str, list[Cells]]:
    """Cells by way of placing them; several for ways that draw."""
    targets = [region for region in regions if region.is_target]
    places = np.concatenate([region.filled_mm for region in targets])
    low, high = places.min(axis=0), places.max(axis=0)
    place = middle(regions)
    block = (np.stack(np.meshgrid(*[np.arange(4) - 1.5] * 3, indexing="ij"), -1)).reshape(-1, 3)
    pitch = np.maximum((high - low) / 4, PITCH_MM)
    chosen = choose_setups(candidate_lattices(regions, Lattice(), place, 2), regions, Stock(CELLS), prior=PRIOR)[
        0
    ].layout.cells
    candidates = lattice_candidates(targets, Lattice(), place).cells
    share = np.sum([shares_of_boxes(region.structure, candidates, 1.0) for region in targets], axis=0)
    inside = np.argsort(-share, kind="stable")[: max(CELLS, int((share >= 0.5).sum()))]
    draws = [candidates.take(rng.choice(inside, CELLS, replace=False)) for _ in range(DRAWS)]
    return {
        "block in the middle": [_cubes(place.isocenter_mm + block * PITCH_MM)],
        "spread evenly": [_cubes((low + high) / 2 + block * pitch)],
        "drawn among the targets' cells": draws,
        "chosen": [chosen],
    }


def _cubes(centers: np.ndarray) -> Cells:
    return Cells(tuple(map(str, range(len(centers)))), centers, np.full(centers.shape, SIZE_MM), UPRIGHT)


def cells_rows(patient: Patient) -> dict[str, dict[str, float]]:
    """Variance left (%) and dose error (Gy) by way."""
    regions = patient.regions()
    judged = [redrawn(region, 1) for region in regions]
    still = np.zeros((1, 3))
    ways = layouts(regions, np.random.default_rng([11, patient.number]))
    rows: dict[str, list[tuple[float, float]]] = {}
    for name, many in ways.items():
        rows[name] = [_figures(patient, regions, judged, cells, still) for cells in many]
    for name in ("block in the middle", "chosen"):
        cells = ways[name][0]
        plans = {
            "not moved": np.zeros((2, 3)),
            "along the diagonal": diagonal_shifts(cells, 2),
            "planned": plan_shifts(cells, regions, 2, PRIOR).shifts_mm,
        }
        for plan, shifts in plans.items():
            rows[f"{name}, twice, {plan}"] = [_figures(patient, regions, judged, cells, shifts)]
    pair = [Lattice(phase_mm=(mm,) * 3) for mm in (0.0, PITCH_MM / 2)]
    candidates = [lattice_candidates(regions, lattice, middle(regions)) for lattice in pair]
    again = choose_setups(candidates, regions, Stock(CELLS), 2, PRIOR)
    rows["two chosen set-ups"] = [_setups_figures(patient, regions, judged, [s.layout.cells for s in again])]
    return {name: dict(zip(("variance", "error"), np.mean(found, axis=0).tolist(), strict=True))
            for name, found in rows.items()}  # fmt: skip


def middle(regions: Sequence[Region]) -> Placement:
    return Placement(np.concatenate([r.filled_mm for r in regions if r.is_target]).mean(axis=0), UPRIGHT)


def _figures(
    patient: Patient, regions: Sequence[Region], judged: Sequence[Region], cells: Cells, shifts: np.ndarray
) -> tuple[float, float]:
    value, _ = variance_after(cells, shifts, judged, PRIOR)
    return 100 * value, dose_error(patient, regions, [shifted(cells, shift) for shift in shifts])


def _setups_figures(
    patient: Patient, regions: Sequence[Region], judged: Sequence[Region], setups: Sequence[Cells]
) -> tuple[float, float]:
    every = np.concatenate([cells.centers_mm for cells in setups])
    value, _ = variance_after(_cubes(every), np.zeros((1, 3)), judged, PRIOR)
    return 100 * value, dose_error(patient, regions, setups)


def dose_error(patient: Patient, regions: Sequence[Region], setups: Sequence[Cells]) -> float:
    """Weighted mean over the regions of the mean absolute error of the dose, Gy."""
    places = np.concatenate([region.filled_mm for region in regions])
    index = patient.grid.to_index(np.stack([places.min(axis=0) - MARGIN_MM, places.max(axis=0) + MARGIN_MM]))[:, ::-1]
    low = np.clip(np.floor(index[0]), 0, None).astype(int)
    high = np.minimum(np.ceil(index[1]).astype(int) + 1, patient.grid.shape)
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    truth, grid = patient.dose[box], patient.grid.crop(tuple(low), tuple(high - low))
    operators = [cell_operator(cells, grid, "constant") for cells in setups]
    rng = np.random.default_rng([7, patient.number])
    values = [(v := o.apply(truth)) * (1 + NOISE * rng.standard_normal(len(v))) for o in operators]
    found = np.maximum(tikhonov(operators, values, patient.possible[box], WEIGHT_MM2, tolerance=1e-4), 0)
    error = np.abs(found - truth)
    weights = np.array([region.weight for region in regions])
    means = [error[patient.structure(region.name).mask.to_array()[box]].mean() for region in regions]
    return float(weights @ means / weights.sum())


# ---------------------------------------------------------------- shape
def shape_rows(patient: Patient) -> dict[str, dict[str, float]]:
    """Dice and number of cells by freedom."""
    region = make_region(patient.structure("PTV70"))
    phase = np.random.default_rng([2025, patient.number]).uniform(0, PITCH_MM, 3)[::-1]
    fixed = lattice_candidates([region], Lattice(phase_mm=tuple(phase)), Placement(np.zeros(3), UPRIGHT)).cells
    half = shares_of_boxes(region.structure, fixed, 1.0)
    half = half[half >= 0.5] * PITCH_MM**3
    dice = 2 * half.sum() / (region.volume_mm3 + PITCH_MM**3 * len(half))
    angles = [turned(Placement(np.zeros(3), UPRIGHT), a, "z").to_lps for a in range(0, 90, 15)]
    fillings = [frame_filling(region.filled_mm, region.volume_mm3, axes, PITCH_MM, PARTS) for axes in angles]
    phases = list(product(range(0, PARTS, 2), repeat=3))
    found: dict[str, Callable] = {
        "best of 64 phases, half filled": lambda: (lattice_packing(fillings[0], PARTS, phases, 0.5), UPRIGHT),
        "best of 64 phases, best set of cells": lambda: (lattice_packing(fillings[0], PARTS, phases), UPRIGHT),
        "the same, best of 6 angles": lambda: _best((lattice_packing(f, PARTS, phases), f.axes) for f in fillings),
        "layers and rows slide": lambda: (pack(fillings[0], PARTS), UPRIGHT),
        "layers and rows slide, best of 6 angles": lambda: _best((pack(f, PARTS), f.axes) for f in fillings),
        "layers and rows slide, 64 cells at most": lambda: (pack(fillings[0], PARTS, CELLS), UPRIGHT),
    }
    rows = {"phase as drawn, half filled": {"dice": float(dice), "cells": float(len(half))}}
    for name, solve in found.items():
        packing, axes = solve()
        boxes = Cells(tuple(map(str, range(len(packing.centers_mm)))), packing.centers_mm @ axes.T,
                      np.full(packing.centers_mm.shape, PITCH_MM), axes)  # fmt: skip
        shared = shares_of_boxes(region.structure, boxes).sum() * PITCH_MM**3  # exact, unlike the search's
        total = region.volume_mm3 + PITCH_MM**3 * len(boxes)
        rows[name] = {"dice": float(2 * shared / total), "cells": float(len(boxes))}
    return rows


def _best(packings):
    return max(packings, key=lambda one: one[0].dice)


# ---------------------------------------------------------------- table
def interval(values: Sequence[float]) -> str:
    """Mean and 95 % interval of it."""
    from scipy.stats import t

    array = np.asarray(values)
    if len(array) < 2:
        return f"{array.mean():.2f}"
    half = t.ppf(0.975, len(array) - 1) * array.std(ddof=1) / np.sqrt(len(array))
    return f"{array.mean():.2f} ({array.mean() - half:.2f} to {array.mean() + half:.2f})"


def cells_table(scores: list[dict[str, dict[str, float]]]) -> str:
    """One acquisition held against the chosen cells, two against the chosen cells with planned shifts."""
    twice = [name for name in scores[0] if "twice" in name or "two" in name]
    once = [name for name in scores[0] if name not in twice]
    return "\n\n".join(
        [_against(scores, once, "chosen", "one acquisition of 64 cells"),
         _against(scores, twice, "chosen, twice, planned", "two acquisitions of 64 cells")]
    )  # fmt: skip


def _against(scores: list[dict[str, dict[str, float]]], names: Sequence[str], reference: str, title: str) -> str:
    more = f"more than {reference}"
    lines = [f"| {title} | variance left % | {more} | dose error Gy | {more} | patients |", "|---|---|---|---|---|---|"]
    for name in names:
        columns = []
        for key in ("variance", "error"):
            mine, best = ([s[n][key] for s in scores] for n in (name, reference))
            columns += [interval(mine), "" if name == reference else interval(np.subtract(mine, best))]
        worse = sum(s[name]["error"] > s[reference]["error"] for s in scores)
        columns.append("" if name == reference else f"worse in {worse} of {len(scores)}")
        lines.append(f"| {name} | {' | '.join(columns)} |")
    return "\n".join(lines)


def shape_table(scores: list[dict[str, dict[str, float]]]) -> str:
    lines = ["| cells of 12 mm for PTV70 | Dice | cells |", "|---|---|---|"]
    for name in scores[0]:
        dice, cells = ([s[name][key] for s in scores] for key in ("dice", "cells"))
        low, mean, high = _three(dice)
        lines.append(f"| {name} | {mean:.3f} ({low:.3f} to {high:.3f}) | {np.mean(cells):.0f} |")
    return "\n".join(lines)


def _three(values: Sequence[float]) -> tuple[float, float, float]:
    from scipy.stats import t

    array = np.asarray(values)
    half = t.ppf(0.975, max(len(array) - 1, 1)) * array.std(ddof=min(1, len(array) - 1)) / np.sqrt(len(array))
    return array.mean() - half, array.mean(), array.mean() + half


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of OpenKBP with val/")
    parser.add_argument("--patients", type=int, default=None, help="only the first so many")
    parser.add_argument("--every", type=int, nargs=2, default=(1, 0), help="only each so manieth, from one on")
    parser.add_argument("--part", nargs="+", choices=("cells", "shape"), default=("cells", "shape"))
    parser.add_argument("--keep", type=Path, help="JSON that remembers patients that are done")
    parser.add_argument("--output", type=Path, default=RESULTS, help="Markdown file to write")
    arguments = parser.parse_args()
    paths = sorted((arguments.data / "val").glob("*.npz"))[: arguments.patients]
    paths = paths[arguments.every[1] :: arguments.every[0]]
    parts = {"cells": (cells_rows, cells_table), "shape": (shape_rows, shape_table)}
    kept = json.loads(arguments.keep.read_text()) if arguments.keep and arguments.keep.is_file() else {}
    tables = []
    for part in arguments.part:
        scores = []
        for path in paths:
            key, start = f"{part} {path.stem}", time.perf_counter()
            if key not in kept:
                kept[key] = parts[part][0](load(path))
                if arguments.keep:
                    arguments.keep.write_text(json.dumps(kept))
            scores.append(kept[key])
            print(f"{key}: {time.perf_counter() - start:.1f} s", file=sys.stderr, flush=True)
        tables.append(parts[part][1](scores))
    text = f"# Where few cells stand best\n\n{len(paths)} validation patients of OpenKBP; mean (95 % interval).\n\n"
    text += "\n\n".join(tables) + "\n"
    print(text)
    if arguments.patients is None and arguments.every[0] == 1 and len(arguments.part) == len(parts):
        arguments.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
