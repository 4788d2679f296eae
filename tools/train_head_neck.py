"""Trains the shipped model `head_neck_ct`: seven organs at risk from OpenKBP's training patients.

    python tools/train_head_neck.py --data OPENKBP --work WORK --minutes 75
    python tools/train_head_neck.py --data OPENKBP --work WORK \
        --export Dose3D/Dose3DLib/bundles/shipped/head_neck_ct

Run again with the same --work it goes on where it was. The validation patients are never read here: the ten patients
that the live curve shows are held out of the training set, and choose nothing.
"""

from __future__ import annotations

import argparse
import sys
from itertools import combinations
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "Dose3D"), str(ROOT / "tools")]

import numpy as np  # noqa: E402
from Dose3DLib.core.progress import Progress  # noqa: E402
from Dose3DLib.geometry.resample import resample_array  # noqa: E402
from Dose3DLib.segmentation.learner import TrainingCase  # noqa: E402
from Dose3DLib.segmentation.preprocess import InputSpec, model_input  # noqa: E402
from openkbp import NAMES, WRONG_IN_TRAIN, OpenKbpPatient, read_patient  # noqa: E402

ORGANS = tuple(NAMES)
SPEC = InputSpec(spacing_mm=(2.5, 3.0, 3.0), resolution_mm=(2.5, 3.9, 3.9))
NETWORK = {
    "_target_": "UNet",
    "spatial_dims": 3,
    "in_channels": 1,
    "out_channels": len(ORGANS),
    "channels": [32, 64, 128, 256],
    "strides": [2, 2, 2],
    "num_res_units": 2,
}
PATCH = (64, 64, 64)
HELD_OUT = 10
SEED = 20261125


def prepare(patient: OpenKbpPatient) -> TrainingCase:
    """Resample one patient to the model's grid."""
    image = model_input(patient.ct, SPEC)
    labels = np.zeros(image.grid.shape, np.uint16)
    known = np.zeros(len(ORGANS), bool)
    for number, organ in enumerate(ORGANS):
        if organ not in patient.masks or organ in WRONG_IN_TRAIN.get(patient.name, ()):
            continue
        known[number] = True
        share = resample_array(patient.masks[organ][None], patient.ct.grid, image.grid)[0]
        labels |= (share >= 0.5).astype(np.uint16) << np.uint16(number)
    return TrainingCase(patient.name, image.array.round().astype(np.int16), labels, known)


def load_cases(data: Path, work: Path) -> list[TrainingCase]:
    """All training patients, prepared once and kept in `work`."""
    cases = []
    (work / "cases").mkdir(parents=True, exist_ok=True)
    for path in sorted((data / "train").glob("*.npz"), key=lambda p: int(p.stem.split("_")[1])):
        kept = work / "cases" / path.name
        if not kept.exists():
            case = prepare(read_patient(path))
            np.savez(kept.with_suffix(".part.npz"), hu=case.hu, labels=case.labels, known=case.known)
            kept.with_suffix(".part.npz").rename(kept)
        file = np.load(kept)
        cases.append(TrainingCase(path.stem, file["hu"], file["labels"], file["known"]))
    return cases


def train(cases: list[TrainingCase], work: Path, minutes: float):
    """Run the shared loop; returns the averaged network."""
    import torch
    from Dose3DLib.segmentation.augment import Augmentation
    from Dose3DLib.segmentation.learner import PatchLearner, Sampling
    from Dose3DLib.training.loop import FitSettings, fit
    from Dose3DLib.training.precision import choose_precision
    from Dose3DLib.training.schedule import Budget
    from Dose3DLib.training.seeds import seed_everything
    from monai.networks import nets

    torch.set_num_threads(1)
    seed_everything(SEED)
    options = {key: value for key, value in NETWORK.items() if key != "_target_"}
    network = getattr(nets, NETWORK["_target_"])(**options).to(memory_format=torch.channels_last_3d)
    held_out, training = cases[:HELD_OUT], cases[HELD_OUT:]
    pair = tuple(ORGANS.index(f"Parotid_{side}") for side in "LR")
    learner = PatchLearner(
        network, training, SPEC, Sampling(PATCH, 2, choose_precision("auto", "cpu"), SEED), Augmentation((pair,)),
        validation=lambda net: held_out_dice(net, held_out),
    )  # fmt: skip
    settings = FitSettings(Budget(minutes=minutes), learning_rate=2e-3, ema_decay=0.998, validate_s=900, seed=SEED)
    return fit(learner, settings, work, Progress(show))


def held_out_dice(network, cases: list[TrainingCase]) -> dict[str, float]:
    """Mean Dice an organ over the held-out training patients, on the model's grid."""
    from Dose3DLib.segmentation.inference import predict_logits

    scores: dict[str, list[float]] = {organ: [] for organ in ORGANS}
    for case in cases:
        found = predict_logits(network, case.hu.astype(np.float32), SPEC, PATCH) > 0
        for number, organ in enumerate(ORGANS):
            truth = (case.labels >> np.uint16(number)) & np.uint16(1) > 0
            if case.known[number]:
                scores[organ].append(2 * (found[number] & truth).sum() / max(found[number].sum() + truth.sum(), 1))
    means = {organ: float(np.mean(values)) for organ, values in scores.items() if values}
    return {"score": float(np.mean(list(means.values()))), **means}


def export(folder: Path, network, cases: list[TrainingCase], work: Path, minutes: float) -> None:
    """Write the bundle, its card and metadata."""
    import monai
    import torch
    from Dose3DLib.bundles.write import halved, write_bundle
    from head_neck_card import LICENCE, card, metadata

    trained = cases[HELD_OUT:]
    steps = int((work / "curve.csv").read_text(encoding="utf-8").splitlines()[-1].split(",")[0])
    versions = {
        "monai_version": monai.__version__,
        "pytorch_version": torch.__version__,
        "numpy_version": np.__version__,
    }
    drawn = {organ: sum(int(case.known[n]) for case in trained) for n, organ in enumerate(ORGANS)}
    facts = {"expected": expectations(network, cases), "patients": len(trained), "minutes": minutes, "steps": steps}
    # A scan may end between chin and joints: the two rami are then parts of their own.
    facts |= {"parts": {"Mandible": 2}}
    facts |= {"seed": SEED, "versions": versions, "drawn": drawn}
    write_bundle(
        folder,
        halved(network),
        NETWORK,
        metadata(ORGANS, SPEC, PATCH, facts),
        card(ORGANS, SPEC, facts),
        LICENCE,
        overwrite=True,
    )


def expectations(network, cases: list[TrainingCase]) -> dict[str, Any]:
    """What the clinics' masks and the network look like on OpenKBP's training patients, for `plausibility.doubts`.

    Volumes: half the smallest to one and a half of the largest, cm3. Offsets between centres: the range plus 15 mm to
    the sides and 40 mm along the body, since scans end anywhere. Confidence: two thirds of the smallest on the patients
    that were held out of training.
    """
    voxel_cc = float(np.prod(SPEC.spacing_mm)) / 1000
    sure = confidences(network, cases[:HELD_OUT])
    organs = {}
    for number, organ in enumerate(ORGANS):
        volumes = [case.voxels_of(number).size * voxel_cc for case in cases if case.known[number]]
        limits = [round(0.5 * min(volumes), 1), round(1.5 * max(volumes), 1)]
        organs[organ] = {"volume_cc": limits, "confidence": round(min(sure[organ]) * 2 / 3, 3)}
    margin, offsets = np.array([15.0, 15.0, 40.0]), {}
    for a, b in combinations(range(len(ORGANS)), 2):
        both = np.array([center(case, b) - center(case, a) for case in cases if case.known[a] and case.known[b]])
        low, high = both.min(axis=0) - margin, both.max(axis=0) + margin
        offsets[f"{ORGANS[a]} to {ORGANS[b]}"] = [low.round().tolist(), high.round().tolist()]
    return {"organs": organs, "offsets_mm": offsets}


def center(case: TrainingCase, organ: int) -> np.ndarray:
    """Centre of an organ (L, P, S), mm, in the frame of the prepared case."""
    index = np.array(np.unravel_index(case.voxels_of(organ), case.hu.shape)).mean(axis=1)
    return (index * SPEC.spacing_mm)[::-1]


def confidences(network, cases: list[TrainingCase]) -> dict[str, list[float]]:
    """Edge confidence of each organ that was drawn and found."""
    from Dose3DLib.segmentation.cleanup import boundary_confidence
    from Dose3DLib.segmentation.inference import predict_logits

    sure: dict[str, list[float]] = {organ: [] for organ in ORGANS}
    for case in cases:
        probability = 1 / (1 + np.exp(-predict_logits(network, case.hu.astype(np.float32), SPEC, PATCH)))
        for number, organ in enumerate(ORGANS):
            if case.known[number] and (probability[number] >= 0.5).any():
                sure[organ].append(boundary_confidence(probability[number]))
    return sure


def show(event: dict) -> None:
    """A line every hundred steps, and every validation."""
    message = event.get("message", "")
    if event["event"] == "curve" or (event["event"] == "progress" and message.split(",")[0].endswith("00")):
        print(event, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with train/*.npz")
    parser.add_argument("--work", type=Path, required=True, help="folder for prepared cases, checkpoint and curve")
    parser.add_argument("--minutes", type=float, default=75.0, help="time budget")
    parser.add_argument("--export", type=Path, help="write the trained network as a bundle into this folder")
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    cases = load_cases(arguments.data, arguments.work)
    network = train(cases, arguments.work, arguments.minutes)
    if arguments.export:
        export(arguments.export, network, cases, arguments.work, arguments.minutes)


if __name__ == "__main__":
    main()
