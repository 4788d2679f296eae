"""How honest the network's bands of 95 % are: their coverage beside their width and beside bands of one width.

    python3 run.py benchmark dose_bands --data OPENKBP [--patients 5]

The measurements of dose_scaling.py: OpenKBP's validation patients, one acquisition, 1 % noise, the body known. Region:
dose_scaling.py's R. Quartiles are of the truth's gradient, over all patients. One width is what would cover 95 %
of all these voxels, which nobody can know beforehand; the gradient's band is of the classical dose, its two numbers
chosen here in the same way. Prints Markdown and writes Testing/benchmarks/results/dose_bands.md.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).resolve().parents[2] / "Dose3D"), str(Path(__file__).parent)]
from Dose3DLib.dose.superres.infer import super_resolve  # noqa: E402
from Dose3DLib.dose.superres.inputs import base_dose  # noqa: E402
from dose_scaling import Patient, load, with_noise  # noqa: E402

RESULTS = Path(__file__).with_name("results") / "dose_bands.md"
SAMPLES = 20


def measured(patient: Patient) -> dict[str, np.ndarray | float | bool]:
    """Per voxel of R: errors of network and classical dose, half-widths, gradients; and how D95 lies in its band."""
    problem = replace(with_noise(patient.problem(1, True, patient.mask)), **patient.anatomy())
    found, base = super_resolve(problem, SAMPLES, patient.number), base_dose(problem)
    region, target = patient.region, patient.target & patient.region
    d95 = [float(np.percentile(one.array[target], 5)) for one in found.samples]
    low, high = np.percentile(d95, [2.5, 97.5])
    truth = float(np.percentile(patient.truth[target], 5))
    return {
        "error": np.abs(found.mean.array - patient.truth)[region],
        "half": found.half_width.array[region].astype(np.float64),
        "classical": np.abs(base - patient.truth)[region],
        "steep": gradient(base, problem.grid.spacing_mm)[region],
        "gradient": gradient(patient.truth, problem.grid.spacing_mm)[region],
        "d95 inside": low <= truth <= high,
        "d95 width": (high - low) / 2,
    }


def gradient(dose: np.ndarray, spacing_mm: tuple[float, ...]) -> np.ndarray:
    """Gy per mm."""
    return np.sqrt(sum(g**2 for g in np.gradient(dose, *spacing_mm)))


def report(found: list[dict]) -> str:
    from scipy.stats import spearmanr

    def joined(key: str) -> np.ndarray:
        return np.concatenate([one[key] for one in found])

    error, half, classical, steep, slope = (joined(k) for k in ("error", "half", "classical", "steep", "gradient"))
    inside = error <= half
    quartile = np.digitize(slope, np.percentile(slope, [25, 50, 75]))
    quartiles = ", ".join(f"{100 * inside[quartile == q].mean():.1f}" for q in range(4))
    per_patient = [100 * float((one["error"] <= one["half"]).mean()) for one in found]
    rule = 0.41 + 0.86 * steep
    rule *= np.percentile(classical / rule, 95)
    sample = np.random.default_rng(0).choice(error.size, min(error.size, 200_000), replace=False)
    lines = [
        f"| {len(found)} patients | coverage % | patients % | gradient quartiles % | mean half-width Gy | Spearman |",
        "|---|---|---|---|---|---|",
        f"| network | {100 * inside.mean():.1f} | {min(per_patient):.1f} to {max(per_patient):.1f} | {quartiles} "
        f"| {half.mean():.2f} | {spearmanr(error[sample], half[sample]).statistic:.2f} |",
        f"| classical dose, gradient's band | 95 | | | {rule.mean():.2f} "
        f"| {spearmanr(classical[sample], rule[sample]).statistic:.2f} |",
        f"| classical dose, one width | 95 | | | {np.percentile(classical, 95):.2f} | 0 |",
        f"| network's dose, one width | 95 | | | {np.percentile(error, 95):.2f} | 0 |",
        "",
        f"D95 of PTV70 lies in the band of {SAMPLES} possible doses for {sum(one['d95 inside'] for one in found)} of "
        f"{len(found)} patients; mean half-width {np.mean([one['d95 width'] for one in found]):.2f} Gy.",
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of OpenKBP with val/*.npz")
    parser.add_argument("--patients", type=int, default=None, help="only the first so many")
    parser.add_argument("--output", type=Path, default=RESULTS, help="Markdown file to write")
    arguments = parser.parse_args()
    found = []
    for path in sorted((arguments.data / "val").glob("*.npz"))[: arguments.patients]:
        found.append(measured(load(path)))
        print(path.stem, file=sys.stderr, flush=True)
    text = f"# Bands of 95 %\n\n`{' '.join(sys.argv)}`\n\n{report(found)}\n"
    print(text)
    arguments.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
