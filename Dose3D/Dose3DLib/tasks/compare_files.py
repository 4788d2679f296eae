"""What `dose compare` writes: maps, tables, JSON, and the contents of report and scene."""

from __future__ import annotations

import csv
import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.json_file import write_json
from ..geometry.grid import Volume

if TYPE_CHECKING:
    from ..dose.comparison import RegionFigures
    from ..report.dose_compare import CellsPart, RegionRow
    from ..scene.compare_scene import CompareScene
    from .dose_compare import CompareStudy

__all__ = ["printed", "scene_of", "write_report", "write_tables", "write_volumes"]

_TABLE = 256
_FORMULA = tuple("=+-@\t\r")
_NONE = "none"
_MOST_PERCENT = 99.5
"""Of the differences above the threshold lie within the colours; a few voxels at the skin would make the rest pale."""


def write_volumes(study: CompareStudy, folder: Path) -> dict[str, str]:
    """gamma.nrrd and difference.nrrd on the reference's grid, float32; NaN where there is none."""
    from ..geometry.volume_files import write_volume

    write_volume(_gamma(study), folder / "gamma.nrrd")
    write_volume(study.found.difference, folder / "difference.nrrd")
    return {"gamma": "gamma.nrrd", "difference": "difference.nrrd"}


def write_tables(study: CompareStudy, folder: Path) -> dict[str, str]:
    """regions.csv, profiles.csv, cells.csv where there is a layout, and summary.json."""
    rows = [asdict(one) for one in study.regions]
    _write_csv(folder / "regions.csv", [list(rows[0]), *([_number(v) for v in row.values()] for row in rows)])
    _write_csv(folder / "profiles.csv", _profile_rows(study))
    files = {"regions": "regions.csv", "profiles": "profiles.csv", "summary": "summary.json"}
    if study.cells is not None:
        _write_csv(folder / "cells.csv", _cell_rows(study))
        files["cells"] = "cells.csv"
    write_json(folder / "summary.json", _summary(study))
    return files


def _number(value: Any) -> Any:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return f"{value:.6g}" if isinstance(value, float) else value


def _write_csv(path: Path, rows: list[list[Any]]) -> None:
    """UTF-8; texts that a spreadsheet would take for formulas get an apostrophe before them."""
    with path.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        for row in rows:
            writer.writerow([f"'{c}" if isinstance(c, str) and c[:1] in _FORMULA and not _is_number(c) else c
                             for c in row])  # fmt: skip


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _profile_rows(study: CompareStudy) -> list[list[Any]]:
    unit = "gy" if study.units == "Gy" else study.units
    rows: list[list[Any]] = [["axis", "position_mm", f"reference_{unit}", f"evaluated_{unit}"]]
    for one in study.profiles:
        for values in zip(one.at_mm, *one.doses, strict=True):
            rows.append(["xyz"[one.axis], *(_number(float(value)) for value in values)])
    return rows


def _cell_rows(study: CompareStudy) -> list[list[Any]]:
    cells = study.cells
    rows: list[list[Any]] = [["cell", "x_mm", "y_mm", "z_mm", "reference_gy", "evaluated_gy", "fraction", "judged",
                              "within", "gamma", "gamma_passing"]]  # fmt: skip
    for n, label in enumerate(cells.cells.labels):
        numbers = (*cells.cells.centers_mm[n], cells.reference[n], cells.evaluated[n], cells.fraction[n])
        flags = ["yes" if flag[n] else "no" for flag in (cells.judged, cells.within)]
        rows.append(
            [
                label,
                *(_number(float(v)) for v in numbers),
                *flags,
                _number(float(cells.gamma[n])),
                _number(float(cells.passing[n])),
            ]
        )
    return rows


def _summary(study: CompareStudy) -> dict[str, Any]:
    """summary.json: doses in `units`, shares 0 to 1, places LPS mm."""
    found, preset = study.found, study.preset
    content: dict[str, Any] = {
        "reference": study.settings.reference.name,
        "evaluated": study.settings.evaluated.name,
        "units": study.units,
        "criteria": {**asdict(found.criteria), "label": found.criteria.label, "preset": preset.name or None,
                     "source": preset.source or None},
        "passing": study.overall.passing,
        "passing_grid_points": study.overall.passing_grid_points,
        "tolerance": _share(preset.tolerance_percent),
        "action": _share(preset.action_percent),
        "same_grid": found.same_grid,
        "regions": [asdict(one) for one in study.regions],
        "point_lps_mm": list(study.center_mm),
    }  # fmt: skip
    del content["criteria"]["grid_points_only"]  # both are given
    if study.cells is not None:
        content["cells"] = {
            "number": len(study.cells.cells),
            "judged": int(study.cells.judged.sum()),
            "within": study.cells.share_within,
            "gamma_points": int(np.isfinite(study.cells.gamma).sum()),
            "passing": study.cells.passing_share,
            "gamma_passing": _mean(study.cells.passing[study.cells.judged]),
        }
    return content


def _share(percent: float | None) -> float | None:
    return None if percent is None else percent / 100


def _mean(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else float("nan")


def _percent(share: float | None) -> str:
    return _NONE if share is None or math.isnan(share) else f"{100 * share:.1f} %"


def printed(study: CompareStudy) -> dict[str, Any]:
    """What the command line shows."""
    whole = study.overall
    result = {
        f"gamma {study.found.criteria.label}": f"{_percent(whole.passing)} of {whole.points:,} voxels pass",
        "at grid points only": f"{_percent(whole.passing_grid_points)}",
    }
    if study.preset.tolerance_percent is not None:
        result["verdict"] = _verdict(study)
    if whole.mean_difference is not None:
        result["difference"] = f"{whole.mean_difference:+.3g} {study.units} on average, {whole.lowest:+.3g} to " \
                               f"{whole.highest:+.3g}"  # fmt: skip
    for one in study.regions[1:]:
        passes = f"{_percent(one.passing)} of {one.points:,} voxels pass"
        result[one.name] = passes if one.points else "no gamma"
    if study.cells is not None:
        judged = int(np.isfinite(study.cells.gamma).sum())
        passes, within = _percent(study.cells.passing_share), _percent(study.cells.share_within)
        result["detector"] = f"gamma of {passes} of {judged} cells passes, {within} within the dose difference"
    return result


def _verdict(study: CompareStudy) -> str:
    preset, percent = study.preset, 100 * study.overall.passing
    if percent >= preset.tolerance_percent:
        return f"within the tolerance limit ({preset.tolerance_percent:g} %)"
    if percent >= preset.action_percent:
        return f"below the tolerance limit ({preset.tolerance_percent:g} %), above the action limit"
    return f"below the action limit ({preset.action_percent:g} %)"


def write_report(study: CompareStudy, path: Path, provenance: dict[str, Any]) -> None:
    from ..report.compare_figures import ProfilePart
    from ..report.dose_compare import CompareReport, write_compare_report
    from ..report.dose_figures import ColorScale

    dose, difference, gamma = _looks(study)
    scales = [ColorScale(one.table, one.low, one.high, f"{one.title.lower()} ({one.units})".replace(" (1)", ""),
                         one.threshold) for one in (dose, difference, gamma)]  # fmt: skip
    shortened = [{k: v for k, v in one.items() if k != "sop_instance_uids"} for one in provenance["inputs"]]
    content = CompareReport(
        name=f"{_name(study.evaluated, study.settings.evaluated)} against "
        f"{_name(study.reference, study.settings.reference)}",
        facts=_facts(study),
        reference=study.found.reference,
        evaluated=study.found.evaluated,
        difference=study.found.difference,
        gamma=_gamma(study),
        dose_scale=scales[0],
        difference_scale=scales[1],
        gamma_scale=scales[2],
        highest=study.found.criteria.highest,
        center_mm=study.center_mm,
        verdict=_verdict_rows(study),
        verdict_note=_verdict_note(study),
        regions=tuple(_region_row(one) for one in study.regions),
        isodoses=_isodoses(study),
        profiles=[ProfilePart(one.name, one.at_mm, *one.doses, study.center_mm[one.axis]) for one in study.profiles],
        units=study.units,
        ct=study.ct.volume if study.ct else None,
        cells=_cells_part(study),
        seconds=provenance["seconds"],
        warnings=provenance["warnings"],
        provenance={**provenance, "inputs": shortened},
    )
    write_compare_report(path, content)


def _gamma(study: CompareStudy) -> Volume:
    return Volume(study.found.gamma.astype(np.float32), study.found.reference.grid)


def _name(source: Any, path: Path) -> str:
    return source.patient.get("series") or path.name


def _facts(study: CompareStudy) -> dict[str, str]:
    patient, criteria = (study.ct or study.reference).patient, study.found.criteria
    labels = {"name": "Patient", "id": "Patient ID", "study": "Study"}
    facts = {label: patient.get(key, "") for key, label in labels.items()}
    facts["Criteria"] = f"{criteria.label}, {criteria.threshold_percent:g} % threshold"
    facts["100 %"] = f"{criteria.normalisation:.4g} {study.units}"
    facts["Source"] = study.preset.source
    return facts


def _verdict_rows(study: CompareStudy) -> tuple[tuple[str, str, str], ...]:
    whole, plain = study.overall, study.found.gamma_grid_points
    known = plain[study.found.region]
    known = known[np.isfinite(known)]
    label = f"Voxels that pass, {study.found.criteria.label}"
    rows = [
        (label, _percent(whole.passing), _percent(whole.passing_grid_points)),
        ("Mean", f"{whole.mean_gamma:.3f}", f"{known.mean():.3f}"),
        ("Highest", f"{whole.highest_gamma:.3g}", f"{known.max():.3g}"),
        ("Voxels", f"{whole.points:,}", f"{known.size:,}"),
    ]
    return tuple(rows)


def _verdict_note(study: CompareStudy) -> str:
    parts = [f"Gammas above {study.found.criteria.highest:g} are given as that."]
    if study.preset.tolerance_percent is not None:
        parts.append(f"The pass rate is {_verdict(study)}: {study.preset.source}.")
    return " ".join(parts)


def _region_row(one: RegionFigures) -> RegionRow:
    from ..report.dose_compare import RegionRow

    doses = (_NONE,) * 5
    if one.mean_difference is not None:
        mean = f"{_signed(one.mean_difference)} ± {one.sd_difference:.2f}"
        doses = (f"{one.mean_reference:.2f}", f"{one.mean_evaluated:.2f}", mean, _signed(one.lowest),
                 _signed(one.highest))  # fmt: skip
    mean = _NONE if one.mean_gamma is None else f"{one.mean_gamma:.2f}"
    gamma = (f"{one.points:,}", _percent(one.passing), _percent(one.passing_grid_points), mean)
    return RegionRow((one.name, *gamma), (one.name, *doses))


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "\N{MINUS SIGN}")


def _isodoses(study: CompareStudy) -> list[Any]:
    from ..report.dose_compare import IsodosePair
    from ..report.dose_figures import Line

    doses = (study.found.reference, study.found.evaluated)
    pairs = []
    for level in study.levels:
        volumes = [float((one.array >= level.dose).sum() * one.grid.voxel_volume_mm3 / 1000) for one in doses]
        pairs.append(IsodosePair(Line(level.dose, level.color, level.label), *volumes))
    return pairs


def _cells_part(study: CompareStudy) -> CellsPart | None:
    from ..report.dose_compare import CellsPart

    found = study.cells
    if found is None:
        return None
    judged, criteria = found.judged, study.found.criteria
    reference, evaluated = found.reference[judged], found.evaluated[judged]
    normal = reference if criteria.is_local else np.full(len(reference), criteria.normalisation)
    width = criteria.dose_percent / 100 * normal
    rows = [
        ("Cells of the layout", f"{len(found.cells):,}"),
        (f"Cells with {criteria.threshold_percent:g} % and more", f"{len(reference):,}"),
        (f"Gamma of the means, {criteria.label}: cells that pass", _percent(found.passing_share)),
        (f"Within the dose difference of {criteria.dose_percent:g} %", _percent(found.share_within)),
        ("Gamma ≤ 1 in the patient's grid, over these cells", _percent(_mean(found.passing[judged]))),
        ("Gamma ≤ 1 in the patient's grid, everywhere", _percent(study.overall.passing)),
    ]
    if len(reference):
        difference = evaluated - reference
        mean = f"{_signed(float(difference.mean()))} ± {difference.std():.2f} {study.units}"
        rows.append(("Difference of cell means, mean ± sd", mean))
    return CellsPart(reference, evaluated, width, tuple(rows))


def _looks(study: CompareStudy) -> tuple[Any, Any, Any]:
    """Colours of dose, difference and gamma."""
    from ..dose.colors import DoseColors, difference_colors
    from ..scene.dose_nodes import DoseLook

    found = study.found
    top = float(max(found.reference.array.max(), found.evaluated.array.max()))
    table = DoseColors(tuple(level.dose for level in study.levels), top).table(np.linspace(0.0, top, _TABLE))
    seen = np.abs(found.difference.array[found.region])
    limit = float(np.nanpercentile(seen, _MOST_PERCENT)) or 1e-3 * top
    highest = found.criteria.highest
    # White is 1, whatever the highest gamma is: the colours of passes are as many as those of failures.
    places = np.interp(np.linspace(0, highest, _TABLE), [0, 1, highest], [0, 0.5, 1])
    colors = difference_colors(_TABLE)[np.rint(places * (_TABLE - 1)).astype(int)]
    return (
        DoseLook(table, 0.0, top, study.levels[0].dose, study.units),
        DoseLook(difference_colors(_TABLE), -limit, limit, None, study.units, "Difference"),
        DoseLook(colors, 0.0, highest, 0.0, "1", "Gamma"),
    )


def scene_of(study: CompareStudy) -> CompareScene:
    from ..scene.compare_scene import CompareScene, ProfileCurves
    from ..scene.dose_nodes import Isodose
    from ..scene.mrb import ScenePatient
    from ..scene.plot_nodes import Curve

    dose, difference, gamma = _looks(study)
    patient = (study.ct or study.reference).patient
    found = study.found
    volumes = (
        ("Reference", "Reference dose", found.reference, dose),
        ("Evaluated", "Evaluated dose", found.evaluated, dose),
        ("Difference", "Evaluated minus reference", found.difference, difference),
        ("Gamma", f"Gamma {found.criteria.label}", _gamma(study), gamma),
    )
    profiles = [
        ProfileCurves(f"Profile along {one.name}", one.at_mm,
                      [Curve(name, values) for name, values in zip(("reference", "evaluated"), one.doses, strict=True)])
        for one in study.profiles
    ]  # fmt: skip
    series = study.ct.patient.get("series", "") if study.ct else ""
    return CompareScene(
        volumes,
        [Isodose(level.dose, level.label, level.color) for level in study.levels],
        profiles,
        study.center_mm,
        ScenePatient(patient.get("name", ""), patient.get("id", ""), patient.get("study", ""), series),
        study.ct.volume if study.ct else None,
        study.structures,
    )
