"""Trains the shipped models of photons on the simulated 6 MV head, and the faithful ones that the benchmark compares.

    python tools/train_phase_space.py --data PHASESPACE_6MV --work WORK                  # all, in order
    python tools/train_phase_space.py --data PHASESPACE_6MV --work WORK 6mv-flow 6mv-fast
    python tools/train_phase_space.py --data PHASESPACE_6MV --work WORK --install        # into the repository

Run again with the same --work it goes on where it was. `open_test` is never read.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "Dose3D")]

from Dose3DLib.core.progress import Progress  # noqa: E402
from Dose3DLib.tasks import phsp_train  # noqa: E402

SEED = 20261125
SHIPPED = ROOT / "Dose3D" / "Dose3DLib" / "bundles" / "shipped"
BENCHMARKS = ROOT / "Testing" / "benchmarks"
FAITHFUL, FIELD = BENCHMARKS / "faithful_models", BENCHMARKS / "field_model"
SEED_MODELS = ("beta-vae", "mkmmd-vae", "mmd-wae", "info-vae", "gan")
LICENCE = """The weights were made by the Dose3D project and are under the Apache License 2.0, as the rest of Dose3D.

They were trained on a simulated, simplified 6 MV head (BEAMnrc/EGSnrc); its phase spaces are CC0 1.0.
"""


@dataclass(frozen=True)
class Recipe:
    """How a shipped model is trained."""

    model: str
    minutes: float
    coordinates: str = "physics"
    teacher: str | None = None
    faithful: bool = False
    place: Path = SHIPPED
    file: str = "open_train"


RECIPES = {
    "6mv-flow": Recipe("flow", 8),
    "6mv-fast": Recipe("distilled", 8, teacher="6mv-flow"),
    **{f"6mv-{name}": Recipe(name, 2.5) for name in SEED_MODELS},
    **{f"raw-{name}": Recipe(name, 2.5, "raw", faithful=True, place=FAITHFUL) for name in SEED_MODELS},
    "jaws-flow": Recipe("flow", 3, place=FIELD, file="jaws_10x10"),
}


def train(name: str, data: Path, work: Path) -> None:
    """Train one model into `work`."""
    recipe = RECIPES[name]
    teacher = None if recipe.teacher is None else str(work / recipe.teacher)
    settings = phsp_train.Settings(
        phase_spaces=(str(data / f"{recipe.file}.IAEAphsp"),), output=work / name, model=recipe.model,
        coordinates=recipe.coordinates, minutes=recipe.minutes, faithful=recipe.faithful, teacher=teacher, seed=SEED,
        device="auto",
    )  # fmt: skip
    print(name, phsp_train.run(settings, Progress()).summary, flush=True)


def install(name: str, work: Path) -> None:
    """Copy a finished model to its place in the repository: without pictures, and with its licence."""
    target = RECIPES[name].place / name
    shutil.rmtree(target, ignore_errors=True)
    ignored = shutil.ignore_patterns("*.png", "curve.csv", "provenance.json")
    shutil.copytree(work / name, target, ignore=ignored)
    (target / "LICENSE").write_text(LICENCE, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(RECIPES)} (default: all)")
    parser.add_argument("--data", type=Path, required=True, help="folder with open_train and jaws_10x10")
    parser.add_argument("--work", type=Path, required=True, help="where models are kept on the way")
    parser.add_argument("--install", action="store_true", help="copy finished models into the repository")
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.names) - set(RECIPES))
    if unknown:
        parser.error(f"{unknown[0]} is none of {', '.join(RECIPES)}")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    arguments.work.mkdir(parents=True, exist_ok=True)
    for name in arguments.names or RECIPES:
        if not (arguments.work / name / "configs").is_dir():
            train(name, arguments.data, arguments.work)
        if arguments.install:
            install(name, arguments.work)


if __name__ == "__main__":
    main()
