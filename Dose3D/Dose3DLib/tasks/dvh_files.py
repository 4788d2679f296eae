"""What `dose dvh` writes: curves and figures as CSV, everything as JSON, the contents of report and scene."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.json_file import write_json

if TYPE_CHECKING:
    from ..dose.dvh_metrics import Figure, Metric
    from ..dose.goals import Outcome
    from ..scene.dvh_scene import DvhScene
    from .dose_dvh import DvhStudy

__all__ = ["figure_text", "scene_of", "write_report", "write_tables"]


def figure_text(metric: Metric, figure: Figure | None) -> str:
    """A value with its unit; marked where the part without a known dose could change it."""
    if figure is None:
        return "unknown"
    return f"{metric.text(figure.value)} {metric.unit}" + ("" if figure.is_sure else " *")


def write_tables(study: DvhStudy, folder: Path) -> dict[str, str]:
    """dvh.csv, figures.csv, goals.csv where there are goals, and summary.json."""
    _write_csv(folder / "dvh.csv", _curve_rows(study))
    _write_csv(folder / "figures.csv", _figure_rows(study))
    files = {"curves": "dvh.csv", "figures": "figures.csv", "summary": "summary.json"}
    if study.outcomes:
        _write_csv(folder / "goals.csv", _goal_rows(study))
        files["goals"] = "goals.csv"
    write_json(folder / "summary.json", _summary(study))
    return files


def _write_csv(path: Path, rows: list[list[Any]]) -> None:
    """UTF-8; texts that a spreadsheet would take for formulas get an apostrophe before them."""
    with path.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        for row in rows:
            writer.writerow(
                [f"'{cell}" if isinstance(cell, str) and cell[:1] in tuple("=+-@") else cell for cell in row]
            )


def edges_of(study: DvhStudy) -> np.ndarray:
    """Doses that curves are listed at, Gy."""
    from ..dose.dvh import curve_edges

    every = [dvh for one in study.dvhs for dvh in (one.dvh, one.reference, *one.samples) if dvh is not None]
    return curve_edges(max(dvh.maximum for dvh in every if not dvh.is_empty), study.settings.step)


def _curve_rows(study: DvhStudy) -> list[list[Any]]:
    """At least `dose_gy`: cm3 and percent of the part with a known dose; differential: of the bin that begins there."""
    from ..dose.dvh import band

    edges = edges_of(study)
    heading = ["structure", "dose_gy", "volume_percent", "volume_cc", "differential_cc_per_gy"]
    heading += ["reference_percent"] if study.reference else []
    heading += ["band_low_percent", "band_high_percent"] if study.samples else []
    rows: list[list[Any]] = [heading]
    for one in study.dvhs:
        if one.dvh.is_empty:
            continue
        volumes = one.dvh.volume_of_dose(edges)
        thickness = np.append(one.dvh.differential(edges) / np.diff(edges), 0.0)
        columns = [edges, 100 * volumes / one.dvh.known_cc, volumes, thickness]
        if one.reference is not None:
            columns.append(100 * one.reference.volume_of_dose(edges) / max(one.reference.known_cc, 1e-12))
        if one.samples:
            columns += [100 * part for part in band(one.samples, edges)]
        rows += [[one.name, *(f"{value:.6g}" for value in row)] for row in zip(*columns, strict=True)]
    return rows


def _figure_rows(study: DvhStudy) -> list[list[Any]]:
    rows: list[list[Any]] = [
        ["structure", "metric", "value", "unit", "low", "high", "reference", "band_low", "band_high"]
    ]
    for one in study.dvhs:
        rows.append([one.name, "Volume", f"{one.dvh.volume_cc:.6g}", "cc", "", "", "", "", ""])
        rows.append([one.name, "Volume without known dose", f"{one.dvh.unknown_cc:.6g}", "cc", "", "", "", "", ""])
        for row in study.figures[one.name]:
            figure = row.figure
            bounds = ["", ""] if figure is None or figure.is_sure else [f"{figure.low:.6g}", f"{figure.high:.6g}"]
            value = "" if figure is None else f"{figure.value:.6g}"
            reference = "" if row.reference is None else f"{row.reference.value:.6g}"
            between = ["", ""] if row.band is None else [f"{part:.6g}" for part in row.band]
            rows.append([one.name, row.metric.name, value, row.metric.unit, *bounds, reference, *between])
    return rows


def _goal_rows(study: DvhStudy) -> list[list[Any]]:
    heading = ["structure", "of_the_set", "metric", "unit", "limit", "near", "value", "state", "share_of_samples"]
    rows: list[list[Any]] = [[*heading, "source", "note"]]
    for outcome in study.outcomes:
        goal, figure = outcome.goal, outcome.figure
        rows.append([
            goal.structure, outcome.name, goal.metric.name, goal.metric.unit, f"{goal.sense} {goal.limit:g}",
            "" if goal.near is None else f"{goal.near:g}", "" if figure is None else f"{figure.value:.6g}",
            outcome.state, "" if outcome.passing is None else f"{outcome.passing:.3g}", goal.source, goal.note,
        ])  # fmt: skip
    return rows


def _summary(study: DvhStudy) -> dict[str, Any]:
    structures = []
    for one in study.dvhs:
        figures = {
            row.metric.label: {
                "value": row.figure and row.figure.value,
                "low": row.figure and row.figure.low,
                "high": row.figure and row.figure.high,
                "reference": row.reference and row.reference.value,
                "band": row.band,
            }
            for row in study.figures[one.name]
        }
        structures.append({
            "name": one.name, "color": list(one.color), "volume_cc": one.dvh.volume_cc,
            "unknown_cc": one.dvh.unknown_cc, "figures": figures,
            "warnings": list(one.warnings),
        })  # fmt: skip
    return {
        "dose": study.name,
        "units": "Gy",
        "prescription": study.settings.prescription,
        "ends": study.settings.ends,
        "samples": len(study.samples),
        "structures": structures,
        "goals": [_goal_json(outcome) for outcome in study.outcomes],
    }


def _goal_json(outcome: Outcome) -> dict[str, Any]:
    goal, figure = outcome.goal, outcome.figure
    return {
        "structure": goal.structure,
        "of_the_set": outcome.name,
        "goal": goal.text,
        "value": figure and figure.value,
        "low": figure and figure.low,
        "high": figure and figure.high,
        "state": outcome.state,
        "share_of_samples": outcome.passing,
        "source": goal.source,
        "note": goal.note,
    }


def write_report(study: DvhStudy, path: Path, provenance: dict[str, Any]) -> None:
    """The HTML report."""
    from ..report.dose_dvh import DvhReport, write_dvh_report

    patient = (study.ct or study.dose).patient
    labels = {"name": "Patient", "id": "Patient ID", "study": "Study"}
    facts = {label: patient.get(key, "") for key, label in labels.items()}
    rx = study.settings.prescription
    facts["Prescription"] = "" if rx is None else f"{rx:g} Gy"
    facts["Compared with"] = _name(study.reference) if study.reference else ""
    facts["Possible doses"] = str(len(study.samples)) if study.samples else ""
    shortened = [
        {key: value for key, value in one.items() if key != "sop_instance_uids"} for one in provenance["inputs"]
    ]
    content = DvhReport(
        study.name,
        facts,
        study.dose.volume.grid,
        _report_curves(study),
        tuple(metric.label for metric in study.metrics),
        _report_rows(study),
        tuple(_report_goal(outcome) for outcome in study.outcomes),
        study.settings.ends == "none",
        provenance["seconds"],
        provenance["warnings"],
        {**provenance, "inputs": shortened},
    )
    write_dvh_report(path, content)


def _name(dose: Any) -> str:
    return dose.patient.get("series") or Path(dose.facts["path"]).name


def _report_curves(study: DvhStudy) -> tuple[Any, ...]:
    """Cumulative and differential curves in percent."""
    from ..dose.dvh import band
    from ..report.dvh_figures import DvhCurve

    edges, curves = edges_of(study), []
    for one in study.dvhs:
        if one.dvh.is_empty:
            continue
        known = one.dvh.known_cc
        reference = None
        if one.reference is not None and not one.reference.is_empty:
            reference = 100 * one.reference.volume_of_dose(edges) / one.reference.known_cc
        parts = tuple(100 * part for part in band(one.samples, edges)) if one.samples else None
        differential = 100 * one.dvh.differential(edges) / known / np.diff(edges)
        cumulative = 100 * one.dvh.volume_of_dose(edges) / known
        curves.append(DvhCurve(one.name, one.color, edges, cumulative, differential, reference, parts))
    return tuple(curves)


def _report_rows(study: DvhStudy) -> tuple[Any, ...]:
    from ..report.dose_dvh import StructureRow

    rows = []
    for one in study.dvhs:
        cells = []
        for row in study.figures[one.name]:
            metric, figure = row.metric, row.figure
            text = "–" if figure is None else metric.text(figure.value) + ("" if figure.is_sure else " *")
            if row.reference is not None and figure is not None:
                text += f" ({metric.text(figure.value - row.reference.value, '+')})"
            if row.band is not None:
                text += f" [{metric.text(row.band[0])}, {metric.text(row.band[1])}]"
            cells.append(text)
        rows.append(StructureRow(one.name, one.color, one.dvh.volume_cc, one.dvh.unknown_cc, tuple(cells)))
    return tuple(rows)


def _report_goal(outcome: Outcome) -> Any:
    from ..report.dose_dvh import GoalRow

    goal = outcome.goal
    value = "–" if outcome.figure is None else f"{goal.metric.text(outcome.figure.value)} {goal.metric.unit}"
    passing = "" if outcome.passing is None else f"{100 * outcome.passing:.0f} %"
    return GoalRow(
        outcome.name or goal.structure,
        goal.text.replace("<=", "≤").replace(">=", "≥"),
        value,
        outcome.state,
        passing,
        goal.source,
        goal.note,
    )


def scene_of(study: DvhStudy) -> DvhScene:
    """Dose, structures and curves for the scene."""
    from ..dose.levels import make_levels
    from ..scene.dose_nodes import DoseLook
    from ..scene.dvh_scene import DvhScene
    from ..scene.mrb import ScenePatient

    top = float(study.dose.volume.array.max())
    levels, _, colors = make_levels((), False, top, top)
    look = DoseLook(colors.table(np.linspace(0.0, top, 256)), 0.0, top, levels[0].dose, "Gy")
    patient = (study.ct or study.dose).patient
    curves = _report_curves(study)
    return DvhScene(
        study.dose.volume,
        look,
        study.structures,
        study.name,
        tuple((one.name, one.color, one.cumulative) for one in curves),
        curves[0].doses,
        ScenePatient(patient.get("name", ""), patient.get("id", ""), patient.get("study", ""),
                     study.ct.patient.get("series", "") if study.ct else ""),
        study.ct.volume if study.ct else None,
    )  # fmt: skip
