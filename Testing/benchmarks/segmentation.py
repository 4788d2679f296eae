"""Quality and speed of the shipped head-and-neck model.

    python3 run.py benchmark segmentation --data OPENKBP [--speed CT ...]

Quality: OpenKBP's validation patients (never read in training), each from its CT to masks on its own grid, compared
with the clinic's masks. Dice an organ with a bootstrap interval over patients, for all patients and without those whose
labels are wrong by a list fixed before training. Beside it a naive baseline that looks at no image: the mean position
of each organ in the training patients, relative to the body. There is no second observer in the data, so no human
floor.

Speed: `dose3d segment run` on each CT of --speed, three times in processes of their own, best and median: seconds from
the DICOM folder to the RTSTRUCT without imports, of the whole command, and peak memory. Prints Markdown and writes
Testing/benchmarks/results/segmentation.md.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "Dose3D"), str(ROOT / "tools")]
RESULTS = Path(__file__).with_name("results") / "segmentation.md"

from Dose3DLib.core.progress import Progress  # noqa: E402
from Dose3DLib.geometry.grid import Grid  # noqa: E402
from openkbp import NAMES, WRONG_IN_VAL, OpenKbpPatient, read_patient  # noqa: E402

ORGANS = tuple(NAMES)
FIRST_FIVE = ORGANS[:5]
TO_RTSTRUCT = (
    "read headers",
    "decode slices",
    "prepare image",
    "load model",
    "network",
    "clean up",
    "body",
    "RTSTRUCT",
)
Scores = dict[str, dict[str, float]]


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return 2.0 * float((a & b).sum()) / max(float(a.sum() + b.sum()), 1.0)


# ---------------------------------------------------------------- quality
def model_scores(patients: list[OpenKbpPatient], model: str, precision: str) -> Scores:
    """Patient -> organ -> Dice on the CT's own grid, for the organs that the clinic drew."""
    from Dose3DLib.bundles.bundle import find_bundle
    from Dose3DLib.segmentation.segment import SegmentOptions, segment

    bundle, scores = find_bundle(model), {}
    for number, patient in enumerate(patients, start=1):
        found = segment(patient.ct, bundle, SegmentOptions((), "cpu", precision), Progress()).structures
        scores[patient.name] = {
            organ: dice(found[organ].mask.to_array(), patient.masks[organ]) for organ in patient.masks
        }
        print(f"  {precision}: {number} of {len(patients)}, {patient.name}", file=sys.stderr)
    return scores


class MeanPosition:
    """Frequency of each organ on a grid of 48^3 that spans the body's bounding box; no look at the image inside."""

    SIZE = 48

    def __init__(self, patients: list[OpenKbpPatient]):
        self.frequency = {}
        for organ in ORGANS:
            drawn = [self._to_box(p, p.masks[organ]) for p in patients if organ in p.masks]
            self.frequency[organ] = np.mean(drawn, axis=0)
        # The threshold that gives the organ its mean volume: half would leave nothing of small, scattered organs.
        self.threshold = {o: np.quantile(f, 1 - f.mean()) for o, f in self.frequency.items()}

    def score(self, patients: list[OpenKbpPatient]) -> Scores:
        return {p.name: {o: dice(self._from_box(p, o), p.masks[o]) for o in p.masks} for p in patients}

    def _box(self, patient: OpenKbpPatient) -> Grid:
        hits = np.argwhere(patient.ct.array > -400)
        low, high = hits.min(axis=0), hits.max(axis=0)
        grid = patient.ct.grid.crop(tuple(low), tuple(high - low + 1))
        affine = grid.affine.copy()
        affine[:3, :3] *= (np.array(grid.shape[::-1]) - 1) / (self.SIZE - 1)
        return Grid((self.SIZE,) * 3, affine)

    def _to_box(self, patient: OpenKbpPatient, mask: np.ndarray) -> np.ndarray:
        from Dose3DLib.geometry.resample import resample_array

        return resample_array(mask[None], patient.ct.grid, self._box(patient))[0]

    def _from_box(self, patient: OpenKbpPatient, organ: str) -> np.ndarray:
        from Dose3DLib.geometry.resample import resample_array

        values = resample_array(self.frequency[organ][None], self._box(patient), patient.ct.grid)[0]
        return values > max(self.threshold[organ], 1e-6)


def mean_of(scores: Scores, organs: tuple[str, ...]) -> float:
    """Mean over organs of the mean over patients."""
    return float(np.mean([np.mean([s[o] for s in scores.values() if o in s]) for o in organs]))


def interval(scores: Scores, organs: tuple[str, ...], rounds: int = 2000) -> tuple[float, float]:
    """95 % bootstrap interval over patients of `mean_of`."""
    table = np.array([[s.get(o, np.nan) for o in organs] for s in scores.values()])
    rng = np.random.default_rng(1)
    means = []
    while len(means) < rounds:
        draw = table[rng.integers(len(table), size=len(table))]
        if not np.isnan(draw).all(axis=0).any():
            means.append(np.nanmean(draw, axis=0).mean())
    return tuple(float(v) for v in np.quantile(means, (0.025, 0.975)))


def quality_table(scores: Scores, naive: Scores) -> list[str]:
    right = {name: s for name, s in scores.items() if name not in WRONG_IN_VAL}
    left_out = ", ".join(name for name in WRONG_IN_VAL if name in scores)
    lines = [
        f"Mean Dice, {len(scores)} validation patients, native grid, 95 % bootstrap interval over patients; "
        f"wrong labels left out by the fixed list: {left_out}.",
        "",
        "| organ | drawn in | all | without wrong labels | interval | naive (mean position) |",
        "|---|---|---|---|---|---|",
    ]
    rows = [((organ,), organ) for organ in ORGANS] + [
        (FIRST_FIVE, "**mean of the first five**"),
        (ORGANS, "mean of all"),
    ]
    for organs, name in rows:
        low, high = interval(right, organs)
        count = sum(all(o in s for o in organs) for s in scores.values()) if len(organs) == 1 else ""
        lines.append(
            f"| {name} | {count} | {mean_of(scores, organs):.3f} | {mean_of(right, organs):.3f} "
            f"| {low:.3f} to {high:.3f} | {mean_of({n: naive[n] for n in right}, organs):.3f} |"
        )
    return lines


def precision_line(single: Scores, half: Scores) -> str:
    """What bfloat16, the default where the processor has it, costs in quality."""
    largest = max(abs(single[n][o] - half[n][o]) for n in single for o in single[n])
    return (
        f"The table is in float32. In bfloat16 the mean of all organs is {mean_of(half, ORGANS):.4f} instead of "
        f"{mean_of(single, ORGANS):.4f} (all patients); largest change of one organ in one patient {largest:.3f}."
    )


def patients_of(folder: Path) -> list[OpenKbpPatient]:
    paths = sorted(folder.glob("*.npz"), key=lambda p: int(p.stem.split("_")[1]))
    if not paths:
        sys.exit(f"error: {folder}: holds no .npz patients; give OpenKBP's folder with train and val in it")
    return [read_patient(path) for path in paths]


# ---------------------------------------------------------------- speed
def timed_run(ct: Path, room: Path) -> dict[str, float]:
    """One command in a process of its own."""
    output = room / "out"
    command = [sys.executable, "-W", "ignore", "-c", _CHILD, str(ct), str(output)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "Dose3D")}
    start = time.monotonic()
    facts = json.loads(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout)
    seconds = facts["seconds"]
    return {
        "DICOM to RTSTRUCT": sum(seconds[step] for step in TO_RTSTRUCT),
        "whole command": time.monotonic() - start,
        "GiB": facts["peak_gib"],
        **{step: value for step, value in seconds.items()},
    }


_CHILD = """
import json, resource, shutil, sys
from Dose3DLib.tasks import segment_run
result = segment_run.run(segment_run.Settings(ct=sys.argv[1], output=sys.argv[2], device="cpu"))
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
shutil.rmtree(sys.argv[2])
print(json.dumps({"seconds": result.seconds, "peak_gib": peak}))
"""


def speed_table(series: list[Path], rounds: int) -> list[str]:
    lines = [
        f"`dose3d segment run` on {os.cpu_count()} cores without GPU, {rounds} runs, median (best).",
        "",
        "| CT | DICOM folder to RTSTRUCT, s | of it network, s | whole command with scene and report, s | peak, GiB |",
        "|---|---|---|---|---|",
    ]
    for ct in series:
        with tempfile.TemporaryDirectory() as room:
            runs = [timed_run(ct, Path(room)) for _ in range(rounds)]
        median = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
        best = min(run["DICOM to RTSTRUCT"] for run in runs)
        name = f"{ct.parent.name}/{ct.name}, {len(list(ct.iterdir()))} slices"
        lines.append(
            f"| {name} | {median['DICOM to RTSTRUCT']:.1f} ({best:.1f}) | {median['network']:.1f} "
            f"| {median['whole command']:.1f} | {median['GiB']:.2f} |"
        )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="OpenKBP's folder (train and val in it), for the quality table")
    parser.add_argument("--model", default="head_neck_ct", help="shipped model or a bundle's folder")
    parser.add_argument("--speed", type=Path, nargs="*", default=[], help="CT folders, for the speed table")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each CT")
    arguments = parser.parse_args()
    lines: list[str] = []
    if arguments.speed:
        lines += [*speed_table(arguments.speed, arguments.rounds), ""]
    if arguments.data:
        validation = patients_of(arguments.data / "val")
        scores = model_scores(validation, arguments.model, "float32")
        naive = MeanPosition(patients_of(arguments.data / "train")[::3]).score(validation)
        lines += [*quality_table(scores, naive), ""]
        lines += [precision_line(scores, model_scores(validation, arguments.model, "bfloat16")), ""]
    if not lines:
        parser.error("give --data, --speed or both")
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text("\n".join(lines), encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
