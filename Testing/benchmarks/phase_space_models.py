"""How good the models of photons are, against photons that none was trained on.

    python3 run.py benchmark phase_space_models --data PHASESPACE_6MV [--no-dose] [--part means|ranking|field]

Three comparisons by `dose3d phsp compare`, all with open_test as the real side, open_train as the second real side
(floors: 20 real-against-real draws of 150,000 photons, split by history) and as the training file (memorisation):

- means: 6mv-flow and 6mv-fast, 5 million photons each, all figures, dose in water;
- ranking: all shipped models and the faithful ones on raw variables, 500,000 photons each;
- field: a flow trained on jaws_10x10, edges and penumbras.

Prints Markdown and writes Testing/benchmarks/results/phase_space_models.md. Takes about an hour on two cores.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
RESULTS = Path(__file__).with_name("results") / "phase_space_models.md"
FAITHFUL = Path(__file__).with_name("faithful_models")
sys.path.insert(0, str(ROOT / "Dose3D"))

from Dose3DLib.core.progress import Progress  # noqa: E402
from Dose3DLib.tasks import phsp_compare  # noqa: E402

BEST = ("6mv-flow", "6mv-fast")
SEED_MODELS = ("beta-vae", "mkmmd-vae", "mmd-wae", "info-vae", "gan")
JOINT = ("AUC six", "AUC physics", "sliced W1", "KS worst", "W1 worst")
PROPERTIES = ("mean energy", "spot sigma x", "spot sigma y", "511 keV window", "511 keV exact", "scattered share")


def compared(settings: phsp_compare.Settings) -> dict[str, Any]:
    """compare.json of a run."""
    result = phsp_compare.run(settings, Progress(_say))
    return json.loads((result.output / "compare.json").read_text(encoding="utf-8"))


def _say(event: dict[str, Any]) -> None:
    if event["event"] == "stage" or event.get("message"):
        print(f"{event.get('stage', '')} {event.get('message', '')}", file=sys.stderr)


def means(data: Path, work: Path, dose: bool) -> str:
    """The two best models with all their figures."""
    record = compared(phsp_compare.Settings(
        real=data / "open_test.IAEAphsp", floor=data / "open_train.IAEAphsp", train=data / "open_train.IAEAphsp",
        model=BEST, make=5_000_000, limit=5_000_000, dose=dose, naive=False, output=work / "means", overwrite=True,
    ))  # fmt: skip
    lines = [f"### Best and fastest: 5 million photons each, {_floor_words(record)}", ""]
    lines += ["| figure | floor, median (95 %) | " + " | ".join(BEST) + " |", "|---|---|---|---|"]
    lines += [_distance_row(record, name, BEST) for name in JOINT]
    lines += ["", "| | real | " + " | ".join(f"{name} (error)" for name in BEST) + " |", "|---|---|---|---|"]
    lines += [_property_row(record, name) for name in PROPERTIES]
    lines += ["", *_verdicts(record)]
    return "\n".join(lines)


def ranking(data: Path, work: Path) -> str:
    """All models by joint figures, seed models faithful and improved."""
    improved = [f"6mv-{name}" for name in SEED_MODELS]
    faithful = [str(FAITHFUL / f"raw-{name}") for name in SEED_MODELS]
    record = compared(phsp_compare.Settings(
        real=data / "open_test.IAEAphsp", floor=data / "open_train.IAEAphsp", train=data / "open_train.IAEAphsp",
        model=(*BEST, *improved, *faithful), make=500_000, limit=5_000_000, output=work / "ranking", overwrite=True,
    ))  # fmt: skip
    rows = {name: one["figures"] for name, one in record["models"].items()}
    lines = [f"### All models: 500,000 photons each, {_floor_words(record)}", ""]
    lines += ["| | mean rank | " + " | ".join(JOINT) + " | 511 keV window, % | impossible, % |", "|---|" + "---|" * 8]
    floors = record["floor"]["figures"]
    lines.append("| real against real | | " + " | ".join(f"{floors[n]['median']:.4f}" for n in JOINT) + " | | |")
    for name, rank in sorted(record["mean_rank"].items(), key=lambda item: item[1]):
        values = {n: f["value"] for n, f in rows[name].items()} if name in rows else record["naive"][name]
        shown = [f"{values[n]:.4f}" if n in values else "" for n in JOINT]
        shares = [_percent(rows.get(name, {}), n) for n in ("511 keV window", "impossible photons")]
        lines.append(f"| {name} | {rank:.1f} | " + " | ".join(shown + shares) + " |")
    return "\n".join(lines)


def field(data: Path, work: Path) -> str:
    """Edges of a rectangular field; halves of the file by history are its floor, since there is no second one."""
    record = compared(phsp_compare.Settings(
        real=data / "jaws_10x10.IAEAphsp", model=(str(FAITHFUL.parent / "field_model" / "jaws-flow"),), make=1_000_000,
        naive=False, classifier=False, photons=50_000, output=work / "field", overwrite=True,
    ))  # fmt: skip
    (model,) = record["models"].values()
    head = "| edge | real, cm | generated, cm | difference, mm (error) | penumbra 20-80, difference, mm (error) |"
    lines = ["### Field edges: a flow trained on jaws_10x10, 1,000,000 photons", "", head, "|---|---|---|---|---|"]
    for edge in model["edges"]["edges"]:
        shown = [f"{10 * edge[kind]:.2f} ({10 * edge[kind + '_error']:.2f})"
                 for kind in ("difference", "penumbra_difference")]  # fmt: skip
        places = [f"{edge[side]:.3f}" for side in ("real", "generated")]
        lines.append("| " + " | ".join([edge["name"], *places, *shown]) + " |")
    return "\n".join([*lines, "", f"Verdict: {model['verdicts']['Field edges']}."])


def _floor_words(record: dict[str, Any]) -> str:
    floor = record["floor"]
    return f"draws of {floor['photons']:,}, floor of {floor['draws']} draws"


def _distance_row(record: dict[str, Any], name: str, models: tuple[str, ...]) -> str:
    floor = record["floor"]["figures"][name]
    figures = [record["models"][model]["figures"][name] for model in models]
    shown = [f"{one['value']:.4f}, {one['verdict']}" for one in figures]
    return f"| {name} | {floor['median']:.4f} ({floor['p95']:.4f}) | " + " | ".join(shown) + " |"


def _property_row(record: dict[str, Any], name: str) -> str:
    figures = [record["models"][model]["figures"][name] for model in BEST]
    shown = [f"{one['generated']:.5g} ({one['error']:.2g}), {one['verdict']}" for one in figures]
    return f"| {name} {figures[0]['unit']} | {figures[0]['real']:.5g} | " + " | ".join(shown) + " |"


def _verdicts(record: dict[str, Any]) -> list[str]:
    return [f"- {model}, {name}: {words}." for model in BEST
            for name, words in record["models"][model]["verdicts"].items()]  # fmt: skip


def _percent(figures: dict[str, Any], name: str) -> str:
    found = figures.get(name, {}).get("generated")
    return "" if found is None else f"{found:.3g}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with open_train, open_test, jaws_10x10")
    parser.add_argument("--work", type=Path, help="keep the three reports here")
    parser.add_argument("--no-dose", action="store_true", help="leave out the dose in water")
    parser.add_argument("--part", choices=("means", "ranking", "field"), help="one comparison only, printed only")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = arguments.work or Path(folder)
        work.mkdir(parents=True, exist_ok=True)
        parts = {
            "means": lambda: means(arguments.data, work, not arguments.no_dose),
            "ranking": lambda: ranking(arguments.data, work),
            "field": lambda: field(arguments.data, work),
        }
        chosen = [arguments.part] if arguments.part else list(parts)
        text = "\n\n".join(parts[name]() for name in chosen) + "\n"
    print(text)
    if not arguments.part:
        RESULTS.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
