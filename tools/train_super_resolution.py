"""Trains the shipped model `head_neck_dose`: detail of a dose between the cells of a detector, from OpenKBP.

    python tools/train_super_resolution.py --data OPENKBP --work WORK --minutes 80
    python tools/train_super_resolution.py --data OPENKBP --work WORK \
        --export Dose3D/Dose3DLib/bundles/shipped/head_neck_dose

Run again with the same --work it goes on where it was. The validation patients are never read here: twelve of the
training patients are held out for the live curve and for the calibration of the bands.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "Dose3D"), str(ROOT / "tools")]

import numpy as np  # noqa: E402
from Dose3DLib.core.progress import Progress  # noqa: E402
from Dose3DLib.dose.superres.infer import predict  # noqa: E402
from Dose3DLib.dose.superres.inputs import CHANNELS, base_dose, dose_scale, model_input, target_masks  # noqa: E402
from Dose3DLib.dose.superres.learner import DoseCase, DoseLearner, Sampling  # noqa: E402
from Dose3DLib.dose.superres.network import NETWORK, build  # noqa: E402
from Dose3DLib.dose.superres.posterior import DoseField  # noqa: E402
from super_resolution_cases import DosePatient, Scenario, draw_scenario, load_patient, make_problem  # noqa: E402

HELD_OUT = 12
SEED = 20261125
LENGTH_MM = 5.0
"""Correlation of errors that the calibration itself conditions with; the measured one goes into the bundle."""
_OUTSIDE, _TARGET = 0.15, 1.6
"""Weights of voxels outside the patient and in targets; 1 is the patient. No dose lies outside; D95 is of targets."""


def load_patients(data: Path) -> list[DosePatient]:
    """All training patients that have a dose, in the order of their numbers."""
    paths = sorted((data / "train").glob("*.npz"), key=lambda p: int(p.stem.split("_")[1]))
    patients = []
    for path in paths:
        try:
            patients.append(load_patient(path))
        except ValueError as error:
            print(error, flush=True)
    return patients


def make_case(patient: DosePatient, scenario: Scenario) -> DoseCase:
    """What the network sees and should find, float16 to keep many."""
    problem = make_problem(patient, scenario)
    scale, base = dose_scale(problem), base_dose(problem)
    image = model_input(problem, base, target_masks(problem)).astype(np.float16)
    weight = np.where(patient.body, 1.0, _OUTSIDE)
    for mask in patient.targets.values():
        weight[mask & patient.body] = _TARGET
    return DoseCase(image, (patient.dose / scale).astype(np.float32), weight.astype(np.float16))


def measure(patients: list[DosePatient], number: int) -> DoseCase:
    rng = np.random.default_rng([SEED, number])
    return make_case(patients[int(rng.integers(len(patients)))], draw_scenario(rng, number))


def held_out_error(network, cases: list[tuple[DosePatient, DoseCase, float]]) -> dict[str, float]:
    """Mean absolute error in the patient [Gy] of the classical dose and of the network, and the share in the bands."""
    errors, base_errors, inside = [], [], []
    for patient, case, scale in cases:
        dose, spread = predict(network, case.image.astype(np.float32))
        where = patient.body
        error = np.abs(dose - case.truth)[where]
        errors.append(float(error.mean() * scale))
        base_errors.append(float(np.abs(case.image[0] - case.truth)[where].mean() * scale))
        inside.append(float((error <= np.log(20) * spread[where]).mean()))
    means = {"mae": float(np.mean(errors)), "base": float(np.mean(base_errors)), "inside": float(np.mean(inside))}
    return {"score": -means["mae"], **means}


def train(patients: list[DosePatient], work: Path, minutes: float):
    """Run the shared loop; returns the averaged network."""
    import torch
    from Dose3DLib.training.loop import FitSettings, fit
    from Dose3DLib.training.precision import choose_precision
    from Dose3DLib.training.schedule import Budget
    from Dose3DLib.training.seeds import seed_everything

    torch.set_num_threads(1)
    seed_everything(SEED)
    held_out, training = patients[-HELD_OUT:], patients[:-HELD_OUT]
    judged = []
    for n, patient in enumerate(held_out):
        scenario = Scenario(phase_mm=tuple(np.random.default_rng([SEED, 1, n]).uniform(0, 12, 3)), seed=n)
        judged.append((patient, make_case(patient, scenario), dose_scale(make_problem(patient, scenario))))
    learner = DoseLearner(
        build(NETWORK), lambda number: measure(training, number),
        Sampling(precision=choose_precision("auto", "cpu"), seed=SEED),
        validation=lambda network: held_out_error(network, judged),
    )  # fmt: skip
    settings = FitSettings(
        Budget(minutes=minutes), learning_rate=2e-3, weight_decay=1e-5, ema_decay=0.995, gradient_norm=5.0,
        validate_s=600, seed=SEED,
    )  # fmt: skip
    return fit(learner, settings, work, Progress(show))


def calibrate(network, patients: list[DosePatient]) -> dict[str, Any]:
    """Half-widths that hold 95 % of the held-out patients' voxels, by the network's spread; see `infer.Calibration`."""
    return {
        "body": calibrated(network, patients, [(1, "exact"), (1, "exact"), (2, "exact"), (4, "exact")]),
        "no_body": calibrated(network, patients, [(1, "none"), (2, "none")]),
    }


def calibrated(network, patients: list[DosePatient], kinds: list[tuple[int, str]]) -> dict[str, Any]:
    spreads, errors, lengths = [], [], []
    for n, patient in enumerate(patients[-HELD_OUT:]):
        for m, (frames, body) in enumerate(kinds):
            phase = tuple(np.random.default_rng([SEED, 2, n, m]).uniform(0, 12, 3))
            problem = make_problem(patient, Scenario(phase_mm=phase, frames=frames, body=body, seed=100 + n))
            scale, base = dose_scale(problem), base_dose(problem)
            dose, spread = predict(network, model_input(problem, base, target_masks(problem)))
            sd = np.where(problem.inside, spread, 0) * scale
            found = DoseField(problem, np.where(problem.inside, dose * scale, 0), sd, LENGTH_MM).conditioned()
            where = patient.body & problem.inside
            spreads.append(spread[where])
            errors.append(np.abs(found - patient.dose)[where] / scale)
            lengths.append(correlation_length((patient.dose / scale - dose) / spread, where, problem.grid.spacing_mm))
    return {**bands(np.concatenate(spreads), np.concatenate(errors)), "length_mm": round(float(np.median(lengths)), 2)}


def bands(spread: np.ndarray, error: np.ndarray, count: int = 24) -> dict[str, list[float]]:
    """In bins of equally many voxels, the 95th percentile of the error; made increasing."""
    order = np.argsort(spread)
    parts = np.array_split(order, count)
    x = np.array([np.median(spread[part]) for part in parts])
    y = np.maximum.accumulate([np.percentile(error[part], 95) for part in parts])
    keep = np.r_[True, np.diff(x) > 1e-9]
    return {"spread": [float(v) for v in x[keep].round(6)], "half_width": [float(v) for v in y[keep].round(6)]}


def correlation_length(error: np.ndarray, where: np.ndarray, spacing_mm: tuple[float, ...]) -> float:
    """Of a Gaussian correlation, from that of neighbours along x."""
    both = where[:, :, 1:] & where[:, :, :-1]
    correlation = np.corrcoef(error[:, :, 1:][both], error[:, :, :-1][both])[0, 1]
    return float(spacing_mm[2] / np.sqrt(-2 * np.log(np.clip(correlation, 0.05, 0.98))))


def export(folder: Path, network, patients: list[DosePatient], arguments: argparse.Namespace) -> None:
    """Write the bundle, its card and metadata."""
    import monai
    import torch
    from Dose3DLib.bundles.write import halved, write_bundle
    from super_resolution_card import LICENCE, card, metadata

    steps = int((arguments.work / "curve.csv").read_text(encoding="utf-8").splitlines()[-1].split(",")[0])
    facts = {
        "calibration": calibrate(network, patients), "channels": list(CHANNELS), "minutes": arguments.minutes,
        "steps": steps, "patients": len(patients) - HELD_OUT, "held_out": HELD_OUT, "seed": SEED,
        "versions": {"monai_version": monai.__version__, "pytorch_version": torch.__version__,
                     "numpy_version": np.__version__},
    }  # fmt: skip
    write_bundle(folder, halved(network), NETWORK, metadata(facts), card(facts), LICENCE, overwrite=True)


def show(event: dict) -> None:
    """A line every hundred steps, and every validation."""
    message = event.get("message", "")
    if event["event"] == "curve" or (event["event"] == "progress" and message.split(",")[0].endswith("00")):
        print(event, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with train/*.npz")
    parser.add_argument("--work", type=Path, required=True, help="folder for checkpoint and curve")
    parser.add_argument("--minutes", type=float, default=80.0, help="time budget")
    parser.add_argument("--export", type=Path, help="write the trained network as a bundle into this folder")
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    patients = load_patients(arguments.data)
    network = train(patients, arguments.work, arguments.minutes)
    if arguments.export:
        export(arguments.export, network, patients, arguments)


if __name__ == "__main__":
    main()
